"""What a service manager wants to hear: ready, status, watchdog, stopping.

Rules of this file:

* The protocol is one datagram to the socket named in ``NOTIFY_SOCKET``; no library is needed for it.
  Source: sd_notify(3), section "Notes".
* Nothing here ever raises: a service manager that does not listen must not stop the service.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

MICROSECONDS: Final = 1_000_000


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

    def stopping(self) -> None:
        """Say that an orderly stop began."""
        self._send("STOPPING=1")

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


def _one_line(text: str) -> str:
    return " ".join(text.split())
