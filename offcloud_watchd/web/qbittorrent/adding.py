"""``torrents/add``: magnets, web links and .torrent files, durable before ``Ok.`` is said.

Rules of this file:

* Everything is read before anything is taken: a call that brings one bad file, or too much, brings nothing.
* The jobs show when it is answered, as far as that does not take long, because clients ask for them next.
* What is there already is no error: an open job is joined, a failed one begins anew, a finished one is looked
  at. qBittorrent says ``Fails.`` there, and a client whose first call was answered too late could never know.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from starlette.responses import Response

from offcloud_watchd.core.links import parse, parse_link
from offcloud_watchd.core.model import LinkKind
from offcloud_watchd.core.orders import AddFile, AddLink
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.web.answers import text_answer as text
from offcloud_watchd.web.bringing import Bringing, Brought
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.parameters import Upload
from offcloud_watchd.web.qbittorrent.call import Call, Refused
from offcloud_watchd.web.qbittorrent.categories import INCORRECT

MAX_LINES: Final = 2000
"""Each link is an order that is made durable before the answer: more take longer than clients wait."""
MAX_STEM: Final = 1000
_SUFFIX: Final = ".torrent"


class Adding:
    """The call."""

    def __init__(self, desk: Desk, catalogue: Catalogue) -> None:
        self._desk = desk
        self._catalogue = catalogue
        self._bringing = Bringing(desk, catalogue)
        self.writes: Mapping[str, Callable[[Call], Awaitable[Response]]] = {"torrents/add": self._add}

    async def _add(self, call: Call) -> Response:
        category = self._category(call)
        name = call.get("rename").strip()[:MAX_STEM] or None
        read = await self._desk.aside(
            partial(_read, call.uploads, call.get("urls").splitlines(), category, name)
        )
        if not read:
            return text("Fails.")
        if category is not None:
            call.session.uses(category)
        await self._bringing.hand_in(read, category)
        return text("Ok.")

    def _category(self, call: Call) -> str | None:
        """Return the category that is meant, None for the default one. FlexGet calls it ``label``."""
        given = call.get("category") or call.get("label")
        if call.base is not None and given not in ("", call.base):
            raise Refused(409, f"this address serves the category {call.base} alone")
        category = call.base or given or None
        if self._catalogue.place(category) is None:
            raise Refused(409, INCORRECT)
        return category


def _read(
    uploads: Sequence[Upload], lines: Sequence[str], category: str | None, name: str | None
) -> list[Brought]:
    given = [line for line in map(str.strip, lines) if line]
    if len(given) > MAX_LINES:
        raise Refused(413, f"Fails. Nothing of {len(given)} links was taken: send {MAX_LINES} at the most.")
    files = [_read_file(upload, category, name) for upload in uploads]
    return [*files, *(link for line in given if (link := _read_link(line, category, name)))]


def _read_link(line: str, category: str | None, name: str | None) -> Brought | None:
    try:
        return Brought(AddLink(line, category, name), parse_link(line).key)
    except BadDrop:
        return None


def _read_file(upload: Upload, category: str | None, name: str | None) -> Brought:
    shown = _file_name(upload.name)
    try:
        found = parse(shown, upload.data).found
    except BadDrop:
        found = ()
    if len(found) != 1 or found[0].kind is LinkKind.NZB:
        raise Refused(415, f"Error: '{upload.name}' is not a valid torrent file.")
    stem = name or shown[: -len(_SUFFIX)] or found[0].name or found[0].key
    return Brought(AddFile(stem[:MAX_STEM] + _SUFFIX, upload.data, category), found[0].key)


def _file_name(given: str) -> str:
    """Return the name of a .torrent: its last part, with the extension that says how it is read."""
    last = re.split(r"[/\\]", given)[-1]
    return last if last.lower().endswith(_SUFFIX) else last + _SUFFIX
