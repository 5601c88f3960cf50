"""One file after another: from the list of links to complete files in staging.

Rules of this file:

* A file resumes as long as it gets on; a few breaks in a row without progress end the call as ``Transient``,
  and the next call goes on from the last mark.
* Links are asked for anew when they look dead; a new list must be of the same files, else nothing is joined.
* A file counts as complete only when its size is the one that was told.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

import requests

from offcloud_watchd.core.model import Progress, RemoteFile
from offcloud_watchd.core.names import arranged
from offcloud_watchd.core.ports import Clock, OnProgress, Stop
from offcloud_watchd.errors import Cancelled, Transient
from offcloud_watchd.fetch.answer import Asked, complains, understood
from offcloud_watchd.fetch.line import Broken, Line
from offcloud_watchd.fetch.part import Marks, Part
from offcloud_watchd.fetch.room import Room
from offcloud_watchd.fetch.settings import ShelfSettings
from offcloud_watchd.fetch.staging import Round

_MAX_WAIT_S: Final = 30.0
_REPORT_EVERY_S: Final = 0.25
_SMOOTHING_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Item:
    """One file to bring home: its place in the release, and what it is fetched from.

    ``source`` identifies the remote file without its link. ``twin``: the service lists another file with the
    same path and size, so that only a validator can tell which one some bytes are of.
    """

    parts: tuple[str, ...]
    source: str
    size_bytes: int | None
    twin: bool = False

    @property
    def path(self) -> str:
        """Its place in the release, for notes and messages."""
        return "/".join(self.parts)


class Listing:
    """The files of a request, in a stable order, and their links of the moment: secrets with a short life."""

    def __init__(self, ask: Callable[[], Sequence[RemoteFile]]) -> None:
        self._ask = ask
        self._files = _sorted(ask())
        if not self._files:
            raise Transient("the service lists no files for this request yet")
        self.items = _planned(self._files)

    @property
    def remote_paths(self) -> tuple[str, ...]:
        """The service's own paths, unsafe as they came."""
        return tuple(_remote_path(file) for file in self._files)

    def url(self, number: int) -> str:
        """Return the link of the file with this place in ``items``: a secret."""
        return self._files[number].url

    def renew(self) -> None:
        """Ask for fresh links. Raises ``Transient`` when they are of other files than before."""
        files = _sorted(self._ask())
        if _planned(files) != self.items:
            raise Transient("the service lists other files than before for this request")
        self._files = files


