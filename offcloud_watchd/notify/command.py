"""A program of the operator's, run once for each message: no shell, few variables, a time limit.

Rules of this file:

* The facts are in the environment (``OFFCLOUD_WATCHD_EVENT`` and others) and, as JSON, on standard input.
* Of our own environment only what a program needs to run is passed on: never a key, never the service
  manager's socket.
* The signals that this process keeps for its main thread are blocked in every other one, and a child has the
  mask of whoever starts it. ``posix_spawn`` clears the mask in the child; a hook that runs between fork and
  exec (``preexec_fn``) would not be safe beside threads.
* It is a process group of its own: what it has started ends with it when its time is over.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from offcloud_watchd.core.ports import Stop
from offcloud_watchd.notify.message import Message, harmless
from offcloud_watchd.notify.settings import NotifySettings
from offcloud_watchd.notify.ways import LAST_S, LOOK_EVERY_S, NotSent

PASSED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
)
"""What a program may need of our environment; the second line is for messages on a desktop."""
_KILL_AFTER_S: Final = 2.0
_SHOWN_BYTES: Final = 500


class Command:
    """Runs the program. ``env`` is this process's environment. One thread."""

    name = "command"

    def __init__(self, settings: NotifySettings, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._time_limit_s = settings.time_limit_s
        self._env = {name: env[name] for name in PASSED if name in env}

    def send(self, message: Message, stop: Stop) -> None:
        """Run it; anything but exit code 0 is a failure, and what it printed last is told."""
        try:
            code, said = self._run(message, stop)
        except OSError as error:  # no descriptor is left, or no process
            raise NotSent(f"{self._arguments[0]} was not run: {error.strerror}", may_pass=True) from None
        if code:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise NotSent(f"{self._arguments[0]} {how}{_quoted(said)}", may_pass=False)

    def _run(self, message: Message, stop: Stop) -> tuple[int, bytes]:
        output, written = os.pipe()
        try:
            try:
                process_id = self._begin(message, written)
            finally:
                os.close(written)
            return self._awaited(process_id, output, stop)
        finally:
            os.close(output)

    def _begin(self, message: Message, output: int) -> int:
        document = os.memfd_create("message")
        try:
            os.write(document, message.document())
            os.lseek(document, 0, os.SEEK_SET)
            return os.posix_spawn(
                self._arguments[0],
                list(self._arguments),
                {**self._env, **message.environment()},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, document, 0),
                    (os.POSIX_SPAWN_DUP2, output, 1),
                    (os.POSIX_SPAWN_DUP2, output, 2),
                ],
                setpgroup=0,
                setsigmask=(),
                setsigdef=(signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGUSR1),
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            reason = f"{self._arguments[0]} could not be started: {error.strerror}"
            raise NotSent(reason, may_pass=False) from None
        finally:
            os.close(document)

    def _awaited(self, process_id: int, output: int, stop: Stop) -> tuple[int, bytes]:
        """Wait for the end, hearing what is printed; end it when its time is over."""
        limit = _Limit(process_id, self._time_limit_s)
        well = False
        try:
            said = _heard(process_id, output, lambda: limit.look(stop))
            well = not limit.is_over
        finally:
            if not well:
                _end(process_id, signal.SIGKILL)  # what it has started, and left behind
            _, status = os.waitpid(process_id, 0)
        if limit.is_over:
            raise NotSent(f"{self._arguments[0]} took longer than {self._time_limit_s:g} s", may_pass=False)
        return os.waitstatus_to_exitcode(status), said


class _Limit:
    """Ends a process group when its time is over: asked first, killed when it does not listen."""

    def __init__(self, group_id: int, limit_s: float) -> None:
        self._group_id = group_id
        self._over_at = time.monotonic() + limit_s
        self._patience_s = _KILL_AFTER_S
        self.is_over = False

    def look(self, stop: Stop) -> None:
        """Do what is due."""
        now = time.monotonic()
        if stop.is_set() and not self.is_over:
            self._over_at, self._patience_s = min(self._over_at, now + LAST_S), LAST_S
        if now >= self._over_at + self._patience_s:
            _end(self._group_id, signal.SIGKILL)
        elif now >= self._over_at and not self.is_over:
            self.is_over = True
            _end(self._group_id, signal.SIGTERM)


def _heard(process_id: int, output: int, look: Callable[[], None]) -> bytes:
    """Return the last of what a process printed, when it has ended; what it left behind may print on."""
    process = os.pidfd_open(process_id)
    try:
        return _heard_until(process, output, look)
    finally:
        os.close(process)


def _heard_until(process: int, output: int, look: Callable[[], None]) -> bytes:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(output, select.POLLIN)
    said = b""
    while True:
        ready = dict(poll.poll(LOOK_EVERY_S * 1000))
        if output in ready:
            data = os.read(output, 65536)
            said = (said + data)[-_SHOWN_BYTES:]
            if not data:
                poll.unregister(output)
        if process in ready:
            return said
        look()


def _end(group_id: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group_id, number)


def _quoted(said: bytes) -> str:
    text = harmless(" ".join(said.decode("utf-8", "replace").split()))
    return f": {text}" if text else ""
