"""What a file host's answer means for a file of which some bytes may be here already. Pure.

Rules of this file:

* Bytes of two different contents are never joined: a range is used only if it starts where we are, its total
  and its validator are the ones known, and otherwise the file begins anew.
* A size is believed only when it is told twice or by nobody else: what the service said must be what the host
  says.
* A coded body is refused: its length says nothing about the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.retry_after import retry_after_s
from offcloud_watchd.fetch.line import Broken

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)\Z")
_UNSATISFIED: Final = re.compile(r"bytes \*/([0-9]{1,19})\Z")
_COMPLAINT: Final = re.compile(rb'\s*\{\s*"(?:error|not_available)"\s*:')
_PAGE_TYPES: Final = ("text/html", "application/xhtml+xml", "application/json", "text/json")
_PAGE_NAMES: Final = (".html", ".htm", ".xhtml", ".json")
_STALE: Final = (401, 403, 404, 410)


@dataclass(frozen=True, slots=True)
class Asked:
    """What we have and know of a file when we ask for the rest.

    ``expected_bytes`` is the size the service told, ``total`` and ``validator`` what the host said earlier.
    """

    name: str
    offset: int
    expected_bytes: int | None
    total: int | None
    validator: str

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for the rest; a validator makes a changed file come whole."""
        if self.offset == 0:
            return {}
        headers = {"Range": f"bytes={self.offset}-"}
        if self.validator and not self.validator.startswith("W/"):
            headers["If-Range"] = self.validator
        return headers


@dataclass(frozen=True, slots=True)
class Answer:
    """The body begins at ``offset`` of a file of ``total`` bytes; ``complete``: there is nothing to read."""

    offset: int
    total: int | None
    validator: str
    complete: bool = False


def understood(asked: Asked, status: int, headers: Mapping[str, str], now: float) -> Answer | None:
    """Judge status and headers; None: what is here is of no use, ask again from the beginning.

    ``now`` is UTC seconds, for a Retry-After that is a date. Raises ``Broken`` when the answer is no part of
    the file.
    """
    validator = headers.get("ETag") or headers.get("Last-Modified") or ""
    if status == 416 and asked.offset:
        return _unsatisfied(asked, headers)
    if status not in (200, 206) or (status == 206 and not asked.offset):
        raise _refused(status, headers, now)
    _check_body(asked, headers)
    if status == 200:
        return Answer(0, _confirmed(asked, _length(headers)), validator)
    found = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
    if found is None or int(found[1]) != asked.offset:
        return None
    total = None if found[3] == "*" else int(found[3])
    changed = bool(asked.validator and validator and validator != asked.validator)
    if changed or (asked.total is not None and total is not None and total != asked.total):
        return None
    return Answer(asked.offset, _confirmed(asked, total), validator or asked.validator)


def complains(asked: Asked, head: bytes) -> bool:
    """Tell whether a body begins as the service's own complaint although its type does not say so.

    Where the size was told, the size will tell. Source: public clients saw a JSON "Temporary error" with 200.
    """
    is_silent = asked.expected_bytes is None and not asked.name.lower().endswith(_PAGE_NAMES)
    return is_silent and _COMPLAINT.match(head) is not None


def _unsatisfied(asked: Asked, headers: Mapping[str, str]) -> Answer | None:
    """416 with our own size as the total means that nothing is missing."""
    found = _UNSATISFIED.match(headers.get("Content-Range", ""))
    total = int(found[1]) if found else None
    sizes = {size for size in (total, asked.expected_bytes, asked.total) if size is not None}
    if total is not None and sizes == {asked.offset}:
        return Answer(asked.offset, total, asked.validator, complete=True)
    return None


def _refused(status: int, headers: Mapping[str, str], now: float) -> Broken:
    asked_s = retry_after_s(headers.get("Retry-After"), now) if status in (429, 503) else None
    return Broken(
        f"the file host answered {status}",
        stale_link=status in _STALE or status >= 500,
        retry_after_s=asked_s,
    )


def _check_body(asked: Asked, headers: Mapping[str, str]) -> None:
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise Broken("the file host sends the file in a coding that was not asked for", stale_link=True)
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in _PAGE_TYPES or asked.name.lower().endswith(_PAGE_NAMES):
        return
    if asked.expected_bytes is None or _length(headers) != asked.expected_bytes - asked.offset:
        raise Broken(f"the file host sent {kind} in place of the file", stale_link=True)


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise Broken("the file host sent a length that is no number")
    return int(text)


def _confirmed(asked: Asked, total: int | None) -> int | None:
    expected = asked.expected_bytes or None  # none is also what a service says that does not know
    if None not in (total, expected) and total != expected:
        raise Broken(f"the file host has {total} bytes, the service said {expected}", stale_link=True)
    return expected if total is None else total
