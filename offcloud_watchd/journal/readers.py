"""The journal as others see it: the command line, while the daemon writes or while it is down.

Rules of this file:

* No lock is taken and nothing is changed. An open file stays what it was when the daemon begins a new one.
* A last line that is not whole is being written, or was torn; either way it is not there yet.
* Every function may raise ``OSError``; ``JournalDamaged`` means what it means for the daemon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, Final, cast

from offcloud_watchd.core.events import CategoryEvent
from offcloud_watchd.core.model import Job
from offcloud_watchd.core.story import told
from offcloud_watchd.journal.reading import (
    JOURNAL_NAME,
    OLDER_NAME,
    Flaw,
    Fold,
    Generation,
    damaged,
    open_for_reading,
)
from offcloud_watchd.journal.records import (
    DROPS,
    END,
    GENERATION,
    JOB,
    LINE_CAP_BYTES,
    BrokenRecord,
    Record,
    Translator,
    misfit,
)
from offcloud_watchd.journal.salvage import claimed

CARRIED_OVER: Final = "carried_over"
"""The name of a history entry that sums up what came before the oldest generation that is kept."""

_MOST_PROBLEMS: Final = 100
_PATIENCE: Final = 3  # how often a new generation may come while the two files are opened


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened to a job: when, the kind of the event (``queued``), its members, and in words.

    ``data`` may hold the link that was submitted; ``text`` holds no link; empty where the log is silent.
    """

    at: float
    event: str
    data: Mapping[str, object]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """How the current file is. ``jobs`` and ``records`` count up to the first problem.

    ``torn_bytes`` is what the next start will set aside; that is no problem.
    """

    path: Path
    generation: int
    records: int
    jobs: int
    size_bytes: int
    torn_bytes: int
    problems: tuple[Flaw, ...]


