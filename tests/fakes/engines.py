"""Real engines on loopback, Debian's aria2c and rclone, started and killed as often as a test wants."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import EngineDown
from offcloud_watchd.fetch.engines.aria2 import Aria2
from offcloud_watchd.fetch.engines.rclone import Rclone
from offcloud_watchd.fetch.engines.settings import Aria2Settings, RcloneSettings
from tests.fakes.ports import free_port

SECRET = "an-rpc-secret-0123456789"


@dataclass
class Aria2Server:
    """One aria2c; ``root`` is a directory of its own. It keeps its port, and its session where it has one.

    ``secret`` is what our side says. ``largest_file_bytes``: the kernel lets it write no more into a file.
    """

    root: Path
    session: bool = False
    secret: str = SECRET
    largest_file_bytes: int | None = None

    def __post_init__(self) -> None:
        """Take a port."""
        if shutil.which("aria2c") is None:
            pytest.skip("aria2c is not installed")
        self.root.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def session_file(self) -> Path:
        """Where it keeps what is unfinished."""
        return self.root / "session"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.root / "log"

    def start(self) -> Aria2Server:
        """Start it and wait until it answers."""
        command = [
            "aria2c",
            "--no-conf",
            "--enable-rpc",
            f"--rpc-listen-port={self.port}",
            f"--rpc-secret={SECRET}",
            f"--dir={self.root}",
            "--auto-save-interval=1",
            "--file-allocation=none",
            "--console-log-level=error",
            "--summary-interval=0",
        ]
        if self.session:
            self.session_file.touch()
            command += [
                f"--save-session={self.session_file}",
                f"--input-file={self.session_file}",
                "--save-session-interval=1",
            ]
        with self.log.open("ab") as log:
            if self.largest_file_bytes is not None:
                # The signal that goes with the limit would end it.
                limited = "import os,signal,sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
                command = ["prlimit", f"--fsize={self.largest_file_bytes}", sys.executable, "-c",
                           limited + "os.execvp(sys.argv[1], sys.argv[1:])", *command]  # fmt: skip
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        _wait_until_answered(self.client(SystemTicks()).version, self.log)
        return self

    def end(self, how: int = signal.SIGKILL) -> None:
        """End it; repeating it is harmless."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def client_downloads(self) -> list[str]:
        """Return where everything that it knows of goes."""
        return [one.directory for one in self.client(SystemTicks()).all()]

    def settings(self, **changes: object) -> Aria2Settings:
        """Return how it is reached, in tests that have no time."""
        usual: dict[str, object] = {
            "url": f"http://127.0.0.1:{self.port}/jsonrpc",
            "secret_file": Path("/secret"),
            "rest_s": 0.0,
            "look_s": 0.03,
        }
        return Aria2Settings(**{**usual, **changes})

    def client(self, clock: Clock, **changes: object) -> Aria2:
        """Return our side of it."""
        return Aria2(self.settings(**changes), lambda: self.secret, clock)


@dataclass
class RcloneServer:
    """One ``rclone rcd``; ``root`` is a directory of its own, ``remote`` the place that it is used for.

    ``webdav``: that place is served by a second rclone, and reached over WebDAV. Without
    ``has_directories`` none is moved but file by file, and none is there when it is empty, as in a bucket.
    """

    root: Path
    webdav: bool = False
    remote: str = ""
    password: str = SECRET
    has_directories: bool = True

    def __post_init__(self) -> None:
        """Take the ports, and the place on the disk."""
        if shutil.which("rclone") is None:
            pytest.skip("rclone is not installed")
        self.data = self.root / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.port, self.dav_port = free_port(), free_port()
        self.remote = self.remote or ("dav:" if self.webdav else str(self.data))
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def log(self) -> Path:
        """What it said."""
        return self.root / "log"

    def start(self) -> RcloneServer:
        """Start it and wait until it answers."""
        if self.webdav:
            address = f"--addr=127.0.0.1:{self.dav_port}"
            self._run("serve", "webdav", str(self.data), address, "--dir-cache-time=0s")
        features = [] if self.has_directories else ["--disable=DirMove,CanHaveEmptyDirectories"]
        self._run("rcd", f"--rc-addr=127.0.0.1:{self.port}", "--rc-user=u", f"--rc-pass={SECRET}", *features)
        _wait_until_answered(self.client(SystemTicks(), self.root).free_bytes, self.log)
        return self

    def end(self) -> None:
        """Kill it; repeating it is harmless."""
        for process in self._processes:
            process.kill()
            process.wait(20)
        self._processes = []

    def client(self, clock: Clock, notes_dir: Path, **changes: object) -> Rclone:
        """Return our side of it, in tests that have no time."""
        usual: dict[str, object] = {
            "url": f"http://127.0.0.1:{self.port}",
            "remote": self.remote,
            "output_dir": "/out",
            "notes_dir": notes_dir,
            "user": "u",
            "password_file": Path("/password"),
            "rest_s": 0.0,
            "look_s": 0.03,
        }
        return Rclone(RcloneSettings(**{**usual, **changes}), lambda: self.password, clock)

    def _run(self, *arguments: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "RCLONE_CONFIG_DAV_TYPE": "webdav",
            "RCLONE_CONFIG_DAV_URL": f"http://127.0.0.1:{self.dav_port}",
            "RCLONE_CONFIG_DAV_VENDOR": "other",
        }
        with self.log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    ["rclone", *arguments, "--config="],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    env=environment,
                )
            )


def _wait_until_answered(ask: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            ask()
        except EngineDown:
            assert time.monotonic() < deadline, log.read_text()
            threading.Event().wait(0.02)
        else:
            return


class SystemTicks:
    """The machine's clocks."""

    def now(self) -> float:
        """Return UTC seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()
