"""What a submitted link means to the sandbox: its content key, its name, and its markers.

Rules of this file:

* It reads links by itself and not with ``core.links``: a judge that used the accused's own parser would see
  nothing. It also takes what a careful client never sends, because the service does so too.
* Pure. Nothing here raises: what cannot be read is a link of kind ``bad`` or ``zombie``.

A marker is a word that makes content behave in a special way. It is found as ``[word]`` in a magnet's ``dn``
or in the last part of an address, as the first label of an address's host (``http://fail.example/a.bin``),
or as the first eight digits of an info hash (``HASH_MARKERS``). ``offcloud_watchd.sandbox`` lists the words.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

Kind = Literal["torrent", "url", "zombie", "bad"]

MARKERS: Final = frozenset(
    "bad cached fail flaky junk odd premium single slow stuck tree zombie".split()  # noqa: SIM905 - a word list
)
HASH_MARKERS: Final = {"cac4ed00": "cached", "dead0000": "fail", "510e0000": "slow"}

NAME_CHARS: Final = 200
_V1: Final = re.compile(r"urn:btih:(?:([0-9a-f]{40})|([a-z2-7]{32}))", re.IGNORECASE)
_BRACKETS: Final = re.compile(r"\[([a-z]+)\]")
_NOT_IN_NAMES: Final = re.compile(r"[/\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Source:
    """One submitted link, read.

    ``key`` is ``btih:HEX`` for torrents and ``url:URL`` for all else, as in ``core.model``; a torrent that
    the sandbox is about to make has ``own:NAME``. ``name`` is empty where the link tells none. A ``zombie``
    is a magnet the service takes and never finishes; a ``bad`` link is one it refuses.
    """

    link: str
    key: str
    kind: Kind
    name: str = ""
    info_hash: str = ""
    trackers: tuple[str, ...] = ()
    markers: frozenset[str] = frozenset()


def read_source(link: str) -> Source:
    """Read a link as it was submitted; never raises."""
    link = link.strip().encode("utf-8", "replace").decode()
    if link[:8].lower() == "magnet:?":
        return _magnet(link)
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError:
        return Source(link, f"url:{link}", "bad")
    if parts.scheme not in ("http", "https", "ftp") or not host:
        return Source(link, f"url:{link}", "bad")
    name = _clean(unquote(parts.path.rstrip("/").rpartition("/")[2]) or host)
    markers = marked(name) | (MARKERS & {host.partition(".")[0]})
    return Source(link, f"url:{link}", "bad" if "bad" in markers else "url", name, markers=markers)


def source_of_key(key: str) -> Source:
    """Read a content key as if its plainest link had been submitted; a link is taken as it is."""
    if key.startswith("btih:"):
        return read_source(f"magnet:?xt=urn:{key}")
    return read_source(key.removeprefix("url:"))


def source_of_name(name: str) -> Source:
    """Return what stands behind a torrent of the sandbox's own, before its info hash is known.

    Its content follows from the name alone. The name is cleaned, and may be empty afterwards.
    """
    cleaned = _clean(name.encode("utf-8", "replace").decode())
    return Source("", f"own:{cleaned}", "torrent", cleaned, markers=marked(cleaned))


def _magnet(link: str) -> Source:
    fields = parse_qs(link[8:])
    topics = [value for name, values in fields.items() if name.partition(".")[0] == "xt" for value in values]
    info_hash = next(filter(None, map(_info_hash, topics)), "")
    name = _clean(next(iter(fields.get("dn", ())), ""))
    markers = marked(name) | _hash_markers(info_hash)
    if not info_hash:
        # Such a magnet is taken and stays ``created`` for ever. Source: debrid-media-manager
        # src/services/offcloud.ts, measured 2026-09.
        return Source(link, f"url:{link}", "zombie", name, markers=markers | {"zombie"})
    kind: Kind = "zombie" if "zombie" in markers else "torrent"
    trackers = tuple(fields.get("tr", ()))
    return Source(link, f"btih:{info_hash}", kind, name, info_hash, trackers, markers)


def _info_hash(topic: str) -> str:
    found = _V1.fullmatch(topic)
    if found is None:
        return ""
    digits, letters = found.groups()
    return str(digits).lower() if digits else base64.b32decode(letters.upper()).hex()


def _hash_markers(info_hash: str) -> frozenset[str]:
    word = HASH_MARKERS.get(info_hash[:8])
    return frozenset((word,)) if word else frozenset()


def marked(name: str) -> frozenset[str]:
    """Return the markers in a name."""
    return MARKERS.intersection(_BRACKETS.findall(name.lower()))


def _clean(name: str) -> str:
    """Keep a name inside one path segment and one line, as the service's plain lists need it."""
    return _NOT_IN_NAMES.sub("_", name)[:NAME_CHARS].strip()
