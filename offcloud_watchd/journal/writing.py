"""The journal as its one writer sees it: append and sync, a new generation, the way back after a failure.

Rules of this file:

* A record is durable before anybody acts on it: one write loop and one sync for all events of an ``append``.
* A file on which a write or a sync failed is cut back and never trusted again; only a new generation is.
* On a full disk the ballast goes first (``ballast``): what was cut back and synced is written once more.
* The file is locked as well as the directory: if the lock file is deleted and a second daemon comes, it is
  refused here, because the first one's hold on the journal itself does not depend on any name.

A new generation
----------------
======================================================  ======================================================
step                                                    a crash after it leaves
======================================================  ======================================================
1. unlink ``journal.jsonl.new``, left by a crash        the current file, as it was
2. write and sync ``journal.jsonl.new``                 the current file; the next start drops the new one
3. unlink ``journal.jsonl.1``                           the current file, without an older one beside it
4. link ``journal.jsonl`` to ``journal.jsonl.1``        the current file under two names
5. rename ``journal.jsonl.new`` to ``journal.jsonl``    the old file or the new one, both are whole
6. sync the directory                                   the new one
======================================================  ======================================================

``journal.jsonl`` names a whole, synced file at every step, whatever order the disk gives to steps 3 to 5.
A file system without hard links keeps no older generation.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offcloud_watchd.core.categories import renamed
from offcloud_watchd.core.events import CategoryDropped, CategoryMade, Event, Recorded
from offcloud_watchd.core.model import Job
from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import JournalUnwritable
from offcloud_watchd.journal.ballast import FULL, Ballast
from offcloud_watchd.journal.disk import Disk, same_file, write_all
from offcloud_watchd.journal.reading import JOURNAL_NAME, OLDER_NAME
from offcloud_watchd.journal.records import (
    END,
    EVENT_CAP_BYTES,
    FRAME_BYTES,
    GENERATION,
    Chain,
    Record,
    Translator,
    as_text,
)

NEW_NAME: Final = "journal.jsonl.new"

COMPACT_FROM_BYTES: Final = 8 << 20
COMPACT_RATIO: Final = 4
COMPACT_RESERVE_BYTES: Final = 16 << 20

_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a journal lives and what it is made with.

    ``going_on`` is called at every step of a long file that is read or written.
    """

    state_dir: Path
    clock: Clock
    disk: Disk
    translator: Translator = field(default_factory=Translator)
    going_on: Callable[[], None] | None = None

    @property
    def current(self) -> Path:
        """The file in use."""
        return self.state_dir / JOURNAL_NAME

    @property
    def older(self) -> Path:
        """The generation before it."""
        return self.state_dir / OLDER_NAME

    @property
    def new(self) -> Path:
        """The generation that is being written."""
        return self.state_dir / NEW_NAME


@dataclass(slots=True)
class OpenFile:
    """The file that is written: its descriptor, where its good part and its list of jobs end, its chain."""

    descriptor: int
    journal_id: str
    number: int
    chain: Chain
    base_bytes: int = 0
    size_bytes: int = 0


