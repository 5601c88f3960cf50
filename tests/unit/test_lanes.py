"""The hands: what each effect does, and that every answer comes back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

import pytest

from offcloud_watchd.core import imports
from offcloud_watchd.core.effects import (
    Adopt,
    Clear,
    Consult,
    Discard,
    Fetch,
    Inspect,
    Poll,
    Report,
    Solo,
    Submit,
    Trace,
)
from offcloud_watchd.core.events import (
    Cleared,
    CloudReady,
    Deferred,
    Delivered,
    Discarded,
    Failed,
    Granted,
    Imported,
    Kept,
    NotFound,
    Published,
    Reported,
    Requeued,
    Resumed,
    Submitted,
    Withdrawn,
)
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Advanced, Heard, Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import (
    PAUSING,
    Delivery,
    Destination,
    Job,
    JobState,
    Lane,
    Link,
    Phase,
    Progress,
    Publication,
    RemoteFile,
    Removal,
    Route,
    Sought,
    Submission,
)
from offcloud_watchd.core.picture import AtWork
from offcloud_watchd.core.ports import Cloud, ListFiles, Look, OnProgress, Shelf, Stop, Tools, Wish
from offcloud_watchd.core.rounds import ALONE
from offcloud_watchd.errors import Blocked, Cancelled, Gone, OffcloudWatchdError, Transient, Untold
from offcloud_watchd.lanes import PROGRESS_EVERY_S, Ports, Workers, ask_round, consult, minted, perform, trace
from offcloud_watchd.systemd import limits_s, overdue
from tests.fakes.clock import FakeClock
from tests.fakes.cloud import FakeCloud
from tests.fakes.jobs import DRIVE, NOW, a_job, an_intake
from tests.fakes.shelf import FakeShelf
from tests.fakes.threads import no_more_threads

ANSWER_WITHIN_S = 20.0
POLICY = Policy()


@dataclass
class Rig:
    """An account, a shelf and a clock, and the ports that lead to them."""

    clock: FakeClock = field(default_factory=FakeClock)
    shelf: Shelf = field(default_factory=FakeShelf)
    look: Callable[[], Look] = field(default=lambda: Look(()))
    policy: Policy = field(default_factory=Policy)
    tools: Tools | None = None

    def __post_init__(self) -> None:
        self.cloud: FakeCloud = FakeCloud(self.clock)
        self.account: Cloud = self.cloud

    @property
    def ports(self) -> Ports:
        """The outside world for the lanes."""
        ports = Ports(self.account, self.shelf, self.look, self.clock, self.policy)
        return replace(ports, tools=self.tools)

    def perform(self, act: Solo) -> Outcome:
        """Carry an act out here and now."""
        stop = threading.Event()
        return perform(
            act,
            self.ports,
            self.account.files,
            lambda _progress: None,
            stop,
        )

    def ask(self, *polls: Poll) -> list[Outcome]:
        """Ask about some jobs in one round."""
        return list(ask_round(polls, self.ports, threading.Event()))

    def consult(self, *jobs: Job) -> list[Outcome]:
        """Ask in one look which jobs are cached."""
        return list(consult([Consult(job) for job in jobs], self.ports, threading.Event()))

    def requested(self, state: JobState = JobState.CLOUD, **changes: object) -> Job:
        """Return a job whose request is in the account."""
        submission = self.cloud.submit(a_job().link, threading.Event())
        return a_job(state, submission=submission, **changes)


# --- what each effect does ---


def test_submit_hands_the_link_in() -> None:
    """The answer is the request id."""
    rig = Rig()
    outcome = rig.perform(Submit(a_job()))
    assert outcome.event == Submitted("job", NOW, Submission("R1", "created", "one"))
    assert rig.cloud.posts == 1


@pytest.mark.parametrize("route", ["cloud", "remote"])
def test_a_file_is_handed_over_in_place_of_its_link(route: str) -> None:
    """Where there is one to hand over; what begins anew needs none."""
    rig = Rig()
    ports = replace(rig.ports, file_of=lambda job: job.id.encode())
    perform(Submit(a_job(route=route)), ports, lambda *_: [], lambda _: None, threading.Event())
    assert rig.cloud.uploads == [b"job"]
    again = a_job(route=route, failed_request="R1")
    perform(Submit(again), ports, lambda *_: [], lambda _: None, threading.Event())
    assert rig.cloud.uploads == [b"job"]


def test_links_that_are_given_at_once_are_fetched_at_once() -> None:
    """Nothing is posted and nothing followed; a fetch that has lost the links has new ones."""
    rig = Rig()
    outcome = rig.perform(Submit(a_job(route="instant")))
    assert outcome.event == Granted("job", NOW, Submission("I1", "created", "one"))
    job = a_job(JobState.FETCHING, route="instant")
    urls = [minted(rig.cloud, job, threading.Event())[0].url[-1] for _ in range(2)]
    assert (urls, rig.cloud.grants, rig.cloud.posts) == (["1", "2"], 2, 0)


def test_what_goes_to_a_remote_account_is_sent_followed_and_done() -> None:
    """Nothing is fetched, and what is dropped again is left as it is."""
    rig = Rig()
    outcome = rig.perform(Submit(a_job(route="remote")))
    assert outcome.event == Submitted("job", NOW, Submission("R1", "created", "one"))
    assert rig.cloud.items["R1"].target == DRIVE
    rig.clock.advance(60)
    job = a_job(JobState.CLOUD, route="remote", submission=Submission("R1", name="one.bin"))
    delivery = Delivery("googledrive", "f1", "one.bin")
    [told] = rig.ask(Poll(job))
    assert told.event == Delivered("job", NOW + 60, delivery)
    again = a_job(JobState.CHECKING, route="remote", publication=None, delivery=delivery)
    assert rig.perform(Inspect(again)).event == Kept("job", NOW + 60)


@pytest.mark.parametrize("route", ["cloud", "remote"])
@pytest.mark.parametrize(("retries", "request_id"), [(True, "R1"), (False, "R2"), (None, "R2")])
def test_what_the_service_gave_up_it_tries_again(
    route: str, request_id: str, *, retries: bool | None
) -> None:
    """Where it can; what it cannot, or what is gone there, is handed in anew."""
    rig = Rig()
    rig.perform(Submit(a_job(route=route)))
    if retries is None:
        rig.cloud.items.clear()
    rig.cloud.retries = bool(retries)
    event = rig.perform(Submit(a_job(route=route, failed_request="R1"))).event
    assert isinstance(event, Submitted)
    assert (event.submission.request_id, rig.cloud.revived) == (request_id, ["R1"] if retries else [])


@pytest.mark.parametrize(
    ("route", "remove", "clear", "until_imported"),
    [
        ("cloud", Removal.NEVER, False, False),
        ("cloud", Removal.PUBLISHED, True, False),
        ("cloud", Removal.IMPORTED, False, True),
        ("instant", Removal.PUBLISHED, False, False),
        ("instant", Removal.IMPORTED, False, True),
    ],
)
def test_what_is_published_is_to_be_cleared_where_that_is_wanted(
    route: str, remove: Removal, *, clear: bool, until_imported: bool
) -> None:
    """What is given at once leaves nothing to clear, but an entry that goes when it is imported."""
    rig = Rig(policy=Policy(remove=remove))
    event = rig.perform(Fetch(rig.requested(JobState.FETCHING, route=route))).event
    assert isinstance(event, Published)
    assert (event.clear, event.until_imported) == (clear, until_imported)


def test_a_request_is_cleared_twice_without_harm() -> None:
    """A crash between the removal and its record lets it be done again."""
    rig = Rig()
    job = rig.requested(JobState.DONE, to_clear=True, posted_at=NOW)
    for _ in range(2):
        assert rig.perform(Clear(job)).event == Cleared("job", NOW)
    assert rig.cloud.removed == ["R1"]


def test_a_request_that_was_there_before_is_left() -> None:
    """The account's history tells when it was made."""
    rig = Rig()
    job = rig.requested(JobState.DONE, to_clear=True, posted_at=NOW + 3600)
    event = rig.perform(Clear(job)).event
    assert isinstance(event, Cleared)
    assert event.reason
    assert list(rig.cloud.items) == ["R1"]


