"""One drop folder: what lies in it, what of it has settled, and taking that.

Rules of this file:

* All of it runs on one thread at a time, which may hang in the kernel; see ``parking``.
* The scan is the truth, and every visit may be repeated: what was taken and not yet put away is taken again,
  under the same drop id.
* One bad file never stops another; one visit takes a bounded number of files and bytes.
* Nothing is created in a folder but ``processed/`` and ``failed/``, and nothing at all where it is missing.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from offcloud_watchd.core.links import MAX_DROP_BYTES, parse, unusable_link
from offcloud_watchd.core.model import BadLine, Destination, Drop, Intake, Links
from offcloud_watchd.core.ports import Clock, Refusal
from offcloud_watchd.core.settle import Sighting, Stamp, patience_s, settle
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.watch.mooring import Mooring
from offcloud_watchd.watch.mounts import Mount, mount_of
from offcloud_watchd.watch.names import inside, parted, shown, stem
from offcloud_watchd.watch.outgoing import Departure, Outgoing, accepted, refused
from offcloud_watchd.watch.reading import opened_directory, read_settled
from offcloud_watchd.watch.scan import Scan, scan
from offcloud_watchd.watch.settings import After, FolderSettings
from offcloud_watchd.watch.spool import name_of, store

log = logging.getLogger(__name__)

MAX_CANDIDATES: Final = 5_000
MAX_ODD_SAID: Final = 100
MAX_BYTES_A_VISIT: Final = 64 << 20
MAX_VISIT_S: Final = 5.0
READ_AGAIN_S: Final = 5.0
READ_AGAIN_MAX_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Place:
    """A directory that drops come to: its real path, which directory that was, and where it is mounted."""

    path: str
    device: int
    inode: int
    mount: Mount


@dataclass(frozen=True, slots=True)
class Accepted:
    """A drop that was taken, what no record holds of it safe, and how it leaves once it is recorded.

    One that was refused is here where an *arr tool waits for it.
    """

    intake: Intake
    departure: Departure


@dataclass(frozen=True, slots=True)
class Visit:
    """What one visit gave.

    ``places`` are the folder and its subfolders that are categories; none when the folder cannot be used.
    ``refused`` are the drops that were not taken.
    ``arrived`` are the paths of the files that were not there at the last visit, as far as that can be told.
    ``next_s`` is when something may be ready (None: nothing is waiting); ``more`` tells that this visit was
    cut short; ``scan_s`` is what the look itself cost.
    """

    problem: str = ""
    accepted: tuple[Accepted, ...] = ()
    refused: tuple[Refusal, ...] = ()
    waiting: int = 0
    next_s: float | None = None
    more: bool = False
    scan_s: float = 0.0
    places: tuple[Place, ...] = ()
    arrived: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    """Makes drops this host's for good, where several share the folder: they go on to ``outgoing``'s folder.

    ``ours`` is given their paths, and returns the stamps that those have there which no other host took
    meanwhile. Raises ``OSError``.
    """

    ours: Callable[[Sequence[str]], Mapping[str, Stamp]]
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class _Later:
    """A file that could not be read or understood yet, and the tick at which it is tried again."""

    stamp: Stamp
    retry_at_s: float
    delay_s: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A drop that was read and understood; nothing of it is safe yet."""

    path: str
    stamp: Stamp
    data: bytes
    sha256: str
    links: Links
    destination: Destination


@dataclass(slots=True)
class _Budget:
    """How much one visit may still take."""

    files: int
    size_bytes: int
    until_s: float

    def is_spent(self, now_s: float) -> bool:
        """Tell whether the next file must wait for the next visit."""
        return self.files <= 0 or self.size_bytes <= 0 or now_s > self.until_s


