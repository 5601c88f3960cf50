"""The hands: worker threads that carry effects out and answer through the inbox.

Rules of this file:

* ``perform`` is the whole meaning of an effect and needs no thread, so tests drive it directly.
* A worker catches everything at its boundary: an error is an answer like any other, never the end of a lane.
* One thread owns the service's client (the api lane); a fetch that needs links asks that lane for them.
* A worker shows that it moves by looking at its stop flag, which every port does between steps that may take
  long; what it is at is read by whoever asks, without a lock: each worker writes its own entry only.
* Nothing here decides. Whether an error is mended by time, and what follows, is the engine's affair.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Final, assert_never

from offcloud_watchd.core.effects import Act, Adopt, Clear, Discard, Fetch, Inspect, Poll, Submit
from offcloud_watchd.core.events import (
    Cleared,
    CloudReady,
    Delivered,
    Discarded,
    Failed,
    Granted,
    Kept,
    Published,
    Requeued,
    Resumed,
    Submitted,
)
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Advanced, Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import Delivery, Job, Lane, Phase, Progress, RemoteFile, Route, Submission
from offcloud_watchd.core.picture import AtWork
from offcloud_watchd.core.ports import Clock, Cloud, ListFiles, Look, OnProgress, Shelf, Stop, Wish
from offcloud_watchd.core.story import about
from offcloud_watchd.core.verdicts import bounded, foreign, searched
from offcloud_watchd.errors import NO_THREAD, Cancelled, Gone, OffcloudWatchdError, Transient

log = logging.getLogger(__name__)

PROGRESS_EVERY_S: Final = 0.5

Task = Callable[[], None]


def settle_each(wishes: Sequence[Wish]) -> None:
    """Settle wishes one by one."""
    for wish in wishes:
        wish.settled()


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside world as the lanes see it, with the clock and the patience that belong to it.

    ``settle`` settles the wishes of a look together, where that is cheaper than one by one.
    """

    cloud: Cloud
    shelf: Shelf
    look: Callable[[], Look]
    clock: Clock
    policy: Policy
    settle: Callable[[Sequence[Wish]], None] = settle_each


def perform(  # noqa: PLR0911 - flat, one case an effect
    effect: Act, ports: Ports, list_files: ListFiles, on_progress: OnProgress, stop: Stop
) -> Outcome:
    """Carry out one effect and return what came of it. Safe to repeat after a crash at any point.

    Raises what the ports raise.
    """
    clock = ports.clock
    match effect:
        case Submit():
            return _submitted(effect, ports, stop)
        case Adopt(job=job):
            return _adopted(effect, ports, stop)
        case Poll(job=job):
            phase = ports.cloud.status(_submission(job), stop, job.destination.route)
            return _polled(effect, phase, clock.now())
        case Fetch(job=job, donors=donors):
            linked = ports.shelf.link(job, donors, stop) if donors else None
            publication = linked or ports.shelf.fetch(job, list_files, on_progress, stop)
            clear = ports.policy.remove_published and job.destination.route is Route.CLOUD
            return Outcome(effect, Published(job.id, clock.now(), publication, clear))
        case Clear():
            return _cleared(effect, ports, stop)
        case Inspect():
            return _inspected(effect, ports)
        case Discard(job=job):
            ports.shelf.discard(job, stop)
            return Outcome(effect, Discarded(job.id, clock.now()))
        case _:  # pragma: no cover - the type checker proves it
            assert_never(effect)


def minted(cloud: Cloud, job: Job, stop: Stop) -> Sequence[RemoteFile]:
    """Have links to a job's files: those of its request, or, where the service keeps none, new ones."""
    if job.destination.route is Route.INSTANT:
        return cloud.granted(job.link, stop)
    return cloud.files(_submission(job), stop)