class Follower:
    """The jobs, kept up to date by reading only what was added since the last look. One thread."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / JOURNAL_NAME
        self._generation = Generation(self._path)
        self._translator = Translator()
        self._fold = Fold(self._translator)

    def jobs(self) -> Mapping[str, Job]:
        """Return the jobs of now, none while there is no journal; the next call may change this mapping."""
        try:
            file = open_for_reading(self._path)
        except FileNotFoundError:
            self._start_over()
            return self._fold.jobs
        with file:
            if not self._generation.continues_in(file):
                self._start_over()
            self._generation.read(file, self._fold.take)
        _refuse_damage(self._generation)
        return self._fold.jobs

    def _start_over(self) -> None:
        self._generation = Generation(self._path)
        self._fold = Fold(self._translator)


def read_jobs(state_dir: Path) -> dict[str, Job]:
    """Return the jobs as recorded up to now; none when there is no journal. Who is remembered is not told."""
    return {job_id: job for job_id, job in Follower(state_dir).jobs().items() if not job.remembered}


def read_history(state_dir: Path, job_id: str) -> list[HistoryEntry]:
    """Return what happened to a job, oldest first, as far as the current file and the older one tell."""
    for _ in range(_PATIENCE):
        entries, complete = _history(state_dir, job_id)
        if complete:
            break
    return entries


def _history(state_dir: Path, job_id: str) -> tuple[list[HistoryEntry], bool]:
    """Return a history, and whether the two files were those of one moment."""
    current, present = Generation(state_dir / JOURNAL_NAME), _History(job_id)
    older, past = Generation(state_dir / OLDER_NAME), _History(job_id)
    with ExitStack() as files:
        found = [_opened(generation.path, files) for generation in (current, older)]
        if found[0] is not None:
            current.read(found[0], present.take)
            _refuse_damage(current)
        if found[1] is not None:
            older.read(found[1], past.take)
    now = [entry for _, entry in present.entries]
    if (older.journal_id, older.number) != (current.journal_id, current.number - 1):
        return present.carried_over + now, found[1] is None
    # What stands behind the last good record of the older file was taken back: it does not count.
    before = [entry for seq, entry in past.entries if seq < current.first_seq]
    return (past.carried_over + before or present.carried_over) + now, True


def export(state_dir: Path, take: Callable[[Record], None]) -> None:
    """Hand every record that is kept to ``take``, in order; raise ``FileNotFoundError`` when there is none.

    A record is ``seq``, ``at``, ``job``, ``kind`` and ``data``. What the older file tells comes first; where
    there is none, the list of jobs stands in its place. ``data`` may hold the link that was submitted.
    """
    with ExitStack() as files:
        file = files.enter_context(open_for_reading(state_dir / JOURNAL_NAME))
        past = _opened(state_dir / OLDER_NAME, files)
        current, older = claimed(file.readline(LINE_CAP_BYTES)), None
        if past is not None and current is not None:
            older = claimed(past.readline(LINE_CAP_BYTES))
        continued = older is not None and current is not None and older[:2] == (current[0], current[1] - 1)
        if past is not None and continued and current is not None:
            Generation(state_dir / OLDER_NAME).read(past, _Exported(take, before=current[2]).take)
        present = Generation(state_dir / JOURNAL_NAME)
        present.read(file, _Exported(take, with_list=not continued).take)
    _refuse_damage(present)


class _Exported:
    """Hands on the records of one generation: those with a number below ``before``, the list if wanted."""

    def __init__(
        self, take: Callable[[Record], None], *, before: int | None = None, with_list: bool = True
    ) -> None:
        self._hand_on = take
        self._before = before
        self._with_list = with_list

    def take(self, record: Record) -> None:
        """Hand a record on, without what only the file needs."""
        kind, seq = record.get("kind"), cast("int", record["seq"])
        if kind in (GENERATION, END) or (kind in (JOB, DROPS) and not self._with_list):
            return
        if self._before is None or seq < self._before:
            self._hand_on({name: record.get(name) for name in ("seq", "at", "job", "kind", "data")})


class _History:
    """The entries of one job in one generation, each with the number of its record."""

    def __init__(self, job_id: str) -> None:
        self.carried_over: list[HistoryEntry] = []
        self.entries: list[tuple[int, HistoryEntry]] = []
        self._job_id = job_id
        self._translator = Translator()

    def take(self, record: Record) -> None:
        """Keep a record if it is about the job."""
        if record.get("job") != self._job_id:
            return
        kind, data = cast("str", record["kind"]), cast("dict[str, object]", record["data"])
        at = cast("float", record["at"])
        if kind == JOB:
            self.carried_over.append(HistoryEntry(at, CARRIED_OVER, data))
        elif kind != DROPS:
            entry = HistoryEntry(at, kind, data, self._text(record, data))
            self.entries.append((cast("int", record["seq"]), entry))

    def _text(self, record: Record, data: Mapping[str, object]) -> str:
        try:
            event = self._translator.event({**record, "data": dict(data)})  # decoding adds members to it
        except BrokenRecord:  # of a later version, maybe: its kind is told all the same
            return ""
        return "" if isinstance(event, CategoryEvent) else told(event)


def _opened(path: Path, files: ExitStack) -> BinaryIO | None:
    try:
        return files.enter_context(open_for_reading(path))
    except FileNotFoundError:
        return None


def _refuse_damage(generation: Generation) -> None:
    if generation.flaw is not None and not generation.flaw.torn:
        raise damaged(generation.path, generation.flaw)


def verify(state_dir: Path) -> Report:
    """Check every line of the current file; raise ``FileNotFoundError`` when there is none."""
    path = state_dir / JOURNAL_NAME
    generation, fold = Generation(path), Fold(Translator())
    with open_for_reading(path) as file:
        generation.read(file, fold.take)
        problems = tuple(islice(_problems(file, generation), _MOST_PROBLEMS))
        size_bytes = file.seek(0, SEEK_END)
    whole_bytes = generation.offset_bytes if generation.flaw and not problems else size_bytes
    return Report(
        path,
        generation.number,
        generation.records,
        len(fold.jobs),
        size_bytes,
        size_bytes - whole_bytes,
        problems,
    )


def _problems(file: BinaryIO, generation: Generation) -> Iterator[Flaw]:
    """Name the first damaged line and those after it, each checked against the line before it."""
    flaw = generation.flaw
    if flaw is None or flaw.torn:
        return
    yield flaw
    offset = file.seek(flaw.offset_bytes)
    crc: int | None = None
    for number, line in enumerate(iter(lambda: file.readline(LINE_CAP_BYTES), b""), flaw.line):
        what, crc = misfit(line, crc)
        if what and number != flaw.line:
            yield Flaw(number, offset, what)
        offset += len(line)
