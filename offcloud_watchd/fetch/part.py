"""The bytes of one file on their way to the disk, and the durable notes of which of them are there.

Rules of this file:

* A mark is written only after the bytes it speaks of were synced. A lost mark costs a second fetch of a few
  MiB; a false one would cost the file. So a mark is taken back before the bytes it spoke of are replaced.
* After a write or a sync failed, nothing more is marked: the kernel may have dropped the pages, and a second
  sync that succeeds proves nothing. Source: Rebello et al., "Can Applications Recover from fsync Failures?",
  ATC 2020.
* What is on the disk is let go from the memory.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Final

from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.spans import Held, Span, gaps, joined, size_bytes, without

MARKS_NAME: Final = "marks.jsonl"
_MAX_MARKS_BYTES: Final = 256 * 1024**2
_SMALL_MARKS_BYTES: Final = 16 * 1024**2
_MAX_UNSYNCED_FILES: Final = 64
_SYNCERS: Final = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """How much of a file is known to be on the disk.

    ``path`` is the file's place in the release; ``source`` tells what it was fetched from, so that a mark is
    never used for other content. ``held`` are the spans that are there. ``total`` and ``validator`` are what
    the file host said of the whole file. ``checked``: its size was confirmed; ``proved``: so were the pieces
    of a torrent that are its own; ``done``: it is complete.
    """

    path: str
    source: str
    held: Held = ()
    total: int | None = None
    validator: str = ""
    checked: bool = False
    proved: bool = False
    done: bool = False

    @property
    def size_bytes(self) -> int:
        """How many bytes are on the disk."""
        return size_bytes(self.held)

    @property
    def end(self) -> int:
        """Where the last of them ends."""
        return self.held[-1][1] if self.held else 0


class Marks:
    """The marks of one round: an append-only file of checksummed lines. One thread.

    Reading compacts it, so that a torn line at its end is gone before the next one is written; and so does
    growing, as a mark beyond what is read would be taken back for nothing. Finished files are synced many at
    once, in threads of their own, while others come in.
    """

    def __init__(self, dir_fd: int, sync_every_bytes: int) -> None:
        self._marks = _read(dir_fd)
        self._sync_every_bytes = sync_every_bytes
        self._finished = _Batch()
        self._syncing = _Batch()
        self._failed = False
        self._syncers = ThreadPoolExecutor(_SYNCERS, thread_name_prefix="fetch-sync")
        self._dir_fd = dir_fd
        self._fd = self._compacted()

    def get(self, path: str, source: str) -> Mark:
        """Return what is known of a file; nothing when its mark is about other content."""
        mark = self._marks.get(path)
        return mark if mark is not None and mark.source == source else Mark(path, source)

    def put(self, marks: Sequence[Mark]) -> None:
        """Note durably how far files are; their bytes were synced before."""
        if marks:
            disk.write_all(self._fd, [b"".join(map(_line, marks))])
            self._marks.update((mark.path, mark) for mark in marks)
            os.fdatasync(self._fd)
            if os.fstat(self._fd).st_size > self._most_bytes:
                outgrown_fd, self._fd = self._fd, self._compacted()
                os.close(outgrown_fd)

    def _compacted(self) -> int:
        """Write the last mark of each file alone; return the new file, open to append to."""
        marks = b"".join(map(_line, self._marks.values()))
        self._most_bytes = max(_SMALL_MARKS_BYTES, 2 * len(marks))
        disk.write_durably(MARKS_NAME, marks, self._dir_fd)
        return os.open(
            MARKS_NAME, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._dir_fd
        )

    def take_back(self, mark: Mark) -> None:
        """See to it that no durable mark says more of a file than this one, before other bytes come there."""
        noted = self._marks.get(mark.path, mark)
        if noted != mark and (noted.held or noted.done):
            self.put([mark])

    def finish(self, fd: int, mark: Mark) -> None:
        """Take over a finished file: sync it together with others, then note it as done, then close it."""
        self._finished.add(fd, mark)
        if (
            len(self._finished.marks) >= _MAX_UNSYNCED_FILES
            or self._finished.size_bytes >= self._sync_every_bytes
        ):
            self._sync()

    def flush(self) -> None:
        """Make every finished file durable, and then its mark."""
        self._sync()
        self._settle()

    def close(self) -> None:
        """Flush and close all files; what a failing disk does not take is not noted and fetched again."""
        try:
            if not self._failed:
                self.flush()
        finally:
            self._syncers.shutdown()
            self._finished.close()
            self._syncing.close()
            os.close(self._fd)

    def _sync(self) -> None:
        """Begin to sync what is finished; the batch before must be safe by then."""
        self._settle()
        self._syncing, self._finished = self._finished, _Batch()
        for fd in self._syncing.fds:
            self._syncing.synced.append(self._syncers.submit(disk.sync_and_release, fd))

    def _settle(self) -> None:
        """Wait for the batch that is being synced, and note it."""
        try:
            for done in self._syncing.synced:
                done.result()
        except OSError:
            self._failed = True
            raise
        batch, self._syncing = self._syncing, _Batch()
        batch.close()
        self.put(batch.marks)


class _Batch:
    """Finished files that are synced together."""

    def __init__(self) -> None:
        self.fds: list[int] = []
        self.marks: list[Mark] = []
        self.size_bytes = 0
        self.synced: list[Future[None]] = []

    def add(self, fd: int, mark: Mark) -> None:
        """Take a file over."""
        self.fds.append(fd)
        self.marks.append(mark)
        self.size_bytes += mark.size_bytes

    def close(self) -> None:
        """Close the files; nobody may be syncing them any more."""
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def _line(mark: Mark) -> bytes:
    text = json.dumps(asdict(mark), separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read(dir_fd: int) -> dict[str, Mark]:
    data = disk.read_small(MARKS_NAME, dir_fd, _MAX_MARKS_BYTES) or b""
    marks: dict[str, Mark] = {}
    for line in data.split(b"\n"):
        checksum, _, text = line.partition(b" ")
        if checksum == b"%08x" % zlib.crc32(text):
            mark = _mark(text)
            if mark is not None:
                marks[mark.path] = mark
    return marks


def _mark(text: bytes) -> Mark | None:
    """Read a line that we wrote; None when another version of the program did."""
    fields = json.loads(text)
    try:
        return Mark(**{**fields, "held": tuple((start, end) for start, end in fields["held"])})
    except (KeyError, TypeError, ValueError):
        return None


class Part:
    """One file in staging, with the spans of it that are there. One thread; ``close`` it in the end.

    Takes over ``fd``, and cuts the file back to the last byte its mark vouches for. ``is_reserved``: the room
    of the whole file is its own; ``room_bytes`` is what it had of the disk when it was opened.
    """

    def __init__(self, fd: int, mark: Mark, marks: Marks) -> None:
        self.fd = fd
        self._marks = marks
        self._failed = False
        self.is_reserved = False
        with disk.closed_on_error(fd):
            here = os.fstat(fd).st_size
            self._mark = mark if here >= mark.end else Mark(mark.path, mark.source)
            # A power cut may have taken a file that was marked: after a second one, what is written now may
            # have its size without its bytes.
            marks.take_back(self._mark)
            if here > self._mark.end:
                os.ftruncate(fd, self._mark.end)
            self.room_bytes = os.fstat(fd).st_blocks * 512
        self._held = self._mark.held

    @property
    def held(self) -> Held:
        """The spans that are written, on the disk or on their way to it."""
        return self._held

    @property
    def held_bytes(self) -> int:
        """How much of the file is written."""
        return size_bytes(self._held)

    @property
    def validator(self) -> str:
        """The ETag or date of what is here; empty when the host gave none."""
        return self._mark.validator

    @property
    def total(self) -> int | None:
        """The size of the whole file as the host told it."""
        return self._mark.total

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is missing; never where the size is not known."""
        return self.total is not None and not any(gaps(self._held, self.total))

    def confirm(self, total: int | None, validator: str) -> None:
        """Note what the host says of the whole file; it agrees with what is here."""
        self._mark = replace(self._mark, total=total, validator=validator)

    def reserve(self) -> None:
        """Reserve the room of the whole file, so that a full disk shows now and not at its end."""
        if self.total is not None and not self.is_reserved:
            self.is_reserved = disk.allocate(self.fd, 0, self.total)

    def add(self, span: Span) -> None:
        """Take note of bytes that were written."""
        self._held = joined(self._held, [span])

    def begin_anew(self) -> None:
        """Forget all bytes: durably, because others are going to stand in their place."""
        known = bool(self._mark.held)
        self._mark = Mark(self._mark.path, self._mark.source)
        self._held, self.is_reserved, self.room_bytes = (), False, 0
        if known:
            self._marks.put([self._mark])
        os.ftruncate(self.fd, 0)

    def sync(self, running: Iterable[Span] = ()) -> None:
        """Make everything up to here durable and mark it; ``running`` are spans that are being written."""
        held = joined(self._held, running)
        if held == self._mark.held:
            return
        try:
            disk.sync_and_release(self.fd)
        except OSError:
            self._failed = True
            raise
        self._mark = replace(self._mark, held=held)
        self._marks.put([self._mark])

    def finish(self, *, checked: bool, proved: bool) -> None:
        """Hand the complete file over to be synced and noted as done. It is closed for us."""
        os.ftruncate(self.fd, self._held[-1][1] if self._held else 0)  # gives back what was reserved beyond
        fd, self.fd = self.fd, -1
        done = replace(self._mark, held=self._held, checked=checked, proved=proved, done=True)
        self._marks.finish(fd, done)

    def close(self, *, mark: bool = True) -> None:
        """Close the file, with a mark of what is here unless the disk failed. Repeating it is harmless."""
        if self.fd < 0:
            return
        try:
            if mark and not self._failed:
                self.sync()
        finally:
            os.close(self.fd)
            self.fd = -1


def punched(mark: Mark, gone: Iterable[Span]) -> Mark:
    """Return the mark of a file of which some bytes are to come again."""
    held = mark.held
    for span in gone:
        held = without(held, span)
    return replace(mark, held=held, proved=False, done=False)


def fitting(mark: Mark, size_bytes: int | None) -> Mark:
    """Return the mark; an empty one where it cannot be of a file that is ``size_bytes`` large.

    A torrent that comes later tells a size that nobody told before. None: nobody told one.
    """
    known = mark.size_bytes if mark.done else mark.total
    fits = size_bytes is None or (mark.end <= size_bytes and known in (None, size_bytes))
    return mark if fits else Mark(mark.path, mark.source)
