"""What came with a form, whole and within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

MAX_FIELDS: Final = 1100
MAX_FILES: Final = 100
MAX_FIELD_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """The fields, in their order, and the files by their names, which are those of the sender."""

    fields: Sequence[tuple[str, str]] = ()
    files: Sequence[tuple[str, bytes]] = ()

    def text(self, name: str) -> str:
        """Return a field; empty where it is not there."""
        return next((value for field, value in self.fields if field == name), "")

    def many(self, name: str) -> list[str]:
        """Return all fields of a name."""
        return [value for field, value in self.fields if field == name]


async def read(request: Request) -> Form:
    """Read a form; one that is none, or beyond the bounds, is empty and has no token."""
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, bytes]] = []
    try:
        async with request.form(
            max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        ) as form:
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    fields.append((name, value))
                elif value.filename:
                    files.append((value.filename.replace("\\", "/").rpartition("/")[2], await value.read()))
    except MultiPartException:
        return Form()
    return Form(fields, files)
