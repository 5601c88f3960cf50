"""The few calls that make bytes durable, in one object, so that tests can put a fault before each of them.

Rules of this file:

* Raw descriptors only: a buffered file keeps what a full disk refused and writes it later.
* Nothing inherits a descriptor and nothing follows a symbolic link.
* Every method raises ``OSError`` and nothing else; none of them retries.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import Final

GUARDED: Final = os.O_CLOEXEC | os.O_NOFOLLOW
"""For every open in the state directory."""

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700


class Disk:
    """The kernel. Stateless; tests derive from it."""

    def create(self, path: Path) -> int:
        """Make a new file for appending; it must not exist."""
        return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | GUARDED, FILE_MODE)

    def open(self, path: Path) -> int:
        """Open a file for reading and appending; it must exist."""
        return os.open(path, os.O_RDWR | os.O_APPEND | GUARDED)

    def lock(self, descriptor: int) -> None:
        """Take the file for this process alone; ``BlockingIOError`` when another has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, descriptor: int, chunk: memoryview) -> int:
        """Write some bytes and return how many they were: a disk that fills up takes a part."""
        return os.write(descriptor, chunk)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cut a file; this works on a full disk."""
        os.ftruncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        """Make the content of a file durable. What failed here once must never be tried again on that file.

        Source: Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020.
        """
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """Give a descriptor back."""
        os.close(descriptor)

    def link(self, old: Path, new: Path) -> None:
        """Give a file a second name."""
        os.link(old, new, follow_symlinks=False)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, in place of what has that name now."""
        old.rename(new)

    def unlink(self, path: Path) -> None:
        """Take a name away if it is there."""
        path.unlink(missing_ok=True)

    def free_bytes(self, path: Path) -> int:
        """Return the room that is left for us on a file system."""
        room = os.statvfs(path)
        return room.f_bavail * room.f_frsize

    def reserve(self, path: Path, size_bytes: int, beside_bytes: int) -> None:
        """Make a file that takes its room now and holds nothing, if so much is free beside it.

        None is left where that fails.
        """
        if Disk.free_bytes(self, path.parent) < size_bytes + beside_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | GUARDED, FILE_MODE)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_all(disk: Disk, descriptor: int, content: bytes) -> None:
    """Write all of the content or raise ``OSError``; a part may have been written then."""
    rest = memoryview(content)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]


def same_file(descriptor: int, path: Path) -> bool:
    """Tell whether the path still names the file that is open."""
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), named)


def make_directory(path: Path) -> None:
    """Make the state directory, for its owner alone, and what is missing above it; safe to repeat."""
    if path.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=DIRECTORY_MODE)
    with contextlib.suppress(PermissionError):  # what is above may be closed to us; then its owner made it
        Disk().sync_directory(path.parent)
