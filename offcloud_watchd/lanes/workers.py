"""The threads of all lanes, and what each of them is at."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Final

from offcloud_watchd.core.effects import Consult, Poll, Solo, Trace
from offcloud_watchd.core.messages import Advanced, Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import Job, Lane, Progress, RemoteFile
from offcloud_watchd.core.picture import AtWork
from offcloud_watchd.core.ports import Clock, ListFiles, OnProgress, Stop, Wish
from offcloud_watchd.core.story import about
from offcloud_watchd.errors import NO_THREAD, Cancelled, Transient
from offcloud_watchd.lanes.acts import Ports, minted, perform
from offcloud_watchd.lanes.asking import ask_round
from offcloud_watchd.lanes.consulting import consult
from offcloud_watchd.lanes.noting import noted
from offcloud_watchd.lanes.tracing import trace

log = logging.getLogger(__name__)

PROGRESS_EVERY_S: Final = 0.5

Task = Callable[[], None]


class Workers:
    """The threads of all lanes; implements ``core.ports.Lanes``.

    ``fetchers`` is how many jobs are fetched at once. ``close`` may be called once, at the end; threads that
    still hang in the kernel are left behind, they are daemons.
    """

    def __init__(self, ports: Ports, inbox: SimpleQueue[Message], *, fetchers: int) -> None:
        self._ports = ports
        self._inbox = inbox
        self._queues: dict[Lane, SimpleQueue[Task | None]] = {lane: SimpleQueue() for lane in Lane}
        self._for_links: SimpleQueue[Task] = SimpleQueue()
        self._closing = threading.Event()
        self._signs = _Signs(ports.clock)
        names = [(Lane.API, "api"), (Lane.DISK, "disk")]
        if ports.tools is not None:
            names.append((Lane.ARR, "arr"))
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

    def dispatch(self, effect: Solo, stop: Stop) -> None:
        """Carry out an effect of a job; answered by ``Outcome``."""
        self._queues[effect.lane].put(lambda: self._carry_out(effect, stop))

    def poll(self, polls: Sequence[Poll], stop: Stop) -> None:
        """Ask about many jobs in one round; each is answered by an ``Outcome`` of its own."""
        self._queues[Lane.API].put(lambda: self._ask_round(polls, stop))

    def consult(self, consults: Sequence[Consult], stop: Stop) -> None:
        """Ask in one look which jobs are cached; each is answered by an ``Outcome`` of its own."""
        self._queues[Lane.API].put(lambda: self._consult(consults, stop))

    def trace(self, traces: Sequence[Trace], stop: Stop) -> None:
        """See in one round, all of one lane, what was imported; each is answered by an ``Outcome``."""
        self._queues[traces[0].lane].put(lambda: self._trace(traces, stop))

    def ask(self, question: Callable[[Stop], None], lane: Lane = Lane.API) -> None:
        """Have the service, or an *arr tool, asked something in its lane, the one thread that may.

        Not answered.
        """
        self._queues[lane].put(lambda: question(self._closing))

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
                if lane is Lane.API:
                    self._ask_for_links()
                task()
            except Exception:  # the boundary of a lane: nothing a task does may end it
                log.exception("lane %s: a task failed", lane, extra={"lane": lane})
            self._signs.end()  # not in a ``finally``: a thread that dies counts as one that hangs

    def _ask_for_links(self) -> None:
        """Ask for those of one fetch, if one waits for its.

        That goes before each other task, not behind all that are to be handed in: else what is ready would
        wait the longer the more there are, while ever more is made ready.
        """
        with suppress(Empty):
            self._for_links.get_nowait()()

    def _ask_round(self, polls: Sequence[Poll], stop: Stop) -> None:
        self._signs.say(f"asking about {len(polls)} jobs")
        for outcome in ask_round(polls, self._ports, _Felt(stop, self._signs)):
            self._inbox.put(outcome)

    def _consult(self, consults: Sequence[Consult], stop: Stop) -> None:
        self._signs.say(f"asking which of {len(consults)} jobs are cached")
        for outcome in consult(consults, self._ports, _Felt(stop, self._signs)):
            self._inbox.put(outcome)

    def _trace(self, traces: Sequence[Trace], stop: Stop) -> None:
        self._signs.say(f"seeing whether {len(traces)} releases were imported")
        for outcome in trace(traces, self._ports, _Felt(stop, self._signs)):
            self._inbox.put(outcome)

    def _carry_out(self, effect: Solo, stop: Stop) -> None:
        if stop.is_set():
            self._inbox.put(Outcome(effect, error=Cancelled("stopped before it began")))
            return
        job, what = effect.job, type(effect).__name__
        self._signs.say(f"{what} of job {job.id}")
        try:
            felt, lister = _Felt(stop, self._signs), self._lister(job)
            outcome = perform(effect, self._ports, lister, self._reporter(job.id), felt)
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
            answer = noted(error, f"job {job.id}: {what}", about(job, effect.lane))
            outcome = Outcome(effect, error=answer)
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
            self._inbox.put(Probed(lane, noted(error, f"lane {lane}: a probe", {"lane": lane})))
        else:
            self._inbox.put(Probed(lane, account=account))

    def _look(self) -> None:
        self._signs.say("a look at the drop folders")
        try:
            self._inbox.put(Looked(self._ports.look()))
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
            answer = noted(error, "a look at the drop folders", {"lane": Lane.DISK})
            self._inbox.put(Looked(None, answer))

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
                reply.put(noted(error, f"job {job.id}: asking for links", about(job, Lane.API)))

        self._for_links.put(ask)
        self._queues[Lane.API].put(self._ask_for_links)  # in case that no other task comes
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
