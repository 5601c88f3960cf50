"""One call of the RPC: what was asked, by whom, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from offcloud_watchd.web.sessions import Session


class Refused(Exception):  # noqa: N818 - the state of the thing
    """A call cannot be carried out; the text is its ``result``, and is shown to people."""

    def __init__(self, result: str, arguments: Mapping[str, object] | None = None) -> None:
        super().__init__(result)
        self.arguments = arguments or {}


@dataclass(frozen=True, slots=True)
class Call:
    """A call with its arguments. ``base`` is the category of the address, None: any.

    ``word`` is the id of the session, which clients read also where they gave it.
    """

    base: str | None
    session: Session
    word: str
    arguments: Mapping[str, object]

    def text(self, name: str) -> str:
        """Return a text, empty where there is none."""
        value = self.arguments.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str] | None:
        """Return the texts of a list, None where there is no list."""
        value = self.arguments.get(name)
        return [one for one in value if isinstance(one, str)] if isinstance(value, list) else None

    def is_true(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.arguments.get(name) in (True, 1)

    def ids(self) -> tuple[set[int], set[str]] | None:
        """Return the numbers and hashes that are asked for; None: all there are."""
        value = self.arguments.get("ids")
        if value is None:
            return None
        several = value if isinstance(value, list) else [value]
        numbers = {one for one in several if isinstance(one, int) and not isinstance(one, bool)}
        return numbers, {one.strip().lower() for one in several if isinstance(one, str)}


def read(body: bytes) -> tuple[str, Mapping[str, object], object]:
    """Read a body: the method, its arguments and the tag that goes back; empty where it is no call."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "", {}, None
    if not isinstance(document, dict):
        return "", {}, None
    method, arguments, tag = (document.get(name) for name in ("method", "arguments", "tag"))
    return (
        method if isinstance(method, str) else "",
        arguments if isinstance(arguments, dict) else {},
        tag if isinstance(tag, int) and not isinstance(tag, bool) else None,
    )
