"""The bytes of one file on their way to the disk, and the durable notes of how far they got.

Rules of this file:

* A mark is written only after the bytes it speaks of were synced. A lost mark costs a second fetch of a few
  MiB; a false one would cost the file.
* After a write or a sync failed, nothing more is marked: the kernel may have dropped the pages, and a second
  sync that succeeds proves nothing. Source: Rebello et al., "Can Applications Recover from fsync Failures?",
  ATC 2020.
* Bytes are gathered to ``chunk_bytes`` before they are written: the size of the write is what costs.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Final

from offcloud_watchd.fetch import disk

MARKS_NAME: Final = "marks.jsonl"
_MAX_MARKS_BYTES: Final = 64 * 1024**2
_MAX_PIECES: Final = 512  # the kernel takes 1024 in one call
_MAX_UNSYNCED_FILES: Final = 32
_SYNCERS: Final = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """How much of a file is known to be on the disk.

    ``path`` is the file's place in the release; ``source`` tells what it was fetched from, so that a mark is
    never used for other content. ``total`` and ``validator`` are what the file host said of the whole file.
    """

    path: str
    source: str
    offset: int
    total: int | None = None
    validator: str = ""
    checked: bool = False
    done: bool = False


class Marks:
    """The marks of one round: an append-only file of checksummed lines. One thread.

    Reading compacts it, so that a torn line at its end is gone before the next one is written.
    """

    def __init__(self, dir_fd: int, sync_every_bytes: int) -> None:
        self._marks = _read(dir_fd)
        self._sync_every_bytes = sync_every_bytes
        self._unsynced: list[tuple[int, Mark]] = []
        self._failed = False
        self._unsynced_bytes = 0
        disk.write_durably(MARKS_NAME, b"".join(map(_line, self._marks.values())), dir_fd)
        self._fd = os.open(
            MARKS_NAME, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd
        )

    def get(self, path: str, source: str) -> Mark:
        """Return what is known of a file; nothing when its mark is about other content."""
        mark = self._marks.get(path)
        return mark if mark is not None and mark.source == source else Mark(path, source, 0)

    def put(self, mark: Mark) -> None:
        """Note durably how far a file is; its bytes up to there were synced before."""
        self._append([mark])
        os.fdatasync(self._fd)

    def finish(self, fd: int, mark: Mark) -> None:
        """Take over a finished file: sync it together with others, then note it as done, then close it."""
        self._unsynced.append((fd, mark))
        self._unsynced_bytes += mark.offset
        if len(self._unsynced) >= _MAX_UNSYNCED_FILES or self._unsynced_bytes >= self._sync_every_bytes:
            self.flush()

    def flush(self) -> None:
        """Make every finished file durable, and then its mark."""
        try:
            _sync_all([fd for fd, _ in self._unsynced])
        except OSError:
            self._failed = True
            raise
        marks = [mark for _, mark in self._unsynced]
        self._let_go()
        if marks:
            self._append(marks)
            os.fdatasync(self._fd)

    def close(self) -> None:
        """Flush and close all files; what a failing disk does not take is not noted and fetched again."""
        try:
            if not self._failed:
                self.flush()
        finally:
            self._let_go()
            os.close(self._fd)

    def _append(self, marks: list[Mark]) -> None:
        disk.write_all(self._fd, [b"".join(map(_line, marks))])
        self._marks.update((mark.path, mark) for mark in marks)

    def _let_go(self) -> None:
        for fd, _ in self._unsynced:
            os.close(fd)
        self._unsynced = []
        self._unsynced_bytes = 0


def _sync_all(fds: Sequence[int]) -> None:
    """Make files durable, all at once: many small ones cost hardly more than one. Raises ``OSError``."""
    if not fds:
        return
    with ThreadPoolExecutor(min(_SYNCERS, len(fds)), thread_name_prefix="fetch-sync") as syncers:
        for done in [syncers.submit(os.fdatasync, fd) for fd in fds]:
            done.result()


def _line(mark: Mark) -> bytes:
    text = json.dumps(asdict(mark), separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read(dir_fd: int) -> dict[str, Mark]:
    data = disk.read_small(MARKS_NAME, dir_fd, _MAX_MARKS_BYTES) or b""
    marks: dict[str, Mark] = {}
    for line in data.split(b"\n"):
        checksum, _, text = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(text):
            continue
        fields: Mapping[str, object] = json.loads(text)
        mark = Mark(**fields)  # type: ignore[arg-type] # the checksum says that we wrote it
        marks[mark.path] = mark
    return marks


class Part:
    """One file in staging, written from its offset on. One thread; ``close`` must be called in the end.

    Takes over ``fd``. Opening cuts the file back to the last byte its mark vouches for.
    """

    def __init__(self, fd: int, mark: Mark, marks: Marks, *, chunk_bytes: int, sync_every_bytes: int) -> None:
        self._fd = fd
        self._marks = marks
        self._chunk_bytes = chunk_bytes
        self._sync_every_bytes = sync_every_bytes
        self._pieces: list[bytes] = []
        self._gathered_bytes = 0
        self._failed = False
        self._reserved = False
        with disk.closed_on_error(fd):
            self._mark = mark if os.fstat(fd).st_size >= mark.offset else Mark(mark.path, mark.source, 0)
            self._written = self._mark.offset
            self._go_to(self._written)

    @property
    def offset(self) -> int:
        """How many bytes of the file are here, written or about to be."""
        return self._written + self._gathered_bytes

    @property
    def to_come_bytes(self) -> int:
        """How much room the rest of the file is still going to take, beyond what is reserved."""
        return 0 if self._reserved else max(0, (self._mark.total or 0) - self._written)

    @property
    def validator(self) -> str:
        """The ETag or date of what is here; empty when the host gave none."""
        return self._mark.validator

    @property
    def total(self) -> int | None:
        """The size of the whole file as the host told it."""
        return self._mark.total

    def begin(self, offset: int, *, total: int | None = None, validator: str = "") -> None:
        """Go on at ``offset``, which is the present one or 0, with what the host says of the whole file."""
        if offset != self.offset:
            self._pieces, self._gathered_bytes = [], 0
            self._go_to(offset)
            self._written = offset
            self._reserved = False
        known = min(self._mark.offset, offset)
        self._mark = Mark(self._mark.path, self._mark.source, known, total, validator)

    def reserve(self, total: int) -> None:
        """Reserve the room of the whole file, so that a full disk shows now and not at its end."""
        self._reserved = disk.allocate(self._fd, self._written, total - self._written)

    def add(self, piece: bytes) -> bool:
        """Take the next bytes; tell whether something was written. After ``sync_every_bytes``: a mark."""
        self._pieces.append(piece)
        self._gathered_bytes += len(piece)
        if self._gathered_bytes < self._chunk_bytes and len(self._pieces) < _MAX_PIECES:
            return False
        self._write()
        if self._written - self._mark.offset >= self._sync_every_bytes:
            self.sync()
        return True

    def sync(self) -> None:
        """Make everything up to here durable and mark it."""
        try:
            self._write()
            if self._written == self._mark.offset:
                return
            disk.sync_and_release(self._fd, self._mark.offset, self._written - self._mark.offset)
        except OSError:
            self._failed = True
            raise
        self._mark = replace(self._mark, offset=self._written)
        self._marks.put(self._mark)

    def finish(self, *, checked: bool) -> None:
        """Hand the complete file over to be synced and noted as done; ``checked``: its size was confirmed."""
        self._write()
        os.ftruncate(self._fd, self._written)  # gives back what was reserved beyond the end
        fd, self._fd = self._fd, -1
        done = replace(self._mark, offset=self._written, checked=checked, done=True)
        self._marks.finish(fd, done)

    def close(self) -> None:
        """Close the file, with a mark of what is here unless the disk failed. Repeating it is harmless."""
        if self._fd < 0:
            return
        try:
            if not self._failed:
                self.sync()
        finally:
            os.close(self._fd)
            self._fd = -1

    def _go_to(self, offset: int) -> None:
        os.ftruncate(self._fd, offset)
        os.lseek(self._fd, offset, os.SEEK_SET)

    def _write(self) -> None:
        if not self._pieces:
            return
        pieces, self._pieces, self._gathered_bytes = self._pieces, [], 0
        try:
            disk.write_all(self._fd, pieces)
        except OSError:
            self._failed = True
            raise
        self._written += sum(map(len, pieces))
