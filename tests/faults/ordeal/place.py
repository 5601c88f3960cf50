"""A place that lives through many daemons, each with a fault, and the laws that hold at the end of each."""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from offcloud_watchd.core.model import Job, JobState, Verb
from offcloud_watchd.core.orders import JobCommand
from offcloud_watchd.errors import JournalDamaged
from offcloud_watchd.journal import Follower, is_locked, verify
from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from offcloud_watchd.sandbox.settings import Generation
from offcloud_watchd.watch.commands import write_command
from tests.e2e.process import KEY, Place, clean_environment
from tests.e2e.releases import assert_all_home
from tests.faults.ordeal.power import Disk

SOURCE: Final = Path(__file__).with_name("faultline.c")
SYNC, SPACE, NAME, OTHER, NET, TAG, THREAD, DESCRIPTOR = 1, 2, 4, 8, 16, 32, 64, 128
EVERY_CALL: Final = SYNC | SPACE | NAME | OTHER | NET | TAG
PARTS: Final = ("state", "out", "drop")
WITHIN_S: Final = 40.0
IMPATIENCE_S: Final = 0.5
ENDED: Final = (JobState.DONE, JobState.FAILED)
CONTENTS_A_SANDBOX: Final = 200
SETTINGS: Final = {
    "settle": "20ms",
    "rescan": "100ms",
    "poll": "{min: 50ms, max: 100ms}",
    "history_lag": "50ms",
    "requests_per_minute": "600000",
}


ROOT: Final = "ROOT"
"""Stands in a setting for the place's own directory."""

READER: Final = """#!/bin/sh
case "$*" in *offcloud_watchd.wiring*) exec cat '{blueprint}' ;; esac
exec '{python}' "$@"
"""


