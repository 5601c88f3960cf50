"""The pieces of a torrent: which bytes of which files each one is, and what they must hash to. Pure.

Rules of this file:

* What comes in was read by ``core.links.torrent`` and is sound: sizes, hashes and both halves agree.
* A v2 torrent is checked file by file, a v1 torrent over all its files in one row, padding included. Where
  both are there and complete, v2 counts: it is the stronger hash, and its pieces never cross files.
* The hashes stay in the strings they came in; nothing here grows with the number of pieces.
* However many files lie in one piece, a question about one of them takes no longer for it.

Source: BEP 3 (pieces), BEP 47 (padding), BEP 52 (Merkle roots and layers).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Final, Protocol

from offcloud_watchd.core.links.filetree import BLOCK_BYTES
from offcloud_watchd.core.links.torrent import Metainfo, TorrentFile

_SHA1_BYTES: Final = 20
_SHA256_BYTES: Final = 32
_MAX_PADS: Final = 8  # a sound torrent has one behind a file


@dataclass(frozen=True, slots=True)
class Stretch:
    """The bytes from ``start`` to ``end`` of a torrent's file; ``file`` None: zeros that nobody delivers."""

    file: int | None
    start: int
    end: int


class Hasher(Protocol):
    """Takes the bytes of a piece in order."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take the next bytes."""
        ...

    def digest(self) -> bytes:
        """Return the hash of all bytes taken."""
        ...


