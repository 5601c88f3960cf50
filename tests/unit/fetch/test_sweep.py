"""The sweep of a start, beside a staging directory that keeps whoever looks at it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from offcloud_watchd.fetch.sweep import ANSWER_WITHIN_S, TICK_S, Sweeps
from tests.fakes.clock import FakeClock

WITHIN_S = 10.0


class DeadMount:
    """Lets nobody go who asks about a round of ``dead``, until it is back."""

    def __init__(self) -> None:
        self.back = threading.Event()

    def is_over(self, job_id: str, _number: int) -> bool:
        """Answer in time, but for the dead one."""
        if job_id == "dead":
            self.back.wait()
        return True


@pytest.fixture
def mount() -> Iterator[DeadMount]:
    """Give a mount that does not answer; it is back when the test ends."""
    made = DeadMount()
    yield made
    made.back.set()


def staging_of(root: Path, *rounds: str) -> str:
    """Make a staging directory with some rounds."""
    for name in rounds:
        (root / name / "release").mkdir(parents=True)
    return str(root)


def test_one_that_does_not_answer_is_left_behind(
    tmp_path: Path, mount: DeadMount, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are swept, it is silent until it is back, and is swept then."""
    dead, living = staging_of(tmp_path / "a", "dead-0"), staging_of(tmp_path / "b", "old-0", "old-1")
    clock, waited = FakeClock(), []
    sweeps = Sweeps(clock)

    def going_on() -> None:
        waited.append(TICK_S)
        clock.advance(TICK_S)

    there = sweeps.run([dead, living], mount.is_over, going_on)
    assert there == [dead, living]
    assert sum(waited) >= ANSWER_WITHIN_S
    assert not list(Path(living).iterdir())
    assert sweeps.silent(living) == ""
    assert "does not answer" in sweeps.silent(dead)
    assert caplog.text.count("does not answer") == 1
    mount.back.set()
    for thread in threading.enumerate():
        if thread.name == f"sweep {dead}":
            thread.join(WITHIN_S)
    assert sweeps.silent(dead) == ""
    assert not list(Path(dead).iterdir())


def test_one_that_gets_on_is_waited_for(tmp_path: Path) -> None:
    """However long it takes, as long as it takes a step now and then."""
    root = staging_of(tmp_path / "a", *(f"old-{number}" for number in range(4)))
    clock = FakeClock()
    ticks = threading.Semaphore(0)

    def is_over(_job_id: str, _number: int) -> bool:
        ticks.acquire()
        return True

    def going_on() -> None:
        clock.advance(ANSWER_WITHIN_S - TICK_S)
        ticks.release()

    sweeps = Sweeps(clock)
    assert sweeps.run([root], is_over, going_on) == [root]
    assert sweeps.silent(root) == ""
    assert not list(Path(root).iterdir())


def test_a_bug_in_a_sweep_keeps_nobody_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, and the directory is one like any other."""
    root = staging_of(tmp_path / "a", "old-0")

    def is_over(_job_id: str, _number: int) -> bool:
        raise ZeroDivisionError

    sweeps = Sweeps(FakeClock())
    sweeps.run([root], is_over)
    assert sweeps.silent(root) == ""
    assert f"sweeping {root} failed" in caplog.text


def test_where_nothing_is(tmp_path: Path) -> None:
    """Nothing was there, nothing is made."""
    assert Sweeps(FakeClock()).run([str(tmp_path / "none")], lambda *_: True) == []
    assert not list(tmp_path.iterdir())
