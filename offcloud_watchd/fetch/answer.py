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
from offcloud_watchd.fetch.broken import Broken

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)\Z")
_UNSATISFIED: Final = re.compile(r"bytes \*/([0-9]{1,19})\Z")
_COMPLAINT: Final = re.compile(rb'\s*\{\s*"(?:error|not_available)"\s*:')
_PAGE_TYPES: Final = ("text/html", "application/xhtml+xml", "application/json", "text/json")
_PAGE_NAMES: Final = (".html", ".htm", ".xhtml", ".json")
_PAGE_HEADS: Final = (b"<!doctype html", b"<html")
_STALE: Final = (401, 403, 404, 410)
_CROWDED: Final = (429, 503)


@dataclass(frozen=True, slots=True)
class Asked:
    """What we have and know of a file when we ask for the rest.

    ``expected_bytes`` is the size the service told, ``total`` and ``validator`` what the host said earlier.
    ``end`` is where the part that is asked for ends, None for all there is. ``fresh``: nothing of the file is
    here or on its way, so that an answer of the whole is welcome where a part was asked for.
    """

    name: str
    offset: int
    expected_bytes: int | None
    total: int | None
    validator: str
    end: int | None = None
    fresh: bool = True

    @property
    def is_range(self) -> bool:
        """Tell whether a part is asked for, and not the whole."""
        return self.offset > 0 or self.end is not None

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for the rest; a validator makes a changed file come whole."""
        if not self.is_range:
            return {}
        headers = {"Range": f"bytes={self.offset}-{'' if self.end is None else self.end - 1}"}
        if self.validator and not self.validator.startswith("W/"):
            headers["If-Range"] = self.validator
        return headers


@dataclass(frozen=True, slots=True)
class Answer:
    """The body holds the bytes from ``offset`` to ``end`` of a file of ``total`` bytes.

    ``end`` is None where nobody knows; ``complete``: there is nothing to read. ``is_range``: the host knows
    how to give a part of a file.
    """

    offset: int
    end: int | None
    total: int | None
    validator: str
    complete: bool = False
    is_range: bool = False


def understood(asked: Asked, status: int, headers: Mapping[str, str], now: float) -> Answer | None:
    """Judge status and headers, whose names are in lower case.

    None: what is here is of no use, ask again from the beginning. ``now`` is UTC seconds, for a Retry-After
    that is a date. Raises ``Broken`` when the answer is no part of the file.
    """
    validator = headers.get("etag") or headers.get("last-modified") or ""
    if status == 416 and asked.is_range:
        return _unsatisfied(asked, headers)
    if status not in (200, 206) or (status == 206 and not asked.is_range):
        raise _refused(status, headers, now)
    _check_body(asked, headers)
    if status == 200:
        total = _confirmed(asked, _length(headers))
        # It may be of another content, and the rest of ours, or its size, would stay beside it.
        unwelcome = asked.offset > 0 or (asked.is_range and not asked.fresh)
        other = asked.total is not None and total != asked.total
        return None if unwelcome or other else Answer(0, total, total, validator)
    found = _CONTENT_RANGE.match(headers.get("content-range", ""))
    return _joinable(asked, found, validator) if found else None


def _joinable(asked: Asked, found: re.Match[str], validator: str) -> Answer | None:
    """Return the part of the file that came; None when it cannot be told to be of the same file."""
    end, total = int(found[2]) + 1, None if found[3] == "*" else int(found[3])
    changed = bool(asked.validator and validator and validator != asked.validator)
    if changed or (asked.total is not None and total is not None and total != asked.total):
        return None
    confirmed = _confirmed(asked, total)
    if confirmed is None:  # it was told before, and this is of the same file
        confirmed = asked.total
    ends = [one for one in (asked.end, confirmed) if one is not None]
    fits = int(found[1]) == asked.offset < end and all(end <= one for one in ends)
    # Without a total, nobody would know that a part is not all.
    if not fits or (confirmed is None and asked.end is not None):
        return None
    return Answer(
        asked.offset,
        None if confirmed is None else end,
        confirmed,
        validator or asked.validator,
        is_range=True,
    )


def complains(asked: Asked, head: bytes) -> bool:
    """Tell whether a body begins as the service's own complaint although its type does not say so.

    Where the size was told, the size will tell. Source: public clients saw a JSON "Temporary error" with 200.
    """
    is_silent = asked.expected_bytes is None and not asked.name.lower().endswith(_PAGE_NAMES)
    return is_silent and _COMPLAINT.match(head) is not None


def is_page(asked: Asked, head: bytes) -> bool:
    """Tell whether a file whose size nobody told begins as a page or a complaint, and should not."""
    page = head.lstrip().lower().startswith(_PAGE_HEADS) and not asked.name.lower().endswith(_PAGE_NAMES)
    return asked.expected_bytes is None and (page or complains(asked, head))


def _unsatisfied(asked: Asked, headers: Mapping[str, str]) -> Answer | None:
    """416 with our own size as the total means that nothing is missing."""
    found = _UNSATISFIED.match(headers.get("content-range", ""))
    total = int(found[1]) if found else None
    sizes = {size for size in (total, asked.expected_bytes, asked.total) if size is not None}
    if total is not None and sizes == {asked.offset}:
        return Answer(asked.offset, total, total, asked.validator, complete=True)
    return None


def _refused(status: int, headers: Mapping[str, str], now: float) -> Broken:
    asked_s = retry_after_s(headers.get("retry-after"), now) if status in _CROWDED else None
    return Broken(
        f"the file host answered {status}",
        stale_link=status in _STALE or status >= 500,
        retry_after_s=asked_s,
        crowded=status in _CROWDED,
    )


def _check_body(asked: Asked, headers: Mapping[str, str]) -> None:
    coding = headers.get("content-encoding", "identity").strip().lower()
    # Of the transfer codings only the one that every client knows is undone. Source: RFC 9112, 6.1 and 7.4.
    # "identity" is an older word for none: RFC 2616, 3.6.
    transfer = headers.get("transfer-encoding", "chunked").strip().lower()
    if coding not in ("", "identity") or transfer not in ("chunked", "identity"):
        raise Broken("the file host sends the file in a coding that was not asked for", stale_link=True)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _PAGE_TYPES or asked.name.lower().endswith(_PAGE_NAMES):
        return
    end = asked.expected_bytes if asked.end is None else asked.end
    if asked.expected_bytes is None or end is None or _length(headers) != end - asked.offset:
        raise Broken(f"the file host sent {kind} in place of the file", stale_link=True)


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise Broken("the file host sent a length that is no number")
    return int(text)


def _confirmed(asked: Asked, total: int | None) -> int | None:
    expected = asked.expected_bytes or None  # none is also what a service says that does not know
    if None not in (total, expected) and total != expected:
        reason = f"the file host has {total} bytes, the service or the torrent says {expected}"
        raise Broken(reason, stale_link=True, contradicts=True)
    return expected if total is None else total
