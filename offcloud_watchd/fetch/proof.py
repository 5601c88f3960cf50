"""What is proved of a release by the pieces of its torrent.

Rules of this file:

* Bytes are hashed as they come in, where a piece comes in one run; what is left is read back from the disk.
* The state of a piece is one byte and is written by one thread at a time: the one that fetches it, or the
  fetch itself when nobody fetches.
* A torrent that cannot be read, or is of another content, proves nothing and breaks nothing.
"""

from __future__ import annotations

import logging
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from offcloud_watchd.core.links.torrent import Metainfo, torrent_for
from offcloud_watchd.core.model import Check, Link
from offcloud_watchd.core.names import safe_component
from offcloud_watchd.core.pieces import FilePieces, Hasher, Stretch, pieces_of, pieces_of_file
from offcloud_watchd.core.rollcall import Listed, RollCall
from offcloud_watchd.errors import Contradicted
from offcloud_watchd.fetch.placing import Guess, Placing
from offcloud_watchd.fetch.spans import Span

log = logging.getLogger(__name__)

_UNKNOWN: Final = 0
_GOOD: Final = 1
_BAD: Final = 2
_ZEROS: Final = bytes(1 << 16)
_MAX_NAMED: Final = 3
_MAX_NAMED_PIECES: Final = 8
_MAX_CHECKED_NAMES: Final = 100

Read = Callable[[int, int, int], Iterator[memoryview]]
"""Gives the bytes of a listed file, by its number, from one place to another."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One file of a release: where it lies in it, and the size the service tells, None where it does not."""

    path: str
    remote_path: str
    size_bytes: int | None


def proof_for(
    link: Link, torrent: bytes | None, subjects: Sequence[Subject], left_out: Sequence[Subject] = ()
) -> Proof:
    """Find out what the torrent says of the files. Raises ``Contradicted`` where the service does not agree.

    ``left_out`` are files that the service has and nobody wants: they are not missing.
    """
    # A job may have come from several drops, or from a magnet.
    metainfo = torrent_for(link, torrent) if torrent else None
    if metainfo is None:
        return Proof.of_nothing(subjects)
    listed = [Listed(subject.remote_path, subject.size_bytes) for subject in (*subjects, *left_out)]
    placing = Placing(metainfo, listed, len(subjects))
    for number, place in placing.contradicted:
        told, size_bytes = subjects[number].size_bytes, metainfo.files[place].size_bytes
        raise Contradicted(
            f"the service lists {subjects[number].path} with {told} bytes, the torrent says {size_bytes}; "
            "where that stays so, its copy is damaged: remove it there, then retry"
        )
    return Proof(metainfo, placing, subjects)


