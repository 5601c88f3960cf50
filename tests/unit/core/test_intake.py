"""Drops and commands: what they mean, and that they mean it once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from offcloud_watchd.core.events import (
    Attached,
    DroppedAgain,
    Event,
    Failed,
    Kept,
    Queued,
    Recategorized,
    Removed,
    Requeued,
    Resumed,
)
from offcloud_watchd.core.intake import MAX_NAME_CHARS, accept, held_up_by, obey
from offcloud_watchd.core.lifecycle import OWES, evolve, fold
from offcloud_watchd.core.model import (
    BadLine,
    Command,
    Delivery,
    Destination,
    Intake,
    Job,
    JobState,
    LinkKind,
    Links,
    Route,
    Verb,
    job_id,
)
from offcloud_watchd.journal.records import EVENT_CAP_BYTES, Translator
from tests.fakes.jobs import NOW, a_drop, a_job, a_link, an_intake

OPEN = [state for state in OWES if state not in (JobState.REMOVED, JobState.CHECKING)]
ENDED = [JobState.DONE, JobState.FAILED]


def accepted(intake: Intake, *jobs: Job) -> list[Event]:
    """Accept a drop while there are some jobs."""
    return accept(intake, lambda link: [job for job in jobs if job.link.key == link.key], NOW)


def refused(key: str, drop_id: str = "d1") -> Intake:
    """Return a drop that was refused where a tool may wait for it."""
    links = Links((), (BadLine(None, "it is damaged"),))
    return replace(an_intake(drop_id=drop_id), links=links, unusable=a_link(key))


def test_a_drop_that_was_refused_is_a_failed_job_once() -> None:
    """Read again after a crash it is known; the same once more fails once more, for its own grab."""
    events = accepted(refused("one"))
    failed = fold(events)[events[0].job_id]
    assert [type(event) for event in events] == [Queued, Failed]
    assert (failed.state, failed.reason, failed.release) == (JobState.FAILED, "it is damaged", "stem")
    assert accepted(refused("one"), failed) == []
    again = accepted(refused("one", "d2"), failed)
    assert [type(event) for event in again] == [Requeued, Failed]
    assert {event.job_id for event in again} == {failed.id}


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.FAILED])
def test_a_refused_copy_of_what_is_well_says_nothing(state: JobState) -> None:
    """The job goes on; one that was removed stands for nothing."""
    removed = state is JobState.REMOVED
    kinds = [type(event) for event in accepted(refused("one", "d2"), a_job(state))]
    assert kinds == ([Queued, Failed] if removed else [])


def test_what_cannot_be_submitted_is_not_tried_again() -> None:
    """There is no link in it."""
    job = a_job(JobState.FAILED, link=replace(a_link(), kind=LinkKind.FILE, url=""))
    assert obey(Command("c1", Verb.RETRY, ("job",)), job, NOW) is None
    assert obey(Command("c1", Verb.FORGET, ("job",)), job, NOW) == Removed("job", NOW, command="c1")


def test_a_new_link_becomes_a_job() -> None:
    """Every link of a drop is a job of its own."""
    events = accepted(an_intake("one", "two"))
    assert events == [
        Queued(job_id("d1", key), NOW, a_link(key), a_drop(), Destination("tv", "/out/tv"), None)
        for key in ("one", "two")
    ]


@pytest.mark.parametrize(
    ("links", "release"),
    [
        (Links((a_link(),)), "stem"),
        (Links((a_link(),), is_list=True), "stem"),
        (Links((a_link(), a_link("two")), is_list=True), None),
        (Links((a_link(),), (BadLine(2, "not a link"),), is_list=True), None),
    ],
    ids=["torrent", "list of one", "list of two", "list with a bad line"],
)
def test_a_file_names_the_release_when_it_holds_one_link(links: Links, release: str | None) -> None:
    """The name of a list says nothing about each of its links."""
    events = accepted(Intake(a_drop(), links, Destination("tv", "/out/tv"), "stem"))
    assert {event.release for event in events if isinstance(event, Queued)} == {release}


def test_no_name_is_longer_than_a_record_can_hold() -> None:
    """A torrent that calls itself by megabytes is taken, and its record fits the journal."""
    long = "\U0001f600" * 1_000_000
    link = replace(a_link(), name=long, url="magnet:?" + "x" * 64 * 1024 * 12)
    drop = replace(a_drop(), name=long)
    [event] = accepted(Intake(drop, Links((link,)), Destination("tv", "/out/tv"), long))
    assert isinstance(event, Queued)
    short = long[:MAX_NAME_CHARS]
    assert (event.link.name, event.drop.name, event.release) == (short, short, short)
    assert len(json.dumps(Translator().event_record(event, 1))) < EVENT_CAP_BYTES
    [joined] = accepted(
        Intake(replace(drop, id="d2"), Links((link,)), Destination("tv", "/out/tv"), ""), a_job()
    )
    assert joined == Attached("job", NOW, replace(drop, id="d2", name=short))


def test_what_a_drop_repeats_counts_once() -> None:
    """A key that is in a list twice is one job, under its first spelling."""
    assert len(accepted(an_intake("one", "one"))) == 1


@pytest.mark.parametrize("state", JobState)
def test_a_drop_that_comes_again_changes_nothing(state: JobState) -> None:
    """A drop that was recorded but not moved away is known by its id, whatever became of its job."""
    assert accepted(an_intake("one"), a_job(state)) == []


@pytest.mark.parametrize("state", JobState)
def test_a_drop_that_comes_again_is_known_in_another_category(state: JobState) -> None:
    """Its job was moved there, and a death came before the drop was put away."""
    moved = replace(a_job(state), destination=Destination("films", "/out/films"))
    assert accepted(an_intake("one"), moved) == []


@pytest.mark.parametrize("state", [*OPEN, JobState.CHECKING])
def test_another_drop_of_an_open_job_joins_it(state: JobState) -> None:
    """The same content for the same category is one job."""
    assert accepted(an_intake("one", drop_id="d2"), a_job(state)) == [Attached("job", NOW, a_drop("d2"))]


def test_another_drop_of_a_failed_job_begins_it_anew() -> None:
    """Who drops a thing again wants it again; of several ended jobs the newest takes it."""
    older = a_job(JobState.DONE, id="older", changed_at=NOW - 5000)
    events = accepted(an_intake("one", drop_id="d2"), a_job(JobState.FAILED), older)
    assert events == [Requeued("job", NOW, drop=a_drop("d2"))]


def test_another_drop_of_a_finished_job_asks_whether_it_is_still_there() -> None:
    """Nothing is begun before somebody has looked; a job that cannot say where it is begins anew."""
    older = a_job(JobState.FAILED, id="older", changed_at=NOW - 5000)
    done = a_job(JobState.DONE)
    again = an_intake("one", drop_id="d2")
    assert accepted(again, done, older) == [DroppedAgain("job", NOW, a_drop("d2"))]
    sent = replace(done, publication=None, delivery=Delivery("googledrive"))
    assert accepted(again, sent) == [DroppedAgain("job", NOW, a_drop("d2"))]
    nowhere = replace(done, publication=None)
    assert accepted(again, nowhere) == [Requeued("job", NOW, drop=a_drop("d2"))]


def test_a_failed_job_that_is_dropped_again_goes_where_the_settings_say_now() -> None:
    """Whoever has mended a wrong account or directory drops the file again."""
    failed = a_job(JobState.FAILED, route="remote")
    (event,) = accepted(an_intake("one", drop_id="d2"), failed)
    assert event == Requeued("job", NOW, drop=a_drop("d2"), destination=Destination("tv", "/out/tv"))


def test_what_was_done_elsewhere_is_not_what_is_wanted_here() -> None:
    """The folder's route was changed: what is here is sent, what was sent is brought home."""
    here, there = an_intake("one", drop_id="d2"), a_job(JobState.DONE, route="remote").destination
    sent = a_job(JobState.DONE, route="remote", publication=None, delivery=Delivery("googledrive"))
    assert accepted(here, sent) == [Requeued("job", NOW, drop=a_drop("d2"), destination=here.destination)]
    away = replace(here, destination=there)
    for state in (JobState.DONE, JobState.CHECKING):
        assert accepted(away, a_job(state)) == [Requeued("job", NOW, drop=a_drop("d2"), destination=there)]
    given = replace(here, destination=replace(here.destination, route=Route.INSTANT))
    again = DroppedAgain("job", NOW, a_drop("d2"), given.destination)
    assert accepted(given, a_job(JobState.DONE)) == [again], "files here are files here"


