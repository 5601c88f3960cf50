"""Hostile files: opened without following, measured before they are read, read once.

Rules of this file:

* A name is opened relative to a directory that is open already; where its path leads later does not matter.
* A FIFO, a socket, a device or a symbolic link never blocks and is never read.
* Not more than the cap is ever in memory, whatever the file's size says.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from offcloud_watchd.core.settle import Stamp
from offcloud_watchd.errors import BadDrop

_SWAPPED = {errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENODEV}


def stamp_of(status: os.stat_result) -> Stamp:
    """Take from ``stat`` what tells one state of a file from another."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev, status.st_ctime_ns)


def stamp_at(directory: int, name: str) -> Stamp | None:
    """Return the stamp of the plain file of that name; None when there is none. Raises ``OSError``."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return stamp_of(status) if stat.S_ISREG(status.st_mode) else None


def open_directory(path: str | os.PathLike[str], within: int | None = None) -> int:
    """Open a directory; one within another is not reached through a link. Raises ``OSError``."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    if within is not None:
        flags |= os.O_NOFOLLOW
    return os.open(path, flags, dir_fd=within)


@contextmanager
def opened_directory(path: str | os.PathLike[str], within: int | None = None) -> Iterator[int]:
    """Open a directory for a while; see ``open_directory``."""
    descriptor = open_directory(path, within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def made(within: int, name: str) -> Iterator[int]:
    """Open a real directory inside another one; make it where it is missing. Raises ``OSError``."""
    try:
        descriptor = open_directory(name, within=within)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o775, dir_fd=within)
        descriptor = open_directory(name, within=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_settled(directory: int, name: str, expected: Stamp, limit_bytes: int) -> bytes | None:
    """Return the whole file, or None when it is no longer the one that was expected.

    Raises ``BadDrop`` when it is larger than the limit (it is not read then) and ``OSError`` when it
    cannot be read.
    """
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        descriptor = os.open(name, flags, dir_fd=directory)
    except OSError as error:
        if error.errno in _SWAPPED:
            return None
        raise
    try:
        return _read(descriptor, expected, limit_bytes)
    finally:
        os.close(descriptor)


def _read(descriptor: int, expected: Stamp, limit_bytes: int) -> bytes | None:
    if _regular(descriptor) != expected:
        return None
    if expected.size_bytes > limit_bytes:
        raise BadDrop(
            f"it has {expected.size_bytes:,} bytes, the limit is {limit_bytes:,}; it was not read. "
            "Is it what the link leads to, rather than the link?"
        )
    parts: list[bytes] = []
    left = limit_bytes + 1
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    data = b"".join(parts)
    unchanged = len(data) == expected.size_bytes and _regular(descriptor) == expected
    return data if unchanged else None


def _regular(descriptor: int) -> Stamp | None:
    status = os.fstat(descriptor)
    return stamp_of(status) if stat.S_ISREG(status.st_mode) else None
