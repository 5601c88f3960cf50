"""The only memory: every event, one JSON line each, durable before anybody acts on it.

``open_journal`` is for the daemon, under ``lock_state``. ``read_jobs``, ``read_history``, ``Follower``,
``export``, ``verify`` and ``is_locked`` are for everybody else: they hold no lock and change nothing, also
while the daemon writes. ``repair`` and ``compact`` are for the operator, while no daemon runs.

The parts, from the inside out: ``codec`` (dataclasses and JSON values), ``records`` (one line), ``reading``
(one file), ``ballast`` (room for the end of things), ``writing`` (append, new generation), ``opening``
(start), ``readers`` (the view of others), ``salvage``, ``aside`` and ``repair`` (the way back from damage),
``compaction`` (a new generation by command).
"""

from offcloud_watchd.journal.compaction import Compaction, compact
from offcloud_watchd.journal.lock import StateLock, is_locked, lock_state
from offcloud_watchd.journal.opening import open_journal
from offcloud_watchd.journal.readers import (
    Follower,
    HistoryEntry,
    Report,
    export,
    read_history,
    read_jobs,
    verify,
)
from offcloud_watchd.journal.reading import JOURNAL_NAME, Flaw
from offcloud_watchd.journal.repair import Repair, repair
from offcloud_watchd.journal.writing import Journal

__all__ = [
    "JOURNAL_NAME",
    "Compaction",
    "Flaw",
    "Follower",
    "HistoryEntry",
    "Journal",
    "Repair",
    "Report",
    "StateLock",
    "compact",
    "export",
    "is_locked",
    "lock_state",
    "open_journal",
    "read_history",
    "read_jobs",
    "repair",
    "verify",
]
