"""A whole world around the engine in which everything can go wrong and the process can die at any act.

One thread, no real time: the test says which waiting task is carried out next, when time passes, and at which
moment of which act death strikes. What survives a death is what survives it in earnest: the journal's
disk, the account, the output directory, drops and commands that were not yet taken away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.lifecycle import OWES, Policy
from offcloud_watchd.core.model import (
    Account,
    Command,
    Destination,
    Drop,
    Event,
    Intake,
    Job,
    JobState,
    Lane,
    Link,
    LinkKind,
    Links,
    Phase,
    Publication,
    RemoteFile,
    Removed,
    Sought,
    Submission,
    Verb,
)
from offcloud_watchd.core.ports import ListFiles, Look, OnProgress, Stop, Wish
from offcloud_watchd.engine import Engine
from offcloud_watchd.errors import Cancelled, Transient
from offcloud_watchd.lanes import Ports
from tests.fakes.clock import FakeClock
from tests.fakes.cloud import FakeCloud
from tests.fakes.journal_memory import MemoryJournal
from tests.fakes.lanes import SlowLanes
from tests.fakes.shelf import FakeShelf

LAG_S = 120.0
POST_TAKES_S = 25.0
POLICY = Policy()
CAPACITY = {Lane.API: 2, Lane.FETCH: 2, Lane.DISK: 1}
RESCAN_S = 30.0


class Death(BaseException):
    """The process is gone. Not an ``Exception``: no boundary of the program catches a power cut."""


@dataclass
class Fate:
    """Where death strikes next, how often it did where, and which acts fail how."""

    deaths: Counter[str] = field(default_factory=Counter)
    place: str = ""
    skip: int = 0
    glitches: dict[str, str] = field(default_factory=dict)

    def doom(self, place: str, skip: int = 0) -> None:
        """Let death strike at the ``skip + 1``-th passing of a place, like ``submit done``."""
        self.place, self.skip = place, skip

    def at(self, place: str) -> None:
        """Pass a place; die there when it is the one."""
        if place != self.place:
            return
        if self.skip:
            self.skip -= 1
            return
        self.place = ""
        self.deaths[place] += 1
        raise Death(place)

    def glitch(self, act: str) -> str:
        """Return how an act fails this time, and be done with it."""
        return self.glitches.pop(act, "")


@dataclass
class MortalCloud:
    """The account as seen by a process that may die at every call, over a network that loses answers."""

    inner: FakeCloud
    fate: Fate
    meanwhile: Callable[[], None]
    check_post: Callable[[Link], None]

    def submit(self, link: Link, stop: Stop) -> Submission:
        """Pass on; the POST takes its time and the world goes on meanwhile."""
        self.fate.at("submit before")
        glitch = self.fate.glitch("submit")
        if glitch == "transient":
            raise Transient("connection refused")
        self.check_post(link)
        self.meanwhile()
        self.inner.effect_after_s = POST_TAKES_S if glitch == "late" else 0.0
        answer = self.inner.submit(link, stop)
        self.fate.at("submit done")
        self._fail(glitch, maybe_sent=True)
        return answer

    def find(self, link: Link, not_before: float, stop: Stop) -> tuple[Sequence[Sought], float]:
        """Pass on."""
        self.fate.at("find before")
        answer = self.inner.find(link, not_before, stop)
        self.fate.at("find done")
        self._fail(self.fate.glitch("find"))
        return answer

    def status(self, submission: Submission, stop: Stop) -> Phase:
        """Pass on."""
        self.fate.at("status before")
        answer = self.inner.status(submission, stop)
        self.fate.at("status done")
        self._fail(self.fate.glitch("status"))
        return answer

    def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Pass on."""
        self.fate.at("files before")
        answer = self.inner.files(submission, stop)
        self.fate.at("files done")
        self._fail(self.fate.glitch("files"))
        return answer

    def account(self, stop: Stop) -> Account:
        """Pass on."""
        self._fail(self.fate.glitch("account"))
        return self.inner.account(stop)

    def _fail(self, glitch: str, *, maybe_sent: bool = False) -> None:
        if glitch == "bug":
            raise ValueError("a bug of ours")
        if glitch:
            raise Transient("the answer was lost", maybe_sent=maybe_sent)


