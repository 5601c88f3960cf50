"""The hands: worker threads that carry effects out and answer through the inbox.

Rules of this file:

* ``perform`` is the whole meaning of an effect and needs no thread, so tests drive it directly.
* A worker catches everything at its boundary: an error is an answer like any other, never the end of a lane.
* One thread owns the service's client (the api lane); a fetch that needs links asks that lane for them.
* Nothing here decides. Whether an error is mended by time, and what follows, is the engine's affair.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Final, assert_never

from offcloud_watchd.core.effects import Act, Adopt, Discard, Fetch, Inspect, Poll, Submit
from offcloud_watchd.core.events import (
    CloudReady,
    Discarded,
    Failed,
    Kept,
    Published,
    Requeued,
    Resumed,
    Submitted,
)
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Advanced, Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import Job, Lane, Phase, Progress, RemoteFile, Submission
from offcloud_watchd.core.ports import Clock, Cloud, ListFiles, Look, OnProgress, Shelf, Stop, Wish
from offcloud_watchd.core.verdicts import bounded, searched
from offcloud_watchd.errors import Cancelled, OffcloudWatchdError

log = logging.getLogger(__name__)

PROGRESS_EVERY_S: Final = 0.5

Task = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside world as the lanes see it, with the clock and the patience that belong to it."""

    cloud: Cloud
    shelf: Shelf
    look: Callable[[], Look]
    clock: Clock
    policy: Policy


def perform(effect: Act, ports: Ports, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Outcome:
    """Carry out one effect and return what came of it. Safe to repeat after a crash at any point.

    Raises what the ports raise.
    """
    clock = ports.clock
    match effect:
        case Submit(job=job):
            submission = ports.cloud.submit(job.link, stop)
            return Outcome(effect, Submitted(job.id, clock.now(), submission))
        case Adopt(job=job):
            return _adopted(effect, ports, stop)
        case Poll(job=job):
            return _polled(effect, ports.cloud.status(_submission(job), stop), clock.now())
        case Fetch(job=job, donors=donors):
            linked = ports.shelf.link(job, donors, stop) if donors else None
            publication = linked or ports.shelf.fetch(job, list_files, on_progress, stop)
            return Outcome(effect, Published(job.id, clock.now(), publication))
        case Inspect():
            return _inspected(effect, ports)
        case Discard(job=job):
            ports.shelf.discard(job, stop)
            return Outcome(effect, Discarded(job.id, clock.now()))
        case _:  # pragma: no cover - the type checker proves it
            assert_never(effect)


def _adopted(effect: Adopt, ports: Ports, stop: Stop) -> Outcome:
    job = effect.job
    not_before = max(job.changed_at, job.doubted_at, job.retry_at)
    entries, as_of = ports.cloud.find(job.link, not_before, stop)
    found = entries[0] if entries else None
    return Outcome(effect, searched(job, found, as_of, ports.clock.now(), ports.policy))


def _polled(effect: Poll, phase: Phase, now: float) -> Outcome:
    job = effect.job
    match phase.outcome:
        case "ready":
            return Outcome(effect, CloudReady(job.id, now, _merged(_submission(job), phase.submission)))
        case "failed":
            reason = f"the service reports {phase.word!r}: {phase.reason or 'no reason given'}"
            return Outcome(effect, Failed(job.id, now, bounded(reason)))
        case _:
            # Failures count in a row: a job that is in the cloud for weeks meets many, far apart.
            return Outcome(effect, Resumed(job.id, now) if job.attempts else None, phase.progress)


def _inspected(effect: Inspect, ports: Ports) -> Outcome:
    job, publication = effect.job, effect.job.publication
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
        names = [(Lane.API, "api"), (Lane.DISK, "disk")]
        names += [(Lane.FETCH, f"fetch-{number}") for number in range(1, fetchers + 1)]
        self._threads = [
            threading.Thread(target=self._work, args=(lane,), name=name, daemon=True) for lane, name in names
        ]

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def close(self, timeout_s: float) -> None:
        """End the threads; wait ``timeout_s`` in all at the most."""
        self._closing.set()
        deadline = self._ports.clock.monotonic() + timeout_s
        for thread in self._threads:
            for queue in self._queues.values():
                queue.put(None)
            if thread.is_alive():
                thread.join(max(0.0, deadline - self._ports.clock.monotonic()))

    # --- core.ports.Lanes ---

    def dispatch(self, effect: Act, stop: Stop) -> None:
        """Carry out an effect of a job; answered by ``Outcome``."""
        self._queues[effect.lane].put(lambda: self._carry_out(effect, stop))

    def probe(self, lane: Lane) -> None:
        """Try whether a lane can work; answered by ``Probed``."""
        self._queues[lane].put(lambda: self._try_lane(lane))

    def look(self) -> None:
        """Look at the drop folders and the commands; answered by ``Looked``."""
        self._queues[Lane.DISK].put(self._look)

    def settle(self, wish: Wish) -> None:
        """Take the asking away, now that it is recorded; what fails is found again by the next look."""
        self._queues[Lane.DISK].put(wish.settled)

    def tidy(self, job: Job) -> None:
        """Clear the staging of a job; what fails is swept at the next start."""
        self._queues[Lane.DISK].put(lambda: self._ports.shelf.tidy(job))

    # --- in the worker threads ---

    def _work(self, lane: Lane) -> None:
        queue = self._queues[lane]
        while (task := queue.get()) is not None:
            try:
                task()
            except Exception:  # the boundary of a lane: nothing a task does may end it
                log.exception("lane %s: a task failed", lane)

    def _carry_out(self, effect: Act, stop: Stop) -> None:
        if stop.is_set():
            self._inbox.put(Outcome(effect, error=Cancelled("stopped before it began")))
            return
        try:
            outcome = perform(effect, self._ports, self._list_files, self._reporter(effect.job.id), stop)
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
            outcome = Outcome(effect, error=_noted(error, f"job {effect.job.id}: {type(effect).__name__}"))
        self._inbox.put(outcome)

    def _try_lane(self, lane: Lane) -> None:
        try:
            if lane is Lane.API:
                self._ports.cloud.account(self._closing)
            else:
                self._ports.shelf.probe()
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
            self._inbox.put(Probed(lane, _noted(error, f"lane {lane}: a probe")))
        else:
            self._inbox.put(Probed(lane))

    def _look(self) -> None:
        try:
            self._inbox.put(Looked(self._ports.look()))
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
            self._inbox.put(Looked(None, _noted(error, "a look at the drop folders")))

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

    def _list_files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Ask the api lane for links on behalf of a fetch, because only that thread may use the client."""
        reply: SimpleQueue[Sequence[RemoteFile] | Exception] = SimpleQueue()

        def ask() -> None:
            try:
                reply.put(self._ports.cloud.files(submission, stop))
            except Exception as error:  # noqa: BLE001 - handed over to the thread that asked
                reply.put(_noted(error, "asking for links"))

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


def _noted(error: Exception, what: str) -> Exception:
    """Log where a bug is: its text may hold what only the log knows how to hide, so nobody else shows it."""
    if not isinstance(error, OffcloudWatchdError):
        log.error("%s raised", what, exc_info=error)
    return error
