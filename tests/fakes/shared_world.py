"""Hosts that share a real drop folder and an account, in a time of their own; each may die at any act.

What survives a host's death is what survives it in earnest: its journal, its state directory, its output, the
folder, the account. Each has clocks of its own: that of the day is wrong, and set at any moment; the other
began when the host did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.model import Destination, Job, JobState, Lane, Link, Submission
from offcloud_watchd.core.ports import Look, Stop, Wish
from offcloud_watchd.engine import Engine
from offcloud_watchd.errors import Cancelled
from offcloud_watchd.lanes import Ports
from offcloud_watchd.watch.folder import Accepted
from offcloud_watchd.watch.mooring import Mooring
from offcloud_watchd.watch.settings import FolderSettings, WatchMode, WatchSettings
from offcloud_watchd.watch.shared import SharedFolder
from offcloud_watchd.watch.turns import TurnsOfJobs
from tests.fakes.clock import FakeClock
from tests.fakes.cloud import FakeCloud, Item
from tests.fakes.disk import Died
from tests.fakes.fate import Fate
from tests.fakes.journal_memory import MemoryJournal
from tests.fakes.lanes import SlowLanes
from tests.fakes.mortal import MortalCloud, MortalShelf
from tests.fakes.shelf import FakeShelf

LEASE_S: Final = 60.0
LAG_S: Final = 120.0
"""How late the history may show a request; ``history_lag`` has half a minute more, for the POST itself."""
BEAT_S: Final = 10.0
"""How often a host visits the folder, where nothing holds it up."""
MOUNTS: Final = "999999 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
CAPACITY: Final = {Lane.API: 2, Lane.FETCH: 2, Lane.DISK: 1, Lane.ARR: 1}
TV: Final = Destination("tv", "/out/tv")


@dataclass
class HostClock:
    """One host's clocks: that of the day ``ahead_s`` of the true time, the other since ``born_s``."""

    truth: FakeClock
    ahead_s: float = 0.0
    born_s: float = 0.0

    def now(self) -> float:
        """Return UTC seconds, as this host believes."""
        return self.truth.now() + self.ahead_s

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self.truth.monotonic() - self.born_s


@dataclass
class _TrueTick:
    """The account's time: that of the day as the host that asks has it, and how it passes for all."""

    host: HostClock

    def now(self) -> float:
        """Return when, by the host's clock, an answer is made."""
        return self.host.now()

    def monotonic(self) -> float:
        """Return true seconds."""
        return self.host.truth.monotonic()


@dataclass
class HostCloud(MortalCloud):
    """The account as one host reaches it: slowly, and no POST begins when it is to stop."""

    slowly: Callable[[], None] = lambda: None
    made_at: Callable[[], float] = lambda: 0.0

    def submit(self, link: Link, stop: Stop, file: bytes | None = None) -> Submission:
        """Wait for the call's turn, look at the flag as the client does before its first byte, pass on."""
        self.slowly()
        if stop.is_set():
            raise Cancelled("stopped before the service was asked")
        answer = super().submit(link, stop, file)
        self.inner.items[answer.request_id].created_at = self.made_at()
        return answer


class Host:
    """One daemon: what survives it, and its present life."""

    def __init__(self, world: SharedWorld, number: int, base: Path) -> None:
        self.world = world
        self.number = number
        self.clock = HostClock(world.truth, born_s=-1e6 * number)
        self.journal = MemoryJournal(during=world.fate.at)
        self.shelf = FakeShelf()
        self._state = base / f"host-{number}"
        self._state.mkdir()
        (self._state / "host").write_text(f"host-{number:012x}\n")
        seen_from_here = _TrueTick(self.clock)
        cloud = FakeCloud(seen_from_here, items=world.items, posts=100_000 * number, caches=True)
        self.cloud = cloud
        self._mortal = HostCloud(
            cloud, world.fate, self._go_on, self._check_post, lambda _: None, self._await, world.truth.now
        )
        self._inside = False
        self.live()

    def live(self) -> None:
        """Begin a life: everything is made anew from what survives."""
        self.is_up, self.is_idle, self.is_still, self._inside = True, False, False, False
        self.visited_s = float("-inf")
        folder = FolderSettings(self.world.drop, TV, watch=WatchMode.POLL, settle_s=0.0, lease_s=LEASE_S)
        watch = WatchSettings((folder,), self._state / "spool", self._state, lambda _: TV)
        mooring = Mooring(self._state, self.world.drop)
        self.folder = SharedFolder(folder, watch, self.clock, mooring, lambda: MOUNTS)
        turns = TurnsOfJobs({str(self.world.drop): self.folder.turns})
        shelf = MortalShelf(self.shelf, self.world.fate, self._go_on, lambda _: True, lambda _: None)
        ports = Ports(self._mortal, shelf, self._look, self.clock, Policy(), turn=turns)
        self.lanes = SlowLanes(ports, before_dispatch=lambda: self.world.fate.at("dispatch before"))
        self.engine = Engine(
            jobs=self.journal.restart(),
            journal=self.journal,
            lanes=self.lanes,
            clock=self.clock,
            policy=Policy(),
            capacity=CAPACITY,
            rescan_s=1e9,
        )
        self.engine.start()

    def survive(self, act: Callable[[], object]) -> bool:
        """Do something; tell whether the host does no more: it died of it, was dead, or stands still."""
        if not self.is_up or self.is_still:
            return True
        try:
            act()
        except Died:
            self.is_up = False
        return not self.is_up

    def step(self) -> None:
        """Visit the folder when that is due, or let the engine turn and a lane work."""
        if self.world.truth.monotonic() - self.visited_s >= BEAT_S:
            self.visit()
            return
        wait_s = self.engine.turn(self.lanes.take())
        self.is_idle = not self.lanes.tasks and wait_s > 0 and not self.lanes.inbox
        if self.lanes.tasks:
            self.lanes.run(self.world.chosen(len(self.lanes.tasks)))

    def visit(self) -> None:
        """Let the folder's thread look, and hand over what it has."""
        self.visited_s, self.is_idle = self.world.truth.monotonic(), False
        self.lanes.look()
        self.lanes.run(-1)

    def jobs(self) -> dict[str, Job]:
        """Return what a new start would read."""
        return self.journal.fold()

    def _look(self) -> Look:
        visit = self.folder.visit(100)
        assert not visit.refused
        return Look(tuple(Wish(one.intake, self._put_away(one)) for one in visit.accepted))

    def _put_away(self, accepted: Accepted) -> Callable[[], None]:
        def settled() -> None:
            self.world.fate.at("settle before")
            self.folder.put_away([accepted.departure])
            self.world.fate.at("settle done")

        return settled

    def _await(self) -> None:
        """Wait for the turn of a call; all of the host may stand still meanwhile."""
        self._go_on()
        self.is_still = True
        self.world.pass_time(self.world.stands_still_s())
        self.is_still = False

    def _go_on(self) -> None:
        """Let the others, and this host's own folder, go on while a call takes its time."""
        if self._inside:
            return
        self._inside = True
        self.world.meanwhile(self)
        self._inside = False

    def _check_post(self, link: Link) -> None:
        intents = [job for job in self.jobs().values() if job.link.key == link.key and job.unsure]
        assert intents or not self.journal.trusted, "a POST without a durable intent"


