"""When to look, and whether the clock can be believed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from offcloud_watchd.core.ports import Look
from offcloud_watchd.engine.timing import (
    CLOCK_STEP_S,
    LOOK_BURST,
    LOOK_EVERY_S,
    LOOK_LEAST_S,
    ClockWatch,
    Looks,
)
from tests.fakes.clock import FakeClock

RESCAN_S = 30.0


def looks_after(look: Look | None) -> tuple[Looks, FakeClock]:
    """Return looks of which one has just ended."""
    clock = FakeClock()
    looks = Looks(clock, RESCAN_S)
    assert looks.begin()
    looks.ended(look)
    return looks, clock


def test_the_first_look_is_due_at_once() -> None:
    """What lies in the folders at the start is seen, and one look runs at a time."""
    looks = Looks(FakeClock(), RESCAN_S)
    assert looks.begin()
    assert not looks.begin()
    assert looks.wait_s() == RESCAN_S


@pytest.mark.parametrize(
    ("look", "wait_s"),
    [
        (None, RESCAN_S),
        (Look(()), RESCAN_S),
        (Look((), next_look_s=2.0), 2.0),
        (Look((), next_look_s=900.0), RESCAN_S),
        (Look((), next_look_s=2.0, more=True), 0.0),
    ],
)
def test_a_look_says_when_the_next_is_due(look: Look | None, wait_s: float) -> None:
    """The rescan at the latest, sooner for files that settle, at once for more."""
    looks, clock = looks_after(look)
    assert looks.wait_s() == wait_s
    assert looks.begin() is (wait_s == 0.0)
    looks.ended(look)
    clock.advance(wait_s)
    assert looks.begin()


def test_a_hint_brings_a_look() -> None:
    """As soon as can be after the last one."""
    looks, clock = looks_after(Look(()))
    looks.hint()
    assert looks.wait_s() == pytest.approx(LOOK_LEAST_S)
    clock.advance(5)
    assert looks.wait_s() == 0.0
    assert looks.begin()
    looks.ended(Look(()))
    assert looks.wait_s() == RESCAN_S, "the hint is used up"


def test_many_hints_are_spaced() -> None:
    """A few looks come at once; a folder that hints without end is looked at some times a second."""
    looks, clock = looks_after(Look(()))
    began_at = []
    while len(began_at) < 2 * LOOK_BURST:
        looks.hint()
        clock.advance(looks.wait_s() + 1e-6)
        assert looks.begin()
        began_at.append(clock.monotonic())
        looks.ended(Look(()))
    spaces = [after - before for before, after in pairwise(began_at)]
    assert spaces[: LOOK_BURST - 1] == pytest.approx([LOOK_LEAST_S] * (LOOK_BURST - 1), abs=1e-5)
    assert spaces[LOOK_BURST:] == pytest.approx([LOOK_EVERY_S] * (LOOK_BURST - 1), abs=1e-5)


def test_looks_that_nothing_hinted_at_cost_no_credit() -> None:
    """Those of the clock come when they must."""
    looks, clock = looks_after(Look((), next_look_s=0.1))
    for _ in range(3 * LOOK_BURST):
        clock.advance(0.1)
        assert looks.begin()
        looks.ended(Look((), next_look_s=0.1))
    looks.hint()
    assert looks.wait_s() == pytest.approx(LOOK_LEAST_S)


def test_a_hint_during_a_look_is_not_lost() -> None:
    """What changed after a folder was read is seen by another look."""
    looks = Looks(FakeClock(), RESCAN_S)
    looks.begin()
    looks.hint()
    looks.ended(Look(()))
    assert looks.wait_s() == pytest.approx(LOOK_LEAST_S)


@pytest.mark.parametrize("step_s", [CLOCK_STEP_S + 0.5, -CLOCK_STEP_S - 0.5, 1e6, -1e6])
def test_a_clock_that_was_set_is_noticed_once(step_s: float) -> None:
    """Forwards and backwards; afterwards the new time is the time."""
    clock = FakeClock()
    watch = ClockWatch(clock)
    clock.advance(1000)
    assert not watch.was_set()
    clock.time_s += step_s
    assert watch.was_set()
    assert not watch.was_set()


def test_a_clock_that_drifts_was_not_set() -> None:
    """A clock that is steered a little at a time is believed."""
    clock = FakeClock()
    watch = ClockWatch(clock)
    for _ in range(100):
        clock.time_s += 1
        clock.advance(10)
        assert not watch.was_set()


def test_the_clock_measures_what_lies_after_it_was_set() -> None:
    """Neither at the start nor after a step does the time of day tell how long ago something was."""
    clock = FakeClock()
    watch = ClockWatch(clock)
    assert not watch.measures(150)
    clock.advance(150)
    assert watch.measures(150)
    clock.time_s += 3600
    watch.was_set()
    assert not watch.measures(150)
