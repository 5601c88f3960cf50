"""File-system events, as hints to look again and nothing more.

Rules of this file:

* An event sets a flag and calls ``hint`` once; until a look clears the flag, further events are silent.
* Nothing escapes into watchdog's threads: one exception in a handler ends its observer for good
  (gorakhargosh/watchdog#427, #793), and no later file would be seen.
* Whatever ends silently is found by asking: the observer, its reader, each emitter, whether the kernel still
  has the watch, and whether the directory under the path is still the one that is watched (an inotify watch
  follows the inode, not the path).
* Where the kernel lost events nobody knows whose they were: every place is looked at.
* Our own archiving must not be heard, and must not hold the queue up: see ``_Emitter``.
"""

from __future__ import annotations

import errno
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
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, Mask

from offcloud_watchd.errors import NO_THREAD
from offcloud_watchd.watch.names import FAILED, PROCESSED, is_ignored, parted

log = logging.getLogger(__name__)

STOP_WITHIN_S: Final = 2.0
MAX_HEARD: Final = 20_000

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

    def hears(self) -> bool:
        """Tell whether the kernel has the watch.

        It drops it when the file system is unmounted, and watchdog takes a directory that it may not read for
        a watch with the number -1; neither ends the emitter.
        """
        # There is no public way to ask: watchdog 7.1, observers/inotify.py.
        watches = getattr(self._inotify, "_active_callbacks_by_watch", {})
        return self.is_alive() and any(number >= 0 for number in watches)


class _Reader(InotifyFD):
    """Reads the kernel's events, and tells when it lost some."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__()
        self._on_lost = on_lost

    def abandon(self) -> None:
        """Give its descriptors back although it never ran, which ``close`` leaves to its thread."""
        self._is_reading = False  # watchdog 7.1, observers/inotify_c.py
        self.close()

    def handle_event(self, event: InotifyEvent) -> None:
        """Take one event; on the reader's own thread."""
        if event.is_queue_overflow:
            self._on_lost()
        super().handle_event(event)


class _Observer(BaseObserver):
    """watchdog's inotify observer, with our reader and our emitter."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._reader = _Reader(on_lost)
        try:
            self._reader.start()
        except RuntimeError:
            self._reader.abandon()
            raise
        super().__init__(_Emitter, inotify_fd=self._reader)

    def works(self) -> bool:
        """Tell whether both threads are there."""
        return self.is_alive() and self._reader.is_alive()

    def hears(self, watch: ObservedWatch) -> bool:
        """Tell whether a watch is in force."""
        return any(one.watch == watch and isinstance(one, _Emitter) and one.hears() for one in self.emitters)

    def on_thread_stop(self) -> None:
        """End the emitters, then the reader."""
        super().on_thread_stop()
        self._reader.stop()
        self._reader.join(STOP_WITHIN_S)


class Flag:
    """Whether something may have changed in a place; many events are one hint until it is cleared.

    It also keeps the names that were heard of, so that somebody can tell which were not.
    """

    def __init__(self, hint: Callable[[], None]) -> None:
        self._hint = hint
        self._raised = threading.Event()
        self._heard: dict[str, None] = {}

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

    def hear(self, name: str) -> None:
        """Keep a name that an event told of. Any thread."""
        if len(self._heard) < MAX_HEARD:
            self._heard[name] = None

    def heard(self) -> set[str] | None:
        """Return, once, the names that were heard since the last time; None when they were too many."""
        names: set[str] = set()
        was_full = len(self._heard) >= MAX_HEARD
        while self._heard:  # one by one: another thread may put in more
            names.add(self._heard.popitem()[0])
        return None if was_full else names


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
                self._flag.hear(name)
                self._flag.raise_once()
        except Exception:  # the boundary to watchdog's thread, which would die of it and tell nobody
            log.exception("a file-system event could not be passed on; the next look finds what it was about")


@dataclass(frozen=True, slots=True)
class _Watched:
    """A directory under watch, and which one it was when the watch began."""

    watch: ObservedWatch
    device: int
    inode: int
    flag: Flag


class Hints:
    """All watches of the program. One thread at a time, except for ``Flag``."""

    def __init__(self) -> None:
        self._observer: _Observer | None = None
        self._watched: dict[str, _Watched] = {}

    def watches(self, path: str, device: int, inode: int) -> bool:
        """Tell whether the directory of that identity is watched. Asks no file system."""
        known, observer = self._watched.get(path), self._observer
        if known is None or observer is None or not observer.works():
            return False
        return (known.device, known.inode) == (device, inode) and observer.hears(known.watch)

    def ensure(self, path: str, device: int, inode: int, flag: Flag) -> bool:
        """Watch the directory of that identity; return True when the watch is new, so that a look is due.

        ``path`` is a real path, which is looked up: on a dead file system that hangs. Raises ``OSError``: a
        limit of the kernel (``ENOSPC`` watches, ``EMFILE`` instances, ``EAGAIN`` threads), or the directory
        is gone or closed.
        """
        if self.watches(path, device, inode):
            return False
        try:
            self._begin(path, device, inode, flag)
        except RuntimeError as error:  # of Thread.start
            raise OSError(errno.EAGAIN, NO_THREAD) from error
        return True

    def _begin(self, path: str, device: int, inode: int, flag: Flag) -> None:
        observer = self._living_observer()
        self.forget(path)
        watch = observer.schedule(_Handler(flag), path, event_filter=_WANTED)
        if not observer.hears(watch):
            observer.unschedule(watch)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._watched[path] = _Watched(watch, device, inode, flag)

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
        if self._observer is not None and not self._observer.works():
            log.warning("watching for file-system events ended unexpectedly; it is begun again")
            self.stop()
        if self._observer is None:
            observer = _Observer(self._lost)
            try:
                observer.start()
            except RuntimeError:
                observer.on_thread_stop()  # its reader runs already
                raise
            self._observer = observer
        return self._observer

    def _lost(self) -> None:
        """Have every place looked at; called on the reader's thread."""
        log.warning(
            "more file-system events came than the kernel keeps, some are lost: every folder is looked at"
        )
        for watched in list(self._watched.values()):
            try:
                watched.flag.raise_once()
            except Exception:  # the boundary to watchdog's thread, which would die of it and tell nobody
                log.exception("a lost event could not be passed on; the next look finds what it was about")
