"""Unpacking zip files in staging, before a release is published: on request only.

Rules of this file:

* An archive is hostile. It is unpacked whole or not at all: one that is encrypted, damaged, or holds a link,
  too many files or far more bytes than it has itself, stays in the release as it came, and the words say why.
* Names become safe as those of a release do, below a folder of the archive's own: nothing leaves it.
* An archive that was unpacked goes, so that a release holds nothing twice; but only once everything else is
  durable and noted. Archives in archives are not looked into.
* Only what is read from the archive is blamed on it: an error of our own disk passes through.
"""

from __future__ import annotations

import io
import logging
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Final

from offcloud_watchd.core.names import arranged, numbered
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import Cancelled
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.proof import few
from offcloud_watchd.fetch.room import Room
from offcloud_watchd.fetch.settings import MIB, ShelfSettings
from offcloud_watchd.fetch.staging import Round

log = logging.getLogger(__name__)

Parts = tuple[str, ...]

MAX_FILES: Final = 10_000
MAX_RATIO: Final = 100  # film and sound do not shrink at all, text to a tenth
HARMLESS_BYTES: Final = 64 * MIB
_MAX_READ_BYTES: Final = 2 * MIB  # the archive's list of its files is read at once: 10,000 names fit
_ENCRYPTED: Final = 0x1
_UNDERSTOOD: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_FOREIGN_ERRORS: Final = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError),
    *(ValueError, OverflowError, struct.error),
)


class _Refused(Exception):  # noqa: N818 - what happened to the archive
    """An archive is not unpacked; the text says why."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came of it: archives that are not needed any more, and what the release then holds.

    ``files`` and ``size_bytes`` are how many more it holds without the ``spent`` ones than it did with them:
    less than none where an archive was larger than its contents. ``words`` is for people.
    """

    spent: tuple[Parts, ...]
    files: int
    size_bytes: int
    words: tuple[str, ...]


def unpack(
    staged: Round, files: Sequence[Parts], settings: ShelfSettings, room: Room, stop: Stop
) -> Unpacked:
    """Unpack every zip among the complete files of a staged release; safe to repeat.

    Raises ``NoRoom``, ``Cancelled``, and ``OSError`` when our own disk fails.
    """
    return _Unpacking(staged, files, settings, room, stop).run()


