"""Room on the disks: what running fetches are still going to need counts as taken.

Rules of this file:

* Shared by the fetch threads without a lock: each sets its own entry and then looks at all of them, so two
  that come at once may both be refused but never both be let in where there is room for one.
* Who was let in is not put out again by one that only asks.
* What was refused is remembered, so that asking again costs a look at the disk and nothing of the service.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.errors import Blocked, NoRoom
from offcloud_watchd.fetch import disk

_UNITS: Final = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


@dataclass(frozen=True, slots=True)
class _Claim:
    device: int
    needed_bytes: int
    let_in: bool


class Room:
    """Keeps ``min_free_bytes`` free on every file system that is written to."""

    def __init__(self, min_free_bytes: int) -> None:
        self._min_free_bytes = min_free_bytes
        self._claims: dict[str, _Claim] = {}
        self._refused_bytes: dict[str, int] = {}

    def claim(self, fetch: str, fd: int, needed_bytes: int) -> None:
        """Say how much a fetch is still going to write to the file system of ``fd``; replaces its last word.

        Raises ``NoRoom`` when that does not fit beside what the others claimed; then it is out.
        """
        before = self._claims.get(fetch)
        claim = _Claim(os.fstat(fd).st_dev, needed_bytes, let_in=before is not None and before.let_in)
        self._claims[fetch] = claim
        if not self._fits(fetch, claim, fd):
            self._claims.pop(fetch, None)
            self._refused_bytes[fetch] = needed_bytes
            needed, free = _size(needed_bytes), _size(self._min_free_bytes)
            raise NoRoom(
                f"no room on the output disk: this release needs {needed} more beside what others fetch, and "
                f"{free} must stay free (fetch.min_free); it starts by itself when there is room"
            )
        self._claims[fetch] = _Claim(claim.device, needed_bytes, let_in=True)
        self._refused_bytes.pop(fetch, None)

    def claim_again(self, fetch: str, fd: int) -> None:
        """Claim what a fetch was refused before, if it was; raises as ``claim`` does."""
        needed_bytes = self._refused_bytes.get(fetch)
        if needed_bytes is not None:
            self.claim(fetch, fd, needed_bytes)

    def release(self, fetch: str) -> None:
        """Forget what a fetch claimed: it has ended."""
        self._claims.pop(fetch, None)

    def forget(self, fetch: str) -> None:
        """Forget also what a fetch was refused: it will not come again."""
        self.release(fetch)
        self._refused_bytes.pop(fetch, None)

    def promised_bytes(self, device: int) -> int:
        """Compute what running fetches are still going to write to a device. Any thread."""
        claims = list(self._claims.values())
        return sum(claim.needed_bytes for claim in claims if claim.let_in and claim.device == device)

    def check(self, directories: Collection[str]) -> None:
        """Raise ``Blocked`` while nothing fits anywhere: no disk has even the room that stays free."""
        free = {directory: disk.free_bytes(directory) for directory in directories}
        if free and max(free.values()) < self._min_free_bytes:
            looked_at = ", ".join(f"{directory}: {_size(size)} free" for directory, size in free.items())
            raise Blocked(
                "fetch",
                f"no room on the output disk: {looked_at}, and {_size(self._min_free_bytes)} must stay free "
                "(fetch.min_free); free some space, the work goes on by itself",
            )

    def _fits(self, fetch: str, claim: _Claim, fd: int) -> bool:
        others = sum(
            one.needed_bytes
            for name, one in list(self._claims.items())
            if name != fetch and one.device == claim.device and (one.let_in or not claim.let_in)
        )
        return claim.needed_bytes + others + self._min_free_bytes <= disk.free_bytes(fd)


def _size(size_bytes: int) -> str:
    unit, width = next(((unit, width) for unit, width in _UNITS if size_bytes >= width), _UNITS[-1])
    return f"{size_bytes / width:.2f}{unit}"
