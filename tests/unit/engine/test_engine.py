"""The engine: what it records, what it begins, and what it leaves alone."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from offcloud_watchd.core.effects import Adopt, Clear, Consult, Discard, Fetch, Poll, Report, Submit, Trace
from offcloud_watchd.core.events import (
    Answered,
    CategoryDropped,
    CategoryMade,
    Cleared,
    Discarded,
    Failed,
    Granted,
    Imported,
    NotFound,
    Queued,
    Recalled,
    Reported,
    Resumed,
    Submitted,
    Vanished,
)
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import (
    Advanced,
    Asked,
    Heard,
    LookAgain,
    Looked,
    Outcome,
    Probed,
    Stopping,
)
from offcloud_watchd.core.model import (
    BadLine,
    Intake,
    Job,
    JobState,
    Lane,
    LinkKind,
    Links,
    Naming,
    Progress,
    Removal,
    Submission,
    Verb,
)
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.core.ports import Look
from offcloud_watchd.engine.standing import UNRECORDABLE_MOST
from offcloud_watchd.errors import Blocked, Cancelled, Gone, NoRoom, Permanent, Transient
from tests.fakes.jobs import NOW, a_job, a_link, an_intake
from tests.unit.engine.desk import POLICY, RESCAN_S, Desk

CLOUD, FETCHING = JobState.CLOUD, JobState.FETCHING


def kinds(desk: Desk) -> list[str]:
    """Return what was recorded, by name."""
    return [type(event).__name__ for event in desk.events()]


# --- an ordinary life ---


def test_a_whole_life() -> None:
    """From the drop to the release, each record before the act that depends on it."""
    desk = Desk()
    desk.turn()
    assert desk.lanes.looks == 1
    desk.turn(desk.wish(an_intake("one")))
    assert len(desk.lanes.settled) == 1
    [submit] = desk.take()
    assert isinstance(submit, Submit)
    assert kinds(desk) == ["Queued", "Submitting"], "the intent is durable before the POST"
    desk.turn(desk.submitted(submit))
    assert desk.take() == [], "it has nothing to tell yet"
    desk.later(POLICY.poll_min_s)
    [poll] = desk.take()
    desk.turn(desk.ready(poll))
    [fetch] = desk.take()
    desk.turn(desk.published(fetch))
    assert desk.take() == []
    assert kinds(desk)[2:] == ["Submitted", "CloudReady", "Published"]
    [job] = desk.engine.jobs.values()
    assert job.state is JobState.DONE
    assert desk.lanes.tidied == [fetch.job], "staging is cleared when the release is recorded"
    assert desk.engine.jobs == desk.journal.fold()


def test_the_key_is_tried_at_the_start() -> None:
    """A refused key is known before the first drop."""
    desk = Desk()
    desk.engine.start()
    assert desk.lanes.probes == [Lane.API]
    desk.turn(Probed(Lane.API, Blocked("api", "the key was refused", key_refused=True)))
    assert desk.engine.picture().pauses[Lane.API].key_refused


def test_one_sync_for_all_that_came_at_once() -> None:
    """A thousand drops and the first intents cost one sync together."""
    desk = Desk()
    desk.turn(desk.found([an_intake(f"k{n}", drop_id=f"d{n}") for n in range(1000)]))
    assert len(desk.engine.jobs) == 1000
    assert desk.journal.syncs == 1
    assert len(desk.take()) == 2, "no more than there are places"


def test_the_picture_shows_what_is_owed() -> None:
    """Readers see open jobs with their progress, counts of all, and the folders."""
    desk = Desk(a_job(CLOUD), a_job(JobState.DONE, id="done", key="two"))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    progress = Progress(fraction=0.5)
    desk.turn(Outcome(poll, progress=progress))
    picture = desk.engine.picture()
    assert picture.active == [(desk.job(), progress)]
    assert picture.counts[CLOUD] == picture.counts[JobState.DONE] == 1
    assert picture.counts[JobState.FAILED] == 0
    assert (picture.journal_problem, dict(picture.pauses), picture.at) == ("", {}, desk.clock.now())


# --- polls and waiting ---


def test_polls_are_spaced() -> None:
    """A job that is not ready is asked for again later, and the engine says when."""
    desk = Desk(a_job(CLOUD, changed_at=NOW))
    assert desk.turn(desk.found([])) == POLICY.poll_min_s
    desk.later(POLICY.poll_min_s)
    poll, _ = desk.begun()
    assert desk.turn(Outcome(poll, progress=Progress())) == POLICY.poll_min_s
    assert desk.take() == []
    desk.later(POLICY.poll_min_s)
    assert [type(act) for act in desk.take()] == [Poll]


def test_retry_polls_at_once() -> None:
    """The operator does not wait for the next poll."""
    desk = Desk(a_job(CLOUD))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    desk.turn(Outcome(poll, progress=Progress()))
    desk.turn(desk.say(Verb.RETRY))
    assert [type(act) for act in desk.take()] == [Poll]


def test_a_service_that_works_again_forgives() -> None:
    """The event of a good poll after bad ones is recorded, and the poll stays spaced."""
    desk = Desk(a_job(CLOUD, attempts=5))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    desk.turn(Outcome(poll, Resumed("job", NOW), Progress()))
    assert desk.job().attempts == 0
    assert desk.take() == []


def test_a_failure_defers() -> None:
    """The verdict on an error is recorded, and the job waits."""
    desk = Desk(a_job(FETCHING))
    desk.turn(desk.found([]))
    fetch, _ = desk.begun()
    wait_s = desk.turn(Outcome(fetch, error=Transient("timeout")))
    assert kinds(desk) == ["Deferred"]
    assert desk.take() == []
    assert 0 < wait_s <= RESCAN_S
    desk.later(RESCAN_S)
    assert [type(act) for act in desk.take()] == [Fetch]


def test_many_are_asked_about_in_one_round() -> None:
    """It takes one place of the lane and goes first; the next waits until all are answered, and longer."""
    jobs = [a_job(CLOUD, id=f"c{number}", key=f"c{number}", changed_at=NOW - 40) for number in range(9)]
    desk = Desk(*jobs, api=2)
    desk.turn(desk.wish(an_intake("one", "two")))
    acts = desk.take()
    polls, [submit] = acts[:9], acts[9:]
    assert {type(act) for act in polls} == {Poll}
    assert desk.lanes.rounds == 1
    desk.turn(*(Outcome(poll, heard=Heard.TOGETHER) for poll in polls[:8]), desk.submitted(submit, "R9"))
    assert [type(act) for act in desk.take()] == [Submit], "a round under way keeps no submission waiting"
    desk.later(60)
    assert desk.take() == [], "no second round at once"
    desk.turn(Outcome(polls[8], heard=Heard.ALONE))
    assert desk.take() == []
    desk.later(POLICY.poll_min_s)
    again = [act.job.id for act in desk.take()]
    assert again == [*(f"c{number}" for number in range(8)), submit.job.id], "c8 was only just asked about"


def test_who_was_not_heard_of_is_due_as_before() -> None:
    """The next round asks about it first."""
    desk = Desk(*(a_job(CLOUD, id=name, key=name) for name in "abcdef"))
    desk.turn(desk.found([]))
    polls = desk.take()
    desk.turn(
        *(Outcome(poll, heard=Heard.TOGETHER) for poll in polls[:-1]), Outcome(polls[-1], heard=Heard.NOT)
    )
    assert desk.take() == []
    desk.later(POLICY.poll_min_s)
    assert [act.job.id for act in desk.take()] == ["f"]


def test_a_round_knows_who_was_asked_about_alone() -> None:
    """So that the progress of all is looked at in turn; it is forgotten with the stay in the cloud."""
    desk = Desk(a_job(CLOUD))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    assert poll == Poll(desk.job())
    desk.turn(Outcome(poll, progress=Progress()))
    desk.later(300)
    again, _ = desk.begun()
    assert again == Poll(desk.job(), detailed_at=NOW)
    desk.turn(Outcome(again, Failed("job", desk.clock.now(), "no seeds")))
    desk.turn(desk.say(Verb.RETRY))
    adopt, _ = desk.begun()
    desk.turn(Outcome(adopt, Submitted("job", desk.clock.now(), Submission("R2", "created"))))
    desk.later(POLICY.poll_min_s)
    assert desk.begun()[0] == Poll(desk.job())


def test_rounds_in_vain_come_less_and_less_often() -> None:
    """Nobody is charged for what was not told; an operator's retry ends the waiting."""
    desk = Desk(*(a_job(CLOUD, id=name, key=name) for name in "abcde"))
    desk.turn(desk.found([]))
    for wait_s in (10.0, 20.0, 40.0):
        polls = desk.take()
        assert len(polls) == 5
        desk.turn(*(Outcome(poll, heard=Heard.NOT) for poll in polls))
        desk.later(wait_s - 0.1)
        assert desk.take() == []
        desk.later(0.1)
    desk.turn(*(Outcome(poll, heard=Heard.NOT) for poll in desk.take()))
    desk.turn(desk.say(Verb.RETRY, "a"))
    assert len(desk.take()) == 5
    assert {type(event) for event in desk.events()} == {Resumed}