def _sorted(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Put the files in an order of their own: the service's order means nothing and may change."""
    return sorted(
        files, key=lambda file: (_remote_path(file), -1 if file.size_bytes is None else file.size_bytes)
    )


def _planned(files: Sequence[RemoteFile]) -> tuple[Item, ...]:
    known = [(_remote_path(file), file.size_bytes) for file in files]
    counts = Counter(known)
    seen: Counter[tuple[str, int | None]] = Counter()
    items = []
    for parts, one in zip(arranged([path for path, _ in known]), known, strict=True):
        seen[one] += 1
        identity = f"{one[0]}\0{one[1]}\0{seen[one]}".encode("utf-8", "surrogatepass")
        source = hashlib.sha256(identity).hexdigest()[:16]
        items.append(Item(parts, source, one[1], twin=counts[one] > 1))
    return tuple(items)


def _remote_path(file: RemoteFile) -> str:
    """Return the service's path of a file; a link list without paths has the name at the end of the link."""
    if file.path.strip("/"):
        return file.path
    try:
        return PurePosixPath(unquote(urlsplit(file.url).path)).name
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Around:
    """What a fetch works with besides its own files."""

    settings: ShelfSettings
    clock: Clock
    room: Room
    on_progress: OnProgress
    stop: Stop


@dataclass(frozen=True, slots=True)
class Gathered:
    """What lies complete in staging: number of files, bytes, and whether every size was confirmed."""

    files: int
    size_bytes: int
    checked: bool


class Gathering:
    """Brings the files of one round into staging. One thread; ``run`` may be called once.

    Raises ``Transient``, ``Blocked`` and ``Cancelled``; ``OSError`` is always the local disk's.
    """

    def __init__(self, staged: Round, listing: Listing, line: Line, around: Around) -> None:
        self._staged = staged
        self._listing = listing
        self._line = line
        self._around = around
        sizes = [item.size_bytes for item in listing.items]
        self._total_bytes = None if None in sizes else sum(size or 0 for size in sizes)
        self._later_bytes: list[int] = []
        self._done_bytes = 0
        self._checked = True
        self._pace = _Pace(around.clock)

    def run(self) -> Gathered:
        """Fetch whatever is not complete yet."""
        items = self._listing.items
        self._staged.prune({item.parts for item in items})
        marks = Marks(self._staged.fd, self._around.settings.sync_every_bytes)
        try:
            self._plan_room(marks)
            for number in range(len(items)):
                self._bring(number, marks)
        finally:
            marks.close()
        return Gathered(len(items), self._done_bytes, self._checked)

    def _bring(self, number: int, marks: Marks) -> None:
        item, settings = self._listing.items[number], self._around.settings
        mark = marks.get(item.path, item.source)
        if mark.done and self._staged.size_of(item.parts) == mark.offset:
            self._note(mark.offset, checked=mark.checked)
            return
        fd = self._staged.open_file(item.parts)
        part = Part(
            fd, mark, marks, chunk_bytes=settings.chunk_bytes, sync_every_bytes=settings.sync_every_bytes
        )
        try:
            total = self._download(number, part)
            self._report(part)
            part.finish(checked=total is not None)
            self._note(part.offset, checked=total is not None)
        finally:
            part.close()

    def _note(self, size_bytes: int, *, checked: bool) -> None:
        self._done_bytes += size_bytes
        self._checked = self._checked and checked

    def _download(self, number: int, part: Part) -> int | None:
        """Fetch one file to its end, over as many connections as it takes; return the size that was told."""
        best, breaks = part.offset, 0
        while True:
            try:
                return self._attempt(number, part)
            except Broken as broken:
                got_on = part.offset - best >= self._around.settings.chunk_bytes
                best, breaks = max(best, part.offset), 1 if got_on else breaks + 1
                self._mend(number, broken, breaks)

    def _mend(self, number: int, broken: Broken, breaks: int) -> None:
        settings, stop = self._around.settings, self._around.stop
        if broken.retry_after_s is not None or breaks > settings.reconnects:
            path = self._listing.items[number].path
            raise Transient(
                f"fetching {path}: {broken}; what is here is kept and the file goes on from there",
                retry_after_s=broken.retry_after_s,
            ) from None
        if stop.wait(min(settings.reconnect_wait_s * 2.0 ** (breaks - 1), _MAX_WAIT_S)):
            raise Cancelled("stopped while fetching") from None
        if broken.stale_link or breaks > 1:
            self._listing.renew()

    def _attempt(self, number: int, part: Part) -> int | None:
        item = self._listing.items[number]
        if item.twin and not part.validator:
            part.begin(0)
        if item.size_bytes is not None and part.offset == item.size_bytes > 0:
            return item.size_bytes
        asked = Asked(item.parts[-1], part.offset, item.size_bytes, part.total, part.validator)
        with self._line.get(self._listing.url(number), asked.headers()) as response:
            answer = understood(asked, response.status_code, response.headers, self._around.clock.now())
            if answer is None:
                part.begin(0)
                raise Broken("the file host cannot go on where it broke off; the file begins anew")
            part.begin(answer.offset, total=answer.total, validator=answer.validator)
            if not answer.complete:
                self._make_room(number, part, answer.total)
                self._stream(number, part, response, asked)
        return answer.total

    def _stream(self, number: int, part: Part, response: requests.Response, asked: Asked) -> None:
        total = part.total
        while piece := self._line.read(response):
            if part.offset == 0 and complains(asked, piece):
                raise Broken("the file host sent a complaint in place of the file", stale_link=True)
            part.add(piece)
            if total is not None and part.offset > total:
                part.begin(0)
                raise Broken(f"the file host sent more than the {total} bytes it should", stale_link=True)
            if self._pace.is_due():
                self._claim(number, part)
                self._report(part)
        if total is not None and part.offset < total:
            raise Broken(f"the connection ended after {part.offset} of {total} bytes")

    def _plan_room(self, marks: Marks) -> None:
        """Stop before the first byte when the whole does not fit; note what comes behind each file."""
        owed = [
            max(0, (item.size_bytes or 0) - marks.get(item.path, item.source).offset)
            for item in self._listing.items
        ]
        self._later_bytes = list(accumulate(reversed(owed), initial=0))[-2::-1]
        self._around.room.claim(self._staged.name, self._staged.fd, sum(owed))

    def _make_room(self, number: int, part: Part, total: int | None) -> None:
        """Stop here rather than at the end of the disk; then reserve the file's room where it can be done."""
        self._claim(number, part)
        if total is not None:
            part.reserve(total)

    def _claim(self, number: int, part: Part) -> None:
        needed_bytes = part.to_come_bytes + self._later_bytes[number]
        self._around.room.claim(self._staged.name, self._staged.fd, needed_bytes)

    def _report(self, part: Part) -> None:
        rate = self._pace.bytes_per_s(self._line.received_bytes)
        done_bytes = self._done_bytes + part.offset
        self._around.on_progress(Progress(done_bytes, self._total_bytes, bytes_per_s=rate))


class _Pace:
    """When to report, and how fast it goes: the rate forgets what is more than some seconds old."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock.monotonic()
        self._received_bytes = 0
        self._rate = 0.0

    def is_due(self) -> bool:
        return self._clock.monotonic() - self._at >= _REPORT_EVERY_S

    def bytes_per_s(self, received_bytes: int) -> float:
        now = self._clock.monotonic()
        passed_s = now - self._at
        if passed_s > 0:
            weight = min(passed_s / _SMOOTHING_S, 1.0) if self._rate else 1.0
            self._rate += weight * ((received_bytes - self._received_bytes) / passed_s - self._rate)
            self._at, self._received_bytes = now, received_bytes
        return self._rate
