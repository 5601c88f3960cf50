"""How often the service is asked about jobs that wait: hardly more for a thousand than for ten."""

from __future__ import annotations

import pytest

from offcloud_watchd.sandbox.settings import Generation
from tests.bench.polling import BUDGET_A_MINUTE, GENERATIONS, LAG_S, burst, calls_a_minute

TIMES = {"first minute": slice(0, 1), "minutes 2 to 5": slice(1, 5), "minutes 6 to 30": slice(5, 30)}


@pytest.mark.parametrize(("generation", "lag_s"), [("classic", 0.0), ("current", 0.0), ("current", LAG_S)])
def test_a_thousand_jobs_cost_at_most_twice_the_calls_of_ten(generation: Generation, lag_s: float) -> None:
    """In the first minute and later, also where the history lags; and a sixth of the budget at the most."""
    ten, thousand = (calls_a_minute(generation, waiting, range(1, 31), lag_s=lag_s) for waiting in (10, 1000))
    for time, minutes in TIMES.items():
        assert sum(thousand[minutes]) <= 2 * sum(ten[minutes]), time
    # A round that began just before the minute did may fall into it.
    assert max(*ten, *thousand) <= BUDGET_A_MINUTE / 6 + 5


def test_a_thousand_jobs_stay_within_the_budget_while_the_list_is_behind() -> None:
    """The classic service tells ten in a batch; of a thousand its history shows nothing at first."""
    calls = calls_a_minute("classic", 1000, range(1, 6), lag_s=LAG_S)
    assert max(calls) <= BUDGET_A_MINUTE / 6 + 5
    assert calls[3] <= BUDGET_A_MINUTE / 12, "as soon as the history shows them, one call tells of all"


def test_one_job_is_asked_about_alone_and_ever_less_often() -> None:
    """Every five seconds at first, every five minutes in the end."""
    calls = calls_a_minute("current", 1, [*range(1, 61)])
    assert calls[0] == 11, "the first question comes five seconds after the submission"
    assert sum(calls[45:60]) <= 4


@pytest.mark.parametrize("generation", GENERATIONS)
def test_polls_leave_a_burst_of_submissions_its_budget(generation: Generation) -> None:
    """While links are handed in, polling takes no more than its part."""
    minutes, _ = burst(generation, 300)
    polls = [sum(minute.values()) - minute["cloud"] for minute in minutes[:-1]]
    assert all(count <= BUDGET_A_MINUTE / 6 + 5 for count in polls), polls
    assert all(sum(minute.values()) <= BUDGET_A_MINUTE for minute in minutes)
