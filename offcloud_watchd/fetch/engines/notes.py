"""What is about to be published on a remote, and whose a place there is, noted on a disk of our own.

A remote cannot hold such a note: rclone's remote control reads no file back. It is durable before anything
moves. The one goes when the release is recorded, the other when its job is forgotten.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.disk import on_disk
from offcloud_watchd.fetch.note import MAX_NOTE_BYTES, Note
from offcloud_watchd.fetch.owners import owner_of

_SUFFIX: Final = ".json"
_OWNER: Final = ".owner"
_MAX_OWNER_BYTES: Final = 1024


class Notes:
    """The notes of all rounds, by the round's name, and of places by their path on the remote.

    Several threads, for different rounds and places.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> Note | None:
        """Return the note of a round; None where there is none."""
        with self._opened() as fd:
            data = disk.read_small(name + _SUFFIX, fd, MAX_NOTE_BYTES)
        return None if data is None else Note.read(data)

    def write(self, name: str, note: Note) -> None:
        """Make a note durable, in place of the one there is."""
        with self._opened() as fd:
            disk.write_durably(name + _SUFFIX, note.written(), fd)

    def names(self) -> list[str]:
        """Return the rounds of which there is a note."""
        with self._opened() as fd, os.scandir(fd) as entries:
            names = [entry.name for entry in entries]
        return [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]

    def clear(self, is_over: Callable[[str, int], bool]) -> None:
        """Drop the notes of the rounds that are over."""
        for name in self.names():
            owner = owner_of(name)
            if owner is not None and is_over(*owner):
                with self._opened() as fd, suppress(FileNotFoundError):
                    os.unlink(name + _SUFFIX, dir_fd=fd)

    def owner(self, path: str) -> str | None:
        """Return the job that was the last to publish at a path of the remote; None where there was none."""
        with self._opened() as fd:
            data = disk.read_small(_owner_file(path), fd, _MAX_OWNER_BYTES)
        return None if data is None else data.decode("ascii", "replace")

    def own(self, path: str, job_id: str) -> None:
        """Make durable whose a place is, whoever had it before."""
        with self._opened() as fd:
            disk.write_durably(_owner_file(path), job_id.encode("ascii", "replace"), fd)

    def disown(self, path: str) -> None:
        """Forget whose a place was; repeating it is harmless."""
        with self._opened() as fd, suppress(FileNotFoundError):
            os.unlink(_owner_file(path), dir_fd=fd)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        with on_disk(f"to use {self._directory}"):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with disk.closed_after(disk.open_directory(str(self._directory))) as fd:
                yield fd


def _owner_file(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest() + _OWNER
