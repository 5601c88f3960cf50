"""The table is total, and each event changes what it says and nothing else."""

from __future__ import annotations

import itertools
import typing
from dataclasses import replace

import pytest

from offcloud_watchd.core.changes import MAX_COMMANDS, MAX_DROPS, MAX_SPENT
from offcloud_watchd.core.events import (
    Answered,
    Attached,
    Cleared,
    CloudReady,
    Deferred,
    Delivered,
    Discarded,
    DroppedAgain,
    Event,
    Failed,
    Granted,
    Imported,
    Kept,
    NotFound,
    Published,
    Queued,
    Recalled,
    Recategorized,
    Removed,
    Reported,
    Requeued,
    Resumed,
    Stirred,
    Submitted,
    Submitting,
    Vanished,
    Withdrawn,
)
from offcloud_watchd.core.lifecycle import (
    OWES,
    TRANSITIONS,
    IllegalTransition,
    apply,
    evolve,
    fold,
    life_diagram,
)
from offcloud_watchd.core.model import (
    Delivery,
    Destination,
    Job,
    JobState,
    Publication,
    RemoteTarget,
    Route,
    Submission,
)
from tests.fakes.jobs import NOW, a_drop, a_job, a_link

DESTINATION = Destination("tv", "/out/tv")
PUBLICATION = Publication("/out/tv/release", 1, 100, "size")
DELIVERY = Delivery("googledrive", "f1", "name", 7)

EVENTS: dict[type[Event], Event] = {
    Queued: Queued("job", NOW, a_link(), a_drop(), DESTINATION, "release"),
    Attached: Attached("job", NOW, a_drop("d2")),
    Submitting: Submitting("job", NOW),
    Recalled: Recalled("job", NOW, NOW - 50),
    Submitted: Submitted("job", NOW, Submission("R2")),
    Answered: Answered("job", NOW, Submission("R2")),
    Granted: Granted("job", NOW, Submission("I2")),
    NotFound: NotFound("job", NOW),
    Stirred: Stirred("job", NOW, "0a1b2c3d"),
    Vanished: Vanished("job", NOW),
    CloudReady: CloudReady("job", NOW, Submission("R2", "downloaded")),
    Published: Published("job", NOW, PUBLICATION),
    Imported: Imported("job", NOW, "its release was taken away", NOW),
    Delivered: Delivered("job", NOW, DELIVERY),
    Cleared: Cleared("job", NOW),
    DroppedAgain: DroppedAgain("job", NOW, a_drop("d2")),
    Kept: Kept("job", NOW, PUBLICATION.path),
    Deferred: Deferred("job", NOW, "later", NOW + 60),
    Resumed: Resumed("job", NOW),
    Failed: Failed("job", NOW, "no seeds"),
    Reported: Reported("job", NOW),
    Requeued: Requeued("job", NOW),
    Removed: Removed("job", NOW),
    Withdrawn: Withdrawn("job", NOW),
    Discarded: Discarded("job", NOW),
    Recategorized: Recategorized("job", NOW, Destination("film", "/out/film"), "c1"),
}


def test_there_is_an_example_of_every_event() -> None:
    """The tests below forget no event."""
    assert set(EVENTS) == set(typing.get_args(Event))


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(JobState, EVENTS)))
def test_the_table_is_total(state: JobState, kind: type[Event]) -> None:
    """Every state and event give the table's state, or raise and change nothing."""
    job = a_job(state)
    jobs = {"job": job}
    after = TRANSITIONS[state].get(kind)
    if kind is Discarded and state is JobState.REMOVED:
        assert apply(jobs, EVENTS[kind]) is None
        assert jobs == {}
    elif after is None:
        with pytest.raises(IllegalTransition, match=f"{kind.__name__} for job job"):
            apply(jobs, EVENTS[kind])
        assert jobs == {"job": job}
    else:
        changed = apply(jobs, EVENTS[kind])
        assert changed is not None
        assert changed.state is after
        assert jobs == {"job": changed}


@pytest.mark.parametrize("kind", [kind for kind in EVENTS if kind is not Queued])
def test_only_queued_makes_a_job(kind: type[Event]) -> None:
    """An event for a job that is not there raises."""
    with pytest.raises(IllegalTransition, match="does not exist"):
        evolve(None, EVENTS[kind])


def test_every_open_state_owes_and_every_ended_state_owes_nothing() -> None:
    """DONE and FAILED owe nothing, all others owe something."""
    assert set(JobState) - set(OWES) == {JobState.DONE, JobState.FAILED}


