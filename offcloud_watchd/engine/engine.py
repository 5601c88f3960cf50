"""The one writer: messages in, events recorded, effects out. It owns the journal, the jobs, the lanes.

Rules of this file:

* Nothing changes a job but the ledger: an event is checked, appended, synced, and only then applied.
* The engine runs in one thread and never waits: threads meet it at the inbox, readers at ``picture()``.
* It does not know the adapters; what it asks of them stands in ``core.ports``.
* One effect in flight per job. A late outcome counts only if the job still lives the same life.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from offcloud_watchd.core import intake as decisions
from offcloud_watchd.core.lifecycle import (
    OWES,
    IllegalTransition,
    Policy,
    judge,
    plan,
    poll_delay_s,
    recalled,
)
from offcloud_watchd.core.messages import Advanced, LookAgain, Looked, Message, Outcome, Probed, Stopping
from offcloud_watchd.core.model import (
    Command,
    Effect,
    Event,
    Failed,
    Intake,
    Job,
    JobState,
    Lane,
    Poll,
    Progress,
    Removed,
    Share,
    Submit,
    Submitted,
    Submitting,
    Verb,
)
from offcloud_watchd.core.picture import LanePause, Picture
from offcloud_watchd.core.ports import Clock, FolderHealth, Journal, Lanes, Wish
from offcloud_watchd.engine.ledger import Ledger
from offcloud_watchd.errors import Blocked, JournalUnwritable

log = logging.getLogger(__name__)

PROBE_EVERY_S: Final = 30.0
JOURNAL_RETRY_S: Final = 5.0


@dataclass(slots=True)
class _Flight:
    """An effect in the air and the flag that calls it back."""

    effect: Effect
    stop: threading.Event = field(default_factory=threading.Event)


class Engine:
    """The decider. Call ``turn`` with the messages there are; it says how long it can wait for the next.

    One thread owns it. ``jobs`` is taken over from the journal; ``capacity`` is how many effects each lane
    may have in the air.
    """

    def __init__(
        self,
        *,
        jobs: dict[str, Job],
        journal: Journal,
        lanes: Lanes,
        clock: Clock,
        policy: Policy,
        capacity: Mapping[Lane, int],
        rescan_s: float,
    ) -> None:
        self._ledger = Ledger(jobs, journal)
        self._journal = journal
        self._lanes = lanes
        self._clock = clock
        self._policy = policy
        self._capacity = capacity
        self._rescan_s = rescan_s
        self._flights: dict[str, _Flight] = {}
        self._poll_at: dict[str, float] = {}
        self._progress: dict[str, Progress] = {}
        self._pauses: dict[Lane, LanePause] = {}
        self._probing: set[Lane] = set()
        self._folders: Sequence[FolderHealth] = ()
        self._next_due_at: float | None = None
        self._look_at = clock.monotonic()
        self._looking = False
        self._look_again = False
        self._stopping = False
        self._unrecorded: list[Message] = []
        self._journal_problem = ""
        self._journal_retry_at = 0.0

    @property
    def jobs(self) -> Mapping[str, Job]:
        """All jobs, as recorded."""
        return self._ledger.jobs

    @property
    def settled_for_stop(self) -> bool:
        """Tell whether nothing is in the air that may not be abandoned: a POST, an unrecorded outcome."""
        posting = any(isinstance(flight.effect, Submit) for flight in self._flights.values())
        return self._stopping and not posting and not self._unrecorded

    def start(self) -> None:
        """Try the key at once, so that a refused one is known before the first drop."""
        self._probe(Lane.API)

    def turn(self, messages: Sequence[Message]) -> float:
        """Take messages in, record what follows, begin what is due; return seconds until more is due."""
        self._renew_journal_if_due()
        self._take_in(messages)
        if not self._stopping and not self._journal_problem:
            self._begin_due()
            self._compact_if_wanted()
        return self._wait_s()

    def picture(self) -> Picture:
        """Return the view for readers; cheap enough for twice a second."""
        active = [(job, self._progress.get(job.id)) for job in self._ledger.owing.values()]
        return Picture(
            self._clock.now(),
            dict(self._pauses),
            self._folders,
            active,
            {state: self._ledger.counts[state] for state in JobState},
            self._journal_problem,
        )

    # --- taking in ---

    def _take_in(self, messages: Sequence[Message]) -> None:
        batch = [*self._unrecorded, *messages]
        if self._journal_problem:
            self._unrecorded = batch
            return
        self._unrecorded = []
        wishes: list[Wish] = []
        for message in batch:
            wishes += self._taken(message)
        if not self._flushed():
            # Every decision is made anew from the same messages once the journal takes them.
            self._unrecorded = batch
            return
        for wish in wishes:
            self._lanes.settle(wish)

    def _taken(self, message: Message) -> Sequence[Wish]:
        match message:
            case Outcome():
                self._concluded(message)
            case Looked():
                return self._looked(message)
            case Probed(lane=lane, error=error):
                self._probed(lane, error)
            case Advanced(job_id=job_id, progress=progress):
                self._progress[job_id] = progress
            case LookAgain():
                self._look_again = True
            case Stopping():
                self._stop()
            case _:  # pragma: no cover - the type checker proves it
                assert_never(message)
        return ()

    def _concluded(self, outcome: Outcome) -> None:
        effect = outcome.effect
        flight = self._flights.get(effect.job.id)
        if flight is not None and flight.effect is effect:
            del self._flights[effect.job.id]
        job = self._ledger.get(effect.job.id)
        if job is None or not _same_life(effect.job, job):
            log.info("job %s: late outcome of %s not counted", effect.job.id, type(effect).__name__)
            return
        if isinstance(outcome.error, Blocked):
            self._pause(Lane(outcome.error.lane), outcome.error)
        event = outcome.event
        if outcome.error is not None:
            event = judge(effect, outcome.error, self._clock.now(), self._policy)
        self._note_progress(effect, outcome)
        if event is not None:
            self._record(event)

    def _note_progress(self, effect: Effect, outcome: Outcome) -> None:
        job_id = effect.job.id
        if outcome.progress is not None:
            self._progress[job_id] = outcome.progress
        if isinstance(effect, Poll):
            now = self._clock.now()
            self._poll_at[job_id] = now + poll_delay_s(effect.job, now, self._policy)

    def _looked(self, message: Looked) -> Sequence[Wish]:
        self._looking = False
        look = message.look
        wait_s = self._rescan_s
        if look is None:
            log.error(
                "looking at the drop folders went wrong: %s; trying again in %.0f s", message.error, wait_s
            )
            self._look_at = self._clock.monotonic() + wait_s
            return ()
        self._folders = look.folders
        if look.next_look_s is not None:
            wait_s = min(wait_s, look.next_look_s)
        self._look_at = self._clock.monotonic() + (0.0 if look.more else wait_s)
        for wish in look.wishes:
            self._wished(wish)
        return look.wishes

    def _wished(self, wish: Wish) -> None:
        now = self._clock.now()
        match wish.what:
            case Intake() as intake:
                for event in decisions.accept(intake, self._ledger.same_content, now):
                    self._record(event)
            case Command() as command:
                self._commanded(command, now)
            case _:  # pragma: no cover - the type checker proves it
                assert_never(wish.what)

    def _commanded(self, command: Command, now: float) -> None:
        if command.verb is Verb.RETRY:  # the operator has mended something: do not wait for the next probe
            for lane, pause in self._pauses.items():
                self._pauses[lane] = LanePause(pause.reason, pause.since, now, pause.key_refused)
        for job_id in command.job_ids:
            job = self._ledger.get(job_id)
            event = None if job is None else decisions.obey(command, job, now)
            if event is not None:
                self._record(event)

    def _record(self, event: Event) -> None:
        before = self._ledger.get(event.job_id)
        try:
            after = self._ledger.add(event)
        except IllegalTransition:
            # A bug of ours: the journal stays clean, the job stays as it is, the others go on.
            log.exception("job %s: event not recorded", event.job_id)
            return
        if before is None or after is None or before.state is not after.state:
            self._poll_at.pop(event.job_id, None)
            self._progress.pop(event.job_id, None)
        if isinstance(event, (Failed, Removed)) and event.job_id in self._flights:
            self._flights[event.job_id].stop.set()

    def _flushed(self) -> bool:
        try:
            changed = self._ledger.flush()
        except JournalUnwritable as error:
            self._journal_failed(error)
            return False
        for before, after in changed:
            ended = after is None or after.state not in OWES or after.round != before.round
            if before.state is JobState.FETCHING and ended:
                self._lanes.tidy(before)
        return True

    # --- a journal that takes nothing ---

    def _journal_failed(self, error: JournalUnwritable) -> None:
        if not self._journal_problem:
            log.error("nothing new is begun: %s", error)
        self._journal_problem = str(error)
        self._journal_retry_at = self._clock.monotonic() + JOURNAL_RETRY_S

    def _renew_journal_if_due(self) -> None:
        """After a failed append only a new generation, written from memory, can be trusted again."""
        if not self._journal_problem or self._clock.monotonic() < self._journal_retry_at:
            return
        try:
            self._journal.renew(self._ledger.jobs)
        except JournalUnwritable as error:
            self._journal_failed(error)
            return
        log.warning("the journal takes records again")
        self._journal_problem = ""

    # --- lanes ---

    def _pause(self, lane: Lane, error: Blocked) -> None:
        now = self._clock.now()
        known = self._pauses.get(lane)
        if known is None or known.reason != str(error):
            log.error("lane %s paused: %s", lane, error)
        since = now if known is None else known.since
        self._pauses[lane] = LanePause(str(error), since, now + PROBE_EVERY_S, error.key_refused)

    def _probed(self, lane: Lane, error: BaseException | None) -> None:
        self._probing.discard(lane)
        if isinstance(error, Blocked):
            self._pause(Lane(error.lane), error)
        elif error is not None:
            log.warning("lane %s: %s", lane, error)
            if lane in self._pauses:
                pause = self._pauses[lane]
                probe_at = self._clock.now() + PROBE_EVERY_S
                self._pauses[lane] = LanePause(pause.reason, pause.since, probe_at, pause.key_refused)
        elif self._pauses.pop(lane, None) is not None:
            log.warning("lane %s works again", lane)

    def _probe(self, lane: Lane) -> None:
        self._probing.add(lane)
        self._lanes.probe(lane)

    def _free(self) -> dict[Lane, int]:
        used = Counter(
            flight.effect.lane for flight in self._flights.values() if not isinstance(flight.effect, Share)
        )
        return {
            lane: 0 if lane in self._pauses else capacity - used[lane]
            for lane, capacity in self._capacity.items()
        }

    # --- beginning ---

    def _begin_due(self) -> None:
        now = self._clock.now()
        for lane, pause in list(self._pauses.items()):
            if pause.probe_at <= now and lane not in self._probing:
                self._probe(lane)
        self._look_if_due()
        due = plan(
            self._ledger.owing.values(), now, busy=self._flights, free=self._free(), poll_at=self._poll_at
        )
        # What is decided here must be durable before the world hears of it.
        begun = [self._begin(effect, now) for effect in due.effects]
        # What needed no outside act makes its job owe something new at once.
        self._next_due_at = now if None in begun else due.next_due_at
        if not self._flushed():
            return
        for effect in begun:
            if effect is not None:
                flight = _Flight(effect)
                self._flights[effect.job.id] = flight
                self._lanes.dispatch(effect, flight.stop)

    def _begin(self, effect: Effect, now: float) -> Effect | None:
        match effect:
            case Submit(job=job):
                doubt = recalled(job, self._ledger.same_content(job.link), now)
                after = self._ledger.add(doubt or Submitting(job.id, now))
                return None if doubt or after is None else Submit(after)
            case Share(job=job, submission=submission):
                self._ledger.add(Submitted(job.id, now, submission, adopted=True))
                return None
            case _:
                return effect

    def _look_if_due(self) -> None:
        if self._looking or not (self._look_again or self._look_at <= self._clock.monotonic()):
            return
        self._looking, self._look_again = True, False
        self._lanes.look()

    def _compact_if_wanted(self) -> None:
        if not self._journal.wants_compaction:
            return
        try:
            self._journal.renew(self._ledger.jobs)
        except JournalUnwritable as error:
            self._journal_failed(error)

    def _stop(self) -> None:
        self._stopping = True
        for flight in self._flights.values():
            flight.stop.set()

    def _wait_s(self) -> float:
        """Compute how long the inbox may be waited for; never more than the rescan."""
        now, tick = self._clock.now(), self._clock.monotonic()
        waits = [] if self._looking else [self._look_at - tick]
        if self._journal_problem:
            return max(0.0, self._journal_retry_at - tick)
        return max(0.0, min([*waits, *self._due_waits(now)], default=self._rescan_s))

    def _due_waits(self, now: float) -> Iterator[float]:
        if self._next_due_at is not None:
            yield self._next_due_at - now
        for lane, pause in self._pauses.items():
            if lane not in self._probing:
                yield pause.probe_at - now


def _same_life(dispatched: Job, current: Job) -> bool:
    """Tell whether a job is still in the very stay in its state that an effect was begun for."""
    return (dispatched.state, dispatched.round, dispatched.changed_at, dispatched.submission) == (
        current.state,
        current.round,
        current.changed_at,
        current.submission,
    )
