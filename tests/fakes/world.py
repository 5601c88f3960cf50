"""A whole world around the engine in which everything can go wrong and the process can die at any act.

One thread, no real time: the test says which waiting task is carried out next, when time passes, and at which
moment of which act death strikes. What survives a death is what survives it in earnest: the journal's
disk, the account, the output directory, drops and commands that were not yet taken away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from offcloud_watchd.core.events import (
    Event,
)
from offcloud_watchd.core.imports import lane_of
from offcloud_watchd.core.lifecycle import OWES, Policy
from offcloud_watchd.core.model import (
    BadLine,
    Cached,
    Command,
    Destination,
    Drop,
    Intake,
    Job,
    JobState,
    Lane,
    Link,
    LinkKind,
    Links,
    RemoteTarget,
    Removal,
    Route,
    Verb,
)
from offcloud_watchd.core.ports import Look, Wish
from offcloud_watchd.engine import Engine
from offcloud_watchd.lanes import Ports
from tests.fakes.clock import FakeClock
from tests.fakes.cloud import FakeCloud
from tests.fakes.disk import Died
from tests.fakes.fate import Fate
from tests.fakes.jobs import hash_of
from tests.fakes.journal_memory import MemoryJournal
from tests.fakes.journal_on_disk import DiskJournal
from tests.fakes.lanes import SlowLanes
from tests.fakes.laws import UNTELLABLE, Laws, requests_of
from tests.fakes.mortal import MortalCloud, MortalShelf, MortalTools
from tests.fakes.shelf import FakeShelf

LAG_S = 120.0
POLICY = Policy(reported=frozenset({"tv"}))
CAPACITY = {Lane.API: 2, Lane.FETCH: 2, Lane.DISK: 1, Lane.ARR: 1}
RESCAN_S = 30.0
ROUTES = {
    "now": (Route.INSTANT, None),
    "soon": (Route.INSTANT, None),
    "away": (Route.REMOTE, RemoteTarget("drive", "f1")),
    "abroad": (Route.REMOTE, RemoteTarget("drive", "f1")),
    "afar": (Route.REMOTE, RemoteTarget("drive", "f2")),
}
"""The ways of the categories that do not go through the cloud."""
CHOOSY = {"picky": Cached.ONLY, "hasty": Cached.FIRST}
"""The categories for which it matters what is cached."""


class SurvivingJournal(Protocol):
    """A journal that survives its writer, with the hands that break it; see ``MemoryJournal``."""

    tears: Callable[[int], int | None]
    on_record: Callable[[Event, Job | None], None]
    wants_compaction: bool

    @property
    def certain(self) -> bool:
        """Tell whether the fold must be what was recorded, no more and no less."""
        ...

    def append(self, events: Sequence[Event]) -> None:
        """As in ``core.ports``."""
        ...

    def renew(self, jobs: Mapping[str, Job]) -> None:
        """As in ``core.ports``."""
        ...

    def fold(self) -> dict[str, Job]:
        """Return what a new start would read."""
        ...

    def restart(self) -> dict[str, Job]:
        """Begin a new life after the death of the writer; return the jobs."""
        ...

    def break_renewals(self, call: str) -> None:
        """Let a call of each renewal fail, or (empty) none."""
        ...


MakeJournal = Callable[[Fate, FakeClock], SurvivingJournal]


def in_memory(fate: Fate, _clock: FakeClock) -> SurvivingJournal:
    """Make a journal in memory."""
    return MemoryJournal(during=fate.at)


def _file_of(job: Job) -> bytes | None:
    """Have some contents handed over as files."""
    return job.link.key.encode() if len(job.link.key) % 2 else None


class World:
    """Everything outside the engine, and the engine of the present life.

    ``meanwhile`` is called while a POST or a fetch takes its time; the test may let anything happen there.
    """

    def __init__(
        self,
        make_journal: MakeJournal = in_memory,
        meanwhile: Callable[[], None] = lambda: None,
        dead_keys: frozenset[str] = frozenset(),
        cached_keys: frozenset[str] = frozenset(),
        *,
        remove: Removal = Removal.NEVER,
    ) -> None:
        self.policy = replace(POLICY, remove=remove)
        self.ways = dict(ROUTES)
        self.output = "/out"
        self.fate = Fate()
        self.clock = FakeClock()
        self.cloud = FakeCloud(
            self.clock, dead_keys=dead_keys, caches=True, together_from=2, cached_keys=cached_keys
        )
        self.shelf = FakeShelf()
        self.laws = Laws(self)
        self.journal = make_journal(self.fate, self.clock)
        self.journal.on_record = self.laws.recorded
        self.drops: dict[str, Intake] = {}
        self.commands: dict[str, Command] = {}
        self.archived: dict[str, Intake] = {}
        self.forgotten: set[str] = set()
        self.forgotten_keys: set[str] = set()
        self.deleted_keys: set[str] = set()
        self.wished: dict[str, Destination] = {}
        self.excused: set[str] = set()
        self.spent: set[str] = set()
        self.moved: set[str] = set()
        self.was_gone: set[str] = set()
        self.is_damaged = False
        self._meanwhile = meanwhile
        self._inside = False
        self._numbers = iter(range(1, 1_000_000))
        self.mortal_shelf = MortalShelf(
            self.shelf, self.fate, self._go_on, self.wanted, self.laws.check_transfer
        )
        cloud = MortalCloud(self.cloud, self.fate, self._go_on, self.laws.check_post, self.laws.check_removal)
        self.tools = MortalTools(self.fate, self.laws.check_report)
        ports = Ports(cloud, self.mortal_shelf, self._look, self.clock, self.policy, file_of=_file_of)
        self._ports = replace(ports, tools=self.tools)
        self.live()

    # --- lives ---

    def live(self) -> None:
        """Begin a life: everything is made anew from what survives. A start that dies is begun again."""
        while True:
            try:
                jobs = self.journal.restart()
            except Died:
                continue
            break
        self._inside = False
        self.mortal_shelf.writing.clear()
        self.lanes = SlowLanes(self._ports, before_dispatch=lambda: self.fate.at("dispatch before"))
        self.engine = Engine(
            jobs=jobs,
            journal=self.journal,
            lanes=self.lanes,
            clock=self.clock,
            policy=self.policy,
            capacity=CAPACITY,
            rescan_s=RESCAN_S,
        )
        self.engine.start()

    def survive(self, act: Callable[[], object]) -> bool:
        """Do something; when it is death, begin a new life and tell so."""
        try:
            act()
        except Died:
            self.live()
            return True
        return False

    # --- what happens ---

    def drop(self, keys: Sequence[str], category: str, *, by_client: bool = False) -> str:
        """Put a drop with some links into a folder, or have a client hand it over."""
        drop_id = f"d{next(self._numbers)}"
        links = tuple(
            Link(LinkKind.URL, key, f"https://example.invalid/{key}", key, _info_hash(key)) for key in keys
        )
        destination = self._destination(category)
        drop = Drop(drop_id, f"{drop_id}.txt", "" if by_client else f"/drop/{category}")
        self.drops[drop_id] = Intake(drop, Links(links, is_list=True), destination, drop_id)
        return drop_id

    def _destination(self, category: str) -> Destination:
        way = self.ways.get(category, (Route.CLOUD, None))
        choice = CHOOSY.get(category, Cached.ANY)
        return Destination(category, f"{self.output}/{category}", *way, choice)

    def refuse(self, category: str) -> str:
        """Put a drop into a folder in which there is nothing to be used."""
        drop_id = self.drop([], category)
        junk = Link(LinkKind.FILE, f"file:{category}", "", "junk")
        links = Links((), (BadLine(None, "it is junk"),))
        self.drops[drop_id] = replace(self.drops[drop_id], links=links, unusable=junk)
        self.forgotten.add(drop_id)  # while another drop of the same is well nothing need be known of it
        return drop_id

    def command(self, verb: Verb, job_ids: Sequence[str], *, files: bool = False, category: str = "") -> str:
        """Lay down an operator's command; ``category`` is where it puts jobs."""
        command_id = f"c{next(self._numbers)}"
        destination = self._destination(category) if category else None
        self.commands[command_id] = Command(command_id, verb, tuple(job_ids), files, destination)
        return command_id

    def reconfigure(self, what: str, value: object) -> None:
        """Change a setting; it holds from the next life on, which begins at once."""
        match what, value:
            case "remove", Removal() as remove:
                self.policy = replace(self.policy, remove=remove)
                self._ports = replace(self._ports, policy=self.policy)
            case "output", str(directory):
                self.output = directory
                self.shelf.astray = "" if self.shelf.astray == directory else self.shelf.astray
            case "account", None:  # never back to the former one: what is nowhere in this one is posted anew
                self.deleted_keys |= {item.key for item in self.cloud.items.values()}
                self.cloud.items = {}
                self.cloud.forget_listings()
            case str(category), None:
                self.ways.pop(category, None)
            case str(category), (Route(), None | RemoteTarget()) as way:
                self.ways[category] = way
            case _:
                raise AssertionError(what, value)
        self.live()

    def damage(self, where: float, lines: int) -> None:
        """Lose some lines of the journal and repair it; what they said is excused. A new life begins."""
        if not isinstance(self.journal, DiskJournal):
            return
        before = self.journal.damage(where, lines)
        self.live()
        jobs = self.engine.jobs
        lost = [job for job in before.values() if job.id not in jobs]
        self.forgotten_keys |= {job.link.key for job in lost}
        known = {drop.id for job in jobs.values() for drop in job.drops}
        self.forgotten |= self.archived.keys() - known
        self.excused |= {request_id for job in before.values() for request_id in requests_of(job)}
        self.spent |= {request_id for job in before.values() for request_id in job.spent}
        # That a job went another way by then may be lost with all that it did there; and of two transfers
        # of one moment nobody can tell whose is which, once their answers are lost.
        sent = Counter(
            job.link.key
            for job in jobs.values()
            if job.state is JobState.QUEUED and job.destination.route is Route.REMOTE
        )
        self.forgotten_keys |= {
            job.link.key
            for job in jobs.values()
            if ((old := before.get(job.id)) and old.destination != job.destination)
            or sent[job.link.key] > 1
            or job.state is JobState.REMOVED
        }
        removed = [job for job in jobs.values() if job.state is JobState.REMOVED]
        self.forgotten |= {drop.id for job in removed for drop in job.drops}
        self.is_damaged = True
        self.wished.clear()

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

    def run_disk(self) -> None:
        """Let the disk lane look, so that what was laid down is seen by the next turn."""
        self.lanes.look()
        self.work(-1)

    def run(self, seconds: float, *, until_ended: bool = False) -> None:
        """Let everything go its way for a time, or until nothing is owed; what is too busy is an error."""
        end = self.clock.monotonic() + seconds
        begun, began = self.lanes.dispatched, self.clock.monotonic()
        jobs = len(self.engine.jobs)
        while True:
            wait_s = self._until_idle(end)
            left_s = end - self.clock.monotonic()
            if left_s <= 0 or (until_ended and self._owes_nothing()):
                break
            self.clock.advance(min(max(wait_s, 0.001), left_s))
        work, passed_s = self.lanes.dispatched - begun, self.clock.monotonic() - began
        jobs = max(jobs, len(self.engine.jobs))
        assert work <= (jobs + 2) * (8 + passed_s / 3), (
            f"{work} effects begun for {jobs} jobs in {passed_s} s"
        )

    def _owes_nothing(self) -> bool:
        return (
            not self.drops
            and not self.commands
            and not any(
                (job.state in OWES and not job.remembered)
                or job.to_clear
                or job.to_report
                or job.doubtful
                or job.leaves_at
                or self.was_imported(job)
                for job in self.engine.jobs.values()
            )
        )

    def was_imported(self, job: Job) -> bool:
        """Tell whether an import waits to be seen."""
        if not job.to_import or job.publication is None:
            return False
        if self.policy.remove is not Removal.IMPORTED:
            return True  # nobody waits for it any more, and the next look puts an end to that
        match lane_of(job, self.policy):
            case Lane.DISK:
                return not self.shelf.has(job.publication.path)
            case Lane.ARR:
                return (job.id, job.round) in self.tools.has
            case _:
                return False

    def _until_idle(self, end_s: float) -> float:
        """Go on until nothing is to be done, or time is over: while a fetch takes some, others fall due."""
        for _ in range(10_000):
            wait_s = self.turn()
            while self.lanes.tasks:
                self.work()
                wait_s = 0.0
            is_idle = wait_s > 0 and not self.lanes.inbox
            if is_idle or self.clock.monotonic() > end_s:
                return wait_s
        raise AssertionError("the engine never comes to rest")

    def suffer(self, fault: str, amount: object) -> None:
        """Let something break, or mend it: a state of the world, or how the next act of a name fails."""
        match fault, amount:
            case "refuse key" | "history down" | "no retries", bool():
                self._suffer_at_the_service(fault, has=not amount)
            case "disk full" | "disk missing" | "disk tight" | "no links" | "lose release", bool() | int():
                self._suffer_on_disk(fault, amount)
            case "place gone", str(directory):
                self.shelf.astray = directory if directory != self.output else ""
                self.was_gone |= {self.shelf.astray} - {""}
            case "lag", float(lag_s):
                self.cloud.lag_s = lag_s
            case "journal torn at", None | int() as torn:
                self.journal.tears = lambda count: None if torn is None else min(torn, count)
            case "unrenewable", str(call):
                self.journal.break_renewals(call)
            case "compact", None:
                self.journal.wants_compaction = True
            case "import" | "delete in account", int(index):
                (self._import if fault == "import" else self._delete_in_account)(index)
            case act, str(how):
                self.fate.glitches[act] = how

    def _import(self, index: int) -> None:
        """Let a tool import something and take it away, or keep its entry."""
        done = sorted(job.id for job in self.engine.jobs.values() if job.publication is not None)
        if done:
            job = self.engine.jobs[done[index % len(done)]]
            if job.drops[-1].folder and job.publication is not None:
                self.shelf.lost.add(job.publication.path)
            self.tools.has.add((job.id, job.round))

    def _suffer_at_the_service(self, fault: str, *, has: bool) -> None:
        match fault:
            case "refuse key":
                self.cloud.refuse_key = not has
            case "history down":
                self.cloud.history_down = not has
            case _:
                self.cloud.retries = has

    def _delete_in_account(self, index: int) -> None:
        items = self.cloud.items
        if items:
            item = items.pop(sorted(items)[index % len(items)])
            self.deleted_keys.add(item.key)

    def _suffer_on_disk(self, fault: str, amount: int) -> None:
        match fault:
            case "disk full":
                self.shelf.full = bool(amount)
            case "disk missing":
                self.shelf.missing = bool(amount)
            case "disk tight":
                self.shelf.tight = bool(amount)
            case "no links":
                self.shelf.links = not amount
            case _:
                self._lose_release(amount)

    def _lose_release(self, index: int) -> None:
        there = sorted(self.shelf.there)
        if there:
            self.shelf.lost.add(there[index % len(there)])

    def mend(self) -> None:
        """Take every fault away."""
        self.fate.doom("")
        self.fate.glitches.clear()
        self.cloud.refuse_key = self.cloud.history_down = False
        self.shelf.full = self.shelf.missing = self.shelf.tight = False
        self.shelf.astray = ""
        self.cloud.lag_s = 0.0
        self.journal.tears = lambda _count: None
        self.journal.break_renewals("")

    def check(self) -> None:
        """Hold the laws that are true at every moment."""
        self.laws.check()

    def check_end(self) -> None:
        """Hold what must be true when nothing has gone wrong for long."""
        self.laws.check_end()

    # --- inside ---

    def _go_on(self) -> None:
        if self._inside:
            return
        self._inside = True
        self._meanwhile()
        self._inside = False

    def wanted(self, job: Job) -> bool:
        """Tell whether a job is still what it was when an act for it began."""
        now = self.engine.jobs.get(job.id)
        return now is not None and (now.state, now.round) == (job.state, job.round)

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


def _info_hash(key: str) -> str | None:
    return None if key == UNTELLABLE else hash_of(key)
