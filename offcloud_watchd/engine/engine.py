"""The one writer: messages in, events recorded, effects out. It owns the journal, the jobs, the lanes.

Rules of this file:

* Nothing changes a job but the ledger: an event is checked, appended, synced, and only then applied.
* The engine runs in one thread and never waits: threads meet it at the inbox, readers at ``picture()``.
* It does not know the adapters; what it asks of them stands in ``core.ports``.
* One effect in flight per job. A late outcome counts only if the job still lives the same life.
* Nothing that comes in may raise here, and nothing may be begun again at once that was just tried in vain.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from offcloud_watchd.core import imports
from offcloud_watchd.core import intake as decisions
from offcloud_watchd.core.categories import heed
from offcloud_watchd.core.effects import (
    Act,
    Consult,
    Poll,
    Submit,
    Trace,
)
from offcloud_watchd.core.events import (
    Cleared,
    Event,
    Failed,
    Kept,
    NotFound,
    Removed,
    Requeued,
    Resumed,
    Submitted,
    Vanished,
)
from offcloud_watchd.core.lifecycle import OWES, TRANSITIONS, IllegalTransition, Policy
from offcloud_watchd.core.messages import (
    Advanced,
    Asked,
    Heard,
    LookAgain,
    Looked,
    Message,
    Outcome,
    Probed,
    Stopping,
)
from offcloud_watchd.core.model import Account, Command, Intake, Job, JobState, Lane, Naming, Verb
from offcloud_watchd.core.picture import Overview, Picture
from offcloud_watchd.core.planning import Plan, plan
from offcloud_watchd.core.ports import Clock, FolderHealth, Journal, Lanes, Subscriber, Wish
from offcloud_watchd.core.rounds import ready_at_once
from offcloud_watchd.core.story import about
from offcloud_watchd.core.verdicts import (
    compared,
    doubted_anew,
    in_words,
    judge,
    too_late,
    with_report,
)
from offcloud_watchd.engine.beginning import Beginning
from offcloud_watchd.engine.consulting import Consulting
from offcloud_watchd.engine.flights import Flights, same_life
from offcloud_watchd.engine.ledger import Ledger
from offcloud_watchd.engine.pauses import Pauses, lane_of
from offcloud_watchd.engine.polling import Polling
from offcloud_watchd.engine.standing import Standing
from offcloud_watchd.engine.timing import ClockWatch, Looks
from offcloud_watchd.errors import Blocked

log = logging.getLogger(__name__)


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
        self._ledger = Ledger(jobs, journal, clock)
        self._lanes = lanes
        self._clock = clock
        self._policy = policy
        self._capacity = capacity
        self._rescan_s = rescan_s
        self._beginning = Beginning(self._ledger, policy)
        self._flights = Flights()
        self._looks = Looks(clock, rescan_s)
        self._clock_watch = ClockWatch(clock)
        self._standing = Standing(policy)
        self._pauses = Pauses()
        self._polling = Polling(policy)
        self._polling.started(self._in_the_cloud, clock.now())
        self._consulting = Consulting(policy)
        self._trace_at = 0.0
        self._folders: Sequence[FolderHealth] = ()
        self._account: Account | None = None
        self._plan_is_stale = True
        self._next_due_at = math.inf
        self._time_is_doubtful = True
        self._stopping = False
        self._unrecorded: list[Outcome | Looked] = []
        self._asked: list[Asked] = []

    @property
    def jobs(self) -> Mapping[str, Job]:
        """All jobs, as recorded."""
        return self._ledger.jobs

    @property
    def settled_for_stop(self) -> bool:
        """Tell whether nothing is left that may not be abandoned: a POST in the air, its answer unrecorded.

        Whatever else could not be recorded comes again by itself, also when the journal takes nothing.
        """
        if not self._stopping or self._flights.posting:
            return False
        kept = (one.effect for one in self._unrecorded if isinstance(one, Outcome))
        return not any(isinstance(effect, Submit) for effect in kept)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Let a subscriber hear of every event from now on, when it has become durable."""
        self._ledger.subscribe(subscriber)

    def start(self) -> None:
        """Try the key at once, so that a refused one is known before the first drop."""
        self._probe(Lane.API)

    def turn(self, messages: Sequence[Message]) -> float:
        """Take messages in, record what follows, begin what is due; return seconds until more is due."""
        self._watch_clock()
        self._plan_is_stale |= self._ledger.mend()
        self._receive(messages)
        if not self._ledger.problem:
            wishes = self._take_in()
            due, begun = self._decide_due()
            if self._flushed():
                self._taken_in(wishes)
                self._begin_due(due, begun)
            # Else every decision is made anew from the same messages once the journal takes them.
        self._answer()
        return self._wait_s()

    def picture(self, most: int | None = None) -> Picture:
        """Return the view for readers, with all jobs that owe something, or ``most`` of them.

        With a bound it costs the same however many there are: cheap enough for twice a second.
        """
        jobs, left_out = (self._ledger.agenda, 0) if most is None else self._ledger.agenda.first(most)
        return Picture(
            self._clock.now(),
            self._pauses.view,
            self._folders,
            [(job, self._standing.progress.get(job.id)) for job in jobs],
            self._ledger.counts,
            self._ledger.problem or self._ledger.strain,
            len(self._ledger.agenda.to_clear),
            self._account,
            len(self._ledger.agenda.to_report),
            left_out,
        )

    def _answer(self) -> None:
        """Answer the readers that asked, with what this turn came to."""
        if not self._asked:
            return
        overview = Overview(
            self.picture(), self._ledger.all_jobs, dict(self._standing.progress), self._ledger.categories
        )
        for asked in self._asked:
            asked.answer(overview)
        self._asked.clear()

    # --- taking in ---

    def _receive(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if isinstance(message, (Outcome, Looked)):
                self._unrecorded.append(message)
            else:
                self._noted(message)

    def _take_in(self) -> list[Wish]:
        """Decide what the messages mean; return what is to be settled when that is durable."""
        wishes: list[Wish] = []
        self._renew_doubts()
        for message in self._unrecorded:
            if isinstance(message, Outcome):
                self._concluded(message)
            else:
                wishes += self._looked(message)
        return wishes

    def _taken_in(self, wishes: Sequence[Wish]) -> None:
        self._unrecorded = []
        self._time_is_doubtful = False
        if wishes:
            self._lanes.settle(wishes)

    def _noted(self, message: Probed | Advanced | LookAgain | Asked | Stopping) -> None:
        """Take in what needs no record, even while the journal takes none."""
        match message:
            case Probed(lane=lane, error=error, account=account):
                self._account = account or self._account
                self._pauses.answered(lane, error, self._clock.now())
                self._plan_is_stale = True
            case Advanced(job_id=job_id, progress=progress):
                if job_id in self._flights.job_ids:
                    self._standing.advanced(job_id, progress)
            case LookAgain():
                self._looks.hint()
            case Asked():
                self._asked.append(message)
            case Stopping():
                self._stopping = True
                self._flights.call_all_back()
            case _:  # pragma: no cover - the type checker proves it
                assert_never(message)

    def _concluded(self, outcome: Outcome) -> None:
        effect = outcome.effect
        self._landed(outcome)
        job = self._ledger.get(effect.job.id)
        if job is None or not same_life(effect.job, job):
            self._came_late(outcome, job)
            return
        event = outcome.event
        if outcome.error is not None:
            event = judge(effect, outcome.error, self._clock.now(), self._policy)
        self._standing.tried(effect, outcome, self._clock.now(), is_paused=effect.lane in self._pauses)
        self._consulting.learn(outcome, self._clock.now())
        if isinstance(event, NotFound) and job.doubted_at != effect.job.doubted_at:
            return  # the search began before the doubt did
        self._record_answer(event, job)
        if isinstance(event, Cleared) and not event.reason and job.submission is not None:
            for one in self._ledger.holding(job.submission.request_id):
                if one.to_clear and Cleared in TRANSITIONS[one.state]:
                    self._record(Cleared(one.id, event.at))

    def _record_answer(self, event: Event | None, job: Job) -> None:
        if isinstance(event, Submitted):
            event = compared(event, job, self._ledger.holding(event.submission.request_id))
        self._record_if(event)
        if isinstance(event, Submitted):
            self._record_if(ready_at_once(job, event))

    def _landed(self, outcome: Outcome) -> None:
        effect, error = outcome.effect, outcome.error
        self._plan_is_stale = True
        self._polling.landed(outcome, self._clock.now())
        self._consulting.landed(outcome, self._clock.now())
        staged = self._flights.land(effect)
        if staged is not None:
            self._lanes.tidy(staged)
        if isinstance(error, Blocked):
            self._pauses.block(lane_of(error, effect.lane), error, self._clock.now())
        elif error is None and outcome.heard is not Heard.NOT:
            self._pauses.worked(effect.lane)

    def _came_late(self, outcome: Outcome, job: Job | None) -> None:
        """Take what came of an effect whose job lives another life by now: only a POST still counts."""
        effect, now = outcome.effect, self._clock.now()
        if not isinstance(effect, Submit):
            what, fields = type(effect).__name__, about(effect.job, effect.lane)
            log.info("job %s: late outcome of %s not counted", effect.job.id, what, extra=fields)
            return
        if job is not None:
            self._record_answer(too_late(effect, outcome, job, now), job)
        # Its POST may have had its effect only now: whoever searches for it must count from here.
        for relative in self._ledger.same_content(effect.job.link):
            self._record_if(doubted_anew(relative, now))

    def _looked(self, message: Looked) -> Sequence[Wish]:
        look = message.look
        self._looks.ended(look)
        if look is None:
            reason, wait_s = in_words(message.error), self._rescan_s
            log.error("looking at the drop folders went wrong: %s; trying again in %.0f s", reason, wait_s)
            return ()
        self._plan_is_stale = True
        self._folders = look.folders
        return [wish for wish in look.wishes if self._wished(wish)]

    def _wished(self, wish: Wish) -> bool:
        """Decide what a wish means; tell whether it may be settled. A drop that cannot be recorded stays."""
        now = self._clock.now()
        match wish.what:
            case Intake() as intake:
                events = decisions.accept(intake, self._ledger.same_content, now)
                recorded = [self._record(event) for event in events]  # each, whatever the others come to
                is_whole = len(events) >= len(intake.links.found)
                return all(recorded) and (is_whole or not self._is_held_up(intake))
            case Command() as command:
                self._commanded(command, now)
                return True
            case Naming() as naming:
                if (named := heed(naming, self._ledger.categories, now)) is not None:
                    self._ledger.name(named)
                return True
            case _:  # pragma: no cover - the type checker proves it
                assert_never(wish.what)

    def _is_held_up(self, intake: Intake) -> bool:
        job = decisions.held_up_by(intake, self._ledger.same_content)
        if job is not None:
            text = (
                "job %s: dropped again to go another way; first it is seen what came of its last submission"
            )
            log.info(text, job.id, extra=about(job, Lane.DISK))
        return job is not None

    def _commanded(self, command: Command, now: float) -> None:
        if command.verb is Verb.RETRY:  # the operator has mended something: do not wait for the next probe
            self._pauses.try_at(now)
            self._hasten()
        for job_id in command.job_ids:
            job = self._ledger.get(job_id)
            self._record_if(None if job is None else decisions.obey(command, job, now))

    # --- recording ---

    def _record_if(self, event: Event | None) -> None:
        if event is not None:
            self._record(event)

    def _record(self, event: Event) -> bool:
        before = self._ledger.get(event.job_id)
        if isinstance(event, Failed) and before is not None:
            event = with_report(event, before, self._policy)
        try:
            after = self._ledger.add(event)
        except (IllegalTransition, ValueError):
            # A bug of ours: the journal stays clean, the job stays as it is, the others go on.
            log.exception("job %s: event not recorded", event.job_id, extra={"job": event.job_id})
            self._refused_to_record(event)
            return False
        moved = before is None or after is None or before.state is not after.state
        if moved or (isinstance(event, Resumed) and event.command):
            self._standing.let_go(event.job_id)
            self._consulting.forget(event.job_id)
        if moved:
            self._standing.forget(event.job_id)
            self._polling.forget(event.job_id)
        if isinstance(event, (Failed, Removed, Requeued, Kept)):
            self._flights.call_back(event.job_id)
        if isinstance(event, (Requeued, Vanished)) and after is not None:
            # An answered POST is long in the history, unless the clock only says that it was long ago.
            measured = self._clock_watch.measures(self._policy.history_lag_s)
            self._record_if(None if measured else doubted_anew(after, self._clock.now()))
        return True

    def _refused_to_record(self, event: Event) -> None:
        """Try the job again later, and give it up after some times."""
        now = self._clock.now()
        is_hopeless = self._standing.is_unrecordable(event.job_id, now)
        job = self._ledger.get(event.job_id)
        if is_hopeless and job and job.state in OWES:
            self._standing.forget(job.id)
            self._record(Failed(job.id, now, f"{type(event).__name__} could not be recorded, see the log"))

    def _flushed(self) -> bool:
        changed = self._ledger.flush()
        if changed is None:
            return False
        for before, after in changed:
            ended = after is None or after.state not in OWES or after.round != before.round
            # A fetch that was called back may still write: its staging is cleared when it has landed.
            if before.state is JobState.FETCHING and ended and not self._flights.tidy_after(before):
                self._lanes.tidy(before)
        return True

    # --- the clock ---

    def _watch_clock(self) -> None:
        """When the clock was set, what is due by it is due at once, and what counts on it counts anew."""
        if self._clock_watch.was_set():
            self._time_is_doubtful = self._plan_is_stale = True
            self._standing.clock_was_set()
            self._hasten()
            self._polling.clock_was_set(self._in_the_cloud, self._clock.now())
            self._pauses.try_at(self._clock.now())

    def _hasten(self) -> None:
        self._polling.hasten()
        self._consulting.hasten()
        self._trace_at = 0.0

    @property
    def _in_the_cloud(self) -> Iterable[Job]:
        return self._ledger.agenda.lines[JobState.CLOUD].values()

    def _renew_doubts(self) -> None:
        """At the start, and when the clock was set, nobody knows how long ago an unanswered POST was made."""
        if self._time_is_doubtful:
            now = self._clock.now()
            agenda = self._ledger.agenda
            waiting = {job.id: job for job in (*agenda, *agenda.doubtful.values())}
            for job in waiting.values():
                self._record_if(doubted_anew(job, now))

    # --- beginning ---

    def _decide_due(self) -> tuple[Plan | None, list[Act | None]]:
        """Plan what is due, and decide it; None stands for an effect that needs no outside act."""
        now = self._clock.now()
        held = self._stopping or bool(self._ledger.strain)
        if held or (not self._plan_is_stale and now < self._next_due_at):
            return None, []
        due = plan(
            self._ledger.agenda,
            now,
            busy=self._flights.job_ids,
            free=self._free(),
            not_before=self._standing.not_before,
            vain=self._standing.vain,
            rhythm=self._polling.rhythm,
            cache=self._consulting.knowledge,
            tracing=now >= self._trace_at,
            rested_at=self._standing.wake(now),
            resting=self._standing.resting,
        )
        self._polling.nobody_due(due.poll_due_at, now)
        if now >= self._trace_at:
            self._trace_at = now + self._rescan_s
        return due, [self._beginning.begin(effect, now) for effect in due.effects]

    def _begin_due(self, due: Plan | None, begun: Sequence[Act | None]) -> None:
        """Begin what was decided, now that it is durable, with the looks and probes that are due."""
        if self._stopping:
            return
        if not self._ledger.strain:
            self._look_around()
        if due is not None:
            # What needed no outside act makes its job owe something new at once.
            self._plan_is_stale = None in begun
            trace_at = self._trace_at if self._ledger.agenda.to_import else math.inf
            self._next_due_at = min(due.next_due_at, trace_at)
        self._dispatch([effect for effect in begun if effect is not None])
        self._ledger.compact()

    def _look_around(self) -> None:
        for lane in self._pauses.due(self._clock.now()):
            self._probe(lane)
        if self._looks.begin():
            self._lanes.look()

    def _dispatch(self, effects: Sequence[Act]) -> None:
        polls = self._polling.begin([effect for effect in effects if isinstance(effect, Poll)])
        if polls:
            self._lanes.poll(polls, self._flights.begin_round(polls))
        consults = [effect for effect in effects if isinstance(effect, Consult)]
        if consults:
            self._consulting.begin(consults)
            self._lanes.consult(consults, self._flights.begin_round(consults))
        for lane in imports.BATCH:
            traces = [effect for effect in effects if isinstance(effect, Trace) and effect.lane is lane]
            if traces:
                self._lanes.trace(traces, self._flights.begin_round(traces))
        for effect in effects:
            if not isinstance(effect, (Poll, Consult, Trace)):
                self._lanes.dispatch(effect, self._flights.begin(effect))

    def _free(self) -> dict[Lane, int]:
        used = self._flights.used
        return {
            lane: 0 if lane in self._pauses else places - used.get(lane, 0)
            for lane, places in self._capacity.items()
        }

    def _probe(self, lane: Lane) -> None:
        self._pauses.probe(lane)
        self._lanes.probe(lane)

    # --- waiting ---

    def _wait_s(self) -> float:
        """Compute how long the inbox may be waited for; never more than the rescan."""
        if self._ledger.problem:
            return self._ledger.wait_s()
        if self._stopping:
            return self._rescan_s
        if self._ledger.strain:
            return self._ledger.wait_s()
        if self._plan_is_stale:
            return 0.0
        due_at = min(self._next_due_at, self._pauses.next_probe_at())
        return max(0.0, min(self._rescan_s, self._looks.wait_s(), due_at - self._clock.now()))
