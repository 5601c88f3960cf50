"""One call of the API: what was asked, and the two ways in which it cannot be answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.verdicts import NZO_PREFIX
from offcloud_watchd.web.parameters import Upload

NO_VALUE: Final = "expects one parameter"
NO_ITEM: Final = "item does not exist"
NOT_IMPLEMENTED: Final = "not implemented"


class Refused(Exception):  # noqa: N818 - the state of the thing
    """Who asks may not: 403 with a text that clients look for."""


class Unfit(Exception):  # noqa: N818 - the state of the thing
    """A call that means nothing here: 200, ``status`` false, and why."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call with its parameters, however they came. ``base`` is the category of the address, None: any."""

    base: str | None
    given: Mapping[str, str]
    uploads: tuple[Upload, ...] = ()

    def get(self, name: str) -> str:
        """Return a parameter, empty where it is not there."""
        return self.given.get(name, "")

    def number(self, name: str) -> int:
        """Return a whole number, 0 where there is none."""
        text = self.get(name).strip()
        return int(text) if text.isdecimal() and len(text) < 12 else 0

    def is_true(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.get(name).strip().lower() in {"1", "true", "on", "yes"}

    def many(self, name: str) -> list[str]:
        """Return the parts of a parameter between commas."""
        return [part.strip() for part in self.get(name).split(",") if part.strip()]


def job_id_of(given: str) -> str:
    """Return the id of a job by what a client calls it."""
    return given.removeprefix(NZO_PREFIX)
