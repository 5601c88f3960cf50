"""The threads that carry bytes from the hosts to the disk, for one fetch.

Rules of this file:

* Each thread has one line and one buffer; bytes are hashed and written from where the socket has put them.
* A thread writes nothing but the span it was given. Whatever else an answer may mean is decided by the fetch,
  which hears of it through ``heard``; so does every byte that was written and every error.
* One writer for each field: a task's ``position``, ``told_at`` and ``answer`` are its thread's, ``synced_to``
  is the fetch's.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import NO_THREAD, Blocked, Cancelled
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.answer import Answer, Asked, complains, understood
from offcloud_watchd.fetch.broken import Broken
from offcloud_watchd.fetch.line import Body, Line
from offcloud_watchd.fetch.pool import Pool
from offcloud_watchd.fetch.proof import Hashing
from offcloud_watchd.fetch.settings import ShelfSettings
from offcloud_watchd.fetch.watch import Watch

_BRAKE_S: Final = 0.02
_TOLD_PER_BRAKE: Final = 8
_NICER: Final = 5


class Task:
    """One request: a span of a file, and where it is written.

    ``edition`` tells which list of links ``url``, a secret, is from. ``position`` is how far the file is
    written, ``synced_to`` how far that is known to be on the disk: a thread runs ahead of it by
    ``ahead_bytes`` at the most, so that a slow disk does not fill the memory.
    """

    __slots__ = (
        *("ahead_bytes", "answer", "asked", "edition", "fd", "hashing", "number", "position"),
        *("synced_to", "told_at", "url"),
    )

    def __init__(self, number: int, fd: int, asked: Asked, url: str, edition: int, ahead_bytes: int) -> None:
        self.number = number
        self.fd = fd
        self.asked = asked
        self.url = url
        self.edition = edition
        self.ahead_bytes = ahead_bytes
        self.hashing: Hashing | None = None
        self.answer: Answer | None = None
        self.position = self.synced_to = self.told_at = asked.offset

    @property
    def span(self) -> tuple[int, int]:
        """The bytes it has written."""
        return self.asked.offset, self.position

    @property
    def came_bytes(self) -> int:
        """How much it has written."""
        return self.position - self.asked.offset

    @property
    def fell_short_by(self) -> int:
        """How much less the host has given than it was asked for; 0 where nobody knows how much there is."""
        total = self.answer.total if self.answer is not None else None
        end = total if self.asked.end is None or total is None else min(self.asked.end, total)
        return 0 if end is None else max(0, end - self.position)

    def take_back(self) -> None:
        """Let nothing count of what it has written."""
        self.position = self.asked.offset
        if self.hashing is not None:
            self.hashing.take_back()

    @property
    def wants_sync(self) -> bool:
        """Tell whether it is half as far ahead of the disk as it may be."""
        return self.position - self.synced_to >= self.ahead_bytes // 2


@dataclass(frozen=True, slots=True)
class Told:
    """News of a task: bytes were written, or it has ended, well or with an error."""

    task: Task
    ended: bool = False
    error: Exception | None = None


class Crew:
    """All threads of one fetch; ``close`` must be called in the end. Used by one thread."""

    def __init__(self, settings: ShelfSettings, pool: Pool, clock: Clock) -> None:
        self.lines: list[Line] = []
        self._settings = settings
        self._pool = pool
        self._clock = clock
        self._halt = threading.Event()
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._news: SimpleQueue[Told] = SimpleQueue()
        self._watches: list[Watch] = []
        self._threads: list[threading.Thread] = []

    @property
    def received_bytes(self) -> int:
        """How much came in over all lines."""
        return sum(line.received_bytes for line in self.lines)

    def grow(self, number: int) -> None:
        """Have so many threads, or as many as the system gives; raise ``Blocked`` where that is none."""
        while len(self._threads) < number:
            line = Line(self._settings, self._pool, self._clock, self._halt)
            pump = _Pump(line, self._settings, self._clock, self._halt, self._news)
            thread = threading.Thread(target=pump.work, args=(self._tasks,), name="fetch-line", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                if self._threads:
                    return  # those that are there do it all, one after the other
                raise Blocked("fetch", NO_THREAD) from error
            self.lines.append(line)
            self._watches.append(Watch(line, self._settings, self._clock))
            self._threads.append(thread)

    def put(self, task: Task) -> None:
        """Let the next free thread do it."""
        self._tasks.put(task)

    def heard(self, timeout_s: float) -> Told | None:
        """Return the next news; None when there is none for so long."""
        try:
            return self._news.get(timeout=timeout_s) if timeout_s else self._news.get_nowait()
        except Empty:
            return None

    @property
    def waiting(self) -> int:
        """How many lines wait for the network just now."""
        return sum(line.waits for line in self.lines)

    def allow(self, bytes_per_s: float | None, number: int) -> None:
        """Let ``number`` lines that work take so much together; None is all there is."""
        for line in self.lines:
            line.allowance = None if bytes_per_s is None else bytes_per_s / max(number, 1)

    def watch(self) -> None:
        """Cut the lines that stall."""
        for watch in self._watches:
            watch.look()

    def close(self) -> None:
        """End all threads at once; afterwards nothing is written any more. Repeating it is harmless."""
        self._halt.set()
        for _ in self._threads:
            self._tasks.put(None)
        for thread, line in zip(self._threads, self.lines, strict=True):
            while thread.is_alive():
                line.cut()
                thread.join(_BRAKE_S)


def _step_back() -> None:
    """Let this thread take what processor and disk the others leave: a drop is not to wait for a film.

    Source: setpriority(2), whose niceness is a thread's own on Linux; ioprio_set(2), which follows from it.
    """
    thread = threading.get_native_id()
    with suppress(OSError):  # it is a courtesy
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICER)


class _Pump:
    """What one thread does."""

    def __init__(
        self,
        line: Line,
        settings: ShelfSettings,
        clock: Clock,
        halt: threading.Event,
        news: SimpleQueue[Told],
    ) -> None:
        self._line = line
        self._clock = clock
        self._halt = halt
        self._news = news
        self._view = memoryview(bytearray(settings.chunk_bytes))

    def work(self, tasks: SimpleQueue[Task | None]) -> None:
        """Carry out tasks until there are none."""
        _step_back()
        while (task := tasks.get()) is not None:
            error: Exception | None = AssertionError("a fault of ours ended a line; the log shows where")
            try:
                self._carry_out(task)
                error = None
            except (Broken, Cancelled, OSError) as caught:
                error = caught
            finally:
                self._news.put(Told(task, ended=True, error=error))

    def _carry_out(self, task: Task) -> None:
        with self._line.get(task.url, task.asked.headers()) as body:
            answer = understood(task.asked, body.status, body.headers, self._clock.now())
            if answer is None:
                reason = "the file host cannot go on where it broke off; the file begins anew"
                raise Broken(reason, spoiled=True)
            task.answer = answer
            if not answer.complete:
                self._stream(task, body, answer.end)

    def _stream(self, task: Task, body: Body, end: int | None) -> None:
        filled = 0
        try:
            while count := self._line.read_into(body, self._view[filled:]):
                filled += count
                self._check(task, filled, end)
                if filled == len(self._view):
                    filled = 0  # first, as the write may be followed by a stop
                    self._write(task, len(self._view))
        except (Broken, Cancelled) as error:
            if isinstance(error, Broken) and error.spoiled:
                task.take_back()  # none of it counts, even if nobody hears of it any more
            else:
                self._write(task, filled)
            raise
        self._write(task, filled)
        if end is not None and task.position < end:
            raise Broken(f"the connection ended after {task.position} of {end} bytes")

    def _check(self, task: Task, filled: int, end: int | None) -> None:
        """Raise ``Broken`` for bytes that are no part of the file; nothing of them is written."""
        if task.position == 0 and complains(task.asked, bytes(self._view[: min(filled, 100)])):
            reason = "the file host sent a complaint in place of the file"
            raise Broken(reason, stale_link=True, spoiled=True)
        if end is not None and task.position + filled > end:
            reason = f"the file host sent more than the {end} bytes it should"
            raise Broken(reason, stale_link=True, spoiled=True, contradicts=True)

    def _write(self, task: Task, filled: int) -> None:
        written = self._view[:filled]
        if task.hashing is not None:
            task.hashing.feed(written)
        disk.write_at(task.fd, written, task.position)
        task.position += filled
        if task.position - task.told_at >= task.ahead_bytes // _TOLD_PER_BRAKE:
            task.told_at = task.position
            self._news.put(Told(task))
        while task.position - task.synced_to > task.ahead_bytes:
            if self._halt.wait(_BRAKE_S):
                raise Cancelled("stopped while fetching")