@dataclass
class _Tool:
    """A tool that was told what is in ``told``; ``reason`` is what it answers, ``has`` who has imported."""

    reason: str = ""
    has: str = ""
    told: list[str] = field(default_factory=list)

    def report(self, job: Job, stop: Stop) -> str:
        """Be told."""
        self.told.append(threading.current_thread().name)
        return self.reason

    def imported(self, job: Job, stop: Stop) -> str:
        """Tell."""
        if self.has == "down":
            raise Transient("sonarr gave no answer")
        return self.has


def test_what_was_imported_is_seen_in_its_lane(caplog: pytest.LogCaptureFixture) -> None:
    """A release that was taken away leaves at once; what a tool says it has stays for it to remove."""
    shelf, tool = FakeShelf(), _Tool()
    done = a_job(JobState.DONE, to_import=True)
    with working(Rig(shelf=shelf, tools=tool)) as (workers, inbox):
        workers.trace([Trace(done, Lane.DISK)], threading.Event())
        event = Imported("job", NOW, "its release was taken away", NOW)
        assert answer(inbox) == Outcome(Trace(done, Lane.DISK), event, heard=Heard.NOT)
        shelf.missing = True
        workers.trace([Trace(done, Lane.DISK)], threading.Event())
        assert answer(inbox) == Outcome(Trace(done, Lane.DISK), heard=Heard.NOT)
        workers.trace([Trace(done, Lane.ARR)], threading.Event())
        assert answer(inbox) == Outcome(Trace(done, Lane.ARR), heard=Heard.NOT)
        tool.has = "sonarr"
        workers.trace([Trace(done, Lane.ARR)], threading.Event())
        event = Imported("job", NOW, "sonarr says so", NOW + imports.ENTRY_STAYS_S)
        assert answer(inbox) == Outcome(Trace(done, Lane.ARR), event, heard=Heard.NOT)
        tool.has = "down"
        workers.trace([Trace(done, Lane.ARR)] * 2, threading.Event())
        errors = [str(out.error) for out in (answer(inbox), answer(inbox)) if isinstance(out, Outcome)]
        assert errors == ["sonarr gave no answer"] * 2
    assert caplog.text.count("not seen whether releases were imported: sonarr gave no answer") == 1


def test_a_round_of_looks_obeys_a_stop() -> None:
    """Each is answered all the same."""
    stop = threading.Event()
    stop.set()
    done = a_job(JobState.DONE, to_import=True)
    [outcome] = trace([Trace(done, Lane.DISK)], Rig().ports, stop)
    assert isinstance(outcome.error, Cancelled)


