"""What is due: order, places, shares, leaders, times."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import pytest

from offcloud_watchd.core import imports
from offcloud_watchd.core.agenda import Agenda
from offcloud_watchd.core.cachelooks import Finding, Knowledge
from offcloud_watchd.core.effects import Adopt, Discard, Effect, Fetch, Inspect, Poll, Share, Submit, Trace
from offcloud_watchd.core.lifecycle import MAX_WAIT_S, Policy
from offcloud_watchd.core.model import (
    Destination,
    Job,
    JobState,
    Lane,
    RemoteTarget,
    Removal,
    Route,
    Submission,
)
from offcloud_watchd.core.planning import (
    LEADER_TRIES,
    LEADER_WAIT_S,
    Plan,
    plan,
    room_delay_s,
)
from offcloud_watchd.core.relatives import held_by_others
from offcloud_watchd.core.rounds import Rhythm
from tests.fakes.jobs import NOW, a_drop, a_job

POLICY = Policy()
KNOWN_OF_NONE = Knowledge()
PLENTY = {Lane.API: 10, Lane.FETCH: 10, Lane.DISK: 10, Lane.ARR: 10}


def planned(
    *jobs: Job,
    busy: Collection[str] = (),
    free: Mapping[Lane, int] = PLENTY,
    not_before: Mapping[str, float] | None = None,
    vain: Mapping[str, int] | None = None,
    round_at: float = 0.0,
    cache: Knowledge = KNOWN_OF_NONE,
    policy: Policy = POLICY,
    tracing: bool = True,
) -> Plan:
    """Plan for some jobs."""
    return plan(
        Agenda(jobs),
        NOW,
        busy=busy,
        free=free,
        not_before=not_before or {},
        vain=vain or {},
        rhythm=Rhythm(policy, round_at),
        cache=cache,
        tracing=tracing,
    )


def names(effects: Sequence[Effect]) -> list[str]:
    """Say what is done for whom."""
    return [f"{type(effect).__name__} {effect.job.id}" for effect in effects]


@pytest.mark.parametrize(
    ("job", "effects"),
    [
        (a_job(), [Submit]),
        (a_job(unsure=True), [Adopt]),
        (a_job(JobState.CLOUD), [Poll]),
        (a_job(JobState.FETCHING), [Fetch]),
        (a_job(JobState.CHECKING), [Inspect]),
        (a_job(JobState.REMOVED), [Discard]),
        (a_job(JobState.DONE), []),
        (a_job(JobState.FAILED), []),
    ],
)
def test_every_state_owes_its_effect(job: Job, effects: list[type[Effect]]) -> None:
    """What is owed follows from the state alone."""
    due = planned(job)
    assert [type(effect) for effect in due.effects] == effects
    assert all(effect.job is job for effect in due.effects)
    assert due.next_due_at == math.inf


def test_first_come_first_served() -> None:
    """The oldest jobs have the places of a lane."""
    jobs = [a_job(id=f"j{age}", key=f"k{age}", changed_at=NOW - age) for age in (1, 3, 2)]
    assert names(planned(*jobs, free={Lane.API: 2}).effects) == ["Submit j3", "Submit j2"]


def test_no_places_no_effects() -> None:
    """A lane that is full or paused begins nothing, and asks for no time."""
    jobs = [
        a_job(id="a"),
        a_job(JobState.CLOUD, id="b", key="two"),
        a_job(JobState.FETCHING, id="c", key="three"),
    ]
    due = planned(*jobs, free={Lane.API: 0, Lane.FETCH: -1}, not_before={"b": NOW + 5})
    assert due == Plan((), math.inf)


def test_a_busy_job_is_left_alone() -> None:
    """One effect in flight per job."""
    assert planned(a_job(), busy={"job"}) == Plan((), math.inf)


def test_a_deferred_job_waits_and_says_until_when() -> None:
    """The next due time is the soonest of those that wait."""
    jobs = [a_job(id=f"j{wait}", key=f"k{wait}", retry_at=NOW + wait) for wait in (90, 60, 120)]
    assert planned(*jobs) == Plan((), NOW + 60)


def test_a_time_that_has_come_is_due() -> None:
    """Due is due, to the second."""
    assert names(planned(a_job(retry_at=NOW)).effects) == ["Submit job"]


def test_a_wait_longer_than_any_is_due() -> None:
    """A retry time that only a clock set back explains does not hold the job up for years."""
    assert names(planned(a_job(retry_at=NOW + MAX_WAIT_S + 1)).effects) == ["Submit job"]
    assert planned(a_job(retry_at=NOW + MAX_WAIT_S)).next_due_at == NOW + MAX_WAIT_S


def test_a_job_that_was_just_tried_waits() -> None:
    """What is kept in memory holds a job up as well as what is recorded."""
    job = a_job(JobState.FETCHING)
    assert planned(job, not_before={"job": NOW + 30}) == Plan((), NOW + 30)
    assert names(planned(job, not_before={"job": NOW - 1}).effects) == ["Fetch job"]


def test_all_polls_are_one_round_and_take_one_place() -> None:
    """It goes first, and the rest of the lane is for submissions."""
    jobs = [a_job(id=f"q{n}", key=f"q{n}", changed_at=NOW - 9 + n) for n in range(3)]
    jobs += [a_job(JobState.CLOUD, id=f"c{n}", key=f"c{n}", changed_at=NOW - 9 + n) for n in range(3)]
    polls = ["Poll c0", "Poll c1", "Poll c2"]
    assert names(planned(*jobs, free={Lane.API: 1}).effects) == polls
    assert names(planned(*jobs, free={Lane.API: 3}).effects) == [*polls, "Submit q0", "Submit q1"]


def test_rounds_keep_apart() -> None:
    """Before the time of the next round nobody is asked about, and the lane is for the others."""
    jobs = [a_job(), a_job(JobState.CLOUD, id="c", key="c")]
    due = planned(*jobs, round_at=NOW + 3)
    assert (names(due.effects), due.next_due_at) == (["Submit job"], NOW + 3)
    assert planned(jobs[1], round_at=math.inf) == Plan((), math.inf), "one is under way"
    assert planned(a_job(), busy={"job"}, round_at=NOW + 3) == Plan((), math.inf), "nobody is in the cloud"


def test_a_round_says_when_the_next_is_due() -> None:
    """It is the soonest of those that were not asked about."""
    due = planned(*(a_job(JobState.CLOUD, id=name, key=name) for name in "ab"), not_before={"b": NOW + 90})
    assert (names(due.effects), due.next_due_at) == (["Poll a"], NOW + 90)


def test_what_vanished_is_not_shared_again() -> None:
    """Another job that still holds the lost request will learn of it; who knows looks for itself."""
    holder = a_job(JobState.CLOUD, id="holder")
    knows = a_job(id="knows", category="film", unsure=True, vanished="R1")
    assert names(planned(holder, knows).effects) == ["Poll holder", "Adopt knows"]
    other = a_job(JobState.CLOUD, id="other", category="more", submission=Submission("R2"))
    assert planned(holder, other, knows).effects[0] == Share(knows, Submission("R2"), NOW - 1000)
    follows = replace(knows, id="follows", queued_at=NOW)
    assert names(planned(holder, knows, follows).effects) == ["Poll holder", "Adopt knows"]


def test_a_job_uses_the_request_another_holds() -> None:
    """Two categories, one content, one request."""
    holder = a_job(JobState.FETCHING, id="holder", submission=Submission("R7"), posted_at=NOW - 60)
    wanting = a_job(id="wanting", category="film")
    due = planned(wanting, holder)
    assert due.effects[0] == Share(wanting, Submission("R7"), NOW - 60)
    assert names(due.effects) == ["Share wanting", "Fetch holder"]


def test_sharing_needs_no_place() -> None:
    """No outside act, no lane."""
    due = planned(a_job(id="wanting", category="film"), a_job(JobState.CLOUD, id="holder"), free={})
    assert names(due.effects) == ["Share wanting"]


def test_a_busy_job_shares_later() -> None:
    """A job whose own search is in the air gets its answer first."""
    due = planned(
        a_job(id="wanting", category="film", unsure=True),
        a_job(JobState.CLOUD, id="holder"),
        busy={"wanting"},
    )
    assert names(due.effects) == ["Poll holder"]


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.REMOVED])
def test_an_ended_job_shares_nothing(state: JobState) -> None:
    """A request of a job that has ended may be gone: it is searched for instead."""
    due = planned(a_job(id="wanting"), a_job(state, id="ended", submission=Submission("R1"), category="film"))
    assert "Submit wanting" in names(due.effects)


def test_of_many_that_want_the_same_one_submits() -> None:
    """The oldest leads and the others wait without asking for time."""
    jobs = [a_job(id=f"j{age}", category=f"c{age}", queued_at=NOW - age) for age in (1, 3, 2)]
    assert names(planned(*jobs).effects) == ["Submit j3"]
    assert planned(*jobs, busy={"j3"}) == Plan((), math.inf)


def test_an_unsure_job_leads() -> None:
    """Nobody posts what another may have posted already."""
    jobs = [a_job(id="old", queued_at=0.0), a_job(id="unsure", unsure=True, category="film")]
    assert names(planned(*jobs).effects) == ["Adopt unsure"]


def fetching(name: str, age: float, **changes: object) -> Job:
    """Return a job of its own category that fetches the request all want."""
    return a_job(JobState.FETCHING, id=name, category=name, changed_at=NOW - age, **changes)


def test_of_many_that_fetch_the_same_one_goes_ahead() -> None:
    """The first to come to it fetches, the others wait for its files and ask for no time."""
    jobs = [fetching("b", 2), fetching("a", 1), fetching("c", 3)]
    assert names(planned(*jobs).effects) == ["Fetch c"]
    assert planned(*jobs, busy={"a"}) == Plan((), math.inf), "who has begun goes ahead"


def test_another_request_is_another_fetch() -> None:
    """Only what the same request holds is the same files."""
    other = fetching("other", 1, submission=Submission("R2"))
    assert names(planned(fetching("one", 2), other).effects) == ["Fetch one", "Fetch other"]


def test_who_goes_ahead_is_waited_for_while_it_is_deferred() -> None:
    """What it has so far is kept, so another one that began with the first byte would come later."""
    due = planned(fetching("first", 2, attempts=LEADER_TRIES - 1, retry_at=NOW + 80), fetching("second", 1))
    assert due == Plan((), NOW + 80)


@pytest.mark.parametrize(
    "changes", [{"attempts": LEADER_TRIES, "retry_at": NOW + 5}, {"retry_at": NOW + LEADER_WAIT_S + 1}]
)
def test_who_goes_ahead_holds_nobody_for_ever(changes: dict[str, object]) -> None:
    """After some failures in a row, or for a long wait, the next one tries."""
    due = planned(fetching("first", 2, **changes), fetching("second", 1))
    assert names(due.effects) == ["Fetch second"]


def test_who_is_always_blocked_holds_nobody_for_ever() -> None:
    """That charges nobody, but counts here: another one's directory may be in order."""
    jobs = (fetching("first", 2, attempts=1), fetching("second", 1))
    assert names(planned(*jobs, vain={"first": LEADER_TRIES - 2}).effects) == ["Fetch first"]
    assert names(planned(*jobs, vain={"first": LEADER_TRIES - 1}).effects) == ["Fetch second"]


