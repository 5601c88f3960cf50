"""What failures and searches come to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.core.effects import Act, Adopt, Clear, Discard, Fetch, Poll, Report, Submit, Trace
from offcloud_watchd.core.events import (
    Answered,
    Cleared,
    Deferred,
    Event,
    Failed,
    NotFound,
    Recalled,
    Reported,
    Submitted,
    Vanished,
)
from offcloud_watchd.core.lifecycle import MAX_REASON_CHARS, MAX_WAIT_S, Policy, bounded, evolve
from offcloud_watchd.core.messages import Outcome
from offcloud_watchd.core.model import (
    Destination,
    Job,
    JobState,
    Lane,
    LinkKind,
    Route,
    Submission,
)
from offcloud_watchd.core.verdicts import (
    OURS_WITHIN_S,
    compared,
    doubted_anew,
    foreign,
    in_words,
    judge,
    meant_for_another,
    name_for_tools,
    recalled,
    searched,
    too_late,
    with_report,
)
from offcloud_watchd.errors import Blocked, Cancelled, Contradicted, Gone, NoRoom, Permanent, Transient
from tests.fakes.jobs import NOW, a_drop, a_job, a_link

POLICY = Policy()

ACTS: list[Act] = [
    Submit(a_job(unsure=True, posted_at=NOW)),
    Adopt(a_job(unsure=True, posted_at=NOW)),
    Poll(a_job(JobState.CLOUD)),
    Fetch(a_job(JobState.FETCHING)),
    Discard(a_job(JobState.REMOVED)),
]

acts = pytest.mark.parametrize("act", ACTS, ids=lambda act: type(act).__name__)


def deferred(act: Act, error: BaseException) -> Deferred:
    """Judge, and expect a deferral."""
    verdict = judge(act, error, NOW, POLICY)
    assert isinstance(verdict, Deferred)
    return verdict


@acts
@pytest.mark.parametrize(
    "error", [Blocked("api", "no plan"), Cancelled("stopped")], ids=["blocked", "cancelled"]
)
def test_what_is_nobodys_fault_is_not_charged(act: Act, error: Exception) -> None:
    """Blocked and Cancelled record nothing, but for a submission that its intent is closed."""
    verdict = judge(act, error, NOW, POLICY)
    if isinstance(act, Submit):
        assert verdict == Deferred("job", NOW, str(error), 0.0, charged=False, intent_closed=True)
    else:
        assert verdict is None


def test_why_a_job_waits_for_room_is_recorded_once() -> None:
    """Nothing is charged; however long it waits, the journal does not grow; another reason is told anew."""
    job = a_job(JobState.FETCHING, attempts=3)
    first = judge(Fetch(job), NoRoom("needs 5.00GiB"), NOW, POLICY)
    assert first == Deferred("job", NOW, "needs 5.00GiB", 0.0, charged=False)
    waiting = evolve(job, first)
    assert waiting is not None
    assert (waiting.attempts, waiting.reason) == (3, "needs 5.00GiB")
    assert judge(Fetch(waiting), NoRoom("needs 5.00GiB"), NOW, POLICY) is None
    assert judge(Fetch(waiting), NoRoom("needs 4.00GiB"), NOW, POLICY) is not None


@acts
def test_permanent_fails_the_job(act: Act) -> None:
    """What no time mends ends the job; a removed one can only wait."""
    verdict = judge(act, Permanent("not a torrent"), NOW, POLICY)
    if isinstance(act, Discard):
        assert verdict == Deferred("job", NOW, "not a torrent", NOW + MAX_WAIT_S)
    else:
        assert verdict == Failed("job", NOW, "not a torrent", intent_closed=isinstance(act, Submit))


@pytest.mark.parametrize("act", [Poll, Fetch])
def test_a_lost_request_is_looked_for_and_handed_in_again_once(act: type[Poll | Fetch]) -> None:
    """While it is in the cloud and while it is fetched; the second time is the last."""
    state = JobState.CLOUD if act is Poll else JobState.FETCHING
    gone = Gone("request R1 is not known")
    assert judge(act(a_job(state)), gone, NOW, POLICY) == Vanished("job", NOW)
    assert isinstance(judge(act(a_job(state, vanished="R0")), gone, NOW, POLICY), Failed)


def test_gone_says_what_to_do() -> None:
    """A request deleted in the account is explained."""
    job = a_job(JobState.CLOUD, vanished="R0")
    verdict = judge(Poll(job), Gone("request R1 is not known"), NOW, POLICY)
    assert isinstance(verdict, Failed)
    assert "request R1 is not known" in verdict.reason
    assert "offcloud-watchd retry" in verdict.reason


@acts
def test_transient_is_charged_and_tried_again(act: Act) -> None:
    """Time mends it: within the back-off it is due again, and a submission that was not sent may be sent."""
    verdict = deferred(act, Transient("connection refused"))
    assert verdict.charged
    assert verdict.reason == "connection refused"
    assert NOW + POLICY.backoff_min_s / 2 <= verdict.retry_at <= NOW + POLICY.backoff_min_s
    assert verdict.intent_closed is isinstance(act, Submit)
    assert not verdict.maybe_sent


def test_a_lost_answer_keeps_the_intent_open() -> None:
    """What may have been taken must be searched for."""
    verdict = deferred(ACTS[0], Transient("read timeout", maybe_sent=True))
    assert (verdict.intent_closed, verdict.maybe_sent) == (False, True)


@acts
def test_a_bug_is_charged_and_shows_no_secret(act: Act) -> None:
    """A foreign exception counts an attempt and keeps an intent open; its text is not recorded."""
    verdict = deferred(act, ValueError("https://example.invalid/?key=secret"))
    assert verdict.charged
    assert verdict.reason == "internal error ValueError, see the log"
    assert verdict.maybe_sent is isinstance(act, Submit)
    assert not verdict.intent_closed


@pytest.mark.parametrize("error", [Transient("timeout"), KeyError("x")], ids=["transient", "bug"])
def test_it_gives_up_in_the_end(error: Exception) -> None:
    """After the last attempt the job fails and says how often it was tried."""
    last = a_job(JobState.CLOUD, attempts=POLICY.max_attempts - 1)
    assert isinstance(judge(Poll(a_job(JobState.CLOUD, attempts=58)), error, NOW, POLICY), Deferred)
    verdict = judge(Poll(last), error, NOW, POLICY)
    assert isinstance(verdict, Failed)
    assert verdict.reason.startswith(f"given up after {POLICY.max_attempts} attempts, the last: ")


def test_a_size_told_in_two_ways_is_not_tried_for_days() -> None:
    """Some attempts show that it stays so; what only looks like that for a moment is given its time."""
    error = Contradicted("the service lists a.mkv with 5 bytes, the torrent says 7")
    for attempts in range(POLICY.max_contradictions - 1):
        verdict = judge(Fetch(a_job(JobState.FETCHING, attempts=attempts)), error, NOW, POLICY)
        assert isinstance(verdict, Deferred)
    last = a_job(JobState.FETCHING, attempts=POLICY.max_contradictions - 1)
    verdict = judge(Fetch(last), error, NOW, POLICY)
    assert isinstance(verdict, Failed)
    assert verdict.reason == f"given up after {POLICY.max_contradictions} attempts, the last: {error}"
    assert isinstance(judge(Fetch(last), Transient("cut"), NOW, POLICY), Deferred)


@pytest.mark.parametrize("error", [Permanent("no such call"), Gone("x"), Transient("busy")])
def test_a_request_that_cannot_be_cleared_stays_and_the_job_is_done(error: Exception) -> None:
    """It is tried for long, then left with the reason; what only time mends is tried later."""
    done = a_job(JobState.DONE, to_clear=True)
    if isinstance(error, Transient):
        assert deferred(Clear(done), error).retry_at > NOW
        done = replace(done, attempts=POLICY.max_attempts - 1)
    verdict = judge(Clear(done), error, NOW, POLICY)
    assert isinstance(verdict, Cleared)
    assert str(error) in verdict.reason
    assert judge(Clear(done), Blocked("api", "no key"), NOW, POLICY) is None


def test_a_removed_job_does_not_wait_for_what_cannot_be_cleared() -> None:
    """Its entry goes."""
    verdict = judge(Clear(a_job(JobState.REMOVED, to_clear=True)), Permanent("no such call"), NOW, POLICY)
    assert verdict == Cleared("job", NOW, "no such call")


@pytest.mark.parametrize("error", [Transient("down"), Blocked("disk", "x"), Cancelled("x"), ValueError("x")])
def test_a_look_in_vain_says_nothing(error: Exception) -> None:
    """It is made again, and nobody is charged."""
    waiting = a_job(JobState.DONE, to_import=True, attempts=POLICY.max_attempts)
    assert judge(Trace(waiting, Lane.ARR), error, NOW, POLICY) is None


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.REMOVED])
def test_a_failure_is_reported_however_long_the_tool_is_away(state: JobState) -> None:
    """Nothing is given up; what will never be told is concluded, and a stop records nothing."""
    job = a_job(state, to_report=True, attempts=10 * POLICY.max_attempts)
    assert deferred(Report(job), Transient("down")).retry_at > NOW
    verdict = judge(Report(job), Permanent("no such call"), NOW, POLICY)
    assert verdict == Reported("job", NOW, "no such call")
    assert judge(Report(job), Cancelled("stopped"), NOW, POLICY) is None


def test_what_is_reported() -> None:
    """What a tool may wait for and can know; not what the operator cancelled."""
    policy = replace(POLICY, reported=frozenset({"tv"}))
    job = a_job(JobState.CLOUD, link=replace(a_link(), info_hash_v1="ab" * 20))
    second = a_job(JobState.CLOUD, link=replace(a_link(), info_hash_v2="ab" * 32))
    failed = Failed("job", NOW, "no seeds")
    assert with_report(failed, job, policy).report
    assert with_report(failed, second, policy).report
    assert not with_report(failed, job, POLICY).report
    assert not with_report(failed, a_job(JobState.CLOUD), policy).report
    assert not with_report(replace(failed, command="c1"), job, policy).report


@pytest.mark.parametrize("kind", LinkKind)
def test_what_has_no_hash_is_reported_by_the_name_of_its_file(kind: LinkKind) -> None:
    """Where the tool itself has written that file: into a drop folder."""
    policy = replace(POLICY, reported=frozenset({"tv"}))
    nameable = kind in (LinkKind.FILE, LinkKind.NZB)
    job = a_job(JobState.CLOUD, link=replace(a_link(), kind=kind))
    assert with_report(Failed("job", NOW, "gone"), job, policy).report is nameable
    assert name_for_tools(job) == ("release" if nameable else "")
    assert name_for_tools(replace(job, release=None)) == ""
    assert name_for_tools(replace(job, drops=(a_drop(folder=""),))) == ""


@pytest.mark.parametrize(
    ("made_at", "posted_at", "ours"),
    [
        (None, NOW, True),
        (NOW, NOW, True),
        (NOW - OURS_WITHIN_S, NOW, True),
        (NOW - OURS_WITHIN_S - 1, NOW, False),
        (NOW + 9000, NOW, True),
        (NOW, None, False),
    ],
)
def test_what_was_there_before_it_was_asked_for_is_not_ours(
    made_at: float | None, posted_at: float | None, *, ours: bool
) -> None:
    """The service gives one request for one magnet, whoever asks for it."""
    assert (foreign(a_job(JobState.DONE, posted_at=posted_at), made_at) == "") is ours


def test_one_request_for_two_contents_is_noted() -> None:
    """The same content in another category is what it is meant for; what was forgotten counts no more."""
    event = Submitted("job", NOW, Submission("R1"))
    alike, other = a_job(JobState.CLOUD, id="b"), a_job(JobState.DONE, id="c", key="two")
    gone = a_job(JobState.REMOVED, id="d", key="three")
    assert compared(event, a_job(), [gone, alike]) == event
    assert compared(event, a_job(), [gone, alike, other]).also_for == "c"


def test_a_discard_is_never_given_up() -> None:
    """What a removed job left is tried for ever, seldom."""
    verdict = deferred(Discard(a_job(JobState.REMOVED, attempts=500)), Transient("busy"))
    assert verdict.retry_at == NOW + MAX_WAIT_S


@given(attempts=st.integers(0, 58), job_id=st.text(min_size=1))
def test_the_backoff_doubles_within_bounds(attempts: int, job_id: str) -> None:
    """Doubling, capped, and jitter only shortens it, to a half at the most."""
    job = a_job(JobState.CLOUD, attempts=attempts, id=job_id)
    wait_s = deferred(Poll(job), Transient("x")).retry_at - NOW
    full_s = min(POLICY.backoff_min_s * 2.0**attempts, POLICY.backoff_max_s)
    assert full_s / 2 - 1e-3 <= wait_s <= full_s + 1e-3


def test_jobs_that_fail_together_do_not_come_back_together() -> None:
    """The jitter differs from job to job and is the same for the same job."""
    waits = [deferred(Poll(a_job(JobState.CLOUD, id=f"j{n}")), Transient("x")).retry_at for n in range(20)]
    assert len(set(waits)) > 15
    assert waits[0] == deferred(Poll(a_job(JobState.CLOUD, id="j0")), Transient("x")).retry_at


@pytest.mark.parametrize(
    ("asked_s", "least_s", "most_s"),
    [(-5.0, 2.5, 5.0), (0.0, 2.5, 5.0), (1.0, 2.5, 5.0), (90.0, 90.0, 90.0), (1e12, MAX_WAIT_S, MAX_WAIT_S)],
)
def test_retry_after_is_honoured_within_reason(asked_s: float, least_s: float, most_s: float) -> None:
    """Never sooner than was asked, never sooner than our own back-off, never later than six hours."""
    verdict = deferred(ACTS[2], Transient("slow down", retry_after_s=asked_s))
    assert NOW + least_s <= verdict.retry_at <= NOW + most_s


def test_a_foreign_route_or_job_recalls_nothing() -> None:
    """Only another job's POST for the same content on the same route counts."""
    job = a_job()
    elsewhere = a_job(id="b", posted_at=NOW - 9, destination=Destination("tv", "/out/tv", Route.REMOTE))
    assert recalled(job, [job, elsewhere, a_job(id="c")], NOW) is None
    at_once = a_job(route="instant")
    assert recalled(at_once, [a_job(id="b", route="instant", posted_at=NOW - 9)], NOW) is None


