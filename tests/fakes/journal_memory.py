"""A journal in memory that survives the death of its writer, and can be told how an append goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.lifecycle import apply
from offcloud_watchd.core.model import Event, Job
from offcloud_watchd.errors import JournalUnwritable


@dataclass
class MemoryJournal:
    """``base`` and ``records`` are the disk: the jobs of the last generation and the events since.

    ``during`` is told every moment of an append or a renewal at which a writer can die; it may raise.
    ``tears`` says how many records of an append become durable before it fails: None means that it works.
    ``on_record`` sees each record before it is durable.
    """

    base: dict[str, Job] = field(default_factory=dict)
    records: list[Event] = field(default_factory=list)
    during: Callable[[str], None] = lambda _moment: None
    tears: Callable[[int], int | None] = lambda _count: None
    renewable: bool = True
    wants_compaction: bool = False
    trusted: bool = True
    on_record: Callable[[Event], None] = lambda _event: None
    syncs: int = 0

    def append(self, events: Sequence[Event]) -> None:
        """Make the events durable or raise; after a failure only ``renew`` helps."""
        if not self.trusted:
            raise JournalUnwritable("the journal needs a new generation first")
        self.during("before")
        torn = self.tears(len(events))
        if torn is not None:
            self.trusted = False
            self._write(events[:torn])
            raise JournalUnwritable("no space left for the journal")
        for event in events:
            self._write([event])
            self.during("torn")
        self.syncs += 1
        self.during("synced")

    def renew(self, jobs: Mapping[str, Job]) -> None:
        """Replace all by a new generation in one step."""
        self.during("before renew")
        if not self.renewable:
            raise JournalUnwritable("no space left for a new generation")
        self.base, self.records = dict(jobs), []
        self.trusted, self.wants_compaction = True, False
        self.during("renewed")

    def fold(self) -> dict[str, Job]:
        """Return what a new start would read."""
        jobs = dict(self.base)
        for event in self.records:
            apply(jobs, event)
        return jobs

    def _write(self, events: Sequence[Event]) -> None:
        for event in events:
            self.on_record(event)
            self.records.append(event)
