"""A request of the API, read within bounds and held against its operation."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from starlette.requests import Request

from offcloud_watchd.core.links import MAX_DROP_BYTES
from offcloud_watchd.web.api.operations import BYTES, JSON, Given, Operation
from offcloud_watchd.web.api.schema import Flag, Schema, Unfit, Whole

MAX_JSON_BYTES: Final = 1024 * 1024
_WHOLE: Final = re.compile(r"-?[0-9]{1,15}")


class Refused(Exception):  # noqa: N818 - the state of the thing
    """A request cannot be answered as it would like: with this status, and a sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


async def given(request: Request, operation: Operation) -> Given:
    """Read a request and check it; raise ``Refused``."""
    try:
        for name, schema in operation.path_parts.items():
            schema.check(request.path_params[name], name)
    except Unfit as error:
        raise Refused(404, f"there is nothing under this address: {error}") from error
    try:
        query = _query(request, operation)
        body = await _body(request, operation)
    except Unfit as error:
        raise Refused(400, str(error)) from error
    return Given(request.path_params, query, body)


def _query(request: Request, operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    members = operation.query.members
    for name, text in request.query_params.multi_items():
        if name in found:
            raise Unfit(f"{name} is there twice" if name in members else "a parameter is there twice")
        found[name] = _read(text, members[name]) if name in members else text
    operation.query.check(found, "the query")
    return found


def _read(text: str, schema: Schema) -> object:
    if isinstance(schema, Whole) and _WHOLE.fullmatch(text):
        return int(text)
    if isinstance(schema, Flag):
        return {"true": True, "false": False}.get(text, text)
    return text


async def _body(request: Request, operation: Operation) -> Any:
    wanted = operation.body
    if wanted is None:
        return None
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if wanted == BYTES:
        _expect(content_type, BYTES)
        return await _bytes(request, MAX_DROP_BYTES)
    # A page elsewhere can send a form, or text; this type a browser sends only where it was asked first.
    _expect(content_type, JSON)
    value = _parsed(await _bytes(request, MAX_JSON_BYTES))
    if not isinstance(wanted, str):
        wanted.check(value, "the body")
    return value


def _expect(content_type: str, wanted: str) -> None:
    if content_type != wanted:
        raise Refused(415, f"the body must be {wanted}")


async def _bytes(request: Request, most: int) -> bytes:
    parts: list[bytes] = []
    taken = 0
    async for part in request.stream():
        taken += len(part)
        if taken > most:
            raise Refused(413, f"the body is larger than {most // 1024}KiB")
        parts.append(part)
    return b"".join(parts)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Unfit("the body is no JSON") from error


def _no_number(_text: str) -> NoReturn:
    raise ValueError("JSON has no such number")