def test_a_failure_is_reported_in_a_lane_of_its_own() -> None:
    """Where there is a tool; where there is none any more, that is the reason."""
    failed = a_job(JobState.FAILED, to_report=True)
    assert Rig().perform(Report(failed)).event == Reported("job", NOW, "there is no `arr` entry")
    tool = _Tool("it has not grabbed it")
    with working(Rig(tools=tool)) as (workers, inbox):
        workers.dispatch(Report(failed), threading.Event())
        assert answer(inbox) == Outcome(Report(failed), Reported("job", NOW, tool.reason))
        asked: SimpleQueue[str] = SimpleQueue()
        workers.ask(lambda _stop: asked.put(threading.current_thread().name), Lane.ARR)
        assert asked.get(timeout=ANSWER_WITHIN_S) == "arr"
    assert tool.told == ["arr"]


def test_adopt_passes_over_what_belongs_to_others() -> None:
    """Another account's transfer, or one of an earlier round, is not the one that was just asked for."""
    rig = Rig()
    for _ in range(3):
        rig.perform(Submit(a_job(route="remote")))
    job = a_job(route="remote", unsure=True, posted_at=NOW, doubted_at=NOW, spent=("R1",))
    event = rig.perform(Adopt(job, frozenset({"R2"}))).event
    assert event == Submitted("job", NOW, Submission("R3", "created"), adopted=True)
    job = replace(job, destination=a_job().destination)
    assert isinstance(rig.perform(Adopt(job)).event, Deferred), "the cloud has a history of its own"


def test_adopt_leaves_another_intent_its_request() -> None:
    """Of two transfers that were not answered each is found by the job that asked for it."""
    rig = Rig()
    for _ in range(2):
        rig.perform(Submit(a_job(route="remote")))
        rig.clock.advance(40)
    first, second = (
        a_job(id=f"{sent_s}", route="remote", unsure=True, posted_at=NOW + sent_s, doubted_at=NOW)
        for sent_s in (0, 40)
    )
    for job, rival_at, request_id in [(second, NOW, "R2"), (first, NOW + 40, "R1")]:
        event = rig.perform(Adopt(job, rivals=frozenset({rival_at}))).event
        assert isinstance(event, Submitted)
        assert event.submission.request_id == request_id
    rig.cloud.items.pop("R1")
    alone = rig.perform(Adopt(first, rivals=frozenset({NOW + 40}))).event
    assert isinstance(alone, Deferred), "the other's is not taken in place of it"


def test_adopt_takes_the_oldest_request() -> None:
    """What is in the account already is used."""
    rig = Rig()
    rig.requested()
    rig.requested()
    outcome = rig.perform(Adopt(a_job(unsure=True, posted_at=NOW, doubted_at=NOW)))
    found = Submission("R1", "created")
    assert outcome.event == Submitted("job", NOW, found, adopted=True)


def test_adopt_finds_nothing_in_time() -> None:
    """A listing late enough proves absence, an early one nothing."""
    rig = Rig()
    late = rig.perform(Adopt(a_job(unsure=True, posted_at=NOW - 900, doubted_at=NOW - 900)))
    assert late.event == NotFound("job", NOW)
    early = rig.perform(Adopt(a_job(unsure=True, posted_at=NOW, doubted_at=NOW)))
    assert isinstance(early.event, Deferred)


@pytest.mark.parametrize("newest", ["changed_at", "doubted_at", "retry_at"])
def test_adopt_wants_a_listing_that_is_new_enough(newest: str) -> None:
    """A listing from before the round, the doubt or the present try is not used again."""
    asked: list[float] = []

    @dataclass
    class Asked(FakeCloud):
        """Notes how new a listing must be."""

        def find(
            self, link: Link, not_before: float, stop: Stop, route: Route = Route.CLOUD
        ) -> tuple[Sequence[Sought], float]:
            asked.append(not_before)
            return super().find(link, not_before, stop, route)

    rig = Rig()
    rig.account = Asked(rig.clock)
    old = a_job(unsure=True, changed_at=NOW - 900, doubted_at=NOW - 900, retry_at=NOW - 900)
    rig.perform(Adopt(replace(old, **{newest: NOW - 5})))  # type: ignore[arg-type] # all three are times
    assert asked == [NOW - 5]


def test_fetch_publishes() -> None:
    """The answer is the proof."""
    rig = Rig()
    outcome = rig.perform(Fetch(rig.requested(JobState.FETCHING)))
    assert isinstance(outcome.event, Published)
    assert outcome.event.publication.files == 1


def test_a_fetch_with_a_donor_transfers_nothing() -> None:
    """The files of the other job are linked; where that cannot be done they are fetched."""
    rig = Rig()
    assert isinstance(rig.shelf, FakeShelf)
    first = rig.perform(Fetch(rig.requested(JobState.FETCHING))).event
    assert isinstance(first, Published)
    donor = a_job(JobState.DONE, publication=first.publication)
    for name, links, verified in (("film", True, "linked from job: size"), ("more", False, "size")):
        rig.shelf.links = links
        wanted = rig.requested(JobState.FETCHING, id=name, category=name)
        event = rig.perform(Fetch(wanted, donors=(donor,))).event
        assert isinstance(event, Published)
        assert event.publication.verified == verified
    assert rig.shelf.transfers == 2


def test_inspect_says_whether_it_is_still_there() -> None:
    """What is there is kept, what is gone begins anew; so does what cannot say where it is."""
    rig = Rig()
    assert isinstance(rig.shelf, FakeShelf)
    published = rig.perform(Fetch(rig.requested(JobState.FETCHING))).event
    assert isinstance(published, Published)
    job = a_job(JobState.CHECKING, publication=published.publication)
    assert rig.perform(Inspect(job)).event == Kept("job", NOW, published.publication.path)
    rig.shelf.lost.add(published.publication.path)
    assert rig.perform(Inspect(job)).event == Requeued("job", NOW)
    assert rig.perform(Inspect(replace(job, publication=None))).event == Requeued("job", NOW)
    moves = replace(job, moves_to=Destination("tv", "/new/tv"))
    assert rig.perform(Inspect(moves)).event == Requeued("job", NOW, destination=moves.moves_to)


