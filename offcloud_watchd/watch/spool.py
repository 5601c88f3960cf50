"""The bytes of accepted drops, named by their SHA-256, so that storing twice is storing once.

A file under its final name is whole and on the disk: it was written beside, synced and renamed, and the
directory was synced before anybody was told.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from offcloud_watchd.watch.names import OWN_PREFIX

WRITERS: Final = 8

_NAME = re.compile(r"[0-9a-f]{64}")


def store(spool_dir: Path, contents: Sequence[bytes]) -> list[str]:
    """Keep the bytes and return the SHA-256 of each in hex; on return all are safe. Raises ``OSError``.

    Many are written at once, because a disk syncs eight small files in little more time than one.
    """
    names = [hashlib.sha256(data).hexdigest() for data in contents]
    new = {name: data for name, data in zip(names, contents, strict=True) if not (spool_dir / name).exists()}
    if not names:
        return names
    spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    writes = [(spool_dir / name, data) for name, data in new.items()]
    if len(writes) == 1:
        _write_whole(*writes[0])
    elif writes:
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="spool") as writers:
            for done in [writers.submit(_write_whole, *write) for write in writes]:
                done.result()
    sync_directory(spool_dir)  # also for those that were there: the sync of an earlier call may have failed
    return names


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
        if path.name.startswith(OWN_PREFIX) or (_NAME.fullmatch(path.name) and path.name not in keep):
            path.unlink(missing_ok=True)
            swept += 1
    return swept


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
