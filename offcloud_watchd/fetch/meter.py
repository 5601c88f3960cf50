"""What all fetches have brought in since the start.

Shared by the fetch threads without a lock: each adds to its own entry, readers take all of them together.
"""

from __future__ import annotations

import threading


class Meter:
    """Bytes and bad pieces. There are no more entries than fetch threads."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[int, int]] = {}

    def count(self, *, received_bytes: int = 0, bad_pieces: int = 0) -> None:
        """Add what this thread's fetch has met with."""
        own = threading.get_ident()
        before = self._entries.get(own, (0, 0))
        self._entries[own] = before[0] + received_bytes, before[1] + bad_pieces

    def read(self) -> tuple[int, int]:
        """Return all bytes that came in and all pieces that were bad. Any thread."""
        entries = list(self._entries.values())
        return sum(entry[0] for entry in entries), sum(entry[1] for entry in entries)
