"""The account's history: which entries are the same thing as a link of ours. Pure.

Rules of this file:

* Entries are matched by what they are (info hash, or the link in its one spelling), never by name: the
  service rewrites the link and renames the file.
* Other programs use the account too, so anything may stand in an entry. One that cannot be read is passed
  over; a listing that cannot be read raises and proves nothing.

Source: public clients; the history is not in the official document.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.links import info_hashes, parse_link
from offcloud_watchd.core.model import Link, LinkKind, Phase, Sought, Submission
from offcloud_watchd.core.rounds import READY_WORDS
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.offcloud.answer import Answer, decode, when
from offcloud_watchd.offcloud.refusals import refusal
from offcloud_watchd.offcloud.wire import FAILED_WORDS, first, not_understood, told

MAX_LINK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One live entry: what it can be known by, as it came, and what we say of it."""

    texts: tuple[str, ...]
    sought: Sought


@dataclass(frozen=True, slots=True)
class Listing:
    """The live entries, oldest first; ``as_of``: the moment before the account was asked (UTC seconds)."""

    as_of: float
    entries: Sequence[Entry]

    def matching(self, link: Link) -> tuple[Sought, ...]:
        """Return the entries for a link, the oldest first; those of unknown age come last."""
        match link.kind:
            case LinkKind.TORRENT:
                alike: Iterable[Entry] = self._torrents(link)
            case LinkKind.NZB:
                alike = self._nzbs(link)
            case _:
                alike = self._web_links(link)
        found = {entry.sought.request_id: entry.sought for entry in alike}
        return tuple(sorted(found.values(), key=_age))

    def phases(self, known: Sequence[Submission]) -> dict[str, Phase]:
        """Return how far requests are, by id, as far as they are listed; those that failed are not."""
        wanted = {one.request_id for one in known}
        found = [entry.sought for entry in self.entries if entry.sought.request_id in wanted]
        found.sort(key=lambda one: one.status in READY_WORDS)  # of two with one id the ready one counts
        return {one.request_id: _phase(one) for one in found if one.status}

    def _torrents(self, link: Link) -> Iterator[Entry]:
        keys = {link.key, *info_hashes(link.url)}
        # Taking every text apart costs seconds for a large account; looking for the digits does not.
        digits = [spelling for key in keys for spelling in _spellings(key)]
        for entry in self.entries:
            for text in entry.texts:
                lowered = text.lower()
                if any(one in lowered for one in digits) and info_hashes(text) & keys:
                    yield entry

    def _nzbs(self, link: Link) -> Iterator[Entry]:
        marks = (link.key.partition(":")[2], nzb_mark(link))
        return (one for one in self.entries if any(mark in text for text in one.texts for mark in marks))

    def _web_links(self, link: Link) -> Sequence[Entry]:
        exact = [entry for entry in self.entries if link.url in entry.texts]
        return exact or [entry for entry in self.entries if link.key in map(_normal, entry.texts)]


def nzb_mark(link: Link) -> str:
    """Return what is written into the name of an NZB's request, so that it is found again by it."""
    return f"[{link.key.partition(':')[2][:16]}]"


def listing(answer: Answer, as_of: float) -> Listing:
    """Read the history. Raises ``Blocked`` and ``Transient``."""
    # It comes with the newest first.
    entries = (_entry(one) for one in reversed(_rows(answer)))
    return Listing(as_of, [entry for entry in entries if entry is not None])


def requests(answer: Answer) -> tuple[Sought, ...]:
    """Read every request that can be read, the newest first, also those that failed."""
    return tuple(found for row in _rows(answer) if (found := _sought(row)) is not None)


def _rows(answer: Answer) -> Sequence[object]:
    content = decode(answer)
    value = content.value
    if isinstance(value, dict):
        value = first(value, "history", "requests", "data")
    error = refusal(answer, content)
    if error is not None:
        raise error
    if not isinstance(value, list) or (value and not any(isinstance(entry, dict) for entry in value)):
        raise not_understood(answer, content, "a list of requests")
    return value


def _entry(value: object) -> Entry | None:
    sought = _sought(value)
    if sought is None or not isinstance(value, dict) or sought.status in FAILED_WORDS:
        return None
    names = (first(value, "originalLink", "original_link"), first(value, "fileName", "filename"))
    return Entry(tuple(text for text in names if isinstance(text, str) and len(text) <= MAX_LINK), sought)


def _sought(value: object) -> Sought | None:
    known = told(value)
    if known is None or not isinstance(value, dict):
        return None
    created_at = when(first(value, "createdOn", "created_on"))
    return Sought(known.request_id, known.status, known.name, known.url, known.server, created_at)


def _spellings(key: str) -> tuple[str, ...]:
    """Return the digits of a key as they may stand in a text: hex, and base32 for the short kind."""
    digits = key.partition(":")[2]
    if len(digits) != 40:
        return (digits,)
    return (digits, base64.b32encode(bytes.fromhex(digits)).decode().lower())


def _normal(text: str) -> str:
    """Return the key of a web link; empty for any other text."""
    if not text[:8].lower().startswith(("http://", "https://", "ftp://")):
        return ""
    try:
        return parse_link(text, ftp=True).key
    except BadDrop:
        return ""


def _phase(sought: Sought) -> Phase:
    outcome = "ready" if sought.status in READY_WORDS else "waiting"
    return Phase(
        sought.status,
        outcome,
        Submission(sought.request_id, sought.status, sought.name, sought.url, sought.server),
        detailed=False,
    )


def _age(sought: Sought) -> float:
    return float("inf") if sought.created_at is None else sought.created_at