def test_queued_makes_a_job_that_knows_where_it_came_from() -> None:
    """A new job holds what its event says."""
    job = evolve(None, EVENTS[Queued])
    assert job == replace(a_job(), queued_at=NOW, changed_at=NOW)


def test_an_ended_job_takes_its_answer() -> None:
    """It is known that the request is ours; nothing is owed any more, and the reason stays."""
    for state in (JobState.FAILED, JobState.REMOVED):
        job = a_job(
            state, unsure=True, posted_at=NOW - 9, reason="cancelled", retry_at=NOW + 9, route="remote"
        )
        assert job.doubtful
        answered = evolve(job, EVENTS[Answered])
        assert answered == replace(
            job, submission=Submission("R2"), unsure=False, doubted_at=NOW, retry_at=0.0, sent=("R2",)
        )


def test_what_went_another_way_is_no_request_of_this_one() -> None:
    """Neither what a job had sent before its settings changed nor what is answered afterwards."""
    job = evolve(a_job(route="remote"), Submitted("job", NOW, Submission("R1")))
    assert job is not None
    assert job.sent == ("R1",)
    failed = evolve(job, Failed("job", NOW, "cancelled"))
    moved = evolve(failed, Requeued("job", NOW, destination=Destination("tv", "/out/tv")))
    assert moved is not None
    assert (moved.sent, moved.spent) == (("R1",), ("R1",))
    late = evolve(moved, EVENTS[Answered])
    assert late is not None
    assert (late.sent, late.spent, late.submission) == (("R1", "R2"), ("R1", "R2"), None)
    same = evolve(failed, Requeued("job", NOW))
    assert same is not None
    assert same.spent == ()


def test_on_another_way_nothing_was_posted_yet() -> None:
    """No request is looked for there, none is adopted from the other way, and none tried again."""
    given = a_job(JobState.FAILED, route="instant", posted_at=NOW - 9)
    failed = a_job(JobState.FAILED, posted_at=NOW - 9, submission=Submission("R1"), failed_request="R1")
    for job, goes_to in (
        (given, DESTINATION),
        (failed, DRIVE),
        (failed, replace(DESTINATION, route=Route.INSTANT)),
    ):
        moved = evolve(job, Requeued("job", NOW, destination=goes_to))
        same = evolve(job, Requeued("job", NOW, destination=replace(job.destination, directory="/new")))
        assert moved is not None
        assert same is not None
        assert (moved.posted_at, moved.unsure, moved.failed_request) == (None, False, "")
        assert moved.spent == (("R1",) if job is failed else ())
        assert (same.posted_at, same.failed_request) == (NOW - 9, job.failed_request)
        assert (same.unsure, same.spent) == (job is failed, ())


FTP = Destination("tv", "/out/tv", Route.REMOTE, RemoteTarget("ftp"))
DRIVE = replace(FTP, remote=RemoteTarget("drive"))


def test_a_refused_post_leaves_no_doubt() -> None:
    """Whoever fails so owes no search."""
    job = a_job(unsure=True, posted_at=NOW - 9)
    refused = evolve(job, Failed("job", NOW, "no", intent_closed=True))
    cancelled = evolve(job, Failed("job", NOW, "no"))
    assert refused is not None
    assert cancelled is not None
    assert (refused.doubtful, cancelled.doubtful) == (False, True)


def test_who_had_something_sent_elsewhere_is_remembered() -> None:
    """Once; what only the cloud had leaves the fold."""
    job = a_job(JobState.REMOVED, route="remote", sent=("R1",), reason="busy", retry_at=NOW + 9)
    jobs = {"job": job}
    remembered = apply(jobs, EVENTS[Discarded])
    assert remembered == replace(job, remembered=True, reason="", retry_at=0.0)
    assert jobs == {"job": remembered}
    with pytest.raises(IllegalTransition):
        apply(jobs, EVENTS[Discarded])


def test_attached_adds_a_drop_only() -> None:
    """A further drop changes nothing else, not even the time of the last change."""
    job = a_job(attempts=3, retry_at=NOW + 5)
    assert evolve(job, EVENTS[Attached]) == replace(job, drops=(a_drop(), a_drop("d2")))


def test_drops_are_bounded_and_the_first_is_kept() -> None:
    """However often a thing is dropped, a job remembers the first drop and the newest ones."""
    jobs = {"job": a_job()}
    for number in range(2, MAX_DROPS + 50):
        apply(jobs, Attached("job", NOW, a_drop(f"d{number}")))
    drops = jobs["job"].drops
    assert len(drops) == MAX_DROPS
    assert drops[0] == a_drop("d1")
    assert drops[-1] == a_drop(f"d{MAX_DROPS + 49}")