class Journal:
    """The only memory; implements ``core.ports.Journal``. One thread. Made by ``open_journal``."""

    def __init__(self, place: Place, file: OpenFile, categories: frozenset[str] = frozenset()) -> None:
        self._place = place
        self._path = str(place.current)
        self._disk = place.disk
        self._file = file
        self._categories = categories
        self._distrust = ""
        self._texts: dict[
            int, tuple[Recorded, str]
        ] = {}  # by identity: the events are held, so none is reused
        self._ballast = Ballast(place.disk, place.state_dir)
        self._ballast.lay()

    def append(self, events: Sequence[Recorded]) -> None:
        """Make the events durable, in order, all with one sync; raise ``JournalUnwritable`` otherwise.

        After a failure every further call raises at once until ``renew`` succeeded, and none of the events
        counts. ``ValueError``, with nothing touched, is a bug: an event of more than 1 MiB, or with a NaN.
        """
        known, self._texts = self._texts, {}
        if self._distrust:
            raise JournalUnwritable(self._distrust)
        if not events:
            return
        chain, batch = self._file.chain.copy(), self._file.chain.seq + 1
        texts = (known[id(event)][1] if id(event) in known else self._text(event) for event in events)
        content = b"".join(chain.seal_text(batch, text) for text in texts)
        self._check_place()
        try:
            self._write(content)
            self._disk.sync(self._file.descriptor)
        except OSError as error:
            self._cut_back()
            raise self._distrusted(f"{len(events)} records were not written: {error.strerror}") from error
        self._file.chain = chain
        self._file.size_bytes += len(content)
        for event in events:
            if isinstance(event, (CategoryMade, CategoryDropped)):
                self._categories = renamed(self._categories, event)
        if self._ballast.spent:
            self._ballast.lay()

    def check(self, event: Event) -> None:
        """Raise ``ValueError`` for an event that no record can hold: more than 1 MiB, or a NaN.

        What was made of it to see that is kept for the next ``append``.
        """
        self._texts[id(event)] = event, self._text(event)

    def strain(self) -> str:
        """Say why nothing new should be begun although records are still taken; nothing when all is well.

        The disk was full, and what is written now goes into room that was kept back. It is kept back again as
        soon as there is enough; asking is what finds that out.
        """
        if self._ballast.spent:
            self._ballast.lay()
        if not self._ballast.spent:
            return ""
        return (
            f"the disk of {self._place.state_dir} is full: what is under way is still recorded, nothing new "
            "is begun until there is room again; free some space there"
        )

    def renew(self, jobs: Mapping[str, Job]) -> None:
        """Write the jobs as a new generation and go on in it; raise ``JournalUnwritable`` when that fails.

        It may be tried again. While the file in use is still trusted, it stays so after a failure.
        """
        old = self._file
        try:
            self._refuse_another_writer()
            file = self._begun(jobs)
        except OSError as error:
            raise JournalUnwritable(
                f"a new generation of {self._place.current} with {len(jobs)} jobs was not written: "
                f"{error.strerror}; see to the disk of the state directory"
            ) from error
        self._file = file
        with contextlib.suppress(OSError):
            self._disk.close(old.descriptor)
        try:
            self._disk.sync_directory(self._place.state_dir)
        except OSError as error:
            raise self._distrusted(f"its name is not durable: {error.strerror}") from error
        self._distrust = ""
        self._ballast.lay()

    def _begun(self, jobs: Mapping[str, Job]) -> OpenFile:
        """Begin the next generation, on a full disk in the room that was kept back."""
        old = self._file
        about = (old.journal_id, old.number + 1, old.chain.seq)
        try:
            return begin(self._place, jobs, *about, self._categories)
        except OSError as error:
            if error.errno not in FULL or not self._ballast.release():
                raise
        return begin(self._place, jobs, *about, self._categories)

    def _refuse_another_writer(self) -> None:
        """Do not take the name from a file that another process writes: both lock files were deleted then."""
        if same_file(self._file.descriptor, self._place.current):
            return
        try:
            descriptor = self._disk.open(self._place.current)
        except FileNotFoundError:
            return
        try:
            self._disk.lock(descriptor)
        except BlockingIOError as error:
            raise OSError(
                error.errno, "another process writes a journal there; stop one of the two"
            ) from error
        finally:
            self._disk.close(descriptor)

    @property
    def categories(self) -> frozenset[str]:
        """The categories that were named, as recorded."""
        return self._categories

    @property
    def wants_compaction(self) -> bool:
        """Tell whether a new generation would be much smaller, and fits on the disk beside this one."""
        size_bytes = self._file.size_bytes
        if size_bytes < max(COMPACT_FROM_BYTES, COMPACT_RATIO * self._file.base_bytes):
            return False
        try:
            return self._disk.free_bytes(self._place.state_dir) >= size_bytes + COMPACT_RESERVE_BYTES
        except OSError:
            return False

    def close(self) -> None:
        """Give the file back; everything is durable already. Repeating it is harmless."""
        self._distrust = f"{self._place.current} is closed"
        if self._file.descriptor >= 0:
            self._disk.close(self._file.descriptor)
            self._file.descriptor = -1

    def _text(self, event: Recorded) -> str:
        """Return what stands of an event in its record, whatever the record's number and batch."""
        record = self._place.translator.event_record(event, 0)
        del record["batch"]
        text = as_text(record)
        if len(text) > EVENT_CAP_BYTES - FRAME_BYTES:
            raise ValueError(f"{type(event).__name__} of job {record['job']}: a record of {len(text)} bytes")
        return text

    def _check_place(self) -> None:
        """Notice before writing that somebody deleted, exchanged, cut or filled the file under our hands."""
        try:
            opened, named = os.fstat(self._file.descriptor), os.lstat(self._path)
        except FileNotFoundError:
            raise self._distrusted("it was deleted or replaced by somebody else") from None
        except OSError as error:
            raise self._distrusted(f"it cannot be looked at: {error.strerror}") from error
        if not os.path.samestat(opened, named):
            raise self._distrusted("it was deleted or replaced by somebody else")
        if opened.st_size != self._file.size_bytes:
            raise self._distrusted("it was cut or written to by somebody else")

    def _write(self, content: bytes) -> None:
        """Write all of it, on a full disk in the room that was kept back; raise ``OSError``."""
        try:
            write_all(self._disk, self._file.descriptor, content)
        except OSError as error:
            if error.errno not in FULL or not self._cut_back() or not self._ballast.release():
                raise
        else:
            return
        write_all(self._disk, self._file.descriptor, content)

    def _cut_back(self) -> bool:
        """Take back what a failed append may have written: a restart must not take it for recorded."""
        try:
            self._disk.truncate(self._file.descriptor, self._file.size_bytes)
            self._disk.sync(self._file.descriptor)
        except OSError:
            return False
        return True

    def _distrusted(self, what: str) -> JournalUnwritable:
        self._distrust = (
            f"{self._place.current} is not trusted any more: {what}; nothing new is begun until a new "
            "generation could be written, see to the disk of the state directory"
        )
        return JournalUnwritable(self._distrust)