def test_after_as_many_failures_it_is_the_first_ones_turn_again() -> None:
    """They take turns: whoever has failed less often goes ahead."""
    tired = {"attempts": LEADER_TRIES}
    due = planned(fetching("first", 2, **tired), fetching("second", 1, **tired))
    assert names(due.effects) == ["Fetch first"]


def test_a_look_goes_before_a_discard() -> None:
    """Somebody waits for the answer; both need a place of the disk lane."""
    jobs = [a_job(JobState.REMOVED, id="old", key="k"), a_job(JobState.CHECKING, id="asked")]
    assert names(planned(*jobs, free={Lane.DISK: 1}).effects) == ["Inspect asked"]
    assert names(planned(*jobs, free={Lane.DISK: 2}).effects) == ["Inspect asked", "Discard old"]


def test_another_route_is_another_request() -> None:
    """What goes elsewhere is not shared."""
    there = Destination("tv", "/out/tv", Route.REMOTE)
    due = planned(a_job(id="here"), a_job(JobState.CLOUD, id="there", destination=there))
    assert names(due.effects) == ["Poll there", "Submit here"]


def test_each_account_gets_its_own_and_one_after_the_other() -> None:
    """The account's history does not tell which of two transfers went where."""
    first, same = (a_job(id=name, category=name, route="remote", queued_at=NOW) for name in "ab")
    other = replace(first, id="c", destination=Destination("c", "/c", Route.REMOTE, RemoteTarget("ftp")))
    assert names(planned(first, same, other).effects) == ["Submit a"]
    sent = replace(first, state=JobState.CLOUD, submission=Submission("R1"))
    assert names(planned(sent, same, other).effects) == ["Share b", "Poll a", "Submit c"]
    assert held_by_others(other, [sent, same, replace(sent, id="d", spent=("R0",))]) == {"R0", "R1"}
    assert held_by_others(same, [sent]) == set()


