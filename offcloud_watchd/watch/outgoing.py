"""Drops on their way out of a folder: dealt with, to be put away, and remembered where that fails.

A folder that is read-only, an archive on another device or a full disk must not make a drop loop: it is known
by its stamp, is not read again while it stays as it is, and each visit tries anew to put it away. The memory
is this process's; after a restart the drop is taken once more under the same id, which the engine knows.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from offcloud_watchd.core.model import Links
from offcloud_watchd.core.settle import Stamp
from offcloud_watchd.watch import archive
from offcloud_watchd.watch.archive import Source
from offcloud_watchd.watch.names import parted, shown
from offcloud_watchd.watch.reading import opened_directory
from offcloud_watchd.watch.reasons import what_was_left_out, why_refused
from offcloud_watchd.watch.settings import After

log = logging.getLogger(__name__)

MAX_REMEMBERED: Final = 10_000
AGAIN_A_VISIT: Final = 100

Put = Callable[[Source], None]


@dataclass(frozen=True, slots=True)
class Leaving:
    """One state of one file and what is to become of it. ``identity`` is that of a drop which is recorded."""

    path: str
    stamp: Stamp
    put: Put
    identity: str = ""


def refused(path: str, stamp: Stamp, problem: str, identity: str = "") -> Leaving:
    """Send a drop to ``failed/`` with its reason."""
    reason = why_refused(parted(path)[1], stamp, problem)
    return Leaving(path, stamp, partial(archive.refuse, reason=reason), identity)


def accepted(path: str, stamp: Stamp, links: Links, after: After, identity: str) -> Leaving:
    """Send a drop away as it is configured; a list of which a part was refused is never deleted."""
    put: Put = archive.archive
    if links.bad:
        reason = what_was_left_out(parted(path)[1], stamp, links)
        put = partial(_archive_and_report, reason=reason)
    elif after is After.DELETE:
        put = archive.delete
    return Leaving(path, stamp, put, identity)


@dataclass(frozen=True, slots=True)
class Departure:
    """Puts one drop of a folder away when it is called; see ``Folder.put_away`` for many."""

    outgoing: Outgoing
    leaving: Leaving

    def __call__(self) -> None:
        """Put it away."""
        self.outgoing.put([self.leaving])


def put_away(departures: Iterable[Departure]) -> None:
    """Put drops away, those that lie in one place together."""
    by_place: dict[int, list[Departure]] = {}
    for departure in departures:
        by_place.setdefault(id(departure.outgoing), []).append(departure)
    for group in by_place.values():
        group[0].outgoing.put(departure.leaving for departure in group)


class Outgoing:
    """What leaves one folder. Safe to repeat; nothing here raises ``OSError``.

    ``problem`` says why something cannot leave; empty when nothing is held up. ``home`` is the folder whose
    archive the drops go to, where that is not the one they lie in.
    """

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self._folder = folder
        self._home = home or folder
        self._kept: dict[str, Leaving] = {}
        self._rounds: dict[str, int] = {}
        self._named = ""
        self.problem = ""

    def put(self, leavings: Iterable[Leaving]) -> None:
        """Put drops away that are still the ones that were read; keep in mind those where that fails."""
        try:
            with opened_directory(self._folder) as root, opened_directory(self._home) as home:
                for leaving in leavings:
                    self._put(root, home, leaving)
        except OSError as error:  # the folder itself is gone; its next visit says so
            log.debug("%s: %s", self._folder, error.strerror)

    def again(self, root: int, files: Mapping[str, Stamp]) -> dict[str, Stamp]:
        """Try anew what is held up, and return the files that are left to be looked at."""
        held = [leaving for leaving in self._kept.values() if files.get(leaving.path) == leaving.stamp]
        self._kept = {leaving.path: leaving for leaving in held}
        gone: set[str] = set()
        with opened_directory(self._home) as home:
            for leaving in held[:AGAIN_A_VISIT]:
                if not self._put(root, home, leaving):
                    break
                del self._kept[leaving.path]
                gone.add(leaving.path)
        if not self._kept:
            self.problem = ""
        return {path: stamp for path, stamp in files.items() if path not in gone and path not in self._kept}

    def go_on(self, root: int, paths: Iterable[str]) -> None:
        """Do away with what a crash has left of drops that were being deleted."""
        for path in paths:
            subfolder, name = parted(path)
            try:
                with (
                    nullcontext(root)
                    if not subfolder
                    else opened_directory(subfolder, within=root) as directory
                ):
                    archive.deleted_after_all(root, directory, name)
            except OSError as error:  # nobody misses it: the next visit tries again
                log.debug("%s/%s: %s", self._folder, path, error.strerror)

    def paths(self) -> set[str]:
        """Return the paths of the drops that are held up."""
        return set(self._kept)

    def round_of(self, identity: str) -> int:
        """Tell how often a drop of this identity has left: a user may put the very file back."""
        return self._rounds.get(identity, 0)

    def _put(self, root: int, home: int, leaving: Leaving) -> bool:
        subfolder, name = parted(leaving.path)
        try:
            with (
                nullcontext(root) if not subfolder else opened_directory(subfolder, within=root) as directory
            ):
                source = Source(home, directory, name, leaving.stamp)
                if source.is_there():
                    leaving.put(source)
                    self._count(leaving.identity)
        except FileNotFoundError:  # somebody else took it away
            return True
        except OSError as error:
            self._hold(leaving, error)
            return False
        return True

    def _hold(self, leaving: Leaving, error: OSError) -> None:
        """Keep a drop in mind, behind the others: what holds this one up need not hold them up."""
        self._kept.pop(leaving.path, None)
        if (
            self._named not in self._kept
        ):  # one of many is named, and stays so: each new name is a new warning
            remedy = "let this service write to the folder, and to processed/ and failed/ in it"
            if error.errno == errno.EXDEV:
                remedy = "processed/ and failed/ must lie on the folder's own file system"
            self._named = leaving.path
            self.problem = (
                f"{shown(leaving.path)} is dealt with but cannot be moved away: {error.strerror}; {remedy}"
            )
        self._kept[leaving.path] = leaving

    def _count(self, identity: str) -> None:
        if identity:
            self._rounds[identity] = self._rounds.pop(identity, 0) + 1
            if len(self._rounds) > MAX_REMEMBERED:
                del self._rounds[next(iter(self._rounds))]


def _archive_and_report(source: Source, reason: str) -> None:
    archive.report(source.root, source.name, reason)
    archive.archive(source)
