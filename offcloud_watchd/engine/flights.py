"""The effects in the air: one a job, each with the flag that calls it back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.effects import Act, Shared, Submit
from offcloud_watchd.core.model import Job, Lane
from offcloud_watchd.core.ports import Stop


@dataclass(slots=True)
class _Flight:
    effect: Act
    stop: threading.Event = field(default_factory=threading.Event)
    staged: Job | None = None


class Flights:
    """What was begun and has not been answered; owned by the engine's thread."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight] = {}
        self._alone: Counter[Lane] = Counter()
        self._together: Counter[tuple[Lane, type[Act]]] = Counter()
        self._posting = 0

    @property
    def job_ids(self) -> Collection[str]:
        """The jobs with an effect in the air."""
        return self._flights.keys()

    @property
    def used(self) -> Mapping[Lane, int]:
        """How many places of each lane are taken; a round takes one, however many jobs are in it.

        It is counted as they come and go: it is asked for once a turn, and a round can be very long.
        """
        return self._alone + Counter(lane for lane, _ in self._together)

    @property
    def posting(self) -> bool:
        """Tell whether a POST may be under way: it must not be abandoned."""
        return self._posting > 0

    def begin(self, effect: Act) -> Stop:
        """Note that an effect begins; return the flag that will call it back."""
        flight = _Flight(effect)
        self._flights[effect.job.id] = flight
        self._count(effect, 1)
        return flight.stop

    def begin_round(self, effects: Sequence[Shared]) -> Stop:
        """Note that a round begins; return the one flag of all of them."""
        stop = threading.Event()
        for effect in effects:
            self._flights[effect.job.id] = _Flight(effect, stop)
            self._count(effect, 1)
        return stop

    def land(self, effect: Act) -> Job | None:
        """Note that an effect was answered; return the job whose staging was to be cleared after it, if any.

        An answer that was taken in already is passed over.
        """
        flight = self._flights.get(effect.job.id)
        if flight is None or flight.effect is not effect:
            return None
        del self._flights[effect.job.id]
        self._count(effect, -1)
        return flight.staged

    def call_back(self, job_id: str) -> None:
        """Ask the effect of a job to end, if there is one. A round goes on for the others."""
        flight = self._flights.get(job_id)
        if flight is not None and not isinstance(flight.effect, Shared):
            flight.stop.set()

    def call_all_back(self) -> None:
        """Ask everything to end."""
        for flight in self._flights.values():
            flight.stop.set()

    def tidy_after(self, job: Job) -> bool:
        """Keep a job's staging until its effect has landed; False when there is none in the air."""
        flight = self._flights.get(job.id)
        if flight is not None:
            flight.staged = job
        return flight is not None

    def _count(self, effect: Act, by: int) -> None:
        self._posting += by * isinstance(effect, Submit)
        if not isinstance(effect, Shared):
            self._alone[effect.lane] += by
            return
        of_round = (effect.lane, type(effect))
        self._together[of_round] += by
        if not self._together[of_round]:
            del self._together[of_round]


def same_life(dispatched: Job, current: Job) -> bool:
    """Tell whether a job is still in the very stay in its state that an effect was begun for."""
    return (dispatched.state, dispatched.round, dispatched.changed_at, dispatched.submission) == (
        current.state,
        current.round,
        current.changed_at,
        current.submission,
    )
