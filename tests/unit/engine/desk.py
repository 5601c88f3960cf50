"""An engine on a desk: what it asks of the lanes lies open, and the test plays everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.effects import Act, Consult, Poll, Solo, Submit, Trace
from offcloud_watchd.core.events import CloudReady, Event, Published, Submitted
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import Command, Intake, Job, Lane, Publication, Submission, Verb
from offcloud_watchd.core.ports import Look, Stop, Wish
from offcloud_watchd.engine import Engine
from tests.fakes.clock import FakeClock
from tests.fakes.journal_memory import MemoryJournal

POLICY = Policy()
RESCAN_S = 30.0


@dataclass
class OpenLanes:
    """Implements ``core.ports.Lanes`` by writing down what is asked."""

    flights: list[tuple[Act, Stop]] = field(default_factory=list)
    rounds: int = 0
    consulted: int = 0
    probes: list[Lane] = field(default_factory=list)
    looks: int = 0
    settled: list[Wish] = field(default_factory=list)
    tidied: list[Job] = field(default_factory=list)

    def dispatch(self, effect: Solo, stop: Stop) -> None:
        """Write down."""
        self.flights.append((effect, stop))

    def poll(self, polls: Sequence[Poll], stop: Stop) -> None:
        """Write down, one by one."""
        self.rounds += 1
        self.flights += [(poll, stop) for poll in polls]

    def consult(self, consults: Sequence[Consult], stop: Stop) -> None:
        """Write down, one by one."""
        self.consulted += 1
        self.flights += [(one, stop) for one in consults]

    def trace(self, traces: Sequence[Trace], stop: Stop) -> None:
        """Write down, one by one."""
        self.flights += [(one, stop) for one in traces]

    def probe(self, lane: Lane) -> None:
        """Write down."""
        self.probes.append(lane)

    def look(self) -> None:
        """Write down."""
        self.looks += 1

    def settle(self, wishes: Sequence[Wish]) -> None:
        """Write down."""
        self.settled += wishes

    def tidy(self, job: Job) -> None:
        """Write down."""
        self.tidied.append(job)


class Desk:
    """The engine, its journal, its lanes and its clock. ``jobs`` are there from the start."""

    def __init__(self, *jobs: Job, api: int = 2, policy: Policy = POLICY) -> None:
        self.clock = FakeClock()
        self.journal = MemoryJournal({job.id: job for job in jobs})
        self.lanes = OpenLanes()
        self.engine = Engine(
            jobs=self.journal.fold(),
            journal=self.journal,
            lanes=self.lanes,
            clock=self.clock,
            policy=policy,
            capacity={Lane.API: api, Lane.FETCH: 2, Lane.DISK: 1, Lane.ARR: 1},
            rescan_s=RESCAN_S,
        )

    def turn(self, *messages: Message) -> float:
        """Let the engine turn."""
        return self.engine.turn(messages)

    def later(self, seconds: float, *messages: Message) -> float:
        """Let time pass and the engine turn."""
        self.clock.advance(seconds)
        return self.turn(*messages)

    def take(self) -> list[Act]:
        """Return what was begun since the last call."""
        acts = [effect for effect, _ in self.lanes.flights]
        self.lanes.flights.clear()
        return acts

    def begun(self) -> tuple[Act, Stop]:
        """Return the one effect that was begun since the last call, and its flag."""
        [flight] = self.lanes.flights
        self.lanes.flights.clear()
        return flight

    def job(self, job_id: str = "job") -> Job:
        """Return a job."""
        return self.engine.jobs[job_id]

    def events(self) -> list[Event]:
        """Return what was recorded since the last generation."""
        return self.journal.records

    def wish(self, what: Intake | Command, *more: Intake | Command) -> Looked:
        """Return the answer of a look that found wishes."""
        return self.found([what, *more])

    def found(self, wishes: Sequence[Intake | Command]) -> Looked:
        """Return the answer of a look."""
        return Looked(Look(tuple(Wish(what, lambda: None) for what in wishes)))

    def say(self, verb: Verb, job_id: str = "job", command_id: str = "c1") -> Looked:
        """Return the answer of a look that found a command for one job."""
        return self.wish(Command(command_id, verb, (job_id,)))

    def submitted(self, act: Act, request_id: str = "R1") -> Outcome:
        """Return the good answer to a submission."""
        assert isinstance(act, Submit)
        return Outcome(act, Submitted(act.job.id, self.clock.now(), Submission(request_id, "created")))

    def ready(self, act: Act) -> Outcome:
        """Return the answer to a poll that the service has all bytes."""
        assert act.job.submission is not None
        return Outcome(act, CloudReady(act.job.id, self.clock.now(), act.job.submission))

    def published(self, act: Act) -> Outcome:
        """Return the good answer to a fetch."""
        publication = Publication("/out/tv/release", 1, 100, "size")
        return Outcome(act, Published(act.job.id, self.clock.now(), publication))

    def refuse(self, lane: Lane, error: BaseException | None) -> Probed:
        """Return the answer to a probe."""
        return Probed(lane, error)
