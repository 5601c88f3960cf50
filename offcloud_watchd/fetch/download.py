"""All files of a request: from the list of links to complete and proved files in staging.

Rules of this file:

* One thread decides and marks; the crew's threads carry bytes. They meet at the crew's news and nowhere else.
* Files come in their order, the next one as soon as a connection has nothing left to do for the ones before.
* A file resumes as long as it gets on; a few breaks in a row without progress end the call as ``Transient``,
  and the next call goes on from the last marks.
* A request that fails while others of the file go on is no break: the host gives no more than those.
* A file counts as complete only when its size is the one that was told. A piece that is not what the torrent
  says is asked for again, alone, a few times.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from offcloud_watchd.core.model import Progress
from offcloud_watchd.errors import Cancelled, Contradicted, Permanent, Transient
from offcloud_watchd.fetch.broken import Broken
from offcloud_watchd.fetch.crew import Crew, Task, Told
from offcloud_watchd.fetch.gear import Gear
from offcloud_watchd.fetch.haul import SMALL_BYTES, Haul
from offcloud_watchd.fetch.listing import Listing
from offcloud_watchd.fetch.mover import Around, Gathered
from offcloud_watchd.fetch.pace import Pace
from offcloud_watchd.fetch.part import Mark, Marks, Part, fitting, punched
from offcloud_watchd.fetch.proof import Proof
from offcloud_watchd.fetch.reading import Reader
from offcloud_watchd.fetch.spans import Span
from offcloud_watchd.fetch.staging import Round

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.05
_SMALL_AT_ONCE: Final = 4  # more do not help: the threads of one process take turns


class Damaged(Permanent):
    """Pieces stayed bad; the marks say what a later round can use."""


class Gathering:
    """Brings the files of one round into staging. One thread; ``run`` may be called once.

    Raises ``Transient``, ``Permanent``, ``NoRoom``, ``Blocked`` and ``Cancelled``; an ``OSError`` is the
    local disk's.
    """

    def __init__(self, staged: Round, listing: Listing, proof: Proof, around: Around) -> None:
        self._staged = staged
        self._listing = listing
        self._proof = proof
        self._around = around
        self._settings = around.settings
        items = listing.items
        self._sizes = [proof.size_bytes(number) for number in range(len(items))]
        self._outlook = proof.outlook()
        self._total_bytes = None if None in self._outlook else sum(size or 0 for size in self._outlook)
        self._waiting = deque(range(len(items)))
        self._owed_bytes = [0] * len(items)
        self._done_bytes = [0] * len(items)
        self._confirmed = [False] * len(items)
        self._open: dict[int, Haul] = {}
        self._running = 0
        self._measured_bytes = 0
        self._pace = Pace(around.clock)
        self._looked_at = around.clock.monotonic()
        self._gear = Gear(self._looked_at, 1)
        self._crew = Crew(around.settings, around.traffic.pool, around.clock)
        self._allowance: float | None = None
        self._read = Reader(staged, items, around.stop)
        self._marks = Marks(staged.fd, around.settings.sync_every_bytes)

    def run(self) -> Gathered:
        """Fetch whatever is not complete yet, and prove it."""
        name, traffic = self._staged.name, self._around.traffic
        traffic.join(name)
        try:
            self._staged.prune({item.parts for item in self._listing.items})
            self._plan_room()
            self._allowance = traffic.allowance(name, 0.0, None)
            self._bring_proved()
            self._report()
        finally:
            self._crew.close()  # from here on nobody writes
            self._measure()
            traffic.leave(name)
            self._close_files()
        return Gathered.of(self._proof, self._done_bytes, self._confirmed)

    def _bring_proved(self) -> None:
        for again in range(self._settings.refetches + 1):
            while self._assign():
                self._attend()
            self._marks.flush()
            bad = self._proof.settle(self._done_bytes, self._read)
            if not bad:
                return
            log.warning("%s: not what the torrent says: %s", self._staged.name, self._proof.names(bad))
            self._around.traffic.meter.count(bad_pieces=len(bad))
            if again < self._settings.refetches:
                self._listing.renew()
                self._doubt(bad)
        self._doubt(bad)
        self._leave_what_is_provable()
        raise Damaged(
            f"not what the torrent says, also after {self._settings.refetches} more tries: "
            f"{self._proof.names(bad)}; the service's copy is damaged: remove it there, then retry"
        )

    # --- What is asked for next ---

    def _assign(self) -> bool:
        """Hand out as many requests as there may be; tell whether anything is still going on."""
        now, most = self._around.clock.monotonic(), self._around.traffic.connections()
        limit = self._gear.limit(now, most)
        while self._running < min(self._wanted(), limit):
            task = self._next_task(now)
            if task is None:
                break
            self._running += 1
            self._crew.grow(self._running)
            self._crew.allow(self._allowance, self._running)
            self._crew.put(task)
        for haul in self._open.values():
            if not self._running and haul.patience is not None and now < haul.due_at:
                raise _ended(haul, haul.patience, haul.due_at - now)
        return bool(self._open or self._waiting)

    def _wanted(self) -> int:
        """Return how many requests to have out: small files wait for answers more than for bytes."""
        small = any(haul.is_small for haul in self._open.values()) or (
            bool(self._waiting) and (self._sizes[self._waiting[0]] or 0) < SMALL_BYTES
        )
        return max(self._gear.number, _SMALL_AT_ONCE if small else 1)

    def _next_task(self, now: float) -> Task | None:
        for haul in self._open.values():
            if len(haul.tasks) < self._gear.number and (task := self._task(haul, now)) is not None:
                return task
        while self._waiting:
            opened = self._opened(self._waiting.popleft())
            if opened is not None:
                return self._task(opened, now)
        return None

    def _task(self, haul: Haul, now: float) -> Task | None:
        number = self._gear.number
        asked = haul.next_asked(now, number, self._pace.rate / max(self._running, 1))
        if asked is None:
            return None
        ahead_bytes = max(2 * self._settings.sync_every_bytes // number, 4 * self._settings.chunk_bytes)
        url, edition = self._listing.url(haul.number), self._listing.edition
        task = Task(haul.number, haul.part.fd, asked, url, edition, ahead_bytes)
        task.hashing = self._proof.hashing(haul.number, asked.offset)
        haul.tasks.append(task)
        return task

    def _opened(self, number: int) -> Haul | None:
        """Open a file to be fetched; None when it is complete."""
        item, size_bytes = self._listing.items[number], self._proof.exact_bytes(number)
        mark = fitting(self._marks.get(item.path, item.source), size_bytes)
        self._owed_bytes[number] = 0
        if mark.done and self._staged.size_of(item.parts) == mark.size_bytes:
            self._proof.sized(number, mark.size_bytes)
            if mark.proved:
                self._proof.believe(number)
            self._note(number, mark.size_bytes, confirmed=mark.checked)
            return None
        part = Part(self._staged.open_file(item.parts), mark, self._marks)
        haul = Haul(number, item, part, self._proof, self._settings.segment_bytes)
        self._open[number] = haul
        if part.held_bytes == size_bytes:
            part.confirm(size_bytes, part.validator)
        if haul.is_whole:
            self._finish(haul)
            return None
        return haul

    # --- What comes of it ---

    def _attend(self) -> None:
        """Wait for news, act on it, and look after the lines now and then."""
        told = self._crew.heard(_LOOK_S)
        if told is not None:
            self._take(told)
        if self._around.stop.is_set():
            raise Cancelled("stopped while fetching")
        now = self._around.clock.monotonic()
        if told is None or now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            self._look(now)

    def _take(self, told: Told) -> None:
        task = told.task
        haul = self._open[task.number]
        if task.answer is not None and haul.hear(task.answer):
            self._heard_of(haul)
        if told.ended:
            self._running -= 1
            haul.end(task)
            self._conclude(haul, task, told.error)
        elif task.wants_sync:
            self._sync(haul)

    def _heard_of(self, haul: Haul) -> None:
        """Act on what the host says of a whole file."""
        if haul.part.total is not None:
            self._proof.sized(haul.number, haul.part.total)
        if not haul.is_small:
            self._claim()
            haul.part.reserve()

    def _conclude(self, haul: Haul, task: Task, error: Exception | None) -> None:
        match error:
            case None if task.fell_short_by and task.came_bytes < self._settings.chunk_bytes:
                self._mend(haul, task, Broken("the file host gives less than it is asked for"))
            case None:
                haul.end_unsized()
            case Broken():
                self._mend(haul, task, error)
            case _:
                # After a write that failed nothing is marked any more.
                haul.part.close(mark=not isinstance(error, OSError))
                raise error
        if haul.is_whole:
            self._finish(haul)

    def _mend(self, haul: Haul, task: Task, broken: Broken) -> None:
        """See to it that what is missing is asked for again, or end the call when that has no use."""
        now, settings = self._around.clock.monotonic(), self._settings
        if broken.spoiled:
            haul.refuse_parts()
            if not haul.tasks:
                haul.begin_anew()
        if haul.tasks or (broken.crowded and self._running):
            self._leave_to_others(haul, task, broken, now)
            return
        haul.patience = None
        haul.breaks = 1 if haul.got_on(settings.chunk_bytes) else haul.breaks + 1
        if broken.retry_after_s is not None or haul.breaks > settings.reconnects:
            raise _ended(haul, broken, broken.retry_after_s)
        haul.due_at = now + settings.pause_s(haul.breaks)
        if broken.stale_link or haul.breaks > 1:
            self._listing.renew_since(task.edition)

    def _leave_to_others(self, haul: Haul, task: Task, broken: Broken, now: float) -> None:
        """Ask again for what one request did not bring, but never in haste: others go on meanwhile."""
        came_bytes = task.came_bytes
        wait_s = broken.retry_after_s or 0.0
        if not came_bytes:
            self._gear.refused(now, self._running)
        elif came_bytes < self._settings.chunk_bytes:
            wait_s = max(wait_s, self._settings.reconnect_wait_s)
        haul.due_at = now + wait_s
        haul.patience = None if came_bytes else broken

    def _sync(self, haul: Haul) -> None:
        """Make what is written durable, and let the lines write on."""
        spans = haul.running
        haul.part.sync(spans)
        for task, (_, position) in zip(haul.tasks, spans, strict=True):
            task.synced_to = position

    def _finish(self, haul: Haul) -> None:
        del self._open[haul.number]
        checked = haul.part.total is not None
        self._proof.sized(haul.number, haul.part.held_bytes)
        self._note(haul.number, haul.part.held_bytes, confirmed=checked)
        haul.part.finish(checked=checked, proved=self._proof.is_proved(haul.number))

    def _note(self, number: int, size_bytes: int, *, confirmed: bool) -> None:
        self._done_bytes[number] = size_bytes
        self._confirmed[number] = confirmed

    def _close_files(self) -> None:
        """Mark what is here of every open file, and close it; nobody may be writing any more."""
        while (told := self._crew.heard(0.0)) is not None:
            if isinstance(told.error, OSError):
                self._open[told.task.number].part.close(mark=False)
        with ExitStack() as closing:
            closing.callback(self._marks.close)
            for haul in self._open.values():
                closing.callback(haul.part.close)
                for task in list(haul.tasks):
                    if task.answer is not None:
                        haul.hear(task.answer)
                    haul.end(task)

    # --- Pieces ---

    def _doubt(self, pieces: Sequence[int]) -> None:
        """Take some pieces out of what is here, durably, so that they come again."""
        gone: defaultdict[int, list[Span]] = defaultdict(list)
        for piece in pieces:
            for number, span in self._proof.spans(piece):
                gone[number].append(span)
        self._proof.doubt(pieces)
        items = self._listing.items
        marks = {number: self._marks.get(items[number].path, items[number].source) for number in gone}
        self._marks.put([punched(mark, gone[number]) for number, mark in marks.items()])
        for number in gone:
            self._note(number, 0, confirmed=False)
        self._waiting.extend(sorted(gone))

    def _leave_what_is_provable(self) -> None:
        """Mark for a later round what the pieces will tell of, from whatever host the rest will come then."""
        known = [self._marks.get(item.path, item.source) for item in self._listing.items]
        self._marks.put([self._provable(number, mark) for number, mark in enumerate(known)])

    def _provable(self, number: int, mark: Mark) -> Mark:
        if not self._proof.is_provable(number):
            return Mark(mark.path, mark.source)
        told = mark.done or self._listing.items[number].twin
        return mark if told else replace(mark, total=None, validator="")

    # --- Looking after it ---

    def _look(self, now: float) -> None:
        self._crew.watch()
        wanting = self._allowance is None and 0 < self._running <= self._crew.waiting
        most = self._around.traffic.connections()
        self._gear.look(now, self._crew.received_bytes, most=most, wanting=wanting)
        if self._pace.is_due():
            self._claim()
            self._report()

    def _report(self) -> None:
        self._measure()
        rate = self._pace.bytes_per_s(self._crew.received_bytes)
        traffic = self._around.traffic
        self._allowance = traffic.allowance(self._staged.name, rate, self._allowance)
        self._crew.allow(self._allowance, self._running)
        done_bytes = sum(self._done_bytes) + sum(haul.reached_bytes for haul in self._open.values())
        self._around.on_progress(Progress(done_bytes, self._total_bytes, bytes_per_s=rate))

    def _measure(self) -> None:
        received_bytes = self._crew.received_bytes
        self._around.traffic.meter.count(received_bytes=received_bytes - self._measured_bytes)
        self._measured_bytes = received_bytes

    def _plan_room(self) -> None:
        """Stop before the first byte when the whole does not fit."""
        for number, item in enumerate(self._listing.items):
            # A file that was begun has its whole room reserved, however little of it is here.
            here = max(self._marks.get(item.path, item.source).size_bytes, self._staged.room_of(item.parts))
            self._owed_bytes[number] = max(0, (self._outlook[number] or 0) - here)
        self._claim()

    def _claim(self) -> None:
        """Stop here rather than at the end of the disk."""
        needed_bytes = sum(self._owed_bytes) + sum(haul.to_come_bytes for haul in self._open.values())
        self._around.room.claim(self._staged.name, self._staged.fd, needed_bytes)


def _ended(haul: Haul, broken: Broken, retry_after_s: float | None) -> Transient:
    kind = Contradicted if broken.contradicts else Transient
    return kind(
        f"fetching {haul.path}: {broken}; what is here is kept and the file goes on from there",
        retry_after_s=retry_after_s,
    )
