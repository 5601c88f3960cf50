"""The way back from damage: keep what can be proven, set the rest aside, say what was lost.

Rules of this file:

* Nothing is guessed. A job is carried on by records that the checksums prove to be of this journal; what
  stands behind a gap is taken when it speaks of jobs that stand before it.
* What a gap swallowed is unknown. An event behind it proves the state its job was in, where only one state
  allows it; where that does not tell enough the job begins anew, from its link.
* Nothing is posted twice: what may have been posted in a gap is searched for in the account first.
* The damaged files are copied, durably, before anything is changed. A crash leaves the damaged journal or the
  repaired one; repeating it is safe.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from offcloud_watchd.core.categories import renamed
from offcloud_watchd.core.events import (
    CategoryDropped,
    CategoryMade,
    Delivered,
    Discarded,
    Event,
    Queued,
    Recalled,
    Recorded,
    Requeued,
    Vanished,
)
from offcloud_watchd.core.lifecycle import TRANSITIONS, IllegalTransition, evolve
from offcloud_watchd.core.model import Job, JobState, RemoteTarget, Route
from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import JournalDamaged
from offcloud_watchd.journal.aside import copied_aside, spool_moved_aside
from offcloud_watchd.journal.disk import Disk
from offcloud_watchd.journal.lock import lock_state, unusable
from offcloud_watchd.journal.reading import (
    OLDER_NAME,
    Flaw,
    Fold,
    Generation,
    open_for_reading,
)
from offcloud_watchd.journal.records import (
    DROPS,
    END,
    GENERATION,
    JOB,
    VERSION,
    BrokenRecord,
    Chain,
    Record,
    Translator,
    parsed,
)
from offcloud_watchd.journal.salvage import Line, Run, Salvage, claimed, line_after_first, number_of, salvaged
from offcloud_watchd.journal.writing import Place, begin

_OPEN: Final = (JobState.QUEUED, JobState.CLOUD, JobState.FETCHING)


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair came to. With ``flaw`` None the journal was sound and nothing was touched.

    ``aside`` are the copies of the damaged files. ``kept`` and ``lost`` count records, ``mended`` those in
    which a flipped bit was put right. ``jobs`` are there now. ``begun_anew`` are ids of jobs whose state was
    lost, ``searched`` of those the account is searched for before they are posted, ``unknown`` of jobs of
    which nothing is left but their id. ``listed_jobs_lost`` counts, at the most, those that stood in the list
    of jobs alone and are gone without even that. ``cut``: the file ends within that list, or is missing, so
    that nobody knows what stood behind it. ``spool_aside`` are the accepted drops that no job names any more;
    where they were the next start would sweep them away.
    """

    path: Path
    flaw: Flaw | None
    aside: tuple[Path, ...] = ()
    kept: int = 0
    lost: int = 0
    mended: int = 0
    jobs: int = 0
    begun_anew: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    listed_jobs_lost: int = 0
    cut: bool = False
    spool_aside: tuple[Path, ...] = ()


def repair(state_dir: Path, clock: Clock, *, disk: Disk | None = None) -> Repair:
    """Make a journal that can be opened again of one that is damaged; leave a sound one as it is.

    Raises ``FileNotFoundError`` when there is none, ``StateLocked`` while a daemon runs, ``JournalDamaged``
    when it is no damage (another version wrote it) or nothing can be proven, ``JournalUnwritable`` when the
    state directory does not let us work.
    """
    place = Place(state_dir, clock, disk or Disk())
    if not place.current.exists() and not place.older.exists():
        raise FileNotFoundError(place.current)
    lock = lock_state(state_dir)
    try:
        return _repaired(place)
    except OSError as error:
        raise unusable(state_dir, error) from error
    finally:
        lock.release()


def _repaired(place: Place) -> Repair:
    flaw = _flaw(place)
    if flaw is None:
        return Repair(place.current, None)
    found = _Finding(place)
    found.read()
    aside = copied_aside(place)
    at = place.clock.now()
    searched = found.recall(at)
    orphans = spool_moved_aside(place, found.jobs.values(), aside)
    file = begin(place, found.jobs, found.journal_id, found.number + 1, found.last_seq, found.categories)
    place.disk.close(file.descriptor)
    place.disk.sync_directory(place.state_dir)
    return Repair(
        place.current,
        flaw,
        aside,
        found.kept,
        found.lost,
        found.mended,
        len(found.jobs),
        tuple(sorted(found.begun_anew & found.jobs.keys())),
        searched,
        tuple(sorted(found.unknown - found.jobs.keys())),
        found.listed_jobs_lost,
        found.cut,
        orphans,
    )


def _flaw(place: Place) -> Flaw | None:
    """Return what is wrong; None also for a torn tail, which the next start deals with."""
    generation, fold = Generation(place.current), Fold(Translator())
    try:
        with open_for_reading(place.current) as file:
            generation.read(file, fold.take)
    except FileNotFoundError:
        return Flaw(1, 0, "the file is missing")
    return None if generation.flaw is None or generation.flaw.torn else generation.flaw


