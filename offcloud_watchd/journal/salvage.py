"""What of a damaged journal can be proven: its records, found again by number and checksum.

Rules of this file:

* A record is proven by the checksum of the record before it. As long as that goes back to the first record,
  what is read is what was written; where lines were doubled, moved or swapped they are put in order again.
* One flipped bit is found and put right, because only one bit makes the checksum fit.
* Behind a gap a record is proven by the line before it alone. That does not tell whose it is: such a run is
  for the reader to take or to leave (``Run.anchored``).
* Nothing is written here.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.journal.records import Chain, Record, parsed

_TAIL: Final = re.compile(rb',"crc":"([0-9a-f]{8})"\}')
_TAIL_BYTES: Final = len(b',"crc":"00000000"}\n')
_HEAD: Final = re.compile(rb'\{"v":\d{1,9},"seq":(\d{1,18}),"batch":\d{1,18},')
# A tail ends a line also where the newline behind it is damaged: inside a text its quotes would be escaped.
_LINE: Final = re.compile(rb'[^\n]*?,"crc":"[0-9a-f]{8}"\}[\x00-\xff]|[^\n]*\n|[^\n]+')
_POLYNOMIAL: Final = 0xEDB88320
_MOST_MENDED_BYTES: Final = 1 << 20
_MOST_HEADER_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """What stands between two ends of lines; ``seq`` and ``crc``: what it says of itself, where readable."""

    index: int
    offset_bytes: int
    raw: bytes
    seq: int | None
    crc: int | None


@dataclass(slots=True)
class Run:
    """Records that follow each other without a gap; ``anchored``: from the first record of the file on.

    ``first_line`` and ``last_line`` are the places of its first and last line in the file, from 0.
    """

    anchored: bool
    first_line: int = -1
    last_line: int = -1
    records: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class Salvage:
    """All that could be proven, in order. In the ``mended`` records a flipped bit was put right.

    ``lines`` are all lines of the file, also those that prove nothing.
    """

    runs: list[Run]
    mended: set[int]
    lines: list[Line]


def salvaged(content: bytes, start: Chain) -> Salvage:
    """Find the records of a file; ``start`` is the chain before its first record."""
    return _Search(content).found(start)


def claimed(content: bytes) -> tuple[str, int, int] | None:
    """Return journal id, generation and number of the first record, as its own line proves them.

    None where it does not, whichever one bit of it may have flipped.
    """
    first = next(_lines(content), None)
    if first is None or len(first.raw) > _MOST_HEADER_BYTES:
        return None
    return next(filter(None, map(_header, (first.raw, *_with_each_bit_flipped(first.raw)))), None)


def line_after_first(content: bytes) -> int | None:
    """Return the number that the second line says it has; None where there is none or it is not readable."""
    lines = _lines(content)
    next(lines, None)
    second = next(lines, None)
    return None if second is None else second.seq


def _header(raw: bytes) -> tuple[str, int, int] | None:
    record = parsed(raw)
    data = record.get("data") if record else None
    if record is None or type(data) is not dict:
        return None
    journal_id, number, seq = data.get("journal"), data.get("generation"), record.get("seq")
    if type(journal_id) is not str or type(number) is not int or type(seq) is not int:
        return None
    fits = _fits(raw, Chain.start(journal_id, number, seq - 1).crc)
    return (journal_id, number, seq) if fits else None


def _with_each_bit_flipped(raw: bytes) -> Iterator[bytes]:
    """Yield a line many times over, for one that holds the seed of its checksum itself."""
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


class _Search:
    """The lines of a file, by number and by place."""

    def __init__(self, content: bytes) -> None:
        self._all = list(_lines(content))
        self._by_seq: dict[int, list[Line]] = {}
        for line in self._all:
            if line.seq is not None:
                self._by_seq.setdefault(line.seq, []).append(line)
        self._mended: set[int] = set()

    def found(self, start: Chain) -> Salvage:
        """Follow the chain, over gaps as well."""
        run = Run(anchored=True)
        runs, seq, crc = [run], start.seq, start.crc
        while True:
            step = self._next(seq + 1, crc, run.last_line)
            if step is None:
                step = self._beyond_gap(seq)
                if step is None:
                    break
                run = Run(anchored=False, first_line=step[1])
                runs.append(run)
            record, run.last_line = step
            run.records.append(record)
            seq, crc = number_of(record), int(str(record["crc"]), 16)
        return Salvage([run for run in runs if run.records], self._mended, self._all)

    def _next(self, seq: int, crc: int, after: int) -> tuple[Record, int] | None:
        """Return the record of a number and the place of its line."""
        lines = self._by_seq.get(seq, [])
        for line in lines:
            if _fits(line.raw, crc) and (record := parsed(line.raw)) is not None:
                return record, line.index
        for raw, index in self._candidates(lines, after):
            mended = _with_one_bit_flipped(raw, crc)
            record = parsed(mended) if mended else None
            if record is not None and record.get("seq") == seq:
                self._mended.add(seq)
                return record, index
        return None

    def _candidates(self, lines: list[Line], after: int) -> Iterator[tuple[bytes, int]]:
        """Yield what may be a damaged line: those that claim its number, and what stands in its place."""
        for line in lines:
            yield line.raw, line.index
        place = self._all[after + 1 : after + 3]
        if place:
            yield place[0].raw, place[0].index
        if len(place) == 2:  # a bit that flipped may have made an end of line
            yield place[0].raw + place[1].raw, place[1].index

    def _beyond_gap(self, seq: int) -> tuple[Record, int] | None:
        """Return the first record after a number that the line before it proves."""
        for later in sorted(number for number in self._by_seq if number > seq + 1):
            for line in self._by_seq[later]:
                proven = any(_fits(line.raw, crc) for crc in self._crcs_before(line, later))
                if proven and (record := parsed(line.raw)) is not None:
                    return record, line.index
        return None

    def _crcs_before(self, line: Line, seq: int) -> Iterator[int]:
        before = self._by_seq.get(seq - 1, [])
        place = self._all[line.index - 1 : line.index] if line.index else []
        for one in (*before, *place):
            if one.crc is not None:
                yield one.crc


def _lines(content: bytes) -> Iterator[Line]:
    for index, match in enumerate(_LINE.finditer(content)):
        raw = match[0]
        head, tail = _HEAD.match(raw), _TAIL.search(raw, max(0, len(raw) - _TAIL_BYTES))
        yield Line(
            index,
            match.start(),
            raw,
            int(head[1]) if head else None,
            int(tail[1], 16) if tail else None,
        )


def number_of(record: Record) -> int:
    """Return the number of a record that was found here."""
    seq = record["seq"]
    assert isinstance(seq, int)  # noqa: S101 - it was found by its number
    return seq


def _fits(raw: bytes, crc: int) -> bool:
    return raw[-_TAIL_BYTES:] == b',"crc":"%08x"}\n' % zlib.crc32(raw[:-_TAIL_BYTES], crc)


def _with_one_bit_flipped(raw: bytes, crc: int) -> bytes | None:
    """Return the line with the one bit flipped that makes its checksum fit; None where no bit does."""
    if not _TAIL_BYTES < len(raw) <= _MOST_MENDED_BYTES:
        return None
    body, tail = raw[:-_TAIL_BYTES], raw[-_TAIL_BYTES:]
    sound = b',"crc":"%08x"}\n' % zlib.crc32(body, crc)
    if sum((one ^ two).bit_count() for one, two in zip(sound, tail, strict=True)) == 1:
        return body + sound
    match = _TAIL.match(tail)
    if match is None or not tail.endswith(b"\n"):
        return None
    bit = _flipped_bit(len(body), zlib.crc32(body, crc) ^ int(match[1], 16))
    if bit is None:
        return None
    mended = bytearray(body)
    mended[bit // 8] ^= 1 << bit % 8
    return bytes(mended) + tail


def _flipped_bit(size_bytes: int, syndrome: int) -> int | None:
    """Return the number of the bit whose flip changes a checksum by ``syndrome``.

    A checksum is linear: what a flip changes depends on the bit's distance from the end alone.
    """
    change = _POLYNOMIAL  # of the highest bit of the last byte
    for bit in range(8 * size_bytes - 1, -1, -1):
        if change == syndrome:
            return bit
        change = change >> 1 ^ (_POLYNOMIAL if change & 1 else 0)
    return None
