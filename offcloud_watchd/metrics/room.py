"""How much room there is, asked of file systems that may not answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from offcloud_watchd.core.picture import Disk

WITHIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Space:
    """The room on the file system of a directory, as far as we may use it, in bytes.

    ``promised_bytes`` of what is free are what running fetches will need.
    """

    directory: str
    device: int
    free_bytes: int
    size_bytes: int
    promised_bytes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured; what did not answer is not in it. ``journal_bytes`` None: not known."""

    spaces: tuple[Space, ...] = ()
    journal_bytes: int | None = None

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The same by file system, in the order of their first directories."""
        by_device: dict[int, list[Space]] = {}
        for space in self.spaces:
            by_device.setdefault(space.device, []).append(space)
        return tuple(
            Disk(
                tuple(one.directory for one in spaces), last.free_bytes, last.size_bytes, last.promised_bytes
            )
            for spaces in by_device.values()
            for last in spaces[-1:]
        )


class Room:
    """Measures on a thread that is left behind when a file system hangs; never more than one of them.

    ``promised`` tells what is promised to running fetches on a device, in bytes; it returns at once.
    For one thread. The journal and the first directory come first: nothing that hangs hides them.
    """

    def __init__(
        self,
        journal: Path,
        directories: Sequence[str],
        promised: Callable[[int], int] = lambda _device: 0,
    ) -> None:
        self._journal = journal
        self._directories = directories
        self._promised = promised
        self._thread: threading.Thread | None = None
        self._measured = Measured()

    def measure(self) -> Measured:
        """Measure, for half a second at the most. Of what hangs, and what comes after it, nothing is told."""
        if self._thread is None or not self._thread.is_alive():
            self._measured = Measured()
            thread = threading.Thread(target=self._measure, name="metrics-room", daemon=True)
            with suppress(RuntimeError):  # the system gives no further thread
                thread.start()
                thread.join(WITHIN_S)
                self._thread = thread
        return self._measured

    def _measure(self) -> None:
        self._measured = Measured(journal_bytes=_size(self._journal))
        for directory in self._directories:
            space = self._space(directory)
            if space is not None:
                self._measured = replace(self._measured, spaces=(*self._measured.spaces, space))

    def _space(self, directory: str) -> Space | None:
        # A directory is made when it is first needed.
        for path in (Path(directory), *Path(directory).parents):
            try:
                found, device = os.statvfs(path), path.stat().st_dev
            except FileNotFoundError:
                continue
            except OSError:
                return None
            free_bytes, size_bytes = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
            return Space(directory, device, free_bytes, size_bytes, self._promised(device))
        return None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
