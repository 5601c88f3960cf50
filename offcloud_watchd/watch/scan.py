"""One look into a drop folder: the plain files that may be drops, and what stands in their way."""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.core.settle import Stamp
from offcloud_watchd.watch.names import (
    FAILED,
    PROCESSED,
    inside,
    is_ignored,
    is_plain_category,
    looks_like_drop,
)
from offcloud_watchd.watch.reading import opened_directory, stamp_of

MAX_SUBFOLDERS: Final = 1_000

_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a directory"),
)


@dataclass(slots=True)
class Scan:
    """What one look found; all by the path within the folder.

    ``odd`` says of entries that are left alone what they are; ``subfolders`` are those that are categories;
    ``counted`` is how many of the files count towards the limit.
    """

    files: dict[str, Stamp] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)
    subfolders: dict[str, Stamp] = field(default_factory=dict)
    counted: int = 0


def scan(root: int, *, with_subfolders: bool, limit: int, uncounted: Container[str] = ()) -> Scan:
    """Look into an open folder, and one level deeper when its subfolders are wanted.

    Not more than ``limit`` files are noted, besides those that are ``uncounted``. Raises ``OSError`` when the
    folder cannot be listed; a subfolder that cannot is odd.
    """
    found = Scan()
    for entry, status in _entries(root):
        if entry in {PROCESSED, FAILED}:
            continue
        if with_subfolders and stat.S_ISDIR(status.st_mode):
            _note_subfolder(found, entry, status)
        else:
            _note(found, entry, status, limit, uncounted)
    for subfolder in found.subfolders:
        try:
            with opened_directory(subfolder, within=root) as directory:
                for entry, status in _entries(directory):
                    _note(found, inside(subfolder, entry), status, limit, uncounted)
        except OSError as error:
            found.odd[subfolder] = f"a directory that cannot be listed ({error.strerror})"
    return found


def _entries(directory: int) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if is_ignored(entry.name):
                continue
            try:
                yield entry.name, entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # it went away between the listing and now
                continue


def _note_subfolder(found: Scan, name: str, status: os.stat_result) -> None:
    if not is_plain_category(name):
        found.odd[name] = "a directory whose name cannot be a category"
    elif len(found.subfolders) >= MAX_SUBFOLDERS:
        found.odd[name] = f"one directory too many, the limit is {MAX_SUBFOLDERS}"
    else:
        found.subfolders[name] = stamp_of(status)


def _note(found: Scan, path: str, status: os.stat_result, limit: int, uncounted: Container[str]) -> None:
    if not stat.S_ISREG(status.st_mode):
        if looks_like_drop(path):
            found.odd[path] = next((word for test, word in _KINDS if test(status.st_mode)), "a device")
    elif path in uncounted:
        found.files[path] = stamp_of(status)
    elif found.counted < limit:
        found.counted += 1
        found.files[path] = stamp_of(status)
