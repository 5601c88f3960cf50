"""Messages of a real process: a command and a webhook, and what a command is given by a daemon."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from offcloud_watchd.core.model import JobState
from tests.e2e.process import KEY, wait_until
from tests.unit.notify.conftest import Hooked

TELL = """#!/bin/sh
cd "$(dirname "$0")"
grep Sig[BI] /proc/self/status > signals
env > environment
cat >> told; echo >> told
"""


@pytest.fixture
def hooked() -> Iterator[Hooked]:
    """Take webhooks."""
    server = Hooked()
    yield server
    server.close()


def tell(directory: Path) -> Path:
    """Make a program that writes down what it is told."""
    directory.mkdir()
    path = directory / "tell"
    path.write_text(TELL)
    path.chmod(0o755)
    return path


def told(program: Path) -> list[dict]:
    """Return what it was told."""
    path = program.with_name("told")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_release_is_told_both_ways(
    start_sandbox: Callable, make_place: Callable, run_daemon: Callable, hooked: Hooked, tmp_path: Path
) -> None:
    """With its real path; the command has no signal blocked, and nothing of ours in its environment."""
    program = tell(tmp_path / "bin")
    place = make_place(start_sandbox().url, notify=f"{{command: '{program}', webhook: '{hooked.url}'}}")
    daemon = run_daemon(place, OFFCLOUD_TEST_KEY=KEY)
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{3:040x}&dn=Film")
    wait_until(lambda: bool(told(program) and hooked.came), within_s=60, why=lambda: daemon.log)
    (job,) = place.jobs().values()
    assert (job.state, told(program)) == (JobState.DONE, hooked.came)
    (fact,) = hooked.came[0]["facts"]
    assert job.publication is not None
    assert (fact["path"], fact["job"]) == (job.publication.path, job.id)
    masks = [int(line.split()[1], 16) for line in program.with_name("signals").read_text().splitlines()]
    heeded = sum(1 << number - 1 for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1))
    assert [mask & heeded for mask in masks] == [0, 0]
    assert KEY not in program.with_name("environment").read_text()
    assert daemon.stop() == 0
    assert "SECRET" not in daemon.log


def test_a_refused_drop_is_told(
    start_sandbox: Callable, make_place: Callable, run_daemon: Callable, hooked: Hooked
) -> None:
    """Once, with what is wrong and where it lies now."""
    place = make_place(start_sandbox().url, notify=f"{{webhook: '{hooked.url}', on: [failed]}}")
    daemon = run_daemon(place)
    (place.drop / "wanted.txt").write_text("no link\n")
    wait_until(lambda: bool(hooked.came), within_s=60, why=lambda: daemon.log)
    assert (hooked.came[0]["event"], hooked.came[0]["title"]) == ("failed", "wanted.txt was refused")
    (fact,) = hooked.came[0]["facts"]
    assert (fact["folder"], fact["job"]) == (str(place.drop), "")
    assert (place.drop / "failed" / "wanted.txt.reason.txt").exists()
    daemon.send(signal.SIGUSR1)
    assert daemon.stop() == 0
    assert len(hooked.came) == 1


def test_a_refused_key_is_one_message_and_a_failure_is_another(
    start_sandbox: Callable, make_place: Callable, run_daemon: Callable, hooked: Hooked
) -> None:
    """The operator hears of it, and that it is over; a hook that fails holds nothing up."""
    sandbox = start_sandbox()
    place = make_place(sandbox.url, notify=f"{{webhook: '{hooked.url}', on: [blocked]}}")
    key_file = place.root / "api-key"
    key_file.write_text("a-wrong-key-0123456789\n")
    hooked.statuses = [404]
    daemon = run_daemon(place)
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{4:040x}&dn=Film")
    wait_until(lambda: bool(hooked.came), within_s=60, why=lambda: daemon.log)
    assert hooked.came[0]["event"] == "blocked"
    assert hooked.came[0]["facts"][0]["trouble"] == "lane api"
    wait_until(lambda: "127.0.0.1 answered 404" in daemon.log, within_s=30, why=lambda: daemon.log)
    key_file.write_text(KEY + "\n")
    daemon.send(signal.SIGHUP)
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=60, why=lambda: daemon.log)
    assert len(hooked.came) == 1
    assert daemon.stop() == 0