def test_who_ended_in_doubt_is_searched_for() -> None:
    """A cancelled one; a forgotten one where it was sent elsewhere, before it is discarded."""
    doubt = {"unsure": True, "posted_at": NOW - 5}
    cancelled = a_job(JobState.FAILED, id="a", **doubt)
    away = a_job(JobState.REMOVED, id="b", key="two", route="remote", **doubt)
    here = a_job(JobState.REMOVED, id="c", key="three", **doubt)
    assert names(planned(cancelled, away, here).effects) == ["Adopt a", "Adopt b", "Discard c"]
    assert names(planned(cancelled, a_job(id="q", key="q"), free={Lane.API: 1}).effects) == ["Submit q"]
    assert planned(replace(cancelled, retry_at=NOW + 60)).next_due_at == NOW + 60
    assert names(planned(replace(away, unsure=False)).effects) == ["Discard b"]


def test_who_is_remembered_owes_nothing_and_keeps_what_it_had_sent() -> None:
    """Also from the same way: what is dropped after it was forgotten is sent anew."""
    gone = a_job(JobState.REMOVED, id="a", route="remote", sent=("R1", "R2"), remembered=True)
    assert planned(gone).effects == ()
    job = a_job(id="b", route="remote", unsure=True, posted_at=NOW)
    assert held_by_others(job, [gone, job]) == {"R1", "R2"}
    cancelled = replace(gone, state=JobState.FAILED, remembered=False)
    assert held_by_others(job, [cancelled, job]) == set(), "it may share what that one had sent"
    ftp = replace(job.destination, remote=RemoteTarget("ftp"))
    assert held_by_others(replace(job, destination=ftp), [cancelled]) == {"R1", "R2"}
    here = a_job(JobState.REMOVED, id="c", submission=Submission("R3"))
    assert held_by_others(a_job(id="d", unsure=True), [here]) == set(), "in the cloud it is one for all"