@dataclass
class MortalShelf:
    """The output directory as seen by a process that may die; ``writing``: the jobs of fetches under way."""

    inner: FakeShelf
    fate: Fate
    meanwhile: Callable[[], None]
    published: list[tuple[str, int]] = field(default_factory=list)
    writing: set[str] = field(default_factory=set)

    def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
        """Pass on; a fetch takes its time and the world goes on meanwhile."""
        self.fate.at("publish before")
        self._fail()
        assert job.id not in self.writing, "two fetches of one job at once"
        self.writing.add(job.id)
        try:
            self.meanwhile()
            if stop.is_set():
                raise Cancelled("stopped")
            before = self.inner.publications
            publication = self.inner.fetch(job, list_files, on_progress, stop)
        finally:
            self.writing.discard(job.id)
        if self.inner.publications > before:
            assert (job.id, job.round) not in self.published, "published twice"
            self.published.append((job.id, job.round))
        self.fate.at("publish done")
        return publication

    def tidy(self, job: Job) -> None:
        """Pass on."""
        assert job.id not in self.writing, "staging cleared under a fetch that still writes"
        self.fate.at("tidy before")
        self.inner.tidy(job)
        self.fate.at("tidy done")

    def discard(self, job: Job, stop: Stop) -> None:
        """Pass on."""
        assert job.id not in self.writing, "discarded under a fetch that still writes"
        self.fate.at("discard before")
        self.inner.discard(job, stop)
        if job.remove_files:
            self.published = [place for place in self.published if place[0] != job.id]
        self.fate.at("discard done")
        if self.fate.glitch("discard"):
            raise Transient("the directory is busy")

    def probe(self) -> None:
        """Pass on."""
        self.inner.probe()

    def _fail(self) -> None:
        glitch = self.fate.glitch("publish")
        if glitch == "bug":
            raise ValueError("a bug of ours")
        if glitch:
            raise Transient("the connection broke")


