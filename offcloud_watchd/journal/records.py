"""One record of the journal: a line of JSON, sealed into a chain.

The line
--------
``{"v":1,"seq":7,"batch":6,"at":1800000000.5,"job":"0123456789ab","kind":"deferred","data":{...},"crc":"0a1b2c3d"}``

=======  =====================================================================================================
v        version of the format; a higher one is refused
seq      number of the record, contiguous within a generation and from one generation to the next
batch    ``seq`` of the first record that was written together with this one, before one common sync
at       UTC seconds; for people: order is by ``seq`` alone
job      id of the job, empty for the records about the file itself
kind     the event, or one of ``generation``, ``job``, ``drops``, ``end``
data     the members of the event or job that differ from their defaults (``codec``)
crc      CRC-32 of everything before this member, seeded with the ``crc`` of the record before
=======  =====================================================================================================

Rules of this file:

* ASCII only, no NaN, one newline at the end, nothing else: the same record is always the same bytes.
* The chain starts from the journal's id and the number of the generation, so no record fits into another
  journal, another generation or another place. Unknown members are passed over, unknown kinds are an error.
* Names of classes may change in the code, ``EVENT_KINDS`` may not.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from offcloud_watchd.core.events import (
    Answered,
    Attached,
    CategoryDropped,
    CategoryMade,
    Cleared,
    CloudReady,
    Deferred,
    Delivered,
    Discarded,
    DroppedAgain,
    Failed,
    Granted,
    Imported,
    Kept,
    NotFound,
    Published,
    Queued,
    Recalled,
    Recategorized,
    Recorded,
    Removed,
    Reported,
    Requeued,
    Resumed,
    Stirred,
    Submitted,
    Submitting,
    Vanished,
    Withdrawn,
)
from offcloud_watchd.core.model import Destination, Drop, Job
from offcloud_watchd.journal.codec import Codec, WrongMember

VERSION: Final = 1

EVENT_CAP_BYTES: Final = 1 << 20
"""No event may be longer. A job is a few events and ``DROPS_PER_RECORD`` drops at the most, so it fits."""

FRAME_BYTES: Final = 128
"""What stands around an event in its line has no more."""

LINE_CAP_BYTES: Final = 16 << 20
"""No line is read beyond this."""

DROPS_PER_RECORD: Final = 8
"""A job with more drops than this is written as several records, so that no number of drops is too many."""

GENERATION: Final = "generation"
JOB: Final = "job"
DROPS: Final = "drops"
END: Final = "end"

EVENT_KINDS: Final[Mapping[str, type[Recorded]]] = {
    "queued": Queued,
    "attached": Attached,
    "submitting": Submitting,
    "recalled": Recalled,
    "submitted": Submitted,
    "answered": Answered,
    "granted": Granted,
    "not_found": NotFound,
    "stirred": Stirred,
    "vanished": Vanished,
    "cloud_ready": CloudReady,
    "published": Published,
    "imported": Imported,
    "delivered": Delivered,
    "cleared": Cleared,
    "dropped_again": DroppedAgain,
    "kept": Kept,
    "deferred": Deferred,
    "resumed": Resumed,
    "failed": Failed,
    "reported": Reported,
    "requeued": Requeued,
    "removed": Removed,
    "withdrawn": Withdrawn,
    "discarded": Discarded,
    "recategorized": Recategorized,
    "category_made": CategoryMade,
    "category_dropped": CategoryDropped,
}

_KIND_OF: Final = {cls: kind for kind, cls in EVENT_KINDS.items()}
_TAIL_BYTES: Final = len(b',"crc":"00000000"}\n')
_TO_JSON: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
_SEQ: Final = re.compile(
    rb'\{"v":\d{1,9},"seq":(\d{1,18}),"batch":(\d{1,18}),[^\n]*?,"crc":"([0-9a-f]{8})"\}'
)

Record = dict[str, object]


class BrokenRecord(ValueError):  # noqa: N818 - the state of the thing
    """A line is not the record that belongs here; the text says in what respect and shows none of it.

    ``sealed`` is true when the line is whole, as it was written, so that no torn write explains it.
    """

    def __init__(self, reason: str, *, sealed: bool = False) -> None:
        super().__init__(reason)
        self.sealed = sealed


def as_text(record: Record) -> str:
    """Return the members of a record as JSON, without braces. Raises ``ValueError`` for a NaN."""
    return _TO_JSON.encode(record)[1:-1]


class Chain:
    """Where a journal stands: the number and the checksum of its last record. Cheap to copy."""

    __slots__ = ("crc", "seq")

    def __init__(self, seq: int, crc: int) -> None:
        self.seq = seq
        self.crc = crc

    @classmethod
    def start(cls, journal_id: str, generation: int, seq: int) -> Chain:
        """Return the chain of a generation; ``seq`` is the last of the generation before, 0 for the first."""
        return cls(seq, zlib.crc32(f"{journal_id}/{generation}".encode("ascii", "backslashreplace")))

    def copy(self) -> Chain:
        """Return a chain that goes its own way from here."""
        return Chain(self.seq, self.crc)

    def seal(self, record: Record) -> bytes:
        """Return a record as a line and move on. ``record`` holds what stands between ``seq`` and ``crc``.

        Raises ``ValueError`` for what JSON cannot hold (NaN).
        """
        batch = record.pop("batch")
        return self.seal_text(batch, as_text(record))

    def seal_text(self, batch: object, text: str) -> bytes:
        """Return a record as a line and move on; ``text`` is ``as_text`` of it without its batch."""
        body = f'{{"v":{VERSION},"seq":{self.seq + 1},"batch":{batch},{text}'.encode("ascii")
        self.seq += 1
        self.crc = zlib.crc32(body, self.crc)
        return body + self.end_of_line()

    def end_of_line(self) -> bytes:
        """Return how the line of the last record ends."""
        return b',"crc":"%08x"}\n' % self.crc

    def open(self, line: bytes) -> Record:
        """Check a line against the chain and move on; raise ``BrokenRecord``, and stay, if it does not."""
        crc = zlib.crc32(line[:-_TAIL_BYTES], self.crc)
        if line[-_TAIL_BYTES:] != b',"crc":"%08x"}\n' % crc:
            raise BrokenRecord(self._misfit(line))
        record = parsed(line)
        seq = self.seq + 1
        if record is None or record.get("seq") != seq:
            raise BrokenRecord(f"the record is not number {seq}", sealed=True)
        self.seq, self.crc = seq, crc
        return record

    def opened(self, lines: Sequence[bytes]) -> Iterator[Record]:
        """Yield what ``open`` returns for each line, in three quarters of the time; raise where it raises.

        A record counts when the next one is asked for: until then the chain stays before it.
        """
        checksums = self._checksums(lines)
        records = parsed_together(lines) if checksums is not None else None
        if checksums is None or records is None:  # one of them is bad: which one, and why?
            yield from self._opened_one_by_one(lines)
            return
        for crc, record in zip(checksums, records, strict=True):
            seq = self.seq + 1
            if type(record) is not dict or record.get("seq") != seq:
                raise BrokenRecord(f"the record is not number {seq}", sealed=True)
            yield record
            self.seq, self.crc = seq, crc

    def _checksums(self, lines: Sequence[bytes]) -> list[int] | None:
        """Return the checksum of each line; None when one is not as it was written."""
        checksums, crc = [], self.crc
        for line in lines:
            crc = zlib.crc32(line[:-_TAIL_BYTES], crc)
            if line[-_TAIL_BYTES:] != b',"crc":"%08x"}\n' % crc:
                return None
            checksums.append(crc)
        return checksums

    def _opened_one_by_one(self, lines: Iterable[bytes]) -> Iterator[Record]:
        for line in lines:
            after = self.copy()
            yield after.open(line)
            self.seq, self.crc = after.seq, after.crc

    def _misfit(self, line: bytes) -> str:
        if not line.strip(b"\0\n"):
            return "zero bytes"
        if not line.endswith(b"\n"):
            return "the line does not end"
        match = _SEQ.fullmatch(line[:-1])
        if match is None:
            return "the line is not a record"
        if int(match[1]) != self.seq + 1:
            return f"the record has number {int(match[1])} where {self.seq + 1} is expected"
        return "the checksum does not fit: the record, or one before it, was changed, moved or cut out"


def _refused(word: str) -> object:
    raise ValueError(word)


_PARSE: Final = json.scanner.make_scanner(json.JSONDecoder(parse_constant=_refused))  # type: ignore[attr-defined] # not in its stub
"""Without the checks of ``json.loads`` for each call, which cost as much as a short record."""


def parsed(line: bytes) -> Record | None:
    """Return a line's JSON object, unchecked; None when it is none."""
    try:
        value, _ = _PARSE(line.decode("ascii"), 0)
    except (ValueError, RecursionError, StopIteration):
        return None
    return cast("Record", value) if type(value) is dict else None


