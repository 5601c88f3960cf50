"""A journal in memory that survives the death of its writer, and can be told how an append goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.core.categories import renamed
from offcloud_watchd.core.events import CategoryDropped, CategoryMade, Event, Recorded
from offcloud_watchd.core.lifecycle import apply
from offcloud_watchd.core.model import Job
from offcloud_watchd.errors import JournalUnwritable

APPENDING: Final = ("journal before", "journal torn", "journal synced")
RENEWING: Final = ("journal before renew", "journal renewed")
"""What ``during`` is told: the moments of an append and of a renewal at which the writer can die."""


@dataclass
class MemoryJournal:
    """``base`` and ``records`` are the disk: the jobs of the last generation and the events since.

    ``during`` is told every moment of an append or a renewal at which a writer can die; it may raise.
    ``tears`` says how many records of an append become durable before it fails: None means that it works.
    ``on_record`` sees each record, and the job it is about, before it is durable.
    """

    base: dict[str, Job] = field(default_factory=dict)
    records: list[Recorded] = field(default_factory=list)
    during: Callable[[str], None] = lambda _moment: None
    tears: Callable[[int], int | None] = lambda _count: None
    renewable: bool = True
    wants_compaction: bool = False
    trusted: bool = True
    strained: str = ""
    unfit: Callable[[Event], bool] = lambda _event: False
    on_record: Callable[[Event, Job | None], None] = lambda _event, _job: None
    syncs: int = 0
    categories: frozenset[str] = frozenset()
    _jobs: dict[str, Job] = field(default_factory=dict)
    _folded: int = 0

    def append(self, events: Sequence[Recorded]) -> None:
        """Make the events durable or raise; after a failure only ``renew`` helps."""
        if not self.trusted:
            raise JournalUnwritable("the journal needs a new generation first")
        self.during("journal before")
        torn = self.tears(len(events))
        if torn is not None:
            self.trusted = False
            self._write(events[:torn])
            raise JournalUnwritable("no space left for the journal")
        for event in events:
            self._write([event])
            self.during("journal torn")
        self._rename(events)
        self.syncs += 1
        self.during("journal synced")

    def renew(self, jobs: Mapping[str, Job]) -> None:
        """Replace all by a new generation in one step."""
        self.during("journal before renew")
        if not self.renewable:
            raise JournalUnwritable("no space left for a new generation")
        self.base, self.records = dict(jobs), []
        self._jobs, self._folded = dict(jobs), 0
        self.trusted, self.wants_compaction = True, False
        self.during("journal renewed")

    def check(self, event: Event) -> None:
        """Refuse an event that is ``unfit``."""
        if self.unfit(event):
            raise ValueError("no record can hold it")

    def strain(self) -> str:
        """Return ``strained``."""
        return self.strained

    def fold(self) -> dict[str, Job]:
        """Return what a new start would read; only what was appended since the last call is folded anew."""
        if not self._folded:
            self._jobs = dict(self.base)
        for event in self.records[self._folded :]:
            if not isinstance(event, (CategoryMade, CategoryDropped)):
                apply(self._jobs, event)
        self._folded = len(self.records)
        return dict(self._jobs)

    def restart(self) -> dict[str, Job]:
        """Begin a new life: what is read is trusted."""
        self.trusted = True
        return self.fold()

    @property
    def certain(self) -> bool:
        """Tell whether the fold must be what was recorded, no more and no less."""
        return self.trusted

    def break_renewals(self, call: str) -> None:
        """Let renewals fail, or (empty) work again."""
        self.renewable = not call

    def _rename(self, events: Sequence[Recorded]) -> None:
        for event in events:
            if isinstance(event, (CategoryMade, CategoryDropped)):
                self.categories = renamed(self.categories, event)

    def _write(self, events: Sequence[Recorded]) -> None:
        for event in events:
            if not isinstance(event, (CategoryMade, CategoryDropped)):
                self.on_record(event, self.fold().get(event.job_id))
            self.records.append(event)