def test_what_nobody_needs_is_cleared() -> None:
    """Each request once, not while another job has it or wants it, and when its time has come."""
    done = a_job(JobState.DONE, id="a", to_clear=True)
    same = replace(done, id="b", destination=Destination("film", "/out/film"))
    assert names(planned(done, same, a_job(JobState.DONE, id="c", key="two")).effects) == ["Clear a"]
    assert names(planned(done, same, busy=["a"]).effects) == []
    for state in (JobState.QUEUED, JobState.CLOUD, JobState.FETCHING):
        assert "Clear a" not in names(planned(done, a_job(state, id="c")).effects)
    assert planned(replace(done, retry_at=NOW + 60)).next_due_at == NOW + 60
    assert names(planned(replace(done, state=JobState.CHECKING)).effects) == ["Inspect a"]
    assert names(
        planned(
            *(
                a_job(JobState.DONE, id=one, key=one, to_clear=True, submission=Submission(one))
                for one in "abc"
            ),
            free={Lane.API: 2},
        ).effects
    ) == ["Clear a", "Clear b"]


def test_what_a_search_may_find_stays_until_it_has_ended() -> None:
    """A cancelled job whose POST was lost may have that very request; nor is that sought while it goes."""
    done = a_job(JobState.DONE, id="a", to_clear=True)
    cancelled = a_job(JobState.FAILED, id="b", category="film", unsure=True, posted_at=NOW - 5)
    assert names(planned(done, cancelled).effects) == ["Adopt b"]
    assert names(planned(done, replace(cancelled, retry_at=NOW + 60)).effects) == []
    assert names(planned(done, cancelled, busy=["a"]).effects) == []
    assert names(planned(done, replace(cancelled, unsure=False)).effects) == ["Clear a"]
    assert names(planned(replace(done, state=JobState.FAILED, unsure=True)).effects) == ["Adopt a"]


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.FAILED])
def test_who_goes_another_way_keeps_nobody_waiting_on_the_former(state: JobState) -> None:
    """Neither by what it wants nor by what it is searched for."""
    before = a_job(state, id="b", category="film", unsure=True, posted_at=NOW - 5)
    after = replace(before, destination=replace(before.destination, route=Route.INSTANT), unsure=False)
    done = a_job(JobState.DONE, id="a", to_clear=True)
    agenda = Agenda([done, before])
    agenda.replace(before, after)
    assert [*agenda.relatives(done), *agenda.searched(done)] == []


