"""The directory of a round that aria2 writes to, as it is seen from here.

aria2 writes to ``engine/`` in the round's staging, under names of ours that tell nothing. What it has
finished is looked at there and renamed into the staged release: so nothing unfinished is ever in the release,
and aria2's own files never are.

Rules of this file:

* A file without aria2's control file beside it says nothing of how much of it is there: it goes.
* Whatever lies there is another program's: no link is followed.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Final

from offcloud_watchd.errors import EngineDown
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.listing import Item
from offcloud_watchd.fetch.staging import Round

WORK_NAME: Final = "engine"
_CONTROL: Final = ".aria2"


class Workplace:
    """One such directory, held open. One thread. ``theirs`` is what aria2 calls it."""

    def __init__(self, staged: Round, theirs: str) -> None:
        self.theirs = theirs
        self._staged = staged
        self._fd = disk.make_directory(WORK_NAME, staged.fd, 0o700)

    def close(self) -> None:
        """Close what is held open."""
        os.close(self._fd)

    def clear(self, item: Item) -> None:
        """Take away what aria2 could not tell the extent of, or what could be of another file."""
        if item.twin or not disk.is_there(item.source + _CONTROL, self._fd):
            self.begin_anew(item)

    def begin_anew(self, item: Item) -> None:
        """Take away what is here of a file; repeating it is harmless."""
        for name in (item.source, item.source + _CONTROL):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._fd)

    def room_of(self, item: Item) -> int:
        """Return how many bytes of the disk a file takes by now."""
        try:
            return os.stat(item.source, dir_fd=self._fd, follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            return 0

    def opened(self, item: Item, size_bytes: int) -> int | None:
        """Open a file that aria2 has finished with so many bytes; None where it is not here.

        The caller closes it. A call that ended at this point may have taken it into the release already.
        """
        try:
            return disk.open_to_read((item.source,), self._fd)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EACCES):
                raise
            raise self._foreign() from None
        if self._staged.size_of(item.parts) != size_bytes:
            return None
        return disk.open_to_read(item.parts, self._staged.release_fd())

    def take_in(self, item: Item, fd: int) -> None:
        """Move a finished file, open as ``fd``, to its place in the release."""
        try:
            self._staged.take_in(self._fd, item.source, item.parts, fd)
        except PermissionError:
            raise self._foreign() from None

    def _foreign(self) -> EngineDown:
        return EngineDown(f"what aria2 wrote in {self.theirs} is another user's: let it run as the same one")