def test_what_is_ready_at_once_is_not_asked_about() -> None:
    """Neither when it was submitted nor when another job holds it."""
    desk = Desk()
    desk.turn(desk.wish(an_intake("one")))
    submit, _ = desk.begun()
    done = Submitted(submit.job.id, NOW, Submission("R1", "downloaded"))
    desk.turn(Outcome(submit, done))
    assert [type(act) for act in desk.take()] == [Fetch]
    desk.turn(desk.wish(an_intake("one", drop_id="d2", category="film")))
    desk.turn()
    assert kinds(desk)[2:] == ["Submitted", "CloudReady", "Queued", "Submitted", "CloudReady"]


def test_a_request_that_vanished_is_looked_for_then_submitted_once_more() -> None:
    """A second time it fails, with what to do."""
    desk = Desk(a_job(CLOUD))
    desk.later(POLICY.history_lag_s, desk.found([]))
    poll, _ = desk.begun()
    desk.turn(Outcome(poll, error=Gone("request R1 is not known")))
    adopt, _ = desk.begun()
    assert isinstance(adopt, Adopt)
    desk.turn(Outcome(adopt, NotFound("job", desk.clock.now())))
    submit, _ = desk.begun()
    desk.turn(desk.submitted(submit, "R2"))
    desk.later(POLICY.poll_min_s)
    poll, _ = desk.begun()
    desk.turn(Outcome(poll, error=Gone("request R2 is not known")))
    assert kinds(desk) == ["Vanished", "NotFound", "Submitting", "Submitted", "Failed"]
    assert "offcloud-watchd retry" in desk.job().reason


def test_what_vanished_soon_after_the_clock_was_set_is_in_doubt() -> None:
    """Its POST may be younger than the lag of the history, whatever the clock says."""
    desk = Desk(a_job(CLOUD))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    desk.turn(Outcome(poll, error=Gone("request R1 is not known")))
    assert desk.job().doubted_at == desk.clock.now()


def test_it_never_waits_longer_than_the_rescan() -> None:
    """Also while a look is under way and nothing is due for hours."""
    desk = Desk(a_job(retry_at=NOW + 3600))
    assert desk.turn() == RESCAN_S


# --- one request for one content ---


def test_two_categories_share_one_request() -> None:
    """The second is given the first one's request, and is asked about with it."""
    desk = Desk()
    desk.turn(desk.wish(an_intake("one"), an_intake("one", drop_id="d2", category="film")))
    submit, _ = desk.begun()
    assert desk.turn(desk.submitted(submit)) == 0.0, "what was shared is turned to at once"
    shared = desk.events()[-1]
    assert isinstance(shared, Submitted)
    assert (shared.adopted, shared.posted_at) == (True, submit.job.posted_at)
    desk.later(POLICY.poll_min_s)
    assert [type(act) for act in desk.take()] == [Poll, Poll]


def test_two_categories_share_what_is_given_at_once() -> None:
    """One asks for the links and both fetch; of what was lost nothing is searched for."""
    first, second = (
        a_job(id=name, category=category, route="instant") for name, category in (("a", "tv"), ("b", "film"))
    )
    desk = Desk(first, second)
    desk.turn()
    submit, _ = desk.begun()
    desk.turn(Outcome(submit, error=Transient("reset", maybe_sent=True)))
    desk.later(60)
    again, _ = desk.begun()
    assert isinstance(again, Submit), "not searched for"
    desk.turn(Outcome(again, Granted("a", NOW, Submission("I1"))))
    desk.turn()
    assert {desk.job("a").submission, desk.job("b").submission} == {Submission("I1")}
    assert [type(act) for act in desk.take()] == [Fetch], "one transfer, whose files the other links"


def test_anothers_post_is_searched_for_first() -> None:
    """A job whose content another job has posted searches the account before its own POST."""
    desk = Desk(a_job(JobState.DONE, id="other", posted_at=NOW - 900, category="film"))
    assert desk.turn(desk.wish(an_intake("one", drop_id="d2"))) == 0.0
    assert kinds(desk) == ["Queued", "Recalled"]
    desk.turn()
    adopt, _ = desk.begun()
    assert isinstance(adopt, Adopt)
    desk.turn(Outcome(adopt, NotFound(adopt.job.id, NOW)))
    assert [type(act) for act in desk.take()] == [Submit], (
        "what was searched for once is not searched for again"
    )


# --- taking what is done out of the account ---


CLEARS = Policy(remove=Removal.PUBLISHED)


def a_done(job_id: str, category: str, **changes: object) -> Job:
    """Return a finished job whose request is to be taken out of the account."""
    return a_job(JobState.DONE, id=job_id, category=category, to_clear=True, **changes)


def test_a_request_is_cleared_once_for_all_that_shared_it() -> None:
    """One removal settles it for every job that had it."""
    desk = Desk(a_done("a", "tv"), a_done("b", "film"), policy=CLEARS)
    desk.turn()
    clear, _ = desk.begun()
    assert isinstance(clear, Clear)
    desk.turn(Outcome(clear, Cleared("a", NOW)))
    assert not desk.job("a").to_clear
    assert not desk.job("b").to_clear
    desk.later(3600)
    assert desk.take() == []


