"""What the watcher is told: folders and places, all resolved by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from offcloud_watchd.core.model import Destination


class WatchMode(StrEnum):
    """How changes in a folder are noticed; ``auto`` takes events where they can be relied on."""

    AUTO = "auto"
    EVENTS = "events"
    POLL = "poll"


class After(StrEnum):
    """What becomes of a drop that was accepted; a refused one always goes to ``failed/``."""

    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """One drop folder. ``destination`` is where its jobs go.

    ``subfolder_destination`` makes each subfolder a category of its own, one level deep: it is called with
    the subfolder's name (printable, one path component, not hidden) and may raise ``BadDrop``, by which the
    drops in it are refused. None: subfolders are ignored. ``ftp``: links of that kind are taken too.
    ``awaited`` are the categories whose drops an *arr tool may wait for: one that is refused is told of as a
    failed job.
    ``lease_s``: other hosts share the folder, and one that shows no sign of life for so long is dead.
    """

    path: Path
    destination: Destination
    subfolder_destination: Callable[[str], Destination] | None = None
    watch: WatchMode = WatchMode.AUTO
    rescan_s: float = 30.0
    settle_s: float = 2.0
    after: After = After.ARCHIVE
    ftp: bool = False
    awaited: frozenset[str] = frozenset()
    lease_s: float | None = None


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """The drop folders, the spool of accepted bytes and the state directory in which commands lie.

    ``destination_for`` gives the destination of an ``add`` command by its category (None: it named none); it
    raises ``BadDrop`` for a category it cannot place. ``answer_within_s`` is how long a folder's file system
    may take before the folder counts as dead and the others go on without it. ``history_lag_s`` is how late
    the account's history may show what another host has handed in.
    """

    folders: tuple[FolderSettings, ...]
    spool_dir: Path
    state_dir: Path
    destination_for: Callable[[str | None], Destination]
    answer_within_s: float = 20.0
    history_lag_s: float = 150.0