def test_submitting_makes_the_job_unsure() -> None:
    """From the intent on, the account must be searched before another POST."""
    job = a_job()
    assert evolve(job, EVENTS[Submitting]) == replace(job, posted_at=NOW, unsure=True, doubted_at=NOW)


def test_a_request_that_stirs_is_remembered_and_forgives() -> None:
    """What it has come to is kept until the job has another request."""
    job = a_job(JobState.CLOUD, attempts=3, retry_at=NOW + 5, reason="timeout")
    stirred = evolve(job, EVENTS[Stirred])
    assert stirred == replace(job, attempts=0, retry_at=0.0, reason="", mark="0a1b2c3d", stirred_at=NOW)
    anew = fold_onto(stirred, Vanished("job", NOW), Submitted("job", NOW, Submission("R2")))
    assert (anew.mark, anew.stirred_at) == ("", 0.0)


@pytest.mark.parametrize("state", [JobState.CLOUD, JobState.FETCHING])
def test_a_vanished_request_is_searched_for_before_another_post(state: JobState) -> None:
    """It begins anew in doubt, and remembers what it lost until it is requeued."""
    job = a_job(state)
    after = evolve(job, EVENTS[Vanished])
    assert after is not None
    assert (after.state, after.unsure, after.submission) == (JobState.QUEUED, True, None)
    assert (after.round, after.doubted_at, after.vanished) == (1, job.doubted_at, "R1")
    assert fold_onto(after, Failed("job", NOW, "x"), Requeued("job", NOW)).vanished == ""


def fold_onto(job: Job | None, *events: Event) -> Job:
    """Let events happen to a job."""
    for event in events:
        job = evolve(job, event)
    assert job is not None
    return job


def test_a_later_post_has_a_later_name_though_the_clock_was_set_back() -> None:
    """The order of POSTs for one content survives a clock that is set back."""
    first = evolve(a_job(), Submitting("job", NOW))
    assert first is not None
    second = evolve(first, Submitting("job", NOW - 3600))
    assert second is not None
    assert first.posted_at is not None
    assert second.posted_at is not None
    assert first.posted_at < second.posted_at < first.posted_at + 1
    assert second.doubted_at == NOW - 3600


def test_recalled_names_the_other_post_and_counts_from_now() -> None:
    """Another job's POST makes this one unsure, and the lag counts from when it was noticed."""
    job = a_job()
    assert evolve(job, EVENTS[Recalled]) == replace(job, posted_at=NOW - 50, unsure=True, doubted_at=NOW)


def test_not_found_makes_posting_safe_and_due() -> None:
    """After a search that proves absence the job may post at once."""
    job = a_job(unsure=True, posted_at=NOW - 500, retry_at=NOW + 30)
    assert evolve(job, EVENTS[NotFound]) == replace(job, unsure=False, retry_at=0.0)


def test_submitted_closes_the_doubt_and_starts_a_new_state() -> None:
    """With a request id the job is sure again; failures of the old state are forgotten."""
    job = a_job(unsure=True, posted_at=NOW - 20, attempts=4, retry_at=NOW + 9, reason="lost")
    after = evolve(job, EVENTS[Submitted])
    assert after == replace(
        job,
        state=JobState.CLOUD,
        changed_at=NOW,
        submission=Submission("R2"),
        unsure=False,
        doubted_at=NOW,
        attempts=0,
        retry_at=0.0,
        reason="",
    )


def test_what_was_sent_is_done_and_is_not_taken_for_what_is_sent_next() -> None:
    """Each time it is sent anew the request of the time before is remembered, a bounded number of them."""
    job = a_job(JobState.CLOUD, route="remote")
    for number in range(MAX_SPENT + 5):
        done = evolve(replace(job, submission=Submission(f"R{number}")), EVENTS[Delivered])
        assert done is not None
        assert (done.state, done.delivery) == (JobState.DONE, DELIVERY)
        anew = evolve(done, EVENTS[Requeued])
        assert anew is not None
        assert (anew.delivery, anew.spent[-1]) == (None, f"R{number}")
        job = replace(anew, state=JobState.CLOUD)
    assert len(job.spent) == MAX_SPENT