IMPORTS = Policy(remove=Removal.IMPORTED, reported=frozenset({"tv"}))


def test_imports_are_looked_for_where_they_can_be_seen() -> None:
    """In a folder's output on the disk, of a client in the tool's history; one round a lane at a time."""
    by_folder = a_job(JobState.DONE, id="a", to_import=True)
    by_client = replace(by_folder, id="b", drops=(a_drop(folder=""),))
    nowhere = replace(by_client, id="c", destination=Destination("film", "/out/film"))
    jobs = (by_folder, by_client, nowhere)
    traces = [Trace(by_folder, Lane.DISK), Trace(by_client, Lane.ARR)]
    assert list(planned(*jobs, policy=IMPORTS).effects) == traces
    assert planned(*jobs, policy=IMPORTS, tracing=False).effects == ()
    later = replace(by_folder, id="d")
    assert list(planned(*jobs, later, policy=IMPORTS, busy=["a"]).effects) == traces[1:]
    assert list(planned(*jobs, policy=IMPORTS, free={**PLENTY, Lane.ARR: 0}).effects) == traces[:1]
    assert list(planned(*jobs, policy=IMPORTS, not_before={"a": NOW + 1}).effects) == traces[1:]


def test_a_round_of_looks_is_bounded_and_fair() -> None:
    """Who was looked at longest ago comes first; the older a release is the less often it is looked at."""
    jobs = [a_job(JobState.DONE, id=f"{number:04}", to_import=True) for number in range(600)]
    looked_at = {job.id: NOW - number for number, job in enumerate(jobs)}
    looked = planned(*jobs, policy=IMPORTS, not_before=looked_at).effects
    assert {effect.job.id for effect in looked} == {job.id for job in jobs[100:]}
    ages_s = (0, 800, 86_400)
    assert [imports.interval_s(a_job(changed_at=NOW - age_s), NOW) for age_s in ages_s] == [0, 100, 600]


def test_what_was_imported_leaves_when_its_time_comes() -> None:
    """Also when the clock was set back since."""
    imported = a_job(JobState.DONE, leaves_at=NOW + 900)
    assert planned(imported) == Plan((), NOW + 900)
    assert names(planned(replace(imported, leaves_at=NOW)).effects) == ["Leave job"]
    assert names(planned(replace(imported, leaves_at=NOW + 1e6)).effects) == ["Leave job"]


def test_what_is_removed_is_cleared_first() -> None:
    """Its entry is the last to know of the request."""
    removed = a_job(JobState.REMOVED, to_clear=True, submission=Submission("R1"))
    assert names(planned(removed).effects) == ["Clear job"]


@pytest.mark.parametrize(("owes", "effect"), [("to_clear", "Clear"), ("to_report", "Report")])
def test_files_go_whoever_is_still_to_be_told(owes: str, effect: str) -> None:
    """First, and after a failure by turns; where the disk does not work the others do not wait for it."""
    removed = a_job(JobState.REMOVED, remove_files=True, submission=Submission("R1"), **{owes: True})
    assert names(planned(removed).effects) == ["Discard job"]
    assert names(planned(replace(removed, attempts=1)).effects) == [f"{effect} job"]
    assert names(planned(removed, free={**PLENTY, Lane.DISK: 0}).effects) == [f"{effect} job"]
    assert names(planned(replace(removed, remove_files=False)).effects) == [f"{effect} job"]