def test_a_removal_that_does_not_work_is_tried_again() -> None:
    """The job is done all the while."""
    desk = Desk(a_done("a", "tv"), policy=CLEARS)
    desk.turn()
    clear, _ = desk.begun()
    desk.turn(Outcome(clear, error=Transient("busy")))
    assert desk.engine.picture().to_clear == 1
    assert (desk.job("a").state, desk.job("a").attempts) == (JobState.DONE, 1)
    assert desk.take() == []
    desk.later(60)
    assert [type(act) for act in desk.take()] == [Clear]


@pytest.mark.parametrize(
    ("other", "policy", "why"),
    [
        (
            a_job(JobState.FAILED, id="b", category="film", submission=Submission("R1")),
            CLEARS,
            "job b (failed)",
        ),
        (a_job(CLOUD, id="b", key="two"), CLEARS, "job b (cloud)"),
        (a_job(JobState.DONE, id="b", key="two"), POLICY, "offcloud.remove"),
    ],
)
def test_a_request_that_may_be_needed_is_left(other: Job, policy: Policy, why: str) -> None:
    """By a job that failed, by one for other content; and when nothing is to be removed any more."""
    desk = Desk(a_done("a", "tv"), other, policy=policy)
    desk.turn()
    assert Clear not in [type(act) for act in desk.take()]
    assert not desk.job("a").to_clear
    assert why in desk.job("a").reason


def test_a_removal_that_ends_late_settles_nothing() -> None:
    """The job began anew meanwhile, and the search for its content waited for the end of the removal."""
    desk = Desk(a_done("a", "tv"), policy=CLEARS)
    desk.turn(desk.found([]))
    clear, stop = desk.begun()
    desk.turn(desk.say(Verb.RETRY, "a"), desk.wish(an_intake("one", drop_id="d2", category="film")))
    assert stop.is_set()
    assert desk.take() == []
    desk.turn(Outcome(clear, Cleared("a", NOW)))
    assert [type(act) for act in desk.take()] == [Adopt]


IMPORTS = Policy(remove=Removal.IMPORTED)


def test_what_was_imported_leaves_the_account_and_then_the_list() -> None:
    """Looked at in rounds; cleared at once, and forgotten when its time comes."""
    desk = Desk(a_job(JobState.DONE, to_import=True), policy=IMPORTS)
    desk.turn()
    look, _ = desk.begun()
    assert isinstance(look, Trace)
    desk.turn(Outcome(look, error=Transient("busy"), heard=Heard.NOT))
    assert desk.events() == []
    desk.later(RESCAN_S)
    assert desk.take() == [], "not so soon"
    desk.later(3600)
    look, _ = desk.begun()
    desk.turn(Outcome(look, Imported("job", desk.clock.now(), "sonarr says so", desk.clock.now() + 900)))
    clear, _ = desk.begun()
    assert isinstance(clear, Clear)
    desk.turn(Outcome(clear, Cleared("job", desk.clock.now())))
    desk.later(800)
    assert desk.job().state is JobState.DONE
    desk.later(100)
    desk.turn()
    assert [type(act) for act in desk.take()] == [Discard]


def test_a_tool_that_has_the_entry_removed_has_imported_it() -> None:
    """What it held in the account goes before the entry is forgotten; also when a look is under way."""
    desk = Desk(a_job(JobState.DONE, to_import=True), policy=IMPORTS)
    desk.turn()
    look, _ = desk.begun()
    desk.turn(desk.say(Verb.FORGET))
    assert desk.job().state is JobState.REMOVED
    desk.turn(Outcome(look, Imported("job", NOW, "its release was taken away", NOW)))
    clear, _ = desk.begun()
    assert isinstance(clear, Clear)
    desk.turn(Outcome(clear, Cleared("job", NOW)))
    assert [type(act) for act in desk.take()] == [Discard]


def test_what_another_job_is_to_have_imported_stays() -> None:
    """Both have the request; whose release is imported last clears it."""
    desk = Desk(
        a_job(JobState.DONE, id="a", to_import=True),
        a_job(JobState.DONE, id="b", to_import=True, category="film"),
        policy=IMPORTS,
    )
    desk.turn()
    first, second = desk.take()
    desk.turn(Outcome(first, Imported("a", NOW, "its release was taken away", NOW)))
    assert Clear not in [type(act) for act in desk.take()]
    desk.turn(Outcome(second, Imported("b", NOW, "its release was taken away", NOW)))
    assert Clear in [type(act) for act in desk.take()]


def test_nothing_waits_for_an_import_that_nobody_wants_any_more() -> None:
    """Another setting: what is published stays as it is."""
    desk = Desk(a_job(JobState.DONE, to_import=True), policy=CLEARS)
    desk.turn()
    assert desk.take() == []
    assert not desk.job().to_import
    assert "not `imported` any more" in desk.job().reason


REPORTS = Policy(reported=frozenset({"tv"}))
TORRENT = replace(a_link(), info_hash_v1="ab" * 20)


def a_failed(**changes: object) -> Job:
    """Return a failed job of which a tool is to be told."""
    return a_job(JobState.FAILED, **{"link": TORRENT, "to_report": True, "reason": "no seeds", **changes})


def test_by_its_name_nothing_is_reported_that_may_be_another_job() -> None:
    """Of the same category and name, as long as that may come to something."""
    named = replace(a_link("file"), kind=LinkKind.FILE)
    namesake = a_job(CLOUD, id="b", key="two")
    desk = Desk(a_failed(link=named), namesake, policy=REPORTS)
    desk.turn()
    assert Report not in [type(act) for act in desk.take()]
    [reported] = [event for event in desk.events() if isinstance(event, Reported)]
    assert reported.reason == "the tool may mean job b by this name"
    others = (replace(namesake, state=JobState.FAILED), replace(namesake, id="c", release="other"))
    desk = Desk(a_failed(link=named), *others, policy=REPORTS)
    desk.turn()
    assert Report in [type(act) for act in desk.take()]


def test_a_refused_drop_is_told_of_and_put_away() -> None:
    """It is a failed job at once; nothing is submitted."""
    desk = Desk(policy=REPORTS)
    links = Links((), (BadLine(None, "it is damaged"),))
    unusable = replace(a_link("file"), kind=LinkKind.FILE, url="")
    desk.turn(desk.wish(replace(an_intake(), links=links, unusable=unusable)))
    assert len(desk.lanes.settled) == 1
    [job] = desk.engine.jobs.values()
    assert (job.state, job.reason, job.to_report) == (JobState.FAILED, "it is damaged", True)
    assert [type(act) for act in desk.take()] == [Report]


def test_a_refused_drop_whose_failure_was_torn_off_is_not_submitted() -> None:
    """Of its two records a power cut kept the first alone: the next start has it fail again."""
    unusable = replace(a_link("file"), kind=LinkKind.FILE, url="")
    desk = Desk(a_job(link=unusable), policy=REPORTS)
    desk.turn()
    assert (desk.job().state, desk.job().to_report) == (JobState.FAILED, True)
    desk.turn()
    assert [type(act) for act in desk.take()] == [Report]