def test_discard_takes_away() -> None:
    """A removed job leaves nothing behind."""
    rig = Rig()
    rig.perform(Fetch(rig.requested(JobState.FETCHING)))
    outcome = rig.perform(Discard(a_job(JobState.REMOVED, remove_files=True)))
    assert outcome.event == Discarded("job", NOW)
    owing = a_job(JobState.REMOVED, remove_files=True, to_clear=True)
    assert rig.perform(Discard(owing)).event == Withdrawn("job", NOW)
    assert isinstance(rig.shelf, FakeShelf)
    assert rig.shelf.published == {}


# --- rounds ---


def test_few_are_asked_about_alone() -> None:
    """There is progress, and nothing to record."""
    rig = Rig()
    polls = [Poll(rig.requested(id=name)) for name in "ab"]
    outcomes = rig.ask(*polls)
    assert [outcome.effect for outcome in outcomes] == polls
    for outcome in outcomes:
        assert (outcome.event, outcome.error, outcome.heard) == (None, None, Heard.ALONE)
        assert outcome.progress == Progress(fraction=0.5)
    assert rig.cloud.asked == {"alone": 2}


def test_many_are_asked_about_together_and_one_for_its_progress() -> None:
    """What the list tells counts for all; the list knows no progress, so one more is looked at."""
    rig = Rig()
    polls = [Poll(rig.requested(id=f"j{number}"), detailed_at=NOW - number) for number in range(9)]
    outcomes = rig.ask(*polls)
    assert [one.effect.job.id for one in outcomes if one.heard is Heard.ALONE] == ["j8"]
    assert [one.progress for one in outcomes].count(None) == 8
    assert rig.cloud.asked == {"together": 1, "alone": 1}


def test_what_was_not_told_together_is_asked_alone_a_few_at_a_time() -> None:
    """The most overdue come first; who is not asked about this time is as due as before."""
    rig = Rig()
    rig.cloud.lag_s = 60.0
    polls = [Poll(rig.requested(id=f"j{number}")) for number in range(9)]
    outcomes = {outcome.effect.job.id: outcome for outcome in rig.ask(*polls)}
    heard = [outcomes[poll.job.id].heard for poll in polls]
    assert heard == [Heard.ALONE] * ALONE + [Heard.NOT] * 5
    assert all(one.event is None and one.error is None for one in outcomes.values())


def test_two_jobs_with_one_request_are_one_question() -> None:
    """Both get the answer."""
    rig = Rig()
    first = rig.requested(id="first")
    rig.clock.advance(rig.cloud.takes_s)
    outcomes = rig.ask(Poll(first), Poll(replace(first, id="second")))
    assert [type(outcome.event) for outcome in outcomes] == [CloudReady, CloudReady]
    assert rig.cloud.asked == {"alone": 1}


def test_a_poll_that_works_again_forgives() -> None:
    """Failures count in a row only."""
    rig = Rig()
    [outcome] = rig.ask(Poll(rig.requested(attempts=3)))
    assert outcome.event == Resumed("job", NOW)


def test_a_request_that_is_gone_is_an_error_of_its_job_alone() -> None:
    """The others of the round are answered."""
    rig = Rig()
    there = rig.requested(id="there")
    gone, here = rig.ask(Poll(a_job(JobState.CLOUD, submission=Submission("R9"))), Poll(there))
    assert isinstance(gone.error, Gone)
    assert (here.error, here.heard) == (None, Heard.ALONE)


def test_what_blocks_one_question_blocks_the_round() -> None:
    """Nobody is asked about behind a refused key."""
    for count in (2, 9):
        rig = Rig()
        polls = [Poll(rig.requested(id=f"j{number}")) for number in range(count)]
        rig.cloud.refuse_key = True
        outcomes = rig.ask(*polls)
        assert len(outcomes) == count
        assert all(isinstance(outcome.error, Blocked) for outcome in outcomes)
        assert rig.cloud.asked.total() <= 1


def test_an_outage_is_charged_to_one_job(caplog: pytest.LogCaptureFixture) -> None:
    """After one question in vain no other is tried, and an answer about all that does not come is free."""

    @dataclass
    class Down(FakeCloud):
        """Answers nothing about requests."""

        def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
            self.asked["alone"] += 1
            raise Transient("503")

    for count in (2, 9):
        rig = Rig()
        rig.account = down = Down(rig.clock, history_down=True)
        submissions = [down.submit(a_job().link, threading.Event()) for _ in range(count)]
        polls = [Poll(a_job(JobState.CLOUD, id=one.request_id, submission=one)) for one in submissions]
        with caplog.at_level(logging.CRITICAL):
            outcomes = rig.ask(*polls)
        assert len(outcomes) == count
        [charged] = [outcome for outcome in outcomes if outcome.error is not None]
        assert charged.effect is polls[0]
        assert [one.heard for one in outcomes].count(Heard.NOT) == count - 1
        assert down.asked["alone"] == 1


