"""Several daemons at once, and one that is started again and again: nothing doubled, no burst of calls."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from offcloud_watchd.core.model import JobState
from tests.e2e.releases import assert_no_key
from tests.faults.ordeal.place import Ordeal, faultline, watched
from tests.faults.ordeal.scenarios import magnet

BUDGET_A_MINUTE = 120
LIVES_S = 0.3


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the library that the nursery wants; it does not strike here."""
    return faultline(tmp_path_factory.mktemp("faultline"))


@pytest.fixture
def ordeal(tmp_path: Path, library: Path) -> Iterator[Ordeal]:
    """Give a place."""
    made = Ordeal(tmp_path / "one", library, first=8 * 10**7)
    yield made
    made.close()


def test_many_daemons_want_one_state(ordeal: Ordeal) -> None:
    """One of them works, the others end with 75 and touch nothing; also when the lock file is deleted."""
    number = ordeal.clear()
    ordeal.drop("one.magnet", magnet(number, "One"))
    first = ordeal.start()
    with watched(first) as has_ended:
        while "ready:" not in ordeal.log:
            assert not has_ended(0.01), ordeal.log
        rivals = [ordeal.start() for _ in range(4)]
        assert [ordeal.nursery.wait(rival) for rival in rivals] == [75] * 4
        (ordeal.place.state / "lock").unlink()
        assert ordeal.nursery.wait(ordeal.start()) == 75, "the journal itself is held too"
        while not ordeal.settled():
            assert not has_ended(0.01), ordeal.log
        os.kill(first, signal.SIGTERM)
    assert ordeal.nursery.wait(first) == 0
    ordeal.check()


def test_a_state_that_was_deleted_under_a_daemon(ordeal: Ordeal) -> None:
    """A second daemon begins anew; the first one notices at its next record and takes nothing from it."""
    number = ordeal.clear()
    first = ordeal.start()
    with watched(first) as first_ended:
        while "ready:" not in ordeal.log:
            assert not first_ended(0.01), ordeal.log
        for name in ("lock", "journal.jsonl"):
            (ordeal.place.state / name).unlink()
        second = ordeal.start()
        with watched(second) as second_ended:
            while ordeal.log.count("ready:") < 2:
                assert not second_ended(0.01), ordeal.log
            ordeal.drop("one.magnet", magnet(number, "One"))
            deadline = time.monotonic() + 40
            while not ordeal.settled() and time.monotonic() < deadline:
                assert not second_ended(0.05), ordeal.log
            for pid in (first, second):
                os.kill(pid, signal.SIGTERM)
            assert first_ended(20)
            assert second_ended(20)
    assert {ordeal.nursery.wait(pid) for pid in (first, second)} == {0}
    assert ordeal.live() == 0
    ordeal.check()


def test_two_states_with_one_account(tmp_path: Path, ordeal: Ordeal, library: Path) -> None:
    """The same magnet in both: each has its release, whoever of them was first."""
    other = Ordeal(tmp_path / "two", library, first=9 * 10**7)
    try:
        number = ordeal.clear()
        other.share(ordeal)
        other.clear()
        for place in (ordeal, other):
            place.drop("one.magnet", magnet(number, "One"))
        for place in (ordeal, other):
            assert place.live() == 0, place.told()
        for place in (ordeal, other):
            [job] = place.jobs().values()
            assert job.state is JobState.DONE
            assert job.publication is not None
            assert {path.stat().st_size for path in Path(job.publication.path).iterdir()} == {5625, 375}
            assert_no_key(place.place)
    finally:
        other.close()


def restarts(ordeal: Ordeal, times: int) -> int:
    """Kill a daemon when it was ready for a moment, so often, with ten drops waiting; check the end.

    Return how many calls the service got meanwhile.
    """
    number = ordeal.clear()
    for index in range(10):
        ordeal.drop(f"{index}.magnet", magnet(index * 10**6 + number, f"N{index}"))
    assert ordeal.sandbox is not None
    began = time.monotonic()
    for _ in range(times):
        pid = ordeal.start()
        with watched(pid) as has_ended:
            while not ordeal.listens():
                assert not has_ended(0.005), ordeal.log
            has_ended(LIVES_S)
            os.kill(pid, signal.SIGKILL)
        ordeal.nursery.wait(pid)
    took_s = time.monotonic() - began
    calls = ordeal.sandbox.books().calls
    asked = sum(count for name, count in calls.items() if name != "file")
    print(f"\n{times} restarts in {took_s:.1f} s, {asked} calls: {dict(calls)}")
    ordeal.settings = {}
    ordeal.configure()
    assert ordeal.live() == 0
    ordeal.check()
    books = ordeal.sandbox.books()
    assert {books.of(job.link.key).items_created for job in ordeal.jobs().values()} == {1}
    return asked


@pytest.fixture
def thrifty(tmp_path: Path, library: Path) -> Iterator[Ordeal]:
    """Give a place with the budget that is the default."""
    settings = {"requests_per_minute": str(BUDGET_A_MINUTE)}
    made = Ordeal(tmp_path / "thrifty", library, first=7 * 10**7, settings=settings)
    yield made
    made.close()


def test_restarts_double_nothing(ordeal: Ordeal) -> None:
    """A few times in a row, in the midst of ten jobs: each content is submitted once."""
    assert restarts(ordeal, 6)


@pytest.mark.torture
def test_a_hundred_restarts_double_nothing(ordeal: Ordeal) -> None:
    """A hundred times."""
    assert restarts(ordeal, 100)


@pytest.mark.torture
def test_a_hundred_restarts_in_a_minute_stay_within_the_budget(thrifty: Ordeal) -> None:
    """A start has no credit: who never lives long enough for a call does not make one."""
    assert restarts(thrifty, 100) <= BUDGET_A_MINUTE
