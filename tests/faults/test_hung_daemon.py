"""The whole program beside a mount that does not answer, and beside a share that it may only read."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
from pathlib import Path
from time import monotonic

import pytest

from offcloud_watchd.core.model import JobState, Verb
from offcloud_watchd.core.orders import JobCommand
from offcloud_watchd.systemd import DISK_FACTOR, MICROSECONDS
from offcloud_watchd.watch.commands import write_command
from tests.e2e.process import Daemon, Place, wait_until
from tests.faults.fuse import Fuse
from tests.faults.namespace import with_own_mounts

END = (JobState.DONE, JobState.FAILED)
WATCHDOG_S = 1.0


def _magnet(number: int) -> str:
    return f"magnet:?xt=urn:btih:{number:040x}&dn=Release.{number}"


def _with_nas(place: Place) -> Path:
    """Give the place a further drop folder."""
    folder = place.root / "nas"
    folder.mkdir()
    settings = "  - path: nas\n    category: nas\n    settle: 100ms\n    rescan: 1s\nfetch:\n"
    place.config.write_text(place.config.read_text().replace("fetch:\n", settings))
    return folder


@with_own_mounts
def test_daemon_lives_and_works_beside_a_dead_mount(start_sandbox, make_place, run_daemon, tmp_path):
    """A drop in the other folder comes home, the watchdog hears signs of life, the end is in time (27)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.1)
    place = make_place(sandbox.url, settle="100ms", poll="{min: 200ms, max: 500ms}")
    folder = _with_nas(place)
    with Fuse(folder) as nas, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        nas.files["far.magnet"] = _magnet(1).encode()
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        daemon = run_daemon(place, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="2000000")
        wait_until(lambda: place.all_in(*END, count=1), within_s=30, why=lambda: daemon.log)
        nas.hang()
        (place.drop / "near.magnet").write_text(_magnet(2))
        wait_until(lambda: place.all_in(*END, count=2), within_s=30, why=lambda: daemon.log)
        _heard(manager)
        manager.settimeout(10)
        assert any(manager.recv(4096) == b"WATCHDOG=1" for _ in range(10))
        daemon.send(signal.SIGTERM)
        began = monotonic()
        assert daemon.ended(within_s=25) == 0
        assert monotonic() - began < 20


@with_own_mounts
def test_no_sign_of_life_while_the_disk_lane_hangs(start_sandbox, make_place, run_daemon, tmp_path):
    """A release on a dead mount is looked at: the manager hears no sign of life until it answers."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.1)
    place = make_place(sandbox.url, settle="100ms", poll="{min: 200ms, max: 500ms}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        usec = str(round(WATCHDOG_S * MICROSECONDS))
        daemon = run_daemon(place, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC=usec)
        (place.drop / "film.magnet").write_text(_magnet(1))
        wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
        (job,) = place.jobs().values()
        assert job.publication is not None
        with Fuse(Path(job.publication.path)) as nas:
            nas.hang()
            (place.drop / "again.magnet").write_text(_magnet(1))
            hung = re.compile(rf"no sign of life is given: disk has not moved .* Inspect of job {job.id}")
            within_s = DISK_FACTOR * WATCHDOG_S + 20
            wait_until(lambda: bool(hung.search(daemon.log)), within_s=within_s, why=lambda: daemon.log)
            _heard(manager)
            (place.drop / "other.magnet").write_text(_magnet(2))  # taken when the lane moves again
            manager.settimeout(3 * WATCHDOG_S)
            with pytest.raises(TimeoutError):
                while manager.recv(4096) != b"WATCHDOG=1":
                    pass
        wait_until(lambda: "every lane moves" in daemon.log, within_s=20, why=lambda: daemon.log)
        _heard(manager)
        manager.settimeout(10)
        while manager.recv(4096) != b"WATCHDOG=1":
            pass
        wait_until((place.output / "tv" / "other").is_dir, within_s=30, why=lambda: daemon.log)
        assert daemon.log.count("no sign of life is given") == 1


def _heard(manager: socket.socket) -> None:
    """Pass over what was said before."""
    manager.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while manager.recv(4096):
            pass


@with_own_mounts
def test_read_only_share_is_fetched_once_over_restarts(start_sandbox, make_place, run_daemon):
    """What cannot leave a share is one job and one submission, however often either side restarts (22)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.1)
    place = make_place(sandbox.url, settle="100ms", poll="{min: 200ms, max: 500ms}")
    folder = _with_nas(place)
    for start, first_inode in enumerate((100, 5000), 1):
        with Fuse(folder, first_inode=first_inode) as nas:
            nas.files["far.magnet"] = _magnet(1).encode()
            _run_until_kept(run_daemon(place), place, start)
    (job,) = place.jobs().values()
    assert (job.state, len(job.drops), job.round) == (JobState.DONE, 1, 0)
    assert sandbox.books().of(job.link.key).posts == 1


def _run_until_kept(daemon: Daemon, place: Place, start: int) -> None:
    """Run until the drop was dealt with by this start and its job is done; then stop in order."""
    wait_until(lambda: daemon.log.count("cannot be moved away") == start, within_s=30, why=lambda: daemon.log)
    wait_until(lambda: place.all_in(*END, count=1), within_s=30, why=lambda: daemon.log)
    assert daemon.stop() == 0


@with_own_mounts
def test_daemon_starts_beside_a_dead_mount(start_sandbox, make_place, run_daemon):
    """A start, and a reload, do not wait for the dead folder; the living one works (27)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.1)
    place = make_place(sandbox.url, settle="100ms", poll="{min: 200ms, max: 500ms}")
    folder = _with_nas(place)
    with Fuse(folder) as nas:
        nas.hang()
        daemon = run_daemon(place)
        (place.drop / "near.magnet").write_text(_magnet(2))
        wait_until(lambda: place.all_in(*END, count=1), within_s=40, why=lambda: daemon.log)
        daemon.send(signal.SIGHUP)
        wait_until(lambda: daemon.log.count("starts") == 2, within_s=40, why=lambda: daemon.log)
        assert daemon.stop() == 0


@with_own_mounts
def test_daemon_starts_beside_a_dead_output(start_sandbox, make_place, run_daemon):
    """It comes up, takes drops and submits; the fetch lane waits for the mount and goes on by itself (27)."""
    sandbox = start_sandbox(queued_s=0.1, download_s=0.1)
    place = make_place(sandbox.url, settle="100ms", poll="{min: 200ms, max: 500ms}")
    with Fuse(place.output) as nas:
        nas.hang()
        daemon = run_daemon(place)
        (place.drop / "near.magnet").write_text(_magnet(2))
        wait_until(lambda: place.all_in(JobState.FETCHING, count=1), within_s=40, why=lambda: daemon.log)
        silent = "does not answer since the start: nothing is fetched until it does"
        wait_until(
            lambda: silent in place.command("status").stdout.replace("\n", " "),
            within_s=30,
            why=lambda: daemon.log,
        )
    write_command(place.state, JobCommand(Verb.RETRY, ("nobody",)))  # by itself it looks every half minute
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=60, why=lambda: daemon.log)
    assert daemon.stop() == 0
