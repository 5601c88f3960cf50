"""A drop that cannot be taken -> what an *arr tool can know it by: its info hash, else the file itself.

Rules of this file:

* Nothing here makes a drop good: what is returned is never handed in by itself.
* A hash is that of the one top-level ``info``, over its raw bytes, also where what it says is not sound.
  Where programs could disagree which hash counts there is none.
"""

from __future__ import annotations

import hashlib
from typing import Final

from offcloud_watchd.core.links.bencode import ROOT, Document
from offcloud_watchd.core.links.infohash import InfoHashes
from offcloud_watchd.core.links.magnet import write_magnet
from offcloud_watchd.core.links.torrent import inflate
from offcloud_watchd.core.model import Link, LinkKind
from offcloud_watchd.errors import BadDrop

_V1_KEYS: Final = frozenset({b"pieces", b"files", b"length"})
_KEYS: Final = frozenset({*_V1_KEYS, b"file tree"})


def unusable_link(name: str, data: bytes) -> Link:
    """Name what a drop is that was refused; ``name`` is that of its file, without the ending. Never raises.

    Without a hash two files are the same when name and bytes are.
    """
    hashes = _told_hashes(data)
    if hashes is None:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape") + b"\0" + data).hexdigest()
        return Link(LinkKind.FILE, f"file:{digest[:40]}", "", name)
    magnet = write_magnet(hashes, [("dn", name)])
    return Link(LinkKind.TORRENT, hashes.key, magnet, name, hashes.v1, hashes.v2)


def _told_hashes(data: bytes) -> InfoHashes | None:
    try:
        document = Document(inflate(data))
    except BadDrop:
        return None
    info = document.fields(ROOT, frozenset({b"info"})).get(b"info")
    if info is None or not document.is_dict(info) or document.count(ROOT, b"info") > 1:
        return None
    said = document.fields(info, _KEYS).keys()
    raw = document.span(info)
    hashes = InfoHashes(
        v1=hashlib.sha1(raw, usedforsecurity=False).hexdigest() if said & _V1_KEYS else None,
        v2=hashlib.sha256(raw).hexdigest() if b"file tree" in said else None,
    )
    return hashes if said else None
