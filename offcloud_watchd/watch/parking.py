"""Calls that may hang in the kernel: on a dead network mount even ``stat`` never comes back.

Rules of this file:

* Such a call cannot be cancelled, only left behind. The calls of one place run one after the other on a
  thread of their own; the caller stops waiting after a while, and nothing new is begun there until the lost
  call is back.
* A call that came back late has done its work, and its answer is kept: what is merely slow gets on.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from offcloud_watchd.errors import NO_THREAD

Answer = TypeVar("Answer")
_Call = tuple[Callable[[], object], "Future[object]"]


class ParkedError(Exception):
    """The call was begun and did not come back in time, or an earlier one is still out."""


class Parking:
    """The calls of one place. One thread at a time may call; a thread that hangs is a daemon.

    ``on_back`` is called, on the thread of the place, when a call that was left behind is back.
    """

    def __init__(self, name: str, wait_s: float, on_back: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._wait_s = wait_s
        self._on_back = on_back
        self._left: Future[object] | None = None
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def is_out(self) -> bool:
        """Tell whether a call was left behind and is not back."""
        return self._left is not None and not self._left.done()

    def call(self, work: Callable[[], Answer]) -> Answer:
        """Return what ``work`` returns or raise what it raises; raise ``ParkedError`` while it hangs.

        Raises ``OSError``, and ``work`` is not called, where the system gives no thread for it.
        """
        if self.is_out:
            raise ParkedError(self._name)
        self._start()
        answer: Future[Answer] = Future()
        self._calls.put((work, answer))  # type: ignore[arg-type] # one queue for answers of every type
        try:
            answer.exception(self._wait_s)
        except TimeoutError:
            self._left = answer  # type: ignore[assignment] # the same
            answer.add_done_callback(lambda _: self._on_back())
            raise ParkedError(self._name) from None
        return answer.result()

    def _start(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(target=_work, args=(self._calls,), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, NO_THREAD) from error
        self._thread = thread

    def late(self) -> object:
        """Return, once, the answer of a call that was left behind and is back; raise what it raised."""
        if self._left is None or not self._left.done():
            return None
        answer, self._left = self._left, None
        return answer.result()

    def close(self) -> None:
        """Let the thread end when it is back; nothing may be called after that."""
        self._calls.put(None)


def _work(calls: SimpleQueue[_Call | None]) -> None:
    while (call := calls.get()) is not None:
        work, answer = call
        try:
            answer.set_result(work())
        except Exception as error:  # noqa: BLE001 - handed over to the thread that asked
            answer.set_exception(error)
        del call, work, answer  # what was answered is not kept until the next call