@dataclass(slots=True)
class _Finding:
    """What is proven: gathered by ``read``, made safe by ``recall``."""

    place: Place
    jobs: dict[str, Job] = field(default_factory=dict)
    categories: frozenset[str] = frozenset()
    journal_id: str = ""
    number: int = 0
    last_seq: int = 0
    kept: int = 0
    lost: int = 0
    mended: int = 0
    listed_jobs_lost: int = 0
    cut: bool = False
    begun_anew: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    def read(self) -> None:
        """Gather it, from the older generation too where the list of jobs is damaged."""
        older, jobs_before = self._older()
        content = self.place.current.read_bytes() if self.place.current.exists() else b""
        header = claimed(content)
        if header is None:
            _refuse_newer(self.place.current, content)
        if header is None and older is not None:
            header = older.journal_id, older.number + 1, older.chain.seq + 1
        if header is None:
            self._read_without_header(content)
            return
        self.journal_id, self.number, first_seq = header
        continues = older is not None and (older.journal_id, older.number + 1, older.chain.seq + 1) == header
        found = salvaged(content, Chain.start(self.journal_id, self.number, first_seq - 1))
        self._take(found, first_seq, jobs_before if continues else None)

    def _read_without_header(self, content: bytes) -> None:
        """Read a file of which the first line alone is gone: what follows it is proven from the second on."""
        self.journal_id, self.number = secrets.token_hex(8), 1
        second = line_after_first(content)
        if second is None:
            raise JournalDamaged(
                f"{self.place.current}: neither its first two lines nor an {OLDER_NAME} tell what it was. "
                "Nothing can be proven and nothing was changed: put back a backup of the state directory"
            )
        found = salvaged(content, Chain(second - 2, 0))
        for run in found.runs[:1]:
            run.anchored = run.first_line == 1
        self._take(found, second - 1, None)

    def _older(self) -> tuple[Generation | None, dict[str, Job]]:
        generation, fold = Generation(self.place.older), Fold(self.place.translator)
        try:
            with open_for_reading(self.place.older) as file:
                generation.read(file, fold.take)
        except FileNotFoundError:
            return None, {}
        self.categories = fold.categories
        whole = generation.base_bytes and (generation.flaw is None or generation.flaw.torn)
        return (generation, fold.jobs) if whole else (None, {})

    def _take(self, found: Salvage, first_seq: int, before: dict[str, Job] | None) -> None:
        if before is None:
            self.categories = frozenset()
        reading = _Reading(self, first_seq, before)
        for run in found.runs:
            for record in run.records:
                if record.get("v") != VERSION:
                    raise _another_version(self.place.current, record.get("v"))
            reading.take(run)
        reading.end(found)
        self.mended, self.last_seq = len(found.mended), reading.last_seq

    def recall(self, at: float) -> tuple[str, ...]:
        """Have the account searched for whatever may have been posted; return the ids of those jobs."""
        if not (self.lost or self.cut):
            return ()
        searched = [job for job in self.jobs.values() if job.state is JobState.QUEUED]
        for job in self.jobs.values():
            if job.posted_at is None and job.destination.route.makes_items and not job.remembered:
                # It may have been: whoever wants the same, or this job anew, is to look for that. And what
                # was sent to an account by it is nobody else's.
                unsure = job.unsure or (job.submission is None and job.destination.remote is not None)
                posted_at = job.queued_at
                self.jobs[job.id] = replace(job, posted_at=posted_at, doubted_at=at, unsure=unsure)
            elif job.vanished and job.state in _OPEN and job.submission is not None:
                # If its request is gone again we may have taken it out ourselves: no reason to give up.
                self.jobs[job.id] = replace(job, vanished="")
        for job in searched:
            known = job.posted_at if job.unsure else None  # the open intent tells whose is what is found
            posted_at = max(at, job.posted_at or at) if known is None else known
            self.jobs[job.id] = _after(self.jobs[job.id], Recalled(job.id, at, posted_at))
        return tuple(sorted(job.id for job in searched))


