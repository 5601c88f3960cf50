"""What can be asked of the API: each operation with what it takes and what it may answer.

This is the one definition: requests are checked by it and the OpenAPI document is written from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from offcloud_watchd import __version__
from offcloud_watchd.web.api.schema import Document, Record, Schema, Text
from offcloud_watchd.web.entrance import COOKIE

PREFIX: Final = "/api/v1"
BYTES: Final = "application/octet-stream"
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
PLAIN: Final = "text/plain"
ERROR: Final = Record({"error": Text("what is wrong, for a person")})
NOTHING: Final = Record({})
EVENT: Final = Record(
    {"event": Text(choices=("status", "job", "gone")), "data": Text("JSON, on one line")},
    about="each event",
)

_EVERYWHERE: Final[Mapping[int, str]] = {
    400: "what was sent is not what is described here",
    403: "not let in, or the request comes from another site's page",
    408: "the request took too long",
    421: "the host is no name of this server",
    503: "the daemon cannot answer now",
}
_WITH_A_BODY: Final[Mapping[int, str]] = {
    411: "the length of the body is not told",
    413: "the body is too large",
    415: "the body is of another type",
}
_BY_THE_GUARD: Final = frozenset({400, 403, 408, 413, 421, 503})
"""What may also be said in plain text, before the API sees the request."""


@dataclass(frozen=True, slots=True)
class Given:
    """What came with a request, checked: the parts of its path, its query, its body."""

    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: a status and a document."""

    document: Document
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be asked.

    ``body`` is a definition of JSON, or the ``BYTES`` of a file. ``answers`` are those by status, each
    with what it means; ``refusals`` what else may be answered, beside what may be answered everywhere.
    ``act`` None: the answer is a stream, which is not made here.
    """

    method: str
    path: str
    name: str
    summary: str
    act: Callable[[Given], Awaitable[Answer]] | None
    answer: Schema | None
    answers: Mapping[int, str] = field(default_factory=lambda: {200: "so it is"})
    path_parts: Mapping[str, Schema] = field(default_factory=dict)
    query: Record = NOTHING
    body: Schema | str | None = None
    refusals: Mapping[int, str] = field(default_factory=dict)


def openapi(operations: Sequence[Operation], *, has_password: bool) -> Document:
    """Write down all operations as an OpenAPI 3.2 document, which knows streams."""
    paths: dict[str, Document] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    document: Document = {
        "openapi": "3.2.0",
        "info": {
            "title": "offcloud-watchd",
            "version": __version__,
            "description": "Members are only ever added to answers. Times are UTC seconds since the epoch.",
        },
        "servers": [{"url": PREFIX}],
        "paths": paths,
    }
    if has_password:
        document["components"] = {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "the web's password"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            }
        }
        document["security"] = [{"key": []}, {"session": []}]
    return document


def _operation(one: Operation) -> Document:
    found: Document = {"operationId": one.name, "summary": one.summary, "responses": _responses(one)}
    parameters = [
        *(_parameter(name, "path", schema, required=True) for name, schema in one.path_parts.items()),
        *(
            _parameter(name, "query", schema, required=name not in one.query.optional)
            for name, schema in one.query.members.items()
        ),
    ]
    if parameters:
        found["parameters"] = parameters
    if one.body == BYTES:
        found["requestBody"] = {"required": True, "content": {BYTES: {"schema": {}}}}
    elif one.body is not None and not isinstance(one.body, str):
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": one.body.document()}}}
    return found


def _parameter(name: str, place: str, schema: Schema, *, required: bool) -> Document:
    return {"name": name, "in": place, "required": required, "schema": schema.document()}


def _responses(one: Operation) -> Document:
    if one.answer is None:
        content: Document = {EVENTS: {"itemSchema": EVENT.document()}}
    else:
        content = {JSON: {"schema": one.answer.document()}}
    refusals = {**_EVERYWHERE, **(_WITH_A_BODY if one.body is not None else {}), **one.refusals}
    return {
        **{str(status): {"description": text, "content": content} for status, text in one.answers.items()},
        **{str(status): _refusal(status, text) for status, text in sorted(refusals.items())},
    }


def _refusal(status: int, text: str) -> Document:
    content: Document = {JSON: {"schema": ERROR.document()}}
    if status in _BY_THE_GUARD:
        content[PLAIN] = {"schema": {"type": "string"}}
    return {"description": text, "content": content}
