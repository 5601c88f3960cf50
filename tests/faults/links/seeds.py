"""What mutations and the fuzzer begin with: the shared corpus where it is, and a few inputs of every kind."""

from __future__ import annotations

import base64
import json
import plistlib
from typing import Any

from tests.contract.test_corpus import CORPUS, MANIFEST
from tests.unit.core.links.makers import (
    bencode,
    leaf,
    merkle_root,
    piece_layer,
    torrent,
    v1_files,
    v1_info,
    v2_info,
)

HEX = "0123456789abcdef0123456789abcdef01234567"
_V2_HEX = "ab" * 32
NZB = """<?xml version="1.0"?>
<!DOCTYPE nzb PUBLIC "-//newzBin//DTD NZB 1.1//EN" "http://www.newzbin.com/DTD/nzb/nzb-1.1.dtd">
<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb"><head><meta type="title">x</meta></head>
<file poster="p" date="1" subject="s"><groups><group>a.b</group></groups><segments>
<segment bytes="10" number="1">m@x</segment><segment bytes="5" number="2">n@x</segment>
</segments></file></nzb>
"""
SWELLING = """<?xml version="1.0"?>
<!DOCTYPE plist [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><plist><string>&b;</string></plist>
"""
_URL = "https://example.com/a?b=100%25&c=%20"


def own_torrents() -> list[bytes]:
    """Make torrents of all three kinds, small and sound."""
    two = [{"length": 10, "path": ["a", "b.mkv"]}, {"length": 5, "path": ["c"], "attr": "p"}]
    content = bytes(range(256)) * 200
    root = merkle_root(content)
    tree = {"d": {"big": leaf(len(content), root)}, "small": leaf(7, b"s" * 32)}
    layers = {root: piece_layer(content, 16384)}
    both = {**v2_info({"x": leaf(9)}), **v1_info(length=9, name="x", pieces=b"p" * 20, piece_length=16384)}
    return [
        torrent(v1_info(private=1), announce="http://t/a", **{"url-list": "http://w/"}),
        torrent(
            v1_files(*two, name="dir"),
            **{"announce-list": [["http://t"], ["udp://u"]], "httpseeds": ["http://h"]},
        ),
        bencode({"info": v2_info(tree), "piece layers": layers}),
        torrent(dict(sorted(both.items()))),
    ]


def corpus_torrents() -> dict[str, bytes]:
    """Read every .torrent of the shared corpus; empty where the corpus is absent."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / "torrents").glob("*"))}


def texts() -> list[bytes]:
    """Return magnets, shortcuts, lists and XML of every kind."""
    own = [
        f"magnet:?xt=urn:btih:{HEX}&xt.2=urn:btmh:1220{_V2_HEX}&dn=a+b&tr=http%3A%2F%2Ft&amp;ws=http://w",
        f"magnet%3A%3Fxt%3Durn%3Abtih%3A{HEX}%26dn%3Dx",
        f"# list\r\n{HEX}\r\n- <{_URL}>,\n1. {_URL} # remark\n(magnet:?xt=urn:btih:{HEX.upper()})",
        f"[url={_URL}]x[/url] text <a href='{_URL}'>x</a>; {HEX} # remark",
        f"[InternetShortcut]\r\nURL={_URL}\r\nIconFile=x\r\n[InternetShortcut.W]\r\nURL=+AOk-",
        f"[Desktop Entry]\nType=Link\nName=x\nURL[$e]={_URL}\\s\n",
        NZB,
        "<!DOCTYPE html><html><head><title>Log in</title></head><body></body></html>",
        SWELLING,
        "http://[::1]:80/ http://u:p@h/ file:///etc/passwd javascript:alert(1) ftp://h/ http://bücher.example/\u200b",
    ]
    found = [text.encode() for text in own]
    found += [found[2].decode().encode(encoding) for encoding in ("utf-16", "utf-16-be", "utf-32", "latin-1")]
    found += [plistlib.dumps({"URL": _URL}, fmt=form) for form in (plistlib.FMT_XML, plistlib.FMT_BINARY)]
    return found + _corpus_texts()


def _corpus_texts() -> list[bytes]:
    if not MANIFEST.is_file():
        return []
    manifest: dict[str, list[dict[str, Any]]] = json.loads(MANIFEST.read_text("utf-8"))
    magnets = [
        base64.b64decode(one["uri_base64"]) if "uri_base64" in one else one["uri"].encode()
        for one in manifest["magnets"]
    ]
    files = [(CORPUS / one["file"]).read_bytes() for one in manifest["text"]]
    return magnets + [data for data in files if len(data) < 20_000]
