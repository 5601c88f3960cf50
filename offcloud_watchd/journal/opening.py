"""The journal's start: lock, read, mend a torn tail, refuse damage.

Rules of this file:

* Nothing is touched unless all of the file was understood: damage ends the start with the file as it was.
* What a torn write left was never relied on. It is set aside all the same before it is cut off.
* What was read is synced before anybody acts on it: the process that wrote it may have died before its sync.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from offcloud_watchd.core.model import Job
from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import JournalDamaged, StateLocked
from offcloud_watchd.journal.disk import Disk, make_directory, same_file, write_all
from offcloud_watchd.journal.lock import unusable
from offcloud_watchd.journal.reading import (
    JOURNAL_NAME,
    OLDER_NAME,
    Fold,
    Generation,
    damaged,
    open_for_reading,
)
from offcloud_watchd.journal.writing import Journal, OpenFile, Place, begin

log = logging.getLogger(__name__)

TORN_NAME: Final = "journal.jsonl.torn-"

_CLOCK_SLACK_S: Final = 60.0
_CHUNK_BYTES: Final = 1 << 20


def open_journal(
    state_dir: Path, clock: Clock, *, disk: Disk | None = None, going_on: Callable[[], None] | None = None
) -> tuple[Journal, dict[str, Job]]:
    """Open the journal, making it when it is missing, and return it with the jobs it leaves.

    The caller holds the lock of the directory (``lock_state``). ``going_on`` is called at every step of a
    long file, now and whenever a new generation is written. Raises ``JournalDamaged`` with nothing touched,
    ``StateLocked`` when another process has the journal open, ``JournalUnwritable`` when the state directory
    or the disk does not let us work.
    """
    place = Place(state_dir, clock, disk or Disk(), going_on=going_on)
    try:
        make_directory(state_dir)
        descriptor = _locked(place)
        if descriptor is None:
            return _begun(place), {}
        try:
            return _resumed(place, descriptor)
        except BaseException:
            place.disk.close(descriptor)
            raise
    except OSError as error:
        raise unusable(state_dir, error) from error


def _locked(place: Place) -> int | None:
    """Open the current file for us alone; None when there is none yet."""
    while True:
        try:
            descriptor = place.disk.open(place.current)
        except FileNotFoundError:
            return None
        try:
            place.disk.lock(descriptor)
        except BlockingIOError:
            place.disk.close(descriptor)
            raise StateLocked(
                f"another process has {place.current} open although the lock file is free: it was deleted, "
                "which nothing may do; stop that process first"
            ) from None
        if same_file(descriptor, place.current):
            return descriptor
        place.disk.close(descriptor)


def _begun(place: Place) -> Journal:
    """Make a journal where there is none."""
    if place.older.exists():
        raise JournalDamaged(
            f"{place.current} is missing although {OLDER_NAME} is there. Nothing was changed. "
            f"Put {JOURNAL_NAME} back from a backup; or `offcloud-watchd journal repair` goes back to the "
            f"jobs of {OLDER_NAME}; or move that away too to begin with an empty journal"
        )
    file = begin(place, {}, secrets.token_hex(8), 1, 0)
    try:
        place.disk.sync_directory(place.state_dir)
    except BaseException:
        place.disk.close(file.descriptor)
        raise
    return Journal(place, file)


def _resumed(place: Place, descriptor: int) -> tuple[Journal, dict[str, Job]]:
    generation, fold = Generation(place.current), Fold(place.translator)
    with open_for_reading(place.current, place.going_on) as file:
        generation.read(file, fold.take)
    if generation.flaw is not None:
        if not generation.flaw.torn:
            raise damaged(place.current, generation.flaw)
        if not generation.base_bytes:
            return _begun_again(place, descriptor), {}
        _cut_torn_tail(place, descriptor, generation)
    place.disk.unlink(place.new)
    place.disk.sync(descriptor)
    place.disk.sync_directory(place.state_dir)
    _check_clock(place, fold.newest_at)
    return Journal(place, _open_file(descriptor, generation), fold.categories), fold.jobs


def _begun_again(place: Place, descriptor: int) -> Journal:
    """Replace a first file that never became whole: it held no job."""
    aside = _set_aside(place, descriptor, 0)
    log.warning("%s was never written whole; it is set aside in %s and begun anew", place.current, aside)
    place.disk.unlink(place.current)
    journal = _begun(place)
    place.disk.close(descriptor)
    return journal


def _cut_torn_tail(place: Place, descriptor: int, generation: Generation) -> None:
    torn_bytes = os.fstat(descriptor).st_size - generation.offset_bytes
    aside = _set_aside(place, descriptor, generation.offset_bytes)
    log.warning(
        "%s: the last %d bytes, from line %d on, were not written whole; they are set aside in %s",
        place.current,
        torn_bytes,
        generation.records + 1,
        aside,
    )
    place.disk.truncate(descriptor, generation.offset_bytes)


def _open_file(descriptor: int, generation: Generation) -> OpenFile:
    return OpenFile(
        descriptor,
        generation.journal_id,
        generation.number,
        generation.chain,
        generation.base_bytes,
        generation.offset_bytes,
    )


def _set_aside(place: Place, descriptor: int, offset: int) -> str:
    """Copy what stands from an offset on into a file of its own, durably; return its name."""
    aside, path = _new_torn_file(place)
    try:
        while chunk := os.pread(descriptor, _CHUNK_BYTES, offset):
            write_all(place.disk, aside, chunk)
            offset += len(chunk)
        place.disk.sync(aside)
    except OSError:
        with contextlib.suppress(OSError):
            place.disk.unlink(path)
        raise
    finally:
        place.disk.close(aside)
    place.disk.sync_directory(place.state_dir)
    return path.name


def _new_torn_file(place: Place) -> tuple[int, Path]:
    for number in count(1):
        path = place.state_dir / f"{TORN_NAME}{number}"
        try:
            return place.disk.create(path), path
        except FileExistsError:
            continue
    raise AssertionError  # pragma: no cover - the numbers do not end


def _check_clock(place: Place, newest_at: float) -> None:
    behind_s = newest_at - place.clock.now()
    if behind_s > _CLOCK_SLACK_S:
        log.warning("the clock is %.0f s behind the newest record of %s", behind_s, place.current)