class Pieces(Protocol):
    """All pieces of a torrent, numbered from 0 on; files by their place in ``Metainfo.files``."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def at(self, file: int, offset: int) -> int:
        """Return the piece that holds a byte of a file; the byte must be there."""
        ...

    def stretches(self, number: int) -> Iterator[Stretch]:
        """Give the bytes of a piece in their order."""
        ...

    def part(self, file: int, offset: int) -> Stretch:
        """Return what a file has in the piece that holds one of its bytes."""
        ...

    def solo(self, number: int) -> tuple[Stretch, int] | None:
        """Return the one part a piece is made of, and how many zeros follow; None for any other piece."""
        ...

    def hasher(self, number: int) -> Hasher:
        """Return what hashes a piece as this torrent does."""
        ...

    def expected(self, number: int) -> bytes:
        """Return what a piece must hash to."""
        ...


def pieces_of(metainfo: Metainfo) -> Pieces:
    """Choose the pieces a torrent is checked by."""
    told = all(
        file.root and (file.layer or file.size_bytes <= metainfo.piece_length_bytes)
        for file in metainfo.files
        if file.size_bytes and not file.pad
    )
    if told or not metainfo.pieces:
        return FilePieces(metainfo.files, metainfo.piece_length_bytes)
    return RowPieces(metainfo.files, metainfo.piece_length_bytes, metainfo.pieces)


def pieces_of_file(pieces: Pieces, file: int, size_bytes: int) -> range:
    """Return the pieces that a file of ``size_bytes`` has bytes in."""
    return range(pieces.at(file, 0), pieces.at(file, size_bytes - 1) + 1) if size_bytes else range(0)


class RowPieces:
    """v1: all files in one row, cut every so many bytes; a piece may cross files. Implements ``Pieces``."""

    def __init__(self, files: tuple[TorrentFile, ...], piece_bytes: int, hashes: bytes) -> None:
        self.count = len(hashes) // _SHA1_BYTES
        self._files = files
        self._piece_bytes = piece_bytes
        self._hashes = hashes
        self._starts = list(accumulate((file.size_bytes for file in files), initial=0))
        # Empty files have no bytes in any piece, and there may be many.
        self._filled = [place for place, file in enumerate(files) if file.size_bytes]
        self._filled_starts = [self._starts[place] for place in self._filled]

    def at(self, file: int, offset: int) -> int:
        """Return the piece that holds a byte of a file."""
        return (self._starts[file] + offset) // self._piece_bytes

    def stretches(self, number: int) -> Iterator[Stretch]:
        """Give the bytes of a piece in their order, padding as zeros."""
        at = number * self._piece_bytes
        end = min(at + self._piece_bytes, self._starts[-1])
        which = bisect_right(self._filled_starts, at) - 1
        while at < end:
            file = self._filled[which]
            start, stop = at - self._starts[file], min(end, self._starts[file + 1]) - self._starts[file]
            yield Stretch(None if self._files[file].pad else file, start, stop)
            at = self._starts[file] + stop
            which += 1

    def part(self, file: int, offset: int) -> Stretch:
        """Return what a file has in the piece that holds one of its bytes."""
        start = self.at(file, offset) * self._piece_bytes - self._starts[file]
        return Stretch(file, max(start, 0), min(start + self._piece_bytes, self._files[file].size_bytes))

    def solo(self, number: int) -> tuple[Stretch, int] | None:
        """Return the one part a piece is made of, and how many zeros follow; None for any other piece."""
        first, *others = islice(self.stretches(number), _MAX_PADS + 1)
        zeros = sum(one.end - one.start for one in others)
        is_alone = first.file is not None and all(one.file is None for one in others)
        return (first, zeros) if is_alone and len(others) < _MAX_PADS else None

    def hasher(self, number: int) -> Hasher:  # noqa: ARG002 - all pieces are hashed alike
        """Return a SHA-1: the format is defined over it, whatever its strength."""
        return hashlib.sha1(usedforsecurity=False)

    def expected(self, number: int) -> bytes:
        """Return what a piece must hash to."""
        return self._hashes[number * _SHA1_BYTES : (number + 1) * _SHA1_BYTES]


class FilePieces:
    """v2: each file for itself, by its layer or by its root alone. Implements ``Pieces``.

    A file whose layer was not told is one piece, however large. One without a root has no pieces: ``at``
    must not be asked for it.
    """

    def __init__(self, files: tuple[TorrentFile, ...], piece_bytes: int) -> None:
        self._files = files
        self._piece_bytes = piece_bytes
        counts = (max(len(file.layer) // _SHA256_BYTES, 1) if file.root else 0 for file in files)
        self._firsts = list(accumulate(counts, initial=0))
        self.count = self._firsts[-1]

    def at(self, file: int, offset: int) -> int:
        """Return the piece that holds a byte of a file."""
        return self._firsts[file] + (offset // self._piece_bytes if self._files[file].layer else 0)

    def stretches(self, number: int) -> Iterator[Stretch]:
        """Give the bytes of a piece: always of one file."""
        file, within = self._place(number)
        size_bytes, layer = self._files[file].size_bytes, self._files[file].layer
        start = within * self._piece_bytes
        yield Stretch(file, start, min(start + self._piece_bytes, size_bytes) if layer else size_bytes)

    def part(self, file: int, offset: int) -> Stretch:
        """Return the piece that holds a byte of a file."""
        return next(self.stretches(self.at(file, offset)))

    def solo(self, number: int) -> tuple[Stretch, int] | None:
        """Return the piece, which is always of one file."""
        return next(self.stretches(number)), 0

    def hasher(self, number: int) -> Hasher:
        """Return a Merkle tree as wide as the piece's own part of the file's tree."""
        file, _ = self._place(number)
        size_bytes = self._piece_bytes if self._files[file].layer else self._files[file].size_bytes
        return MerkleTree(-(-size_bytes // BLOCK_BYTES))

    def expected(self, number: int) -> bytes:
        """Return what a piece must hash to."""
        file, within = self._place(number)
        layer = self._files[file].layer
        return layer[within * _SHA256_BYTES : (within + 1) * _SHA256_BYTES] or self._files[file].root

    def _place(self, number: int) -> tuple[int, int]:
        file = bisect_right(self._firsts, number) - 1
        return file, number - self._firsts[file]


class MerkleTree:
    """The root over 16 KiB blocks, taken in order; blocks that are missing count as hashes of zeros.

    Keeps one hash a level, whatever the size. Implements ``Hasher``.
    """

    def __init__(self, blocks: int) -> None:
        self._levels = max(blocks - 1, 0).bit_length()
        self._lefts: list[bytes | None] = [None] * (self._levels + 1)
        self._block = hashlib.sha256()
        self._block_bytes = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; more than the tree is wide must not come."""
        rest = memoryview(data)
        while rest:
            taken = rest[: BLOCK_BYTES - self._block_bytes]
            self._block.update(taken)
            self._block_bytes += len(taken)
            rest = rest[len(taken) :]
            if self._block_bytes == BLOCK_BYTES:
                self._end_block()

    def digest(self) -> bytes:
        """Return the root; nothing may be taken afterwards."""
        if self._block_bytes:
            self._end_block()
        node, zeros = None, bytes(_SHA256_BYTES)
        for left in self._lefts[:-1]:
            if left is not None:
                node = _joined(left, zeros if node is None else node)
            elif node is not None:
                node = _joined(node, zeros)
            zeros = _joined(zeros, zeros)
        return self._lefts[-1] or node or zeros

    def _end_block(self) -> None:
        node, level = self._block.digest(), 0
        self._block, self._block_bytes = hashlib.sha256(), 0
        while level < self._levels and (left := self._lefts[level]) is not None:
            self._lefts[level] = None
            node, level = _joined(left, node), level + 1
        self._lefts[level] = node


def _joined(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()
