"""Very many links dropped at once: the budget is kept and used, and nobody waits for all of them."""

from __future__ import annotations

import pytest

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox.settings import Generation
from tests.bench.polling import BUDGET_A_MINUTE, GENERATIONS
from tests.bench.thousands import CALM, FETCHING, HANDING_IN, POLLING, Burst, Storm, drop

FEW: dict[str, float] = {"ready_s": 30.0, "lag_s": 0.0}
"""A service that is quick enough for the first to be ready long before the last is handed in."""


def check(burst: Burst) -> None:
    """See that all came home, each was handed in once, and no minute held more calls than allowed."""
    assert {job.state for job in burst.jobs} == {JobState.DONE}
    assert burst.twins == ()
    assert burst.most_in_a_minute <= BUDGET_A_MINUTE
    # A round that began just before the minute did may fall into it.
    assert max(burst.a_minute(POLLING)) <= BUDGET_A_MINUTE / 6 + 5


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_burst_uses_the_budget_and_starves_nobody(generation: Generation) -> None:
    """While links are handed in what is there already is asked about, and what is ready is fetched."""
    burst = drop(generation, 300, **FEW)
    check(burst)
    assert burst.most_attempts == 0
    whole = int(burst.handed_in_s // 60)
    assert burst.a_minute()[:whole] == [BUDGET_A_MINUTE] * whole
    assert all(count >= 30 for count in burst.a_minute(HANDING_IN)[:whole])
    assert all(count >= 20 for count in burst.a_minute(FETCHING)[1:whole])
    assert burst.longest_pause_s(POLLING) <= 30
    assert max(burst.waits_s.values()) <= 120


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_storm_slows_a_burst_and_charges_nobody_to_failure(generation: Generation) -> None:
    """Whoever is asked to wait asks twice a minute; when it is over everything goes on at once."""
    storm = Storm.over(300)
    burst = drop(generation, 300, storm, **FEW)
    check(burst)
    assert burst.most_attempts <= 6, "of sixty"
    minutes = burst.a_minute()
    assert all(
        count <= 30 for count in minutes[int(storm.begins_s // 60) + 1 : int(storm.every_from_s // 60)]
    )
    assert all(
        1 <= count <= 3 for count in minutes[int(storm.every_from_s // 60) + 1 : int(storm.ends_s // 60)]
    )
    assert minutes[int(storm.ends_s // 60) + 1] >= BUDGET_A_MINUTE / 2


@pytest.mark.torture
@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("storm", [False, True])
def test_ten_thousand(generation: Generation, *, storm: bool) -> None:
    """To the end: within the time that the calls take, and nobody waits for it."""
    weather = Storm.over(10_000) if storm else CALM
    burst = drop(generation, 10_000, weather)
    check(burst)
    assert burst.calls[-1].at_s <= 60 * len(burst.calls) / BUDGET_A_MINUTE + 600 + (
        weather.ends_s - weather.begins_s
    )
    assert burst.longest_pause_s(POLLING) <= (360 if storm else 60)
    assert max(burst.waits_s.values()) <= 900 + (weather.ends_s - weather.begins_s)