def test_a_failure_is_reported_once() -> None:
    """It is owed from the failure on until it is done, whatever becomes of the process."""
    desk = Desk(a_job(CLOUD, link=TORRENT), policy=REPORTS)
    desk.turn()
    poll, _ = desk.begun()
    desk.turn(Outcome(poll, Failed("job", NOW, "no seeds")))
    report, _ = desk.begun()
    assert isinstance(report, Report)
    assert desk.engine.picture().to_report == 1
    desk.turn(Outcome(report, error=Transient("the tool is down")))
    assert (desk.job().reason, desk.take()) == ("no seeds", [])
    desk.later(60)
    again, _ = desk.begun()
    desk.turn(Outcome(again, Reported("job", NOW)))
    desk.later(36_000)
    assert (desk.take(), desk.engine.picture().to_report) == ([], 0)
    assert kinds(desk) == ["Failed", "Deferred", "Reported"]


def test_who_failed_in_doubt_is_reported_and_searched_for_one_after_the_other() -> None:
    """Never both at once, or the answer to the first would be passed over and its place be lost."""
    doubt = {"unsure": True, "posted_at": NOW - 1000, "doubted_at": NOW - 1000}
    desk = Desk(a_job(link=TORRENT, **doubt), policy=REPORTS)
    desk.turn()
    search, _ = desk.begun()
    desk.turn(Outcome(search, error=Permanent("it cannot be searched for")))
    assert (desk.job().state, desk.job().doubtful) == (JobState.FAILED, True)
    report, _ = desk.begun()
    assert isinstance(report, Report)
    desk.turn(Outcome(report, Reported("job", NOW)))
    again, _ = desk.begun()
    assert isinstance(again, Adopt)
    desk.turn(Outcome(again, NotFound("job", NOW)), desk.wish(an_intake("two", "three")))
    assert [type(act) for act in desk.take()] == [Submit, Submit], "both places are free"


def test_a_failure_is_reported_also_when_the_tool_has_it_removed_first() -> None:
    """A tool deletes the entry before it makes a note, and may get no answer: the note is made sure of."""
    desk = Desk(a_failed(), policy=REPORTS)
    desk.turn()
    report, _ = desk.begun()
    desk.turn(desk.say(Verb.FORGET))
    desk.turn(Outcome(report, Reported("job", NOW)))
    again, _ = desk.begun()
    assert isinstance(again, Report)
    desk.turn(Outcome(again, Reported("job", NOW)))
    assert [type(act) for act in desk.take()] == [Discard]


@pytest.mark.parametrize(
    ("other", "policy", "why"),
    [
        (a_job(CLOUD, id="b"), REPORTS, "it was wanted again since, by job b"),
        (a_job(CLOUD, id="b", key="two"), POLICY, "no `arr` entry has the category tv any more"),
    ],
)
def test_a_failure_that_nobody_waits_for_is_not_reported(other: Job, policy: Policy, why: str) -> None:
    """The tool would take the newer one for the failed one; or it is not there any more."""
    desk = Desk(a_failed(), other, policy=policy)
    desk.turn()
    assert Report not in [type(act) for act in desk.take()]
    assert not desk.job().to_report
    [reported] = [event for event in desk.events() if isinstance(event, Reported)]
    assert reported.reason == why