def test_a_bug_in_the_toldabout_all_hides_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """They are asked about alone, and the log shows where it is."""

    @dataclass
    class Buggy(FakeCloud):
        """Raises what no port may raise, for all and for the first."""

        def statuses(
            self,
            submissions: Sequence[Submission],
            stop: Stop,
            route: Route = Route.CLOUD,
            *,
            closely: bool = False,
        ) -> Mapping[str, Phase]:
            raise ZeroDivisionError("a bug")

        def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
            if submission.request_id == "R1":
                raise ZeroDivisionError("a bug")
            return super().status(submission, stop, route)

    rig = Rig()
    rig.account = buggy = Buggy(rig.clock)
    requests = [buggy.submit(a_job().link, threading.Event()) for _ in range(6)]
    with caplog.at_level(logging.ERROR):
        outcomes = rig.ask(
            *(Poll(a_job(JobState.CLOUD, id=one.request_id, submission=one)) for one in requests)
        )
    assert [type(outcome.error) for outcome in outcomes] == [ZeroDivisionError, *[type(None)] * 5]
    assert [outcome.heard for outcome in outcomes].count(Heard.ALONE) == ALONE
    assert "Traceback" in caplog.text


def test_an_error_beside_a_good_word_counts_for_nothing() -> None:
    """The list vouches for a request whose progress alone was asked for, unless it may be stuck."""

    @dataclass
    class Half(FakeCloud):
        """Knows the list, but no single request."""

        def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
            raise Transient("503")

    for age_s, errors in ((60.0, 0), (POLICY.stall_s, 1)):
        rig = Rig()
        rig.account = half = Half(rig.clock, takes_s=1e9)
        requests = [half.submit(a_job().link, threading.Event()) for _ in range(6)]
        jobs = [
            a_job(JobState.CLOUD, id=one.request_id, submission=one, changed_at=NOW - age_s)
            for one in requests
        ]
        outcomes = rig.ask(*map(Poll, jobs))
        assert len([one for one in outcomes if one.error is not None]) == errors


@pytest.mark.parametrize(
    ("age_s", "listed", "error"), [(900.0, False, Gone), (9.0, False, Untold), (900.0, True, Untold)]
)
def test_a_service_that_says_nothing_of_a_request(
    age_s: float, *, listed: bool, error: type[Exception]
) -> None:
    """It is gone when the account does not list it, late enough; else it is asked about again."""

    @dataclass
    class Silent(FakeCloud):
        """Has no word for a request it does not hold."""

        def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
            raise Untold("nothing is said of it")

    rig = Rig()
    rig.account = silent = Silent(rig.clock)
    submission = silent.submit(a_job().link, threading.Event())
    if not listed:
        del silent.items[submission.request_id]
    then = NOW - age_s
    [outcome] = rig.ask(Poll(a_job(JobState.CLOUD, submission=submission, changed_at=then, doubted_at=then)))
    assert type(outcome.error) is error


# --- the threads ---


@contextmanager
def working(rig: Rig, *, fetchers: int = 2) -> Iterator[tuple[Workers, SimpleQueue[Message]]]:
    """Run the lanes; end them, and see that they end."""
    inbox: SimpleQueue[Message] = SimpleQueue()
    before = set(threading.enumerate())
    workers = Workers(rig.ports, inbox, fetchers=fetchers)
    workers.start()
    try:
        yield workers, inbox
    finally:
        ours = set(threading.enumerate()) - before
        workers.close(ANSWER_WITHIN_S)
        assert not [thread for thread in ours if thread.is_alive()], "close ends every thread"


def answer(inbox: SimpleQueue[Message]) -> Message:
    """Wait for the next message."""
    return inbox.get(timeout=ANSWER_WITHIN_S)


def test_an_effect_is_answered() -> None:
    """The outcome carries the very effect it answers."""
    with working(Rig()) as (workers, inbox):
        submit = Submit(a_job())
        workers.dispatch(submit, threading.Event())
        outcome = answer(inbox)
        assert isinstance(outcome, Outcome)
        assert outcome.effect is submit
        assert isinstance(outcome.event, Submitted)


def test_a_round_is_answered_job_by_job() -> None:
    """The api lane carries it out."""
    rig = Rig()
    polls = [Poll(rig.requested(id=name)) for name in "ab"]
    with working(rig) as (workers, inbox):
        workers.poll(polls, threading.Event())
        for poll in polls:
            outcome = answer(inbox)
            assert isinstance(outcome, Outcome)
            assert outcome.effect is poll


def test_an_error_is_an_answer() -> None:
    """Our own errors come back as they are, and the lane goes on."""
    rig = Rig()
    rig.cloud.refuse_key = True
    with working(rig) as (workers, inbox):
        for _ in range(2):
            workers.dispatch(Submit(a_job()), threading.Event())
            outcome = answer(inbox)
            assert isinstance(outcome, Outcome)
            assert isinstance(outcome.error, Blocked)


def test_a_bug_is_an_toldand_the_log_shows_where(caplog: pytest.LogCaptureFixture) -> None:
    """A foreign exception ends no lane, and its traceback is in the log."""

    @dataclass
    class Buggy(FakeShelf):
        """Raises what no port may raise."""

        def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
            raise ZeroDivisionError("a bug")

    with working(Rig(shelf=Buggy())) as (workers, inbox), caplog.at_level(logging.ERROR):
        workers.dispatch(Fetch(a_job(JobState.FETCHING)), threading.Event())
        outcome = answer(inbox)
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert "job job: Fetch raised" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_what_was_called_back_is_not_begun() -> None:
    """A submission whose flag is up is never posted."""
    rig, stop = Rig(), threading.Event()
    stop.set()
    with working(rig) as (workers, inbox):
        workers.dispatch(Submit(a_job()), stop)
        outcome = answer(inbox)
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.error, Cancelled)
    assert rig.cloud.posts == 0


