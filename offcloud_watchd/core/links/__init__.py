"""Bytes of a drop -> links. Pure; this is the only face of the package.

Rules of this package:

* Every input is hostile: it is bounded before it is parsed, and whatever it is, only ``BadDrop`` is raised.
* A torrent or magnet is known by its info hash, a web link by its mended spelling; equal things, equal keys.
* The text of a ``BadDrop`` is for a person and never repeats a link: it may be a secret.
* Nothing named in a drop is opened, fetched, looked up or run.
"""

from offcloud_watchd.core.links.drop import MAX_TEXT_BYTES, info_hashes, parse, parse_link
from offcloud_watchd.core.links.infohash import InfoHashes
from offcloud_watchd.core.links.magnet import MAX_MAGNET_CHARS
from offcloud_watchd.core.links.nzb import Nzb, is_nzb_of, nzb_link, parse_nzb
from offcloud_watchd.core.links.remarks import remarks
from offcloud_watchd.core.links.torrent import (
    MAX_DROP_BYTES,
    Metainfo,
    TorrentFile,
    inflate,
    is_magnet_enough,
    parse_torrent,
    torrent_for,
)
from offcloud_watchd.core.links.unusable import unusable_link

__all__ = [
    "MAX_DROP_BYTES",
    "MAX_MAGNET_CHARS",
    "MAX_TEXT_BYTES",
    "InfoHashes",
    "Metainfo",
    "Nzb",
    "TorrentFile",
    "inflate",
    "info_hashes",
    "is_magnet_enough",
    "is_nzb_of",
    "nzb_link",
    "parse",
    "parse_link",
    "parse_nzb",
    "parse_torrent",
    "remarks",
    "torrent_for",
    "unusable_link",
]