def test_one_request_for_two_contents_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is guessed, but a person is told (fault 67)."""
    desk = Desk(a_job(CLOUD, id="other", key="two"))
    desk.turn(desk.wish(an_intake("one")))
    submit = next(act for act in desk.take() if isinstance(act, Submit))
    desk.turn(desk.submitted(submit, "R1"))
    event = desk.events()[-1]
    assert isinstance(event, Submitted)
    assert event.also_for == "other"
    assert "which the service gave job other for other content" in caplog.text


# --- late outcomes ---


def test_cancel_calls_back_and_a_late_answer_does_not_count() -> None:
    """A fetch that publishes although it was cancelled changes nothing, and is tidied when it has ended."""
    desk = Desk(a_job(FETCHING))
    desk.turn(desk.found([]))
    fetch, stop = desk.begun()
    desk.turn(desk.say(Verb.CANCEL))
    assert stop.is_set()
    assert desk.lanes.tidied == [], "the fetch may still write"
    desk.turn(desk.published(fetch))
    assert desk.job().state is JobState.FAILED
    assert desk.lanes.tidied == [fetch.job]


def test_a_new_round_waits_for_the_old_fetch_to_end() -> None:
    """One effect in flight per job, also across rounds."""
    desk = Desk(a_job(FETCHING))
    desk.turn(desk.found([]))
    fetch, _ = desk.begun()
    desk.turn(desk.say(Verb.CANCEL), desk.say(Verb.RETRY, command_id="c2"))
    assert (desk.job().state, desk.job().round) == (JobState.QUEUED, 1)
    assert desk.take() == []
    desk.turn(Outcome(fetch, error=Cancelled("stopped")))
    assert [type(act) for act in desk.take()] == [Adopt]
    assert desk.lanes.tidied == [fetch.job]


def test_a_forgotten_job_is_discarded_when_nothing_is_in_the_air() -> None:
    """Discarding waits for what was called back, and then the job leaves."""
    desk = Desk(a_job(FETCHING))
    desk.turn(desk.found([]))
    fetch, stop = desk.begun()
    desk.turn(desk.say(Verb.FORGET))
    assert stop.is_set()
    assert desk.take() == []
    desk.turn(Outcome(fetch, error=Cancelled("stopped")))
    discard, _ = desk.begun()
    assert isinstance(discard, Discard)
    desk.turn(Outcome(discard, Discarded("job", NOW)))
    assert desk.engine.jobs == {}
    desk.turn(Outcome(discard, Discarded("job", NOW)))
    assert desk.engine.jobs == {}, "an answer for a job that left is passed over"


def test_a_drop_joining_meanwhile_spoils_no_answer() -> None:
    """An answer counts although the job was told of another drop since."""
    desk = Desk()
    desk.turn(desk.wish(an_intake("one")))
    submit, _ = desk.begun()
    desk.turn(desk.wish(an_intake("one", drop_id="d2")))
    desk.turn(desk.submitted(submit))
    [job] = desk.engine.jobs.values()
    assert (job.state, len(job.drops)) == (CLOUD, 2)


def test_a_post_nobody_waited_for_renews_the_doubts_about_it() -> None:
    """Whoever searches for a POST that ends only now without an answer must count the lag from now."""
    desk = Desk()
    desk.turn(desk.wish(an_intake("one")))
    submit, _ = desk.begun()
    desk.later(10, desk.say(Verb.CANCEL, submit.job.id))
    desk.later(500, desk.say(Verb.RETRY, submit.job.id, "c2"))
    doubted_at = desk.job(submit.job.id).doubted_at
    desk.later(60, Outcome(submit, error=Transient("no answer", maybe_sent=True)))
    job = desk.job(submit.job.id)
    assert (job.unsure, job.doubted_at) == (True, doubted_at + 60)
    assert [type(act) for act in desk.take()] == [Adopt]


def test_what_is_cancelled_in_the_air_takes_its_answer() -> None:
    """The request is in the books as ours; whoever begins anew meanwhile goes on with it."""
    desk = Desk()
    desk.turn(desk.wish(an_intake("one")))
    submit, _ = desk.begun()
    desk.later(10, desk.say(Verb.CANCEL, submit.job.id))
    desk.later(10, desk.submitted(submit))
    job = desk.job(submit.job.id)
    assert (job.state, job.submission, job.unsure) == (JobState.FAILED, Submission("R1", "created"), False)
    assert desk.take() == []
    again = Desk()
    again.turn(again.wish(an_intake("one")))
    submit, _ = again.begun()
    again.later(10, again.say(Verb.CANCEL, submit.job.id))
    again.later(10, again.say(Verb.RETRY, submit.job.id, "c2"))
    again.later(10, again.submitted(submit))
    assert again.job(submit.job.id).state is JobState.CLOUD


def test_what_is_cancelled_in_the_air_without_an_answer_is_searched_for() -> None:
    """Unless it is certain that nothing was taken."""
    desk = Desk()
    desk.turn(desk.wish(an_intake("one")))
    submit, _ = desk.begun()
    desk.later(10, desk.say(Verb.CANCEL, submit.job.id))
    desk.later(10, Outcome(submit, error=Transient("reset", maybe_sent=True)))
    adopt, _ = desk.begun()
    assert isinstance(adopt, Adopt)
    desk.turn(Outcome(adopt, Answered(adopt.job.id, desk.clock.now(), Submission("R1"))))
    assert desk.job(submit.job.id).submission == Submission("R1")
    sure = Desk()
    sure.turn(sure.wish(an_intake("one")))
    submit, _ = sure.begun()
    sure.later(10, sure.say(Verb.CANCEL, submit.job.id), Outcome(submit, error=Cancelled("not begun")))
    assert (sure.job(submit.job.id).unsure, sure.take()) == (False, [])


def test_who_is_remembered_is_seen_by_nobody() -> None:
    """It was sent elsewhere and forgotten: searches know of it, readers do not."""
    desk = Desk(a_job(JobState.REMOVED, route="remote", sent=("R1",)))
    desk.turn()
    discard, _ = desk.begun()
    desk.turn(Outcome(discard, Discarded("job", desk.clock.now())))
    assert desk.job().remembered
    seen: list[Overview] = []
    desk.turn(Asked(seen.append))
    assert (seen[0].jobs, seen[0].picture.active, seen[0].picture.counts[JobState.REMOVED]) == ((), [], 0)
    assert Desk(desk.job()).engine.picture().counts[JobState.REMOVED] == 0


def test_a_late_post_of_a_forgotten_job_is_not_made_again_by_another() -> None:
    """A search that began before a POST came to its end proves nothing: another category searches anew."""
    desk = Desk()
    desk.turn(desk.wish(an_intake("one")))
    submit, _ = desk.begun()
    desk.later(10, desk.say(Verb.FORGET, submit.job.id))
    desk.turn(desk.wish(an_intake("one", drop_id="d2", category="film")))
    desk.turn()
    adopt, _ = desk.begun()
    assert isinstance(adopt, Adopt)
    desk.later(500, desk.submitted(submit))
    film = desk.job(adopt.job.id)
    assert (film.unsure, film.doubted_at) == (True, desk.clock.now())
    assert [type(act) for act in desk.take()] == [Discard]
    desk.turn(Outcome(adopt, NotFound(film.id, desk.clock.now())))
    assert desk.job(film.id).unsure, "it was not there when the search began"
    assert [type(act) for act in desk.take()] == [Adopt]


# --- the clock ---


def test_doubts_are_renewed_at_the_start() -> None:
    """Nobody knows how long ago an unanswered POST was made: the clock may be another one."""
    desk = Desk(a_job(unsure=True, posted_at=NOW - 9000, doubted_at=NOW - 9000))
    desk.turn()
    assert desk.events() == [Recalled("job", NOW, NOW - 9000)]
    assert [type(act) for act in desk.take()] == [Adopt]


def test_a_clock_that_was_set_spoils_a_search() -> None:
    """A proof of absence that counts on the old time is no proof."""
    desk = Desk(a_job(unsure=True, posted_at=NOW))
    desk.turn()
    adopt, _ = desk.begun()
    desk.clock.time_s += 3600
    desk.turn(Outcome(adopt, NotFound("job", desk.clock.now())))
    job = desk.job()
    assert (job.unsure, job.doubted_at) == (True, desk.clock.now())
    assert [type(act) for act in desk.take()] == [Adopt]


def test_a_job_begun_anew_soon_after_the_clock_was_set_is_in_doubt() -> None:
    """Its answered POST may be younger than the lag of the history, whatever the clock says."""
    desk = Desk(a_job(JobState.DONE))
    desk.later(10, desk.say(Verb.RETRY))
    assert desk.job().doubted_at == desk.clock.now()
    settled = Desk(a_job(JobState.DONE))
    settled.later(POLICY.history_lag_s + 1, settled.say(Verb.RETRY))
    assert settled.job().doubted_at == NOW - 990


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_request_is_known_to_be_there_since_the_clock_was_set(step_s: float) -> None:
    """Whether the account lacks it late enough is told by the clock as it goes now."""
    desk = Desk(a_job(CLOUD))
    desk.turn()
    poll, _ = desk.begun()
    assert poll == Poll(desk.job())
    desk.clock.time_s += step_s
    set_at = desk.clock.now()
    desk.turn(Outcome(poll))
    desk.later(POLICY.poll_max_s)
    again, _ = desk.begun()
    assert isinstance(again, Poll)
    assert again.there_at == set_at


def test_what_a_journal_tells_of_the_future_is_there_since_the_start() -> None:
    """The clock was set back while nobody ran."""
    desk = Desk(a_job(CLOUD, changed_at=NOW + 3600), a_job(CLOUD, id="b", key="b"))
    desk.turn()
    polls = [act for act in desk.take() if isinstance(act, Poll)]
    assert {poll.job.id: poll.there_at for poll in polls} == {"job": NOW, "b": 0.0}


def test_a_clock_set_back_holds_nothing_up() -> None:
    """Polls and probes whose time is in the new future are due at once."""
    desk = Desk(a_job(CLOUD), a_job(FETCHING, id="f", key="f"))
    desk.turn(desk.found([]))
    poll, fetch = desk.take()
    desk.turn(Outcome(poll, progress=Progress()), Outcome(fetch, error=Blocked("fetch", "disk full")))
    desk.clock.time_s -= 100_000
    desk.turn()
    assert [type(act) for act in desk.take()] == [Poll]
    assert desk.lanes.probes == [Lane.FETCH]


def test_what_vanished_before_the_clock_was_set_back_is_doubted_from_now() -> None:
    """The lane still told the old time: a doubt in the future would last until the clock gets there."""
    desk = Desk(a_job(CLOUD, posted_at=NOW))
    desk.later(10)
    [poll] = desk.take()
    seen_at = desk.clock.now()
    desk.clock.time_s -= 100_000
    desk.turn(Outcome(poll, Vanished("job", seen_at)))
    job = desk.job()
    assert (job.unsure, job.doubted_at) == (True, desk.clock.now())


# --- lanes that cannot work ---


def test_a_blocked_lane_pauses_probes_and_goes_on() -> None:
    """No job is charged, nothing is begun, the lane is tried and works again."""
    desk = Desk(a_job(CLOUD))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    wait_s = desk.turn(Outcome(poll, error=Blocked("api", "no plan")))
    assert desk.events() == []
    assert desk.engine.picture().pauses[Lane.API].reason == "no plan"
    assert wait_s == RESCAN_S
    desk.later(30, desk.found([]))
    assert desk.lanes.probes == [Lane.API]
    assert desk.take() == []
    desk.turn(Probed(Lane.API))
    assert not desk.engine.picture().pauses
    assert [type(act) for act in desk.take()] == [Poll]


def test_a_job_without_room_waits_alone() -> None:
    """The lane works for others; it is asked again by itself, nothing is charged, one record says why."""
    desk = Desk(a_job(FETCHING, changed_at=NOW))
    desk.turn(desk.found([]))
    fetch, _ = desk.begun()
    desk.turn(Advanced("job", Progress(5, 10, bytes_per_s=3.0)))
    wait_s = desk.turn(Outcome(fetch, error=NoRoom("needs 5.00GiB")))
    assert not desk.engine.picture().pauses
    assert 5.0 <= wait_s <= 6.25
    assert (desk.job().attempts, desk.job().reason, desk.job().state) == (0, "needs 5.00GiB", FETCHING)
    ((_, progress),) = desk.engine.picture().active
    assert progress == Progress(5, 10)
    for _ in range(5):
        assert desk.take() == []
        desk.later(75)
        again, _ = desk.begun()
        desk.turn(Outcome(again, error=NoRoom("needs 5.00GiB")))
    assert kinds(desk) == ["Deferred"]
    desk.turn(desk.say(Verb.RETRY))
    now_there, _ = desk.begun()
    desk.turn(desk.published(now_there))
    assert (desk.job().state, desk.job().reason) == (JobState.DONE, "")


def test_a_blocked_submission_closes_its_intent() -> None:
    """Nothing was taken: after the pause it is submitted without a search."""
    desk = Desk()
    desk.turn(desk.wish(an_intake("one")))
    submit, _ = desk.begun()
    desk.turn(Outcome(submit, error=Blocked("api", "quota used up")))
    assert desk.job(submit.job.id).reason == "quota used up"
    desk.turn(Probed(Lane.API))
    assert [type(act) for act in desk.take()] == [Submit]


def test_retry_probes_a_paused_lane_at_once() -> None:
    """The operator has mended something and does not wait for the next probe."""
    desk = Desk(a_job(CLOUD))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    desk.turn(Outcome(poll, error=Blocked("api", "no plan")))
    desk.turn(desk.say(Verb.RETRY))
    assert desk.lanes.probes == [Lane.API]


def test_what_another_lane_blocks_is_not_begun_again_at_once() -> None:
    """A fetch that the api lane blocks does not run in circles while its own lane is free."""
    desk = Desk(a_job(FETCHING))
    desk.turn(desk.found([]))
    fetch, _ = desk.begun()
    desk.turn(Outcome(fetch, error=Blocked("api", "the key was refused")))
    assert list(desk.engine.picture().pauses) == [Lane.API]
    assert desk.take() == []
    desk.later(30)
    assert [type(act) for act in desk.take()] == [Fetch]


def test_a_late_answer_can_still_tell_that_a_lane_is_blocked() -> None:
    """Whatever became of the job, the key is refused."""
    desk = Desk(a_job(CLOUD))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    desk.turn(desk.say(Verb.CANCEL))
    desk.turn(Outcome(poll, error=Blocked("api", "the key was refused")))
    assert Lane.API in desk.engine.picture().pauses


# --- looking ---


def test_a_look_that_went_wrong_is_repeated() -> None:
    """Nothing is consumed, it is said, and the next look comes with the rescan."""
    desk = Desk()
    desk.turn()
    assert desk.turn(Looked(None, OSError("gone"))) == RESCAN_S
    desk.later(RESCAN_S)
    assert desk.lanes.looks == 2


def test_a_look_that_went_wrong_keeps_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """The text of a foreign exception stays out of the message."""
    desk = Desk()
    desk.turn(Looked(None, ValueError("https://example.invalid/?key=secret")))
    assert "secret" not in caplog.text
    assert "ValueError" in caplog.text


def test_a_hint_brings_a_look_soon() -> None:
    """A change in a folder is looked at at once, a burst of changes not more often than it helps."""
    desk = Desk()
    desk.turn()
    desk.turn(desk.found([]))
    wait_s = desk.turn(LookAgain())
    assert 0 < wait_s < 1
    desk.later(wait_s)
    assert desk.lanes.looks == 2


# --- a journal that takes nothing ---


def test_nothing_is_begun_while_the_journal_takes_nothing() -> None:
    """A drop is neither submitted nor taken away before it is recorded; afterwards all goes on by itself."""
    desk = Desk()
    desk.journal.tears = lambda _count: 0
    assert desk.turn(desk.wish(an_intake("one"))) == 5.0
    assert (desk.take(), desk.lanes.settled, dict(desk.engine.jobs)) == ([], [], {})
    assert "no space" in desk.engine.picture().journal_problem
    desk.journal.tears = lambda _count: None
    desk.later(2)
    assert desk.take() == []
    desk.later(3)
    assert [type(act) for act in desk.take()] == [Submit]
    assert len(desk.lanes.settled) == 1
    assert desk.engine.picture().journal_problem == ""
    assert desk.journal.fold() == desk.engine.jobs


def test_a_journal_that_cannot_be_renewed_is_tried_again() -> None:
    """The first message about it is enough."""
    desk = Desk()
    desk.journal.tears, desk.journal.renewable = lambda _count: 0, False
    desk.turn(desk.wish(an_intake("one")))
    assert desk.later(5) == 5.0
    desk.journal.tears, desk.journal.renewable = lambda _count: None, True
    desk.later(5)
    assert len(desk.engine.jobs) == 1


def test_an_intent_that_is_not_durable_is_not_acted_on() -> None:
    """The POST waits until its intent is on the disk."""
    desk = Desk(a_job())
    desk.journal.tears = lambda _count: 1
    desk.turn()
    assert desk.take() == []
    assert desk.job() == a_job(), "and what is not recorded did not happen"
    desk.journal.tears = lambda _count: None
    desk.later(5)
    assert [type(act) for act in desk.take()] == [Submit]


def test_what_is_not_durable_is_not_taken_away() -> None:
    """A drop stays in its folder, and no look finds it again, until it and its intent are on the disk."""
    desk = Desk()
    desk.turn()
    desk.journal.tears = lambda _count: 1
    desk.turn(desk.wish(an_intake("one")))
    assert (desk.lanes.settled, desk.take(), desk.lanes.looks, dict(desk.engine.jobs)) == ([], [], 1, {})
    desk.journal.tears = lambda _count: None
    desk.later(5)
    assert len(desk.lanes.settled) == 1
    assert [type(act) for act in desk.take()] == [Submit]


def test_progress_does_not_pile_up_while_the_journal_takes_nothing() -> None:
    """Only what must be recorded is kept for later."""
    desk = Desk(a_job(FETCHING))
    desk.turn(desk.found([]))
    desk.journal.tears = lambda _count: 0
    desk.turn(desk.wish(an_intake("two", drop_id="d2")))
    for percent in range(100):
        desk.turn(Advanced("job", Progress(done_bytes=percent)), LookAgain(), Probed(Lane.API))
    assert desk.engine.picture().active[0][1] == Progress(done_bytes=99)


def test_on_a_strained_journal_what_is_under_way_ends_and_nothing_begins() -> None:
    """The answer in the air is recorded; the next effect, and the look, wait until there is room."""
    desk = Desk(a_job(CLOUD))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    desk.journal.strained = "the disk is full"
    assert desk.turn(desk.ready(poll), LookAgain()) == 5.0
    fetch, _ = desk.begun()  # decided before the disk was known to be full
    looks = desk.lanes.looks
    assert desk.later(100, Outcome(fetch, error=Transient("timeout"))) == 5.0
    assert desk.job().attempts == 1
    desk.later(100)
    assert desk.engine.picture().journal_problem == "the disk is full"
    assert (desk.take(), desk.lanes.looks) == ([], looks)
    desk.journal.strained = ""
    desk.later(5)
    assert [type(effect) for effect in desk.take()] == [Fetch]
    assert desk.lanes.looks == looks + 1
    assert desk.engine.picture().journal_problem == ""


def test_compaction_when_it_is_wanted() -> None:
    """The journal is renewed when that makes it much smaller; when it cannot be, the old one goes on."""
    desk = Desk(a_job(JobState.DONE))
    desk.journal.wants_compaction = True
    desk.turn()
    assert not desk.journal.wants_compaction
    desk.journal.wants_compaction, desk.journal.renewable = True, False
    desk.turn()
    assert not desk.engine.picture().journal_problem
    desk.journal.renewable = True
    desk.turn()
    assert desk.journal.wants_compaction  # not tried again at once: writing it all anew is dear
    desk.clock.advance(600)
    desk.turn()
    assert not desk.journal.wants_compaction


# --- progress ---


def test_progress_belongs_to_what_is_in_the_air() -> None:
    """Late news of an effect that ended are dropped, and a new state begins without progress."""
    desk = Desk(a_job(FETCHING))
    desk.turn(desk.found([]))
    fetch, _ = desk.begun()
    desk.turn(Advanced("job", Progress(done_bytes=5)))
    assert desk.engine.picture().active == [(desk.job(), Progress(done_bytes=5))]
    desk.turn(desk.published(fetch))
    desk.turn(Advanced("job", Progress(done_bytes=6)))
    desk.turn(desk.say(Verb.RETRY))
    assert desk.engine.picture().active == [(desk.job(), None)]


# --- ending ---


def test_stop_waits_for_a_post_and_begins_nothing() -> None:
    """Everything is called back; a POST in flight may end, and its answer is recorded."""
    desk = Desk(a_job(), a_job(FETCHING, id="f", key="f"))
    desk.turn(desk.found([]))
    flights = list(desk.lanes.flights)
    submit, fetch = desk.take()
    wait_s = desk.turn(Stopping())
    assert all(stop.is_set() for _, stop in flights)
    assert not desk.engine.settled_for_stop
    assert wait_s == RESCAN_S, "it does not spin while it waits"
    desk.later(RESCAN_S + 1, Outcome(fetch, error=Cancelled("stopped")))
    assert desk.turn(desk.submitted(submit)) == RESCAN_S
    assert desk.engine.settled_for_stop
    assert desk.job().state is CLOUD
    assert (desk.take(), desk.lanes.looks) == ([], 0)


def test_a_stop_on_a_full_disk_waits_for_nothing_but_the_answer_to_a_post() -> None:
    """A drop that could not be recorded lies in its folder still; what a POST gave is known to us alone."""
    desk = Desk(a_job())
    desk.turn(desk.found([]))
    submit, _ = desk.begun()
    desk.journal.tears = lambda _count: 0
    desk.turn(desk.wish(an_intake("two", drop_id="d2")))
    desk.turn(Stopping())
    assert not desk.engine.settled_for_stop, "the POST is in the air"
    desk.turn(desk.submitted(submit))
    assert not desk.engine.settled_for_stop, "its answer is not recorded"
    desk.journal.tears = lambda _count: None
    desk.later(5)
    assert desk.engine.settled_for_stop
    assert desk.job().state is CLOUD


def test_a_stop_on_a_full_disk_ends_at_once() -> None:
    """There is nothing to wait for when only a look could not be recorded."""
    desk = Desk(a_job(FETCHING))
    desk.turn(desk.found([]))
    desk.journal.tears = lambda _count: 0
    desk.turn(desk.wish(an_intake("two", drop_id="d2")), Stopping())
    assert desk.engine.picture().journal_problem
    assert desk.engine.settled_for_stop


def test_a_post_that_had_not_begun_is_no_doubt() -> None:
    """A submission called back before it began leaves no intent open."""
    desk = Desk(a_job())
    desk.turn(desk.found([]))
    submit, _ = desk.begun()
    desk.turn(Stopping(), Outcome(submit, error=Cancelled("stopped before it began")))
    assert desk.engine.settled_for_stop
    assert not desk.job().unsure


# --- what cannot happen ---


def test_an_event_that_does_not_fit_is_not_recorded(caplog: pytest.LogCaptureFixture) -> None:
    """A bug of ours leaves the journal clean and the others going."""
    desk = Desk(a_job(CLOUD), a_job(CLOUD, id="b", key="b"))
    desk.turn(desk.found([]))
    good, bad = sorted(desk.take(), key=lambda act: act.job.id)
    with caplog.at_level(logging.ERROR):
        desk.turn(Outcome(bad, NotFound("job", NOW)), desk.ready(good))
    assert "event not recorded" in caplog.text
    assert (desk.job().state, desk.job("b").state) == (CLOUD, FETCHING)
    assert kinds(desk) == ["CloudReady"]
    assert [type(act) for act in desk.take()] == [Fetch], "and it is not begun again at once"


def test_a_job_that_can_never_be_recorded_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried a few times and ends as failed, the others do not notice (fault 108)."""
    desk = Desk(a_job(CLOUD), a_job(CLOUD, id="b", key="b"))
    desk.journal.unfit = lambda event: event.job_id == "job" and not isinstance(event, Failed)
    for _ in range(UNRECORDABLE_MOST):
        assert desk.job().state is CLOUD
        desk.later(400, desk.found([]))
        for act in [act for act in desk.take() if isinstance(act, Poll)]:
            desk.turn(desk.ready(act))
        assert desk.job("b").state is FETCHING
    assert (desk.job().state, desk.job().reason) == (
        JobState.FAILED,
        "CloudReady could not be recorded, see the log",
    )
    assert caplog.text.count("event not recorded") == UNRECORDABLE_MOST


