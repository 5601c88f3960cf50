"""The hands: what each effect does, and that every answer comes back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

import pytest

from offcloud_watchd.core.effects import Act, Adopt, Clear, Discard, Fetch, Inspect, Poll, Submit
from offcloud_watchd.core.events import (
    Cleared,
    CloudReady,
    Deferred,
    Delivered,
    Discarded,
    Failed,
    Granted,
    Kept,
    NotFound,
    Published,
    Requeued,
    Resumed,
    Submitted,
)
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Advanced, Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import (
    Delivery,
    Job,
    JobState,
    Lane,
    Link,
    Phase,
    Progress,
    Publication,
    RemoteFile,
    Route,
    Sought,
    Submission,
)
from offcloud_watchd.core.picture import AtWork
from offcloud_watchd.core.ports import Cloud, ListFiles, Look, OnProgress, Shelf, Stop, Wish
from offcloud_watchd.errors import Blocked, Cancelled, Gone, Transient
from offcloud_watchd.lanes import PROGRESS_EVERY_S, Ports, Workers, minted, perform
from offcloud_watchd.systemd import limits_s, overdue
from tests.fakes.clock import FakeClock
from tests.fakes.cloud import FakeCloud
from tests.fakes.jobs import DRIVE, NOW, a_job, an_intake
from tests.fakes.shelf import FakeShelf
from tests.fakes.threads import no_more_threads

ANSWER_WITHIN_S = 20.0


@dataclass
class Rig:
    """An account, a shelf and a clock, and the ports that lead to them."""

    clock: FakeClock = field(default_factory=FakeClock)
    shelf: Shelf = field(default_factory=FakeShelf)
    look: Callable[[], Look] = field(default=lambda: Look(()))
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        self.cloud: FakeCloud = FakeCloud(self.clock)
        self.account: Cloud = self.cloud

    @property
    def ports(self) -> Ports:
        """The outside world for the lanes."""
        return Ports(self.account, self.shelf, self.look, self.clock, self.policy)

    def perform(self, act: Act) -> Outcome:
        """Carry an act out here and now."""
        stop = threading.Event()
        return perform(
            act,
            self.ports,
            self.account.files,
            lambda _progress: None,
            stop,
        )

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
    assert rig.perform(Poll(job)).event == Delivered("job", NOW + 60, delivery)
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


@pytest.mark.parametrize(("route", "clear"), [("cloud", True), ("instant", False)])
def test_what_is_published_is_to_be_cleared_where_that_is_wanted(route: str, *, clear: bool) -> None:
    """What is given at once leaves nothing to clear."""
    rig = Rig(policy=Policy(remove_published=True))
    event = rig.perform(Fetch(rig.requested(JobState.FETCHING, route=route))).event
    assert isinstance(event, Published)
    assert event.clear is clear


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


def test_poll_of_a_request_that_is_not_ready() -> None:
    """There is progress and nothing to record."""
    rig = Rig()
    outcome = rig.perform(Poll(rig.requested()))
    assert (outcome.event, outcome.progress) == (None, Progress(fraction=0.5))


def test_a_poll_that_works_again_forgives() -> None:
    """Failures count in a row only."""
    rig = Rig()
    assert rig.perform(Poll(rig.requested(attempts=3))).event == Resumed("job", NOW)


def test_poll_of_a_ready_request_keeps_what_was_known() -> None:
    """What a later answer leaves out is remembered, and the request id never changes."""

    @dataclass
    class Sparse(FakeCloud):
        """Answers with nothing but the word."""

        def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
            return Phase("downloaded", "ready", Submission("R9", "downloaded", server="fr7"))

    rig = Rig()
    rig.account = Sparse(rig.clock)
    job = a_job(
        JobState.CLOUD, submission=Submission("R1", "created", "name", "https://example.invalid/x", "de1")
    )
    expected = Submission("R1", "downloaded", "name", "https://example.invalid/x", "fr7")
    assert rig.perform(Poll(job)).event == CloudReady("job", NOW, expected)


def test_poll_of_a_request_that_failed() -> None:
    """The service's word and reason are shown, bounded."""
    rig = Rig()
    rig.cloud.dead_keys = frozenset({"one"})
    outcome = rig.perform(Poll(rig.requested()))
    reason = "the service reports 'error': no seeds"
    assert outcome.event == Failed("job", NOW, reason, request_failed=True)


def test_poll_of_a_request_that_is_gone() -> None:
    """What the account says is raised as it comes."""
    with pytest.raises(Gone):
        Rig().perform(Poll(a_job(JobState.CLOUD)))


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


def test_discard_takes_away() -> None:
    """A removed job leaves nothing behind."""
    rig = Rig()
    rig.perform(Fetch(rig.requested(JobState.FETCHING)))
    outcome = rig.perform(Discard(a_job(JobState.REMOVED, remove_files=True)))
    assert outcome.event == Discarded("job", NOW)
    assert isinstance(rig.shelf, FakeShelf)
    assert rig.shelf.published == {}


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


def test_a_bug_is_an_answer_and_the_log_shows_where(caplog: pytest.LogCaptureFixture) -> None:
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

        def submit(self, link: Link, stop: Stop) -> Submission:
            users.add(threading.current_thread().name)
            return super().submit(link, stop)

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

        def submit(self, link: Link, stop: Stop) -> Submission:
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


@pytest.mark.parametrize("lane", Lane)
def test_a_probe_is_answered(lane: Lane) -> None:
    """A lane that works says so."""
    with working(Rig()) as (workers, inbox):
        workers.probe(lane)
        probed = answer(inbox)
        assert (probed.lane, probed.error) == (lane, None)
        assert (probed.account is not None) == (lane is Lane.API)


@pytest.mark.parametrize("lane", Lane)
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
