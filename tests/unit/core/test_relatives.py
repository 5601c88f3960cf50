"""What other jobs mean for one."""

from __future__ import annotations

from dataclasses import replace

from offcloud_watchd.core.model import Destination, JobState, RemoteTarget, Route, Submission
from offcloud_watchd.core.relatives import (
    MAX_DONORS,
    donors_of,
    held_by_others,
    needed_by,
    rivals_of,
    twin_of,
)
from tests.fakes.jobs import NOW, a_job


def test_who_has_published_the_request_can_give_its_files() -> None:
    """The newest first, each but the job itself, and none that has another request or no release."""
    done = [
        a_job(state, id=state.value, changed_at=NOW - age)
        for age, state in ((9, JobState.DONE), (5, JobState.CHECKING))
    ]
    others = [
        a_job(JobState.DONE, id="other", submission=Submission("R2")),
        a_job(JobState.DONE, id="bare", publication=None),
        a_job(JobState.DONE, id="lost", submission=None),
        a_job(JobState.FETCHING, id="open"),
        a_job(JobState.REMOVED, id="removed", submission=Submission("R1"), publication=done[0].publication),
    ]
    job = a_job(JobState.FETCHING)
    assert [one.id for one in donors_of(job, [*done, *others, job])] == ["checking", "done"]
    assert donors_of(replace(job, submission=None), done) == ()
    assert donors_of(a_job(JobState.DONE), [a_job(JobState.DONE)]) == (), "nobody gives to itself"


def test_donors_are_bounded() -> None:
    """A thing wanted by very many categories is looked for with a few of them."""
    many = [a_job(JobState.DONE, id=f"d{number}") for number in range(MAX_DONORS + 3)]
    assert len(donors_of(a_job(JobState.FETCHING), many)) == MAX_DONORS


def test_open_intents_of_others_are_known_in_any_state() -> None:
    """Of the same route, for another account, and unanswered; a cancelled one is among them."""
    job = a_job(id="a", route="remote", unsure=True, posted_at=NOW)
    ftp = Destination("c", "/c", Route.REMOTE, RemoteTarget("ftp"))
    cancelled = a_job(JobState.FAILED, id="b", unsure=True, posted_at=NOW - 5)
    elsewhere = replace(cancelled, destination=ftp)
    answered = replace(elsewhere, id="c", unsure=False, posted_at=NOW - 6)
    same = replace(job, id="d", posted_at=NOW - 7)
    assert rivals_of(job, [job, cancelled, elsewhere, answered, same]) == {NOW - 5}


def test_what_another_has_done_with_is_not_ours() -> None:
    """It may have gone another way, although that job goes ours now."""
    job = a_job(id="a", route="remote")
    same = replace(job, id="b", spent=("R1",), sent=("R1", "R2"), submission=Submission("R2"))
    assert held_by_others(job, [job, same]) == {"R1"}
    ftp = Destination("c", "/c", Route.REMOTE, RemoteTarget("ftp"))
    assert held_by_others(job, [replace(same, destination=ftp)]) == {"R1", "R2"}


def test_who_is_removed_is_no_twin() -> None:
    """Only another job for the same content and category that still stands for it."""
    job = a_job(JobState.FAILED, id="a")
    twin = a_job(JobState.CLOUD, id="b")
    others = [job, a_job(JobState.CLOUD, id="c", category="film"), a_job(JobState.REMOVED, id="d")]
    assert twin_of(job, others) is None
    assert twin_of(job, [*others, twin]) == twin


def test_who_is_not_done_needs_the_request() -> None:
    """One that failed as well: it may be tried again; and one that is to be imported yet."""
    done = a_job(JobState.DONE, id="a", to_clear=True)
    for state in JobState:
        finished = state in (JobState.DONE, JobState.CHECKING, JobState.REMOVED)
        other = a_job(state, id="b")
        assert needed_by(done, [done, other]) == (None if finished else other)
    awaited = a_job(JobState.DONE, id="b", to_import=True)
    assert needed_by(done, [done, awaited]) == awaited