def test_each_post_of_another_is_recalled_once() -> None:
    """The latest POST counts, and one that was searched for counts no more."""
    others = [a_job(id="b", posted_at=NOW - 9), a_job(JobState.REMOVED, id="c", posted_at=NOW - 5)]
    assert recalled(a_job(), others, NOW) == Recalled("job", NOW, NOW - 5)
    assert recalled(a_job(posted_at=NOW - 7), others, NOW) == Recalled("job", NOW, NOW - 5)
    assert recalled(a_job(posted_at=NOW - 5), others, NOW) is None


def test_only_an_unsure_job_doubts_anew() -> None:
    """The doubt of a job begins again under the same name; a job without doubt has none."""
    unsure = a_job(unsure=True, posted_at=NOW - 900)
    assert doubted_anew(unsure, NOW) == Recalled("job", NOW, NOW - 900)
    assert doubted_anew(a_job(posted_at=NOW - 900), NOW) is None
    ended = a_job(JobState.FAILED, unsure=True, posted_at=NOW - 900)
    assert doubted_anew(ended, NOW) == Recalled("job", NOW, NOW - 900)
    assert doubted_anew(replace(ended, state=JobState.REMOVED), NOW) is None, "it is forgotten"
    away = a_job(JobState.REMOVED, unsure=True, posted_at=NOW - 900, route="remote")
    assert doubted_anew(away, NOW) == Recalled("job", NOW, NOW - 900)
    assert doubted_anew(a_job(unsure=True), NOW) is None