def test_who_waits_for_an_import_owes_what_follows_from_it() -> None:
    """Seen, it is to be cleared and to leave; dropped again it waits anew; removed it is to be cleared."""
    done = evolve(a_job(JobState.FETCHING), Published("job", NOW, PUBLICATION, until_imported=True))
    assert done is not None
    assert (done.to_import, done.to_clear) == (True, False)
    imported = evolve(done, Imported("job", NOW + 9, "sonarr says so", NOW + 99))
    assert imported == replace(done, to_import=False, to_clear=True, leaves_at=NOW + 99)
    again = evolve(imported, DroppedAgain("job", NOW + 10, a_drop("d2")))
    assert again is not None
    assert (again.to_import, again.to_clear, again.leaves_at) == (True, False, 0.0)
    removed = evolve(done, Removed("job", NOW + 9, files=True))
    assert removed is not None
    assert (removed.to_import, removed.to_clear) == (False, True)
    cleared = evolve(removed, Cleared("job", NOW + 10))
    assert cleared == replace(removed, to_clear=False)
    anew = evolve(again, Requeued("job", NOW + 11))
    assert anew is not None
    assert not anew.to_import
    instant = evolve(a_job(JobState.DONE, route="instant", to_import=True), Imported("job", NOW, "gone", NOW))
    assert instant is not None
    assert not instant.to_clear, "links that were given are no request"


def test_who_is_without_files_may_owe_more() -> None:
    """Its release is gone, and it leaves when the rest is done."""
    removed = a_job(JobState.REMOVED, remove_files=True, to_clear=True, attempts=2, reason="busy")
    after = evolve(removed, EVENTS[Withdrawn])
    assert after == replace(removed, remove_files=False, attempts=0, reason="")


def test_what_is_to_be_cleared_is_remembered_until_it_is() -> None:
    """The job is done all the while; beginning anew needs what the account holds, so nothing is owed then."""
    done = evolve(a_job(JobState.FETCHING), Published("job", NOW, PUBLICATION, clear=True))
    assert done is not None
    assert (done.state, done.to_clear) == (JobState.DONE, True)
    later = evolve(done, EVENTS[Deferred])
    assert later is not None
    assert (later.attempts, later.retry_at, later.to_clear) == (1, NOW + 60, True)
    assert evolve(later, Cleared("job", NOW + 9)) == replace(done, to_clear=False)
    left = evolve(later, Cleared("job", NOW + 9, "it was there before"))
    assert left is not None
    assert (left.to_clear, left.reason) == (False, "it was there before")
    looked = evolve(done, EVENTS[DroppedAgain])
    assert looked is not None
    assert looked.to_clear
    anew = evolve(looked, EVENTS[Requeued])
    assert anew is not None
    assert not anew.to_clear


def test_a_failure_that_is_to_be_reported_is_remembered_until_it_is() -> None:
    """Why it failed stays in sight; a removal takes nothing from what is owed, beginning anew does."""
    failed = evolve(a_job(JobState.CLOUD), Failed("job", NOW, "no seeds", report=True))
    assert failed is not None
    assert (failed.state, failed.to_report) == (JobState.FAILED, True)
    later = evolve(failed, Deferred("job", NOW, "the tool is down", NOW + 60))
    assert later is not None
    assert (later.attempts, later.retry_at, later.reason) == (1, NOW + 60, "no seeds")
    assert evolve(later, Reported("job", NOW + 9)) == replace(failed, to_report=False)
    removed = evolve(later, EVENTS[Removed])
    assert removed is not None
    assert (removed.state, removed.to_report, removed.retry_at) == (JobState.REMOVED, True, 0.0)
    told = evolve(removed, EVENTS[Reported])
    assert told is not None
    assert not told.to_report
    anew = evolve(later, EVENTS[Requeued])
    assert anew is not None
    assert not anew.to_report


def test_a_request_that_the_service_gave_up_is_remembered_until_there_is_another() -> None:
    """Only what failed there can begin anew there."""
    job = a_job(JobState.CLOUD)
    ours = evolve(job, Failed("job", NOW, "cancelled"))
    theirs = evolve(job, Failed("job", NOW, "no seeds", request_failed=True))
    assert ours is not None
    assert theirs is not None
    assert (ours.failed_request, theirs.failed_request) == ("", "R1")
    anew = evolve(theirs, EVENTS[Requeued])
    assert anew is not None
    assert (anew.submission, anew.failed_request) == (None, "R1")
    again = evolve(anew, EVENTS[Submitted])
    assert again is not None
    assert again.failed_request == ""


