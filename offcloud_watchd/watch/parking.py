"""Calls that may hang in the kernel: on a dead network mount even ``stat`` never comes back.

Such a call cannot be cancelled, only left behind. One folder's calls run one after the other on threads of
their own; the caller stops waiting after a deadline, and nothing new is begun there until the lost one is
back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Answer = TypeVar("Answer")


class ParkedError(Exception):
    """The call was begun and did not come back in time, or an earlier one is still out."""


class Parking:
    """The calls of one folder. One thread at a time may call; the threads that hang are daemons."""

    def __init__(self, name: str, answer_within_s: float) -> None:
        self._name = name
        self._answer_within_s = answer_within_s
        self._out: threading.Thread | None = None

    def call(self, work: Callable[[], Answer]) -> Answer:
        """Return what ``work`` returns or raise what it raises; raise ``ParkedError`` while it hangs.

        The answer of a call that came back too late is dropped, so ``work`` must be safe to repeat.
        """
        if self._out is not None and self._out.is_alive():
            raise ParkedError(self._name)
        future: Future[Answer] = Future()
        thread = threading.Thread(target=_carry_out, args=(work, future), name=self._name, daemon=True)
        self._out = thread
        thread.start()
        thread.join(self._answer_within_s)
        if thread.is_alive():
            raise ParkedError(self._name)
        return future.result()


def _carry_out(work: Callable[[], Answer], future: Future[Answer]) -> None:
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - handed over to the thread that asked
        future.set_exception(error)
