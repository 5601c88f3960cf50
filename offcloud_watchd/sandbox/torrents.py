"""Torrents of the sandbox's own: their pieces are those of the bytes it serves for them.

Rules of this file:

* It writes torrents by itself and not with anything of ``core``, for the reason ``source`` gives.
* Pure, and the same every time: a release always gives the same torrent. Its bytes are made, hashed and gone.

Source: BEP 3 (v1), BEP 47 (padding), BEP 52 (v2 and hybrid).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.sandbox.content import Release, StoredFile

TRACKER: Final = "https://tracker.example.org/announce"
BLOCK_BYTES: Final = 16 * 1024
MOST_PIECE_BYTES: Final = 16 * 1024**2
PIECES: Final = 1000

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Torrent:
    """A .torrent and the v1 hash it is known by, in hex."""

    data: bytes
    info_hash: str


@dataclass(frozen=True, slots=True)
class _Member:
    """A file in the row of a torrent's files; ``file`` None: padding."""

    path: Path
    size_bytes: int
    file: StoredFile | None

    def chunks(self) -> Iterator[memoryview]:
        if self.file is None:
            yield memoryview(bytes(self.size_bytes))
        else:
            yield from self.file.chunks(0, self.size_bytes)


def torrent_of(release: Release, *, hybrid: bool = False) -> Torrent:
    """Make the torrent of a release, of v1 or of both versions; costs the time to make all its bytes."""
    piece_bytes = piece_bytes_for(release.size_bytes)
    members = [_member(release, file) for file in release.files]
    row = _padded(members, piece_bytes) if hybrid else members
    chunks = (chunk for one in row for chunk in one.chunks())
    info: dict[str, object] = {
        "name": release.name,
        "piece length": piece_bytes,
        "pieces": b"".join(_digests(chunks, piece_bytes, "sha1")),
    }
    if release.is_directory:
        info["files"] = [_listed(one) for one in row]
    else:
        info["length"] = release.size_bytes
    top: dict[str, object] = {"announce": TRACKER, "info": info}
    if hybrid:
        _add_v2(top, info, members, piece_bytes)
    digest = hashlib.sha1(bencoded(info), usedforsecurity=False).hexdigest()
    return Torrent(bencoded(top), digest)


def piece_bytes_for(size_bytes: int) -> int:
    """Choose a power of two that makes some hundred pieces, within the usual bounds."""
    wanted = max(size_bytes // PIECES, BLOCK_BYTES)
    return min(1 << (wanted - 1).bit_length(), MOST_PIECE_BYTES)


def bencoded(value: object) -> bytes:
    """Encode integers, strings, lists and dictionaries; keys are put in order."""
    match value:
        case int():
            return b"i%de" % value
        case bytes():
            return b"%d:%s" % (len(value), value)
        case str():
            return bencoded(value.encode())
        case list():
            return b"l%se" % b"".join(map(bencoded, value))
        case dict():
            keys = {key if isinstance(key, bytes) else key.encode(): key for key in value}
            return b"d%se" % b"".join(bencoded(raw) + bencoded(value[keys[raw]]) for raw in sorted(keys))
        case _:
            raise TypeError(f"bencode has no {type(value).__name__}")


# --- the row of files, v1 ----------------------------------------------------------------------------------


def _member(release: Release, file: StoredFile) -> _Member:
    path = tuple(file.path.split("/"))
    return _Member(path[1:] if release.is_directory else path, file.size_bytes, file)


def _padded(members: list[_Member], piece_bytes: int) -> list[_Member]:
    """Put the files into the order of the tree, each at the beginning of a piece, as a hybrid must."""
    members.sort(key=lambda one: [part.encode() for part in one.path])
    row: list[_Member] = []
    offset = 0
    for one in members:
        gap = -offset % piece_bytes if one.size_bytes else 0
        if gap:
            row.append(_Member((".pad", str(gap)), gap, None))
        row.append(one)
        offset += gap + one.size_bytes
    return row


def _listed(one: _Member) -> dict[str, object]:
    told: dict[str, object] = {"length": one.size_bytes, "path": list(one.path)}
    return told if one.file is not None else {**told, "attr": "p"}


def _digests(chunks: Iterable[memoryview], each_bytes: int, algorithm: str) -> Iterator[bytes]:
    """Hash a row of bytes in parts of one length; the last one may be shorter."""
    digest, left = hashlib.new(algorithm, usedforsecurity=False), each_bytes
    for chunk in chunks:
        rest = chunk
        while rest:
            digest.update(rest[:left])
            taken = min(left, len(rest))
            rest, left = rest[taken:], left - taken
            if not left:
                yield digest.digest()
                digest, left = hashlib.new(algorithm, usedforsecurity=False), each_bytes
    if left < each_bytes:
        yield digest.digest()


# --- the tree of files, v2 ---------------------------------------------------------------------------------


def _add_v2(
    top: dict[str, object], info: dict[str, object], members: Sequence[_Member], piece_bytes: int
) -> None:
    tree: dict[str, object] = {}
    layers: dict[bytes, bytes] = {}
    width = piece_bytes // BLOCK_BYTES
    for one in members:
        told: dict[str, object] = {"length": one.size_bytes}
        if one.size_bytes:
            leaves = list(_digests(one.chunks(), BLOCK_BYTES, "sha256"))
            root = _root(leaves, 1 << (len(leaves) - 1).bit_length())
            told["pieces root"] = root
            if one.size_bytes > piece_bytes:
                parts = (leaves[at : at + width] for at in range(0, len(leaves), width))
                layers[root] = b"".join(_root(part, width) for part in parts)
        _hang(tree, one.path, told)
    info["meta version"], info["file tree"], top["piece layers"] = 2, tree, layers


def _hang(tree: dict[str, object], path: Path, told: dict[str, object]) -> None:
    for part in path:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):  # pragma: no cover - only dictionaries are hung up here
            raise TypeError(part)
        tree = inner
    tree[""] = told


def _root(leaves: Sequence[bytes], width: int) -> bytes:
    row = [*leaves, *[bytes(32)] * (width - len(leaves))]
    while len(row) > 1:
        row = [hashlib.sha256(row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]