def test_a_new_drop_may_send_a_job_elsewhere() -> None:
    """What the settings say now is what counts for whoever drops it again."""
    moved = Destination("tv", "/mnt/tv")
    assert evolve(a_job(JobState.FAILED), Requeued("job", NOW, destination=moved)) == replace(
        a_job(), destination=moved, changed_at=NOW, round=1
    )


def test_what_makes_no_item_is_never_in_doubt() -> None:
    """Asking for a link twice does no harm, so no lost answer is searched for, in this round or the next."""
    job = evolve(a_job(route="instant"), EVENTS[Submitting])
    assert job is not None
    assert (job.posted_at, job.unsure) == (NOW, False)
    granted = evolve(job, EVENTS[Granted])
    assert granted is not None
    assert (granted.state, granted.submission) == (JobState.FETCHING, Submission("I2"))
    anew = evolve(replace(granted, state=JobState.FAILED), EVENTS[Requeued])
    assert anew is not None
    assert not anew.unsure


@pytest.mark.parametrize(
    ("own", "other", "known"),
    [(None, None, None), (5.0, None, 5.0), (None, 7.0, 7.0), (5.0, 7.0, 7.0), (9.0, 7.0, 9.0)],
)
def test_a_shared_request_brings_the_name_of_its_post(
    own: float | None, other: float | None, known: float | None
) -> None:
    """A job that uses another's request knows the latest POST for the content afterwards."""
    after = evolve(
        a_job(posted_at=own), Submitted("job", NOW, Submission("R2"), adopted=True, posted_at=other)
    )
    assert after is not None
    assert after.posted_at == known


def test_cloud_ready_keeps_the_newest_submission() -> None:
    """What the service told last is what the fetch goes by."""
    after = evolve(a_job(JobState.CLOUD, attempts=2), EVENTS[CloudReady])
    assert after is not None
    assert (after.submission, after.attempts, after.changed_at) == (Submission("R2", "downloaded"), 0, NOW)


def test_published_keeps_the_proof() -> None:
    """A finished job says where its release is."""
    after = evolve(a_job(JobState.FETCHING), EVENTS[Published])
    assert after is not None
    assert (after.publication, after.published_at) == (PUBLICATION, NOW)


def test_dropped_again_keeps_everything_until_somebody_has_looked() -> None:
    """The job knows its release and its request while it is looked at, and is done as before when kept."""
    job = a_job(JobState.DONE, round=2)
    asked = evolve(job, EVENTS[DroppedAgain])
    assert asked == replace(job, state=JobState.CHECKING, changed_at=NOW, drops=(a_drop("d1"), a_drop("d2")))
    assert asked is not None
    deferred = evolve(asked, EVENTS[Deferred])
    assert deferred is not None
    kept = evolve(deferred, Kept("job", NOW + 5, command="c1"))
    assert kept == replace(asked, state=JobState.DONE, changed_at=NOW + 5, commands=("c1",))


def test_a_charged_deferral_counts() -> None:
    """A failure counts an attempt and sets the time of the next."""
    job = a_job(attempts=1)
    assert evolve(job, EVENTS[Deferred]) == replace(job, attempts=2, retry_at=NOW + 60, reason="later")


def test_an_uncharged_deferral_does_not_count() -> None:
    """Waiting for the history is nobody's failure."""
    after = evolve(a_job(attempts=1), Deferred("job", NOW, "too early", NOW + 30, charged=False))
    assert after is not None
    assert after.attempts == 1


def test_a_closed_intent_ends_the_doubt() -> None:
    """When nothing was sent there is nothing to search for."""
    after = evolve(a_job(unsure=True), Deferred("job", NOW, "refused", NOW + 5, intent_closed=True))
    assert after is not None
    assert not after.unsure


def test_a_lost_answer_moves_the_doubt_to_now() -> None:
    """A POST may have had its effect as late as its answer was given up."""
    job = a_job(unsure=True, doubted_at=NOW - 60)
    after = evolve(job, Deferred("job", NOW, "timeout", NOW + 5, maybe_sent=True))
    assert after is not None
    assert (after.unsure, after.doubted_at) == (True, NOW)


def test_resumed_forgives() -> None:
    """Failures before a success, or before the operator's retry, no longer count."""
    job = a_job(JobState.CLOUD, attempts=59, retry_at=NOW + 3600, reason="timeout")
    after = evolve(job, Resumed("job", NOW, "c1"))
    assert after == replace(job, attempts=0, retry_at=0.0, reason="", commands=("c1",))