def test_a_failure_is_reported_and_only_then_forgotten() -> None:
    """In a lane of its own; what was removed first waits for it, as a tool may have had it removed."""
    failed = a_job(JobState.FAILED, id="a", to_report=True)
    told = a_job(JobState.FAILED, id="b", key="two")
    assert names(planned(failed, told).effects) == ["Report a"]
    assert planned(replace(failed, retry_at=NOW + 60)).next_due_at == NOW + 60
    removed = replace(failed, state=JobState.REMOVED)
    assert names(planned(removed, replace(told, state=JobState.REMOVED)).effects) == ["Discard b", "Report a"]
    assert names(planned(replace(removed, to_report=False)).effects) == ["Discard a"]
    assert names(planned(failed, free={Lane.ARR: 0}).effects) == []


def test_who_owes_several_things_gets_them_by_turns() -> None:
    """A tool that is down keeps no search from being made, nor the account a failure from being told."""
    failed = a_job(JobState.FAILED, to_report=True, unsure=True, posted_at=NOW - 5)
    tried = [names(planned(replace(failed, attempts=attempts)).effects) for attempts in range(5)]
    assert tried == [["Report job"], ["Report job"], ["Adopt job"], ["Adopt job"], ["Report job"]]
    assert names(planned(failed, free={**PLENTY, Lane.ARR: 0}).effects) == ["Adopt job"]
    in_turn = replace(failed, attempts=2)
    assert names(planned(in_turn, free={**PLENTY, Lane.API: 0}).effects) == ["Report job"]
    queued = a_job(id="q", key="q")
    assert names(planned(in_turn, queued, free={**PLENTY, Lane.API: 1}).effects) == ["Submit q", "Report job"]
    removed = replace(failed, state=JobState.REMOVED, unsure=False, to_clear=True, remove_files=True)
    tried = [names(planned(replace(removed, attempts=attempts)).effects) for attempts in range(4)]
    assert tried == [["Discard job"], ["Report job"], ["Discard job"], ["Clear job"]]


DEBTS = ("to_report", "to_clear", "to_import", "unsure", "remove_files", "leaves_at")


@pytest.mark.parametrize("route", [Route.CLOUD, Route.REMOTE])
@pytest.mark.parametrize("state", [JobState.DONE, JobState.CHECKING, JobState.FAILED, JobState.REMOVED])
def test_a_plan_names_no_job_twice(state: JobState, route: Route) -> None:
    """Whatever it owes; only what was sent elsewhere is never taken out of the account."""
    for owed in product((False, True), repeat=len(DEBTS)):
        debts = dict(zip(DEBTS, owed, strict=True))
        debts["to_clear"] &= route is Route.CLOUD
        for attempts in range(4):
            job = a_job(state, route=route, posted_at=NOW, attempts=attempts, **debts)
            assert len(planned(job, policy=IMPORTS).effects) <= 1, job


def test_nothing_is_looked_for_while_it_is_taken_away() -> None:
    """A search could find what is gone a moment later."""
    done = a_job(JobState.DONE, id="a", to_clear=True)
    wanting = a_job(id="b", unsure=True, posted_at=NOW, category="film")
    assert names(planned(done, wanting, busy=["a"]).effects) == []
    assert names(planned(done, wanting).effects) == ["Adopt b"]


def test_the_agenda_follows_jobs() -> None:
    """A job moves from line to line, keeps its place where its state stays, and leaves."""
    first, second = a_job(id="a", key="k"), a_job(id="b", key="k", category="film")
    agenda = Agenda([first, second])
    assert not agenda.sharing
    deferred = a_job(id="a", key="k", attempts=1)
    agenda.replace(first, deferred)
    assert list(agenda) == [deferred, second]
    moved = a_job(JobState.CLOUD, id="a", key="k")
    agenda.replace(deferred, moved)
    assert list(agenda) == [second, moved]
    assert [list(crowd) for crowd in agenda.sharing] == [[moved, second]]
    agenda.replace(moved, a_job(JobState.DONE, id="a", key="k"))
    assert list(agenda) == [second]
    assert not agenda.sharing
    agenda.replace(second, None)
    assert not list(agenda)
    agenda.replace(None, None)
    assert not list(agenda)