class _Unpacking:
    """All archives of one release. One thread."""

    def __init__(
        self, staged: Round, files: Sequence[Parts], settings: ShelfSettings, room: Room, stop: Stop
    ) -> None:
        self._staged = staged
        self._files = files
        self._settings = settings
        self._room = room
        self._stop = stop
        self._made: list[Parts] = []
        self._made_bytes = 0

    def run(self) -> Unpacked:
        spent: list[Parts] = []
        refused: list[str] = []
        for archive in self._files:
            if archive[-1].lower().endswith(".zip"):
                kept, kept_bytes = len(self._made), self._made_bytes
                try:
                    self._unpack(archive)
                    spent.append(archive)
                except _Refused as refusal:
                    refused.append(f"{archive[-1]} {refusal}")
                    del self._made[kept:]
                    self._made_bytes = kept_bytes
                    self._staged.prune({*self._files, *self._made})
        gone_bytes = sum(self._staged.size_of(archive) or 0 for archive in spent)
        files, more_bytes = len(self._made) - len(spent), self._made_bytes - gone_bytes
        if refused:
            log.warning("%s: zip files stay as they came: %s", self._staged.name, few(refused))
        return Unpacked(tuple(spent), files, more_bytes, tuple(_words(spent, refused)))

    def _unpack(self, archive: Parts) -> None:
        with os.fdopen(disk.open_to_read(archive, self._staged.release_fd()), "rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            with closing(_opened(file, size_bytes)) as opened:
                members = [member for member in opened.infolist() if not member.is_dir()]
                _check(members, size_bytes)
                total_bytes = sum(member.file_size for member in members)
                self._room.claim(self._staged.name, file.fileno(), total_bytes)
                folder = self._folder_for(archive)
                places = arranged([member.filename.replace("\\", "/") for member in members])
                for member, place in zip(members, places, strict=True):
                    self._write(opened, member, (*folder, *place))

    def _folder_for(self, archive: Parts) -> Parts:
        """Choose a folder beside the archive, named after it, that nothing else is called."""
        taken = {
            _key(path[:depth]) for path in (*self._files, *self._made) for depth in range(1, 1 + len(path))
        }
        stem = archive[-1][: -len(".zip")] or "_"
        names = (numbered(stem, number) for number in range(1, len(taken) + 2))
        return next(path for name in names if _key(path := (*archive[:-1], name)) not in taken)

    def _write(self, opened: zipfile.ZipFile, member: zipfile.ZipInfo, place: Parts) -> None:
        with disk.closed_after(self._staged.open_file(place)) as fd:
            self._made.append(place)
            self._made_bytes += member.file_size
            os.ftruncate(fd, 0)
            self._pour(opened, member, fd)
            disk.sync_and_release(fd)

    def _pour(self, opened: zipfile.ZipFile, member: zipfile.ZipInfo, fd: int) -> None:
        at = synced_to = 0
        with closing(_Source(opened, member)) as source:
            while data := source.read(self._settings.chunk_bytes):
                if self._stop.is_set():
                    raise Cancelled("stopped while unpacking")
                disk.write_at(fd, memoryview(data), at)
                at += len(data)
                if at - synced_to >= self._settings.sync_every_bytes:
                    disk.sync_and_release(fd)
                    synced_to = at
        if at != member.file_size:
            raise _Refused("is damaged")


class _Source:
    """The bytes of a member; what is wrong with them is the archive's fault."""

    def __init__(self, opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        try:
            self._file = opened.open(member)
        except _FOREIGN_ERRORS:
            raise _Refused("is damaged") from None

    def read(self, size_bytes: int) -> bytes:
        try:
            return self._file.read(size_bytes)
        except _FOREIGN_ERRORS:
            raise _Refused("is damaged") from None

    def close(self) -> None:
        self._file.close()


class _Bounded(io.RawIOBase):
    """An archive as ``zipfile`` sees it: nothing outside of it, and never much at once."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes

    def read(self, size: int = -1, /) -> bytes:
        at = self._file.tell()
        wanted = self._size_bytes - at if size < 0 else min(size, self._size_bytes - at)
        if wanted > _MAX_READ_BYTES:
            raise zipfile.BadZipFile
        return self._file.read(max(wanted, 0))

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self._size_bytes}[whence]
        if not 0 <= start + offset <= self._size_bytes:
            raise io.UnsupportedOperation  # as of a real file; it counts among the archive's faults
        return self._file.seek(start + offset)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _opened(file: BinaryIO, size_bytes: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(_Bounded(file, size_bytes))
    except _FOREIGN_ERRORS:
        raise _Refused("is damaged or no zip file") from None


def _check(members: Sequence[zipfile.ZipInfo], size_bytes: int) -> None:
    """Raise ``_Refused`` for an archive that is not to be unpacked."""
    if not members:
        raise _Refused("is empty")
    if len(members) > MAX_FILES:
        raise _Refused(f"holds {len(members)} files, more than {MAX_FILES}")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise _Refused("is encrypted")
    if any(member.compress_type not in _UNDERSTOOD for member in members):
        raise _Refused("is packed in a way that is not known here")
    if any(stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG) for member in members):
        raise _Refused("holds a link or a device")
    total_bytes = sum(member.file_size for member in members)
    if total_bytes > max(HARMLESS_BYTES, MAX_RATIO * size_bytes):
        raise _Refused(f"would become {total_bytes} bytes, more than {MAX_RATIO} times its own size")


def _key(parts: Collection[str]) -> str:
    return unicodedata.normalize("NFKC", "/".join(parts)).casefold()


def _words(spent: Iterable[Parts], refused: Sequence[str]) -> list[str]:
    words = [f"unpacked: {few(parts[-1] for parts in spent)}"] if spent else []
    if refused:
        words.append(f"not unpacked: {few(refused)}")
    return words
