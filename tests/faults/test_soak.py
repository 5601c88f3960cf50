"""A real daemon for a real hour: network, disk and process go wrong at random, and drops keep coming.

In the end every content was submitted once and is home, and the process holds as much memory, as many
descriptors and threads as when its last life began. ``SOAK_S`` sets another time, ``SOAK_SEED`` another
course.
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox import Fault, Sandbox
from tests.e2e.process import Daemon, Place, wait_until
from tests.e2e.releases import assert_all_home, assert_no_key
from tests.e2e.test_submit_under_fire import HITS
from tests.faults.namespace import mount, with_own_mounts
from tests.faults.test_full_state import fill

HOUR_S = 3600.0
DISK = "size=320m"
"""An hour's releases, drops and log have room: some 6,000 jobs of 20 KiB."""

GROWTH_KIB = 6 << 10
KIB_A_JOB = 4.0
CALM_S = 240.0
FAULTS = (
    *HITS,
    Fault("hang", "cloud/status", seconds=0.3),
    Fault("html", "cloud/status", status=502),
    Fault("answer", "*", status=429, body="{}", retry_after="1"),
    Fault("answer", "*", status=500, body="{}"),
    Fault("reset", "*"),
    Fault("cut", "file", amount=500),
    Fault("truncate", "file"),
    Fault("ignore_range", "file"),
    Fault("expire", "file"),
    Fault("html", "file", status=200),
    Fault("reset", "file"),
)


@dataclass(frozen=True)
class Burden:
    """What a process holds."""

    resident_kib: int
    descriptors: int
    threads: int


def burden_of(process_id: int) -> Burden:
    """Look at a process."""
    status = Path(f"/proc/{process_id}/status").read_text()
    numbers = {
        name: int(re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[0]) for name in ("VmRSS", "Threads")
    }
    return Burden(numbers["VmRSS"], len(os.listdir(f"/proc/{process_id}/fd")), numbers["Threads"])  # noqa: PTH208


@dataclass
class Soak:
    """One daemon that is made to suffer; ``mortal``: its process may end, too."""

    place: Place
    sandbox: Sandbox
    daemon: Daemon
    dice: random.Random
    mortal: bool = True
    wanted: int = 0
    log_at: int = 0
    suffered: Counter[str] = field(default_factory=Counter)

    def live(self, seconds: float) -> None:
        """Drop something and let something go wrong, again and again."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            assert self.daemon.alive(), self.daemon.log[-3000:]
            self._drop()
            harm = self.dice.choice(self._harms())
            self.suffered[harm.__name__.strip("_")] += 1
            harm()
            _pause(self.dice.uniform(0.2, 2.0))

    def come_to_rest(self) -> Burden:
        """Let nothing go wrong any more, wait until all is home, and look at the process then."""
        self.sandbox.faults.clear()
        asked_at = time.monotonic()

        def home() -> bool:
            nonlocal asked_at
            failed = [job.id for job in self.place.jobs().values() if job.state is JobState.FAILED]
            if failed and time.monotonic() > asked_at + 5:
                asked_at = time.monotonic()
                self.suffered["given up"] += len(failed)
                assert self.place.command("retry", *failed).returncode == 0
            return self.place.all_in(JobState.DONE, count=self.wanted)

        wait_until(home, within_s=CALM_S, why=self._told)
        _pause(3.0)
        return burden_of(self.daemon.pid)

    def _told(self) -> str:
        states = Counter(str(job.state) for job in self.place.jobs().values())
        return f"{self.wanted} wanted, {states}\n{self.daemon.log[-6000:]}"

    def _drop(self) -> None:
        numbers = range(self.wanted + 1, self.wanted + 1 + self.dice.randint(1, 3))
        links = [f"magnet:?xt=urn:btih:{number:040x}&dn=N{number}" for number in numbers]
        (self.place.drop / f"list-{numbers[0]}.txt").write_text("\n".join(links))
        self.wanted += len(numbers)

    def _harms(self) -> list[Callable[[], None]]:
        always = [self._network, self._network, self._disk, self._stopped]
        return [*always, self._kill, self._stop, self._reload] if self.mortal else always

    def _network(self) -> None:
        self.sandbox.faults.add(*(self.dice.choice(FAULTS) for _ in range(self.dice.randint(1, 6))))

    def _disk(self) -> None:
        filler = self.place.root / "filler"
        fill(filler)
        _pause(self.dice.uniform(0.5, 3.0))
        filler.unlink()

    def _stopped(self) -> None:
        self.daemon.send(signal.SIGSTOP)
        _pause(self.dice.uniform(0.2, 2.0))
        self.daemon.send(signal.SIGCONT)

    def _kill(self) -> None:
        self.daemon.kill()
        self._start()

    def _stop(self) -> None:
        assert self.daemon.stop() in (0, -signal.SIGTERM), self.daemon.log[-3000:]
        self._start()

    def _start(self) -> None:
        self.log_at = len(self.daemon.log)
        self.daemon.start()

    def _reload(self) -> None:
        if "ready:" in self.daemon.log[self.log_at :]:  # before it has its handlers a signal ends it
            self.daemon.send(signal.SIGHUP)


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def soak(start_sandbox, make_place, run_daemon, seconds: float) -> None:
    """Suffer for two thirds of the time with deaths, come to rest, suffer on without, and compare."""
    sandbox = start_sandbox(queued_s=0.2, download_s=0.5, release_bytes=3000, generation="classic")
    settings = {"settle": "100ms", "rescan": "500ms", "poll": "{min: 200ms, max: 1s}", "auth": "query"}
    place = make_place(sandbox.url, **settings)
    mount("tmpfs", place.root, "tmpfs", DISK)
    place = make_place(sandbox.url, **settings)
    daemon = run_daemon(place)
    wait_until(lambda: "ready:" in daemon.log, within_s=30, why=lambda: daemon.log)
    one = Soak(place, sandbox, daemon, random.Random(int(os.environ.get("SOAK_SEED", "1"))))
    one.live(seconds * 2 / 3)
    one.come_to_rest()
    one.mortal = False
    jobs = one.wanted
    one.live(seconds / 20)  # whatever is made once is made now
    before = one.come_to_rest()
    one.live(seconds / 3)
    after = one.come_to_rest()
    print(f"\n{seconds:.0f} s, {one.wanted} jobs, {dict(one.suffered)}\n  {before}\n  {after}")
    assert daemon.stop() == 0
    assert_all_home(place, sandbox, place.jobs())
    assert sandbox.books().twins == ()
    assert_no_key(place)
    assert after.resident_kib <= before.resident_kib + GROWTH_KIB + KIB_A_JOB * (one.wanted - jobs)
    assert after.descriptors <= before.descriptors + 2
    assert after.threads <= before.threads + 1


@with_own_mounts
def test_half_a_minute_of_trouble(start_sandbox, make_place, run_daemon):
    """The short form."""
    soak(start_sandbox, make_place, run_daemon, 12.0)


@pytest.mark.torture
@with_own_mounts
def test_an_hour_of_trouble(start_sandbox, make_place, run_daemon):
    """The long form."""
    soak(start_sandbox, make_place, run_daemon, float(os.environ.get("SOAK_S", HOUR_S)))
