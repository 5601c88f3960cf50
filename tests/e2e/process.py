"""The installed program as a real process, in a place of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from offcloud_watchd.core.model import Job, JobState
from offcloud_watchd.journal import read_jobs
from tests.e2e import secrecy

KEY = "a-key-for-tests-0123456789abcdef"
WEB_PASSWORD = "a-word-for-the-web"


def wait_until(what: Callable[[], bool], *, within_s: float, why: Callable[[], str]) -> None:
    """Look twenty times a second until something is so; fail with the reason when time is over."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if what():
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"not within {within_s:g} s: {why()[-3000:]}")


@dataclass
class Place:
    """A configuration, a drop folder, a state and an output directory below one root.

    ``secrets`` are looked for at the end, in the place and in ``seen``: what was shown, and where.
    """

    root: Path
    base_url: str
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=lambda: [KEY])
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the directories, the key file and the configuration."""
        for directory in (self.drop, self.output):
            directory.mkdir(parents=True, exist_ok=True)
        self.keep_secret("api-key", KEY)
        self.write_config()

    @property
    def drop(self) -> Path:
        """The drop folder."""
        return self.root / self.settings.get("drop", "drop")

    @property
    def output(self) -> Path:
        """The output directory."""
        return self.root / "out"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.root / "state"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.root / "config.yaml"

    def write_config(self, **more: str) -> None:
        """Write the configuration; ``more`` replaces single values."""
        values = {
            "poll": "{min: 1s, max: 2s}",
            "requests_per_minute": "6000",
            "history_lag": "2s",
            "settle": "1s",
            "rescan": "2s",
            "min_free": "1MiB",
            "level": "info",
            "jobs": "3",
            "account": "api_key_file: api-key",
            "auth": "bearer",
            "watch": "auto",
            "remove": "never",
            "torrent_upload": "never",
            "route": "cloud",
            "cached": "any",
            "web": "{listen: null}",
            "remote": "null",
            "proxy": "null",
            "notify": "{}",
            "arr": "[]",
            "group": "null",
            "engine": "local",
            "engines": "{}",
            "drop": "drop",
            "shared": "false",
            "lease": "2m",
            **self.settings,
            **more,
        }
        self.config.write_text(
            f"""
offcloud:
  {values["account"]}
  base_url: {self.base_url}
  auth: {values["auth"]}
  poll: {values["poll"]}
  requests_per_minute: {values["requests_per_minute"]}
  history_lag: {values["history_lag"]}
  remove: {values["remove"]}
  torrent_upload: {values["torrent_upload"]}
output_dir: out
state_dir: state
folders:
  - path: {values["drop"]}
    category: tv
    settle: {values["settle"]}
    rescan: {values["rescan"]}
    watch: {values["watch"]}
    route: {values["route"]}
    remote: {values["remote"]}
    proxy: {values["proxy"]}
    cached: {values["cached"]}
    engine: {values["engine"]}
    shared: {values["shared"]}
    lease: {values["lease"]}
fetch:
  min_free: {values["min_free"]}
  jobs: {values["jobs"]}
  group: {values["group"]}
web: {values["web"]}
notify: {values["notify"]}
arr: {values["arr"]}
engines: {values["engines"]}
log:
  level: {values["level"]}
"""
        )

    def keep_web_password(self) -> str:
        """Write the file ``web-password`` for the web port to ask for, and return what it holds."""
        self.keep_secret("web-password", WEB_PASSWORD)
        return WEB_PASSWORD

    def keep_secret(self, name: str, secret: str) -> Path:
        """Write a secret into a file of its own, as the program wants it: it is to stand nowhere else."""
        path = self.root / name
        path.write_text(secret + "\n")
        path.chmod(0o600)
        if secret not in self.secrets:
            self.secrets.append(secret)
        return path

    def jobs(self) -> dict[str, Job]:
        """Return what the journal says, read the way the command line reads it."""
        return read_jobs(self.state)

    def all_in(self, *states: JobState, count: int) -> bool:
        """Tell whether there are ``count`` jobs and each is in one of the states."""
        jobs = self.jobs() if (self.state / "journal.jsonl").exists() else {}
        return len(jobs) == count and all(job.state in states for job in jobs.values())

    def command(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command of the program and return what it printed."""
        ended = subprocess.run(
            [sys.executable, "-m", "offcloud_watchd", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=clean_environment(),
        )
        self.seen += [(f"what {arguments[0]} printed", text) for text in (ended.stdout, ended.stderr)]
        return ended


def clean_environment(**more: str) -> dict[str, str]:
    """Return an environment in which no service manager and no settings of this machine shine through."""
    passed = {"PATH", "HOME", "LANG", "PYTHONPATH"}
    kept = {name: value for name, value in os.environ.items() if name in passed or name.startswith("COV")}
    return {**kept, **more}


@dataclass
class Daemon:
    """``offcloud-watchd run`` in a process of its own; its log goes to a file in the place.

    ``entrance`` stands before the command, and becomes it: what leads into a namespace, say.
    """

    place: Place
    environment: Mapping[str, str] = field(default_factory=dict)
    entrance: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """Where the log goes."""
        return self.place.root / "daemon.log"

    @property
    def log(self) -> str:
        """All that was logged so far, of every start."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it; the log is appended."""
        with self.log_path.open("ab") as log:
            command = [sys.executable, "-m", "offcloud_watchd", "run", "--config", str(self.place.config)]
            self.process = subprocess.Popen(
                [*self.entrance, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(**self.environment),
            )

    def look(self, *, web: bool = False) -> None:
        """Note what the process list shows of it, and what it serves."""
        if self.alive():
            self.place.seen += secrecy.arguments(self.pid).items()
            if web:
                self.place.seen += secrecy.pages(self.place.config.read_text()).items()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, within_s: float = 25) -> int:
        """Wait for its end and return the exit code."""
        assert self.process is not None
        return self.process.wait(within_s)

    def stop(self, within_s: float = 25) -> int:
        """Stop it in order and return the exit code."""
        self.look(web=True)
        self.send(signal.SIGTERM)
        return self.ended(within_s)

    def kill(self) -> None:
        """Kill it without warning; harmless when it is not running."""
        if self.process is not None:
            self.look()
            self.process.kill()
            self.process.wait(10)

    def alive(self) -> bool:
        """Tell whether the process lives."""
        return self.process is not None and self.process.poll() is None