def test_what_is_gone_is_begun_anew_where_the_settings_say_now() -> None:
    """The output directory was changed: what is still there stays, what is not comes to the new one."""
    moved = replace(an_intake("one", drop_id="d2"), destination=Destination("tv", "/new/tv"))
    [event] = accepted(moved, a_job(JobState.DONE))
    assert event == DroppedAgain("job", NOW, a_drop("d2"), moved.destination)
    looked_at = evolve(a_job(JobState.DONE), event)
    assert looked_at is not None
    assert (looked_at.destination.directory, looked_at.moves_to) == ("/out/tv", moved.destination)
    for after in (Kept("job", NOW), Requeued("job", NOW)):
        job = evolve(looked_at, after)
        assert job is not None
        assert job.moves_to is None


def test_a_job_in_doubt_goes_no_other_way() -> None:
    """What came of its POST is found out on its own way: the drop waits, and its other links go on."""
    lost = a_job(JobState.FAILED, route="remote", unsure=True, posted_at=NOW - 9)
    intake = an_intake("one", "two", drop_id="d2")

    def held(job: Job) -> Job | None:
        return held_up_by(intake, lambda link: [job] if link.key == job.link.key else [])

    assert [type(event) for event in accepted(intake, lost)] == [Queued]
    assert held(lost) == lost
    known = replace(lost, unsure=False)
    assert [type(event) for event in accepted(intake, known)] == [Requeued, Queued]
    assert held(known) is None
    assert held(replace(lost, destination=intake.destination)) is None, "the same way is searched anyway"
    assert held(replace(lost, drops=(a_drop("d2"),))) is None, "it was taken already"
    assert held(replace(lost, state=JobState.REMOVED)) is None


