"""A daemon without an account: the real engine, orders and web server; the test plays the lanes.

What clients order goes the real way, as a file that the engine's next look takes. What the service and the
disk would do is said by the test (``say``), on the engine's own inbox.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from offcloud_watchd.app import SystemClock
from offcloud_watchd.blueprint import CategoryDestinations
from offcloud_watchd.core.effects import Act, Consult, Poll, Solo, Trace
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Advanced, Asked, LookAgain, Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import Account, Destination, Job, Lane, Progress
from offcloud_watchd.core.orders import Order
from offcloud_watchd.core.ports import Look, Stop, Wish
from offcloud_watchd.core.story import told
from offcloud_watchd.engine import Engine
from offcloud_watchd.journal import HistoryEntry
from offcloud_watchd.journal.records import EVENT_KINDS
from offcloud_watchd.metrics.metrics import Metrics
from offcloud_watchd.metrics.room import Room
from offcloud_watchd.metrics.tally import Tally
from offcloud_watchd.watch import WatchSettings
from offcloud_watchd.watch.commands import write_command
from offcloud_watchd.watch.orders import Orders
from offcloud_watchd.watch.watcher import Health
from offcloud_watchd.web.desk import Ports
from offcloud_watchd.web.server import WebServer
from offcloud_watchd.web.settings import WebSettings
from tests.fakes.journal_memory import MemoryJournal

HEALTH = Health("/drop", "tv", "events", "", 0)


@dataclass
class _Lanes:
    """Looks for orders at once; effects lie open until the test says what came of them."""

    house: House
    open: dict[str, Act] = field(default_factory=dict)

    def dispatch(self, effect: Solo, stop: Stop) -> None:
        """Write down."""
        self.open[effect.job.id] = effect

    def poll(self, polls: Sequence[Poll], stop: Stop) -> None:
        """Write down, one by one."""
        self.open |= {poll.job.id: poll for poll in polls}

    def consult(self, consults: Sequence[Consult], stop: Stop) -> None:
        """Write down, one by one."""
        self.open |= {one.job.id: one for one in consults}

    def trace(self, traces: Sequence[Trace], stop: Stop) -> None:
        """Write down, one by one."""
        self.open |= {one.job.id: one for one in traces}

    def probe(self, lane: Lane) -> None:
        """All is well, unless the house is told otherwise."""
        trouble = self.house.trouble.get(lane)
        self.house.inbox.put(Probed(lane, trouble, None if trouble else self.house.account))

    def look(self) -> None:
        """Read the orders."""
        wishes, more = self.house.orders.read(500)
        self.house.inbox.put(Looked(Look(tuple(wishes), None, more, self.house.folders)))

    def settle(self, wishes: Sequence[Wish]) -> None:
        """Take the orders' files away."""
        for wish in wishes:
            wish.settled()

    def tidy(self, job: Job) -> None:
        """Nothing is staged here."""


