"""Observations of files -> which have stopped changing. Pure.

Rules of this file:

* What counts is that two looks saw the same thing, far enough apart on a clock that never goes back. The
  file's own times are compared, never believed: ``cp -p``, a wrong clock or the year 2099 change nothing.
* Sonarr and its kin write in place under the final name, so a reader can meet an empty or a half file. A
  settle time catches most of it; ``patience_s`` catches what it does not, by what was read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

EMPTY_SETTLE_S: Final = 60.0
TRUNCATED_S: Final = 60.0
CUT_OFF_S: Final = 15.0
MAX_TOKENS: Final = 500_000

_TORRENT_HEAD = re.compile(rb"d(?:\d{1,10}(?::|\Z)|\Z)")
_TOKEN = re.compile(rb"[dle]|i-?\d{1,20}e|(\d{1,10}):")
_UNFINISHED_TOKEN = re.compile(rb"(?:i-?)?\d{0,20}\Z")
_GZIP_HEAD: Final = b"\x1f\x8b"
_LINK_HEADS: Final = (b"magnet:?", b"https://", b"http://")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of one file from another without reading it; all as the file system says.

    ``ctime_ns`` is no part of that: a change of rights or of a name leaves the content as it was.
    """

    size_bytes: int
    mtime_ns: int
    inode: int
    device: int
    ctime_ns: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file as it was last seen, and the tick (monotonic seconds) of the first look that saw it so."""

    stamp: Stamp
    since_s: float


@dataclass(frozen=True, slots=True)
class Settled:
    """What a look means: the files that stopped changing (longest first), and what to remember.

    ``next_look_s`` is how long the next of the others needs at least; None when no other is there.
    """

    ready: tuple[str, ...]
    seen: Mapping[str, Sighting]
    next_look_s: float | None


def settle(
    seen: Mapping[str, Sighting], observed: Mapping[str, Stamp], now_tick_s: float, settle_s: float
) -> Settled:
    """Compare what is there now with what was remembered; a file is ready after ``settle_s`` unchanged.

    ``settle_s`` 0 makes a file ready at first sight. An empty file needs a minute whatever is set, because
    a writer that has opened its file and not yet written looks just so. A file that is gone is forgotten.
    """
    sightings: dict[str, Sighting] = {}
    ready: list[tuple[float, str]] = []
    waits_s: list[float] = []
    for name, stamp in observed.items():
        known = seen.get(name)
        is_same = known is not None and known.stamp == stamp
        sighting = Sighting(stamp, known.since_s if known is not None and is_same else now_tick_s)
        sightings[name] = sighting
        needed_s = settle_s if stamp.size_bytes else max(settle_s, EMPTY_SETTLE_S)
        left_s = sighting.since_s + needed_s - now_tick_s
        if left_s > 0:
            waits_s.append(left_s)
        else:
            ready.append((sighting.since_s, name))
    ready.sort()
    return Settled(tuple(name for _, name in ready), sightings, min(waits_s, default=None))


def patience_s(data: bytes) -> float:
    """Tell how long a file that cannot be understood may still be a half one, in seconds unchanged.

    A torrent that does not end is given a minute (a writer may pause), a text that stops within a link is
    given less (it is one write for every known writer), everything else is plainly wrong now.
    """
    if _TORRENT_HEAD.match(data) or data.startswith(_GZIP_HEAD) or not data.strip(b"\0"):
        return TRUNCATED_S if _lacks_end(data) else 0.0
    tail = data[-2048:]
    if tail[-1:].isspace():
        return 0.0
    word = tail.split()[-1].lower().removeprefix(b"url=")
    if any(word.startswith(head) or head.startswith(word) for head in _LINK_HEADS):
        return CUT_OFF_S
    return 0.0


def _lacks_end(data: bytes) -> bool:
    """Tell whether a torrent's outermost dictionary is still open at the end of the data.

    Compressed data and nothing but zeros cannot be told from a half file. After ``MAX_TOKENS`` the last byte
    decides, so that a hostile file costs no more than a second.
    """
    if not data.startswith(b"d"):
        return True
    at, depth = 0, 0
    for _ in range(MAX_TOKENS):
        found = _TOKEN.match(data, at)
        if found is None:
            return _UNFINISHED_TOKEN.match(data, at) is not None
        at = found.end() + int(found[1] or 0)
        depth += {b"e": -1, b"d": 1, b"l": 1}.get(found[0], 0)
        if depth == 0:
            return False
    return not data.endswith(b"e")
