"""Metainfo files (.torrent), v1, v2 and hybrid -> what they name. Source: BEP 3, 12, 17, 19, 27, 47, 52.

Rules of this file:

* An info hash is taken over the raw bytes of the one top-level ``info``; nothing is encoded again.
* v1 counts when ``pieces`` is there with ``length`` or ``files``; v2 when ``meta version`` is 2 and there is
  a ``file tree``. Whatever counts must be sound: sizes, pieces and both file lists must agree.
* Names come out as they stand, unsafe: they are made safe where a file is written, not here.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Final

from offcloud_watchd.core.links.bencode import ROOT, Document, Node
from offcloud_watchd.core.links.filetree import TreeFile, tree_files
from offcloud_watchd.core.links.infohash import InfoHashes
from offcloud_watchd.core.links.magnet import write_magnet
from offcloud_watchd.core.model import Link, LinkKind
from offcloud_watchd.errors import BadDrop

MAX_DROP_BYTES: Final = 32 * 1024 * 1024
"""No drop of more bytes is read, packed or not."""

GZIP: Final = b"\x1f\x8b"
MAX_PIECE_BYTES: Final = 2**30 - 1  # libtorrent's own limit
MAX_FILE_BYTES: Final = 2**48
MAX_ADDRESSES: Final = 10_000
MAX_NAME_CHARS: Final = 1024
"""What a magnet tells of a name: one of megabytes would leave no room for a tracker."""

MAX_REPEATED_PATHS: Final = 50
"""How many files may share a path with another one; with more, files would be lost in each other."""

_TOP_KEYS = frozenset({b"info", b"announce", b"announce-list", b"url-list", b"httpseeds", b"piece layers"})
_INFO_KEYS = frozenset(
    {
        *(b"name", b"name.utf-8", b"private", b"piece length", b"pieces", b"length", b"files"),
        *(b"meta version", b"file tree"),
    }
)
_FILE_KEYS = frozenset({b"length", b"path", b"path.utf-8", b"attr", b"symlink path"})
_SHA1_BYTES = 20
_PAD_PREFIX = "_____padding_file_"  # BitComet's padding files carry no attribute


@dataclass(frozen=True, slots=True)
class TorrentFile:
    """One file of a torrent; ``path`` is unsafe as it came and holds the name alone in a one-file torrent.

    ``pad`` files are not delivered but take part in the v1 pieces. ``root`` and ``layer`` are v2's: the
    Merkle root of the file, and the SHA-256 hashes of its pieces (empty when it is one piece, or untold).
    """

    path: tuple[str, ...]
    size_bytes: int
    pad: bool = False
    symlink: bool = False
    root: bytes = b""
    layer: bytes = b""


@dataclass(frozen=True, slots=True)
class Metainfo:
    """What a .torrent says, enough to submit it and to check its pieces.

    ``files`` are in the order of the pieces, pad files included; ``single`` tells a torrent of one file from
    a directory called ``name``. ``pieces`` are v1's SHA-1 hashes in one string, empty when it is v2 only.
    ``size_bytes`` leaves pad files out. ``web_seeds`` are BEP 19's, ``http_seeds`` BEP 17's.
    """

    hashes: InfoHashes
    name: str
    private: bool
    trackers: tuple[str, ...]
    web_seeds: tuple[str, ...]
    http_seeds: tuple[str, ...]
    piece_length_bytes: int
    pieces: bytes
    files: tuple[TorrentFile, ...]
    single: bool

    @property
    def info_hash_v1(self) -> str | None:
        """SHA-1 of ``info``, 40 hex digits; None when the torrent is v2 only."""
        return self.hashes.v1

    @property
    def info_hash_v2(self) -> str | None:
        """SHA-256 of ``info``, 64 hex digits; None when the torrent is v1 only."""
        return self.hashes.v2

    @property
    def size_bytes(self) -> int:
        """How much there is to fetch: all files that are not padding."""
        return sum(file.size_bytes for file in self.files if not file.pad)


def parse_torrent(data: bytes) -> Metainfo:
    """Read a .torrent, gzip'ed or not. Raise ``BadDrop`` when it is damaged or names nothing to fetch."""
    document = Document(inflate(data))
    if not document.is_dict(ROOT):
        raise BadDrop("this is no torrent: a torrent is a bencoded dictionary")
    top = document.fields(ROOT, _TOP_KEYS)
    if b"info" not in top or not document.is_dict(top[b"info"]):
        raise BadDrop("the torrent has no info dictionary, so there is nothing to fetch. Download it again")
    if document.count(ROOT, b"info") > 1:
        raise BadDrop("the torrent has two info dictionaries; programs disagree which one counts")
    info = document.fields(top[b"info"], _INFO_KEYS)
    if not document.is_list(info.get(b"files")):
        info.pop(b"files", None)
    name, piece_bytes = _name(document, info), _piece_bytes(document, info)
    hashes = _hashes(document, top[b"info"], info)
    files, single = _files(document, info, hashes, name, top.get(b"piece layers"))
    _check_sizes(files)
    pieces = b"" if hashes.v1 is None else _pieces(document, info, files, piece_bytes)
    return Metainfo(
        hashes=hashes,
        name=name,
        private=document.integer(info.get(b"private")) not in (None, 0),
        trackers=_trackers(document, top),
        web_seeds=_addresses(document, [top.get(b"url-list")]),
        http_seeds=_addresses(document, [top.get(b"httpseeds")]),
        piece_length_bytes=piece_bytes,
        pieces=pieces,
        files=files,
        single=single,
    )