class Proof:
    """What is known of the pieces of a release. Files by their number in the list.

    ``remarks`` says in words how the list and the torrent differ, once all files were here.
    """

    def __init__(
        self, metainfo: Metainfo | None, placing: Placing | None, subjects: Sequence[Subject]
    ) -> None:
        self._called = "" if metainfo is None else safe_component(metainfo.name)
        self._files = () if metainfo is None else metainfo.files
        self._pieces = FilePieces((), 1) if metainfo is None else pieces_of(metainfo)
        self._placing = placing
        self._places = [None] * len(subjects) if placing is None else placing.places
        self._numbers = {} if placing is None else placing.numbers
        self._subjects = subjects
        self._state = bytearray(self._pieces.count)
        self._sizes = [
            self._size(place, subject) for place, subject in zip(self._places, subjects, strict=True)
        ]
        self.remarks: tuple[str, ...] = ()

    @classmethod
    def of_nothing(cls, subjects: Sequence[Subject]) -> Proof:
        """Make the proof of a release of which no torrent is known."""
        return cls(None, None, subjects)

    def size_bytes(self, number: int) -> int | None:
        """Return how large a file must be: by the torrent, else by the service; None where neither says."""
        return self._sizes[number]

    def exact_bytes(self, number: int) -> int | None:
        """Return the same where it can be held against what is here: nothing only by the torrent's own word.

        A service says it, too, when it does not know.
        """
        place = self._places[number]
        is_empty = place is not None and not self._files[place].size_bytes
        return self._sizes[number] or (0 if is_empty else None)

    def outlook(self) -> list[int | None]:
        """Return what is to come of each file; what ``size_bytes`` does not know is right in sum."""
        guessed = {} if self._placing is None else self._placing.outlook()
        if any(self._sizes[number] is not None for number in guessed):
            return list(self._sizes)
        return [guessed.get(number, size) for number, size in enumerate(self._sizes)]

    def sized(self, number: int, size_bytes: int) -> None:
        """Take note of what the host says of a file's size: it may tell which one of the torrent it is."""
        if self._placing is not None:
            self._placing.sized(number, size_bytes)

    # --- while files come in ---

    def hashing(self, number: int, start: int) -> Hashing | None:
        """Return what hashes a file's bytes from ``start`` on; None where nothing is to be proved."""
        place = self._places[number]
        return None if place is None else Hashing(self, place, start)

    def boundary(self, number: int, offset: int) -> int:
        """Return where the piece that holds a byte begins in its file: a good place to part a file at."""
        place = self._places[number]
        if place is None or offset >= self._files[place].size_bytes:
            return offset
        return self._pieces.part(place, offset).start

    def is_proved(self, number: int) -> bool:
        """Tell whether every piece that is this file's alone is good, and there is one."""
        own = self._own(number)
        return len(own) > 0 and all(self._state[piece] == _GOOD for piece in own)

    def is_provable(self, number: int) -> bool:
        """Tell whether the pieces say of every byte of a file what it must be, once all files are here."""
        pieces = self._all(number)
        return len(pieces) > 0 and all(map(self._is_here, pieces))

    def believe(self, number: int) -> None:
        """Take over from an earlier call that the file's own pieces are good."""
        for piece in self._own(number):
            self._state[piece] = _GOOD

    def forget(self, number: int) -> None:
        """Forget what is known of a file's pieces: its bytes are to come again."""
        self.doubt(self._all(number))
        if self._placing is not None:
            self._placing.forget(number)

    # --- when all files are here ---

    def doubt(self, pieces: Iterable[int]) -> None:
        """Forget what is known of some pieces: their bytes are to come again."""
        for piece in pieces:
            self._state[piece] = _UNKNOWN

    def settle(self, sizes: Sequence[int], read: Read) -> list[int]:
        """Read back whatever is not decided yet; return the pieces that are bad. ``sizes`` are the files'."""
        if self._placing is not None:
            self._placing.decide(sizes, self._pieces, partial(self._is_good_if, read))
            self._remark(self._placing.answer())
        for piece in range(len(self._state)):
            if self._state[piece] == _UNKNOWN and self._is_here(piece):
                self.decide(piece, self._hashed(piece, self._numbers, read))
        return [piece for piece, state in enumerate(self._state) if state == _BAD]

    def spans(self, piece: int) -> Iterator[tuple[int, Span]]:
        """Give the parts of files that a piece is made of."""
        for one in self._pieces.stretches(piece):
            if one.file is not None:
                yield self._numbers[one.file], (one.start, one.end)

    def names(self, pieces: Sequence[int]) -> str:
        """Say for people which pieces these are: ``piece 3 of a.mkv, piece 4 of a.mkv and b.mkv``."""
        named = [f"piece {piece} of {self._parties(piece)}" for piece in pieces[:_MAX_NAMED_PIECES]]
        more = len(pieces) - _MAX_NAMED_PIECES
        return ", ".join(named) + (f" and {more} more pieces" if more > 0 else "")

    def words(self, confirmed: Sequence[bool]) -> str:
        """Say how the release was verified; ``confirmed`` tells for each file whether its size was."""
        degrees = self._degrees(confirmed)
        best = next(degree for degree in _DEGREES if degree in degrees)
        others = (
            f"{degree}: {self._named(number for number, one in enumerate(degrees) if one == degree)}"
            for degree in _DEGREES
            if degree != best and degree in degrees
        )
        return "; ".join((best, *others, *self.remarks))

    def checks(self, confirmed: Sequence[bool]) -> tuple[Check, ...]:
        """Tell the same for programs, the most of it first; nothing where all files were verified alike."""
        degrees = self._degrees(confirmed)
        if len(set(degrees)) == 1:
            return ()
        paths: defaultdict[str, list[str]] = defaultdict(list)
        for subject, degree in zip(self._subjects, degrees, strict=True):
            paths[degree].append(subject.path)
        return tuple(
            Check(degree, len(paths[degree]), tuple(paths[degree][:_MAX_CHECKED_NAMES]))
            for degree in _DEGREES
            if degree in paths
        )

    # --- inside ---

    def _degrees(self, confirmed: Sequence[bool]) -> list[str]:
        return [self._degree(number, size) for number, size in enumerate(confirmed)]

    def _degree(self, number: int, confirmed: bool) -> str:  # noqa: FBT001 - private, called with one meaning
        states = [self._state[piece] == _GOOD for piece in self._all(number)]
        if states and all(states):
            return _PIECES
        if any(states):
            return _IN_PART
        return _SIZE if confirmed else _UNVERIFIED

    def _all(self, number: int) -> range:
        """Return the pieces a file has bytes in."""
        place = self._places[number]
        return (
            range(0) if place is None else pieces_of_file(self._pieces, place, self._files[place].size_bytes)
        )

    def _own(self, number: int) -> range:
        """Return the pieces that hold bytes of no other file."""
        every = self._all(number)
        if not every:
            return every
        shared = [self._pieces.solo(piece) is None for piece in (every[0], every[-1])]
        return range(every.start + shared[0], every.stop - shared[1])

    def _is_here(self, piece: int) -> bool:
        return all(one.file is None or one.file in self._numbers for one in self._pieces.stretches(piece))

    def _is_good_if(self, read: Read, piece: int, guess: Guess) -> bool:
        hasher = self._hashed(piece, ChainMap(dict(guess), self._numbers), read)
        return hasher.digest() == self._pieces.expected(piece)

    def _hashed(self, piece: int, numbers: Mapping[int, int], read: Read) -> Hasher:
        hasher = self._pieces.hasher(piece)
        for one in self._pieces.stretches(piece):
            if one.file is None:
                add_zeros(hasher, one.end - one.start)
            else:
                for data in read(numbers[one.file], one.start, one.end):
                    hasher.update(data)
        return hasher

    def decide(self, piece: int, hasher: Hasher) -> None:
        """Note whether a piece that was hashed is what it must be."""
        self._state[piece] = _GOOD if hasher.digest() == self._pieces.expected(piece) else _BAD

    def piece_at(self, place: int, offset: int) -> tuple[int, Stretch, int | None, Hasher]:
        """Return the piece that holds a byte of the torrent's file ``place``, and the file's part of it.

        With it goes how many zeros follow that part in the piece: None when bytes of other files do too.
        """
        piece = self._pieces.at(place, offset)
        solo = self._pieces.solo(piece)
        zeros = None if solo is None else solo[1]
        return piece, self._pieces.part(place, offset), zeros, self._pieces.hasher(piece)

    def size_of(self, place: int) -> int:
        """Return the size of a file of the torrent."""
        return self._files[place].size_bytes

    def _size(self, place: int | None, subject: Subject) -> int | None:
        return subject.size_bytes if place is None else self._files[place].size_bytes

    def _remark(self, call: RollCall) -> None:
        remarks = tuple(self._differences(call))
        if remarks and remarks != self.remarks:
            told = "the service's files are not those of the torrent %s: %s"
            log.warning(told, self._called, "; ".join(remarks))
        self.remarks = remarks

    def _differences(self, call: RollCall) -> Iterator[str]:
        if call.missing:
            lost = ("/".join(map(safe_component, self._files[place].path)) for place in call.missing)
            yield f"missing: {few(lost)}"
        if call.strange:
            yield f"not in the torrent: {self._named(call.strange)}"
        if call.renamed:
            yield f"renamed: {self._named(call.renamed)}"
        if call.moved:
            yield f"not in their folders: {self._named(call.moved)}"

    def _parties(self, piece: int) -> str:
        numbers = dict.fromkeys(number for number, _ in self.spans(piece))
        return few((self._subjects[number].path for number in numbers), " and ")

    def _named(self, numbers: Iterable[int]) -> str:
        return few(self._subjects[number].path for number in numbers)