def test_what_is_found_is_adopted() -> None:
    """A request in the account ends the search, however young the doubt."""
    found = Submission("R9")
    verdict = searched(a_job(unsure=True, doubted_at=NOW), found, NOW, NOW, POLICY)
    assert verdict == Submitted("job", NOW, found, adopted=True)


def test_what_is_found_of_a_job_that_ended_is_told_it() -> None:
    """It does not go on by that."""
    found = Submission("R9")
    job = a_job(JobState.FAILED, unsure=True, doubted_at=NOW)
    assert searched(job, found, NOW, NOW, POLICY) == Answered("job", NOW, found)


def test_an_ended_job_is_searched_for_with_patience() -> None:
    """It cannot fail again; an account that cannot be searched at all holds nothing."""
    job = a_job(JobState.FAILED, unsure=True, posted_at=NOW - 9, attempts=POLICY.max_attempts)
    late = judge(Adopt(job), Transient("down"), NOW, POLICY)
    assert isinstance(late, Deferred)
    assert late.retry_at == NOW + MAX_WAIT_S
    assert judge(Adopt(job), Permanent("no such call"), NOW, POLICY) == NotFound("job", NOW)


def late(job: Job, error: BaseException | None = None, **posted: object) -> Event | None:
    """Return what follows for a job from a late answer to its POST."""
    submit = Submit(replace(a_job(unsure=True, posted_at=NOW - 9), **posted))  # type: ignore[arg-type] # members
    answer = None if error else Submitted("job", NOW - 1, Submission("R1"))
    return too_late(submit, Outcome(submit, answer, error=error), job, NOW)