def _submitted(effect: Submit, ports: Ports, stop: Stop) -> Outcome:
    job, cloud, clock = effect.job, ports.cloud, ports.clock
    route, target = job.destination.way
    if route is Route.INSTANT:
        submission = cloud.grant(job.link, stop)
        return Outcome(effect, Granted(job.id, clock.now(), submission))
    failed = Submission(job.failed_request, "created")
    if job.failed_request and _begins_anew(cloud, failed, route, stop):
        submission = failed
    elif target is not None:
        submission = cloud.send(job.link, target, stop)
    else:
        submission = cloud.submit(job.link, stop)
    return Outcome(effect, Submitted(job.id, clock.now(), submission))


def _begins_anew(cloud: Cloud, failed: Submission, route: Route, stop: Stop) -> bool:
    try:
        return cloud.retry(failed, stop, route)
    except Gone:
        return False


def _adopted(effect: Adopt, ports: Ports, stop: Stop) -> Outcome:
    job = effect.job
    not_before = max(job.changed_at, job.doubted_at, job.retry_at)
    entries, as_of = ports.cloud.find(job.link, not_before, stop, job.destination.route)
    others = {*effect.held, *job.spent}
    found = next((entry for entry in entries if entry.request_id not in others), None)
    return Outcome(effect, searched(job, found, as_of, ports.clock.now(), ports.policy))


def _polled(effect: Poll, phase: Phase, now: float) -> Outcome:
    job = effect.job
    match phase.outcome:
        case "ready" if job.destination.remote is not None:
            return Outcome(effect, Delivered(job.id, now, _delivery(job, phase)))
        case "ready":
            return Outcome(effect, CloudReady(job.id, now, _merged(_submission(job), phase.submission)))
        case "failed":
            reason = f"the service reports {phase.word!r}: {phase.reason or 'no reason given'}"
            return Outcome(effect, Failed(job.id, now, bounded(reason), request_failed=True))
        case _:
            # Failures count in a row: a job that is in the cloud for weeks meets many, far apart.
            return Outcome(effect, Resumed(job.id, now) if job.attempts else None, phase.progress)


def _delivery(job: Job, phase: Phase) -> Delivery:
    target, told = job.destination.remote, _merged(_submission(job), phase.submission)
    account, folder = (target.account, target.folder) if target is not None else ("", None)
    return Delivery(account, folder, told.name or job.link.name, phase.progress.total_bytes)


def _cleared(effect: Clear, ports: Ports, stop: Stop) -> Outcome:
    job, submission = effect.job, _submission(effect.job)
    # Any listing since the submission shows when the request was made.
    entries, _ = ports.cloud.find(job.link, job.doubted_at, stop)
    mine = (entry.created_at for entry in entries if entry.request_id == submission.request_id)
    reason = foreign(job, next(mine, None))
    if not reason:
        ports.cloud.remove(submission, stop)
    return Outcome(effect, Cleared(job.id, ports.clock.now(), reason))


def _inspected(effect: Inspect, ports: Ports) -> Outcome:
    job, publication = effect.job, effect.job.publication
    if job.delivery is not None:
        return Outcome(effect, Kept(job.id, ports.clock.now()))
    if publication is not None and ports.shelf.holds(publication):
        return Outcome(effect, Kept(job.id, ports.clock.now(), publication.path))
    return Outcome(effect, Requeued(job.id, ports.clock.now()))


def _submission(job: Job) -> Submission:
    if job.submission is None:  # pragma: no cover - the table gives every such state a submission
        raise TypeError(f"job {job.id} in state {job.state} has no request id")
    return job.submission


def _merged(old: Submission, new: Submission) -> Submission:
    """Keep what an earlier answer told and a later one leaves out; the request id never changes."""
    return replace(
        old,
        status=new.status or old.status,
        name=new.name or old.name,
        url=new.url or old.url,
        server=new.server or old.server,
    )


