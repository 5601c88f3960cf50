"""The bytes of accepted drops, named by their SHA-256, so that storing twice is storing once.

Rules of this file:

* Nobody is told of bytes before they and their name are on the disk.
* A spool file has its final name before it is synced, because then one commit of the file system takes both.
  So a name proves nothing: whoever finds one syncs the file himself. What a power cut leaves under such a
  name was never told of, and the sweep of the next start deletes it.
* Where a sync fails the name goes too: the kernel would call the next sync of that file a success.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from offcloud_watchd.watch.names import OWN_PREFIX

AT_ONCE: Final = 16
WRITERS: Final = 8
"""So many files are written before the first of them is synced, by so many threads: a disk syncs many small
files in little more time than one."""

NAME: Final = re.compile(r"[0-9a-f]{64}")


def name_of(data: bytes) -> str:
    """Return the name that bytes have in the spool: their SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def store(spool_dir: Path, contents: Mapping[str, bytes]) -> None:
    """Keep bytes by their names; on return all are safe. Raises ``OSError``.

    When it raises, none may be told of; the call may be repeated.
    """
    if not contents:
        return
    spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = [(f"{spool_dir}/{name}", data) for name, data in contents.items()]
    groups = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
    if len(groups) == 1:
        _keep(groups[0])
    else:
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="spool") as writers:
            for _ in writers.map(_keep, groups):
                pass
    sync_directory(spool_dir)


def _keep(wanted: Sequence[tuple[str, bytes]]) -> None:
    """Put files in their places and sync them; a new one that is not on the disk does not keep its name."""
    placed: list[str] = []
    with ExitStack() as opened:
        descriptors = []
        for target, data in wanted:
            descriptor = _held(target, len(data))
            if descriptor is None:
                descriptor = _placed(target, data)
                placed.append(target)
            descriptors.append(descriptor)
            opened.callback(os.close, descriptor)
        try:
            for descriptor in descriptors:
                os.fsync(descriptor)
        except OSError:
            for target in placed:
                Path(target).unlink(missing_ok=True)
            raise


def _held(target: str, size_bytes: int) -> int | None:
    """Open a file that is there already, with all its bytes; None when it is not."""
    try:
        descriptor = _privately(target, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if os.fstat(descriptor).st_size == size_bytes:
        return descriptor
    os.close(descriptor)
    return None


def _placed(target: str, data: bytes) -> int:
    """Write a file, whole or not at all, and have the kernel begin to bring it to the disk; keep it open."""
    beside = f"{target.rpartition('/')[0]}/{OWN_PREFIX}{secrets.token_hex(8)}"
    descriptor = _privately(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        # Begun now, many are on their way when the first sync waits. Source: mm/fadvise.c of Linux.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        Path(beside).rename(target)
    except OSError:
        os.close(descriptor)
        Path(beside).unlink(missing_ok=True)
        raise
    return descriptor


def write_durably(target: Path, data: bytes) -> None:
    """Put a file in its place, whole or not at all, readable by us alone. Raises ``OSError``."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_whole(target, data)
    sync_directory(target.parent)


def _write_whole(target: Path, data: bytes) -> None:
    beside = target.parent / f"{OWN_PREFIX}{secrets.token_hex(8)}"
    try:
        with open(beside, "xb", opener=_privately) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_spool(spool_dir: Path, keep: Collection[str]) -> int:
    """Delete what no job needs and what a crash left half written; return how many files went.

    For the start only, before anything is stored. A missing spool is an empty one. Files with foreign names
    stay.
    """
    swept = 0
    for path in spool_dir.iterdir() if spool_dir.is_dir() else ():
        if path.name.startswith(OWN_PREFIX) or (NAME.fullmatch(path.name) and path.name not in keep):
            path.unlink(missing_ok=True)
            swept += 1
    return swept


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