class Counted(set[str]):
    """The ids of busy jobs; counts how often one is looked up, or passed when all are gone through."""

    steps = 0

    def __contains__(self, job_id: object) -> bool:
        """Look one up."""
        self.steps += 1
        return super().__contains__(job_id)

    def __iter__(self) -> Iterator[str]:
        """Go through all."""
        for job_id in super().__iter__():
            self.steps += 1
            yield job_id


class Watchful(Agenda):
    """An agenda that counts whose crowd is asked for."""

    steps = 0

    def relatives(self, job: Job) -> Collection[Job]:
        """Count and pass on."""
        self.steps += 1
        return super().relatives(job)


def steps_of_a_plan(jobs: Sequence[Job], busy: Collection[str], resting: Collection[str] = ()) -> int:
    """Count how many jobs a plan looks at while a round of polls is in the air."""
    agenda, counted = Watchful(jobs), Counted(busy)
    plan(
        agenda,
        NOW,
        busy=counted,
        free={Lane.API: 2, Lane.FETCH: 2, Lane.DISK: 2, Lane.ARR: 2},
        not_before={},
        vain={},
        rhythm=Rhythm(POLICY, math.inf),
        cache=KNOWN_OF_NONE,
        tracing=False,
        resting=resting,
    )
    return agenda.steps + counted.steps


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.CLOUD, JobState.FETCHING])
@pytest.mark.parametrize("categories", [("tv",), ("tv", "film")])
def test_a_plan_costs_the_same_however_many_wait(state: JobState, categories: tuple[str, ...]) -> None:
    """Alone or two for each content, and with all that is in the cloud asked about just now."""

    def steps(count: int) -> int:
        jobs = [
            a_job(state, id=f"{category}{n:04}", key=f"k{n}", category=category, queued_at=float(n))
            for category in categories
            for n in range(count)
        ]
        return steps_of_a_plan(jobs, [job.id for job in jobs if state is JobState.CLOUD])

    assert steps(2000) == steps(20)


def test_jobs_that_wait_for_room_or_their_engine_cost_nothing() -> None:
    """Each is tried now and then, in vain, and every try brings a plan."""

    def steps(count: int) -> int:
        jobs = [a_job(JobState.FETCHING, id=f"f{n}", key=f"k{n}") for n in range(count)]
        return steps_of_a_plan([*jobs, a_job(JobState.FETCHING)], [], {job.id for job in jobs})

    assert steps(2000) == steps(20)


def test_who_rests_is_passed_over_until_the_first_may_be_turned_to() -> None:
    """That time counts where there is a place for it."""
    jobs = [a_job(JobState.FETCHING, id=name, key=name) for name in "abc"]

    def due(places: int) -> Plan:
        return plan(
            Agenda(jobs),
            NOW,
            busy=(),
            free={Lane.FETCH: places},
            not_before={"a": NOW + 5, "b": NOW + 7},
            vain={},
            rhythm=Rhythm(POLICY),
            cache=KNOWN_OF_NONE,
            tracing=False,
            resting={"a", "b"},
            rested_at=NOW + 5,
        )

    assert (names(due(2).effects), due(2).next_due_at) == (["Fetch c"], NOW + 5)
    assert (names(due(1).effects), due(1).next_due_at) == (["Fetch c"], math.inf)


def test_removed_jobs_that_wait_for_the_account_cost_nothing() -> None:
    """They are cleared a few a minute, and every answer brings a plan."""

    def steps(count: int) -> int:
        owing = a_job(JobState.REMOVED, to_clear=True)
        removed = [
            replace(owing, id=f"r{n}", submission=Submission(f"R{n}", "created")) for n in range(count)
        ]
        return steps_of_a_plan([*removed, a_job(JobState.REMOVED, id="x", key="x")], ["r1"])

    assert steps(2000) == steps(20)