def torrent_for(link: Link, data: bytes) -> Metainfo | None:
    """Read bytes as the torrent a link was made of; None where they are another one's, or no torrent."""
    try:
        metainfo = parse_torrent(data)
    except BadDrop:
        return None
    known = {link.info_hash_v1, link.info_hash_v2} - {None}
    return metainfo if known & {metainfo.info_hash_v1, metainfo.info_hash_v2} else None


def is_magnet_enough(metainfo: Metainfo) -> bool:
    """Tell whether whoever gets the magnet can be expected to find what the torrent is.

    The description must come from a peer. A private torrent's peers may be told of by its own trackers alone,
    which know whom they let in; without any tracker only the DHT can tell of one. Source: BEP 9, 5, 27.
    """
    return bool(metainfo.trackers) and not metainfo.private


def inflate(data: bytes) -> bytes:
    """Undo gzip, which some sites leave on, within the bound; other bytes are returned as they are.

    Raise ``BadDrop`` when the packed bytes are damaged, end too early or unpack to too much.
    """
    if not data.startswith(GZIP):
        return data
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data, MAX_DROP_BYTES + 1)
    except zlib.error:
        raise BadDrop("the file is compressed (gzip) and damaged. Download it again") from None
    if len(plain) > MAX_DROP_BYTES:
        raise BadDrop(f"the file is compressed (gzip) and unpacks to more than {MAX_DROP_BYTES // 2**20}MiB")
    if not stream.eof:
        raise BadDrop("the file is compressed (gzip) and ends too early. Download it again")
    return plain


