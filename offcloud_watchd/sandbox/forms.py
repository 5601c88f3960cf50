"""The parameters of a call, in every spelling clients use: query, form, multipart form, JSON.

Rules of this file:

* Pure; never raises. What cannot be read is no parameter, and the endpoint says what is missing.
* The names of arrays may end in ``[]`` or ``[0]``. All spellings are in use by public clients.
"""

from __future__ import annotations

import email
import email.policy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

_INDEX: Final = re.compile(r"\[\d*\]\Z")
MOST_FIELDS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Form:
    """Parameters by name, each with all its values in order."""

    values: Mapping[str, tuple[str, ...]]

    def one(self, name: str) -> str:
        """Return the first value; empty when there is none."""
        return next(iter(self.values.get(name, ())), "")

    def many(self, name: str) -> tuple[str, ...]:
        """Return all values."""
        return self.values.get(name, ())


def read_query(text: str) -> Form:
    """Read a query string, or a form in the same spelling."""
    try:
        return _gathered(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:  # too many fields
        return Form({})


def read_form(content_type: str, body: bytes) -> Form:
    """Read the body of a call; ``content_type`` is its header as it came."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _gathered(_json_pairs(read_json(body)))
    if kind == "multipart/form-data":
        return _gathered(_multipart_pairs(content_type, body))
    return read_query(body.decode("utf-8", "replace"))


def read_json(body: bytes) -> object:
    """Return the parsed body; None when it is not JSON or nested too deeply."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


def _gathered(pairs: Iterable[tuple[str, str]]) -> Form:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(_INDEX.sub("", name), []).append(value)
    return Form({name: tuple(many) for name, many in values.items()})


def _json_pairs(value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        return
    for name, member in value.items():
        for one in member if isinstance(member, list) else [member]:
            if isinstance(one, str):
                yield name, one
            elif isinstance(one, bool):
                yield name, "true" if one else "false"


def read_files(content_type: str, body: bytes) -> Sequence[tuple[str, bytes]]:
    """Read the files of a multipart form, each with its name, byte for byte."""
    return [(filename, payload) for _, filename, payload in _parts(content_type, body) if filename]


def _multipart_pairs(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    for name, filename, payload in _parts(content_type, body):
        if name and not filename:
            yield name, payload.decode("utf-8", "replace")


def _parts(content_type: str, body: bytes) -> Iterator[tuple[str, str, bytes]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            yield name if isinstance(name, str) else "", part.get_filename() or "", payload
