"""Rounds of polls: who is in one, how long it is until the next, and what the answers mean."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from offcloud_watchd.core.effects import Poll
from offcloud_watchd.core.events import CloudReady, Delivered, Failed, Resumed, Stirred, Submitted
from offcloud_watchd.core.lifecycle import MAX_WAIT_S, Policy, evolve
from offcloud_watchd.core.model import Job, JobState, Phase, Progress, Sought, Submission
from offcloud_watchd.core.rounds import (
    ALONE,
    BATCH,
    MANY,
    Key,
    alone,
    answered,
    calls_of_round,
    calls_together,
    closely,
    gather,
    hush_s,
    in_turn,
    interval_s,
    is_missing,
    key_of,
    may_be_stuck,
    ready_at_once,
    request_of,
    rest_s,
)
from tests.fakes.jobs import NOW, a_job

POLICY = Policy()
HOUR_S = 3600.0


def waiting(name: str, age_s: float = 1000.0, **changes: object) -> Job:
    """Return a job that is in the cloud, with a request of its own."""
    given = {"submission": Submission(f"R{name}", "created"), "key": name, "changed_at": NOW - age_s}
    return a_job(JobState.CLOUD, id=name, **(given | changes))


def gathered(*jobs: Job, closed: tuple[str, ...] = (), **not_before: float) -> tuple[list[str], float]:
    """Return who is in the round, and when the next is due."""
    chosen, next_due_at = gather(jobs, closed, not_before, NOW, POLICY)
    return [job.id for job in chosen], next_due_at


# --- who, and when ---


@pytest.mark.parametrize(
    ("age_s", "wait_s"), [(-100, 5.0), (0, 5.0), (80, 10.0), (2400, 300.0), (1e6, 300.0)]
)
def test_questions_grow_apart_with_age(age_s: float, wait_s: float) -> None:
    """An eighth of the age, within the bounds, whatever the clock does."""
    assert interval_s(waiting("a", age_s), NOW, POLICY) == wait_s


def test_the_first_question_comes_the_shortest_interval_after_the_submission() -> None:
    """A service that was just given a link has nothing to tell."""
    assert gathered(waiting("new", 1.0)) == ([], NOW + 4.0)
    assert gathered(waiting("new", 5.0)) == (["new"], math.inf)


def test_the_most_overdue_comes_first() -> None:
    """By the time since which it is due, not by age: nobody is asked about twice before another once."""
    jobs = [waiting(name) for name in "abc"]
    assert gathered(*jobs, a=NOW - 1, b=NOW - 9, c=NOW - 5)[0] == ["b", "c", "a"]


def test_a_new_item_does_not_go_before_those_that_wait() -> None:
    """A burst of submissions makes new items all the time; the finished among the old are not starved."""
    ahead = waiting("ahead", -99.0)  # the clock was set back
    assert gathered(waiting("new", 5.0), ahead, waiting("old"), old=NOW - 1) == (
        ["old", "new", "ahead"],
        math.inf,
    )


def test_who_is_busy_or_deferred_is_left_alone() -> None:
    """A failure is waited out also where a round goes by; a wait longer than any is due."""
    late = waiting("late", retry_at=NOW + 60)
    assert gathered(late, waiting("busy"), closed=("busy",)) == ([], NOW + 60)
    crowd = [waiting(f"c{number}") for number in range(9)]
    assert "late" not in gathered(late, *crowd)[0]
    assert gathered(waiting("odd", retry_at=NOW + MAX_WAIT_S + 1))[0] == ["odd"]


def test_who_is_past_half_of_its_wait_rides_along_where_that_is_free() -> None:
    """Few are asked about one by one, so nobody comes early; many are one question anyhow."""
    young, soon, late = waiting("young", 5.0), waiting("soon", 80.0), waiting("late", 80.0)
    waits = {"soon": NOW + 5.0, "late": NOW + 6.0}
    assert gathered(young, soon, late, **waits) == (["young"], NOW + 5.0)
    crowd = [waiting(f"c{number}", 5.0) for number in range(ALONE)]
    assert gathered(young, soon, late, *crowd, **waits)[0] == ["c0", "c1", "c2", "c3", "young", "soon"]
    assert gathered(*(waiting(f"w{number}", 4.0) for number in range(9)))[0] == [], "nobody is due"


@pytest.mark.parametrize(
    ("requests", "calls"), [(0, 0), (1, 0), (ALONE, 0), (5, 1), (100, 1), (101, 2), (200, 2), (9999, 2)]
)
def test_calls_hardly_grow_with_the_number(requests: int, calls: int) -> None:
    """None for a few, one for a hundred, two for any number."""
    assert calls_together(requests) == calls


def test_polling_takes_a_sixth_of_the_budget() -> None:
    """However much a round takes, and however small the budget is."""
    assert rest_s(1, 0, POLICY) == POLICY.poll_min_s
    for budget, calls in ((120, 5), (10, 1), (1, 4)):
        wait_s = rest_s(calls, 0, replace(POLICY, requests_per_minute=budget))
        assert 60 * calls / wait_s == pytest.approx(budget / 6)


def test_a_service_that_answers_nothing_is_asked_less_and_less_often() -> None:
    """Doubling, up to the longest interval."""
    assert [rest_s(1, failures, POLICY) for failures in (1, 2, 3, 60)] == [10.0, 20.0, 40.0, 300.0]


def listed(*jobs: Job) -> dict[Key, Phase]:
    """Return what a list that knows no progress tells of jobs that wait."""
    return {key_of(job): Phase("created", "waiting", request_of(job), detailed=False) for job in jobs}


def chosen(polls: list[Poll], told: dict[Key, Phase]) -> list[str]:
    """Return who is asked about alone."""
    return [poll.job.id for poll in alone(polls, told, NOW, POLICY)]


def test_what_was_not_told_is_asked_about_alone() -> None:
    """A few a round, the most overdue first, one question for each request."""
    jobs = [waiting(f"j{number}") for number in range(6)]
    polls = [Poll(job) for job in (jobs[0], replace(jobs[0], id="twin"), *jobs[1:])]
    assert chosen(polls, {}) == ["j0", "j1", "j2", "j3"]
    assert chosen(polls, listed(*jobs[:4])) == ["j4", "j5", "j0"], "one more has its progress looked at"
    assert chosen(polls, listed(*jobs[:1])) == ["j1", "j2", "j3", "j4"]


def test_a_round_takes_few_calls() -> None:
    """Five, whatever is not told together."""
    for count in (4, 5, 100, 101, 1000):
        polls = [Poll(waiting(f"j{number}")) for number in range(count)]
        assert calls_together(count) + len(chosen(polls, {})) <= ALONE + 1


def test_what_a_late_history_may_not_show_yet_is_not_asked_about_alone() -> None:
    """Of very many: silence means nothing then, and the history will tell. One is, to see who answers."""
    new = [waiting(f"n{number}", 100.0) for number in range(MANY)]
    old = [waiting("old"), waiting("back", -50.0)]  # of one that was handed in after now nobody knows the age
    polls = list(map(Poll, [*new, *old]))
    assert chosen(polls, listed(*new[:1])) == ["old", "back"]
    assert chosen(polls[:-1], listed(*new[:1], old[0])) == []
    assert chosen([*polls[:-2], Poll(waiting("one", 100.0))], {}) == ["n0"]
    few = listed(*new[: MANY - BATCH])
    assert chosen(polls, few) == ["n100", "n101", "n102"], "one batch would have told of these"
    assert chosen(polls[:MANY], {}) == ["n0", "n1", "n2"], "batches would have told of all"
    there = a_job(route="remote").destination
    away = [Poll(waiting(f"a{number}", 100.0, destination=there)) for number in range(3)]
    assert chosen([*polls, *away], listed(*new[:1])) == ["old", "back", "a0"], "each route by itself"


def test_the_next_round_does_not_come_sooner_for_what_is_hidden() -> None:
    """It stays due all the time."""
    new = [waiting(f"n{number}", 80.0) for number in range(BATCH)]
    assert hush_s(new, NOW, POLICY) == 0.0
    assert hush_s([*new, waiting("newer", 48.0), waiting("old")], NOW, POLICY) == 6.0


def test_progress_is_looked_at_in_turn() -> None:
    """The one whose progress is known for longest; none that is ready or was told in detail."""
    jobs = [waiting(f"j{number}") for number in range(6)]
    told = listed(*jobs)
    told |= {key_of(jobs[0]): replace(told[key_of(jobs[0])], detailed=True)}
    told |= {key_of(jobs[1]): replace(told[key_of(jobs[1])], outcome="ready")}
    polls = [Poll(job, NOW - number) for number, job in enumerate(jobs)]
    assert chosen(polls, told) == ["j5"]


def test_of_very_many_nobody_is_looked_at_for_its_progress_alone() -> None:
    """It would come round too seldom to tell anything; each route by itself."""
    many = [waiting(f"m{number}") for number in range(MANY + 1)]
    there = a_job(route="remote").destination
    few = [waiting(f"f{number}", destination=there) for number in range(ALONE + 1)]
    assert chosen(list(map(Poll, many)), listed(*many)) == []
    assert chosen(list(map(Poll, many[1:])), listed(*many)) == ["m1"]
    assert chosen(list(map(Poll, [*many, *few])), listed(*many, *few)) == ["f0"]


def test_of_very_many_that_may_be_stuck_a_batch_tells_in_turn() -> None:
    """Where there are batches nobody is looked at alone; where there are none, a few are."""
    old = [waiting(f"o{number}", 4 * HOUR_S) for number in range(MANY + 1)]
    polls, told = list(map(Poll, old)), listed(*old)
    assert chosen(polls, told) == ["o0", "o1", "o2"]
    assert chosen(polls, told | {key_of(old[9]): replace(told[key_of(old[9])], detailed=True)}) == []


def test_who_was_not_looked_at_for_longest_comes_first() -> None:
    """Of those who are alike, the most overdue."""
    polls = [Poll(waiting(f"j{number}"), at) for number, at in enumerate((NOW, 0.0, NOW - 9, 0.0))]
    assert [poll.job.id for poll in in_turn(polls)] == ["j1", "j3", "j2", "j0"]


def test_every_second_round_asks_for_progress() -> None:
    """And each round while somebody may be stuck."""
    young, old = waiting("young", 80.0), waiting("old", HOUR_S)
    assert closely([Poll(young), Poll(old)], NOW, POLICY), "nobody was asked yet"
    assert not closely([Poll(young), Poll(old, NOW - 10)], NOW, POLICY), "the last round asked"
    assert closely([Poll(young), Poll(old, NOW - 20)], NOW, POLICY)
    assert closely([Poll(young, NOW - 10), Poll(waiting("stuck", 4 * HOUR_S))], NOW, POLICY)
    assert closely([Poll(young, NOW + 10)], NOW, POLICY), "the clock was set back"


def test_what_may_be_stuck_is_looked_at_before() -> None:
    """Of an old request a list cannot say whether it gets anywhere."""
    old = [waiting(f"o{number}", 4 * HOUR_S) for number in range(6)]
    new = [waiting(f"n{number}") for number in range(3)]
    polls = [Poll(job, NOW - 4 * HOUR_S - number) for number, job in enumerate(old)] + list(map(Poll, new))
    assert chosen(polls, listed(*old, *new)) == ["o5", "o4", "o3", "o2"]
    assert not may_be_stuck(Poll(old[0], NOW - HOUR_S), NOW, POLICY), "it was looked at"
    assert not may_be_stuck(Poll(replace(old[0], stirred_at=NOW - HOUR_S)), NOW, POLICY), "it got further"


# --- what an answer means ---


def phase(word: str = "downloading", outcome: str = "waiting", **progress: float) -> Phase:
    """Return an answer in detail."""
    return Phase(word, outcome, Submission("R1", word), Progress(**progress))  # type: ignore[arg-type] # numbers


def test_a_ready_request_keeps_what_was_known() -> None:
    """What a later answer leaves out is remembered, and the request id never changes."""
    known = Submission("R1", "created", "name", "https://example.invalid/x", "de1")
    answer = Phase("downloaded", "ready", Submission("R9", "downloaded", server="fr7"))
    expected = Submission("R1", "downloaded", "name", "https://example.invalid/x", "fr7")
    job = waiting("a", submission=known)
    assert answered(job, answer, NOW, POLICY) == CloudReady("a", NOW, expected)


def test_a_failed_request_fails_its_job() -> None:
    """The service's word and reason are shown, bounded."""
    answer = replace(phase("error", "failed"), reason="no seeds")
    assert answered(waiting("a"), answer, NOW, POLICY) == Failed(
        "a", NOW, "the service reports 'error': no seeds", request_failed=True
    )
    bare = answered(waiting("a"), phase("dead", "failed"), NOW, POLICY)
    assert isinstance(bare, Failed)
    assert "no reason given" in bare.reason


