"""A disk with too little room, under the whole program: a small file system of the test's own."""

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from offcloud_watchd.core.model import Job, JobState
from offcloud_watchd.sandbox import GeneratedLibrary, Release
from offcloud_watchd.sandbox.source import Source
from tests.e2e.process import Daemon, Place, wait_until
from tests.e2e.releases import assert_home
from tests.faults.namespace import mount, with_own_mounts

MIB = 1024**2


@dataclass(frozen=True)
class Sizes:
    """A library in which a name tells how many MiB there are: ``Name.40``."""

    def release(self, source: Source) -> Release:
        """Make it."""
        return GeneratedLibrary(int(source.name.rpartition(".")[2]) * MIB, release_files=2).release(source)


def drop(place: Place, number: int, name: str) -> None:
    """Drop a magnet."""
    (place.drop / f"{name}.magnet").write_text(f"magnet:?xt=urn:btih:{number:040x}&dn={name}")


def job_named(place: Place, name: str) -> Job | None:
    """Return the job of a drop."""
    return next((job for job in place.jobs().values() if job.release == name), None)


def fill(path: Path, mib: int) -> None:
    """Take room away."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, mib * MIB)


def is_in(place: Place, name: str, state: JobState, reason: str = "") -> bool:
    """Tell how a job is."""
    job = job_named(place, name)
    return job is not None and job.state is state and reason in job.reason


def paused(place: Place) -> dict[str, str]:
    """Return which lanes pause, and why."""
    lanes = json.loads(place.command("status", "--json").stdout)["lanes"]
    return {lane["lane"]: lane["reason"] for lane in lanes if lane["paused"]}


def await_state(place: Place, daemon: Daemon, name: str, state: JobState, reason: str = "") -> Job:
    """Wait until a job is in a state, for a reason."""
    wait_until(lambda: is_in(place, name, state, reason), within_s=40, why=lambda: daemon.log)
    job = job_named(place, name)
    assert job is not None
    return job


@with_own_mounts
def test_what_does_not_fit_waits_and_others_go_on(start_sandbox, make_place, run_daemon):
    """No lane pauses, nothing is charged, the service is asked once; with room it starts by itself."""
    sandbox = start_sandbox(library=Sizes())
    place = make_place(sandbox.url, jobs="1")
    mount("none", place.output, "tmpfs", "size=64m")
    fill(place.output / "ballast", 40)
    daemon = run_daemon(place)
    drop(place, 1, "Large.40")
    large = await_state(place, daemon, "Large.40", JobState.FETCHING, "no room on the output disk")
    drop(place, 2, "Small.5")
    small = await_state(place, daemon, "Small.5", JobState.DONE)
    assert_home(small, sandbox)
    asked = sandbox.books().calls
    threading.Event().wait(12)  # it looks at the disk again meanwhile
    assert sandbox.books().calls["cloud/explore"] == asked["cloud/explore"]
    assert paused(place) == {}
    shown = json.loads(place.command("show", "--json", large.id).stdout)
    assert (shown["state"], shown["attempts"]) == ("fetching", 0)
    assert "this release needs 40.00MiB more" in shown["reason"]
    assert [entry["event"] for entry in shown["history"]].count("deferred") == 1
    (place.output / "ballast").unlink()
    assert_home(await_state(place, daemon, "Large.40", JobState.DONE), sandbox)


@with_own_mounts
def test_a_full_disk_pauses_the_lane_and_goes_on(start_sandbox, make_place, run_daemon):
    """Where not even the room is there that stays free, somebody must act; then all goes on."""
    sandbox = start_sandbox(library=Sizes())
    place = make_place(sandbox.url, min_free="8MiB")
    mount("none", place.output, "tmpfs", "size=64m")
    fill(place.output / "ballast", 60)
    daemon = run_daemon(place)
    drop(place, 1, "Small.5")
    wait_until(lambda: "lane fetch paused: no room" in daemon.log, within_s=30, why=lambda: daemon.log)
    job = await_state(place, daemon, "Small.5", JobState.FETCHING)
    assert job.attempts == 0
    wait_until(
        lambda: "8.00MiB must stay free" in paused(place).get("fetch", ""),
        within_s=10,
        why=lambda: daemon.log,
    )
    (place.output / "ballast").unlink()
    assert place.command("retry", job.id).returncode == 0  # asks for a probe at once
    assert_home(await_state(place, daemon, "Small.5", JobState.DONE), sandbox)
    # What is shown follows what is recorded by half a second.
    wait_until(lambda: paused(place) == {}, within_s=10, why=lambda: daemon.log)
