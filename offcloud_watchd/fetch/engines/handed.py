"""One file in aria2's hands, and the name it goes by there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from offcloud_watchd.fetch.engines.aria2 import Download


def gid_of(staging_path: str, source: str) -> str:
    """Return the name of a download: 16 hex digits, the same after every restart.

    ``staging_path`` is that of the round, ``source`` tells which of its files it is.
    """
    named = f"{staging_path}\0{source}"
    return hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@dataclass(slots=True)
class Handed:
    """One file that is at aria2, or waits to be given to it.

    ``size_bytes`` is the size that was told, None where nobody did.

    ``breaks`` counts failures in a row without progress to speak of, ``due_at`` is when it may be begun again
    (by the clock that never goes back), ``edition`` which links were the newest when it was given.
    """

    number: int
    gid: str
    size_bytes: int | None
    connections: int = 1
    limit_bytes_per_s: int = 0
    told: Download | None = None
    counted_bytes: int = 0
    best_bytes: int = 0
    breaks: int = 0
    due_at: float = 0.0
    edition: int = 0
    unseen: int = 0

    @property
    def done_bytes(self) -> int:
        """How much of it aria2 has."""
        return self.told.done_bytes if self.told else 0

    def wrong_size(self, total_bytes: int) -> str:
        """Say what is wrong with a size; empty when nothing is."""
        if self.size_bytes in (None, total_bytes):
            return ""
        return f"the file host has {total_bytes} bytes, the service said {self.size_bytes}"
