"""What a drop would come to, worked out without doing it: for ``add`` and ``explain``.

The same pure code decides that decides in the daemon; only the journal it looks at may be a moment older.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from offcloud_watchd.core.events import Attached, DroppedAgain, Event, Queued
from offcloud_watchd.core.intake import accept, held_up_by
from offcloud_watchd.core.links import MAX_DROP_BYTES, parse
from offcloud_watchd.core.model import Destination, Drop, Intake, Job, Link, Links
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.watch.names import stem

NEW: Final = "queued"
JOINS: Final = "joined"
CHECKED: Final = "checked"
AGAIN: Final = "requeued"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one link: the job it is or joins, and how (one of the words above)."""

    link: Link
    job_id: str
    how: str


def read_drop(path: Path, *, ftp: bool = False) -> tuple[bytes, Links]:
    """Read a file as a drop folder would; raise ``BadDrop`` with the reason it would be refused for.

    ``ftp``: the folder takes such links too.
    """
    try:
        data = _bytes(path)
    except OSError as error:
        raise BadDrop(f"it cannot be read: {error.strerror}") from error
    links = parse(path.name, data, ftp=ftp)
    if not links.found:
        raise BadDrop("the file holds no link that can be used")
    return data, links


def _bytes(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadDrop("it is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        # One byte more than is taken: `parse` names the limit.
        return file.read(MAX_DROP_BYTES + 1)


def foresee(
    links: Links, name: str, drop_id: str, destination: Destination, jobs: Mapping[str, Job]
) -> list[Fate]:
    """Return what becomes of every link of a drop. Nothing is done."""
    by_key: dict[str, list[Job]] = {}
    for job in jobs.values():
        by_key.setdefault(job.link.key, []).append(job)
    fates = []
    for link in links.found:
        alone = Intake(Drop(drop_id, name, ""), Links((link,)), destination, stem(name))
        same_content = partial(_same_content, by_key)
        fates += [Fate(link, event.job_id, _how(event)) for event in accept(alone, same_content, 0.0)]
        if (later := held_up_by(alone, same_content)) is not None:
            fates.append(Fate(link, later.id, AGAIN))
    return fates


def _same_content(by_key: Mapping[str, list[Job]], link: Link) -> list[Job]:
    return by_key.get(link.key, [])


def _how(event: Event) -> str:
    match event:
        case Queued():
            return NEW
        case Attached():
            return JOINS
        case DroppedAgain():
            return CHECKED
        case _:
            return AGAIN
