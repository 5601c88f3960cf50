"""What becomes of a drop that was read: into ``processed/``, into ``failed/`` with a reason, or away.

Rules of this file:

* What moves is the very file that was read, byte for byte: it is compared before the move and after it, and a
  file that took its name in between goes back. Nothing is unlinked under a name that others write to.
* Nothing in the archive is overwritten: a name is reserved before the move, `` (2)`` when it is taken.
* A reason is on the disk before the file it is about leaves its place. Every step may be repeated.
* The archive's directories are real ones inside the folder, never links.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from offcloud_watchd import kernel
from offcloud_watchd.core.settle import Stamp
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.watch.names import (
    FAILED,
    MAX_NAME_BYTES,
    OWN_PREFIX,
    PROCESSED,
    REASON_SUFFIX,
    alternatives,
)
from offcloud_watchd.watch.reading import made, read_settled, stamp_at

MAX_REASON_BYTES: Final = 1 << 20

_ASIDE: Final = re.compile(re.escape(OWN_PREFIX) + r"[0-9a-f]+--?[0-9a-f]+-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Source:
    """One state of one file: the open folder, the open directory the file lies in, its name and stamp."""

    root: int
    directory: int
    name: str
    stamp: Stamp

    def is_there(self) -> bool:
        """Tell whether the file is still the one that was read: asked before it is put anywhere."""
        return stamp_at(self.directory, self.name) == self.stamp


def archive(source: Source) -> None:
    """Move an accepted drop to ``processed/``. Raises ``OSError``."""
    with made(source.root, PROCESSED) as shelf:
        next(name for name in alternatives(source.name) if _moved(source, shelf, name))


def delete(source: Source) -> None:
    """Delete an accepted drop. Raises ``OSError``.

    It gets a name of our own first, so that a file that takes the drop's name meanwhile is not deleted. That
    name tells which file is meant: ``deleted_after_all`` goes on from a crash in between.
    """
    aside = f"{_aside(source.stamp)}{secrets.token_hex(8)}"
    _moved(source, source.directory, aside)
    with contextlib.suppress(FileNotFoundError):  # it was another file and went back
        os.unlink(aside, dir_fd=source.directory)


def deleted_after_all(root: int, directory: int, name: str) -> None:
    """Do what a crash has kept ``delete`` from: the drop of such a name goes, another file goes back.

    For the thread that deletes alone. Safe to repeat; what is no such name stays. Raises ``OSError``.
    """
    found = stamp_at(directory, name) if _ASIDE.fullmatch(name) else None
    if found is None:
        return
    if name.startswith(_aside(found)):
        os.unlink(name, dir_fd=directory)
        return
    stray = Source(root, directory, name, found)
    next(back for back in alternatives(name.removeprefix(OWN_PREFIX)) if _moved(stray, directory, back))


def _aside(stamp: Stamp) -> str:
    """Begin the name of a file that is to be deleted; without the inode, which a rename may change."""
    return f"{OWN_PREFIX}{stamp.size_bytes:x}-{stamp.mtime_ns:x}-"


def refuse(source: Source, reason: str) -> None:
    """Move a drop to ``failed/`` with its reason beside it. Raises ``OSError``."""
    with made(source.root, FAILED) as shelf:
        next(
            name
            for name in _names_with_reason(source.name)
            if (not _exists(shelf, name) or _is_reserved(source.stamp, shelf, name))
            and _told(shelf, name, reason)
            and _moved(source, shelf, name)
        )


def report(root: int, name: str, reason: str) -> None:
    """Put a reason into ``failed/`` for a list of which a part was accepted. Raises ``OSError``."""
    with made(root, FAILED) as shelf:
        next(candidate for candidate in _names_with_reason(name) if _told(shelf, candidate, reason))


def _names_with_reason(name: str) -> Iterator[str]:
    return alternatives(name, MAX_NAME_BYTES - len(REASON_SUFFIX))


def _moved(source: Source, shelf: int, name: str) -> bool:
    """Move the file to a name that is free; False when the name is taken. Raises ``OSError``."""
    try:
        if not kernel.renamed_new(source.name, source.directory, name, shelf):
            renamed_onto_a_placeholder(source, shelf, name)
    except FileExistsError:
        return False
    arrived = stamp_at(shelf, name)
    if arrived is not None and not _same_content(arrived, source.stamp):
        # Another file took the drop's name at the last moment: it is a drop of its own and goes back.
        stray = Source(source.root, shelf, name, arrived)
        next(back for back in alternatives(source.name) if _moved(stray, source.directory, back))
    return True


def renamed_onto_a_placeholder(source: Source, shelf: int, name: str) -> None:
    """Move the file to a name that nobody can take meanwhile, where the file system knows no better way.

    The placeholder says for which file it is, so one that a crash has left is used again. Raises
    ``FileExistsError`` when the name is taken, and ``OSError``.
    """
    _reserve(source.stamp, shelf, name)
    try:
        os.rename(source.name, name, src_dir_fd=source.directory, dst_dir_fd=shelf)
    except OSError as error:
        arrived = stamp_at(shelf, name)
        # A network file system may have done it, lost the answer and asked again: it is no placeholder then.
        has_arrived = arrived is not None and _same_content(arrived, source.stamp)
        if has_arrived and isinstance(error, FileNotFoundError):
            return
        if not has_arrived:
            os.unlink(name, dir_fd=shelf)
        raise


def _reserve(stamp: Stamp, shelf: int, name: str) -> None:
    """Make a link to nowhere, which comes to be with what it says; where there are none, an empty file."""
    try:
        os.symlink(_mark(stamp), name, dir_fd=shelf)
    except FileExistsError:
        if not _is_reserved(stamp, shelf, name):
            raise
    except OSError:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=shelf))


def _mark(stamp: Stamp) -> str:
    return f"{OWN_PREFIX}{stamp.inode:x}-{stamp.size_bytes:x}-{stamp.mtime_ns:x}"


def _is_reserved(stamp: Stamp, shelf: int, name: str) -> bool:
    try:
        return os.readlink(name, dir_fd=shelf) == _mark(stamp)
    except OSError:  # a file, or nothing
        return False


def _same_content(one: Stamp, other: Stamp) -> bool:
    """Compare without the inode: some file systems give a file another one when it is renamed."""
    return (one.size_bytes, one.mtime_ns) == (other.size_bytes, other.mtime_ns)


def _told(shelf: int, name: str, reason: str) -> bool:
    """Write the reason for a name, durably; False when another reason stands there already.

    The draft is named by what it says, so that one that a crash has left is used up by the next try.
    """
    text = reason.encode("utf-8", "backslashreplace")[:MAX_REASON_BYTES]
    target = name + REASON_SUFFIX
    if _exists(shelf, target):
        return _content(shelf, target) == text
    beside = OWN_PREFIX + hashlib.sha256(os.fsencode(target) + b"\0" + text).hexdigest()[:16]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside, dir_fd=shelf)
    descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o664, dir_fd=shelf)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(beside, target, src_dir_fd=shelf, dst_dir_fd=shelf)
    except OSError:
        os.unlink(beside, dir_fd=shelf)
        raise
    os.fsync(shelf)
    return True


def _content(shelf: int, name: str) -> bytes | None:
    expected = stamp_at(shelf, name)
    try:
        return None if expected is None else read_settled(shelf, name, expected, MAX_REASON_BYTES)
    except (OSError, BadDrop):  # whatever it is, it is not the reason we would write
        return None


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
