"""How often the service is asked about jobs that wait: hardly more for a thousand than for ten."""

from __future__ import annotations

import pytest

from offcloud_watchd.sandbox.settings import Generation
from tests.bench.polling import BUDGET_A_MINUTE, GENERATIONS, LAG_S, WINDOWS, a_day, calls_a_minute


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("lag_s", [0.0, LAG_S])
def test_a_thousand_jobs_cost_at_most_twice_the_calls_of_ten(generation: Generation, lag_s: float) -> None:
    """At any age, also where the history lags; and a sixth of the budget at the most."""
    ten, thousand = (calls_a_minute(generation, waiting, 60, lag_s=lag_s) for waiting in (10, 1000))
    for window, minutes in WINDOWS.items():
        assert sum(thousand[minutes]) <= 2 * sum(ten[minutes]), window
    # A round that began just before the minute did may fall into it.
    assert max(*ten, *thousand) <= BUDGET_A_MINUTE / 6 + 5


def test_one_job_is_asked_about_alone_and_ever_less_often() -> None:
    """Every five seconds at first, every five minutes in the end."""
    calls = calls_a_minute("current", 1, 60)
    assert calls[0] == 11, "the first question comes five seconds after the submission"
    assert sum(calls[45:60]) <= 4


def test_of_very_many_the_progress_of_each_is_told_in_turn() -> None:
    """Where there are batches: a hundred in every second round, those looked at longest ago."""
    with a_day("classic", waiting=250) as day:
        day.calls_in(20)
        told = [progress for _, progress in day.engine.picture().active if progress is not None]
        assert len(told) in (100, 200)
        day.calls_in(60)
        assert all(progress is not None for _, progress in day.engine.picture().active)
