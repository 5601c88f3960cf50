"""Room that is kept back on the disk, so that the end of what is under way can be recorded when it is full.

Rules of this file:

* Nothing depends on the ballast being there: where it cannot be had, or not without making the disk full, the
  daemon works without.
* It is a file of its own and holds nothing; whoever deletes it does no harm.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Final

from offcloud_watchd.journal.disk import Disk

BALLAST_NAME: Final = "journal.ballast"
BALLAST_BYTES: Final = 4 << 20
ROOM_BESIDE_BYTES: Final = 16 << 20
"""So much must be free beside it."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""The errors of a disk, or a quota, that is full."""


class Ballast:
    """The file. One thread."""

    def __init__(self, disk: Disk, state_dir: Path) -> None:
        self._disk = disk
        self._path = state_dir / BALLAST_NAME
        self._spent = False

    @property
    def spent(self) -> bool:
        """Tell whether the disk was full and the room was used since."""
        return self._spent

    def lay(self) -> None:
        """Keep room back if there is enough of it; safe to repeat, and never an error."""
        with contextlib.suppress(OSError):
            if not self._path.exists():
                self._disk.reserve(self._path, BALLAST_BYTES, ROOM_BESIDE_BYTES)
            self._spent = False

    def release(self) -> bool:
        """Give the room to whoever writes next; tell whether there was any."""
        try:
            kept_back = self._path.exists()
            self._disk.unlink(self._path)
        except OSError:
            return False
        self._spent = self._spent or kept_back
        return kept_back
