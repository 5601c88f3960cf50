"""What a route is, what it gets, and what it works with.

Rules of this file:

* A route is a row: the endpoint's name for the books and the fault table, verb, path, the function that
  serves it, and the generations that have it.
* Everything that is not JSON is answered by ``server``; here an answer is a value and a status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.sandbox import shapes
from offcloud_watchd.sandbox.account import Account, Item
from offcloud_watchd.sandbox.doors import Doors
from offcloud_watchd.sandbox.files import FileHost
from offcloud_watchd.sandbox.forms import Form
from offcloud_watchd.sandbox.server import Answer, whole
from offcloud_watchd.sandbox.settings import Manners, SandboxSettings
from offcloud_watchd.sandbox.source import Source, read_source
from offcloud_watchd.sandbox.uploads import Uploads

_ID: Final = re.compile("[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a route: its parameters, the id in its path (or empty), and whether its key is good.

    ``files``: what a form that uploads brings, as name and bytes.
    """

    query: Form
    form: Form
    path_id: str
    known: bool = False
    files: Sequence[tuple[str, bytes]] = ()

    @property
    def request_id(self) -> str:
        """The item the call is about, from the path or the form."""
        return self.path_id or self.form.one("requestId")


@dataclass(frozen=True, slots=True)
class Site:
    """What every route works with; each part may be used by any thread. ``base_url`` is known late."""

    settings: SandboxSettings
    account: Account
    files: FileHost
    doors: Doors
    uploads: Uploads
    base_url: Callable[[], str]

    @property
    def manners(self) -> Manners:
        """How the generation behaves."""
        return self.settings.manners

    def view(self, item: Item) -> shapes.View:
        """Return an item as this call sees it."""
        return shapes.View(item, self.account.stage(item), self.manners, self.files.classic_url(item))

    def source(self, call: Call) -> Source:
        """Return what a submitted link means; an uploaded file's address means that file."""
        link = call.form.one("url")
        return self.uploads.source(link, call.form.one("customFileName")) or read_source(link)

    def error(self, status: int, text: str) -> Answer:
        """Return an error; where errors have no statuses of their own it comes with 200."""
        return as_json({"error": text}, status if self.manners.error_statuses else 200)


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. ``open_`` routes need no key."""

    endpoint: str
    method: str
    path: str
    serve: Callable[[Site, Call], Answer]
    classic: bool = True
    current: bool = True
    open_: bool = False

    def match(self, path: str) -> str | None:
        """Return the id in the path (maybe empty) when the path is this route's, else None."""
        if self.path == path:
            return ""
        prefix = self.path.removesuffix("{id}")
        request_id = path.removeprefix(prefix)
        takes_id = prefix != self.path and request_id != path and _ID.fullmatch(request_id)
        return request_id if takes_id else None


def as_json(value: object, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """Return a JSON answer."""
    return whole(status, "application/json", json.dumps(value).encode(), *headers)