class Folder:
    """The state of one drop folder: sightings, and what is remembered of files that are stuck in it.

    ``mooring`` remembers where it is mounted, ``mountinfo`` gives the kernel's list of mounts. ``at`` is the
    directory in which drops of the folder lie where that is another one (``shared``); ``commit`` is what they
    need before they may be told of.
    """

    def __init__(
        self,
        settings: FolderSettings,
        spool_dir: Path,
        clock: Clock,
        mooring: Mooring,
        mountinfo: Callable[[], str],
        *,
        at: Path | None = None,
        commit: Commit | None = None,
    ) -> None:
        self.settings = settings
        self._at = at or settings.path
        self._commit = commit
        self._spool_dir = spool_dir
        self._clock = clock
        self._mooring = mooring
        self._mountinfo = mountinfo
        self.outgoing = Outgoing(self._at, settings.path)
        self._seen: Mapping[str, Sighting] = {}
        self._later: dict[str, _Later] = {}
        self._odd: dict[str, str] = {}
        self._spool_problem = ""
        self._known: frozenset[str] | None = None
        self._said = ""
        self._refused: list[Refusal] = []

    def visit(self, limit: int) -> Visit:
        """Look into the folder and take at most ``limit`` settled drops. No ``OSError`` escapes."""
        try:
            with opened_directory(self._at) as root:
                visit = self._visit(root, limit)
        except OSError as error:
            visit = self._unusable(f"the folder cannot be read: {error.strerror}; it is tried again")
        self._say(visit.problem)
        return visit

    def put_away(self, departures: Iterable[Departure]) -> None:
        """Put accepted drops of this folder away. No ``OSError`` escapes; it may be repeated."""
        self.outgoing.put(departure.leaving for departure in departures)

    def _visit(self, root: int, limit: int) -> Visit:
        real_path = os.path.realpath(self._at)
        mount = mount_of(root, real_path, self._mountinfo())
        unmoored = self._mooring.problem(real_path, mount)
        if unmoored:
            return self._unusable(unmoored)
        began_s = self._clock.monotonic()
        found = self._scanned(root)
        scanned_s, status = self._clock.monotonic(), os.fstat(root)
        self.outgoing.go_on(root, found.own)
        files = self.outgoing.again(root, found.files)
        settled = settle(self._seen, files, scanned_s, self.settings.settle_s)
        self._seen = settled.seen
        self._later = {path: late for path, late in self._later.items() if files.get(path) == late.stamp}
        budget = _Budget(limit, MAX_BYTES_A_VISIT, scanned_s + MAX_VISIT_S)
        self._refused = []
        accepted, more = self._take_all(root, settled.ready, budget)
        return Visit(
            problem=self._problem(),
            accepted=tuple(accepted),
            refused=tuple(self._refused),
            waiting=len(files) - len(accepted) - len(self._refused),
            next_s=self._next_s(settled.next_look_s),
            more=more,
            scan_s=scanned_s - began_s,
            places=self._places(Place(real_path, status.st_dev, status.st_ino, mount), found),
            arrived=self._arrived(found),
        )

    def _unusable(self, problem: str) -> Visit:
        """Forget what was seen: what lies there later need not be the same."""
        self._seen, self._known = {}, None
        return Visit(problem)

    def _places(self, root: Place, found: Scan) -> tuple[Place, ...]:
        places = [root]
        for name, at in found.subfolders.items():
            path, mount = inside(root.path, name), root.mount
            if at.device != root.device:
                mount = mount_of(None, path, self._mountinfo())
            places.append(Place(path, at.device, at.inode, mount))
        return tuple(places)

    def _arrived(self, found: Scan) -> tuple[str, ...]:
        known, self._known = self._known, frozenset(found.files) if found.is_whole else None
        return (
            ()
            if known is None or not found.is_whole
            else tuple(path for path in found.files if path not in known)
        )

    def _scanned(self, root: int) -> Scan:
        with_subfolders = self.settings.subfolder_destination is not None
        stuck = self.outgoing.paths() | self._later.keys()
        found = scan(root, with_subfolders=with_subfolders, limit=MAX_CANDIDATES, uncounted=stuck)
        news = [path for path, kind in found.odd.items() if self._odd.get(path) != kind]
        for path in news[:MAX_ODD_SAID]:
            log.warning("%s: %s is %s: left alone", self.settings.path, shown(path), found.odd[path])
        self._odd = found.odd
        return found

    def _next_s(self, settle_next_s: float | None) -> float | None:
        now_s = self._clock.monotonic()
        waits_s = [max(0.0, late.retry_at_s - now_s) for late in self._later.values()]
        if settle_next_s is not None:
            waits_s.append(settle_next_s)
        return min(waits_s, default=None)

    # --- what is wrong ---

    def _problem(self) -> str:
        unreadable = [late.problem for late in self._later.values() if late.problem]
        more = f" (and {len(unreadable) - 1} more)" if len(unreadable) > 1 else ""
        return self._spool_problem or self.outgoing.problem or (unreadable[0] + more if unreadable else "")

    def _say(self, problem: str) -> None:
        if problem and problem != self._said:
            log.warning("drop folder %s: %s", self.settings.path, problem)
        elif self._said and not problem:
            log.warning("drop folder %s: works again", self.settings.path)
        self._said = problem

    # --- taking ---

    def _take_all(self, root: int, ready: Sequence[str], budget: _Budget) -> tuple[list[Accepted], bool]:
        taken: list[_Taken] = []
        unusable: list[Accepted] = []
        more = False
        for path in ready:
            now_s = self._clock.monotonic()
            if path in self._later and self._later[path].retry_at_s > now_s:
                continue
            more = budget.is_spent(now_s)
            if more:
                break
            one = self._take(root, path, budget)
            if isinstance(one, _Taken):
                taken.append(one)
            elif one is not None:
                unusable.append(one)
        try:
            store(self._spool_dir, {one.sha256: one.data for one in taken if self._is_spooled(one)})
        except OSError as error:
            place = self._spool_dir
            self._spool_problem = f"nothing is taken: no copy can be kept in {place}: {error.strerror}"
            return [], False
        self._spool_problem = ""
        return [*map(self._accepted, self._ours(taken)), *unusable], more

    def _is_spooled(self, taken: _Taken) -> bool:
        """Tell whether the bytes are kept: links are whole in their record, their file is archived."""
        return taken.links.holds_more or self.settings.after is After.DELETE

    def _ours(self, taken: list[_Taken]) -> list[_Taken]:
        """Leave out what another host has taken over meanwhile."""
        stamps = self._committed({one.path: one.stamp for one in taken})
        return [replace(one, stamp=stamps[one.path]) for one in taken if one.path in stamps]

    def _committed(self, stamps: Mapping[str, Stamp]) -> Mapping[str, Stamp]:
        """Return the stamps of those drops that no other host can take over any more."""
        if self._commit is None or not stamps:
            return stamps
        ours = self._commit.ours(list(stamps))
        for path in stamps.keys() - ours.keys():
            log.info("drop folder %s: %s was taken over by another host", self.settings.path, shown(path))
        return ours

    @property
    def _leaves_by(self) -> Outgoing:
        return self.outgoing if self._commit is None else self._commit.outgoing

    def _take(self, root: int, path: str, budget: _Budget) -> _Taken | Accepted | None:
        sighting = self._seen[path]
        budget.files -= 1
        destination = None
        try:
            destination = self._destination(parted(path)[0])
            data = self._read(root, path, sighting.stamp)
        except OSError as error:
            self._read_later(path, sighting.stamp, f"{shown(path)} cannot be read: {error.strerror}")
            return None
        except BadDrop as error:
            return self._refuse(path, sighting.stamp, str(error), destination)
        if data is None:
            return None
        budget.size_bytes -= len(data)
        try:
            links = _understood(parted(path)[1], data, ftp=self.settings.ftp)
        except BadDrop as error:
            return self._not_understood(path, sighting, str(error), destination, data)
        self._later.pop(path, None)
        return _Taken(path, sighting.stamp, data, name_of(data), links, destination)

    def _read(self, root: int, path: str, stamp: Stamp) -> bytes | None:
        subfolder, name = parted(path)
        try:
            with (
                nullcontext(root) if not subfolder else opened_directory(subfolder, within=root) as directory
            ):
                return read_settled(directory, name, stamp, MAX_DROP_BYTES)
        except FileNotFoundError:
            return None

    def _not_understood(
        self, path: str, sighting: Sighting, problem: str, destination: Destination, data: bytes
    ) -> Accepted | None:
        ripe_at_s = sighting.since_s + patience_s(data)
        if ripe_at_s > self._clock.monotonic():
            self._later[path] = _Later(sighting.stamp, ripe_at_s, READ_AGAIN_S)
            return None
        return self._refuse(path, sighting.stamp, problem, destination, data)

    def _destination(self, subfolder: str) -> Destination:
        of_subfolder = self.settings.subfolder_destination
        return of_subfolder(subfolder) if subfolder and of_subfolder else self.settings.destination

    def _accepted(self, taken: _Taken) -> Accepted:
        self._say_left_out(taken)
        drop = self._drop(taken.path, taken.stamp, taken.sha256)
        if not self._is_spooled(taken):
            drop = replace(drop, sha256="")
        leaving = accepted(taken.path, taken.stamp, taken.links, self.settings.after, _identity_of(drop))
        return Accepted(
            Intake(drop, taken.links, taken.destination, stem(drop.name)),
            Departure(self._leaves_by, leaving),
        )

    def _say_left_out(self, taken: _Taken) -> None:
        bad = taken.links.bad
        if not bad:
            return
        log.warning(
            "drop folder %s: %d of %d links in %s refused, the others go on: %s; all of it stands in failed/",
            self.settings.path,
            len(bad),
            len(bad) + len(taken.links.found),
            shown(taken.path),
            _fault(bad[0]),
        )

    def _drop(self, path: str, stamp: Stamp, sha256: str = "") -> Drop:
        _, name = parted(path)
        folder = str(self.settings.path)
        identity = _identity(folder, path, stamp, sha256)
        put_back = self._leaves_by.round_of(identity)
        return Drop(f"{identity}-{put_back}" if put_back else identity, name, folder, sha256)

    def _refuse(
        self, path: str, stamp: Stamp, problem: str, destination: Destination | None, data: bytes = b""
    ) -> Accepted | None:
        """Refuse a drop; return it where it must be told of first, because an *arr tool may wait for it."""
        self._later.pop(path, None)
        if destination is not None and destination.category in self.settings.awaited:
            stamps = self._committed({path: stamp})
            if path not in stamps:
                return None
            stamp = stamps[path]
            drop = self._drop(path, stamp)
            known_as = unusable_link(stem(drop.name), data or drop.id.encode())
            links = Links((), (BadLine(None, problem),))
            leaving = refused(path, stamp, problem, _identity_of(drop))
            intake = Intake(drop, links, destination, stem(drop.name), known_as)
            return Accepted(intake, Departure(self._leaves_by, leaving))
        name, settings = parted(path)[1], self.settings
        self._refused.append(Refusal(shown(name), str(settings.path), settings.destination.category, problem))
        log.warning(
            "drop folder %s: %s was refused: %s", self.settings.path, shown(path), problem.splitlines()[0]
        )
        self.outgoing.put([refused(path, stamp, problem)])
        return None

    def _read_later(self, path: str, stamp: Stamp, problem: str) -> None:
        known = self._later.get(path)
        delay_s = READ_AGAIN_S if known is None else min(known.delay_s * 2, READ_AGAIN_MAX_S)
        self._later[path] = _Later(stamp, self._clock.monotonic() + delay_s, delay_s, problem)


def _understood(name: str, data: bytes, *, ftp: bool) -> Links:
    """Parse a drop; one without any good link is refused as a whole. Raises ``BadDrop``."""
    links = parse(name, data, ftp=ftp)
    if links.found:
        return links
    faults = [_fault(bad) for bad in links.bad[:100]]
    raise BadDrop("; ".join(["it holds no link that can be used", *faults]))


def _fault(bad: BadLine) -> str:
    return bad.reason if bad.line is None else f"line {bad.line}: {bad.reason}"


def _identity_of(drop: Drop) -> str:
    return drop.id.partition("-")[0]


def _identity(folder: str, path: str, stamp: Stamp, sha256: str) -> str:
    """Name this very drop: equal after a crash, different for the same bytes dropped once more.

    The change time tells a drop that was put back (a rename sets it) from one that never left. Device and
    inode say nothing more, and many file systems give new ones with every mount: what cannot leave a
    read-only folder would be taken again after each.
    """
    parts = (folder, path, stamp.size_bytes, stamp.mtime_ns, stamp.ctime_ns, sha256)
    text = "\0".join(map(str, parts))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
