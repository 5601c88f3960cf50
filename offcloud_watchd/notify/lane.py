"""The lane of the messages: a thread of its own, never in the way.

Rules of this file:

* Nothing waits for it: what comes while its queue is full is dropped, and that is counted and logged.
* A message that cannot be sent is tried three times, then it is lost; that is logged and counted, no more.
* Nothing is kept over a restart: a crash may lose a message, and a lost answer may double one.
* Nothing of an address is logged: services put tokens into it.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from offcloud_watchd.core.events import Event, Failed, Published
from offcloud_watchd.core.messages import Looked
from offcloud_watchd.core.messages import Message as Inner
from offcloud_watchd.core.model import Job, Publication
from offcloud_watchd.core.picture import Picture
from offcloud_watchd.core.ports import Clock, Refusal
from offcloud_watchd.core.story import display_name
from offcloud_watchd.errors import NO_THREAD
from offcloud_watchd.notify.digest import Digest
from offcloud_watchd.notify.message import Fact, Message, harmless
from offcloud_watchd.notify.settings import NotifySettings
from offcloud_watchd.notify.ways import NotSent, Way

log = logging.getLogger(__name__)

MAX_WAITING: Final = 1000
TRIES: Final = 3


class Count(Protocol):
    """Counts what became of messages."""

    def __call__(self, way: str, outcome: str, number: int = 1) -> None:
        """Count some: ``sent`` or ``failed`` by a way; ``dropped`` by none."""
        ...


@dataclass(frozen=True, slots=True)
class _Happened:
    event: str
    fact: Fact


@dataclass(frozen=True, slots=True)
class _Troubled:
    troubles: Mapping[str, str]


_News = _Happened | _Troubled | None


class Messages:
    """The lane. ``recorded``, ``heard`` and ``look`` are for the engine's thread and return at once.

    Implements ``core.ports.Subscriber``.
    """

    def __init__(self, settings: NotifySettings, ways: Sequence[Way], clock: Clock, count: Count) -> None:
        self._settings = settings
        self._ways = ways
        self._clock = clock
        self._count = count
        self._digest = Digest(settings.on)
        self._queue: SimpleQueue[_News] = SimpleQueue()
        self._stop = threading.Event()
        self._troubles: Mapping[str, str] = {}
        self._full = False
        outcomes = [("none", "dropped"), *product((way.name for way in ways), ("sent", "failed"))]
        for name, outcome in outcomes:  # from zero on, so that the first failure is seen as one
            count(name, outcome, 0)
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)

    def start(self) -> None:
        """Begin; without a thread nobody is told anything, and that is said."""
        try:
            self._thread.start()
        except RuntimeError:
            log.warning("messages: nothing is sent: %s", NO_THREAD)

    def close(self, timeout_s: float) -> None:
        """Send what was gathered, once and without patience, and wait so long for it at the most."""
        self._stop.set()
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    # --- on the engine's thread ---

    def recorded(self, event: Event, job: Job) -> None:
        """Take in what is worth a message; what the operator did is none."""
        match event:
            case Published(publication=publication):
                self._put(_Happened("published", _published(job, publication)))
            case Failed(reason=reason, command=""):
                self._put(_Happened("failed", replace(_of(job), reason=harmless(reason))))
            case _:
                pass

    def heard(self, messages: Sequence[Inner]) -> None:
        """Take in which drops were refused, out of what the lanes say to the engine."""
        for message in messages:
            if isinstance(message, Looked) and message.look is not None:
                for refused in message.look.refused:
                    self._put(_Happened("failed", _refused(refused)))

    def look(self, picture: Picture) -> None:
        """Take in what waits for the operator."""
        troubles = {f"lane {lane}": harmless(pause.reason) for lane, pause in picture.pauses.items()}
        if picture.journal_problem:
            troubles["journal"] = harmless(picture.journal_problem)
        for folder in picture.folders:
            if folder.problem:
                troubles[f"folder {harmless(folder.path)}"] = harmless(folder.problem)
        if troubles.keys() != self._troubles.keys() and self._put(_Troubled(troubles)):
            self._troubles = troubles

    def _put(self, news: _News) -> bool:
        full = self._queue.qsize() >= MAX_WAITING  # nobody else puts anything in
        if full:
            self._count("none", "dropped")
            if not self._full:
                log.warning("messages: %d wait to be sent; what comes now is not told", MAX_WAITING)
        else:
            self._queue.put(news)
        self._full = full
        return not full

    # --- on its own thread ---

    def _work(self) -> None:
        while not self._stop.is_set():
            self._take(self._digest.wait_s(self._clock.monotonic()))
            for message in self._digest.due(self._clock.monotonic(), all_of_it=self._stop.is_set()):
                self._send(message)

    def _take(self, wait_s: float) -> None:
        """Take in all there is; wait for the first."""
        timeout_s: float | None = None if math.isinf(wait_s) else wait_s
        try:
            while True:
                news = self._queue.get(timeout=timeout_s)
                now, timeout_s = self._clock.monotonic(), 0.0
                match news:
                    case _Happened(event=event, fact=fact):
                        self._digest.happened(event, fact, now)
                    case _Troubled(troubles=troubles):
                        self._digest.troubled(troubles, now)
                    case None:
                        pass
        except Empty:
            pass

    def _send(self, message: Message) -> None:
        for way in self._ways:
            try:
                self._try(way, message)
            except NotSent as error:
                log.warning("messages: %s: %r was not sent: %s", way.name, message.title, error)
                self._count(way.name, "failed")
            except Exception:  # the boundary of the messages: nothing a way does may end the lane
                log.exception("messages: %s: %r was not sent", way.name, message.title)
                self._count(way.name, "failed")
            else:
                self._count(way.name, "sent")

    def _try(self, way: Way, message: Message) -> None:
        for left in reversed(range(TRIES)):
            try:
                way.send(message, self._stop)
            except NotSent as error:
                if not left or not error.may_pass or self._stop.wait(self._settings.again_after_s):
                    raise
            else:
                return


def _of(job: Job) -> Fact:
    name, category = harmless(display_name(job), 200), harmless(job.destination.category, 200)
    return Fact(job=job.id, name=name, category=category)


def _refused(refused: Refusal) -> Fact:
    return Fact(
        name=harmless(refused.name, 200),
        category=harmless(refused.category, 200),
        folder=refused.folder,
        reason=harmless(refused.reason.partition("\n")[0]),
    )


def _published(job: Job, publication: Publication) -> Fact:
    return replace(
        _of(job),
        path=publication.path,
        files=publication.files,
        size_bytes=publication.size_bytes,
        verified=harmless(publication.verified),
    )