class Workers:
    """The threads of all lanes; implements ``core.ports.Lanes``.

    ``fetchers`` is how many jobs are fetched at once. ``close`` may be called once, at the end; threads that
    still hang in the kernel are left behind, they are daemons.
    """

    def __init__(self, ports: Ports, inbox: SimpleQueue[Message], *, fetchers: int) -> None:
        self._ports = ports
        self._inbox = inbox
        self._queues: dict[Lane, SimpleQueue[Task | None]] = {lane: SimpleQueue() for lane in Lane}
        self._closing = threading.Event()
        self._signs = _Signs(ports.clock)
        names = [(Lane.API, "api"), (Lane.DISK, "disk")]
        names += [(Lane.FETCH, f"fetch-{number}") for number in range(1, fetchers + 1)]
        self._threads = [
            threading.Thread(target=self._work, args=(lane,), name=name, daemon=True) for lane, name in names
        ]

    def start(self) -> None:
        """Start all threads; raise ``Transient`` where the system does not give so many."""
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:
            raise Transient(NO_THREAD) from error

    def close(self, timeout_s: float) -> None:
        """End the threads; wait ``timeout_s`` in all at the most."""
        self._closing.set()
        deadline = self._ports.clock.monotonic() + timeout_s
        for thread in self._threads:
            for queue in self._queues.values():
                queue.put(None)
            if thread.is_alive():
                thread.join(max(0.0, deadline - self._ports.clock.monotonic()))

    def busy(self) -> Mapping[str, AtWork]:
        """Tell what each worker is at, by its name; who waits for work is not in it. For any thread."""
        return self._signs.view()

    # --- core.ports.Lanes ---

    def dispatch(self, effect: Act, stop: Stop) -> None:
        """Carry out an effect of a job; answered by ``Outcome``."""
        self._queues[effect.lane].put(lambda: self._carry_out(effect, stop))

    def ask(self, question: Callable[[Stop], None]) -> None:
        """Have the service asked something in its lane, the one thread that may; not answered."""
        self._queues[Lane.API].put(lambda: question(self._closing))

    def probe(self, lane: Lane) -> None:
        """Try whether a lane can work; answered by ``Probed``."""
        self._queues[lane].put(lambda: self._try_lane(lane))

    def look(self) -> None:
        """Look at the drop folders and the commands; answered by ``Looked``."""
        self._queues[Lane.DISK].put(self._look)

    def settle(self, wishes: Sequence[Wish]) -> None:
        """Take the asking away, now that it is recorded; what fails is found again by the next look."""
        self._queues[Lane.DISK].put(lambda: self._ports.settle(wishes))

    def tidy(self, job: Job) -> None:
        """Clear the staging of a job; what fails is swept at the next start."""
        self._queues[Lane.DISK].put(lambda: self._ports.shelf.tidy(job))

    # --- in the worker threads ---

    def _work(self, lane: Lane) -> None:
        queue = self._queues[lane]
        while (task := queue.get()) is not None:
            self._signs.begin(lane)
            try:
                task()
            except Exception:  # the boundary of a lane: nothing a task does may end it
                log.exception("lane %s: a task failed", lane, extra={"lane": lane})
            self._signs.end()  # not in a ``finally``: a thread that dies counts as one that hangs

    def _carry_out(self, effect: Act, stop: Stop) -> None:
        if stop.is_set():
            self._inbox.put(Outcome(effect, error=Cancelled("stopped before it began")))
            return
        job, what = effect.job, type(effect).__name__
        self._signs.say(f"{what} of job {job.id}")
        try:
            felt, lister = _Felt(stop, self._signs), self._lister(job)
            outcome = perform(effect, self._ports, lister, self._reporter(job.id), felt)
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
            noted = _noted(error, f"job {job.id}: {what}", about(job, effect.lane))
            outcome = Outcome(effect, error=noted)
        self._inbox.put(outcome)

    def _try_lane(self, lane: Lane) -> None:
        self._signs.say("a probe")
        try:
            account = None
            if lane is Lane.API:
                account = self._ports.cloud.account(_Felt(self._closing, self._signs))
            else:
                self._ports.shelf.probe()
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
            self._inbox.put(Probed(lane, _noted(error, f"lane {lane}: a probe", {"lane": lane})))
        else:
            self._inbox.put(Probed(lane, account=account))

    def _look(self) -> None:
        self._signs.say("a look at the drop folders")
        try:
            self._inbox.put(Looked(self._ports.look()))
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
            noted = _noted(error, "a look at the drop folders", {"lane": Lane.DISK})
            self._inbox.put(Looked(None, noted))

    def _reporter(self, job_id: str) -> OnProgress:
        """Return a progress callback that keeps the inbox quiet: one message each half second."""
        clock = self._ports.clock
        last = clock.monotonic() - PROGRESS_EVERY_S

        def report(progress: Progress) -> None:
            nonlocal last
            if clock.monotonic() - last >= PROGRESS_EVERY_S:
                last = clock.monotonic()
                self._inbox.put(Advanced(job_id, progress))

        return report

    def _lister(self, job: Job) -> ListFiles:
        return lambda _submission, stop: self._list_files(job, stop)

    def _list_files(self, job: Job, stop: Stop) -> Sequence[RemoteFile]:
        """Ask the api lane for links on behalf of a fetch, because only that thread may use the client."""
        reply: SimpleQueue[Sequence[RemoteFile] | Exception] = SimpleQueue()

        def ask() -> None:
            self._signs.say(f"asking for the links of job {job.id}")
            try:
                reply.put(minted(self._ports.cloud, job, stop))
            except Exception as error:  # noqa: BLE001 - handed over to the thread that asked
                reply.put(_noted(error, f"job {job.id}: asking for links", about(job, Lane.API)))

        self._queues[Lane.API].put(ask)
        while not (stop.is_set() or self._closing.is_set()):
            try:
                answer = reply.get(timeout=0.5)
            except Empty:
                continue
            if isinstance(answer, Exception):
                raise answer
            return answer
        raise Cancelled("stopped while waiting for links")