def test_failed_shows_its_reason_and_its_command() -> None:
    """A failure says why; a cancelled job remembers the command."""
    after = evolve(a_job(commands=("c1",)), Failed("job", NOW, "cancelled", command="c2"))
    assert after is not None
    assert (after.reason, after.commands) == ("cancelled", ("c1", "c2"))


def test_commands_are_bounded() -> None:
    """Only the newest commands are remembered."""
    jobs = {"job": a_job()}
    for number in range(MAX_COMMANDS + 5):
        apply(jobs, Resumed("job", NOW, f"c{number}"))
    assert jobs["job"].commands == tuple(f"c{number}" for number in range(5, MAX_COMMANDS + 5))


def test_requeued_begins_a_new_round() -> None:
    """A new round knows nothing of the old one's request and release, but that something was posted."""
    job = a_job(JobState.DONE, attempts=2, reason="x")
    after = evolve(job, Requeued("job", NOW, command="c1"))
    assert after == replace(
        job,
        state=JobState.QUEUED,
        changed_at=NOW,
        attempts=0,
        reason="",
        submission=None,
        publication=None,
        published_at=0.0,
        unsure=True,
        commands=("c1",),
        round=1,
    )


def test_requeued_by_a_drop_remembers_it() -> None:
    """A drop that starts a job again is known when it is seen again."""
    after = evolve(a_job(JobState.FAILED), Requeued("job", NOW, drop=a_drop("d2")))
    assert after is not None
    assert after.drops == (a_drop("d1"), a_drop("d2"))
    assert not after.unsure, "nothing was ever posted"


def test_requeued_in_doubt_counts_anew() -> None:
    """Nobody knows when the POST of a job that failed in doubt had its effect."""
    job = a_job(JobState.FAILED, unsure=True, posted_at=NOW - 500, doubted_at=NOW - 500)
    after = evolve(job, EVENTS[Requeued])
    assert after is not None
    assert (after.unsure, after.doubted_at) == (True, NOW)


def test_requeued_after_the_clock_was_set_back_counts_from_now() -> None:
    """A doubt in the future would last until the clock gets there."""
    after = evolve(a_job(JobState.DONE, doubted_at=NOW + 9e8), EVENTS[Requeued])
    assert after is not None
    assert after.doubted_at == NOW


def test_a_clock_that_was_set_back_does_not_hold_up_what_vanished() -> None:
    """Nor the search for a request that is not there any more."""
    after = evolve(a_job(JobState.FETCHING, posted_at=NOW + 9e8, doubted_at=NOW + 9e8), EVENTS[Vanished])
    assert after is not None
    assert (after.unsure, after.doubted_at) == (True, NOW)


def test_removed_says_whether_the_files_go() -> None:
    """Forgetting with files is remembered until it is done."""
    after = evolve(a_job(JobState.DONE), Removed("job", NOW, files=True, command="c1"))
    assert after is not None
    assert (after.state, after.remove_files, after.commands) == (JobState.REMOVED, True, ("c1",))


def test_fold_of_a_whole_life() -> None:
    """A life from drop to discard leaves no job."""
    life = [EVENTS[kind] for kind in (Queued, Submitting, Submitted, CloudReady, Published, Removed)]
    assert fold(life)["job"].state is JobState.REMOVED
    assert fold([*life, EVENTS[Discarded]]) == {}


def test_the_diagram_is_the_table() -> None:
    """Every transition and every debt is an entry of the picture."""
    drawn = life_diagram()
    assert drawn.startswith("stateDiagram-v2\n    [*] --> QUEUED: Queued\n")
    assert "    REMOVED --> [*]: Discarded\n" in drawn
    for state, row in TRANSITIONS.items():
        for kind, after in row.items():
            arrows = [
                line
                for line in drawn.splitlines()
                if line.strip().startswith(f"{state.name} --> {after.name}:")
            ]
            assert len(arrows) == 1
            assert kind.__name__ in arrows[0].partition(":")[2].replace(",", " ").split()
    for state, debt in OWES.items():
        assert f"    note right of {state.name}: owes {debt}\n" in drawn


def test_another_category_changes_nothing_else() -> None:
    """A job that is counted elsewhere is still where it was in its life, and remembers who asked."""
    job = a_job(JobState.CLOUD, attempts=3, reason="slow", retry_at=NOW)
    after = evolve(job, EVENTS[Recategorized])
    assert after == replace(job, destination=Destination("film", "/out/film"), commands=("c1",))