def faultline(directory: Path) -> Path:
    """Build the library that strikes; skip the test where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler, on Linux")
    library = directory / "faultline.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE)]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True)
    return library


@dataclass(frozen=True)
class Fault:
    """What happens at the ``at``-th call of some classes: death (``code`` 0) or an error, once or for good.

    ``power``: what was not synced may be lost then.
    """

    at: int = 0
    code: int = 0
    classes: int = EVERY_CALL
    lasting: bool = False
    power: bool = False


@dataclass(frozen=True)
class Call:
    """One call that was counted; ``number`` from 1, ``path`` below the place."""

    number: int
    thread: str
    name: str
    path: str

    @property
    def where(self) -> str:
        """The call and the kind of file, without what differs from run to run."""
        parts = [part for part in Path(self.path).parts if part != "/"]
        return f"{self.thread} {self.name} {'/'.join(parts[:2])}"


class Nursery:
    """The process that starts the daemons of one place. One thread."""

    def __init__(self, library: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.ordeal.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment(LD_PRELOAD=str(library), PYTHONPATH=os.pathsep.join(sys.path)),
            cwd=Path(__file__).parents[3],
        )
        self._heard()

    @property
    def pid(self) -> int:
        """Its own process id."""
        return self._process.pid

    def wait_for_tracer(self) -> None:
        """Wait until somebody traces it."""
        status = Path("/proc", str(self.pid), "status")
        deadline = time.monotonic() + 10
        while "TracerPid:\t0\n" in status.read_text():
            assert time.monotonic() < deadline, "nobody traces it"
            threading.Event().wait(0.01)

    def start(self, order: dict[str, Any]) -> int:
        """Start a daemon and return its process id."""
        return int(self._asked(order)["pid"])

    def wait(self, pid: int) -> int:
        """Return how a daemon ended: the exit code, or the signal as a negative number."""
        return int(self._asked({"wait": pid})["status"])

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _asked(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        heard: dict[str, Any] = json.loads(self._process.stdout.readline())
        return heard


Law = Callable[[Place, Sandbox, Mapping[str, Job]], None]
"""What holds in the end for the jobs that are done."""


@dataclass
class Ordeal:
    """One place, one sandbox and one nursery, used again for every run.

    ``clear`` makes a fresh place; ``live`` runs a daemon until it settled or died; ``check`` holds the laws.
    ``wanted`` jobs are there in the end, ``given_up`` of them failed; ``law`` holds for the others.
    ``enough`` is when a daemon is told to stop; not before ``insist``, which somebody does again and again
    while it runs, says that it has all it wants.
    """

    root: Path
    library: Path
    generation: Generation = "classic"
    first: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    died_at: str = ""
    wanted: int = 0
    given_up: int = 0
    law: Law = assert_all_home
    insist: Callable[[], bool] | None = None
    spooled: set[str] = field(default_factory=set)
    sandbox: Sandbox | None = None

    def __post_init__(self) -> None:
        """Start what lives on."""
        self.number = self.first
        self.root.mkdir(parents=True, exist_ok=True)
        self.nursery = Nursery(self.library)
        self.place = Place(self.root / "place", "http://127.0.0.1:1", SETTINGS)
        self._follower = Follower(self.place.state)
        self._logged = 0
        self._borrowed = False
        self.lives = 0
        self.pid = 0

    def close(self) -> None:
        """End everything."""
        self.nursery.close()
        if self.sandbox is not None and not self._borrowed:
            self.sandbox.stop()

    # --- a fresh place ---

    def clear(self) -> int:
        """Make the place anew and empty; return a number nobody had before, for its contents."""
        self._renew_sandbox()
        self.number += 1
        for name in (*PARTS, "shadow"):
            shutil.rmtree(self._part(name), ignore_errors=True)
            self._part(name).mkdir()
        self._part("state").rmdir()
        for name in ("calls", "daemon.log", "healed"):
            (self.root / name).unlink(missing_ok=True)
        self.wanted, self.given_up, self.spooled = 0, 0, set()
        self.law, self.insist = assert_all_home, None
        self._follower = Follower(self.place.state)
        return self.number

    def drop(self, name: str, content: bytes, jobs: int = 1) -> None:
        """Put a file into the drop folder, of which so many new jobs come."""
        (self.place.drop / name).write_bytes(content)
        self.spool(content)
        self.wanted += jobs

    def spool(self, content: bytes) -> None:
        """Let the spool hold these bytes in the end."""
        self.spooled.add(hashlib.sha256(content).hexdigest())

    def adapt(self, settings: Mapping[str, str]) -> None:
        """Let other settings hold from the next start on."""
        if dict(settings) == self.settings:
            return
        self.settings = dict(settings)
        if self.sandbox is not None:
            self.configure()

    def _part(self, name: str) -> Path:
        return (self.root if name == "shadow" else self.place.root) / name

    def share(self, other: Ordeal) -> None:
        """Use the account of another place, which must live longer."""
        self.sandbox, self._borrowed = other.sandbox, True
        self.configure()

    def _renew_sandbox(self) -> None:
        if self._borrowed or (self.sandbox is not None and self.number % CONTENTS_A_SANDBOX):
            return
        if self.sandbox is not None:
            self.sandbox.stop()
        account = SandboxSettings(
            generation=self.generation,
            key=KEY,
            queued_s=0.0,
            download_s=0.0,
            upload_s=0.0,
            release_bytes=6000,
            release_files=2,
        )
        self.sandbox = Sandbox(account).start()
        self.configure()

    def configure(self) -> None:
        """Write the configuration, and what reading it comes to."""
        assert self.sandbox is not None
        auth = "query" if self.generation == "classic" else "bearer"
        settings = {
            name: value.replace(ROOT, str(self.place.root))
            for name, value in {**SETTINGS, "auth": auth, **self.settings}.items()
        }
        self.place = Place(self.place.root, self.sandbox.url, settings)
        said = subprocess.run(
            [sys.executable, "-m", "offcloud_watchd.wiring", str(self.place.config)],
            stdout=subprocess.PIPE,
            check=True,
            env=clean_environment(PYTHONPATH=os.pathsep.join(sys.path)),
        )
        (self.root / "blueprint").write_bytes(said.stdout)
        self.reader.write_text(READER.format(blueprint=self.root / "blueprint", python=sys.executable))
        self.reader.chmod(0o755)

    @property
    def reader(self) -> Path:
        """The program that stands for the interpreter: it reads no configuration, and takes up a reload."""
        return self.root / "reader"

    @property
    def log(self) -> str:
        """What the daemons logged."""
        path = self.root / "daemon.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # --- a life ---

    def start(self, fault: Fault | None = None, *arguments: str) -> int:
        """Start a process of the program: the daemon, or another command."""
        self._logged = len(self.log)
        self.lives += 1
        self.pid = self.nursery.start(
            {
                "arguments": [*(arguments or ("run",)), "--config", str(self.place.config)],
                "reader": str(self.reader),
                "log": str(self.root / "daemon.log"),
                "fault": None if fault is None else self._described(fault),
            }
        )
        return self.pid

    def _described(self, fault: Fault) -> dict[str, Any]:
        return {
            "root": str(self.place.root),
            "calls": str(self.root / "calls"),
            "shadow": str(self.root / "shadow") if fault.power else "",
            "healed": str(self.root / "healed"),
            "classes": fault.classes,
            "at": fault.at,
            "code": fault.code,
            "lasting": int(fault.lasting),
        }

    def command(self, *words: str) -> None:
        """Carry out a command that must work."""
        pid = self.start(None, *words)
        with watched(pid) as has_ended:
            assert has_ended(WITHIN_S)
        assert self.nursery.wait(pid) == 0, self.log

    def live(self, fault: Fault | None = None, enough: Callable[[], bool] | None = None) -> int:
        """Run a daemon until everything came home, then stop it; return how it ended, maybe before that."""
        return self.ended(self.start(fault), enough or self.settled)

    def dies(self, fault: Fault, chance: random.Random, enough: Callable[[], bool] | None = None) -> bool:
        """Run a daemon that is to die, and lose the power if need be; return whether it died."""
        (self.root / "calls").unlink(missing_ok=True)
        disk = Disk(self.place.root, PARTS) if fault.power else None
        code = self.live(fault, enough)
        assert code in (0, -signal.SIGKILL), f"ended with {code}: {self.told()}"
        if code == 0:
            return False
        self.died_at = self._where(fault.at)
        if disk is not None:
            disk.follow(self.root / "calls", self.root / "shadow")
            disk.fail(chance)
        return True

    def ended(self, pid: int, enough: Callable[[], bool]) -> int:
        """Wait until a daemon died or it is enough; stop it then. Return how it ended."""
        with watched(pid) as has_ended:
            deadline = time.monotonic() + WITHIN_S
            while not has_ended(0.01) and not (self.listens() and enough()):
                if time.monotonic() > deadline:
                    self._give_up(pid, has_ended)
                    raise AssertionError(f"stuck: {self.told()}")
            if not has_ended(0):
                os.kill(pid, signal.SIGTERM)
            if not has_ended(WITHIN_S):
                self._give_up(pid, has_ended)
                raise AssertionError(f"does not stop: {self.told()}")
        return self.nursery.wait(pid)

    def _give_up(self, pid: int, has_ended: Callable[[float], bool]) -> None:
        """Have a daemon that is stuck say where its threads are, and end it."""
        os.kill(pid, signal.SIGUSR2)
        has_ended(0.5)
        os.kill(pid, signal.SIGKILL)
        self.nursery.wait(pid)

    def listens(self) -> bool:
        """Tell whether the last daemon is ready, and so listens to signals."""
        return self.readied() > 0

    def readied(self) -> int:
        """Count how often the last daemon became ready: once more with each reload."""
        return self.log[self._logged :].count("ready:")

    def jobs(self) -> dict[str, Job]:
        """Return what the journal says; nothing while it cannot be read."""
        try:
            return dict(self._follower.jobs())
        except (OSError, JournalDamaged):
            return {}

    def settled(self) -> bool:
        """Tell whether everybody has what they want, no drop waits and all jobs came to an end."""
        if self.insist is not None and not (self.listens() and self.insist()):
            return False
        # What nobody ever finished to write is no command, and goes after a while.
        waiting = [*self.place.drop.iterdir(), *(self.place.state / "commands").glob("*.json")]
        if any(path.is_file() for path in waiting):
            return False
        # Looked at second: what is not in the folder any more was recorded before.
        jobs = self.jobs().values()
        return len(jobs) == self.wanted and all(job.state in ENDED and not job.to_clear for job in jobs)

    def when_unlocked(self) -> None:
        """Wait until no process holds the state directory any more."""
        deadline = time.monotonic() + 10
        while is_locked(self.place.state):
            assert time.monotonic() < deadline, "a daemon lives on"
            threading.Event().wait(0.01)

    def impatiently(self, enough: Callable[[], bool]) -> Callable[[], bool]:
        """Ask, every now and then, for paused lanes to be tried at once, until it is enough.

        The wish is for a job that there is not: it must not begin anew what came to its end meanwhile.
        """
        asked_at = time.monotonic()

        def ask() -> bool:
            nonlocal asked_at
            if enough():
                return True
            if time.monotonic() > asked_at + IMPATIENCE_S:
                asked_at = time.monotonic()
                write_command(self.place.state, JobCommand(Verb.RETRY, ("nobody",)))
            return False

        return ask

    def calls(self) -> list[Call]:
        """Return the calls of the last life that had a fault, in the order of their numbers."""
        path = self.root / "calls"
        found = []
        for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
            number, *rest = line.split("\t")
            if number != "=":
                found.append(Call(int(number), rest[0], rest[1], rest[2].removeprefix(str(self.place.root))))
        return sorted(found, key=lambda call: call.number)

    def _where(self, number: int) -> str:
        return next((call.where for call in self.calls() if call.number == number), "unknown")

    # --- the laws ---

    def check(self) -> None:
        """Hold the end against the laws: nothing lost, doubled, half visible; the journal sound; no key."""
        try:
            self._check()
        except AssertionError as error:
            error.add_note(self.told())
            raise

    def _check(self) -> None:
        assert self.sandbox is not None
        jobs = self.jobs()
        done = {job.id: job for job in jobs.values() if job.state is JobState.DONE}
        assert len(jobs) == self.wanted
        assert len(done) == self.wanted - self.given_up
        self.law(self.place, self.sandbox, done)
        report = verify(self.place.state)
        assert (report.problems, report.torn_bytes, report.jobs) == ((), 0, self.wanted)
        if self._staged():  # a stop goes before tidying; the next start sweeps
            assert self.live() == 0
            assert not self._staged(), "staging holds something"
        spool = {path.name for path in (self.place.state / "spool").iterdir()}
        assert spool <= self.spooled, "the spool holds something half written"
        for path in (*self.place.root.rglob("*"), self.root / "daemon.log"):
            if path.is_file() and path.name != "api-key":
                assert KEY.encode() not in path.read_bytes(), path

    def _staged(self) -> list[Path]:
        """Return the files that staging holds."""
        hidden = self.place.output.glob(".*")
        return [path for one in hidden for path in one.rglob("*") if path.is_file() and path.stat().st_size]

    def told(self) -> str:
        """Say what happened, for a test that failed."""
        jobs = "\n".join(f"{job.id} {job.state} {job.reason}" for job in self.jobs().values())
        calls = "\n".join(
            f"{call.number} {call.thread} {call.name} {call.path}" for call in self.calls()[-6:]
        )
        return f"run {self.number}\n{jobs}\n{self.log[-9000:]}\n{calls}"


@contextmanager
def watched(pid: int) -> Iterator[Callable[[float], bool]]:
    """Give a way to wait for the end of a process that is not a child of this one."""
    descriptor = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        yield lambda seconds: bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def in_parallel(ordeals: list[Ordeal], runs: Callable[[Ordeal, int], None]) -> None:
    """Let each ordeal have a thread of its own; raise the first failure."""
    failures: list[BaseException] = []

    def work(index: int) -> None:
        try:
            runs(ordeals[index], index)
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(ordeals))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