def test_the_api_lane_asks_for_links() -> None:
    """Only one thread ever uses the client, also when a fetch needs links."""
    users: set[str] = set()

    @dataclass
    class Watched(FakeCloud):
        """Notes who uses it."""

        def submit(self, link: Link, stop: Stop, file: bytes | None = None) -> Submission:
            users.add(threading.current_thread().name)
            return super().submit(link, stop, file)

        def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
            users.add(threading.current_thread().name)
            return super().files(submission, stop)

    rig = Rig()
    job = rig.requested(JobState.FETCHING)
    watched = Watched(rig.clock, items=rig.cloud.items)
    rig.account = watched
    with working(rig) as (workers, inbox):
        workers.dispatch(Fetch(job), threading.Event())
        messages = [answer(inbox), answer(inbox)]
        workers.dispatch(Submit(a_job(key="two")), threading.Event())
        answer(inbox)
    assert users == {"api"}
    assert [type(message) for message in messages] == [Advanced, Outcome]
    assert isinstance(messages[1], Outcome)
    assert isinstance(messages[1].event, Published)


def test_links_are_asked_for_in_turn_with_what_else_waits() -> None:
    """What is ready does not wait for all that are still to be handed in, nor these for all that is ready."""
    said: list[str] = []

    @dataclass
    class Heard(FakeCloud):
        """Notes in which order it is asked."""

        def submit(self, link: Link, stop: Stop, file: bytes | None = None) -> Submission:
            said.append("submit")
            return super().submit(link, stop, file)

        def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
            said.append("links")
            return super().files(submission, stop)

    rig, busy, free = Rig(), threading.Event(), threading.Event()

    def occupy(_stop: Stop) -> None:
        busy.set()
        free.wait(ANSWER_WITHIN_S)

    ready = [rig.requested(JobState.FETCHING, id=name) for name in "ab"]
    rig.account = Heard(rig.clock, items=rig.cloud.items)
    with working(rig) as (workers, inbox):
        workers.ask(occupy)
        assert busy.wait(ANSWER_WITHIN_S)
        for number in range(3):
            workers.dispatch(Submit(a_job(key=f"k{number}")), threading.Event())
        for job in ready:
            workers.dispatch(Fetch(job), threading.Event())
        patience = threading.Event()
        for _ in range(int(ANSWER_WITHIN_S * 100)):
            if workers._for_links.qsize() == len(ready) or patience.wait(0.01):
                break
        free.set()
        outcomes = 0
        while outcomes < 5:
            outcomes += isinstance(answer(inbox), Outcome)
    assert said == ["links", "submit", "links", "submit", "submit"]


@pytest.mark.parametrize("error", [Transient("timeout"), ValueError("a bug")], ids=["transient", "bug"])
def test_a_refused_link_is_the_fetchs_answer(error: Exception) -> None:
    """What the account says to the api lane reaches the fetch that asked."""

    @dataclass
    class Refusing(FakeCloud):
        """Gives no links."""

        def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
            raise error

    rig = Rig()
    rig.account = Refusing(rig.clock)
    with working(rig) as (workers, inbox):
        workers.dispatch(Fetch(a_job(JobState.FETCHING)), threading.Event())
        outcome = answer(inbox)
    assert isinstance(outcome, Outcome)
    assert outcome.error is error


