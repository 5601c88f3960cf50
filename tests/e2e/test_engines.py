"""The whole program with a real aria2c, or a real rclone, that moves the bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from offcloud_watchd.core.model import JobState
from tests.e2e.process import Daemon, Place, wait_until
from tests.e2e.releases import assert_home
from tests.fakes.engines import SECRET, Aria2Server, RcloneServer


@pytest.fixture
def aria2(tmp_path: Path) -> Iterator[Aria2Server]:
    """Run an aria2c that may be ended."""
    server = Aria2Server(tmp_path / "aria2", session=True).start()
    yield server
    server.end()


def with_aria2(make_place, sandbox, server: Aria2Server) -> Place:
    """Make a place whose only folder is aria2's."""
    place = make_place(
        sandbox.url,
        engine="aria2",
        engines=f"{{aria2: {{url: '{server.settings().url}', secret_file: rpc-secret}}}}",
    )
    place.keep_secret("rpc-secret", SECRET)
    return place


def fetch_pause(place: Place) -> str:
    """Return why the fetch lane pauses; empty when it does not."""
    lanes = json.loads(place.command("status", "--json").stdout).get("lanes", [])
    return next((lane["reason"] for lane in lanes if lane["lane"] == "fetch" and lane["paused"]), "")


def drop(place: Place, number: int) -> None:
    """Drop a magnet."""
    name = f"Film.{number}"
    (place.drop / f"{name}.magnet").write_text(f"magnet:?xt=urn:btih:{number:040x}&dn={name}")


def kill_while_fetching(
    place: Place, daemon: Daemon, engine: Aria2Server | RcloneServer, *, times: int, count: int
) -> None:
    """Kill the daemon and the engine now and then while ``count`` releases come, and wait for those."""

    def is_fetching() -> bool:
        fetching = any(job.state is JobState.FETCHING for job in place.jobs().values())
        return fetching or place.all_in(JobState.DONE, count=count)

    for _ in range(times):
        wait_until(is_fetching, within_s=40, why=lambda: daemon.log)
        daemon.kill()
        engine.end()
        engine.start()
        daemon.start()
    wait_until(lambda: place.all_in(JobState.DONE, count=count), within_s=60, why=lambda: daemon.log)


def test_a_drop_comes_home_by_aria2(start_sandbox, make_place, run_daemon, aria2):
    """Also when it is away at first: the lane says so, nothing is charged, and a retry takes it on."""
    sandbox = start_sandbox(release_bytes=3_000_000)
    place = with_aria2(make_place, sandbox, aria2)
    aria2.end()
    daemon = run_daemon(place)
    drop(place, 1)
    wait_until(lambda: "aria2" in fetch_pause(place), within_s=30, why=lambda: daemon.log)
    (job,) = place.jobs().values()
    assert (job.state, job.attempts) == (JobState.FETCHING, 0)
    aria2.start()
    assert place.command("retry", job.id).returncode == 0
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=40, why=lambda: daemon.log)
    (job,) = place.jobs().values()
    assert_home(job, sandbox)
    assert daemon.stop() == 0
    assert not any(aria2.client_downloads())
    aria2.end()
    assert "127.0.0.1" not in aria2.session_file.read_text()


def test_both_may_be_killed(start_sandbox, make_place, run_daemon, aria2):
    """Again and again, while several releases come; each comes home once."""
    sandbox = start_sandbox(release_bytes=8_000_000)
    place = with_aria2(make_place, sandbox, aria2)
    daemon = run_daemon(place)
    for number in range(1, 5):
        drop(place, number)
    kill_while_fetching(place, daemon, aria2, times=3, count=4)
    for job in place.jobs().values():
        assert_home(job, sandbox)
    assert len(list((place.output / "tv").iterdir())) == 4
    assert daemon.stop() == 0


@pytest.fixture
def rclone(tmp_path: Path) -> Iterator[RcloneServer]:
    """Run an rclone that may be ended."""
    server = RcloneServer(tmp_path / "rclone").start()
    yield server
    server.end()


def test_a_drop_lands_on_a_remote(start_sandbox, make_place, run_daemon, rclone):
    """Daemon and rclone may be killed; each release is there once, and no directory of ours is needed."""
    sandbox = start_sandbox(release_bytes=5_000_000)
    url = f"http://127.0.0.1:{rclone.port}"
    access = f"url: '{url}', user: u, password_file: rc-pass"
    place = make_place(
        sandbox.url, engine="rclone", engines=f"{{rclone: {{{access}, remote: '{rclone.data}'}}}}"
    )
    place.keep_secret("rc-pass", SECRET)
    place.output.rmdir()
    daemon = run_daemon(place)
    for number in (1, 2, 3):
        drop(place, number)
    kill_while_fetching(place, daemon, rclone, times=2, count=3)
    for job in place.jobs().values():
        assert job.publication is not None
        there = rclone.data / Path(job.publication.path).relative_to(place.output)
        assert sum(path.stat().st_size for path in there.rglob("*") if path.is_file()) == 5_000_000
        assert job.publication.verified.endswith(f"; on {rclone.data}")
    assert len(list((rclone.data / "tv").iterdir())) == 3
    staging = rclone.data / ".offcloud-watchd"
    wait_until(lambda: not any(staging.iterdir()), within_s=10, why=lambda: daemon.log)
    assert daemon.stop() == 0
    assert not place.output.exists()