class House:
    """Engine, orders and web below a directory. ``close`` ends it; ``start`` begins it anew, as recorded.

    ``known`` are the categories that go elsewhere than below ``out/``.
    """

    def __init__(self, root: Path, known: Mapping[str, Destination] | None = None, **web: object) -> None:
        self.root = root
        self.output = root / "out"
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.journal = MemoryJournal()
        self.trouble: dict[Lane, BaseException] = {}
        self.folders: tuple[Health, ...] = (HEALTH,)
        self.account: Account | None = None
        self.deaf = threading.Event()
        self.tally = Tally()
        self.received = (0, 0)
        self.promised_bytes = 0
        destinations = CategoryDestinations("tv", self.output, known or {})
        watch = WatchSettings((), root / "spool", root, destinations)
        self.orders = Orders(watch, SystemClock())
        self.settings = WebSettings(
            **{
                "listen": "127.0.0.1:0",
                "password_file": None,
                "allowed_hosts": (),
                "output_dir": str(self.output),
                "categories": ("tv",),
                "destination_for": destinations,
                **web,
            }
        )

    def start(self) -> House:
        """Begin."""
        self.lanes = _Lanes(self)
        self._stopping = threading.Event()
        self.engine = Engine(
            jobs=self.journal.restart(),
            journal=self.journal,
            lanes=self.lanes,
            clock=SystemClock(),
            policy=Policy(poll_min_s=0.01, poll_max_s=0.02, requests_per_minute=1_000_000),
            capacity={Lane.API: 100, Lane.FETCH: 100, Lane.DISK: 100},
            rescan_s=30.0,
        )
        self.engine.subscribe(self.tally)
        self._thread = threading.Thread(target=self._turn, daemon=True)
        self._thread.start()
        self.web = WebServer(self.settings, self.ports())
        self.web.start()
        wait_until(lambda: bool(self.web.addresses))
        return self

    def close(self) -> None:
        """End; what was recorded stays."""
        self.web.stop(5)
        self._stopping.set()
        self.inbox.put(LookAgain())
        self._thread.join(5)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.web.addresses[0]

    @property
    def jobs(self) -> dict[str, Job]:
        """All jobs, as recorded."""
        return dict(self.engine.jobs)

    def ask(self, answer: Callable) -> None:
        """Have the engine answer, unless it is deaf."""
        if not self.deaf.is_set():
            self.inbox.put(Asked(answer))

    def hand_over(self, order: Order) -> str:
        """Make an order durable and have it read."""
        command_id = write_command(self.root, order)
        self.inbox.put(LookAgain())
        return command_id

    def history(self, job_id: str) -> list[HistoryEntry]:
        """Tell what is recorded of a job."""
        kinds = {cls: kind for kind, cls in EVENT_KINDS.items()}
        return [
            HistoryEntry(event.at, kinds[type(event)], asdict(event), told(event))
            for event in self.journal.records
            if event.job_id == job_id
        ]

    def effect(self, job_id: str, kind: type[Act]) -> Act:
        """Wait until a job is owed an effect of this kind; return it."""
        wait_until(lambda: isinstance(self.lanes.open.get(job_id), kind))
        return self.lanes.open[job_id]

    def outcome(self, effect: Act, **what: object) -> None:
        """Say what came of an effect, and wait until it is recorded."""
        del self.lanes.open[effect.job.id]
        before = self.engine.jobs.get(effect.job.id)
        self.inbox.put(Outcome(effect, **what))
        if what.get("event") is not None:
            wait_until(lambda: self.engine.jobs.get(effect.job.id) is not before)

    def advance(self, job_id: str, progress: Progress) -> None:
        """Say how far a job is."""
        self.inbox.put(Advanced(job_id, progress))

    def ports(self) -> Ports:
        """Return what the web is given."""
        figures = self._figures()
        return Ports(self.ask, self.hand_over, figures, SystemClock(), self.history, figures.disks)

    def _figures(self) -> Metrics:
        room = Room(
            self.root / "journal.jsonl", (str(self.root), str(self.output)), lambda _: self.promised_bytes
        )
        return Metrics(self.tally, room, lambda: self.received, SystemClock())

    def _turn(self) -> None:
        try:
            self._turn_until_the_end()
        except BaseException:
            self.deaf.set()  # let nobody wait for an answer in vain, time after time
            self.web.stop(1)
            raise

    def _turn_until_the_end(self) -> None:
        self.engine.start()
        messages: list[Message] = []
        while not self._stopping.is_set():
            wait_s = self.engine.turn(messages)
            try:
                messages = [self.inbox.get(timeout=wait_s)]
            except Empty:
                messages = []
            self.tally.heard(messages)


def wait_until(what: Callable[[], bool], within_s: float = 10) -> None:
    """Look often until something is so."""
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "not within the time"
        threading.Event().wait(0.005)


@contextmanager
def house_with(root: Path, password: str, **settings: Any) -> Iterator[House]:
    """Run a house that asks for a password; ``settings`` as for ``House``."""
    password_file = root / "password"
    password_file.write_text(password)
    password_file.chmod(0o600)
    house = House(root, password_file=password_file, **settings).start()
    try:
        yield house
    finally:
        house.close()
