"""Magnet links: read what people and sites write, write what a service can read.

Rules of this file:

* Only ``magnet:?`` with a BitTorrent topic is a magnet here. Two different hashes of one kind are refused,
  because readers disagree about which of them counts.
* Every parameter is kept, in its order, with its own encoding; only what no parser could read is mended.
* Nothing is looked up and nothing unbounded: length and number of parameters are capped before anything else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, unquote, unquote_plus

from offcloud_watchd.core.links.infohash import InfoHashes, topic_hash
from offcloud_watchd.core.model import Link, LinkKind
from offcloud_watchd.errors import BadDrop

MAX_MAGNET_CHARS: Final = 64 * 1024
MAX_PARAMETERS: Final = 2_000

_SCHEME = re.compile(r"magnet(?::\?|(%3a)(?:\?|%3f))", re.IGNORECASE)
_KEY = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_AMPERSAND = re.compile(r"&(?:amp;|#0{0,4}38;|#x0{0,4}26;)+", re.IGNORECASE)
_NUMBER = re.compile(r"\.[0-9]+\Z")
_STRAY_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")
_SIZE = re.compile(r"[0-9]{1,18}")
_VALUE_SAFE = "%!$'()*+,;=:@/?~"


def is_magnet(text: str) -> bool:
    """Tell whether the text begins like a magnet link, in any case of letters, escaped as a whole or not."""
    return _SCHEME.match(text) is not None


def parse_magnet(text: str, line: int | None = None) -> Link:
    """Read one magnet link; ``line`` is passed on. Raise ``BadDrop`` when it names no torrent or two."""
    parameters = _parameters(text)
    hashes = _agreed(topic_hash(_plain(value)) for key, value in parameters if key == "xt")
    # Topics of other networks go: they mean nothing to the service, and its reader may take the wrong one.
    kept = tuple(dict.fromkeys((key, value) for key, value in parameters if key != "xt"))
    named = (unquote_plus(value).strip() for key, value in kept if key == "dn")
    sizes = (int(value) for key, value in kept if key == "xl" and _SIZE.fullmatch(value))
    return Link(
        kind=LinkKind.TORRENT,
        key=hashes.key,
        url=_written(hashes, kept),
        name=next((name for name in named if name), None),
        info_hash_v1=hashes.v1,
        info_hash_v2=hashes.v2,
        size_bytes=next(sizes, None),
        line=line,
    )


def write_magnet(hashes: InfoHashes, parameters: Iterable[tuple[str, str]] = ()) -> str:
    """Write a magnet from plain, decoded parameters, in their order.

    Never longer than ``MAX_MAGNET_CHARS``, so what is written here can be read here. Where not all fit, each
    kind gets its turn, so that a thousand trackers do not push out the one web seed.
    """
    encoded = [(key, quote(value, safe="", errors="replace")) for key, value in parameters]
    room = MAX_MAGNET_CHARS - len(_written(hashes, ()))
    kept: set[int] = set()
    for at in _by_turns(encoded):
        key, value = encoded[at]
        needed = len(key) + len(value) + 2
        if needed <= room and len(kept) < MAX_PARAMETERS - 2:
            room -= needed
            kept.add(at)
    return _written(hashes, (encoded[at] for at in sorted(kept)))


def _by_turns(parameters: Iterable[tuple[str, str]]) -> list[int]:
    """Return the places of the parameters, the first of every key before the second of any."""
    counts: Counter[str] = Counter()
    turns: list[int] = []
    for key, _ in parameters:
        turns.append(counts[key])
        counts[key] += 1
    return sorted(range(len(turns)), key=turns.__getitem__)


def named_hashes(text: str) -> Iterator[InfoHashes]:
    """Yield every good hash a magnet names, even where the magnet as a whole is refused. Never raises."""
    try:
        parameters = _parameters(text)
    except BadDrop:
        return
    for key, value in parameters:
        found = topic_hash(_plain(value)) if key == "xt" else None
        if isinstance(found, InfoHashes):
            yield found


def _parameters(text: str) -> list[tuple[str, str]]:
    """Split a magnet into keys in lower case without their numbers, and values that are well-formed."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise BadDrop("this is no magnet link: it does not begin with magnet:?")
    if len(text) > MAX_MAGNET_CHARS:
        raise BadDrop(
            f"the magnet link has {len(text)} characters; no more than {MAX_MAGNET_CHARS} are taken"
        )
    query = text[scheme.end() :]
    # Cut out of another link, the whole is escaped; copied from the source of a page, the ampersands are.
    query = _AMPERSAND.sub("&", unquote(query) if scheme[1] else query)
    if query.count("&") >= MAX_PARAMETERS:
        raise BadDrop(f"the magnet link has more than {MAX_PARAMETERS} parameters")
    parameters: list[tuple[str, str]] = []
    for field in query.split("&"):
        key, _, value = field.partition("=")
        key = _NUMBER.sub("", key.strip().lower())
        value = value.strip()
        if value and _KEY.fullmatch(key):
            parameters.append((key, _well_formed(value)))
    return parameters


def _plain(topic: str) -> str:
    """Undo the escapes of a topic, also where they were escaped once more; a hash has no percent sign."""
    return unquote(unquote(topic))


def _well_formed(value: str) -> str:
    """Encode what must not stand in a link; escapes that are there already stay as they are."""
    return quote(_STRAY_PERCENT.sub("%25", value), safe=_VALUE_SAFE, errors="replace")


def _agreed(topics: Iterable[InfoHashes | str | None]) -> InfoHashes:
    named: list[InfoHashes] = []
    for topic in topics:
        if isinstance(topic, str):
            raise BadDrop(f"the magnet link is not usable: {topic}. Copy the whole link again")
        if topic is not None:
            named.append(topic)
    v1 = {hashes.v1 for hashes in named if hashes.v1 is not None}
    v2 = {hashes.v2 for hashes in named if hashes.v2 is not None}
    if not named:
        raise BadDrop("the magnet link names no BitTorrent info hash (xt=urn:btih:… or xt=urn:btmh:…)")
    if len(v1) > 1 or len(v2) > 1:
        raise BadDrop("the magnet link names two different info hashes; keep the one that is meant")
    return InfoHashes(next(iter(v1), None), next(iter(v2), None))


def _written(hashes: InfoHashes, parameters: Iterable[tuple[str, str]]) -> str:
    topics = [("xt", topic) for topic in hashes.topics]
    return "magnet:?" + "&".join(f"{key}={value}" for key, value in (*topics, *parameters))