@dataclass
class SharedWorld:
    """The folder, the account, the true time, and the hosts.

    ``chosen`` throws a number below another one; ``meanwhile`` is called, with the host that waits, while a
    call takes its time. ``stands_still_s``: for how long a host stands still right before a POST.
    """

    base: Path
    count: int
    chosen: Callable[[int], int] = lambda _: 0
    meanwhile: Callable[[Host], None] = lambda _: None
    stands_still_s: Callable[[], float] = lambda: 0.0
    truth: FakeClock = field(default_factory=FakeClock)
    fate: Fate = field(default_factory=Fate)
    items: dict[str, Item] = field(default_factory=dict)
    put: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Let the hosts begin."""
        self.drop = self.base / "drop"
        self.drop.mkdir()
        self.hosts = [Host(self, number, self.base) for number in range(self.count)]

    def lay(self, key: int) -> None:
        """Drop a link."""
        name = f"{len(self.put):03}.magnet"
        self.put.append(name)
        (self.drop / name).write_text(f"magnet:?xt=urn:btih:{key + 1:040x}")

    def pass_time(self, seconds: float, hosts: Sequence[Host] | None = None) -> None:
        """Let time pass; of the hosts that are up those named, or all, go on, and the others stand still."""
        left_s = seconds
        while left_s > 0:
            part_s = min(left_s, BEAT_S)
            self.truth.advance(part_s)
            left_s -= part_s
            for host in self.hosts if hosts is None else hosts:
                self.rest(host)

    def rest(self, host: Host) -> None:
        """Let a host work until it has nothing to do."""
        for _ in range(10_000):
            if host.survive(host.step) or host.is_idle:
                return
        raise AssertionError("a host never comes to rest")

    def mend(self) -> None:
        """Take every fault away, and let everybody live."""
        self.fate.doom("")
        self.fate.glitches.clear()
        for host in self.hosts:
            host.cloud.lag_s, host.cloud.history_down = 0.0, False
            host.journal.tears = lambda _count: None
            if not host.is_up:
                host.live()

    # --- what must be true ---

    def check(self) -> None:
        """Hold what is true at every moment."""
        made = Counter(item.key for item in self.items.values())
        assert not [key for key, count in made.items() if count > 1], f"handed in twice: {made}"
        taken = Counter(self._taken())
        assert not [name for name, count in taken.items() if count > 1], f"taken twice: {taken}"

    def check_end(self) -> None:
        """Hold what must be true when nothing has gone wrong for long."""
        assert sorted(self._taken()) == self.put, "lost"
        states = {job.state for host in self.hosts for job in host.jobs().values()}
        assert states <= {JobState.DONE}, states
        keys = {job.link.key for host in self.hosts for job in host.jobs().values()}
        assert {item.key for item in self.items.values()} == keys
        processed = self.drop / "processed"
        assert sorted(path.name for path in processed.glob("*")) == self.put, "not put away"
        ours = self.drop / ".offcloud-watchd"
        left = [*self.drop.glob("*.magnet"), *ours.glob("*/claimed/*"), *ours.glob("*/taken/*")]
        assert not left, f"left: {left}"
        named = [path.name for path in ours.glob("links/*") if path.read_bytes()]
        assert not named, "a link was never given back"

    def is_done(self) -> bool:
        """Tell whether the end has come."""
        with suppress(AssertionError):
            self.check_end()
            return True
        return False

    def _taken(self) -> list[str]:
        return [drop.name for host in self.hosts for job in host.jobs().values() for drop in job.drops]