def parsed_together(lines: Sequence[bytes]) -> list[object] | None:
    """Return the JSON value of each line, unchecked; None when they are not one for each.

    As one list, in which the names of members are made once and not for each line. Lines that are JSON only
    together would pass: they would have to be written so on purpose, by somebody who can seal whole records.
    """
    text = b"[%s]" % b",".join(lines)
    try:
        values, end = _PARSE(text.decode("ascii"), 0)
    except (ValueError, RecursionError, StopIteration):
        return None
    return cast("list[object]", values) if (end, len(values)) == (len(text), len(lines)) else None


def later_batch(content: bytes, seq: int) -> bool:
    """Tell whether the bytes hold a record that was written after record ``seq`` had been made durable.

    A batch is only written when the one before it is synced: a record of a later batch proves that what is
    missing before it was whole once. A torn write leaves records of its own batch, or nothing.
    """
    return any(int(found[1]) >= int(found[2]) > seq for found in _SEQ.finditer(content))


@dataclass(frozen=True, slots=True)
class _MoreDrops:
    drops: tuple[Drop, ...]


def misfit(line: bytes, crc: int | None) -> tuple[str, int | None]:
    """Check a line by the checksum of the line before it alone (None: not known).

    Return what is wrong with it, nothing if it fits, and the checksum it carries itself.
    """
    match = _SEQ.fullmatch(line[:-1]) if line.endswith(b"\n") else None
    if match is None:
        return "the line is not a record", None
    own = int(match[3], 16)
    if crc is not None and zlib.crc32(line[:-_TAIL_BYTES], crc) != own:
        return "the checksum does not fit", own
    return "", own


