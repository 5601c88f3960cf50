"""One file of the journal, read from its beginning and again from where it ended.

The file
--------
``generation`` (journal id, number of the generation), one ``job`` for each job of that moment (``drops``
continues one), ``end`` with their number; then events, as they happened. The categories that were named come
first among them: they are made again.

Rules of this file:

* Nothing is written here and no lock is needed: a file only grows, and a new generation is another file.
* The part up to ``end`` was synced before the file got its name, so whatever is wrong there is damage. After
  it, the first bad line is a torn tail unless something stands behind it that proves it was whole once.
* Nothing is guessed: an event that does not fit its job ends the reading like a checksum that does not fit.
"""

from __future__ import annotations

import gc
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from offcloud_watchd.core.categories import renamed
from offcloud_watchd.core.events import CategoryDropped, CategoryMade, Recorded
from offcloud_watchd.core.frozen import freeze, thaw
from offcloud_watchd.core.lifecycle import IllegalTransition, apply
from offcloud_watchd.core.model import Job
from offcloud_watchd.errors import JournalDamaged
from offcloud_watchd.journal.disk import GUARDED
from offcloud_watchd.journal.records import (
    DROPS,
    END,
    GENERATION,
    JOB,
    LINE_CAP_BYTES,
    VERSION,
    BrokenRecord,
    Chain,
    Record,
    Translator,
    later_batch,
    parsed,
)

JOURNAL_NAME: Final = "journal.jsonl"
OLDER_NAME: Final = "journal.jsonl.1"

_BUFFER_BYTES: Final = 1 << 18
_TOGETHER_BYTES: Final = 1 << 13  # so much is checked and parsed at once: more would be no faster
_OF_A_CATEGORY: Final = (CategoryMade, CategoryDropped)

Visit = Callable[[Record], None]


@dataclass(frozen=True, slots=True)
class Flaw:
    """A line that is not the record that belongs there; ``line`` counts from 1, ``torn``: cut short."""

    line: int
    offset_bytes: int
    what: str
    torn: bool = False


class _Told(io.FileIO):
    """A file that tells of each read; behind a buffer that is once for some hundred records."""

    going_on: Callable[[], None]

    def readinto(self, buffer: Any, /) -> int | None:
        self.going_on()
        return super().readinto(buffer)


def open_for_reading(path: Path, going_on: Callable[[], None] | None = None) -> BinaryIO:
    """Open a journal file; raise ``OSError``. ``going_on`` is called whenever more of it is read."""
    descriptor = os.open(path, os.O_RDONLY | GUARDED)
    if going_on is None:
        return os.fdopen(descriptor, "rb", buffering=_BUFFER_BYTES)
    told = _Told(descriptor, "rb")
    told.going_on = going_on
    return io.BufferedReader(told, _BUFFER_BYTES)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Hold the cyclic garbage collector off: a fold makes no cycles, and is a quarter faster without it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def damaged(path: Path, flaw: Flaw) -> JournalDamaged:
    """Say where a journal is damaged and what to do."""
    return JournalDamaged(
        f"{path}, line {flaw.line}, byte {flaw.offset_bytes}: {flaw.what}. Nothing was changed. "
        "`offcloud-watchd journal verify` lists all that is wrong; `offcloud-watchd journal repair` keeps "
        "all that can be proven, sets the damaged files aside and says what was lost; or put back a backup "
        "of the state directory"
    )