def begin(
    place: Place,
    jobs: Mapping[str, Job],
    journal_id: str,
    number: int,
    last_seq: int,
    categories: frozenset[str] = frozenset(),
) -> OpenFile:
    """Write a generation and give it the journal's name, keeping the one before; raise ``OSError``.

    The directory is not synced yet. After an error the current file is the same as before.
    """
    disk = place.disk
    try:
        disk.unlink(place.new)
        file = OpenFile(disk.create(place.new), journal_id, number, Chain.start(journal_id, number, last_seq))
        try:
            disk.lock(file.descriptor)
            _fill(file, place, jobs, categories)
            _put_in_place(place)
        except BaseException:
            disk.close(file.descriptor)
            raise
    except OSError:
        with contextlib.suppress(OSError):
            disk.unlink(place.new)
        raise
    return file


def _fill(file: OpenFile, place: Place, jobs: Mapping[str, Job], categories: frozenset[str]) -> None:
    chunk: list[bytes] = []
    chunk_bytes = 0
    for record in _records(file, place, jobs, categories):
        line = file.chain.seal(record)
        chunk.append(line)
        chunk_bytes += len(line)
        file.size_bytes += len(line)
        if chunk_bytes >= _CHUNK_BYTES:
            write_all(place.disk, file.descriptor, b"".join(chunk))
            chunk, chunk_bytes = [], 0
            if place.going_on is not None:
                place.going_on()
    write_all(place.disk, file.descriptor, b"".join(chunk))
    place.disk.sync(file.descriptor)
    file.base_bytes = file.size_bytes


def _records(
    file: OpenFile, place: Place, jobs: Mapping[str, Job], categories: frozenset[str]
) -> Iterable[Record]:
    about: Record = {"batch": file.chain.seq + 1, "at": place.clock.now(), "job": ""}
    yield {**about, "kind": GENERATION, "data": {"journal": file.journal_id, "generation": file.number}}
    batch = file.chain.seq
    for job in jobs.values():
        yield from place.translator.job_records(job, batch)
    yield {**about, "kind": END, "data": {"jobs": len(jobs)}}
    # As events, behind the list: what is proven of the list (``repair``) counts on its numbers.
    batch = file.chain.seq + 1
    for name in sorted(categories):
        yield place.translator.event_record(CategoryMade(name, place.clock.now()), batch)


def _put_in_place(place: Place) -> None:
    disk = place.disk
    if place.current.exists():
        disk.unlink(place.older)
        with contextlib.suppress(OSError):  # a file system without hard links keeps no older generation
            disk.link(place.current, place.older)
    disk.rename(place.new, place.current)
