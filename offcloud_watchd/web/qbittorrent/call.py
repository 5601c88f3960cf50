"""One call of the API: what was asked, by whom, and the plain ways to answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from json import dumps
from typing import Final
from urllib.parse import unquote

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from offcloud_watchd.web.sessions import Session

FILES: Final = "torrents"
"""The field of a form in which files come."""
MAX_FIELDS: Final = 500
MAX_FILES: Final = 500
MAX_FIELD_BYTES: Final = 4 * 1024 * 1024  # thousands of hashes in one field are nothing unusual

_EXTENDED_NAME: Final = re.compile(r"filename\*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


class Refused(Exception):  # noqa: N818 - the state of the thing
    """A call cannot be answered: with this status, and this text, which clients may compare."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a call, whole."""

    name: str
    data: bytes


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


async def parameters(request: Request) -> tuple[dict[str, str], tuple[Upload, ...]]:
    """Read what came with a request, within bounds; what the body says goes before the address."""
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
                elif name == FILES:
                    uploads.append(Upload("", _bytes(value)))
                else:
                    given[name] = value
    except MultiPartException as error:
        raise Refused(400, "Bad Request") from error
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


class _Json(JSONResponse):
    """JSON in which a name that is not UTF-8 has a mark for each byte that is none."""

    def render(self, content: object) -> bytes:
        """Encode."""
        return dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )


def text(body: str, status: int = 200) -> Response:
    """Answer with text, typed as qBittorrent does: go-qbittorrent looks at it."""
    return PlainTextResponse(body, status, media_type="text/plain; charset=UTF-8")


def json(body: object) -> Response:
    """Answer with JSON."""
    return _Json(body)
