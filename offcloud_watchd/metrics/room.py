"""How much room there is, asked of file systems that may not answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

WITHIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Space:
    """The room on the file system of a directory, as far as we may use it, in bytes."""

    directory: str
    free_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured; what did not answer is not in it. ``journal_bytes`` None: not known."""

    spaces: tuple[Space, ...] = ()
    journal_bytes: int | None = None


class Room:
    """Measures on a thread that is left behind when a file system hangs; never more than one of them.

    For one thread. The journal and the first directory come first: nothing that hangs hides them.
    """

    def __init__(self, journal: Path, directories: Sequence[str]) -> None:
        self._journal = journal
        self._directories = directories
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
            space = _space(directory)
            if space is not None:
                self._measured = replace(self._measured, spaces=(*self._measured.spaces, space))


def _space(directory: str) -> Space | None:
    for path in (Path(directory), *Path(directory).parents):  # a directory is made when it is first needed
        try:
            found = os.statvfs(path)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return Space(directory, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
    return None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