def test_a_drop_that_can_not_be_recorded_stays_where_it_is() -> None:
    """It is offered again by the next look; another one of the same look is taken away (fault 108)."""
    desk = Desk()
    desk.journal.unfit = lambda event: isinstance(event, Queued) and event.drop.id == "bad"
    desk.turn(desk.wish(an_intake("one", drop_id="bad"), an_intake("two", drop_id="good")))
    assert [wish.what.drop.id for wish in desk.lanes.settled if isinstance(wish.what, Intake)] == ["good"]
    assert [job.drops[0].id for job in desk.engine.jobs.values()] == ["good"]


def test_commands_for_unknown_jobs_are_taken_away() -> None:
    """There is nothing to do, and that is done once."""
    desk = Desk()
    desk.turn(desk.say(Verb.FORGET, "nobody"))
    assert (len(desk.lanes.settled), desk.events()) == (1, [])


def test_a_service_that_fails_a_job() -> None:
    """The service's own verdict is recorded as it comes; nothing is to be tidied before a fetch."""
    desk = Desk(a_job(CLOUD))
    desk.turn(desk.found([]))
    poll, _ = desk.begun()
    desk.turn(Outcome(poll, Failed("job", NOW, "no seeds")))
    assert desk.job().state is JobState.FAILED
    assert desk.lanes.tidied == []