def torrent_link(metainfo: Metainfo) -> Link:
    """Turn a torrent into the magnet that says the most of it: hashes, name, trackers and web seeds, all."""
    parameters = [
        *([("dn", metainfo.name[:MAX_NAME_CHARS])] if metainfo.name else []),
        *(("tr", tracker) for tracker in metainfo.trackers),
        *(("ws", seed) for seed in dict.fromkeys((*metainfo.web_seeds, *metainfo.http_seeds))),
    ]
    return Link(
        kind=LinkKind.TORRENT,
        key=metainfo.hashes.key,
        url=write_magnet(metainfo.hashes, parameters),
        name=metainfo.name or None,
        info_hash_v1=metainfo.info_hash_v1,
        info_hash_v2=metainfo.info_hash_v2,
        size_bytes=metainfo.size_bytes,
        private=metainfo.private,
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _name(document: Document, info: dict[bytes, Node]) -> str:
    raw = document.string(info.get(b"name.utf-8"))
    if raw is None:
        raw = document.string(info.get(b"name"))
    if raw is None or (raw and not raw.strip(b"\0")):
        raise BadDrop("the torrent has no name. Download it again")
    return _text(raw)


def _piece_bytes(document: Document, info: dict[bytes, Node]) -> int:
    piece_bytes = document.integer(info.get(b"piece length"))
    if piece_bytes is None or not 0 < piece_bytes <= MAX_PIECE_BYTES:
        raise BadDrop("the torrent is damaged: its piece length is missing or out of bounds")
    return piece_bytes


def _hashes(document: Document, info: Node, fields: dict[bytes, Node]) -> InfoHashes:
    is_v1 = document.string(fields.get(b"pieces")) is not None and (b"length" in fields or b"files" in fields)
    tree = fields.get(b"file tree")
    is_v2 = document.integer(fields.get(b"meta version")) == 2 and tree is not None and document.is_dict(tree)
    if not is_v1 and not is_v2:
        raise BadDrop("the torrent has neither piece hashes (v1) nor a file tree (v2): nothing to fetch")
    if is_v2 and not is_v1 and not fields.keys().isdisjoint((b"pieces", b"length", b"files")):
        raise BadDrop("the torrent is damaged: it has parts of a v1 half; programs disagree on its v1 hash")
    raw = document.span(info)
    return InfoHashes(
        # The format is defined over SHA-1; nothing here rests on its strength.
        v1=hashlib.sha1(raw, usedforsecurity=False).hexdigest() if is_v1 else None,
        v2=hashlib.sha256(raw).hexdigest() if is_v2 else None,
    )


def _files(
    document: Document, info: dict[bytes, Node], hashes: InfoHashes, name: str, layers: Node | None
) -> tuple[tuple[TorrentFile, ...], bool]:
    """Read the files of both halves; where there are two, they must agree and are brought together."""
    v1, v2 = [], []
    if hashes.v1 is not None:
        v1 = list(_v1_files(document, info, name))
    if hashes.v2 is not None:
        v2 = tree_files(document, info[b"file tree"], _piece_bytes(document, info), layers)
    if hashes.v1 is None:
        files = [_v2_file(leaf) for leaf in v2]
        return tuple(files), len(files) == 1 and files[0].path == (name,)
    single = b"files" not in info
    return tuple(v1 if hashes.v2 is None else _both(v1, v2, _piece_bytes(document, info))), single


def _v2_file(leaf: TreeFile) -> TorrentFile:
    return TorrentFile(leaf.path, leaf.size_bytes, symlink=leaf.symlink, root=leaf.root, layer=leaf.layer)


def _both(v1: Iterable[TorrentFile], v2: list[TreeFile], piece_bytes: int) -> Iterator[TorrentFile]:
    """Give the v1 files their v2 roots. The lists must name the same files: order, path, size and place.

    In v2 every file begins with a piece of its own; v1 comes to that by padding.
    """
    leaves, offset_bytes = iter(v2), 0
    for file in v1:
        if file.size_bytes and not file.pad and offset_bytes % piece_bytes:
            raise BadDrop("the torrent is damaged: its v1 and its v2 half cut the files into other pieces")
        offset_bytes += file.size_bytes
        if file.pad:
            yield file
            continue
        leaf = next(leaves, None)
        if leaf is None or leaf.path != file.path or leaf.size_bytes != file.size_bytes:
            raise BadDrop("the torrent is damaged: its v1 and its v2 half name different files")
        yield replace(file, root=leaf.root, layer=leaf.layer)
    if next(leaves, None) is not None:
        raise BadDrop("the torrent is damaged: its v2 half names more files than its v1 half")


def _v1_files(document: Document, info: dict[bytes, Node], name: str) -> Iterator[TorrentFile]:
    if b"files" not in info:
        yield TorrentFile((name,), _length(document, info))
        return
    for node in document.elements(info[b"files"]):
        fields = document.fields(node, _FILE_KEYS)
        attributes = document.string(fields.get(b"attr")) or b""
        path = _path(document, fields, attributes)
        symlink = b"l" in attributes
        if symlink and not all(_components(document, fields.get(b"symlink path"))):
            raise BadDrop("the torrent is damaged: a symbolic link in it leads nowhere")
        size_bytes = 0 if symlink else _length(document, fields)
        pad = b"p" in attributes or path[-1].startswith(_PAD_PREFIX)
        yield TorrentFile(path, size_bytes, pad, symlink)


def _length(document: Document, fields: dict[bytes, Node]) -> int:
    size_bytes = document.integer(fields.get(b"length"))
    if size_bytes is None or not 0 <= size_bytes <= MAX_FILE_BYTES:
        raise BadDrop("the torrent is damaged: a file in it has no valid length")
    return size_bytes


def _path(document: Document, fields: dict[bytes, Node], attributes: bytes) -> tuple[str, ...]:
    better = fields.get(b"path.utf-8")
    components = _components(document, better if document.is_list(better) else fields.get(b"path"))
    if not components and b"p" in attributes:  # it is never written, so it needs no name. Source: BEP 47
        return (_PAD_PREFIX,)
    if not components or None in components:
        raise BadDrop("the torrent is damaged: a file in it has no path")
    return tuple(_text(component) for component in components if component is not None)


def _components(document: Document, node: Node | None) -> list[bytes | None]:
    return [document.string(element) for element in document.elements(node)]


def _check_sizes(files: tuple[TorrentFile, ...]) -> None:
    delivered = [file for file in files if not file.pad]
    shared = len(delivered) - len({file.path for file in delivered})
    if shared > MAX_REPEATED_PATHS:
        raise BadDrop(f"the torrent names {shared} files twice; they would overwrite each other")
    if not any(file.size_bytes for file in delivered):
        raise BadDrop("the torrent holds no bytes: all its files are empty or padding")


def _pieces(
    document: Document, info: dict[bytes, Node], files: Iterable[TorrentFile], piece_bytes: int
) -> bytes:
    pieces = document.string(info[b"pieces"]) or b""
    needed = -(-sum(file.size_bytes for file in files) // piece_bytes)
    if len(pieces) != needed * _SHA1_BYTES:
        count = f"{len(pieces)} bytes of piece hashes instead of {needed * _SHA1_BYTES}"
        raise BadDrop(f"the torrent is damaged: it has {count}. Download it again")
    return pieces


def _trackers(document: Document, top: dict[bytes, Node]) -> tuple[str, ...]:
    """Return every tracker once. Tiers should be lists, but a flat list is common. Source: BEP 12."""
    tiers = top.get(b"announce-list")
    return _addresses(document, chain(document.elements(tiers), (top.get(b"announce"),)))


def _addresses(document: Document, nodes: Iterable[Node | None]) -> tuple[str, ...]:
    """Gather addresses from strings and lists of strings; what is neither, or not UTF-8, is passed over."""
    strings = (document.string(one) for node in nodes for one in chain((node,), document.elements(node)))
    addresses: dict[str, None] = {}
    for raw in islice(strings, MAX_ADDRESSES):
        try:
            address = (raw or b"").decode().strip()
        except UnicodeDecodeError:
            continue
        if address:
            addresses.setdefault(address)
    return tuple(addresses)
