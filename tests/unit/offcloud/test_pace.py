"""One budget for every call, on a clock that only moves when somebody waits."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.errors import Cancelled
from offcloud_watchd.offcloud.pace import MAX_HOLD_S, Pace
from tests.fakes.clock import FakeClock


class Patience:
    """A stop flag whose waiting moves the clock; it is raised after ``waits`` waits."""

    def __init__(self, clock: FakeClock, waits: int = 10**9) -> None:
        self.clock = clock
        self.waits = waits

    def is_set(self) -> bool:
        """Tell whether the patience is at its end."""
        return self.waits < 0

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass."""
        self.waits -= 1
        self.clock.advance(timeout or 0.0)
        return self.is_set()


@given(st.integers(1, 300), st.lists(st.floats(0, 90), max_size=400))
def test_no_minute_holds_more_calls_than_the_budget(per_minute: int, pauses: list[float]) -> None:
    """Whenever calls are wanted, every window of a minute holds no more of them than allowed."""
    clock = FakeClock(tick_s=0.0)
    pace, stop = Pace(per_minute, clock), Patience(clock)
    taken: list[float] = []
    for pause in [*pauses, *[0.0] * 50]:
        clock.advance(pause)
        pace.take(stop)
        taken.append(clock.monotonic())
    for place, start in enumerate(taken):
        assert sum(1 for at in taken[place:] if at < start + 60.0 - 1e-6) <= per_minute


def test_a_rested_pace_lets_a_quarter_through_at_once() -> None:
    """A burst of drops is not held up by a budget nobody has used."""
    clock = FakeClock()
    pace, stop = Pace(120, clock), Patience(clock)
    clock.advance(60)
    before = clock.monotonic()
    for _ in range(30):
        pace.take(stop)
    assert clock.monotonic() == before
    pace.take(stop)
    assert clock.monotonic() > before


@pytest.mark.parametrize("per_minute", [1, 2, 7, 120])
def test_whoever_asks_on_and_on_has_the_whole_budget(per_minute: int) -> None:
    """Each minute, evenly; the rush at the beginning is made up for once."""
    clock = FakeClock(tick_s=0.0)
    pace, stop = Pace(per_minute, clock), Patience(clock)
    clock.advance(60)
    taken: list[float] = []
    while clock.monotonic() < 60 + 600:
        pace.take(stop)
        taken.append(clock.monotonic() - 60)
    assert [sum(1 for at in taken if start <= at + 1e-3 < start + 60) for start in range(0, 600, 60)] == [
        per_minute
    ] * 10
    later = [at for at in taken if at > 60]
    apart = [after - before for before, after in itertools.pairwise(later)]
    assert apart == pytest.approx([60 / per_minute] * len(apart))


def test_a_fresh_start_has_credit_for_one_call() -> None:
    """A hundred restarts in a minute make a hundred calls, not a hundred bursts."""
    clock = FakeClock()
    pace, stop = Pace(120, clock), Patience(clock)
    pace.take(stop)
    assert clock.monotonic() == 1000.0
    pace.take(stop)
    assert clock.monotonic() > 1000.0


def test_waiting_ends_when_stopped() -> None:
    """A long queue does not hold up the end of the program."""
    clock = FakeClock()
    pace = Pace(1, clock)
    pace.take(Patience(clock))
    with pytest.raises(Cancelled):
        pace.take(Patience(clock, waits=0))


def test_the_service_may_ask_for_a_pause_but_not_for_a_standstill() -> None:
    """A Retry-After holds everybody back for a moment, however long it is."""
    clock = FakeClock()
    pace, stop = Pace(600, clock), Patience(clock)
    clock.advance(60)
    pace.hold(7)
    pace.hold(1)
    start = clock.monotonic()
    pace.take(stop)
    assert clock.monotonic() == start + 7
    pace.hold(1e9)
    pace.take(stop)
    assert clock.monotonic() == start + 7 + MAX_HOLD_S
