"""The books: what the sandbox saw and did, counted so that a test or the demo can compare.

Rules of this file:

* ``Books`` is a frozen picture; ``Tally`` is the one place that counts, and guards itself with a lock
  because each connection has its own thread.
* Nothing here is ever forgotten, not even when an item is removed. The number of different contents is
  capped; what comes after is counted under ``OTHERS``.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OTHERS: Final = "(others)"
MOST_CONTENTS: Final = 50_000


@dataclass(frozen=True, slots=True)
class ContentBooks:
    """The counts of one content key.

    ``items_created`` is the number of submissions that took effect: more than one means twins. ``posts`` is
    the number of POSTs that named it, whether an answer came or not. ``live_items`` are not removed yet.
    ``bytes_served`` are its files' bytes that were handed to the network.
    """

    items_created: int = 0
    live_items: int = 0
    posts: int = 0
    bytes_served: int = 0


@dataclass(frozen=True, slots=True)
class Books:
    """One picture of all counts. ``calls`` counts by endpoint, with ``file`` for the file host.

    A content that was fetched at once or sent to a remote account is counted apart, as ``instant:KEY`` and
    ``remote:KEY``; the bytes of its files are counted under its key.
    """

    contents: Mapping[str, ContentBooks]
    calls: Mapping[str, int]
    auth_failures: int

    def of(self, key: str) -> ContentBooks:
        """Return the counts of one content key; all zero when it was never seen."""
        return self.contents.get(key, ContentBooks())

    @property
    def twins(self) -> tuple[str, ...]:
        """The content keys for which more than one item was ever created."""
        return tuple(key for key, content in self.contents.items() if content.items_created > 1)

    @property
    def bytes_served(self) -> int:
        """All files' bytes together."""
        return sum(content.bytes_served for content in self.contents.values())


class Tally:
    """Counts; every method may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, None] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._calls: Counter[str] = Counter()
        self._auth_failures = 0

    def called(self, endpoint: str) -> None:
        """Count one call."""
        with self._lock:
            self._calls[endpoint] += 1

    def refused(self) -> None:
        """Count one call without a good key."""
        with self._lock:
            self._auth_failures += 1

    def posted(self, key: str) -> None:
        """Count one POST that names this content."""
        self._add(key, "posts", 1)

    def created(self, key: str) -> None:
        """Count one item that came to be."""
        self._add(key, "created", 1)

    def removed(self, key: str) -> None:
        """Count one item that was removed."""
        self._add(key, "removed", 1)

    def served(self, key: str, size_bytes: int) -> None:
        """Count bytes of this content's files."""
        self._add(key, "served", size_bytes)

    def books(self) -> Books:
        """Return a picture of all counts; contents in the order they were first seen."""
        with self._lock:
            contents = {key: self._content(key) for key in self._keys}
            return Books(contents, dict(self._calls), self._auth_failures)

    def _add(self, key: str, what: str, amount: int) -> None:
        with self._lock:
            if key not in self._keys and len(self._keys) >= MOST_CONTENTS:
                key = OTHERS
            self._keys[key] = None
            self._counts[key, what] += amount

    def _content(self, key: str) -> ContentBooks:
        created, removed = self._counts[key, "created"], self._counts[key, "removed"]
        return ContentBooks(
            created, created - removed, self._counts[key, "posts"], self._counts[key, "served"]
        )
