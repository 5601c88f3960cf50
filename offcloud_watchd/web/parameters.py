"""What came with a call of a client: fields out of the address and the form, and files; within bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

MAX_FIELDS: Final = 500
MAX_FILES: Final = 500
MAX_FIELD_BYTES: Final = 4 * 1024 * 1024  # thousands of hashes in one field are nothing unusual

_EXTENDED_NAME: Final = re.compile(r"filename\*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


class BadForm(Exception):  # noqa: N818 - the state of the thing
    """A form cannot be read, or goes over its bounds."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a call, whole."""

    name: str
    data: bytes


async def parameters(request: Request, files: str) -> tuple[dict[str, str], tuple[Upload, ...]]:
    """Read what came with a request; what the body says goes before the address. Raise ``BadForm``.

    ``files`` is the field in which files come, also where a client does not mark them as such.
    """
    given = dict(request.query_params)
    if request.method != "POST":
        return given, ()
    try:
        async with request.form(
            max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        ) as form:
            uploads: list[Upload] = []
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    uploads.append(Upload(_file_name(value), await value.read()))
                elif name == files:
                    uploads.append(Upload("", _bytes(value)))
                else:
                    given[name] = value
    except MultiPartException as error:
        raise BadForm from error
    return given, tuple(uploads)


def _file_name(upload: UploadFile) -> str:
    """Return a file's name; where it is told twice, the one that every letter fits in (RFC 6266)."""
    extended = _EXTENDED_NAME.search(upload.headers.get("content-disposition", ""))
    return unquote(extended[1], errors="replace") if extended else upload.filename or ""


def _bytes(value: str) -> bytes:
    """Return the bytes of a file that came as a field: older clients name it by ``filename*`` alone.

    The form's parser knows that name not, and reads the file as UTF-8, or where it is none as Latin-1.
    """
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape")
