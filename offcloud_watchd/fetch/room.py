"""Room on the disks: what running fetches are still going to need counts as taken.

Rules of this file:

* Shared by the fetch threads without a lock: each sets its own entry and then looks at all of them, so two
  that come at once may both be refused but never both be let in where there is room for one.
"""

from __future__ import annotations

import os

from offcloud_watchd.errors import Blocked
from offcloud_watchd.fetch import disk


class Room:
    """Keeps ``min_free_bytes`` free on every file system that is written to."""

    def __init__(self, min_free_bytes: int) -> None:
        self._min_free_bytes = min_free_bytes
        self._claims: dict[str, tuple[int, int]] = {}

    def claim(self, fetch: str, fd: int, needed_bytes: int) -> None:
        """Say how much a fetch is still going to write to the file system of ``fd``; replaces its last word.

        Raises ``Blocked`` when that does not fit beside what the others claimed.
        """
        device = os.fstat(fd).st_dev
        self._claims[fetch] = (device, needed_bytes)
        others = sum(size for on, size in list(self._claims.values()) if on == device) - needed_bytes
        free = disk.free_bytes(fd)
        if needed_bytes + others + self._min_free_bytes > free:
            raise self._full(f"this release needs {_gib(needed_bytes)} more, others {_gib(others)}", free)

    def release(self, fetch: str) -> None:
        """Forget what a fetch claimed: it has ended."""
        self._claims.pop(fetch, None)

    def check(self, directory: str) -> None:
        """Raise ``Blocked`` while there is not even the room that stays free."""
        free = disk.free_bytes(directory)
        if free < self._min_free_bytes:
            raise self._full(f"looked at {directory}", free)

    def _full(self, need: str, free: int) -> Blocked:
        least = _gib(self._min_free_bytes)
        return Blocked(
            "fetch",
            f"no room on the output disk: {need}, {least} must stay free (fetch.min_free) "
            f"and {_gib(free)} are free; free some space, the work goes on by itself",
        )


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.2f}GiB"
