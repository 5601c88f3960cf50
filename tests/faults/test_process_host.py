"""The machine itself is at fault: the log takes nothing, the process is stopped, descriptors are short."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from offcloud_watchd.core.events import Deferred, Queued
from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Destination, Drop, JobState, job_id
from offcloud_watchd.journal import open_journal
from offcloud_watchd.journal.writing import COMPACT_FROM_BYTES
from offcloud_watchd.sandbox import Sandbox
from offcloud_watchd.sandbox.settings import SystemClock
from tests.e2e.process import KEY, Daemon, Place, clean_environment, wait_until
from tests.e2e.releases import assert_all_home
from tests.faults.ordeal.scenarios import LONG

PIPE_BYTES = 4096
LINKS = 20
QUICK = {"settle": "100ms", "rescan": "300ms", "poll": "{min: 100ms, max: 300ms}"}


def drop_links(place: Place, count: int, name: str = "links.txt") -> None:
    """Drop a list of so many links."""
    number = sum(map(ord, name)) * 1000
    links = [f"magnet:?xt=urn:btih:{number + index:040x}&dn=N{number + index}" for index in range(count)]
    (place.drop / name).write_text("\n".join(links))


@contextlib.contextmanager
def logging_to(place: Place, log: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon whose log goes to a descriptor."""
    with running([sys.executable, "-m", "offcloud_watchd", "run", "--config", str(place.config)], log) as one:
        yield one


@contextlib.contextmanager
def running(command: list[str], log: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command whose output goes to a descriptor; kill it in the end."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment()
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def all_home(place: Place, count: int) -> bool:
    """Tell whether so many jobs are done."""
    return place.all_in(JobState.DONE, count=count)


def test_a_log_that_nobody_reads_stops_nothing(start_sandbox, make_place):
    """The pipe fills up, everything comes home, the end is in time; afterwards the loss is told (107)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.1, release_bytes=3000)
    place = make_place(sandbox.url, level="debug", **QUICK)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with logging_to(place, writer) as daemon, os.fdopen(reader, "rb") as log:
        os.close(writer)
        for name in ("one.txt", "two.txt"):
            drop_links(place, LINKS, name)
        wait_until(lambda: all_home(place, 2 * LINKS), within_s=60, why=lambda: "the log fills up")
        daemon.terminate()
        assert daemon.wait(25) == 0
        said = log.read()
    assert b"starts" in said
    assert len(said) <= 2 * PIPE_BYTES
    assert KEY.encode() not in said
    assert_all_home(place, sandbox, place.jobs())


def test_a_log_on_a_full_disk_stops_nothing(start_sandbox, make_place):
    """No line can be written, and nobody notices but who wants to read them (107)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.1, release_bytes=3000)
    place = make_place(sandbox.url, level="debug", **QUICK)
    full = os.open("/dev/full", os.O_WRONLY)
    with logging_to(place, full) as daemon:
        os.close(full)
        drop_links(place, LINKS)
        wait_until(lambda: all_home(place, LINKS), within_s=60, why=lambda: "the log takes nothing")
        daemon.terminate()
        assert daemon.wait(25) == 0
    assert_all_home(place, sandbox, place.jobs())


def stopped_for(seconds: float, place: Place, sandbox: Sandbox, run_daemon: Callable[..., Daemon]) -> None:
    """Stop the process in the middle of its work, let it go on after a while, and check the end."""
    daemon = run_daemon(place)
    drop_links(place, LINKS)
    wait_until(lambda: place.all_in(*JobState, count=LINKS), within_s=30, why=lambda: daemon.log)
    daemon.send(signal.SIGSTOP)
    drop_links(place, LINKS, "later.txt")
    threading.Event().wait(seconds)
    daemon.send(signal.SIGCONT)
    wait_until(lambda: all_home(place, 2 * LINKS), within_s=90, why=lambda: daemon.log)
    assert daemon.stop() == 0
    assert_all_home(place, sandbox, place.jobs())


