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
    OWN_PREFIX,
    PROCESSED,
    inside,
    is_ignored,
    is_plain_category,
    looks_like_drop,
)
from offcloud_watchd.watch.reading import opened_directory, stamp_of

MAX_SUBFOLDERS: Final = 1_000
MAX_OWN: Final = 100

_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a directory"),
)


@dataclass(slots=True)
class Scan:
    """What one look found; all by the path within the folder.

    ``odd`` says of entries that are left alone what they are; ``subfolders`` are those that are categories
    and can be listed; ``counted`` is how many of the files count towards the limit, ``is_whole`` that none
    was left out for it. ``own`` are, within bounds, the entries that have a name of ours.
    """

    files: dict[str, Stamp] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)
    subfolders: dict[str, Stamp] = field(default_factory=dict)
    counted: int = 0
    is_whole: bool = True
    own: list[str] = field(default_factory=list)


def scan(root: int, *, with_subfolders: bool, limit: int, uncounted: Container[str] = ()) -> Scan:
    """Look into an open folder, and one level deeper when its subfolders are wanted.

    Not more than ``limit`` files are noted, besides those that are ``uncounted``. Raises ``OSError`` when the
    folder cannot be listed; a subfolder that cannot is odd.
    """
    found = Scan()
    noted = _Noted(found, limit, uncounted)
    for entry in _entries(root, "", found.own):
        if entry.name in {PROCESSED, FAILED}:
            continue
        if with_subfolders and entry.is_dir(follow_symlinks=False):
            noted.subfolder(entry.name)
        else:
            noted.file("", entry)
    for subfolder in noted.subfolders:
        try:
            with opened_directory(subfolder, within=root) as directory:
                found.subfolders[subfolder] = stamp_of(os.fstat(directory))
                for entry in _entries(directory, subfolder, found.own):
                    noted.file(subfolder, entry)
        except OSError as error:
            noted.odd(subfolder, f"a directory that cannot be listed ({error.strerror})")
    return found


def _entries(directory: int, subfolder: str, own: list[str]) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if not is_ignored(entry.name):
                yield entry
            elif entry.name.startswith(OWN_PREFIX) and len(own) < MAX_OWN:
                own.append(inside(subfolder, entry.name))


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # it went away between the listing and now
        return None


@dataclass(slots=True)
class _Noted:
    """Puts entries where they belong, within bounds."""

    found: Scan
    limit: int
    uncounted: Container[str]
    subfolders: list[str] = field(default_factory=list)

    def subfolder(self, name: str) -> None:
        """Note a directory that may be a category."""
        if not is_plain_category(name):
            self.odd(name, "a directory whose name cannot be a category")
        elif len(self.subfolders) >= MAX_SUBFOLDERS:
            self.odd(name, f"one directory too many, the limit is {MAX_SUBFOLDERS}")
        else:
            self.subfolders.append(name)

    def file(self, subfolder: str, entry: os.DirEntry[str]) -> None:
        """Note what may be a drop. Beyond the limit an entry is not even asked what it is."""
        path, found = inside(subfolder, entry.name), self.found
        is_counted = path not in self.uncounted
        if is_counted and found.counted >= self.limit:
            found.is_whole = False
            return
        status = _status(entry)
        if status is None:
            return
        if stat.S_ISREG(status.st_mode):
            found.counted += is_counted
            found.files[path] = stamp_of(status)
        elif looks_like_drop(path):
            self.odd(path, next((word for test, word in _KINDS if test(status.st_mode)), "a device"))

    def odd(self, path: str, what: str) -> None:
        """Note what is left alone."""
        if len(self.found.odd) < self.limit:
            self.found.odd[path] = what