def test_an_answer_that_comes_too_late_still_counts() -> None:
    """It closes the doubt of who has ended, and is what another begin would look for."""
    doubt = {"unsure": True, "posted_at": NOW - 9}
    assert late(a_job(JobState.FAILED, **doubt)) == Answered("job", NOW, Submission("R1"))
    assert late(a_job(JobState.REMOVED, **doubt)) == Answered("job", NOW, Submission("R1"))
    assert late(a_job(round=1, **doubt)) == Submitted("job", NOW, Submission("R1"))
    there = a_job(route="remote").destination
    assert late(a_job(round=1, destination=there, **doubt)) is None, "the cloud's request is no transfer"
    assert late(a_job(JobState.DONE)) is None


def test_a_failure_that_comes_too_late_counts_where_nothing_was_taken() -> None:
    """Else the account is searched; and only the very POST it is about is closed."""
    job = a_job(JobState.FAILED, unsure=True, posted_at=NOW - 9)
    for error in (Cancelled("stopped"), Permanent("no"), Blocked("api", "no"), Transient("refused")):
        assert late(job, error) == NotFound("job", NOW)
    assert late(job, Transient("reset", maybe_sent=True)) is None
    assert late(job, ValueError("a bug")) is None
    assert late(replace(job, round=1), Cancelled("stopped")) is None


