"""The engine when the same content is wanted again, or for two categories."""

from __future__ import annotations

import pytest

from offcloud_watchd.core.effects import Adopt, Fetch, Inspect
from offcloud_watchd.core.events import Kept, Requeued
from offcloud_watchd.core.messages import Outcome
from offcloud_watchd.core.model import JobState, Lane, Verb
from offcloud_watchd.core.planning import LEADER_TRIES
from offcloud_watchd.engine.pauses import PROBE_MIN_S
from offcloud_watchd.errors import Blocked
from tests.fakes.jobs import NOW, a_job, an_intake
from tests.unit.engine.desk import Desk

FETCHING = JobState.FETCHING


# --- dropped again ---


def test_what_is_there_is_not_submitted_again() -> None:
    """A further drop of a finished job is answered by a look, and by nothing else."""
    desk = Desk(a_job(JobState.DONE))
    desk.turn(desk.wish(an_intake("one", drop_id="d2")))
    inspect, _ = desk.begun()
    assert isinstance(inspect, Inspect)
    desk.turn(Outcome(inspect, Kept("job", NOW, "/out/tv/release")))
    job = desk.job()
    assert (job.state, job.round, [drop.id for drop in job.drops]) == (JobState.DONE, 0, ["d1", "d2"])
    assert [type(event).__name__ for event in desk.events()] == ["DroppedAgain", "Kept"]
    assert (desk.take(), len(desk.lanes.settled)) == ([], 1)


def test_what_is_gone_is_searched_for_and_begins_anew() -> None:
    """The account may hold it still, so it is not posted again before it was looked for."""
    desk = Desk(a_job(JobState.DONE))
    desk.turn(desk.wish(an_intake("one", drop_id="d2")))
    inspect, _ = desk.begun()
    desk.turn(Outcome(inspect, Requeued("job", NOW)))
    assert (desk.job().state, desk.job().round, desk.job().publication) == (JobState.QUEUED, 1, None)
    assert [type(act) for act in desk.take()] == [Adopt]


@pytest.mark.parametrize(("verb", "state"), [(Verb.RETRY, JobState.QUEUED), (Verb.CANCEL, JobState.DONE)])
def test_a_command_is_stronger_than_a_look(verb: Verb, state: JobState) -> None:
    """What the operator says meanwhile stands, whatever the look gives, and it is called back."""
    desk = Desk(a_job(JobState.DONE))
    desk.turn(desk.wish(an_intake("one", drop_id="d2")))
    inspect, stop = desk.begun()
    desk.turn(desk.say(verb))
    assert (stop.is_set(), desk.job().state) == (True, state)
    round_before = desk.job().round
    desk.turn(Outcome(inspect, Requeued("job", NOW)))
    assert (desk.job().state, desk.job().round) == (state, round_before)


def test_a_look_at_a_disk_that_is_not_there_is_repeated() -> None:
    """Nobody is charged, and what is new is fetched meanwhile."""
    desk = Desk(a_job(JobState.DONE), a_job(FETCHING, id="new", key="new"))
    desk.turn(desk.wish(an_intake("one", drop_id="d2")))
    inspect, _ = next(flight for flight in desk.lanes.flights if isinstance(flight[0], Inspect))
    desk.take()
    desk.turn(Outcome(inspect, error=Blocked("disk", "not mounted")))
    assert (desk.job().state, desk.job().attempts) == (JobState.CHECKING, 0)
    assert set(desk.engine.picture().pauses) == {Lane.DISK}
    desk.later(PROBE_MIN_S)
    desk.turn(desk.refuse(Lane.DISK, None))
    assert [type(act) for act in desk.take()] == [Inspect]


# --- one transfer for one request ---


def test_the_second_category_is_given_the_files_of_the_first() -> None:
    """It waits for the fetch that is in the air, and knows whose files it can use when it is done."""
    desk = Desk(a_job(FETCHING), a_job(FETCHING, id="film", category="film"))
    desk.turn(desk.found([]))
    fetch, _ = desk.begun()
    assert fetch == Fetch(fetch.job)
    desk.turn(desk.published(fetch))
    second, _ = desk.begun()
    first = desk.job(fetch.job.id)
    assert desk.lanes.tidied == [fetch.job]
    assert second == Fetch(desk.job("film" if first.id == "job" else "job"), donors=(first,))


def test_a_category_that_is_always_blocked_hands_over() -> None:
    """Its directory may be in no order while another one's is: after some tries the other one fetches."""
    desk = Desk(a_job(FETCHING), a_job(FETCHING, id="film", category="film"))
    desk.turn(desk.found([]))
    tried = []
    for _ in range(LEADER_TRIES + 1):
        fetch, _ = desk.begun()
        tried.append(fetch.job.id)
        desk.turn(Outcome(fetch, error=Blocked("fetch", "no right to write there")))
        desk.turn(desk.refuse(Lane.FETCH, None))
    first, *_, last = tried
    assert tried == [first] * LEADER_TRIES + [last]
    assert first != last