def test_a_foreign_look_changes_nothing_in_flight() -> None:
    """An empty look with more to come is followed by another at once."""
    desk = Desk()
    desk.turn()
    desk.turn(Looked(Look((), more=True)))
    assert desk.lanes.looks == 2


def test_readers_are_told_what_was_recorded():
    """An answer holds all that came before it in the turn; it is made anew only when a job has changed."""
    desk, heard = Desk(a_job(JobState.DONE, id="old")), []
    desk.turn(Asked(heard.append))
    desk.turn(Asked(heard.append))
    assert [job.id for job in heard[0].jobs] == ["old"]
    assert heard[1].jobs is heard[0].jobs
    desk.turn(desk.say(Verb.FORGET, "old"), Asked(heard.append))
    assert heard[2].jobs[0].state is JobState.REMOVED
    assert heard[0].jobs[0].state is JobState.DONE


def test_readers_are_answered_while_nothing_is_recorded():
    """A journal that takes nothing shows in the picture; readers do not wait for it."""
    desk, heard = Desk(a_job()), []
    desk.journal.tears = lambda _count: 0
    desk.journal.renewable = False
    desk.turn(desk.say(Verb.CANCEL), Asked(heard.append))
    assert heard[0].picture.journal_problem
    desk.turn(Stopping(), Asked(heard.append))
    assert len(heard) == 2


