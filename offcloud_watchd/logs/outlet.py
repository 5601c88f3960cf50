"""Between whoever logs and where the log goes: nobody waits for the log, and storms are counted.

Rules of this file:

* ``emit`` only queues. A thread of its own writes, so a pipe nobody reads, a journald that hangs or a
  terminal that was stopped never holds up the thread that owns the journal.
* The writer takes no lock of the other handler: it would hold it while it hangs, and ``logging`` wants it at
  exit.
* The queue is bounded. What finds no place is counted, and the count is told as soon as the log takes lines.
* A line that repeats itself, and a kind of line that comes in thousands, is counted too: see ``Storms``.
"""

from __future__ import annotations

import copy
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Final

QUEUE_LINES: Final = 2000
FLUSH_WITHIN_S: Final = 0.5
WINDOW_S: Final = 600.0
SAME_A_WINDOW: Final = 20
"""How often one and the same text is written in a window: enough to see that it repeats itself."""
LIKE_A_WINDOW: Final = 20_000
"""How many lines of one kind: ten thousand drops at once may all be told of."""
_TEXTS: Final = 5000  # how many different ones are remembered


class Storms:
    """Lets the first of what repeats itself pass, counts the rest, in windows of ten minutes. One thread."""

    def __init__(self) -> None:
        self._ends_at_s = float("-inf")
        self._same: Counter[tuple[str, str]] = Counter()
        self._like: Counter[tuple[str, str]] = Counter()
        self._held: dict[tuple[str, str], tuple[int, str, int]] = {}

    def admits(self, record: logging.LogRecord, text: str) -> bool:
        """Tell whether a record is to be written; ``text`` is its message."""
        if len(self._same) > _TEXTS:
            self._same.clear()
        for counter, what, most in (
            (self._same, text, SAME_A_WINDOW),
            (self._like, str(record.msg), LIKE_A_WINDOW),
        ):
            key = (record.name, what)
            counter[key] += 1
            if counter[key] > most:
                self._held[key] = (record.levelno, text, counter[key] - most)
                return False
        return True

    def wait_s(self, now_s: float) -> float | None:
        """Return how long it is until ``ended`` has something to tell; None when it has not."""
        return max(0.0, self._ends_at_s - now_s) if self._held else None

    def ended(self, now_s: float) -> Iterator[logging.LogRecord]:
        """Begin the next window when it is time, and tell what was held back in the last one."""
        if now_s < self._ends_at_s:
            return
        self._ends_at_s = now_s + WINDOW_S
        held, self._held = self._held, {}
        self._same.clear()
        self._like.clear()
        for (name, _), (level, text, count) in held.items():
            yield _line(name, level, f"{count} more like this in ten minutes: {text}")


class DescriptorHandler(logging.Handler):
    """Writes lines to a descriptor, without Python's buffers.

    At its exit the interpreter wants them: what lies in a buffer and cannot be written ends the process with
    120, a thread that hangs in one with SIGABRT.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, whole; a failure is dealt with as ``logging`` does it."""
        try:
            left = f"{self.format(record)}\n".encode(errors="backslashreplace")
            while left:
                left = left[os.write(self._descriptor, left) :]
        except Exception:  # noqa: BLE001 - what every handler of logging does: a bad line ends nothing
            self.handleError(record)


class Outlet(logging.Handler):
    """Hands records to another handler, in a thread of its own. Any thread may log; a signal handler too."""

    def __init__(self, inner: logging.Handler, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._inner = inner
        self._monotonic = monotonic
        self._queue: SimpleQueue[logging.LogRecord | threading.Event] = SimpleQueue()
        self._storms = Storms()
        self._lost = self._told_lost = 0
        self._is_direct = False
        self.thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.thread.start()
        except RuntimeError:
            self._is_direct = True  # no thread is to be had: better wait for the log than have none
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, or count it as lost; never waits."""
        if self._is_direct:
            self._inner.handle(record)
        elif self._queue.qsize() >= QUEUE_LINES:
            self._lost += 1
        else:
            self._queue.put(record)

    def flush(self) -> None:
        """Wait a moment until all that was logged so far is written; a log that hangs is left alone."""
        if self._is_direct:
            return
        written = threading.Event()
        self._queue.put(written)
        written.wait(FLUSH_WITHIN_S)

    def _write_all(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=self._storms.wait_s(self._monotonic()))
            except Empty:
                item = None
            for record in self._storms.ended(self._monotonic()):
                self._inner.emit(record)
            if isinstance(item, threading.Event):
                item.set()
            elif item is not None:
                self._write(item)

    def _write(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - the arguments do not fit: the handler says so in its own way
            text = str(record.msg)
        if self._storms.admits(record, text):
            self._inner.emit(copy.copy(record))
        lost = self._lost - self._told_lost
        if lost:
            self._told_lost += lost
            text = f"{lost} messages before this one were lost: the log did not take them in time"
            self._inner.emit(_line(__name__, logging.WARNING, text))


def _line(name: str, level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 0, text, (), None)
