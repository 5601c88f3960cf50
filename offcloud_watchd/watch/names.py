"""File names in a drop folder: which are no drops, what a release is called, what fits beside what.

Names are ``str`` with surrogate escapes, as ``os`` gives them; their length is counted in bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

PROCESSED: Final = "processed"
FAILED: Final = "failed"
REASON_SUFFIX: Final = ".reason.txt"
OWN_PREFIX: Final = ".offcloud-watchd-"
MAX_NAME_BYTES: Final = 255

_PARTIAL = re.compile(
    r"\.(?:part|tmp|temp|crdownload|partial|filepart|download|opdownload|aria2|!qb|!ut|swp|swx|bak|lock)$"
    r"|\.(?:syncthing|sync-conflict)|~$|\.reason\.txt$",
    re.IGNORECASE,
)
# Sonarr and its kin test a folder with such a file: DiskProviderBase.FolderWritable.
_WRITE_TEST = re.compile(r"[a-z0-9]+_write_test\.txt$", re.IGNORECASE)
_NAS_JUNK: Final = frozenset(
    {
        "@eadir",
        "#recycle",
        "#snapshot",
        "@recycle",
        "@recently-snapshot",
        "@tmp",
        "$recycle.bin",
        "recycler",
        "lost+found",
        "system volume information",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "network trash folder",
        "temporary items",
    }
)
_LINK_EXTENSION = re.compile(
    r"\.(?:torrent|magnet|txt|url|desktop|webloc|list|lst|text|link|links|urls|nzb)$", re.IGNORECASE
)
_TWICE = re.compile(r"\.(?:torrent|magnet)$", re.IGNORECASE)


def is_ignored(name: str) -> bool:
    """Tell whether a name is that of a hidden, unfinished or foreign file, or of one of our own."""
    return (
        name.startswith((".", "~"))
        or _PARTIAL.search(name) is not None
        or _WRITE_TEST.fullmatch(name) is not None
        or name.lower() in _NAS_JUNK
    )


def inside(subfolder: str, name: str) -> str:
    """Write the path within a drop folder of a file in one of its subfolders."""
    return f"{subfolder}/{name}" if subfolder else name


def parted(path: str) -> tuple[str, str]:
    """Return the subfolder (empty: the folder itself) and the name of a path within a drop folder."""
    subfolder, _, name = path.rpartition("/")
    return subfolder, name


def looks_like_drop(name: str) -> bool:
    """Tell whether a name promises links: worth a word in the log when it is not a plain file."""
    return _LINK_EXTENSION.search(name) is not None


def is_plain_category(name: str) -> bool:
    """Tell whether a subfolder's name can be a category: printable text that is no path and not hidden."""
    return name.isprintable() and not is_ignored(name) and name.lower() not in {PROCESSED, FAILED}


def stem(name: str) -> str:
    """Take the link extension off a drop's name: what is left is what its release is to be called.

    Only one is taken off, because a release may itself end like a file (``notes.txt.torrent``); but a
    torrent or magnet that was given a second extension (``x.torrent.txt``) is not a release of that name.
    """
    first = _LINK_EXTENSION.sub("", name)
    return _TWICE.sub("", first) or first or name


def fitted(name: str, room_bytes: int, mark: str = "") -> str:
    """Put ``mark`` before the extension and cut the rest so that all of it fits into ``room_bytes``."""
    head, dot, extension = name.rpartition(".")
    if not head or len(os.fsencode(extension)) > 32:
        head, dot, extension = name, "", ""
    tail = os.fsencode(mark + dot + extension)
    raw = os.fsencode(head)[: room_bytes - len(tail)]
    if len(raw) < len(os.fsencode(head)):
        raw = _without_half_character(raw)
    return os.fsdecode(raw + tail)


def alternatives(name: str, room_bytes: int = MAX_NAME_BYTES) -> Iterator[str]:
    """Yield the name, then ``name (2)``, ``name (3)`` and so on, each within ``room_bytes``."""
    yield fitted(name, room_bytes)
    number = 2
    while True:
        yield fitted(name, room_bytes, f" ({number})")
        number += 1


def shown(name: str) -> str:
    """Write a name from outside so that a log, a terminal or a reason file can hold it."""
    return name if name.isprintable() and "'" not in name and "\\" not in name else repr(name)


def _without_half_character(raw: bytes) -> bytes:
    """Take off a UTF-8 character that was cut within; other bytes stay as they are."""
    for back in range(1, min(4, len(raw) + 1)):
        lead = raw[-back]
        if lead >= 0xC0:
            length = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            return raw[:-back] if length > back else raw
        if lead < 0x80:
            return raw
    return raw
