"""The files of one round, handed to aria2 one by one and taken over when they are whole.

Rules of this file:

* A download's name (gid) follows from the job, its round and the file: after a restart of either side it is
  found by it, and nothing is fetched twice.
* A finished download is forgotten at aria2 only after our mark of it is durable.
* One that failed is forgotten at once, as its link would stay in aria2's session file, and begun again with a
  fresh one: aria2 goes on from what is there.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from offcloud_watchd.core.model import Progress
from offcloud_watchd.errors import Cancelled, Contradicted, EngineDown, NoRoom, Permanent, Transient
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.address import check_link
from offcloud_watchd.fetch.answer import Asked, is_page
from offcloud_watchd.fetch.broken import Broken
from offcloud_watchd.fetch.engines import terms
from offcloud_watchd.fetch.engines.aria2 import Aria2, Download
from offcloud_watchd.fetch.engines.handed import Handed, gid_of
from offcloud_watchd.fetch.engines.workplace import WORK_NAME, Workplace
from offcloud_watchd.fetch.haul import SMALL_BYTES
from offcloud_watchd.fetch.listing import Item, Listing
from offcloud_watchd.fetch.mover import Around, Gathered
from offcloud_watchd.fetch.part import Mark, Marks, fitting
from offcloud_watchd.fetch.proof import Proof
from offcloud_watchd.fetch.reading import Reader
from offcloud_watchd.fetch.settings import ShelfSettings
from offcloud_watchd.fetch.staging import Round

_MOST_AT_ONCE: Final = 32
_UNSEEN_LOOKS: Final = 20  # a network file system may show what another machine wrote a moment late
_HEAD_BYTES: Final = 512
_LIMIT_STEP: Final = 0.1


class Errand:
    """Brings the files of one round into staging by aria2. One thread; ``run`` may be called once.

    Raises ``Transient``, ``Permanent``, ``Waits`` and ``Cancelled``; an ``OSError`` is the local disk's.
    """

    def __init__(self, aria: Aria2, staged: Round, listing: Listing, proof: Proof, around: Around) -> None:
        self._aria = aria
        self._staged = staged
        self._listing = listing
        self._proof = proof
        self._around = around
        self._settings: ShelfSettings = around.settings
        count = len(listing.items)
        self._sizes = [proof.size_bytes(number) for number in range(count)]
        self._total_bytes = None if None in self._sizes else sum(size or 0 for size in self._sizes)
        self._done_bytes = [0] * count
        self._confirmed = [False] * count
        self._waiting: deque[Handed] = deque()
        self._running: list[Handed] = []
        self._taken: list[str] = []
        self._allowance: float | None = None
        self._read = Reader(staged, listing.items, around.stop)
        with ExitStack() as undoing:
            self._work = Workplace(staged, aria.theirs(f"{staged.path}/{WORK_NAME}"))
            undoing.callback(self._work.close)
            self._marks = Marks(staged.fd, self._settings.sync_every_bytes)
            undoing.pop_all()

    def run(self) -> Gathered:
        """Have whatever is not here yet fetched, and prove it."""
        name, traffic = self._staged.name, self._around.traffic
        traffic.join(name)
        with ExitStack() as closing:  # one by one, whatever a failing disk does not take
            closing.callback(self._work.close)
            closing.callback(self._marks.close)
            closing.callback(traffic.leave, name)
            try:
                self._staged.prune({item.parts for item in self._listing.items})
                self._look_back()
                self._claim()
                self._allowance = traffic.allowance(name, 0.0, None)
                self._bring_proved()
                self._report()
            except NoRoom:
                self._call_off()  # it would go on to the end of the disk
                raise
        return Gathered.of(self._proof, self._done_bytes, self._confirmed)

    def _look_back(self) -> None:
        """Find out what is here already."""
        for number, item in enumerate(self._listing.items):
            mark = fitting(self._marks.get(item.path, item.source), self._proof.exact_bytes(number))
            if mark.done and self._staged.size_of(item.parts) == mark.size_bytes:
                if mark.proved:
                    self._proof.believe(number)
                self._note(number, mark.size_bytes, confirmed=mark.checked)
            else:
                self._await(number)

    def _await(self, number: int) -> None:
        gid = gid_of(self._staged.path, self._listing.items[number].source)
        self._waiting.append(Handed(number, gid, self._proof.exact_bytes(number)))

    def _note(self, number: int, size_bytes: int, *, confirmed: bool) -> None:
        self._done_bytes[number] = size_bytes
        self._confirmed[number] = confirmed

    # --- Rounds of proof ---

    def _bring_proved(self) -> None:
        refetches = self._settings.refetches
        for again in range(refetches + 1):
            self._bring()
            bad = self._proof.settle(self._done_bytes, self._read)
            if not bad:
                self._mark_proved()
                return
            self._around.traffic.meter.count(bad_pieces=len(bad))
            self._doubt(bad)
            if again < refetches:
                self._listing.renew()
        raise Permanent(
            f"not what the torrent says, also after {refetches} more tries: {self._proof.names(bad)}; the "
            "service's copy is damaged: remove it there, then retry"
        )

    def _doubt(self, pieces: Sequence[int]) -> None:
        """Let the files of some pieces come again: aria2 cannot be told to fetch a part of one."""
        numbers = sorted({number for piece in pieces for number, _ in self._proof.spans(piece)})
        items = [self._listing.items[number] for number in numbers]
        self._marks.put([Mark(item.path, item.source) for item in items])
        for number in numbers:
            self._proof.forget(number)
            self._note(number, 0, confirmed=False)
            self._await(number)

    def _mark_proved(self) -> None:
        """Note what the pieces proved, so that another call need not read it again."""
        proved = [item for number, item in enumerate(self._listing.items) if self._proof.is_proved(number)]
        marks = [self._marks.get(item.path, item.source) for item in proved]
        self._marks.put([replace(mark, proved=True) for mark in marks if mark.done and not mark.proved])

    # --- Handing over ---

    def _bring(self) -> None:
        while self._waiting or self._running:
            self._start()
            if self._around.stop.wait(self._aria.settings.look_s):
                raise Cancelled("stopped while aria2 was fetching; it goes on by itself")
            for file in list(self._running):
                self._attend(file)
            self._let_go()
            self._claim()
            self._report()

    def _start(self) -> None:
        """Hand over as many files as there are connections for."""
        now, share = self._around.clock.monotonic(), self._around.traffic.connections()
        for file in [file for file in self._waiting if file.due_at <= now]:
            spare = share - sum(one.connections for one in self._running)
            if self._running and (spare <= 0 or len(self._running) >= _MOST_AT_ONCE):
                return
            file.connections = self._connections(file.size_bytes, spare)
            self._waiting.remove(file)
            self._running.append(file)
            self._hand_over(file)

    def _connections(self, size_bytes: int | None, spare: int) -> int:
        """Return how many connections a file is counted for: small ones wait for looks."""
        if size_bytes is not None and size_bytes < SMALL_BYTES:
            return 0
        large = 0 < self._settings.segment_bytes < (size_bytes or 0)
        return min(max(spare, 1), terms.MOST_CONNECTIONS) if large else 1

    def _hand_over(self, file: Handed) -> None:
        found = self._aria.find(file.gid)
        if found is not None and found.directory != self._work.theirs:
            raise EngineDown(
                f"aria2 fetches something of ours to another place than {self._work.theirs}: was "
                "engines.aria2.paths changed? remove that download there"
            )
        file.edition = self._listing.edition
        if found is not None and (found.is_going or found.status == "complete"):
            file.told = found
            file.counted_bytes = file.best_bytes = found.done_bytes
            return
        if found is not None:
            self._forget(file)
        self._work.clear(self._item(file))
        url = self._listing.url(file.number)
        try:
            check_link(url, allow_http=self._settings.allow_http)
        except Broken as broken:
            self._mend(file, str(broken), stale=True)
            return
        file.limit_bytes_per_s = self._limit(len(self._running))
        place = {"dir": self._work.theirs, "out": self._item(file).source}
        limit = {"max-download-limit": str(file.limit_bytes_per_s)}
        self._aria.add(
            file.gid, url, {**terms.options(self._settings, max(file.connections, 1)), **place, **limit}
        )

    def _item(self, file: Handed) -> Item:
        return self._listing.items[file.number]

    def _forget(self, file: Handed) -> None:
        self._aria.drop(file.gid, self._around.stop)

    def _call_off(self) -> None:
        for file in self._running:
            self._forget(file)

    # --- What comes of it ---

    def _attend(self, file: Handed) -> None:
        told = self._aria.find(file.gid)
        if told is None:  # it was started anew, and kept no session: what is on the disk counts
            self._put_off(file)
            return
        file.told = told
        if told.total_bytes and (wrong := file.wrong_size(told.total_bytes)):
            self._refuse(file, wrong)
        elif told.status == "complete":
            self._take(file, told)
        elif not told.is_going:
            self._forget(file)
            self._judge(file, told)

    def _judge(self, file: Handed, told: Download) -> None:
        if trouble := terms.disk_trouble(told):
            raise EngineDown(
                f"aria2: {trouble} in {self._work.theirs}: is there room, does it run as the same user, is "
                "engines.aria2.paths right? the job goes on by itself"
            )
        if terms.must_begin_anew(told, file.breaks):
            self._work.begin_anew(self._item(file))
        self._mend(file, terms.words(told), stale=terms.is_stale(told))

    def _refuse(self, file: Handed, wrong: str) -> None:
        """Let a file come again that is not what it should be, from its beginning."""
        self._forget(file)
        self._work.begin_anew(self._item(file))
        self._mend(file, wrong, stale=True, kind=Contradicted)

    def _mend(self, file: Handed, words: str, *, stale: bool, kind: type[Transient] = Transient) -> None:
        """See to it that a file is begun again, with a fresh link where that may help, or end the call."""
        settings, done_bytes = self._settings, file.done_bytes
        got_on = done_bytes - file.best_bytes >= settings.chunk_bytes
        file.best_bytes = max(file.best_bytes, done_bytes)
        file.breaks = 1 if got_on else file.breaks + 1
        if file.breaks > settings.reconnects:
            raise kind(
                f"fetching {self._item(file).path} by aria2: {words}; what is here is kept and the file goes "
                "on from there"
            )
        if stale or file.breaks > 1:
            self._listing.renew_since(file.edition)
        self._put_off(file, settings.pause_s(file.breaks))

    def _put_off(self, file: Handed, wait_s: float = 0.0) -> None:
        file.due_at = self._around.clock.monotonic() + wait_s
        self._running.remove(file)
        self._waiting.appendleft(file)

    def _take(self, file: Handed, told: Download) -> None:
        """Take a file over that aria2 has finished, if it is what it should be."""
        item = self._item(file)
        fd = self._work.opened(item, told.total_bytes)
        if fd is None:
            self._miss(file)
            return
        with disk.closed_on_error(fd):
            facts = os.fstat(fd)
            wrong = self._wrong(file, item, told, facts, os.pread(fd, _HEAD_BYTES, 0))
            if not wrong:
                self._work.take_in(item, fd)
        if wrong:
            os.close(fd)
            self._refuse(file, wrong)
            return
        confirmed = self._sizes[file.number] == facts.st_size
        held = ((0, facts.st_size),) if facts.st_size else ()
        total = facts.st_size if confirmed else None
        self._marks.finish(fd, Mark(item.path, item.source, held, total=total, checked=confirmed, done=True))
        self._count(file)
        self._running.remove(file)
        self._taken.append(file.gid)
        self._note(file.number, facts.st_size, confirmed=confirmed)

    def _miss(self, file: Handed) -> None:
        """Take note that a finished file is not to be seen, which is not for ever."""
        file.unseen += 1
        if file.unseen > _UNSEEN_LOOKS:
            self._forget(file)
            raise EngineDown(
                f"aria2 finished a file in {self._work.theirs} and it is not here in {self._staged.path}: "
                "set engines.aria2.paths to how aria2 sees our directories"
            )

    def _wrong(self, file: Handed, item: Item, told: Download, facts: os.stat_result, head: bytes) -> str:
        """Say what is wrong with a finished file; empty when nothing is."""
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != told.total_bytes:
            return f"aria2 says it has {told.total_bytes} bytes, {facts.st_size} are here"
        if is_page(Asked(item.parts[-1], 0, file.size_bytes, None, ""), head):
            return "the file host sent a page in place of the file"
        return file.wrong_size(facts.st_size)

    def _let_go(self) -> None:
        """Make what was taken over durable, and let aria2 forget it."""
        if self._taken:
            self._marks.flush()
            for gid in self._taken:
                self._aria.drop(gid, self._around.stop)
            self._taken = []

    # --- Looking after it ---

    def _report(self) -> None:
        for file in self._running:
            self._count(file)
        rate = float(sum(file.told.bytes_per_s for file in self._running if file.told))
        traffic = self._around.traffic
        self._allowance = traffic.allowance(self._staged.name, rate, self._allowance)
        limit = self._limit(len(self._running))
        for file in self._running:
            if abs(limit - file.limit_bytes_per_s) > _LIMIT_STEP * file.limit_bytes_per_s:
                self._aria.limit(file.gid, limit)
                file.limit_bytes_per_s = limit
        done_bytes = sum(self._done_bytes) + sum(file.done_bytes for file in self._running)
        note = "paused in aria2" if any(self._is_paused(file) for file in self._running) else ""
        self._around.on_progress(Progress(done_bytes, self._total_bytes, bytes_per_s=rate, note=note))

    @staticmethod
    def _is_paused(file: Handed) -> bool:
        return file.told is not None and file.told.status == "paused"

    def _limit(self, sharing: int) -> int:
        """Return what one of several downloads may take a second; 0 is no limit."""
        return 0 if self._allowance is None else max(1, int(self._allowance / max(sharing, 1)))

    def _count(self, file: Handed) -> None:
        came_bytes = file.done_bytes - file.counted_bytes
        if came_bytes > 0:
            self._around.traffic.meter.count(received_bytes=came_bytes)
        file.counted_bytes = file.done_bytes

    def _claim(self) -> None:
        """Stop here rather than at the end of the disk: it is the one that aria2 writes to."""
        needed_bytes = sum(map(self._to_come_bytes, (*self._waiting, *self._running)))
        self._around.room.claim(self._staged.name, self._staged.fd, needed_bytes)

    def _to_come_bytes(self, file: Handed) -> int:
        whole = file.size_bytes or (file.told.total_bytes if file.told else 0)
        return max(0, whole - self._work.room_of(self._item(file)))