class World:
    """Everything outside the engine, and the engine of the present life.

    ``meanwhile`` is called while a POST or a fetch takes its time; the test may let anything happen there.
    """

    def __init__(
        self, meanwhile: Callable[[], None] = lambda: None, dead_keys: frozenset[str] = frozenset()
    ) -> None:
        self.fate = Fate()
        self.clock = FakeClock()
        self.cloud = FakeCloud(self.clock, dead_keys=dead_keys, caches=True)
        self.shelf = FakeShelf()
        self.journal = MemoryJournal(during=self._during_journal, on_record=self._recorded)
        self.drops: dict[str, Intake] = {}
        self.commands: dict[str, Command] = {}
        self.archived: dict[str, Intake] = {}
        self.forgotten: set[str] = set()
        self.forgotten_keys: set[str] = set()
        self.deleted_keys: set[str] = set()
        self.lives = 0
        self.full_turns = 0
        self._meanwhile = meanwhile
        self._inside = False
        self._numbers = iter(range(1, 1_000_000))
        self._mortal_shelf = MortalShelf(self.shelf, self.fate, self._go_on)
        cloud = MortalCloud(self.cloud, self.fate, self._go_on, self._check_post)
        self._ports = Ports(cloud, self._mortal_shelf, self._look, self.clock, POLICY)
        self.live()

    # --- lives ---

    def live(self) -> None:
        """Begin a life: everything is made anew from what survives."""
        self.lives += 1
        self._inside = False
        self._mortal_shelf.writing.clear()
        self.journal.trusted = True
        self.fate.place = ""
        self.lanes = SlowLanes(self._ports, before_dispatch=lambda: self.fate.at("dispatch before"))
        self.engine = Engine(
            jobs=self.journal.fold(),
            journal=self.journal,
            lanes=self.lanes,
            clock=self.clock,
            policy=POLICY,
            capacity=CAPACITY,
            rescan_s=RESCAN_S,
        )
        self.engine.start()

    def survive(self, act: Callable[[], object]) -> bool:
        """Do something; when it is death, begin a new life and tell so."""
        try:
            act()
        except Death:
            self.live()
            return True
        return False

    # --- what happens ---

    def drop(self, keys: Sequence[str], category: str) -> str:
        """Put a drop with some links into a folder."""
        drop_id = f"d{next(self._numbers)}"
        links = tuple(Link(LinkKind.URL, key, f"https://example.invalid/{key}", key) for key in keys)
        destination = Destination(category, f"/out/{category}")
        drop = Drop(drop_id, f"{drop_id}.txt", f"/drop/{category}")
        self.drops[drop_id] = Intake(drop, Links(links, is_list=True), destination, drop_id)
        return drop_id

    def command(self, verb: Verb, job_ids: Sequence[str], *, files: bool = False) -> str:
        """Lay down an operator's command."""
        command_id = f"c{next(self._numbers)}"
        self.commands[command_id] = Command(command_id, verb, tuple(job_ids), files)
        return command_id

    def turn(self) -> float:
        """Let the engine take in what was answered."""
        return self.engine.turn(self.lanes.take())

    def work(self, index: int = 0) -> None:
        """Carry out one waiting task."""
        if self.lanes.tasks:
            self.lanes.run(index % len(self.lanes.tasks))

    def step(self) -> None:
        """Let the engine turn and a lane work; where there is no work, time passes until there may be."""
        wait_s = self.turn()
        if self.lanes.tasks:
            self.work()
        else:
            self.clock.advance(wait_s)

    def run(self, seconds: float, *, until_ended: bool = False) -> None:
        """Let everything go its way for a time, or until nothing is owed; what is too busy is an error."""
        end = self.clock.monotonic() + seconds
        begun, began = self.lanes.dispatched, self.clock.monotonic()
        while True:
            wait_s = self._until_idle()
            left_s = end - self.clock.monotonic()
            if left_s <= 0 or (until_ended and self._owes_nothing()):
                break
            self.clock.advance(min(max(wait_s, 0.001), left_s))
        work, passed_s = self.lanes.dispatched - begun, self.clock.monotonic() - began
        jobs = len(self.engine.jobs)
        assert work <= (jobs + 2) * (8 + passed_s / 3), (
            f"{work} effects begun for {jobs} jobs in {passed_s} s"
        )

    def _owes_nothing(self) -> bool:
        return (
            not self.drops
            and not self.commands
            and not any(job.state in OWES for job in self.engine.jobs.values())
        )

    def _until_idle(self) -> float:
        for _ in range(10_000):
            wait_s = self.turn()
            while self.lanes.tasks:
                self.work()
                wait_s = 0.0
            if wait_s > 0 and not self.lanes.inbox:
                return wait_s
        raise AssertionError("the engine never comes to rest")

    def suffer(self, fault: str, amount: object) -> None:
        """Let something break, or mend it: a state of the world, or how the next act of a name fails."""
        match fault, amount:
            case "refuse key", bool(refused):
                self.cloud.refuse_key = refused
            case "history down", bool(down):
                self.cloud.history_down = down
            case "disk full", bool(full):
                self.shelf.full = full
            case "lag", float(lag_s):
                self.cloud.lag_s = lag_s
            case "journal torn at", None | int() as torn:
                self.journal.tears = lambda count: None if torn is None else min(torn, count)
            case "renewable", bool(renewable):
                self.journal.renewable = renewable
            case "compact", None:
                self.journal.wants_compaction = True
            case "delete in account", int(index):
                self._delete_in_account(index)
            case act, str(how):
                self.fate.glitches[act] = how

    def _delete_in_account(self, index: int) -> None:
        items = self.cloud.items
        if items:
            item = items.pop(sorted(items)[index % len(items)])
            self.deleted_keys.add(item.key)

    def mend(self) -> None:
        """Take every fault away."""
        self.fate.place = ""
        self.fate.glitches.clear()
        self.cloud.refuse_key = self.cloud.history_down = self.shelf.full = False
        self.cloud.lag_s = 0.0
        self.journal.tears = lambda _count: None
        self.journal.renewable = True

    # --- what must be true ---

    def check(self) -> None:
        """Hold the laws that are true at every moment."""
        if self.journal.trusted:
            assert self.journal.fold() == self.engine.jobs, "the journal's fold is not the state"
        live = Counter(
            item.key
            for item in self.cloud.items.values()
            if not item.fails and item.key not in self.forgotten_keys
        )
        assert all(count <= 1 for count in live.values()), f"posted twice: {live}"
        known = {drop.id for job in self.engine.jobs.values() for drop in job.drops}
        for drop_id in self.archived:
            assert drop_id in known | self.forgotten, f"the jobs of drop {drop_id} are lost"

    def check_end(self) -> None:
        """Hold what must be true when nothing has gone wrong for long."""
        assert not self.drops, f"never taken away: {list(self.drops)}"
        assert not self.commands, f"never taken away: {list(self.commands)}"
        for job in self.engine.jobs.values():
            assert job.state in (JobState.DONE, JobState.FAILED), (
                f"stuck: {job} {vars(self.engine)} {self.clock}"
            )
            if job.state is JobState.FAILED:
                excused = (
                    job.link.key in self.cloud.dead_keys | self.deleted_keys or "cancelled" in job.reason
                )
                assert excused, f"failed without need: {job}"

    # --- inside ---

    def _during_journal(self, moment: str) -> None:
        self.fate.at(f"journal {moment}")

    def _go_on(self) -> None:
        if self._inside:
            return
        self._inside = True
        self._meanwhile()
        self._inside = False

    def _check_post(self, link: Link) -> None:
        intents = [job for job in self.journal.fold().values() if job.link.key == link.key and job.posted_at]
        assert intents or link.key in self.forgotten_keys, "a POST without a durable intent"

    def _look(self) -> Look:
        wishes = [Wish(intake, self._archive(drop_id)) for drop_id, intake in self.drops.items()]
        wishes += [Wish(command, self._obeyed(command_id)) for command_id, command in self.commands.items()]
        return Look(tuple(wishes))

    def _archive(self, drop_id: str) -> Callable[[], None]:
        def settled() -> None:
            self.fate.at("settle before")
            if drop_id in self.drops and not self.fate.glitch("settle"):
                self.archived[drop_id] = self.drops.pop(drop_id)
            self.fate.at("settle done")

        return settled

    def _obeyed(self, command_id: str) -> Callable[[], None]:
        def settled() -> None:
            self.fate.at("settle before")
            if not self.fate.glitch("settle"):
                self.commands.pop(command_id, None)
            self.fate.at("settle done")

        return settled

    def _recorded(self, event: Event) -> None:
        if isinstance(event, Removed):
            self._forget(event.job_id)

    def _forget(self, job_id: str) -> None:
        job = self.journal.fold().get(job_id)
        if job is not None:
            self.forgotten |= {drop.id for drop in job.drops}
            self.forgotten_keys.add(job.link.key)
