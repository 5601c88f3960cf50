"""Inputs made to cost much: endless nesting, endless numbers, thousands of everything, bombs.

Each is small to write down here and as large as a drop may be, or as what was reported against other readers.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable

from tests.faults.links.seeds import HEX
from tests.unit.core.links.makers import bencode, torrent, v1_files, v1_info

MIB = 1024 * 1024
MAGNET = f"magnet:?xt=urn:btih:{HEX}".encode()
DIRECTORIES = 90


def _many_files(count: int) -> bytes:
    return torrent(v1_files(*({"length": 1, "path": [f"{number:06}"]} for number in range(count))))


def _deep_files(count: int) -> bytes:
    """Make a tree of few bytes whose paths are very long."""
    inside = b"".join(
        b"6:%06dd0:d6:lengthi1e11:pieces root32:%see" % (number, b"r" * 32) for number in range(count)
    )
    tree = b"d2:aa" * DIRECTORIES + b"d" + inside + b"e" * (DIRECTORIES + 1)
    head = b"d4:infod9:file tree"
    return head + tree + b"12:meta versioni2e4:name1:x12:piece lengthi16384eee"


def _trackers(count: int) -> list[list[str]]:
    return [[f"http://tracker-{number}.example/announce?passkey={HEX}"] for number in range(count)]


def _swelling_xml(root: str) -> bytes:
    """Make the billion laughs."""
    entities = "".join(f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 10))
    return (
        f'<?xml version="1.0"?><!DOCTYPE {root} [<!ENTITY a0 "lol">{entities}]><{root}>&a9;</{root}>'.encode()
    )


def _segments(count: int) -> bytes:
    one = b'<segment bytes="1" number="1">a@b</segment>'
    return b"<nzb><file><segments>" + one * count + b"</segments></file></nzb>"


HARD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "100,000 lists deep": ("torrent", lambda: b"d1:a" + b"l" * 100_000 + b"e" * 100_001),
    "a million open lists": ("torrent", lambda: b"d1:a" + b"l" * 1_000_000),
    "a million empty lists": (
        "torrent",
        lambda: b"d1:al" + b"le" * 1_000_000 + b"e4:info" + bencode(v1_info()) + b"e",
    ),
    "a string of 10^19": ("torrent", lambda: b"d4:info10000000000000000000:"),
    "a string of 10^9": ("torrent", lambda: b"d4:info1000000000:"),
    "a string of -1": ("torrent", lambda: b"d4:info-1:"),
    "an integer of 100,000 digits": ("torrent", lambda: b"d4:infod6:lengthi" + b"9" * 100_000 + b"eee"),
    "a length of 100,000 digits": ("torrent", lambda: b"d" + b"9" * 100_000 + b":ae"),
    "32 MiB of one string": (
        "torrent",
        lambda: torrent(v1_info(), comment=bytes(32 * MIB - 200)),
    ),
    "32 MiB of lists": ("torrent", lambda: b"d1:a" + b"l" * (32 * MIB - 4)),
    "32 MiB of pairs": ("torrent", lambda: b"d" + b"0:0:" * (8 * MIB - 1)),
    "100,000 files": ("torrent", lambda: _many_files(100_000)),
    "40,000 files 90 deep": ("torrent", lambda: _deep_files(40_000)),
    "60,000 files 90 deep": ("torrent", lambda: _deep_files(60_000)),
    "a path of 500,000 parts": ("torrent", lambda: torrent(v1_files({"length": 1, "path": ["a"] * 500_000}))),
    "10,000 trackers": ("torrent", lambda: torrent(v1_info(), **{"announce-list": _trackers(10_000)})),
    "a million web seeds": ("torrent", lambda: torrent(v1_info(), **{"url-list": ["http://a/"] * 1_000_000})),
    "a name of 8 MiB": ("torrent", lambda: torrent(v1_info(name="n" * (8 * MIB)))),
    "a gzip bomb": ("torrent", lambda: gzip.compress(bytes(64 * MIB))),
    "a magnet of 1 MiB": ("magnet", lambda: MAGNET + b"&dn=" + b"x" * MIB),
    "a magnet of 10,000 trackers": ("magnet", lambda: MAGNET + b"&tr=http://t/" * 10_000),
    "a magnet of 16 MiB of escapes": ("magnet", lambda: MAGNET + b"&dn=" + b"%25" * (5 * MIB)),
    "magnets of 64 KiB": ("txt", lambda: b"\n".join([MAGNET + b"&dn=" + b"+" * 65_000] * 200)),
    "16 MiB of line ends": ("txt", lambda: b"\n" * (16 * MIB - 1) + b"a"),
    "16 MiB of one line": ("txt", lambda: b"x" * (16 * MIB)),
    "16 MiB of short links": ("txt", lambda: b"http://a/\n" * (16 * MIB // 10)),
    "16 MiB of links in long lines": ("txt", lambda: (b"http://a/ " * 6_000 + b"\n") * 270),
    "90,000 links": ("txt", lambda: b"\n".join(b"http://a/%06d" % number for number in range(90_000))),
    "90,000 bad lines": ("txt", lambda: b"x\n" * 90_000 + b"http://a/"),
    "long lines of brackets": ("txt", lambda: (b"(" * 32_000 + b")" * 32_000 + b"\n") * 200),
    "long lines of links that end in brackets": ("txt", lambda: (b"http://a/" + b")" * 64_000 + b"\n") * 200),
    "long lines of markup": ("txt", lambda: (b"[url=http://a/" * 4_000 + b"\n") * 200),
    "16 MiB of odd bytes": ("txt", lambda: b"a\xff" * (8 * MIB)),
    "16 MiB of control codes": ("txt", lambda: b"\x01" * (16 * MIB)),
    "16 MiB of letters in many bytes": (
        "txt",
        lambda: ("http://a/" + "\u20ac" * 5_000 + "\n").encode() * 1_100,
    ),
    "16 MiB of comments before a page": ("txt", lambda: b"<!---->" * (2 * MIB) + b"<html>"),
    "a shortcut of 16 MiB": ("url", lambda: b"[InternetShortcut]\n" + b"a=b\n" * (4 * MIB - 8)),
    "a property list 20,000 deep": ("webloc", lambda: b"<plist>" + b"<array>" * 20_000),
    "a property list that swells": ("webloc", lambda: _swelling_xml("plist")),
    "an NZB that swells": ("nzb", lambda: _swelling_xml("nzb")),
    "an NZB 300,000 deep": ("nzb", lambda: b"<nzb>" + b"<file>" * 300_000),
    "an NZB of 500,000 segments": ("nzb", lambda: _segments(500_000)),
    "an NZB of one attribute": ("nzb", lambda: b'<nzb a="' + b"x" * (16 * MIB) + b'"/>'),
    "an NZB of one text": (
        "nzb",
        lambda: b"<nzb><file><segments><segment>" + b"x" * (16 * MIB) + b"</segment>",
    ),
}
"""Name -> extension and maker."""
