"""The answers about what the service has already, and so gives at once. Pure.

Rules of this file:

* A hit is believed, what is not mentioned is no hit: that is how the answer is meant.
* An answer that goes by the order of what was asked must be as long as that, or it says nothing.

Source: the official document of 2018 (``cache``); debrid-media-manager and stremthru (``cache/info``);
ResolveURL and torrentio (``cache/download``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.model import RemoteFile
from offcloud_watchd.offcloud.answer import Answer, decode, size_bytes
from offcloud_watchd.offcloud.listing import Missing, explored, told_path
from offcloud_watchd.offcloud.refusals import Kind, is_absent, known, refusal
from offcloud_watchd.offcloud.wire import first, flag, not_understood

_HASH: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file of something cached; its path is unsafe as it came."""

    path: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class CachedRelease:
    """Whether something is cached, and which files it has (empty where that is not told)."""

    cached: bool
    files: tuple[CachedFile, ...] = ()


def hits(answer: Answer) -> frozenset[str]:
    """Return the info hashes that are cached, in small letters."""
    content = decode(answer)
    error = refusal(answer, content)
    if error is not None:
        raise error
    value = content.value
    if not isinstance(value, dict):
        raise not_understood(answer, content, "cached items")
    items = first(value, "cachedItems", "cached_items")
    found = [one.lower() for one in items if isinstance(one, str)] if isinstance(items, list) else []
    return frozenset(one for one in found if _HASH.fullmatch(one))


def releases(answer: Answer, asked: int) -> tuple[CachedRelease, ...]:
    """Return what is told of each of ``asked`` links, in their order."""
    content = decode(answer)
    error = refusal(answer, content)
    if error is not None:
        raise error
    value = content.value
    if not isinstance(value, list) or len(value) != asked:
        raise not_understood(answer, content, f"one entry for each of {asked} links")
    return tuple(_release(entry) for entry in value)


def _release(entry: object) -> CachedRelease:
    if not isinstance(entry, dict) or not flag(entry.get("cached")):
        return CachedRelease(cached=False)
    files = entry.get("files")
    found = [one for one in files if isinstance(one, dict)] if isinstance(files, list) else []
    return CachedRelease(
        cached=True,
        files=tuple(
            CachedFile(told_path(one) or "?", size_bytes(first(one, "size", "fileSize"))) for one in found
        ),
    )


def links(answer: Answer, *, allow_http: bool) -> Sequence[RemoteFile] | None:
    """Return the files of something cached; None when it is not cached, or the service has no such call."""
    content = decode(answer)
    rule = known(answer, content)
    if is_absent(answer, content) or (rule is not None and rule.kind in (Kind.LINK, Kind.GONE)):
        return None
    found = explored(answer, allow_http=allow_http)
    return None if isinstance(found, Missing) else found
