"""The v2 half of a torrent: its file tree and its piece layers. Source: BEP 52.

Rules of this file:

* The walk is iterative; the depth is bounded by the scan already.
* A tree that two programs could read in two ways is refused: a hash of it would promise more than it holds.
* A piece layer is taken only when it hashes to the root its file names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.links.bencode import Document, Node
from offcloud_watchd.errors import BadDrop

BLOCK_BYTES: Final = 16 * 1024
MAX_PIECES: Final = 2_097_152
"""No torrent of more pieces is taken. Source: libtorrent's own limit, load_torrent_limits::max_pieces."""
MAX_PATH_PARTS: Final = 4_000_000
"""Depth times files: a tree of few bytes may stand for very long paths."""

_FILE_KEYS = frozenset({b"length", b"pieces root", b"attr", b"symlink path"})
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One leaf of the tree; ``root`` is empty for an empty file, ``layer`` when the file is one piece.

    ``path`` is text, unsafe as it came; files of one directory share the strings of its name.
    """

    path: tuple[str, ...]
    size_bytes: int
    root: bytes = b""
    layer: bytes = b""
    symlink: bool = False


def tree_files(document: Document, tree: Node, piece_bytes: int, layers: Node | None) -> list[TreeFile]:
    """Read the files of a v2 torrent in the order of its tree. Raise ``BadDrop`` when it is not sound.

    ``layers`` is the dictionary beside ``info``; without it the files are known but not their pieces.
    """
    if piece_bytes < BLOCK_BYTES or piece_bytes & (piece_bytes - 1):
        raise BadDrop("the torrent is damaged: a v2 piece length must be a power of two, at least 16 KiB")
    leaves = list(_leaves(document, tree, piece_bytes))
    known: dict[bytes, set[int]] = {}
    for leaf in leaves:
        if leaf.size_bytes > piece_bytes:
            known.setdefault(leaf.root, set()).add(leaf.size_bytes)
    read = dict(_layers(document, layers, known, piece_bytes))
    return [
        TreeFile(leaf.path, leaf.size_bytes, leaf.root, read.get(leaf.root, b""), leaf.symlink)
        for leaf in leaves
    ]


def _leaves(document: Document, tree: Node, piece_bytes: int) -> Iterator[TreeFile]:
    """Walk over the tree depth first, in its own order."""
    pieces, parts = 0, 0
    walks: list[tuple[tuple[str, ...], Iterator[tuple[bytes, Node]]]] = [((), document.items(tree))]
    while walks:
        path, walk = walks[-1]
        name, node = next(walk, (None, None))
        if name is None or node is None:
            walks.pop()
            continue
        if not name or not document.is_dict(node):
            raise BadDrop("the torrent is damaged: its file tree holds something that is no file")
        within = (*path, name.decode("utf-8", "replace"))
        inside = list(document.items(node))
        leaf = next((value for key, value in inside if not key), None)
        if leaf is None:
            walks.append((within, iter(inside)))
            continue
        if len(inside) > 1:
            raise BadDrop("the torrent is damaged: something in its file tree is a file and a directory")
        file = _leaf(document, leaf, within)
        pieces += -(-file.size_bytes // piece_bytes)
        parts += len(within)
        if pieces > MAX_PIECES or parts > MAX_PATH_PARTS:
            raise BadDrop(f"the torrent has more than {MAX_PIECES} pieces, or too many or too deep files")
        yield file


def _leaf(document: Document, node: Node, path: tuple[str, ...]) -> TreeFile:
    fields = document.fields(node, _FILE_KEYS)
    attributes = document.string(fields.get(b"attr")) or b""
    if b"l" in attributes:
        if any(document.string(one) is None for one in document.elements(fields.get(b"symlink path"))):
            raise BadDrop("the torrent is damaged: a symbolic link in it leads nowhere")
        return TreeFile(path, 0, symlink=True)
    size_bytes = document.integer(fields.get(b"length"))
    root = document.string(fields.get(b"pieces root")) or b""
    if size_bytes is None or size_bytes < 0:
        raise BadDrop("the torrent is damaged: a file in its file tree has no valid length")
    if b"p" in attributes:
        raise BadDrop("the torrent is damaged: its file tree holds a padding file, which v2 does not have")
    if size_bytes and (len(root) != _DIGEST_BYTES or not any(root)):
        raise BadDrop("the torrent is damaged: a file in its file tree has no root hash")
    return TreeFile(path, size_bytes, root if size_bytes else b"")


def _layers(
    document: Document, layers: Node | None, known: Mapping[bytes, set[int]], piece_bytes: int
) -> Iterator[tuple[bytes, bytes]]:
    """Read the piece layers, each proved against the root it belongs to; ``known`` are the sizes by root."""
    for root, node in document.items(layers) if layers is not None else ():
        sizes, layer = known.get(root), document.string(node)
        if sizes is None or layer is None:
            raise BadDrop("the torrent is damaged: it holds a piece layer that belongs to no file")
        if len(sizes) > 1:
            raise BadDrop("the torrent is damaged: files of other sizes claim to be the same file")
        pieces = -(-max(sizes) // piece_bytes)
        if len(layer) != pieces * _DIGEST_BYTES or _root(layer, piece_bytes) != root:
            raise BadDrop("the torrent is damaged: a piece layer does not belong to its file")
        yield root, layer


def _root(layer: bytes, piece_bytes: int) -> bytes:
    """Hash a layer up to its root; what is missing to a power of two counts as pieces of zero blocks."""
    pad = bytes(_DIGEST_BYTES)
    while piece_bytes > BLOCK_BYTES:
        pad = hashlib.sha256(pad + pad).digest()
        piece_bytes //= 2
    row = [layer[at : at + _DIGEST_BYTES] for at in range(0, len(layer), _DIGEST_BYTES)]
    while len(row) > 1:
        if len(row) % 2:
            row.append(pad)
        row = [hashlib.sha256(row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
        pad = hashlib.sha256(pad + pad).digest()
    return row[0]
