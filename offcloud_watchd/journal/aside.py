"""What a repair keeps of the damaged state directory, durably, before it changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from offcloud_watchd.core.model import Job
from offcloud_watchd.journal.disk import DIRECTORY_MODE, write_all
from offcloud_watchd.journal.writing import Place

DAMAGED_NAME: Final = "journal.jsonl.damaged-"
DAMAGED_OLDER_NAME: Final = "journal.jsonl.1.damaged-"
SPOOL_NAME: Final = "spool"


def copied_aside(place: Place) -> tuple[Path, ...]:
    """Copy the damaged files, durably; return the copies."""
    number = next(
        one
        for one in count(1)
        if not any((place.state_dir / f"{name}{one}").exists() for name in (DAMAGED_NAME, DAMAGED_OLDER_NAME))
    )
    copies = []
    for path, name in ((place.current, DAMAGED_NAME), (place.older, DAMAGED_OLDER_NAME)):
        if not path.exists():
            continue
        copies.append(place.state_dir / f"{name}{number}")
        descriptor = place.disk.create(copies[-1])
        try:
            write_all(place.disk, descriptor, path.read_bytes())
            place.disk.sync(descriptor)
        finally:
            place.disk.close(descriptor)
    place.disk.sync_directory(place.state_dir)
    return tuple(copies)


def spool_moved_aside(place: Place, jobs: Iterable[Job], aside: Sequence[Path]) -> tuple[Path, ...]:
    """Move the accepted drops that belong to no job into a directory numbered like the copies."""
    needed = {drop.sha256 for job in jobs for drop in job.drops}
    spool = place.state_dir / SPOOL_NAME
    orphans = [path for path in spool.iterdir() if path.name not in needed] if spool.is_dir() else []
    orphans = sorted(path for path in orphans if path.is_file() and not path.name.startswith("."))
    target = place.state_dir / f"{SPOOL_NAME}.damaged-{aside[0].name.rpartition('-')[2]}"
    if orphans:
        target.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        for path in orphans:
            place.disk.rename(path, target / path.name)
        place.disk.sync_directory(target)
        place.disk.sync_directory(place.state_dir)
    return tuple(target / path.name for path in orphans)
