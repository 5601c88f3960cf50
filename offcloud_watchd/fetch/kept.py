"""What a round that failed by its pieces leaves for the next one: a retry asks for the bad ones alone.

Layout: ``<output root>/.offcloud-watchd/<job id>.kept/`` is the directory of such a round.

Rules of this file:

* Only what pieces can prove is used again, whatever it was fetched from: they are held against it once more.
* It is taken over, and let go, by one rename: never is anything deleted that a fetch has begun to use.
* It lasts until the job is retried or removed, or until somebody needs the room.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.staging import Place

_KEPT: Final = ".kept"
_GONE: Final = ".gone"


def keep(place: Place) -> None:
    """Keep what a round holds, in place of what an earlier one left. Its files must be closed."""
    let_go(place.staging_root, lambda owner: owner == place.job_id)
    _renamed(place.staging_root, place.name, place.job_id + _KEPT)


def adopt(place: Place) -> None:
    """Let a round begin with what an earlier one left, if it has not begun yet."""
    if place.job_id in _owners(place.staging_root, _KEPT):
        with suppress(OSError):  # a directory without anything in it is no beginning
            Path(place.staging_root, place.name).rmdir()
        with suppress(FileExistsError):
            _renamed(place.staging_root, place.job_id + _KEPT, place.name)


def let_go(staging_root: str, is_over: Callable[[str], bool]) -> bool:
    """Delete what is kept for the jobs that ``is_over(job id)`` names; tell whether there was any."""
    _clear(staging_root)  # what a crash has left
    over = [owner for owner in _owners(staging_root, _KEPT) if is_over(owner)]
    for owner in over:
        _renamed(staging_root, owner + _KEPT, owner + _GONE)
    _clear(staging_root)
    return bool(over)


def _clear(staging_root: str) -> None:
    for owner in _owners(staging_root, _GONE):
        with disk.closed_after(disk.open_directory(staging_root)) as root_fd:
            disk.remove_tree(owner + _GONE, root_fd)


def _owners(staging_root: str, suffix: str) -> list[str]:
    with suppress(FileNotFoundError):
        return [path.stem for path in Path(staging_root).iterdir() if path.suffix == suffix]
    return []


def _renamed(staging_root: str, source: str, target: str) -> None:
    with disk.closed_after(disk.open_directory(staging_root)) as root_fd:
        with suppress(FileNotFoundError):  # somebody else was quicker
            disk.rename_new(source, root_fd, target, root_fd)
        os.fsync(root_fd)
