"""One call of the API: what was asked, and by whom."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from offcloud_watchd.web.parameters import Upload
from offcloud_watchd.web.sessions import Session


class Refused(Exception):  # noqa: N818 - the state of the thing
    """A call cannot be answered: with this status, and this text, which clients may compare."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Call:
    """A call with its parameters, however they came. ``base`` is the category of the address, None: any."""

    request: Request
    session: Session
    base: str | None
    given: dict[str, str]
    uploads: tuple[Upload, ...] = ()

    def needs(self, name: str) -> str:
        """Return a parameter that must be there."""
        if name not in self.given:
            raise Refused(400, "Bad Request")
        return self.given[name]

    def get(self, name: str, otherwise: str = "") -> str:
        """Return a parameter."""
        return self.given.get(name, otherwise)

    def is_true(self, name: str) -> bool:
        """Tell whether a switch is on; clients spell it in several ways."""
        return self.get(name).strip().lower() in {"true", "1", "yes", "on"}

    def number(self, name: str) -> int | None:
        """Return a whole number, None where there is none."""
        text = self.get(name).strip()
        return int(text) if text.removeprefix("-").isdecimal() and len(text) < 12 else None

    def many(self, name: str) -> list[str]:
        """Return the parts of a parameter between bars."""
        return [part.strip() for part in self.needs(name).split("|") if part.strip()]
