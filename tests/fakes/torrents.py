"""Torrents made for tests: v1, v2 and hybrid, by the letter of the specifications and by nobody's library."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

BLOCK_BYTES = 16 * 1024


@dataclass(frozen=True)
class Content:
    """One file of a torrent; ``pad`` makes it padding."""

    path: str
    data: bytes
    pad: bool = False


def bencoded(value: object) -> bytes:
    """Encode a value; dictionaries are sorted."""
    match value:
        case int():
            return b"i%de" % value
        case bytes():
            return b"%d:%s" % (len(value), value)
        case str():
            return bencoded(value.encode())
        case dict():
            pairs = sorted(
                (key if isinstance(key, bytes) else key.encode(), one) for key, one in value.items()
            )
            return b"d" + b"".join(bencoded(key) + bencoded(one) for key, one in pairs) + b"e"
        case list():
            return b"l" + b"".join(map(bencoded, value)) + b"e"
        case _:
            raise TypeError(value)


def torrent(
    contents: Sequence[Content],
    *,
    name: str = "Root",
    piece_bytes: int = BLOCK_BYTES,
    v1: bool = True,
    v2: bool = False,
    layers: bool = True,
    single: bool = False,
) -> bytes:
    """Make a torrent of some files; ``layers``: v2's piece layers are told."""
    info: dict[str, object] = {"name": name, "piece length": piece_bytes}
    top: dict[str, object] = {"info": info}
    if v1:
        row = b"".join(one.data for one in contents)
        pieces = (row[at : at + piece_bytes] for at in range(0, len(row), piece_bytes))
        info["pieces"] = b"".join(hashlib.sha1(piece).digest() for piece in pieces)
        if single:
            info["length"] = len(contents[0].data)
        else:
            info["files"] = [_v1_file(one) for one in contents]
    if v2:
        info["meta version"] = 2
        info["file tree"] = tree = {}
        known = [one for one in contents if not one.pad]
        for one in known:
            _hang(tree, one)
        if layers:
            top["piece layers"] = {
                root(one.data): layer(one.data, piece_bytes) for one in known if len(one.data) > piece_bytes
            }
    return bencoded(top)


def padded(contents: Sequence[Content], piece_bytes: int) -> list[Content]:
    """Put padding between files, so that each begins with a piece of its own, as a hybrid must."""
    row: list[Content] = []
    offset = 0
    for one in contents:
        gap = -offset % piece_bytes if one.data else 0
        if gap:
            row.append(Content(f".pad/{gap}", bytes(gap), pad=True))
        row.append(one)
        offset += gap + len(one.data)
    return row


def _v1_file(one: Content) -> dict[str, object]:
    file: dict[str, object] = {"length": len(one.data), "path": list(one.path.split("/"))}
    return {**file, "attr": "p"} if one.pad else file


def _hang(tree: dict[str, object], one: Content) -> None:
    *folders, name = one.path.split("/")
    for folder in folders:
        tree = tree.setdefault(folder, {})
    told: dict[str, object] = {"length": len(one.data)}
    if one.data:
        told["pieces root"] = root(one.data)
    tree[name] = {"": told}


def merkle(leaves: list[bytes], width: int) -> bytes:
    """Hash leaves up to their root; missing ones are zeros."""
    row = leaves + [bytes(32)] * (width - len(leaves))
    while len(row) > 1:
        row = [hashlib.sha256(row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def _leaves(data: bytes) -> list[bytes]:
    return [hashlib.sha256(data[at : at + BLOCK_BYTES]).digest() for at in range(0, len(data), BLOCK_BYTES)]


def root(data: bytes) -> bytes:
    """Return the Merkle root of a file."""
    leaves = _leaves(data)
    return merkle(leaves, 1 << (len(leaves) - 1).bit_length())


def layer(data: bytes, piece_bytes: int) -> bytes:
    """Return the piece layer of a file."""
    width = piece_bytes // BLOCK_BYTES
    leaves = _leaves(data)
    return b"".join(merkle(leaves[at : at + width], width) for at in range(0, len(leaves), width))
