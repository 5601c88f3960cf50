"""Drops that a look found and no event told of: how far the events of a folder can be relied on.

Rules of this file:

* The drops themselves are the test. A probe file of our own would prove nothing: it would be a change made by
  this machine, which even a network file system tells of; and it would stand in a folder that others read.
* A file counts only where an event was due: its directory was watched before it came, every file was seen
  the last time, and no event came within ``GRACE_S`` after it was found.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.watch.names import parted

GRACE_S: Final = 1.0
"""Events are on their way for some milliseconds; a busy machine may take longer."""


@dataclass(slots=True)
class Missed:
    """What is known of one folder. ``count`` never goes back; ``is_deaf`` until an event tells of a drop."""

    count: int = 0
    is_deaf: bool = False
    _doubtful: dict[str, float] = field(default_factory=dict)

    def looked(self, arrived: Collection[str], heard: Collection[str] | None, now_s: float) -> int:
        """Take in which files are new since the last look and which names events told of in between.

        ``arrived`` are paths of files for which an event was due, ``heard`` is None when not all names could
        be kept. Return how many files are now known to have been missed.
        """
        if heard is None:
            self._doubtful.clear()
            return 0
        if any(parted(path)[1] in heard for path in (*arrived, *self._doubtful)):
            self.is_deaf = False
        self._doubtful = {
            path: since_s
            for path, since_s in (dict.fromkeys(arrived, now_s) | self._doubtful).items()
            if parted(path)[1] not in heard
        }
        missed = [path for path, since_s in self._doubtful.items() if now_s - since_s >= GRACE_S]
        for path in missed:
            del self._doubtful[path]
        self.count += len(missed)
        self.is_deaf = self.is_deaf or bool(missed)
        return len(missed)