class _Signs:
    """What each worker is at and when it last moved; each writes its own entry, anybody reads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, AtWork] = {}

    def view(self) -> Mapping[str, AtWork]:
        """Return a copy, made in one step of the interpreter."""
        return dict(self._entries)

    def begin(self, lane: Lane) -> None:
        """Note that this thread, a worker of the lane, begins a task."""
        entry = AtWork(lane, "a task", self._clock.monotonic())
        self._entries[threading.current_thread().name] = entry

    def say(self, what: str) -> None:
        """Note what this thread is at."""
        self._change(what=what, moved_at_s=self._clock.monotonic())

    def move(self, ahead_s: float = 0.0) -> None:
        """Note that this thread moves, or that it is going to wait for so long."""
        self._change(moved_at_s=self._clock.monotonic() + ahead_s)

    def end(self) -> None:
        """Note that this thread waits for work."""
        self._entries.pop(threading.current_thread().name, None)

    def _change(self, **changes: Any) -> None:
        name = threading.current_thread().name
        entry = self._entries.get(name)
        if entry is not None:  # else a thread that is no worker
            self._entries[name] = replace(entry, **changes)


@dataclass(frozen=True, slots=True)
class _Felt:
    """A stop flag that shows that whoever looks at it moves. Implements ``core.ports.Stop``."""

    flag: Stop
    signs: _Signs

    def is_set(self) -> bool:
        self.signs.move()
        return self.flag.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self.signs.move(timeout or 0.0)
        raised = self.flag.wait(timeout)
        self.signs.move()
        return raised


def _noted(error: Exception, what: str, fields: Mapping[str, str]) -> Exception:
    """Log where a bug is: its text may hold what only the log knows how to hide, so nobody else shows it."""
    if not isinstance(error, OffcloudWatchdError):
        log.error("%s raised", what, exc_info=error, extra=fields)
    return error
