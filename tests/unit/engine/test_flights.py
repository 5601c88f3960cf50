"""Flights: one a job, called back by a flag, landed once."""

from __future__ import annotations

from offcloud_watchd.core.effects import Consult, Fetch, Poll, Submit
from offcloud_watchd.core.model import JobState, Lane
from offcloud_watchd.engine.flights import Flights
from tests.fakes.jobs import a_job


def test_a_flight_takes_a_place_until_it_lands() -> None:
    """Landing twice, or landing another flight, does nothing."""
    flights, fetch = Flights(), Fetch(a_job(JobState.FETCHING))
    flights.begin(fetch)
    assert (list(flights.job_ids), dict(flights.used)) == (["job"], {Lane.FETCH: 1})
    assert flights.land(Fetch(fetch.job)) is None
    assert list(flights.job_ids) == ["job"], "an equal effect is not the same flight"
    assert flights.land(fetch) is None
    assert flights.land(fetch) is None
    assert (list(flights.job_ids), dict(flights.used)) == ([], {})


def test_only_a_submission_is_a_post() -> None:
    """A fetch can be abandoned, a POST not."""
    flights, submit = Flights(), Submit(a_job())
    flights.begin(Fetch(a_job(JobState.FETCHING, id="f")))
    assert not flights.posting
    flights.begin(submit)
    assert flights.posting
    flights.land(submit)
    assert not flights.posting


def test_flights_are_called_back() -> None:
    """One by its job, or all; a job without a flight is no matter."""
    flights = Flights()
    first, second = flights.begin(Submit(a_job(id="a"))), flights.begin(Submit(a_job(id="b")))
    flights.call_back("nobody")
    flights.call_back("a")
    assert (first.is_set(), second.is_set()) == (True, False)
    flights.call_all_back()
    assert second.is_set()


def test_a_round_takes_one_place_and_has_one_flag() -> None:
    """One job of it that is called back stops nobody else's; all together are called back by the end."""
    flights = Flights()
    polls = [Poll(a_job(JobState.CLOUD, id=name)) for name in "abc"]
    stop = flights.begin_round(polls)
    flights.begin(Submit(a_job()))
    assert dict(flights.used) == {Lane.API: 2}
    flights.call_back("a")
    assert not stop.is_set()
    for poll in polls:
        flights.land(poll)
    assert dict(flights.used) == {Lane.API: 1}
    again = flights.begin_round(polls)
    flights.call_all_back()
    assert again.is_set()


def test_staging_waits_for_the_landing() -> None:
    """What is to be tidied is returned when the flight has landed."""
    flights, fetch = Flights(), Fetch(a_job(JobState.FETCHING))
    assert not flights.tidy_after(fetch.job)
    flights.begin(fetch)
    assert flights.tidy_after(fetch.job)
    assert flights.land(fetch) is fetch.job


def test_a_look_takes_one_place_beside_a_round() -> None:
    """Each of both is one call."""
    flights = Flights()
    flights.begin_round([Poll(a_job(JobState.CLOUD, id=name)) for name in "abc"])
    looks = [Consult(a_job(id=name)) for name in "de"]
    stop = flights.begin_round(looks)
    assert dict(flights.used) == {Lane.API: 2}
    flights.call_back("d")
    assert not stop.is_set()


def test_places_are_known_without_going_through_a_round() -> None:
    """What is in the air is counted as it comes and goes."""
    looked_at: list[str] = []

    class Watched(Poll):
        """A poll that notes that its lane is asked for."""

        def __getattribute__(self, name: str) -> object:
            looked_at.append(name)
            return super().__getattribute__(name)

    flights = Flights()
    flights.begin_round([Watched(a_job(JobState.CLOUD, id=name)) for name in "abc"])
    looked_at.clear()
    assert (dict(flights.used), flights.posting) == ({Lane.API: 1}, False)
    assert not looked_at
