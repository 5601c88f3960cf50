"""What the process is told from outside by signals, from the first moment on.

Rules of this file:

* A signal handler only sets a flag and wakes the inbox; the main thread does the rest.
* No signal ends a start half way and no reload is lost in one: what comes while the program is still being
  loaded is held back by the kernel until there are handlers, and they stand before the configuration is read.
* Only the main thread ever takes a signal of the daemon.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import FrameType
from typing import Final

from offcloud_watchd.core.messages import LookAgain, Message

HEEDED: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1})


def hold_back() -> None:
    """Have the kernel keep what comes until ``Signals.listen``: a reload would else end the process.

    A service manager takes an end by SIGHUP for one that was wanted, and does not start it again.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)


@dataclass(slots=True)
class Signals:
    """What the process was told from outside. Handlers run in the main thread, between any two steps of it.

    ``stop`` is never taken back. ``inbox`` is what the main thread waits for.
    """

    inbox: SimpleQueue[Message] = field(default_factory=SimpleQueue)
    stop: bool = False
    reload: bool = False
    look: bool = False

    def listen(self) -> None:
        """Take over SIGTERM, SIGINT (a second one ends the process at once), SIGHUP and SIGUSR1."""
        handlers = {
            signal.SIGTERM: self.on_stop,
            signal.SIGINT: self.on_stop,
            signal.SIGHUP: self.on_reload,
            signal.SIGUSR1: self.on_look,
        }
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)

    @contextmanager
    def for_the_main_thread(self) -> Iterator[None]:
        """Let no thread that is started within ever take a signal of the daemon; its children neither.

        A thread that still hangs at a reload could else take a stop that the kernel is to hold back over
        ``exec``, and the stop would be lost with it. A new thread has the mask of the one that starts it.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def on_stop(self, number: int, _frame: FrameType | None) -> None:
        """Ask for an orderly end. A service manager may repeat itself; a person who does is in a hurry."""
        if self.stop and number == signal.SIGINT:
            os._exit(128 + number)  # the journal is safe at any moment
        self.stop = True
        self.inbox.put(LookAgain())

    def on_reload(self, _number: int, _frame: FrameType | None) -> None:
        """Ask for a reload."""
        self.reload = True
        self.inbox.put(LookAgain())

    def on_look(self, _number: int, _frame: FrameType | None) -> None:
        """Ask for a look at every folder."""
        self.look = True
        self.inbox.put(LookAgain())