def test_a_line_is_read_no_further_than_there_are_places() -> None:
    """Ten thousand jobs that wait for a place are not even looked at."""
    looked_at: list[str] = []

    class Watched(dict[str, Job]):
        """A line that notes who is looked at."""

        def values(self) -> Iterator[Job]:  # type: ignore[override] # all that is needed of a view
            for job in super().values():
                looked_at.append(job.id)
                yield job

    agenda = Agenda([])
    for state in agenda.lines:
        agenda.lines[state] = Watched(
            {f"{state}{n}": a_job(state, id=f"{state}{n}", key=f"{n}") for n in range(99)}
        )
    due = plan(
        agenda,
        NOW,
        busy=(),
        free={Lane.FETCH: 2},
        not_before={},
        vain={},
        rhythm=Rhythm(POLICY),
        cache=KNOWN_OF_NONE,
        tracing=True,
    )
    assert names(due.effects) == ["Fetch fetching0", "Fetch fetching1"]
    assert len(looked_at) < 10


@pytest.mark.parametrize(("age_s", "wait_s"), [(-100, 5.0), (0, 5.0), (80, 10.0), (480, 60.0), (1e6, 60.0)])
def test_who_waits_for_room_looks_now_and_then(age_s: float, wait_s: float) -> None:
    """An eighth of the age, within the bounds, up to a quarter longer; and no two the same."""
    waits = {
        room_delay_s(a_job(JobState.FETCHING, id=f"j{n}", changed_at=NOW - age_s), NOW) for n in range(20)
    }
    assert len(waits) == 20
    assert wait_s <= min(waits) < max(waits) <= wait_s * 1.25


# --- looks into the cache ---


def choosy(name: str, cached: str = "only", **changes: object) -> Job:
    """Return a queued job for which it matters whether it is cached."""
    return a_job(id=name, key=name, cached=cached, **changes)


def test_all_that_wait_are_asked_about_in_one_look() -> None:
    """It takes one place and goes before the submissions; who is asked about is not handed in meanwhile."""
    jobs = [choosy("a"), a_job(id="b", key="b"), choosy("c", "first"), a_job(id="d", key="d")]
    due = planned(*jobs, free={Lane.API: 2})
    assert names(due.effects) == ["Consult a", "Consult c", "Submit b"]
    due = planned(*jobs, free={Lane.API: 0})
    assert (names(due.effects), due.next_due_at) == ([], math.inf)


def test_nobody_is_asked_about_who_is_not_due() -> None:
    """Not the busy, not those that wait for their time, not those behind another with the same content."""
    jobs = [choosy("a"), choosy("b", retry_at=NOW + 9), choosy("c"), choosy("d", queued_at=NOW)]
    jobs += [replace(choosy("e", queued_at=NOW - 2000), link=jobs[3].link)]
    due = planned(*jobs, busy={"a"})
    assert (names(due.effects), due.next_due_at) == (["Consult c", "Consult e"], NOW + 9)


def test_nobody_waits_for_a_look_that_only_another_needs() -> None:
    """Of two with the same content the one that takes it in any case goes ahead; an open intent before it."""
    early = choosy("a", queued_at=NOW - 2000)
    late = replace(a_job(id="b", queued_at=NOW), link=early.link)
    assert names(planned(early, late).effects) == ["Submit b"]
    assert names(planned(replace(early, unsure=True, posted_at=NOW), late).effects) == ["Adopt a"]


def test_while_no_look_may_begin_a_wish_waits_for_none() -> None:
    """A promise does: until the next look, or until the one under way has landed."""
    jobs = [choosy("a"), choosy("b", "first")]
    for look_at in (NOW + 3, math.inf):
        due = planned(*jobs, cache=Knowledge(look_at=look_at))
        assert (names(due.effects), due.next_due_at) == (["Submit b"], look_at)


def test_what_is_cached_is_handed_in_first() -> None:
    """Before what came earlier, to any folder."""
    jobs = [a_job(id="a", key="a"), choosy("b"), choosy("c", "first")]
    yes = Finding(cached=True, at=NOW)
    due = planned(*jobs, free={Lane.API: 2}, cache=Knowledge({"b": yes, "c": yes}, ["c"]))
    assert names(due.effects) == ["Submit c", "Submit a"]


def test_who_is_not_queued_any_more_is_not_choosy() -> None:
    """The line of those that are asked about follows the jobs."""
    agenda = Agenda([choosy("a")])
    assert list(agenda.choosy) == ["a"]
    agenda.replace(agenda.choosy["a"], a_job(JobState.FAILED, id="a", cached="only"))
    assert not agenda.choosy