class Translator:
    """Records to events and jobs and back. One thread; keep one for a whole load, it shares equal objects."""

    def __init__(self) -> None:
        # The same few values in all jobs of a folder or of one service, and the names, times and sizes of one
        # job: what was published is as large as its link said, and was so when the job last changed.
        members = {"folder", "status", "server", "verified", "name", "release"}
        members |= {"changed_at", "published_at", "size_bytes"}
        self._codec = Codec(shared={Destination}, shared_members=members)
        self._job = self._codec.decoder(Job)
        self._events: dict[str, Callable[[object], Recorded]] = {}

    def event_record(self, event: Recorded, batch: int) -> Record:
        """Return the record of an event; one of a category names no job."""
        data = self._codec.encode(event)
        kind = _KIND_OF[type(event)]
        return {
            "batch": batch,
            "at": data.pop("at"),
            "job": data.pop("job_id", ""),
            "kind": kind,
            "data": data,
        }

    def job_records(self, job: Job, batch: int) -> list[Record]:
        """Return the records of a job: one, and more when it has many drops."""
        data = self._codec.encode(job)
        drops = cast("list[object]", data["drops"])
        data["drops"] = drops[:DROPS_PER_RECORD]
        about: Record = {"batch": batch, "at": job.changed_at, "job": data.pop("id")}
        more = range(DROPS_PER_RECORD, len(drops), DROPS_PER_RECORD)
        return [
            {**about, "kind": JOB, "data": data},
            *(
                {**about, "kind": DROPS, "data": {"drops": drops[start : start + DROPS_PER_RECORD]}}
                for start in more
            ),
        ]

    def event(self, record: Record) -> Recorded:
        """Return the event of a record. Raise ``BrokenRecord`` when it is none that we know."""
        kind, data = record.get("kind"), record.get("data")
        try:
            decoder = self._events[kind]  # type: ignore[index] # it is anything: no text finds nothing
        except (KeyError, TypeError):
            decoder = self._decoder_for(kind)
        if type(data) is not dict:
            raise BrokenRecord(f"{_class_name(kind)}: an object is expected as data", sealed=True)
        data["job_id"] = record.get("job")
        data["at"] = record.get("at")
        try:
            return decoder(data)
        except WrongMember as error:
            raise _misfitting(EVENT_KINDS[str(kind)], error) from None

    def _decoder_for(self, kind: object) -> Callable[[object], Recorded]:
        cls = EVENT_KINDS.get(kind) if type(kind) is str else None
        if cls is None:
            raise BrokenRecord(f"a record of the unknown kind {str(kind)[:40]!r}", sealed=True)
        decoder: Callable[[object], Recorded] = self._codec.decoder(cls)
        self._events[cast("str", kind)] = decoder
        return decoder

    def job(self, record: Record) -> Job:
        """Return the job of a ``job`` record. Raise ``BrokenRecord`` when it is none."""
        data = record.get("data")
        if type(data) is dict:
            data["id"] = record.get("job")
        try:
            return self._job(data)
        except WrongMember as error:
            raise _misfitting(Job, error) from None

    def drops(self, record: Record) -> tuple[Drop, ...]:
        """Return the drops of a ``drops`` record. Raise ``BrokenRecord`` when it is none."""
        try:
            return self._codec.decode(_MoreDrops, record.get("data")).drops
        except WrongMember as error:
            raise _misfitting(_MoreDrops, error) from None


def _misfitting(cls: type, error: WrongMember) -> BrokenRecord:
    return BrokenRecord(f"{cls.__name__}: {error}", sealed=True)


def _class_name(kind: object) -> str:
    return EVENT_KINDS[str(kind)].__name__
