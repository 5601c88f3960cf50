"""File-system events, as hints to look again and nothing more.

Rules of this file:

* An event sets a flag and calls ``hint`` once; until a look clears the flag, further events are silent.
* Nothing escapes into watchdog's threads: one exception in a handler ends its observer for good
  (gorakhargosh/watchdog#427, #793), and no later file would be seen.
* Whatever ends silently is found by asking: the observer, each emitter, and whether the directory under the
  path is still the one that is watched (an inotify watch follows the inode, not the path).
* Our own archiving must not be heard, and must not hold the queue up: see ``_Emitter``.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import ObservedWatch
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver
from watchdog.observers.inotify_c import InotifyConstants, Mask

from offcloud_watchd.watch.names import FAILED, PROCESSED, is_ignored, parted

log = logging.getLogger(__name__)

STOP_WITHIN_S: Final = 2.0

_WANTED: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]


class _Emitter(InotifyEmitter):
    """Does not ask the kernel for files that leave.

    watchdog holds its queue for half a second after each, in case the other half of a move follows, and every
    later event waits behind it: with our archiving a drop was seen after 490 ms instead of 0.3 ms.
    Source: watchdog 7.1, observers/inotify_move_event_grouper.py.
    """

    def get_event_mask_from_filter(self) -> Mask:
        """Return the events to ask for."""
        return Mask(super().get_event_mask_from_filter() & ~InotifyConstants.IN_MOVED_FROM)


class _Observer(InotifyObserver):
    """The observer with our emitter."""

    def __init__(self) -> None:
        super().__init__()
        self._emitter_class = _Emitter


class Flag:
    """Whether something may have changed in a place; many events are one hint until it is cleared."""

    def __init__(self, hint: Callable[[], None]) -> None:
        self._hint = hint
        self._raised = threading.Event()

    def is_raised(self) -> bool:
        """Tell whether an event came since the flag was cleared."""
        return self._raised.is_set()

    def clear(self) -> None:
        """Be ready for the next hint; to be done before the look, so that no change falls between."""
        self._raised.clear()

    def raise_once(self) -> None:
        """Say that something may have changed. Any thread."""
        if not self._raised.is_set():
            self._raised.set()
            try:
                self._hint()
            except BaseException:
                self._raised.clear()
                raise


class _Handler(FileSystemEventHandler):
    """Turns the events of one place into its flag."""

    def __init__(self, flag: Flag) -> None:
        self._flag = flag

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take one event; called on watchdog's thread."""
        try:
            path = os.fsdecode(event.dest_path or event.src_path)
            name = parted(path)[1]
            if not is_ignored(name) and name not in {PROCESSED, FAILED}:
                self._flag.raise_once()
        except Exception:  # the boundary to watchdog's thread, which would die of it and tell nobody
            log.exception("a file-system event could not be passed on; the next look finds what it was about")


@dataclass(frozen=True, slots=True)
class _Watched:
    """A directory under watch, and which one it was when the watch began."""

    watch: ObservedWatch
    device: int
    inode: int


class Hints:
    """All watches of the program. One thread, except for ``Flag``."""

    def __init__(self) -> None:
        self._observer: _Observer | None = None
        self._watched: dict[str, _Watched] = {}

    def ensure(self, path: str, device: int, inode: int, flag: Flag) -> bool:
        """Watch the directory of that identity; return True when the watch is new, so that a look is due.

        ``path`` is a real path. Raises ``OSError``: a limit of the kernel (``ENOSPC`` watches, ``EMFILE``
        instances), or the directory is gone.
        """
        observer = self._living_observer()
        known = self._watched.get(path)
        if known is not None and (known.device, known.inode) == (device, inode) and _lives(observer, known):
            return False
        self.forget(path)
        watch = observer.schedule(_Handler(flag), path, event_filter=_WANTED)
        self._watched[path] = _Watched(watch, device, inode)
        return True

    def forget(self, path: str) -> None:
        """Stop watching a directory, if it is watched."""
        known = self._watched.pop(path, None)
        if known is not None and self._observer is not None:
            self._observer.unschedule(known.watch)

    def stop(self) -> None:
        """End all watching and its threads; may be repeated."""
        observer, self._observer = self._observer, None
        self._watched.clear()
        if observer is not None:
            observer.stop()
            observer.join(STOP_WITHIN_S)

    def _living_observer(self) -> _Observer:
        if self._observer is not None and not self._observer.is_alive():
            log.warning("watching for file-system events ended unexpectedly; it is begun again")
            self.stop()
        if self._observer is None:
            observer = _Observer()
            observer.start()
            self._observer = observer
        return self._observer


def _lives(observer: _Observer, watched: _Watched) -> bool:
    return any(emitter.watch == watched.watch and emitter.is_alive() for emitter in observer.emitters)
