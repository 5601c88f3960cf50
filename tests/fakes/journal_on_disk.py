"""The real journal on real files, with a writer that dies at any call and a machine that loses its power.

It has the face of ``MemoryJournal``, and checks at every start what a journal promises: what was acknowledged
is there, and of the append that was under way, or failed, a beginning at the most.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offcloud_watchd.core.events import Event
from offcloud_watchd.core.lifecycle import apply
from offcloud_watchd.core.model import Job
from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import JournalDamaged, JournalUnwritable
from offcloud_watchd.journal import JOURNAL_NAME, Follower, Journal, open_journal, repair
from offcloud_watchd.journal.reading import OLDER_NAME
from tests.fakes.disk import PowerDisk
from tests.fakes.fate import Fate

APPENDING: Final = ("journal before", "append write", "append sync", "journal synced")
RENEWING: Final = (
    "journal before renew",
    *(f"renew {call}" for call in ("unlink", "create", "lock", "write", "sync", "link", "rename")),
    "renew sync_directory",
    "journal renewed",
)
STARTING: Final = (
    *(f"start {call}" for call in ("open", "lock", "create", "write", "truncate", "unlink", "sync")),
    "start sync_directory",
    "started",
)
"""The moments at which a writer can die: before each call to the disk, or within it where it is a write."""

UNRENEWABLE: Final = ("create", "write", "sync", "rename", "sync_directory")
"""The calls whose failure makes a renewal fail."""


@dataclass
class CrashDisk(PowerDisk):
    """A disk whose writes, when they end early, end anywhere.

    ``lines``: how many lines an early end leaves whole; ``share``: how much of what stands behind them.
    """

    lines: int = 0
    share: float = 0.5

    def write(self, descriptor: int, chunk: memoryview) -> int:
        """Write, or write a part and fail."""
        whole = b"".join(bytes(chunk).splitlines(keepends=True)[: self.lines])
        self.part = len(whole) + int((len(chunk) - len(whole)) * self.share)
        return super().write(descriptor, chunk)

    def adopt(self, path: Path) -> None:
        """Take a file that is there for durable, as it is after a power cut."""
        descriptor = os.open(path, os.O_RDONLY)
        file = self._known(descriptor)
        os.close(descriptor)
        self._synced[file] = path.read_bytes()
        self._names[path.name] = file

    def after_power_cut(self, directory: Path, which: int) -> None:
        """Turn a directory into one of the states of ``aftermaths``: there may be too many to go through."""
        which, kind = divmod(which, len(_KINDS))
        names = dict(self._names)
        for number, change in enumerate(self._pending):
            if which >> number % POWER_BITS & 1:
                change(names)
        left = {name: _KINDS[kind](self._synced[file], self._written(file)) for name, file in names.items()}
        for path in directory.iterdir():
            path.unlink()
        for name, content in left.items():
            (directory / name).write_bytes(content)
        self.adopt_all(directory)

    def adopt_all(self, directory: Path) -> None:
        """Take all files that are there for durable, and forget whatever was there before."""
        self.forget()
        for known in (self._files, self._synced, self._names, self._pending):
            known.clear()
        for path in directory.iterdir():
            if path.is_file():
                self.adopt(path)

    def _written(self, file: int) -> bytes:
        descriptor = self._files[file]
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


_KINDS: Final[Sequence[Callable[[bytes, bytes], bytes]]] = (
    lambda synced, _written: synced,
    lambda _synced, written: written,
    lambda synced, written: written[: (len(synced) + len(written)) // 2],
    lambda synced, written: synced + bytes(max(0, len(written) - len(synced))),
)
"""What can be left of a file, from what was synced of it and what was written."""

POWER_BITS: Final = 10
POWER_CUTS: Final = len(_KINDS) << POWER_BITS
"""How many ways a power cut has; more only where a directory was not synced for long."""


class DiskJournal:
    """The real journal in an empty directory; ``restart`` must be called before anything else.

    ``tears`` says how many records of an append are written before it fails (None: it works): with none the
    disk is full, with all it is the sync that fails, in between what was written cannot be taken back either.
    """

    def __init__(self, fate: Fate, clock: Clock, directory: Path) -> None:
        self.tears: Callable[[int], int | None] = lambda _count: None
        self.on_record: Callable[[Event, Job | None], None] = lambda _event, _job: None
        self.wants_compaction = False
        self.certain = True
        self._fate = fate
        self._clock = clock
        self._directory = directory
        self._disk = CrashDisk(fault=self._passing)
        self._follower = Follower(directory)
        self._journal: Journal | None = None
        self._act = ""
        self._failing: frozenset[str] = frozenset()
        self._unrenewable: frozenset[str] = frozenset()
        self._trusted = True
        self._acknowledged: dict[str, Job] = {}
        self._under_way: list[Event] = []

    def append(self, events: Sequence[Event]) -> None:
        """Pass on."""
        assert self._journal is not None
        self._act = "append"
        if self._trusted:
            self._fate.at("journal before")
            self._under_way = list(events)
            self._break(self.tears(len(events)), len(events))
        try:
            self._journal.append(events)
        except JournalUnwritable:
            self._trusted = False
            self.certain = self.certain and "truncate" not in self._failing
            raise
        assert self._trusted, "records were taken after a failure"
        self._acknowledge(events)
        self._fate.at("journal synced")

    def check(self, event: Event) -> None:
        """Pass on."""
        assert self._journal is not None
        self._journal.check(event)

    def strain(self) -> str:
        """Pass on."""
        assert self._journal is not None
        return self._journal.strain()

    def renew(self, jobs: Mapping[str, Job]) -> None:
        """Pass on."""
        assert self._journal is not None
        self._act, self._failing = "renew", self._unrenewable
        self._disk.lines, self._disk.share = 0, self._fate.manner.share
        self._fate.at("journal before renew")
        assert jobs == self._acknowledged, "a new generation of something else"
        try:
            self._journal.renew(jobs)
        except JournalUnwritable:
            self._trusted = self._trusted and "sync_directory" not in self._failing
            raise
        self._trusted, self.certain, self.wants_compaction = True, True, False
        self._under_way = []
        self._fate.at("journal renewed")

    def fold(self) -> dict[str, Job]:
        """Return what a reader sees."""
        return dict(self._follower.jobs())

    def restart(self) -> dict[str, Job]:
        """Let the process be gone, and the power if need be; open the journal and check what it holds."""
        if self._journal is not None:
            self._journal.close()  # as the kernel does
        if self._fate.last.power is not None:
            self._disk.after_power_cut(self._directory, self._fate.last.power)
        self._act, self._failing, self.wants_compaction = "start", frozenset(), False
        self._disk.lines, self._disk.share = 0, self._fate.manner.share
        seen = self.fold()  # the reader outlives the writer
        self._journal, jobs = open_journal(self._directory, self._clock, disk=self._disk)
        assert jobs == seen == self.fold(), "the readers see something else"
        self._trusted = self.certain = True
        self._found(jobs)
        self._fate.at("started")
        return jobs

    def damage(self, where: float, lines: int) -> dict[str, Job]:
        """Lose some lines of the file and repair it; return the jobs that were. What is left counts from now.

        ``where`` is their place in the file, between 0 and 1. Not those of the last append: what is wrong in
        that may be a write that was cut short.
        """
        assert self._journal is not None
        self._journal.close()
        file = self._directory / JOURNAL_NAME
        whole = file.read_bytes().splitlines(keepends=True)
        batches = [json.loads(line)["batch"] if line.endswith(b'"}\n') else -1 for line in whole]
        last = batches.index(batches[-1]) if batches[-1] >= 0 else 0
        start = int(where * last)
        if lines < 0 and (self._directory / OLDER_NAME).exists():
            file.unlink()
        else:
            file.write_bytes(b"".join(whole[:start] + whole[min(start + lines, last) :]))
        before = dict(self._acknowledged)
        try:
            repair(self._directory, self._clock)
        except JournalDamaged:  # not even its first lines are left: there is a backup
            file.write_bytes(b"".join(whole))
        self._disk.adopt_all(self._directory)
        self._act, self._failing = "start", frozenset()
        self._journal, jobs = open_journal(self._directory, self._clock, disk=self._disk)
        self._acknowledged, self._under_way = dict(jobs), []
        return before

    def break_renewals(self, call: str) -> None:
        """Let a call of each renewal fail, or (empty) none."""
        self._unrenewable = frozenset({call} - {""})

    def close(self) -> None:
        """Give everything back."""
        if self._journal is not None:
            self._journal.close()
        self._disk.forget()

    def _break(self, torn: int | None, count: int) -> None:
        self._disk.lines, self._disk.share = torn or 0, self._fate.manner.share
        if torn is None:
            self._failing = frozenset()
        elif torn == count:
            self._failing = frozenset({"sync"})
        else:
            self._failing = frozenset({"write", "truncate"} if torn else {"write"})

    def _passing(self, _number: int, call: str) -> None:
        self._fate.at(f"{self._act} {call}")
        if call in self._failing:
            code = errno.ENOSPC if call in ("create", "write") else errno.EIO
            raise OSError(code, os.strerror(code))

    def _acknowledge(self, events: Sequence[Event]) -> None:
        for event in events:
            self.on_record(event, self._acknowledged.get(event.job_id))
            apply(self._acknowledged, event)
        self._under_way = []

    def _found(self, jobs: Mapping[str, Job]) -> None:
        possible = dict(self._acknowledged)
        count = 0
        for event in self._under_way:
            if possible == jobs:
                break
            apply(possible, event)
            count += 1
        assert possible == jobs, "what was acknowledged is not there, or something else is"
        self._acknowledge(self._under_way[:count])
