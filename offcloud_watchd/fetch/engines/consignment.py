"""The files of one round, brought to a remote by rclone, each from its link to its place in staging there.

Rules of this file:

* What is on the remote decides: a file of its size is there, anything else is not. So a restart of either
  side costs no more than the files that were under way.
* One transfer writes one file: what an earlier call has begun is found by its group, and waited for.
* rclone cannot go on within a file: one that breaks begins anew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.model import Progress
from offcloud_watchd.core.ports import Clock, OnProgress, Stop
from offcloud_watchd.errors import Cancelled, Contradicted, EngineDown, Transient
from offcloud_watchd.fetch.address import check_link
from offcloud_watchd.fetch.broken import Broken
from offcloud_watchd.fetch.engines.rclone import Failure, Rclone, Task
from offcloud_watchd.fetch.listing import Item, Listing
from offcloud_watchd.fetch.mover import Gathered
from offcloud_watchd.fetch.proof import Proof
from offcloud_watchd.fetch.settings import ShelfSettings

_AT_ONCE: Final = 4
_UNSEEN_LOOKS: Final = 20  # some remotes show what was written a moment late


@dataclass(frozen=True, slots=True)
class Ways:
    """What a consignment works with besides its own files."""

    settings: ShelfSettings
    clock: Clock
    on_progress: OnProgress
    stop: Stop


@dataclass(slots=True)
class _File:
    """One file on its way; ``size_bytes`` None: nobody told it."""

    number: int
    item: Item
    size_bytes: int | None
    group: str
    task: Task | None = None
    done_bytes: int = 0
    bytes_per_s: float = 0.0
    breaks: int = 0
    due_at: float = 0.0
    edition: int = 0
    unseen: int = 0


class Consignment:
    """Brings the files of one round to ``path`` on the remote. One thread; ``run`` may be called once.

    ``group`` begins the names of all its transfers. Raises ``Transient``, ``EngineDown`` and ``Cancelled``.
    """

    def __init__(
        self, rclone: Rclone, path: str, group: str, listing: Listing, proof: Proof, ways: Ways
    ) -> None:
        self._rclone = rclone
        self._path = path
        self._group = group
        self._listing = listing
        self._proof = proof
        self._ways = ways
        self._sizes = [proof.size_bytes(number) for number in range(len(listing.items))]
        self._total_bytes = None if None in self._sizes else sum(size or 0 for size in self._sizes)
        self._done_bytes = [0] * len(listing.items)
        self._waiting: deque[_File] = deque()
        self._running: list[_File] = []

    def to_come_bytes(self) -> int:
        """Look at what is there, and return how much is still to come, as far as sizes were told."""
        here = self._rclone.files(self._path)
        going_on = self._rclone.running(self._group)
        wanted = {item.path for item in self._listing.items}
        for path in here.keys() - wanted:
            self._rclone.delete(f"{self._path}/{path}")
        for number, item in enumerate(self._listing.items):
            group = f"{self._group}{item.source}"
            file = _File(number, item, self._proof.exact_bytes(number), group, going_on.pop(group, None))
            if file.task is not None:
                self._running.append(file)
            elif file.size_bytes is not None and here.get(item.path) == file.size_bytes:
                self._done_bytes[number] = file.size_bytes
            else:
                self._waiting.append(file)
        for task in going_on.values():  # of a file that is not wanted any more
            self._rclone.stop(task)
        return sum(file.size_bytes or 0 for file in (*self._waiting, *self._running))

    def run(self) -> Gathered:
        """Bring what is missing, and see that all is there. Call ``to_come_bytes`` before."""
        while self._waiting or self._running:
            self._start()
            if self._ways.stop.wait(self._rclone.settings.look_s):
                raise Cancelled("stopped while rclone was copying; what is under way goes on by itself")
            for file in list(self._running):
                self._attend(file)
            self._report()
        self._report()
        confirmed = [
            size is not None and size == done
            for size, done in zip(self._sizes, self._done_bytes, strict=True)
        ]
        return Gathered.of(self._proof, self._done_bytes, confirmed)

    def _start(self) -> None:
        now = self._ways.clock.monotonic()
        most = min(_AT_ONCE, self._ways.settings.connections_per_job)
        due = [file for file in self._waiting if file.due_at <= now]
        for file in due[: max(0, most - len(self._running))]:
            self._waiting.remove(file)
            self._running.append(file)
            file.edition = self._listing.edition
            url = self._listing.url(file.number)
            try:
                check_link(url, allow_http=self._ways.settings.allow_http)
            except Broken as broken:
                self._mend(file, str(broken), stale=True)
            else:
                file.task = self._rclone.copy_url(url, f"{self._path}/{file.item.path}", file.group)

    def _attend(self, file: _File) -> None:
        if file.task is None:
            return
        file.task = self._rclone.look(file.task)
        if not file.task.finished:
            file.done_bytes, file.bytes_per_s = self._rclone.progress(file.group)
        elif file.task.failure is not None:
            self._judge(file, file.task.failure)
        else:
            self._take(file)

    def _judge(self, file: _File, failure: Failure) -> None:
        if failure.is_full:
            raise EngineDown(
                "rclone: the remote has no room left: free some there, the job goes on by itself"
            )
        status = f"the file host answered {failure.http_status}" if failure.http_status else ""
        self._mend(file, status or "rclone could not copy it, see its log", stale=failure.http_status >= 400)

    def _take(self, file: _File) -> None:
        path = f"{self._path}/{file.item.path}"
        size_bytes = self._rclone.size_of(path)
        if size_bytes is None:
            file.unseen += 1
            if file.unseen > _UNSEEN_LOOKS:
                self._mend(file, "rclone copied it and it is not on the remote", stale=False)
            return
        if file.size_bytes not in (None, size_bytes):
            self._rclone.delete(path)
            words = f"the file host has {size_bytes} bytes, the service said {file.size_bytes}"
            self._mend(file, words, stale=True, kind=Contradicted)
            return
        self._rclone.forget(file.group)
        self._running.remove(file)
        self._done_bytes[file.number] = size_bytes

    def _mend(self, file: _File, words: str, *, stale: bool, kind: type[Transient] = Transient) -> None:
        """See to it that a file is begun again, with a fresh link where that may help, or end the call."""
        settings = self._ways.settings
        file.breaks, file.unseen, file.task = file.breaks + 1, 0, None
        file.done_bytes, file.bytes_per_s = 0, 0.0
        if file.breaks > settings.reconnects:
            raise kind(f"fetching {file.item.path} by rclone: {words}; what is complete is kept")
        if stale or file.breaks > 1:
            self._listing.renew_since(file.edition)
        file.due_at = self._ways.clock.monotonic() + settings.pause_s(file.breaks)
        self._running.remove(file)
        self._waiting.appendleft(file)

    def _report(self) -> None:
        done_bytes = sum(self._done_bytes) + sum(file.done_bytes for file in self._running)
        rate = sum(file.bytes_per_s for file in self._running)
        self._ways.on_progress(Progress(done_bytes, self._total_bytes, bytes_per_s=rate))
