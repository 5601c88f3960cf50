"""A new generation by the operator's wish, while no daemon runs; a running one makes its own when it pays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.journal.disk import Disk
from offcloud_watchd.journal.lock import lock_state
from offcloud_watchd.journal.opening import open_journal
from offcloud_watchd.journal.reading import JOURNAL_NAME


@dataclass(frozen=True, slots=True)
class Compaction:
    """What became of the file. The one before it is kept beside it."""

    path: Path
    jobs: int
    before_bytes: int
    after_bytes: int


def compact(state_dir: Path, clock: Clock, *, disk: Disk | None = None) -> Compaction:
    """Write the jobs as a new generation; repeating it is harmless.

    Raises ``FileNotFoundError`` when there is no journal, ``StateLocked`` while a daemon runs,
    ``JournalDamaged`` with nothing touched, ``JournalUnwritable`` when the disk does not take it.
    """
    path = state_dir / JOURNAL_NAME
    before_bytes = path.stat().st_size
    lock = lock_state(state_dir)
    try:
        journal, jobs = open_journal(state_dir, clock, disk=disk)
        try:
            journal.renew(jobs)
        finally:
            journal.close()
    finally:
        lock.release()
    return Compaction(path, len(jobs), before_bytes, path.stat().st_size)