def test_a_request_that_waits_forgives_earlier_failures() -> None:
    """Failures count in a row; where there were none there is nothing to record."""
    assert answered(waiting("a"), phase(), NOW, POLICY) is None
    assert answered(waiting("a", attempts=3), phase("a new word"), NOW, POLICY) == Resumed("a", NOW)


def asked_for(job: Job, hours: int, answer: Phase) -> Failed | None:
    """Ask every half hour, and keep what is recorded; return the verdict, if there is one in time."""
    for half_hours in range(1, 2 * hours + 1):
        event = answered(job, answer, NOW + half_hours * HOUR_S / 2, POLICY)
        if isinstance(event, Failed):
            return event
        after = evolve(job, event) if event is not None else job
        assert after is not None
        job = after
    return None


def test_loading_for_ever_ends() -> None:
    """A request in which nothing ever changes is given up, with what is said of it and what to do."""
    loading = replace(phase("created"), progress=Progress(note="Loading..."))
    assert asked_for(waiting("a", 0.0), 24, loading) is None
    verdict = asked_for(waiting("a", 0.0), 30, loading)
    assert verdict is not None
    assert "nothing has changed for 24 h" in verdict.reason
    assert "Loading..." in verdict.reason
    assert "another source" in verdict.reason


def test_a_request_that_creeps_is_never_given_up() -> None:
    """Age does not count: what gets further is waited for, a record now and then."""
    job, records = waiting("a", 0.0), 0
    for hours in range(1, 24 * 30):
        event = answered(job, phase(done_bytes=hours // 20), NOW + hours * HOUR_S, POLICY)
        assert event is None or isinstance(event, Stirred)
        after = evolve(job, event) if event is not None else job
        assert after is not None
        records, job = records + (event is not None), after
    assert records < 24 * 30 / 3


def test_a_list_says_nothing_about_being_stuck() -> None:
    """It knows no progress, so it neither proves a change nor the lack of one."""
    vague = replace(phase("created"), detailed=False)
    assert asked_for(waiting("a", 0.0), 100, vague) is None
    assert answered(waiting("a", 1e6), vague, NOW, POLICY) is None


def test_nothing_is_given_up_where_that_is_not_wanted() -> None:
    """Without a limit nothing is recorded either."""
    patient = replace(POLICY, stall_s=math.inf)
    assert answered(waiting("a", 1e9), phase(), NOW, patient) is None


def test_what_is_there_already_is_not_asked_about() -> None:
    """The service said that it is ready when it was handed in, or found; a delivery is asked about."""
    ready = Submission("R1", "downloaded")
    job = a_job()
    assert ready_at_once(job, Submitted("job", NOW, ready)) == CloudReady("job", NOW, ready)
    assert ready_at_once(job, Submitted("job", NOW, Submission("R1", "created"))) is None
    assert ready_at_once(a_job(route="remote"), Submitted("job", NOW, ready)) is None


def test_what_a_remote_account_has_is_delivered() -> None:
    """Where it went, under which name and how large it is."""
    job = waiting("a", destination=a_job(route="remote").destination)
    answer = Phase("downloaded", "ready", Submission("Ra", "downloaded", "Name"), Progress(total_bytes=7))
    event = answered(job, answer, NOW, POLICY)
    assert isinstance(event, Delivered)
    assert (event.delivery.name, event.delivery.size_bytes) == ("Name", 7)


def test_each_route_is_asked_about_by_itself() -> None:
    """The same id on another route is another request."""
    there = a_job(route="remote").destination
    here = [waiting(f"j{number}") for number in range(5)]
    away = [replace(job, id=f"{job.id} away", destination=there) for job in here]
    assert calls_of_round(here) == 1
    assert calls_of_round([*here, *away]) == 2
    polls = list(map(Poll, [*here, *away]))
    assert chosen(polls, listed(*here)) == ["j0 away", "j1 away", "j2 away"]


@pytest.mark.parametrize(
    ("as_of", "found", "missing"),
    [
        (NOW, [], True),
        (NOW, [Sought("R7")], True),
        (NOW, [Sought("R7"), Sought("Ra")], False),
        (NOW - 1000 + POLICY.history_lag_s - 1, [], False),
        (NOW + 1, [], False),
    ],
)
def test_what_is_not_told_of_is_missing_when_a_late_list_lacks_it(
    as_of: float, found: list[Sought], *, missing: bool
) -> None:
    """A list that may lag, or seems to be from the future, proves nothing."""
    assert is_missing(Poll(waiting("a")), found, as_of, NOW, POLICY) is missing


def test_a_clock_that_was_set_makes_nothing_missing_too_early_or_too_late() -> None:
    """What the job says of the past counts on another clock: then only what was seen since counts."""
    ahead, behind = waiting("a", -HOUR_S), waiting("a", HOUR_S)
    lag_s = POLICY.history_lag_s
    for job in (ahead, behind):
        assert not is_missing(Poll(job, there_at=NOW - lag_s + 1), [], NOW, NOW, POLICY)
        assert is_missing(Poll(job, there_at=NOW - lag_s), [], NOW, NOW, POLICY)
    assert not is_missing(Poll(ahead), [], NOW, NOW, POLICY)
