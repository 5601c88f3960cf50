"""Lanes without threads: what is dispatched waits until the test carries it out, in any order it likes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.effects import Act, Consult, Poll, Solo, Trace
from offcloud_watchd.core.messages import Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import Job, Lane
from offcloud_watchd.core.ports import Stop, Wish
from offcloud_watchd.errors import Cancelled
from offcloud_watchd.lanes import Ports, ask_round, consult, minted, perform, trace


@dataclass(frozen=True)
class Task:
    """Something a lane was asked for; ``word`` names it, ``run`` carries it out."""

    word: str
    run: Callable[[], None]


@dataclass
class SlowLanes:
    """Implements ``core.ports.Lanes``; ``tasks`` is what waits, ``inbox`` what was answered.

    ``before_dispatch`` is called when the engine hands an effect over; it may raise.
    """

    ports: Ports
    tasks: list[Task] = field(default_factory=list)
    inbox: list[Message] = field(default_factory=list)
    before_dispatch: Callable[[], None] = lambda: None
    dispatched: int = 0
    _in_the_air: set[str] = field(default_factory=set)

    def dispatch(self, effect: Solo, stop: Stop) -> None:
        """Queue an effect."""
        self.before_dispatch()
        self._begins(effect)
        word = type(effect).__name__.lower()
        self.tasks.append(Task(word, lambda: self._carry_out(effect, stop)))

    def poll(self, polls: Sequence[Poll], stop: Stop) -> None:
        """Queue a round; it is carried out as a whole."""
        self.before_dispatch()
        assert all(task.word != "poll" for task in self.tasks), "two rounds in the air"
        for poll in polls:
            self._begins(poll)
        self.tasks.append(Task("poll", lambda: self.inbox.extend(ask_round(polls, self.ports, stop))))

    def consult(self, consults: Sequence[Consult], stop: Stop) -> None:
        """Queue a look into the cache; it is carried out as a whole."""
        self.before_dispatch()
        assert all(task.word != "consult" for task in self.tasks), "two looks in the air"
        for one in consults:
            self._begins(one)
        self.tasks.append(Task("consult", lambda: self.inbox.extend(consult(consults, self.ports, stop))))

    def trace(self, traces: Sequence[Trace], stop: Stop) -> None:
        """Queue a round of looks at releases; it is carried out as a whole."""
        self.before_dispatch()
        [lane] = {one.lane for one in traces}
        word = f"trace {lane}"
        assert all(task.word != word for task in self.tasks), "two rounds of a lane in the air"
        for one in traces:
            self._begins(one)
        self.tasks.append(Task(word, lambda: self.inbox.extend(trace(traces, self.ports, stop))))

    def _begins(self, effect: Act) -> None:
        assert effect.job.id not in self._in_the_air, "two effects of one job in the air"
        self._in_the_air.add(effect.job.id)
        self.dispatched += 1

    def probe(self, lane: Lane) -> None:
        """Queue a probe."""
        self.tasks.append(Task("probe", lambda: self._try(lane)))

    def look(self) -> None:
        """Queue a look."""
        self.tasks.append(Task("look", self._look))

    def settle(self, wishes: Sequence[Wish]) -> None:
        """Queue the end of each wish by itself: death may come between any two."""
        self.tasks += [Task("settle", wish.settled) for wish in wishes]

    def tidy(self, job: Job) -> None:
        """Queue the clearing of a staging."""
        self.tasks.append(Task("tidy", lambda: self.ports.shelf.tidy(job)))

    def take(self) -> list[Message]:
        """Return what was answered since the last call."""
        messages, self.inbox = self.inbox, []
        self._in_the_air -= {message.effect.job.id for message in messages if isinstance(message, Outcome)}
        return messages

    def run(self, index: int = 0) -> str:
        """Carry out one waiting task, the oldest unless told otherwise; return its word."""
        task = self.tasks.pop(index)
        task.run()
        return task.word

    def _carry_out(self, effect: Solo, stop: Stop) -> None:
        if stop.is_set():
            self.inbox.append(Outcome(effect, error=Cancelled("stopped before it began")))
            return
        try:
            outcome = perform(
                effect,
                self.ports,
                lambda _submission, stop: minted(self.ports.cloud, effect.job, stop),
                lambda _progress: None,
                stop,
            )
        except AssertionError:
            raise  # a law of the test is broken
        except Exception as error:  # noqa: BLE001 - as in the real lanes: every error is an answer
            outcome = Outcome(effect, error=error)
        self.inbox.append(outcome)  # only now: the inbox may have been taken while this was carried out

    def _try(self, lane: Lane) -> None:
        try:
            if lane is Lane.API:
                self.ports.cloud.account(_Never())
            else:
                self.ports.shelf.probe()
        except Exception as error:  # noqa: BLE001 - as in the real lanes: every error is an answer
            self.inbox.append(Probed(lane, error))
        else:
            self.inbox.append(Probed(lane))

    def _look(self) -> None:
        try:
            self.inbox.append(Looked(self.ports.look()))
        except Exception as error:  # noqa: BLE001 - as in the real lanes: every error is an answer
            self.inbox.append(Looked(None, error))


class _Never:
    """A stop flag that nobody raises."""

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        return False
