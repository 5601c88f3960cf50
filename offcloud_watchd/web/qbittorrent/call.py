"""One call of the API: what was asked, by whom, and the plain ways to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from offcloud_watchd.web.sessions import Session

MAX_FIELDS: Final = 500
MAX_FILES: Final = 500
MAX_FIELD_BYTES: Final = 4 * 1024 * 1024  # thousands of hashes in one field are nothing unusual


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
                    uploads.append(Upload(value.filename or "", await value.read()))
                else:
                    given[name] = value
    except MultiPartException as error:
        raise Refused(400, "Bad Request") from error
    return given, tuple(uploads)


def text(body: str, status: int = 200) -> Response:
    """Answer with text, typed as qBittorrent does: go-qbittorrent looks at it."""
    return PlainTextResponse(body, status, media_type="text/plain; charset=UTF-8")


def json(body: object) -> Response:
    """Answer with JSON."""
    return JSONResponse(body)