@dataclass
class Stuck(FakeCloud):
    """An account that gives links only when it is told to."""

    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Hang."""
        self.asked.set()
        assert self.go_on.wait(ANSWER_WITHIN_S)
        return []


def test_a_fetch_that_waits_for_links_can_be_called_back() -> None:
    """The api lane may hang; the fetch that asked it ends all the same."""
    rig, stop = Rig(), threading.Event()
    stuck = Stuck(rig.clock)
    rig.account = stuck
    with working(rig) as (workers, inbox):
        workers.dispatch(Fetch(a_job(JobState.FETCHING)), stop)
        assert stuck.asked.wait(ANSWER_WITHIN_S)
        stop.set()
        outcome = answer(inbox)
        assert isinstance(outcome, Outcome)
        assert isinstance(outcome.error, Cancelled)
        stuck.go_on.set()


def test_closing_ends_a_fetch_that_waits_for_links() -> None:
    """A lane that is closed waits for nobody, and what hangs in the kernel is left behind."""
    rig = Rig()
    stuck = Stuck(rig.clock)
    rig.account = stuck
    inbox: SimpleQueue[Message] = SimpleQueue()
    workers = Workers(rig.ports, inbox, fetchers=1)
    workers.start()
    workers.dispatch(Fetch(a_job(JobState.FETCHING)), threading.Event())
    assert stuck.asked.wait(ANSWER_WITHIN_S)
    workers.close(0.0)
    outcome = answer(inbox)
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.error, Cancelled)
    stuck.go_on.set()


def test_lanes_that_were_never_started_can_be_closed() -> None:
    """A start that fails half way ends as well."""
    Workers(Rig().ports, SimpleQueue(), fetchers=1).close(0.0)


def test_a_start_that_gets_no_threads_says_so() -> None:
    """The process ends with a sentence, and its manager starts it again (fault 106)."""
    workers = Workers(Rig().ports, SimpleQueue(), fetchers=1)
    with no_more_threads(), pytest.raises(Transient, match="TasksMax="):
        workers.start()
    workers.close(0.0)


# --- who is at what ---


@dataclass
class Hanging(FakeShelf):
    """A shelf whose disk answers only when it is told to."""

    here: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def holds(self, publication: Publication) -> bool:
        """Hang."""
        self.here.set()
        assert self.go_on.wait(ANSWER_WITHIN_S)
        return True

    def discard(self, job: Job, stop: Stop) -> None:
        """Hang after a look at the flag."""
        stop.is_set()
        self.here.set()
        assert self.go_on.wait(ANSWER_WITHIN_S)


def test_a_worker_that_hangs_is_seen() -> None:
    """Since when it has not moved, and at what; the others go on, and moving again is enough."""
    shelf = Hanging()
    rig = Rig(shelf=shelf)
    publication = Publication("/out/one", 1, 1, "size")
    with working(rig) as (workers, inbox):
        began_s = rig.clock.monotonic()
        workers.dispatch(Inspect(a_job(JobState.CHECKING, publication=publication)), threading.Event())
        assert shelf.here.wait(ANSWER_WITHIN_S)
        rig.clock.advance(2000)
        workers.dispatch(Submit(a_job(id="other")), threading.Event())
        answer(inbox)
        workers.probe(Lane.API)
        answer(inbox)
        assert workers.busy()["disk"] == AtWork(Lane.DISK, "Inspect of job job", began_s)
        assert overdue(workers.busy(), rig.clock.monotonic(), limits_s(60.0)).keys() == {"disk"}
        shelf.go_on.set()
        assert isinstance(answer(inbox), Outcome)
        wait_for_idle(workers)


def test_a_look_at_the_stop_flag_is_a_movement() -> None:
    """Ports look at it between their steps, so a long task that gets on is none that hangs."""
    shelf = Hanging()
    rig = Rig(shelf=shelf)

    class Late(threading.Event):
        """A flag that is looked at long after the task began."""

        def is_set(self) -> bool:
            if not shelf.here.is_set():
                rig.clock.advance(100)
            return super().is_set()

    with working(rig) as (workers, inbox):
        began_s = rig.clock.monotonic()
        workers.dispatch(Discard(a_job(JobState.REMOVED)), Late())
        assert shelf.here.wait(ANSWER_WITHIN_S)
        assert began_s < workers.busy()["disk"].moved_at_s <= rig.clock.monotonic()
        shelf.go_on.set()
        answer(inbox)


def test_a_wait_for_the_flag_lies_ahead() -> None:
    """Whoever waits for its turn says until when, and moves when it is back."""
    waits = threading.Event()

    class Waited(threading.Event):
        """A flag that tells when it is waited for."""

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout == 30.0
            waits.set()
            return super().wait(ANSWER_WITHIN_S)

    @dataclass
    class Paced(FakeCloud):
        """An account that wants to be left alone for a while."""

        def submit(self, link: Link, stop: Stop, file: bytes | None = None) -> Submission:
            assert stop.wait(30.0)
            raise Cancelled("stopped")

    rig, flag = Rig(), Waited()
    rig.account = Paced(rig.clock)
    with working(rig) as (workers, inbox):
        workers.dispatch(Submit(a_job()), flag)
        assert waits.wait(ANSWER_WITHIN_S)
        assert workers.busy()["api"].moved_at_s == rig.clock.monotonic() + 30.0
        flag.set()
        outcome = answer(inbox)
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.error, Cancelled)


def test_links_are_the_api_lanes_work() -> None:
    """A fetch that waits for links looks at its flag; the api lane, which has to get them, is what hangs."""
    rig = Rig()
    stuck = Stuck(rig.clock)
    rig.account = stuck
    with working(rig) as (workers, inbox):
        job = rig.requested(JobState.FETCHING)
        workers.dispatch(Fetch(job), threading.Event())
        assert stuck.asked.wait(ANSWER_WITHIN_S)
        assert workers.busy()["api"].what == f"asking for the links of job {job.id}"
        assert workers.busy().keys() == {"api", "fetch-1"} or workers.busy().keys() == {"api", "fetch-2"}
        stuck.go_on.set()
        assert not isinstance(answer(inbox), Looked)


def wait_for_idle(workers: Workers) -> None:
    """Wait until nobody is at anything: a worker is idle a moment after its answer."""
    pause = threading.Event()
    for _ in range(200):
        if not workers.busy():
            return
        pause.wait(0.05)
    raise AssertionError(workers.busy())


def test_fetches_run_beside_each_other() -> None:
    """A long fetch does not keep a short one waiting."""
    together = threading.Barrier(2)

    @dataclass
    class Meeting(FakeShelf):
        """Goes on only when two are there."""

        def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
            together.wait(ANSWER_WITHIN_S)
            return Publication("/out", 0, 0, "size")

    with working(Rig(shelf=Meeting())) as (workers, inbox):
        for job_id in ("a", "b"):
            workers.dispatch(Fetch(a_job(JobState.FETCHING, id=job_id)), threading.Event())
        outcomes = [answer(inbox), answer(inbox)]
    assert all(isinstance(outcome, Outcome) and outcome.event is not None for outcome in outcomes)


def test_progress_is_told_twice_a_second_at_most() -> None:
    """The first news come at once, the next only when it is worth it."""
    clock = FakeClock()

    @dataclass
    class Busy(FakeShelf):
        """Tells of every byte."""

        def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
            for done_bytes in range(10):
                on_progress(Progress(done_bytes))
                clock.advance(PROGRESS_EVERY_S / 4)
            return Publication("/out", 0, 0, "size")

    with working(Rig(clock=clock, shelf=Busy())) as (workers, inbox):
        workers.dispatch(Fetch(a_job(JobState.FETCHING)), threading.Event())
        told: list[int | None] = []
        while isinstance(message := answer(inbox), Advanced):
            assert message.job_id == "job"
            told.append(message.progress.done_bytes)
    assert told == [0, 4, 8]


@pytest.mark.parametrize("lane", PAUSING)
def test_a_probe_is_answered(lane: Lane) -> None:
    """A lane that works says so."""
    with working(Rig()) as (workers, inbox):
        workers.probe(lane)
        probed = answer(inbox)
        assert (probed.lane, probed.error) == (lane, None)
        assert (probed.account is not None) == (lane is Lane.API)


@pytest.mark.parametrize("lane", PAUSING)
def test_a_probe_says_what_is_wrong(lane: Lane) -> None:
    """The api lane tries the key, the others the disk."""
    rig = Rig(shelf=FakeShelf(full=True))
    rig.cloud.refuse_key = True
    with working(rig) as (workers, inbox):
        workers.probe(lane)
        probed = answer(inbox)
    assert isinstance(probed, Probed)
    assert isinstance(probed.error, Blocked)
    assert probed.error.lane == ("api" if lane is Lane.API else "fetch")


def test_a_look_is_answered() -> None:
    """What was found comes back."""
    found = Look((Wish(an_intake("one"), lambda: None),))
    with working(Rig(look=lambda: found)) as (workers, inbox):
        workers.look()
        assert answer(inbox) == Looked(found)


def test_a_look_that_raises_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    """The engine would wait for ever otherwise."""

    def broken() -> Look:
        raise OSError("stale file handle")

    with working(Rig(look=broken)) as (workers, inbox), caplog.at_level(logging.ERROR):
        workers.look()
        looked = answer(inbox)
    assert isinstance(looked, Looked)
    assert (looked.look, type(looked.error)) == (None, OSError)
    assert "a look at the drop folders raised" in caplog.text


def test_wishes_are_settled_and_staging_tidied(caplog: pytest.LogCaptureFixture) -> None:
    """In order and without an answer; what fails is logged and the lane goes on."""
    done: list[str] = []

    @dataclass
    class Tidy(FakeShelf):
        """Notes what is tidied."""

        def tidy(self, job: Job) -> None:
            done.append(f"tidy {job.id}")

    def settled() -> None:
        done.append("settle")
        raise PermissionError("read-only file system")

    with working(Rig(shelf=Tidy())) as (workers, inbox), caplog.at_level(logging.ERROR):
        workers.settle([Wish(an_intake("one"), settled)])
        workers.tidy(a_job())
        workers.look()
        assert isinstance(answer(inbox), Looked)
        with pytest.raises(Empty):
            inbox.get_nowait()
    assert done == ["settle", "tidy job"]
    assert "lane disk: a task failed" in caplog.text


# --- looks into the cache ---


def _choosy(name: str, cached: str = "only") -> Job:
    return a_job(id=name, key=name, cached=cached)


def test_one_question_tells_what_is_cached() -> None:
    """Each job has its answer, the hits first; the service is not asked about what it cannot tell."""
    rig = Rig()
    rig.cloud.cached_keys = frozenset({"a"})
    told = rig.consult(_choosy("b"), _choosy("c", "first"), _choosy("a"), a_job(id="d"))
    assert [(one.cached, type(one.event)) for one in told] == [
        (True, type(None)),
        (False, Failed),
        (False, type(None)),
        (False, type(None)),
    ]
    assert rig.cloud.asked["cached"] == 1
    unasked = _choosy("e")
    rig.consult(replace(unasked, link=replace(unasked.link, info_hash_v1=None)))
    assert rig.cloud.asked["cached"] == 1


def test_a_service_without_a_cache_is_not_asked_again_and_again() -> None:
    """That is an answer: who wants nothing else is refused, a wish keeps its place."""
    rig = Rig()
    rig.cloud.no_cache = True
    only, first = rig.consult(_choosy("a"), _choosy("b", "first"))
    assert isinstance(only.event, Failed)
    assert (first.event, first.cached, first.heard) == (None, False, Heard.TOGETHER)


@dataclass
class _Cacheless(FakeCloud):
    error: Exception = field(default_factory=lambda: Transient("no answer"))

    def cached(self, info_hashes: Collection[str], stop: Stop) -> frozenset[str]:
        raise self.error


@pytest.mark.parametrize("error", [Transient("no answer"), ValueError("a bug of ours")])
def test_a_look_in_vain_tells_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """A promise says why it waits, and the log why the look failed."""
    rig = Rig()
    rig.account = _Cacheless(rig.clock, error=error)
    only, first = rig.consult(_choosy("a"), _choosy("b", "first"))
    assert isinstance(only.event, Deferred)
    assert first.event is None
    assert {(one.error, one.cached, one.heard) for one in (only, first)} == {(None, None, Heard.NOT)}
    assert "asking which of 2 jobs are cached" in caplog.text


@pytest.mark.parametrize("error", [Blocked("api", "the key was refused"), Cancelled("stopped")])
def test_what_ends_a_look_ends_it_for_all(error: OffcloudWatchdError) -> None:
    """The engine lets the lane pause; nobody was told anything."""
    rig = Rig()
    rig.account = _Cacheless(rig.clock, error=error)
    told = rig.consult(_choosy("a"), _choosy("b", "first"))
    assert {(one.error, one.event, one.cached, one.heard) for one in told} == {(error, None, None, Heard.NOT)}


def test_a_worker_looks_into_the_cache() -> None:
    """In the api lane; the answers come through the inbox."""
    rig = Rig()
    with working(rig) as (workers, inbox):
        workers.consult([Consult(_choosy("a")), Consult(_choosy("b"))], threading.Event())
        told = [inbox.get(timeout=ANSWER_WITHIN_S) for _ in range(2)]
    assert [one.effect.job.id for one in told if isinstance(one, Outcome)] == ["a", "b"]
