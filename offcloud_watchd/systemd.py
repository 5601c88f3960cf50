"""What a service manager wants to hear: ready, status, watchdog, stopping.

Rules of this file:

* The protocol is one datagram to the socket named in ``NOTIFY_SOCKET``; no library is needed for it.
  Source: sd_notify(3), section "Notes".
* Nothing here ever raises: a service manager that does not listen must not stop the service.
* A sign of life says that *every* lane moves, not only that the main loop turns. A worker that hangs in the
  kernel is then ended by the manager, and the restart resumes what it was at.
"""

from __future__ import annotations

import logging
import math
import socket
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.model import Lane
from offcloud_watchd.core.picture import AtWork

log = logging.getLogger(__name__)

MICROSECONDS: Final = 1_000_000

API_LIMIT_S: Final = 180.0
"""How long who asks others may show no movement: a whole answer has 60 s, and whoever waits says how long."""
DISK_FACTOR: Final = 15.0
"""How much longer than the main loop a step on a disk may take: to sync a large file to a slow one, say."""
PATIENCE_S: Final = 60.0
PATIENCE_EVERY_S: Final = 5.0

Busy = Mapping[str, AtWork]
"""The workers that have something to do, by name. Who waits for work is not in it."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """Speaks to the service manager; silent when there is none.

    ``address`` is the value of ``NOTIFY_SOCKET`` (``@`` means the abstract name space). ``watchdog_s`` is how
    often a sign of life is expected at the least, None when nobody waits for one.
    """

    address: str = ""
    watchdog_s: float | None = None

    @classmethod
    def from_environment(cls, env: Mapping[str, str], process_id: int) -> Notifier:
        """Read who listens; ``WATCHDOG_PID`` may say that the watchdog is meant for another process."""
        watchdog_s = None
        if env.get("WATCHDOG_PID", str(process_id)) == str(process_id):
            try:
                watchdog_s = int(env.get("WATCHDOG_USEC", "0")) / MICROSECONDS or None
            except ValueError:
                log.warning("WATCHDOG_USEC is not a number; no sign of life is sent")
        return cls(env.get("NOTIFY_SOCKET", ""), watchdog_s)

    def ready(self, status: str) -> None:
        """Say that start-up is over: journal folded, folders watched, first look done."""
        self._send("READY=1", f"STATUS={_one_line(status)}")

    def status(self, status: str) -> None:
        """Say in one line how things are; shown by ``systemctl status``."""
        self._send(f"STATUS={_one_line(status)}")

    def alive(self) -> None:
        """Give the sign of life that the watchdog waits for."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that a reload began; ``ready`` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, within_s: float | None = None) -> None:
        """Say that an orderly stop began; ``within_s`` asks for at least so long to end it."""
        self._send("STOPPING=1", *([] if within_s is None else [_extension(within_s)]))

    def extend_timeout(self, within_s: float) -> None:
        """Ask for at least ``within_s`` from now for what is being done: a start, a reload or a stop.

        Source: sd_notify(3), EXTEND_TIMEOUT_USEC; it never makes the time shorter.
        """
        self._send(_extension(within_s))

    def _send(self, *lines: str) -> None:
        if not self.address.startswith(("/", "@")):
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)  # a full queue must not stop the one thread that owns the journal
                sender.sendto("\n".join(lines).encode("utf-8", "replace"), address)
        except OSError as error:
            log.debug("the service manager could not be told %s: %s", lines[0], error)


class Patience:
    """Asks the manager for time while a long piece of work of the main thread goes on: a start, a reload."""

    def __init__(self, notifier: Notifier, monotonic: Callable[[], float]) -> None:
        self._notifier = notifier
        self._monotonic = monotonic
        self._every_s = min(PATIENCE_EVERY_S, (notifier.watchdog_s or math.inf) / 3)
        self._asked_at = monotonic()

    def ask(self) -> None:
        """Say that the work goes on; call it at every step, however short."""
        now = self._monotonic()
        if now >= self._asked_at + self._every_s:
            self._asked_at = now
            self._notifier.alive()
            self._notifier.extend_timeout(PATIENCE_S)


class Watchdog:
    """Gives the sign of life while everything moves, and withholds it while something does not. One thread.

    ``busy`` tells who is at work. Call ``turn`` in every turn of the main loop.
    """

    def __init__(self, notifier: Notifier, busy: Callable[[], Busy]) -> None:
        self._notifier = notifier
        self._busy = busy
        self._every_s = None if notifier.watchdog_s is None else notifier.watchdog_s / 3
        self._looked_at = float("-inf")
        self._stuck: Collection[str] = ()

    def turn(self, now: float) -> None:
        """Look whether everything moves, three times in the time the manager gives; ``now`` is monotonic."""
        if self._every_s is None or now < self._looked_at + self._every_s:
            return
        self._looked_at = now
        stuck = overdue(self._busy(), now, limits_s(self._every_s * 3))
        if not stuck:
            self._notifier.alive()
        self._say(stuck, now)
        self._stuck = stuck.keys()

    def _say(self, stuck: Busy, now: float) -> None:
        """Log what hangs, once, and that nothing hangs any more."""
        for name, work in stuck.items():
            if name not in self._stuck:
                log.error(
                    "no sign of life is given: %s has not moved for %.0f s: %s",
                    name,
                    now - work.moved_at_s,
                    work.what,
                    extra={"lane": work.lane},
                )
        if self._stuck and not stuck:
            log.warning("signs of life are given again: every lane moves")

    def wait_s(self, now: float) -> float:
        """Return how long the main loop may wait for its next turn."""
        return float("inf") if self._every_s is None else max(0.0, self._looked_at + self._every_s - now)


def limits_s(watchdog_s: float) -> Mapping[Lane, float]:
    """Return how long a busy worker of each lane may show no movement.

    What touches a disk has a multiple of the time that the manager gives the main loop, so that whoever has
    a slow disk can give more of both.
    """
    disk_s = DISK_FACTOR * watchdog_s
    return {Lane.API: API_LIMIT_S, Lane.DISK: disk_s, Lane.FETCH: disk_s, Lane.ARR: API_LIMIT_S}


def overdue(busy: Busy, now: float, limits_s: Mapping[Lane, float]) -> Busy:
    """Return the workers that have not moved within their lane's limit."""
    return {name: work for name, work in busy.items() if now - work.moved_at_s > limits_s[work.lane]}


def _extension(within_s: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={round(within_s * MICROSECONDS)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