class _Reading:
    """Folds the runs, one after the other; ``before`` are the listed jobs, where the older file has them."""

    def __init__(self, finding: _Finding, first_seq: int, before: dict[str, Job] | None) -> None:
        self.last_seq = first_seq - 1
        self._finding = finding
        self._first_seq = first_seq
        self._translator = finding.place.translator
        self._drops = 0
        self._last_line = -1
        self._end_seen = False
        self._ended = before is not None
        if before is not None:
            finding.jobs = dict(before)
            self.last_seq += 2 + sum(len(self._translator.job_records(job, 0)) for job in before.values())
            finding.kept = self.last_seq - first_seq + 1

    def take(self, run: Run) -> None:
        """Take a run in, unless nothing shows that it belongs to this journal."""
        if not run.anchored and not self._belongs(run):
            self._finding.unknown |= _jobs_of(run.records)
            return
        self._last_line = run.last_line
        self._end_seen = self._end_seen or any(record.get("kind") == END for record in run.records)
        records = [record for record in run.records if number_of(record) > self.last_seq]
        if not records:
            return  # all of it is in the older file's list
        finding = self._finding
        kept = sum(map(self._taken, records))
        finding.kept += kept
        finding.lost += number_of(records[-1]) - self.last_seq - kept
        self.last_seq = number_of(records[-1])

    def end(self, found: Salvage) -> None:
        """Count what stands behind the last record that was taken, and proves nothing."""
        behind = [line for line in found.lines[self._last_line + 1 :] if not _repeats(line, self.last_seq)]
        self._finding.lost += len(behind)
        self._finding.cut = not self._end_seen and not behind
        if not self._ended:
            self._finding.listed_jobs_lost = len(behind)

    def _belongs(self, run: Run) -> bool:
        if self._ended:
            return bool(_jobs_of(run.records) & self._finding.jobs.keys())
        # Each line of the list has its number: what the end says must be what lies between it and the first.
        drops = self._drops
        for record in run.records:
            drops += record.get("kind") == DROPS
            if record.get("kind") == END:
                return _listed(record) == number_of(record) - self._first_seq - 1 - drops
        return False

    def _taken(self, record: Record) -> bool:
        """Let a record have its effect; tell whether it had one."""
        try:
            if record.get("kind") in (GENERATION, JOB, DROPS, END):
                return self._listed(record)
            return self._happened(self._translator.event(record))
        except BrokenRecord:
            return False

    def _listed(self, record: Record) -> bool:
        jobs = self._finding.jobs
        match record.get("kind"):
            case "job":
                job = self._translator.job(record)
                jobs[job.id] = job
            case "drops":
                self._drops += 1
                its = jobs.get(str(record.get("job")))
                if its is None:
                    return False
                jobs[its.id] = replace(its, drops=its.drops + self._translator.drops(record))
            case "end":
                self._finding.listed_jobs_lost = max(0, _listed(record) - len(jobs))
                self._ended = True
        return True

    def _happened(self, event: Recorded) -> bool:
        if isinstance(event, (CategoryMade, CategoryDropped)):
            self._finding.categories = renamed(self._finding.categories, event)
            return True
        jobs = self._finding.jobs
        job = jobs.get(event.job_id)
        if job is None and not isinstance(event, Queued):
            self._finding.unknown.add(event.job_id)
            return False
        job = _sent_as_told(job, event)
        for possible in (job, _proven_before(job, event)):
            try:
                after = evolve(possible, event)
            except IllegalTransition:
                continue
            if after is None:
                del jobs[event.job_id]
            else:
                jobs[event.job_id] = self._with_request(after, event.at)
            return True
        if job is not None and job.state in (JobState.DONE, JobState.FAILED):
            # It was open again, in a state that is lost: it begins anew, as if by the operator's wish.
            jobs[job.id] = _after(job, Requeued(job.id, event.at))
            self._finding.begun_anew.add(job.id)
        return False

    def _with_request(self, job: Job, at: float) -> Job:
        """Let a job begin anew of which nobody knows any more by which request it came so far."""
        if job.submission is not None or job.state not in (JobState.CLOUD, JobState.FETCHING):
            return job
        self._finding.begun_anew.add(job.id)
        return _after(job, Vanished(job.id, at))


def _after(job: Job, event: Event) -> Job:
    after = evolve(job, event)
    assert after is not None  # noqa: S101 - only ``Discarded`` takes a job out
    return after


def _listed(record: Record) -> int:
    data = record.get("data")
    jobs = data.get("jobs") if type(data) is dict else None
    return jobs if type(jobs) is int else -1


def _repeats(line: Line, last_seq: int) -> bool:
    return line.seq is not None and line.seq <= last_seq


def _proven_before(job: Job | None, event: Event) -> Job | None:
    """Return the job in the one state in which the event can happen; as it is where there are several."""
    states = [state for state, row in TRANSITIONS.items() if type(event) in row]
    if isinstance(event, Discarded):
        states = [JobState.REMOVED]
    if job is None or len(states) != 1:
        return job
    if states[0] in _OPEN and Requeued in TRANSITIONS[job.state]:
        # It had ended, and was open again: what it came to before is none of what it comes to by this.
        job = _after(job, Requeued(job.id, event.at))
    return replace(job, state=states[0])


def _sent_as_told(job: Job | None, event: Event) -> Job | None:
    """Return the job with the remote account to which it was sent: that it was to go there may be lost."""
    if job is None or not isinstance(event, Delivered) or job.destination.remote is not None:
        return job
    target = RemoteTarget(event.delivery.account, event.delivery.folder)
    return replace(job, destination=replace(job.destination, route=Route.REMOTE, remote=target))


def _jobs_of(records: Iterable[Record]) -> set[str]:
    return {job for one in records if type(job := one.get("job")) is str and job}


def _refuse_newer(path: Path, content: bytes) -> None:
    """Leave a file alone whose first line is whole and of a format that is not known here."""
    first = parsed(content.partition(b"\n")[0])
    version = None if first is None else first.get("v")
    if type(version) is int and version != VERSION:
        raise _another_version(path, version)


def _another_version(path: Path, version: object) -> JournalDamaged:
    return JournalDamaged(
        f"{path} has records of format {version}, this program knows {VERSION}: that is no damage. "
        "Nothing was changed; install the version that wrote it"
    )