def test_categories_are_recorded_and_shown():
    """A name is durable before the wish is settled, recorded once, and in the next answer."""
    desk, heard = Desk(), []
    desk.turn(desk.wish(Naming("tv/4k"), Naming("film")), Asked(heard.append))
    desk.turn(desk.wish(Naming("tv/4k")))
    desk.turn(desk.wish(Naming("film", drop=True)), Asked(heard.append))
    assert [type(event) for event in desk.events()] == [CategoryMade, CategoryMade, CategoryDropped]
    assert [overview.categories for overview in heard] == [{"tv/4k", "film"}, {"tv/4k"}]
    assert len(desk.lanes.settled) == 4


# --- looks into the cache ---


def choosy(name: str, cached: str = "only") -> Job:
    """Return a queued job for which it matters whether it is cached."""
    return a_job(id=name, key=name, cached=cached)


def test_one_look_tells_who_goes_first_and_who_not_at_all() -> None:
    """The queue is jumped, the uncached is refused with the reason; one look in the air, then a rest."""
    desk = Desk(choosy("a"), choosy("b"), choosy("c", "first"), choosy("d", "first"), api=2)
    desk.turn(desk.found([]))
    looks = desk.take()
    assert [f"{type(act).__name__} {act.job.id}" for act in looks] == [f"Consult {name}" for name in "abcd"]
    assert desk.lanes.consulted == 1
    told = [Outcome(look, heard=Heard.TOGETHER, cached=look.job.id in "bd") for look in looks]
    desk.turn(*told[1:])
    assert [act.job.id for act in desk.take()] == ["d"], "the look still has a place"
    desk.turn(replace(told[0], event=Failed("a", NOW, "not cached")))
    assert [(type(act), act.job.id) for act in desk.take()] == [(Submit, "b")]
    assert desk.job("a").state is JobState.FAILED
    desk.later(60)
    assert desk.lanes.consulted == 1


def test_a_retry_looks_again_at_once() -> None:
    """What was refused, and what waits."""
    desk = Desk(choosy("a"), choosy("b"))
    desk.turn(desk.found([]))
    first, second = desk.take()
    desk.turn(
        Outcome(first, Failed("a", NOW, "not cached"), heard=Heard.TOGETHER, cached=False),
        Outcome(second, heard=Heard.NOT),
    )
    assert desk.take() == []
    desk.turn(desk.say(Verb.RETRY, "a"))
    assert sorted((type(act), act.job.id) for act in desk.take()) == [(Consult, "a"), (Consult, "b")]


def test_looks_in_vain_come_less_and_less_often() -> None:
    """A promise waits for them; nobody is charged."""
    desk = Desk(choosy("a"))
    desk.turn(desk.found([]))
    for wait_s in (10.0, 20.0, 40.0):
        [look] = desk.take()
        desk.turn(Outcome(look, heard=Heard.NOT))
        desk.later(wait_s - 0.1)
        assert desk.take() == []
        desk.later(0.1)
    assert [type(act) for act in desk.take()] == [Consult]
    assert desk.job("a").attempts == 0


def test_a_refused_key_pauses_the_lane_and_the_look_comes_again() -> None:
    """Nothing was told, nothing is recorded of the job."""
    desk = Desk(choosy("a"))
    desk.turn(desk.found([]))
    [look] = desk.take()
    desk.turn(Outcome(look, error=Blocked("api", "the key was refused"), heard=Heard.NOT))
    desk.later(60)
    assert (desk.take(), desk.events()) == ([], [])
    desk.turn(desk.refuse(Lane.API, None))
    assert [type(act) for act in desk.take()] == [Consult]


def test_what_is_told_of_a_job_that_began_anew_does_not_count() -> None:
    """It was cancelled and retried while the look was in the air: it is asked about again."""
    desk = Desk(choosy("a"))
    desk.turn(desk.found([]))
    [look] = desk.take()
    desk.turn(desk.say(Verb.CANCEL, "a", "c1"))
    desk.turn(desk.say(Verb.RETRY, "a", "c2"))
    desk.turn(Outcome(look, Failed("a", NOW, "not cached"), heard=Heard.TOGETHER, cached=False))
    assert desk.job("a").state is JobState.QUEUED
    desk.later(3)
    assert [type(act) for act in desk.take()] == [Consult]


def test_a_bounded_picture_shows_who_is_nearest_to_the_end() -> None:
    """Nobody else is even looked at; how many there are is told."""
    waiting = [a_job(CLOUD, id=f"c{n}", key=f"c{n}") for n in range(9)]
    fetching = a_job(JobState.FETCHING, id="f", key="f")
    picture = Desk(a_job(), *waiting, fetching).engine.picture(3)
    assert [job.id for job, _ in picture.active] == ["f", "c0", "c1"]
    assert picture.left_out == 8
    everybody = Desk(a_job(), *waiting, fetching).engine.picture()
    assert (len(everybody.active), everybody.left_out) == (11, 0)
