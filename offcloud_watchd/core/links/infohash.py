"""The spellings of an info hash, and the one form of each that the rest of the program sees.

Rules of this file:

* Out come lower-case hex digits only: 40 for v1 (SHA-1), 64 for v2 (SHA-256).
* Two spellings of the same hash give equal keys; nothing is guessed, so a near miss is no hash.
* A message about a bad hash tells its length and never the text itself: it may be part of a secret.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

_HEX = re.compile(r"[0-9a-fA-F]+")
_V1_HEX = re.compile(r"[0-9a-fA-F]{40}")
_V1_BASE32 = re.compile(r"[A-Za-z2-7]{32}")
_V2_HEX = re.compile(r"[0-9a-fA-F]{64}")
_V2_MULTIHASH = re.compile(r"1220([0-9a-fA-F]{64})")
_TOPIC = re.compile(r"(?:urn:)?(btih|btmh):(.*)", re.IGNORECASE | re.DOTALL)
_NEAR_MISS = re.compile(r"[0-9A-Za-z]{28,72}")


@dataclass(frozen=True, slots=True)
class InfoHashes:
    """The hashes of one torrent, lower-case hex; at least one is there, both make it a hybrid."""

    v1: str | None = None
    v2: str | None = None

    @property
    def key(self) -> str:
        """The key of the content: v1 where there is one, for that is what the service's history shows."""
        return f"btih:{self.v1}" if self.v1 is not None else f"btmh:{self.v2}"

    @property
    def keys(self) -> frozenset[str]:
        """Every key that names this content."""
        named = (("btih", self.v1), ("btmh", self.v2))
        return frozenset(f"{word}:{digits}" for word, digits in named if digits is not None)

    @property
    def topics(self) -> tuple[str, ...]:
        """The exact topics of a magnet. Source: BEP 9 (btih), BEP 52 (btmh: a multihash, so 1220 leads)."""
        v1 = () if self.v1 is None else (f"urn:btih:{self.v1}",)
        v2 = () if self.v2 is None else (f"urn:btmh:1220{self.v2}",)
        return v1 + v2


def v1_of(text: str) -> str | None:
    """Read 40 hex digits or 32 letters of base32; None when it is neither. Source: BEP 9."""
    if _V1_HEX.fullmatch(text):
        return text.lower()
    if _V1_BASE32.fullmatch(text):
        return base64.b32decode(text.upper()).hex()
    return None


def v2_of(text: str) -> str | None:
    """Read a SHA-256 multihash: ``1220`` and 64 hex digits; None when it is not one. Source: BEP 52."""
    match = _V2_MULTIHASH.fullmatch(text)
    return None if match is None else match[1].lower()


def bare_hash(text: str) -> InfoHashes | None:
    """Read a hash that stands alone: v1 in hex or base32, v2 in hex, or a topic without its magnet."""
    topic = _TOPIC.fullmatch(text)
    if topic is not None:
        hashes = topic_hash(text)
        return hashes if isinstance(hashes, InfoHashes) else None
    v1 = v1_of(text)
    if v1 is not None:
        return InfoHashes(v1=v1)
    if _V2_HEX.fullmatch(text):
        return InfoHashes(v2=text.lower())
    return None


def topic_hash(topic: str) -> InfoHashes | str | None:
    """Read an exact topic: its hash, or what is wrong with it, or None for another network's topic."""
    match = _TOPIC.fullmatch(topic.strip())
    if match is None:
        return None
    # Some sites end the link with a slash, so that it ends up in its last parameter.
    digits = match[2].rstrip("/").strip()
    if match[1].lower() == "btih":
        v1 = v1_of(digits)
        return InfoHashes(v1=v1) if v1 is not None else f"the info hash {_fault(digits)}"
    v2 = v2_of(digits)
    if v2 is not None:
        return InfoHashes(v2=v2)
    return "the v2 info hash is not a SHA-256 multihash, which is 1220 and 64 hex digits"


def near_miss(word: str) -> str | None:
    """Say what is wrong with a word that looks like an info hash and is none; None for any other word."""
    if _NEAR_MISS.fullmatch(word) is None:
        return None
    return f"it looks like an info hash but {_fault(word)}"


def _fault(digits: str) -> str:
    wanted = "40 hex digits or 32 letters of base32 (A-Z, 2-7) are needed"
    if len(digits) in (32, 40) and not _HEX.fullmatch(digits):
        return f"has a letter that does not belong there; {wanted}"
    return f"has {len(digits)} characters; {wanted}"