def test_a_process_that_was_stopped_goes_on(start_sandbox, make_place, run_daemon):
    """As after a suspend, or a debugger: connections may be dead, nothing is lost or doubled (105)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.3, release_bytes=3000)
    stopped_for(2.0, make_place(sandbox.url, **QUICK), sandbox, run_daemon)


@pytest.mark.torture
def test_a_process_that_was_stopped_for_ten_minutes_goes_on(start_sandbox, make_place, run_daemon):
    """Longer than every time limit there is (105)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.3, release_bytes=3000)
    stopped_for(600.0, make_place(sandbox.url, **QUICK), sandbox, run_daemon)


def test_a_process_without_descriptors_waits_for_some(start_sandbox, make_place, run_daemon):
    """The limit is lowered to what is open; the drop stays, and is taken when the limit is raised (106)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.1, release_bytes=3000)
    place = make_place(sandbox.url, **QUICK)
    daemon = run_daemon(place)
    wait_until(lambda: "ready:" in daemon.log, within_s=30, why=lambda: daemon.log)
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (3, hard))
    drop_links(place, LINKS)
    threading.Event().wait(2)
    assert daemon.alive(), daemon.log
    assert not all_home(place, LINKS)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (hard, hard))
    wait_until(lambda: all_home(place, LINKS), within_s=90, why=lambda: daemon.log)
    assert daemon.stop() == 0
    assert_all_home(place, sandbox, place.jobs())


@pytest.mark.parametrize("limit", [4, 5, 8, 12, 16, 24, 32])
def test_a_start_with_few_descriptors_ends_or_works(make_place, limit: int):
    """It never hangs and never shows a traceback of the start itself (106)."""
    place = make_place("http://127.0.0.1:9", **QUICK)
    log = place.root / "daemon.log"
    with log.open("wb") as file, logging_to_few(place, file.fileno(), limit) as daemon:
        with contextlib.suppress(subprocess.TimeoutExpired):
            assert daemon.wait(4) in (1, 78), log.read_text()
            return
        daemon.terminate()
        assert daemon.wait(25) in (0, 1), log.read_text()


@contextlib.contextmanager
def logging_to_few(place: Place, log: int, limit: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon that may have so many descriptors."""
    program = f"{sys.executable} -m offcloud_watchd run --config {place.config}"
    with running(["sh", "-c", f"ulimit -n {limit}; exec {program}"], log) as process:
        yield process


def grown_journal(place: Place) -> None:
    """Leave a journal that the next start makes anew."""
    link = parse_link(f"magnet:?xt=urn:btih:{7:040x}&dn=Grown")
    drop = Drop("drop", "grown.magnet", str(place.drop))
    job, clock = job_id(drop.id, link.key), SystemClock()
    journal, _ = open_journal(place.state, clock)
    journal.append(
        [Queued(job, clock.now(), link, drop, Destination("tv", str(place.output / "tv")), "Grown")]
    )
    for _ in range(COMPACT_FROM_BYTES // LONG + 1):
        journal.append([Deferred(job, clock.now(), "x" * LONG, 0.0, charged=False)])
    journal.close()


def test_reloads_while_the_journal_is_made_anew(start_sandbox, make_place, run_daemon):
    """A storm of them over starts, the first of which compacts: the end is the same as without (109)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.3, release_bytes=3000)
    place = make_place(sandbox.url, **QUICK)
    grown_journal(place)
    drop_links(place, LINKS)
    daemon = run_daemon(place)
    wait_until(lambda: "starts" in daemon.log, within_s=30, why=lambda: daemon.log)
    for number in range(12):
        if number == 8:  # the last of these finds a daemon that is ready
            wait_until(lambda: "ready:" in daemon.log, within_s=30, why=lambda: daemon.log)
        daemon.send(signal.SIGHUP)
        threading.Event().wait(0.1)
    wait_until(lambda: all_home(place, LINKS + 1), within_s=90, why=lambda: daemon.log)
    assert daemon.stop() == 0
    assert "starting again" in daemon.log
    assert (place.state / "journal.jsonl").stat().st_size < 2 * LONG
    assert_all_home(place, sandbox, place.jobs())
