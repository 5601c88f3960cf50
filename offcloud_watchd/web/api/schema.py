"""What a value must be like: one definition that checks values and writes itself down as JSON Schema.

Rules of this file:

* What a document says and what is checked cannot differ: both come of the same members.
* ``check`` says what is wrong in a sentence that repeats nothing of the value: it may be secret, or a script.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Document = dict[str, Any]


class Unfit(ValueError):  # noqa: N818 - the state of the thing
    """A value is not what it must be."""


class Schema(Protocol):
    """A definition."""

    def document(self) -> Document:
        """Write it as JSON Schema (2020-12)."""
        ...

    def check(self, value: object, where: str) -> None:
        """Raise ``Unfit`` unless the value fits; ``where`` names it."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    about: str = ""
    least: int = 0
    most: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""

    def document(self) -> Document:
        """Write it down."""
        found: Document = {"type": "string"}
        if self.choices:
            found["enum"] = list(self.choices)
        if self.least:
            found["minLength"] = self.least
        if self.most is not None:
            found["maxLength"] = self.most
        if self.pattern:
            found["pattern"] = f"^(?:{self.pattern})$"
        return _told(found, self.about)

    def check(self, value: object, where: str) -> None:
        """Check a value."""
        if not isinstance(value, str):
            raise Unfit(f"{where} must be a string")
        if self.choices and value not in self.choices:
            raise Unfit(f"{where} must be one of {', '.join(self.choices)}")
        if len(value) < self.least:
            raise Unfit(f"{where} must have {self.least} characters at least")
        if self.most is not None and len(value) > self.most:
            raise Unfit(f"{where} must have {self.most} characters at most")
        if self.pattern and re.fullmatch(self.pattern, value) is None:
            raise Unfit(f"{where} must match {self.pattern}")


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    about: str = ""
    least: int | None = None
    most: int | None = None

    def document(self) -> Document:
        """Write it down."""
        found: Document = {"type": "integer"}
        if self.least is not None:
            found["minimum"] = self.least
        if self.most is not None:
            found["maximum"] = self.most
        return _told(found, self.about)

    def check(self, value: object, where: str) -> None:
        """Check a value."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit(f"{where} must be a whole number")
        if self.least is not None and value < self.least:
            raise Unfit(f"{where} must be {self.least} at least")
        if self.most is not None and value > self.most:
            raise Unfit(f"{where} must be {self.most} at most")


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is finite."""

    about: str = ""

    def document(self) -> Document:
        """Write it down."""
        return _told({"type": "number"}, self.about)

    def check(self, value: object, where: str) -> None:
        """Check a value."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Unfit(f"{where} must be a number")


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    about: str = ""

    def document(self) -> Document:
        """Write it down."""
        return _told({"type": "boolean"}, self.about)

    def check(self, value: object, where: str) -> None:
        """Check a value."""
        if not isinstance(value, bool):
            raise Unfit(f"{where} must be true or false")


@dataclass(frozen=True, slots=True)
class Maybe:
    """Something, or null."""

    of: Schema

    def document(self) -> Document:
        """Write it down."""
        return {"anyOf": [self.of.document(), {"type": "null"}]}

    def check(self, value: object, where: str) -> None:
        """Check a value."""
        if value is not None:
            self.of.check(value, where)


@dataclass(frozen=True, slots=True)
class Many:
    """An array."""

    of: Schema
    about: str = ""
    least: int = 0
    most: int | None = None

    def document(self) -> Document:
        """Write it down."""
        found: Document = {"type": "array", "items": self.of.document()}
        if self.least:
            found["minItems"] = self.least
        if self.most is not None:
            found["maxItems"] = self.most
        return _told(found, self.about)

    def check(self, value: object, where: str) -> None:
        """Check a value and all that is in it."""
        if not isinstance(value, list):
            raise Unfit(f"{where} must be an array")
        if len(value) < self.least:
            raise Unfit(f"{where} must have {self.least} entries at least")
        if self.most is not None and len(value) > self.most:
            raise Unfit(f"{where} must have {self.most} entries at most")
        for number, one in enumerate(value):
            self.of.check(one, f"{where}[{number}]")


@dataclass(frozen=True, slots=True)
class Anything:
    """An object that is not told more about."""

    about: str = ""

    def document(self) -> Document:
        """Write it down."""
        return _told({"type": "object"}, self.about)

    def check(self, value: object, where: str) -> None:
        """Check that it is an object."""
        if not isinstance(value, dict):
            raise Unfit(f"{where} must be an object")


@dataclass(frozen=True, slots=True)
class Record:
    """An object with these members and no others; ``optional`` ones may be left out."""

    members: Mapping[str, Schema]
    optional: Sequence[str] = ()
    about: str = ""

    def document(self) -> Document:
        """Write it down."""
        found: Document = {
            "type": "object",
            "properties": {name: one.document() for name, one in self.members.items()},
            "required": [name for name in self.members if name not in self.optional],
            "additionalProperties": False,
        }
        return _told(found, self.about)

    def check(self, value: object, where: str) -> None:
        """Check a value and all that is in it."""
        if not isinstance(value, dict):
            raise Unfit(f"{where} must be an object")
        if value.keys() - self.members.keys():
            raise Unfit(f"{where} has a member beside {', '.join(self.members)}")
        for name, one in self.members.items():
            if name in value:
                one.check(value[name], f"{where}.{name}")
            elif name not in self.optional:
                raise Unfit(f"{where} has no member {name}")


def _told(found: Document, about: str) -> Document:
    return {**found, "description": about} if about else found
