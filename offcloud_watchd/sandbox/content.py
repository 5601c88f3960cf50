"""The bytes the sandbox serves: made from the content key, the same on every machine, never stored.

Rules of this file:

* Any range of any file costs time in proportion to its length, at more than a gigabyte a second.
* A file is a row of 64 KiB blocks: a stamp (SHA-256 of seed and block number), then a tail that all blocks of
  the file share (SHAKE-256 of the seed). So no two blocks are equal, none is empty, and bytes that land in a
  wrong place, by any distance, change the file's checksum.
* What is behind somebody else's info hash is not known here: bytes for it are made up, and each file's name
  says so (``Film.made-up.mkv``). So no file of a real torrent is there under its name with other bytes, and a
  client that checks pieces sees strange files, not damaged ones. Torrents that the sandbox makes itself
  (``torrents``) get plain names, and the bytes their pieces tell of.
* ``Library`` is the seam for other content.

A test that holds a ``StoredFile`` can compute what must arrive: ``sha256_of(file)``, ``file.chunks(0, n)``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from offcloud_watchd.sandbox.source import Source

BLOCK_BYTES: Final = 64 * 1024
CHUNK_BLOCKS: Final = 16
STAMP_BYTES: Final = 32
TREE_FILES: Final = 7
LARGEST_FILE_BYTES: Final = 1 << 50
MADE_UP: Final = ".made-up"
_ENDINGS: Final = (".avi", ".epub", ".iso", ".mkv", ".mp3", ".mp4", ".pdf", ".rar", ".zip")


class StoredFile(Protocol):
    """One file of a release; any range can be read at any time, by several threads."""

    @property
    def path(self) -> str:
        """Where it stands, with ``/``; the release's root folder first when there is one."""
        ...

    @property
    def size_bytes(self) -> int:
        """Its length."""
        ...

    @property
    def etag(self) -> str:
        """A strong validator: equal for equal bytes."""
        ...

    def chunks(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yield the bytes from ``start`` up to ``stop`` in pieces of at most about 1 MiB."""
        ...


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file whose bytes follow from its seed; implements ``StoredFile``."""

    path: str
    size_bytes: int
    seed: bytes

    @property
    def etag(self) -> str:
        """A strong validator: equal for equal bytes."""
        return f'"{hashlib.sha256(self.seed + self.size_bytes.to_bytes(8)).hexdigest()[:16]}"'

    def chunks(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yield the bytes from ``start`` up to ``stop``, both within the file."""
        tail = hashlib.shake_256(self.seed).digest(BLOCK_BYTES - STAMP_BYTES)
        while start < stop:
            first = start // BLOCK_BYTES
            last = min(first + CHUNK_BLOCKS, -(-stop // BLOCK_BYTES))
            piece = b"".join(part for number in range(first, last) for part in (self._stamp(number), tail))
            begin, end = start - first * BLOCK_BYTES, min(stop, last * BLOCK_BYTES) - first * BLOCK_BYTES
            yield memoryview(piece)[begin:end]
            start += end - begin

    def _stamp(self, number: int) -> bytes:
        return hashlib.sha256(self.seed + number.to_bytes(8)).digest()


@dataclass(frozen=True, slots=True)
class Release:
    """What one content key stands for: a single file, or a folder named ``name`` with files in it.

    ``junk`` are entries the classic service lists although they are no content.
    """

    name: str
    files: tuple[StoredFile, ...]
    is_directory: bool
    junk: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)


class Library(Protocol):
    """Where releases come from. Called once for each content key, by any thread."""

    def release(self, source: Source) -> Release:
        """Return what this link's content is; equal keys and names give equal releases."""
        ...


@dataclass(frozen=True, slots=True)
class GeneratedLibrary:
    """Releases made up from the content key; implements ``Library``.

    ``release_bytes`` is the size of each release, ``release_files`` the number of its files (None: from one
    to five, derived from the key; one for an http link). The markers ``[single]``, ``[tree]``, ``[odd]`` and
    ``[junk]`` choose the shape.
    """

    release_bytes: int = 3_000_000
    release_files: int | None = None
    seed: int = 0

    def release(self, source: Source) -> Release:
        """Return what this link's content is."""
        root = source.name or f"Release.{hashlib.sha256(source.key.encode()).hexdigest()[:8]}"
        count = self._count(source)
        if count == 1:
            is_file_name = source.kind == "url" or root.lower().endswith(_ENDINGS)
            name = _told(source, root if is_file_name else f"{root}.mkv")
            return Release(name, self._files(source, [name]), is_directory=False)
        shape = (
            _ODD if "odd" in source.markers else _tree() if "tree" in source.markers else _flat(root, count)
        )
        junk = (f"{root}.aria2", f"{root}.aria2__temp", f"{root}.torrent", "Sample/")
        files = self._files(source, [f"{root}/{_told(source, path)}" for path in shape])
        return Release(root, files, is_directory=True, junk=junk if "junk" in source.markers else ())

    def _count(self, source: Source) -> int:
        if "single" in source.markers:
            return 1
        if source.markers & {"tree", "odd", "junk"}:
            return max(self.release_files or 0, 2)
        if self.release_files is not None:
            return max(self.release_files, 1)
        return 1 if source.kind == "url" else 1 + hashlib.sha256(source.key.encode()).digest()[0] % 5

    def _files(self, source: Source, paths: Sequence[str]) -> tuple[StoredFile, ...]:
        sizes = _sizes(self.release_bytes, len(paths))
        return tuple(
            GeneratedFile(path, size, self._seed(source.key, number))
            for number, (path, size) in enumerate(zip(paths, sizes, strict=True))
        )

    def _seed(self, key: str, number: int) -> bytes:
        return hashlib.sha256(f"{self.seed}\0{key}\0{number}".encode()).digest()


def sha256_of(file: StoredFile) -> str:
    """Return the checksum a fetched copy must have; costs the time to make the whole file."""
    digest = hashlib.sha256()
    for chunk in file.chunks(0, file.size_bytes):
        digest.update(chunk)
    return digest.hexdigest()


def _told(source: Source, path: str) -> str:
    """Return a file's path as it is told: whatever is made up for somebody's torrent says so."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    return f"{folder}{slash}{stem}{MADE_UP}{dot}{ending}" if source.info_hash else path


def _sizes(total: int, count: int) -> list[int]:
    """Share the bytes out: one large file first, small and uneven ones after it."""
    small = [total * (number % 3 + 1) // (count * 16) for number in range(1, count)]
    return [total - sum(small), *small]


def _flat(root: str, count: int) -> list[str]:
    extras = [f"{root}.nfo", "Subs/English.srt", "Sample/sample.mkv", "Subs/Français.srt"]
    extras += [f"Extras/Part {number:03}.mkv" for number in range(1, count)]
    return [f"{root}.mkv", *extras][:count]


def _tree() -> list[str]:
    """Lay out folders in folders; the same file name stands in several of them."""
    episodes = [f"Season {season}/Episode {number}.mkv" for season in (1, 2) for number in (1, 2)]
    subtitles = [f"Season {season}/Subs/English.srt" for season in (1, 2)]
    return [*episodes, *subtitles, "Extras/Behind/The/Scenes/Making of.mkv"]


_ODD: Final = [
    "Plain name.mkv",
    "blank and #number [tag] 100%41 why?.mkv",
    "-leading dash.txt",
    ".hidden.txt",
    "Ünïcode ﷽ 日本.srt",
    "Cafe\u0301.srt",
    "case.txt",
    "CASE.txt",
    "CON.txt",
    "long " + "n" * 230 + ".txt",
    "a/same.txt",
    "b/same.txt",
]
