"""Torrents made on the spot, with a small bencoder of its own that sorts nothing and checks nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

BLOCK_BYTES = 16 * 1024

Bencodable = int | str | bytes | Sequence[Any] | Mapping[Any, Any]


def bencode(value: Bencodable) -> bytes:
    """Write a value, keys in the order they are given."""
    match value:
        case int():
            return b"i%de" % value
        case str():
            return bencode(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case Mapping():
            return b"d" + b"".join(bencode(key) + bencode(one) for key, one in value.items()) + b"e"
        case _:
            return b"l" + b"".join(map(bencode, value)) + b"e"


def v1_info(**changes: Any) -> dict[str, Any]:
    """Make the info of a torrent of one file with three pieces; ``_`` in a name stands for a space."""
    info = {"length": 100_000, "name": "hello.bin", "piece length": 40_000, "pieces": b"x" * 60}
    changes = {key.replace("_", " "): value for key, value in changes.items()}
    return {key: value for key, value in {**info, **changes}.items() if value is not None}


def v1_files(*files: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Make the info of a directory; the pieces fit the sizes."""
    size = sum(file.get("length", 0) for file in files if "l" not in file.get("attr", ""))
    return v1_info(length=None, files=files, pieces=b"x" * 20 * -(-size // 40_000), **changes)


def v2_info(tree: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Make the info of a v2 torrent around a file tree."""
    info = {"file tree": tree, "meta version": 2, "name": "second", "piece length": BLOCK_BYTES}
    changes = {key.replace("_", " "): value for key, value in changes.items()}
    return {key: value for key, value in {**info, **changes}.items() if value is not None}


def leaf(length: int, root: bytes = b"r" * 32, **more: Any) -> dict[str, Any]:
    """Make a file of a tree."""
    return {"": {"length": length, "pieces root": root, **more}}


def torrent(info: Mapping[str, Any], **top: Any) -> bytes:
    """Wrap an info; ``_`` in a name stands for a space."""
    return bencode({**{key.replace("_", " "): value for key, value in top.items()}, "info": info})


def v1_hash(info: Mapping[str, Any]) -> str:
    """Hash an info as v1 does."""
    return hashlib.sha1(bencode(info)).hexdigest()


def v2_hash(info: Mapping[str, Any]) -> str:
    """Hash an info as v2 does."""
    return hashlib.sha256(bencode(info)).hexdigest()


def merkle_root(content: bytes) -> bytes:
    """Hash content block by block, filled up with zero hashes to a power of two."""
    blocks = [content[at : at + BLOCK_BYTES] for at in range(0, len(content), BLOCK_BYTES)]
    row = [hashlib.sha256(block).digest() for block in blocks]
    while len(row) & (len(row) - 1):
        row.append(bytes(32))
    while len(row) > 1:
        row = [hashlib.sha256(row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def piece_layer(content: bytes, piece_bytes: int) -> bytes:
    """Hash content piece by piece; the last piece is filled up with zero hashes."""
    blocks = [content[at : at + BLOCK_BYTES] for at in range(0, len(content), BLOCK_BYTES)]
    leaves = [hashlib.sha256(block).digest() for block in blocks]
    per_piece = piece_bytes // BLOCK_BYTES
    leaves += [bytes(32)] * (-len(leaves) % per_piece)
    pieces = [leaves[at : at + per_piece] for at in range(0, len(leaves), per_piece)]
    return b"".join(map(_reduced, pieces))


def _reduced(row: list[bytes]) -> bytes:
    while len(row) > 1:
        row = [hashlib.sha256(row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]