class Generation:
    """One journal file, as far as it was read. One thread.

    ``offset_bytes``, ``records`` and ``chain`` tell where the good part ends, ``flaw`` why it ends there
    (None: with the file). ``base_bytes`` is the size of the part up to ``end``; 0 until that was read.
    ``number``, ``journal_id`` and ``first_seq`` come from the first record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self.journal_id = ""
        self.first_seq = 0
        self.offset_bytes = 0
        self.base_bytes = 0
        self.records = 0
        self.chain = Chain(0, 0)
        self.flaw: Flaw | None = None

    def continues_in(self, file: BinaryIO) -> bool:
        """Tell whether a file begins with just what was read: the last checksum stands for all of it."""
        end = self.chain.end_of_line()
        if self.offset_bytes < len(end):
            return False
        file.seek(self.offset_bytes - len(end))
        return file.read(len(end)) == end

    def read(self, file: BinaryIO, visit: Visit) -> None:
        """Read on, hand each good record to ``visit``, stop at the first flaw; may be called again.

        ``visit`` may raise ``BrokenRecord`` for a record it cannot use; that is a flaw too.
        """
        with _collector_paused():
            self._read_on(file, visit)
            reached_bytes = -1
            # A line that was being written when it was read may be whole by now, with others behind it, which
            # would make it look damaged. Damage is what is still there when it is read again.
            while self.flaw is not None and not self.flaw.torn and self.offset_bytes > reached_bytes:
                reached_bytes = self.offset_bytes
                file.seek(0, os.SEEK_END)  # lets go of what is buffered
                self._read_on(file, visit)

    def _read_on(self, file: BinaryIO, visit: Visit) -> None:
        file.seek(self.offset_bytes)
        self.flaw = None
        while lines := _next_lines(file):
            try:
                self._visit_all(lines, visit)
            except BrokenRecord as error:
                self._stop_at(file, error)
                return
        if not self.base_bytes:
            self._stop_at(file, BrokenRecord("the file ends before its list of jobs does"))

    def _visit_all(self, lines: Sequence[bytes], visit: Visit) -> None:
        # Counted in locals, for speed; what was visited counts also where ``visit`` raises.
        records, offset_bytes = self.records, self.offset_bytes
        try:
            for record, line in zip(self._opened(lines), lines, strict=True):
                if record.get("v") != VERSION:
                    raise BrokenRecord(_newer(record.get("v")), sealed=True)
                visit(record)
                records += 1
                offset_bytes += len(line)
                if not self.base_bytes and record.get("kind") == END:
                    self.base_bytes = offset_bytes
        finally:
            self.records, self.offset_bytes = records, offset_bytes

    def _stop_at(self, file: BinaryIO, error: BrokenRecord) -> None:
        self.flaw = Flaw(self.records + 1, self.offset_bytes, str(error), self._is_torn(file, error))

    def _opened(self, lines: Sequence[bytes]) -> Iterator[Record]:
        return self.chain.opened(lines) if self.records else self._opened_from_the_first(lines)

    def _opened_from_the_first(self, lines: Sequence[bytes]) -> Iterator[Record]:
        record, chain = self._header_opened(lines[0])
        yield record
        self.chain = chain
        yield from chain.opened(lines[1:])

    def _header_opened(self, line: bytes) -> tuple[Record, Chain]:
        record = parsed(line)
        if record is None or type(data := record.get("data")) is not dict:
            raise BrokenRecord("the file does not begin with the record of its generation")
        version, seq = record.get("v"), record.get("seq")
        if type(version) is int and version > VERSION:  # its checksum may be another's: it is not looked at
            raise BrokenRecord(_newer(version), sealed=True)
        number, journal_id = data.get("generation"), data.get("journal")
        if type(seq) is not int or type(number) is not int or type(journal_id) is not str:
            raise BrokenRecord("the record of the generation is not complete")
        chain = Chain.start(journal_id, number, seq - 1)
        record = chain.open(line)
        self.number, self.journal_id, self.first_seq = number, journal_id, seq
        return record, chain

    def _is_torn(self, file: BinaryIO, error: BrokenRecord) -> bool:
        """Tell whether a write that was cut short explains the flaw: then nobody ever relied on it."""
        if error.sealed:
            return False
        # A journal's first file holds no jobs up to ``end``: if it ends there, nothing is lost.
        if not self.base_bytes and (self.number > 1 or self.path.with_name(OLDER_NAME).exists()):
            return False
        file.seek(self.offset_bytes)
        while line := file.readline(LINE_CAP_BYTES):
            if later_batch(line, self.chain.seq + 1):
                return False
        return True


class Fold:
    """What the records of a generation leave: the jobs, and the categories that were named.

    ``newest_at`` is the latest time in any of them. Until ``jobs`` is looked at nobody else has the jobs, and
    an event changes its job in place. From then on it makes another one, as everywhere.
    """

    def __init__(self, translator: Translator) -> None:
        self.categories: frozenset[str] = frozenset()
        self.newest_at = 0.0
        self._translator = translator
        self._jobs: dict[str, Job] = {}
        self._seen = False
        self._any_thawed = False
        self._ended = False

    @property
    def jobs(self) -> dict[str, Job]:
        """The jobs, by id; more records change this mapping, and no job in it."""
        self._seen = True
        if self._any_thawed:
            for job in self._jobs.values():
                freeze(job, Job)
            self._any_thawed = False
        return self._jobs

    def take(self, record: Record) -> None:
        """Let one record have its effect; raise ``BrokenRecord`` when it does not fit."""
        if self._ended:
            self._take_event(self._translator.event(record))
            return
        kind = record.get("kind")
        if kind == JOB:
            job = self._translator.job(record)
            self._jobs[job.id] = job
            if job.changed_at > self.newest_at:  # noqa: PLR1730 - a call a record
                self.newest_at = job.changed_at
        elif kind == DROPS:
            self._take_drops(record)
        elif kind == END:
            self._end(record)
        elif kind != GENERATION:
            raise BrokenRecord("an event stands within the list of jobs", sealed=True)

    def _take_drops(self, record: Record) -> None:
        job = next(reversed(self._jobs.values()), None)
        if job is None or record.get("job") != job.id:
            raise BrokenRecord("drops stand behind a job that is not theirs", sealed=True)
        self._jobs[job.id] = replace(job, drops=job.drops + self._translator.drops(record))

    def _end(self, record: Record) -> None:
        data = record.get("data")
        if type(data) is not dict or data.get("jobs") != len(self._jobs):
            raise BrokenRecord(f"{len(self._jobs)} jobs are there, another number was written", sealed=True)
        self._ended = True

    def _take_event(self, event: Recorded) -> None:
        try:
            if isinstance(event, _OF_A_CATEGORY):
                self.categories = renamed(self.categories, event)
            else:
                job = apply(self._jobs, event)
                if type(job) is Job and not self._seen:  # made just now: nobody else can have it
                    thaw(job)
                    self._any_thawed = True
        except IllegalTransition as error:
            raise BrokenRecord(f"the event does not fit its job: {error}", sealed=True) from None
        if event.at > self.newest_at:  # noqa: PLR1730 - a call a record
            self.newest_at = event.at


def _next_lines(file: BinaryIO) -> list[bytes]:
    """Read some dozens of lines, fewer where they are long; none at the end."""
    lines: list[bytes] = []
    size_bytes = 0
    while size_bytes < _TOGETHER_BYTES and (line := file.readline(LINE_CAP_BYTES)):
        lines.append(line)
        size_bytes += len(line)
    return lines


def _newer(version: object) -> str:
    return (
        f"format {version} of the journal belongs to another version of offcloud-watchd, this one knows "
        f"{VERSION}: install that version again"
    )