def test_a_drop_remembers_the_line_of_the_link() -> None:
    """Each job of a list can say which line it came from, and so does what joins an open job."""
    links = Links((replace(a_link("one"), line=3), replace(a_link("two"), line=7)), is_list=True)
    events = accepted(Intake(a_drop("d2"), links, Destination("tv", "/out/tv"), "x"), a_job())
    assert [(type(event), event.drop.line) for event in events if isinstance(event, Attached | Queued)] == [
        (Attached, 3),
        (Queued, 7),
    ]


def test_another_drop_of_a_removed_job_is_a_new_job() -> None:
    """What the operator forgot can be dropped again while it is still being cleared away."""
    events = accepted(an_intake("one", drop_id="d2"), a_job(JobState.REMOVED))
    assert [type(event) for event in events] == [Queued]


def test_another_category_is_another_job() -> None:
    """Two folders may want the same link."""
    events = accepted(an_intake("one", category="film", drop_id="d2"), a_job())
    assert [type(event) for event in events] == [Queued]


@pytest.mark.parametrize("state", OPEN)
def test_retry_of_an_open_job_forgives(state: JobState) -> None:
    """It is due at once and its failures no longer count."""
    assert obey(Command("c1", Verb.RETRY, ("job",)), a_job(state), NOW) == Resumed("job", NOW, "c1")


@pytest.mark.parametrize("state", [*ENDED, JobState.CHECKING])
def test_retry_of_an_ended_job_begins_it_anew(state: JobState) -> None:
    """A finished or failed job starts from the beginning."""
    assert obey(Command("c1", Verb.RETRY, ("job",)), a_job(state), NOW) == Requeued("job", NOW, "c1")


@pytest.mark.parametrize("state", OPEN)
def test_cancel_fails_an_open_job(state: JobState) -> None:
    """A cancelled job says so."""
    event = obey(Command("c1", Verb.CANCEL, ("job",)), a_job(state), NOW)
    assert event == Failed("job", NOW, "cancelled by the operator", "c1")


def test_cancel_of_a_finished_job_that_was_dropped_again_ends_the_look() -> None:
    """It is done as it was before."""
    event = obey(Command("c1", Verb.CANCEL, ("job",)), a_job(JobState.CHECKING), NOW)
    assert event == Kept("job", NOW, command="c1")


@pytest.mark.parametrize("state", ENDED)
def test_cancel_of_an_ended_job_does_nothing(state: JobState) -> None:
    """There is nothing left to cancel."""
    assert obey(Command("c1", Verb.CANCEL, ("job",)), a_job(state), NOW) is None


@pytest.mark.parametrize("state", [*OPEN, *ENDED, JobState.CHECKING])
@pytest.mark.parametrize("files", [False, True])
def test_forget_removes_in_any_state(state: JobState, *, files: bool) -> None:
    """Forgetting says whether the files go too."""
    event = obey(Command("c1", Verb.FORGET, ("job",), files), a_job(state), NOW)
    assert event == Removed("job", NOW, files, "c1")


@pytest.mark.parametrize("verb", Verb)
def test_a_removed_job_obeys_nothing(verb: Verb) -> None:
    """It is on its way out."""
    assert obey(Command("c1", verb, ("job",)), a_job(JobState.REMOVED), NOW) is None


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("state", [*OPEN, *ENDED, JobState.CHECKING])
def test_a_command_that_comes_again_changes_nothing(state: JobState, verb: Verb) -> None:
    """A command whose file could not be deleted is obeyed once, also when others came after it."""
    command, later = Command("c1", verb, ("job",)), Command("c2", Verb.RETRY, ("job",))
    job = a_job(state)
    for wanted in (command, later):
        event = obey(wanted, job, NOW)
        after = job if event is None else evolve(job, event)
        assert after is not None
        job = after
    if verb is Verb.CANCEL and state in ENDED:
        return  # it meant nothing when it came: it is not remembered, and cancels what was begun since
    assert obey(command, job, NOW) is None


FILM = Destination("film", "/out/film", Route.INSTANT)


@pytest.mark.parametrize("state", [*OPEN, *ENDED, JobState.CHECKING])
def test_another_category(state: JobState) -> None:
    """What is not gathered yet goes to the new place, by the route that was taken; the rest stays there."""
    event = obey(Command("c1", Verb.CATEGORIZE, ("job",), destination=FILM), a_job(state), NOW)
    moves = state in (JobState.QUEUED, JobState.CLOUD)
    assert event == Recategorized(
        "job", NOW, Destination("film", "/out/film" if moves else "/out/tv", Route.CLOUD), "c1"
    )


def test_the_same_category() -> None:
    """Nothing is to be done, nor when none is named."""
    for destination in (Destination("tv", "/elsewhere"), None):
        command = Command("c1", Verb.CATEGORIZE, ("job",), destination=destination)
        assert obey(command, a_job(), NOW) is None