_PIECES: Final = "pieces"
_IN_PART: Final = "pieces in part"
_SIZE: Final = "size"
_UNVERIFIED: Final = "unverified"
_DEGREES: Final = (_PIECES, _IN_PART, _SIZE, _UNVERIFIED)


class Hashing:
    """Hashes one run of a file's bytes, and decides each piece that lies in it whole. One thread."""

    def __init__(self, proof: Proof, place: int, start: int) -> None:
        self._proof = proof
        self._place = place
        self._at = start
        self._size_bytes = proof.size_of(place)
        self._until = start
        self._piece = -1
        self._zeros: int | None = None
        self._hasher: Hasher | None = None
        self._decided: list[int] = []

    def feed(self, view: memoryview) -> None:
        """Take the next bytes."""
        while view and self._at < self._size_bytes:
            if self._at == self._until:
                self._begin()
            taken = view[: self._until - self._at]
            if self._hasher is not None:
                self._hasher.update(taken)
            self._at += len(taken)
            view = view[len(taken) :]
            if self._at == self._until and self._hasher is not None:
                add_zeros(self._hasher, self._zeros or 0)
                self._proof.decide(self._piece, self._hasher)
                self._decided.append(self._piece)

    def take_back(self) -> None:
        """Forget what was decided: the bytes do not count, and others will come in their place."""
        self._proof.doubt(self._decided)

    def _begin(self) -> None:
        self._piece, own, self._zeros, hasher = self._proof.piece_at(self._place, self._at)
        self._until = own.end
        self._hasher = hasher if own.start == self._at and self._zeros is not None else None


def add_zeros(hasher: Hasher, count: int) -> None:
    """Hash padding, which nobody delivers."""
    while count > 0:
        hasher.update(_ZEROS[:count])
        count -= len(_ZEROS)


def few(names: Iterable[str], between: str = ", ") -> str:
    """Name the first few, cut to a length that can be read."""
    known = list(names)
    named = between.join(name if len(name) <= 80 else f"{name[:77]}..." for name in known[:_MAX_NAMED])
    return f"{named} and {len(known) - _MAX_NAMED} more" if len(known) > _MAX_NAMED else named