@pytest.mark.parametrize(
    ("own", "rivals", "made_at", "another"),
    [
        (0, [], -900, False),
        (0, [40], 0, False),
        (0, [40], 19, False),
        (0, [40], 20, True),
        (0, [900], 839, False),
        (0, [900], 840, True),
        (40, [0], 19, True),
        (40, [0], 20, False),
        (40, [0, 80], 50, False),
        (40, [0, 80], 70, True),
        (0, [0], -1, False),
        (0, [0], 1, False),
        (40, [0], None, False),
    ],
)
def test_a_request_belongs_to_the_latest_post_before_it(
    own: float, rivals: list[float], made_at: float | None, *, another: bool
) -> None:
    """With some grace for a clock that is late: half of what lies between two POSTs, a minute at the most."""
    job = a_job(route="remote", unsure=True, posted_at=NOW + own)
    made = None if made_at is None else NOW + made_at
    assert meant_for_another(job, [NOW + rival for rival in rivals], made) is another


@pytest.mark.parametrize(
    ("doubted_at", "as_of", "proof"),
    [
        (NOW - POLICY.history_lag_s, NOW, True),
        (NOW - POLICY.history_lag_s + 1, NOW, False),
        (NOW - 9000, NOW - 9000 + POLICY.history_lag_s - 1, False),
        (NOW - 9000, NOW - 10, True),
        (NOW - 9000, NOW + 10, False),
        (NOW + 9000, NOW, False),
    ],
)
def test_absence_is_a_proof_only_after_the_lag(doubted_at: float, as_of: float, *, proof: bool) -> None:
    """A listing proves absence when it is late enough, and not from the future."""
    verdict = searched(a_job(unsure=True, doubted_at=doubted_at), None, as_of, NOW, POLICY)
    if proof:
        assert verdict == NotFound("job", NOW)
    else:
        assert isinstance(verdict, Deferred)
        assert (verdict.charged, verdict.intent_closed, verdict.retry_at) == (False, False, NOW + 30)


@pytest.mark.parametrize(("lag_s", "wait_s"), [(0.5, 1.0), (40.0, 10.0), (1e6, 30.0)])
def test_the_search_is_repeated_at_a_fair_pace(lag_s: float, wait_s: float) -> None:
    """A quarter of the lag, within a second and half a minute."""
    verdict = searched(a_job(unsure=True, doubted_at=NOW), None, NOW, NOW, Policy(history_lag_s=lag_s))
    assert isinstance(verdict, Deferred)
    assert verdict.retry_at == NOW + wait_s


def test_reasons_are_bounded() -> None:
    """Whatever a server says, a record stays small."""
    assert bounded("short") == "short"
    assert len(bounded("x" * 10_000)) == MAX_REASON_CHARS
    assert len(in_words(Transient("x" * 10_000))) == MAX_REASON_CHARS
    verdict = judge(ACTS[2], Permanent("x" * 10_000), NOW, POLICY)
    assert isinstance(verdict, Failed)
    assert len(verdict.reason) == MAX_REASON_CHARS
