"""The main thread: what signals ask for, the engine's turns, and who is told how things are.

Rules of this file:

* A stop goes before a reload, up to the last moment, and is never taken back.
* Who is told (readers, the service manager) can fail or be slow to hear: the work goes on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Final

from offcloud_watchd import status
from offcloud_watchd.core.messages import Asked, Looked, Message, Stopping
from offcloud_watchd.core.model import JobState
from offcloud_watchd.core.picture import Picture
from offcloud_watchd.core.ports import Clock
from offcloud_watchd.engine import Engine
from offcloud_watchd.errors import JournalUnwritable, StateLocked
from offcloud_watchd.journal import StateLock
from offcloud_watchd.signals import Signals
from offcloud_watchd.systemd import Notifier, Watchdog

log = logging.getLogger(__name__)

STOP_PROMISE_S: Final = 20.0
STOP_WITHIN_S: Final = 17.0  # a POST in flight may end; the rest of the promise is for closing
STATUS_EVERY_S: Final = 0.5
LOCK_EVERY_S: Final = 5.0
MESSAGES_A_TURN: Final = 1000


@dataclass(slots=True)
class StatusWriter:
    """Writes ``status.json``; a failure is said once and nothing depends on it."""

    directory: Path
    clock: Clock
    started_at: float = field(init=False)
    _failing: bool = False

    def __post_init__(self) -> None:
        self.started_at = self.clock.now()

    def __call__(self, picture: Picture) -> None:
        """Replace the file."""
        document = status.describe(picture, process_id=os.getpid(), started_at=self.started_at)
        try:
            status.write(self.directory, document)
        except OSError as error:
            if not self._failing:
                log.warning("live progress cannot be shown, %s: %s", self.directory, error.strerror)
            self._failing = True
        else:
            self._failing = False


@dataclass(slots=True)
class LockKeeper:
    """Sees now and then whether the state is still locked; a failure is said once and tried again."""

    lock: StateLock
    clock: Clock
    _look_at: float = float("-inf")
    _failing: bool = False

    def __call__(self, _picture: Picture) -> None:
        """Look, when it is time."""
        if self.clock.monotonic() < self._look_at:
            return
        self._look_at = self.clock.monotonic() + LOCK_EVERY_S
        try:
            if self.lock.keep():
                log.warning("somebody deleted or replaced %s; it is there and locked again", self.lock.path)
            self._failing = False
        except (StateLocked, JournalUnwritable) as error:
            if not self._failing:
                log.warning("somebody deleted or replaced %s: %s", self.lock.path, error)
            self._failing = True


@dataclass(slots=True, kw_only=True)
class Loop:
    """The main thread: messages from the inbox to the engine, news to the readers and the service manager."""

    engine: Engine
    signals: Signals
    clock: Clock
    notifier: Notifier
    watchdog: Watchdog
    publish: Callable[[Picture], None]
    look_again: Callable[[], None]
    hear: Callable[[Sequence[Message]], None] = lambda _messages: None
    _ready: bool = False
    _reload: bool = False
    _stop_at: float | None = None
    _told_at: float = float("-inf")
    _untold: bool = True
    _told: str = ""

    def run(self, may_reload: Callable[[], bool]) -> bool:
        """Turn until the end; return whether a reload is wanted."""
        self.engine.start()
        messages: list[Message] = []
        while True:
            # What a signal asks for comes first: a stop begins nothing more.
            wait_s = self.engine.turn([*self._asked(may_reload), *messages])
            self._tell(messages)
            if self._is_over():
                return self._reload
            messages = self._receive(min(wait_s, self._pace_s()))
            self.hear(messages)

    # --- signals ---

    def _asked(self, may_reload: Callable[[], bool]) -> list[Message]:
        """Heed the signals that came; return what the engine must know of them."""
        signals, begins = self.signals, self._stop_at is None
        if signals.look:
            signals.look = False
            self.look_again()
        if signals.reload:
            signals.reload = False
            if begins and not signals.stop:
                self._reload = self._reload_begins(may_reload)
        if signals.stop and (self._reload or begins):
            self._reload = False
            # Never in a reload: who manages the service would take it for the end.
            self.notifier.stopping(STOP_PROMISE_S)
        if begins and (signals.stop or self._reload):
            self._stop_at = self.clock.monotonic() + STOP_WITHIN_S
            return [Stopping()]
        return []

    def _reload_begins(self, may_reload: Callable[[], bool]) -> bool:
        """Tell the manager of a reload, and of its end when it is refused; return whether it is on."""
        self.notifier.reloading()
        if may_reload():
            log.info("the new configuration is good: it is taken up when what is under way has ended")
            return True
        if self._ready:  # else the first look ends it
            self.notifier.ready(self._told)
        return False

    def _is_over(self) -> bool:
        if self._stop_at is None:
            return False
        return self.engine.settled_for_stop or self.clock.monotonic() >= self._stop_at

    # --- waiting ---

    def _receive(self, timeout_s: float) -> list[Message]:
        messages: list[Message] = []
        try:
            messages.append(self.signals.inbox.get(timeout=timeout_s))
            while len(messages) < MESSAGES_A_TURN:
                messages.append(self.signals.inbox.get_nowait())
        except Empty:
            pass
        return messages

    def _pace_s(self) -> float:
        """Compute the longest wait: the sign of life, the end of a stop, and a view that is still untold."""
        now = self.clock.monotonic()
        waits = [3600.0, self.watchdog.wait_s(now)]
        if self._stop_at is not None:
            waits.append(self._stop_at - now)
        if self._untold:
            waits.append(self._told_at + STATUS_EVERY_S - now)
        return max(0.0, min(waits))

    # --- telling ---

    def _tell(self, messages: list[Message]) -> None:
        now = self.clock.monotonic()
        self.watchdog.turn(now)
        self._untold = self._untold or any(not isinstance(message, Asked) for message in messages)
        starting = not self._ready and self._stop_at is None
        first_look = starting and any(isinstance(message, Looked) for message in messages)
        if not first_look and (not self._untold or now < self._told_at + STATUS_EVERY_S):
            return
        picture = self.engine.picture(status.MAX_ACTIVE)
        self.publish(picture)
        self._untold, self._told_at = False, now
        line = status_line(picture)
        if first_look:
            self._ready = True
            log.info("ready: %s", line)
            self.notifier.ready(line)
        elif line != self._told:
            self.notifier.status(line)
        self._told = line


def status_line(picture: Picture) -> str:
    """Say in one line how things are."""
    counts = picture.counts
    parts = [
        f"{counts.get(JobState.QUEUED, 0)} queued",
        f"{counts.get(JobState.CLOUD, 0)} in the cloud",
        f"{counts.get(JobState.FETCHING, 0)} fetching",
        f"{counts.get(JobState.DONE, 0)} done",
        f"{counts.get(JobState.FAILED, 0)} failed",
    ]
    parts += [f"{lane} paused: {pause.reason}" for lane, pause in picture.pauses.items()]
    parts += [f"{folder.path}: {folder.problem}" for folder in picture.folders if folder.problem]
    if picture.journal_problem:
        parts.insert(0, f"journal: {picture.journal_problem}")
    return ", ".join(parts)
