"""Uploaded files: a torrent or an NZB gets an address, which can be submitted like any other.

Rules of this file:

* It reads torrents by itself and not with ``core.links``, for the reason ``source`` gives.
* What was uploaded is kept as what it means, not as bytes, and the number is capped.

Source: public clients of the classic service (offcloudbrid, offcloud-downloader); the official document has
no upload. How the address looks is not known: here it is the content's own name.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from offcloud_watchd.sandbox.source import Source, marked, read_source

MOST_UPLOADS: Final = 10_000
PATH: Final = "/torrent/uploaded/"
_TOKEN: Final = re.compile(rb"(\d{1,9}):|i-?\d{1,19}e|[dle]")
_NAME: Final = re.compile(rb"4:name(\d{1,4}):")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An uploaded file: its address and what it is called."""

    url: str
    name: str


class Uploads:
    """What was uploaded; every method may be called by any thread."""

    def __init__(self, base_url: Callable[[], str]) -> None:
        self._base_url = base_url
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}

    def add(self, name: str, data: bytes) -> Uploaded | None:
        """Take a file; None when it is neither a torrent nor an NZB."""
        stem, _, kind = name.rpartition(".")
        digest, named = (_torrent(data), _torrent_name(data)) if kind.lower() == "torrent" else ("", "")
        if kind.lower() == "nzb" and b"<nzb" in data[:4096].lower():
            digest, named = hashlib.sha1(data, usedforsecurity=False).hexdigest(), stem
        if not digest:
            return None
        url = f"{self._base_url()}{PATH}{digest}.{kind.lower()}"
        source = _meant(url, digest, named, is_nzb=kind.lower() == "nzb")
        with self._lock:
            if len(self._sources) < MOST_UPLOADS:
                self._sources[url] = source
        return Uploaded(url, name)

    def source(self, link: str, name: str) -> Source | None:
        """Return what an uploaded file's address means, called ``name`` if that is given."""
        source = self._sources.get(link.strip())
        if source is None or not name:
            return source
        # An NZB names nothing itself: what it is to be called tells how it behaves.
        markers = marked(name) if source.key.startswith("nzb:") else frozenset()
        return replace(source, name=name[:200], markers=source.markers | markers)


def _meant(url: str, digest: str, name: str, *, is_nzb: bool) -> Source:
    if is_nzb:
        return Source(url, f"nzb:{digest}", "url", name)
    return replace(read_source(f"magnet:?xt=urn:btih:{digest}"), link=url, name=name)


def _torrent(data: bytes) -> str:
    """Return the info hash of a torrent file; empty when it is none."""
    try:
        start, stop = _info(data)
    except ValueError:
        return ""
    return hashlib.sha1(data[start:stop], usedforsecurity=False).hexdigest()


def _torrent_name(data: bytes) -> str:
    try:
        start, stop = _info(data)
    except ValueError:
        return ""
    found = _NAME.search(data, start, stop)
    return data[found.end() : found.end() + int(found[1])].decode("utf-8", "replace") if found else ""


def _info(data: bytes) -> tuple[int, int]:
    """Return where the value of ``info`` begins and ends; raise ``ValueError`` when there is none."""
    place = 1
    while data[:1] == b"d" and data[place : place + 1] not in (b"e", b""):
        key_end = _end(data, place)
        value_end = _end(data, key_end)
        if data[place:key_end] == b"4:info":
            return key_end, value_end
        place = value_end
    raise ValueError("no info")


def _end(data: bytes, place: int) -> int:
    """Return where the value that begins at ``place`` ends."""
    depth = 0
    while True:
        token = _TOKEN.match(data, place)
        if token is None:
            raise ValueError("not bencoded")
        place = token.end() + int(token[1] or 0)
        depth += {b"d": 1, b"l": 1, b"e": -1}.get(token[0], 0)
        if depth <= 0:
            return place
