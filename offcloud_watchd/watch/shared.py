"""One drop folder that several hosts watch: what is claimed of it, and the visits to what this host has.

Rules of this file:

* The folder is polled, by no more than its listing: no event, lock or clock of another host is relied on.
* The rules by which a drop is one host's stand in ``claims``, those of a host's death in ``leases``, those of
  a link that lies there twice in ``turns``.
* A host claims no more than it can deal with soon: the others are there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.core.settle import Sighting, Stamp, settle
from offcloud_watchd.watch.claims import CLAIMED, TAKEN, committed, moved
from offcloud_watchd.watch.folder import MAX_CANDIDATES, Commit, Folder, Visit
from offcloud_watchd.watch.leases import SHARED, Leases, host_name
from offcloud_watchd.watch.mooring import Mooring
from offcloud_watchd.watch.mounts import mount_of
from offcloud_watchd.watch.names import shown
from offcloud_watchd.watch.outgoing import Departure, put_away
from offcloud_watchd.watch.reading import made, opened_directory, stamp_at
from offcloud_watchd.watch.scan import scan
from offcloud_watchd.watch.settings import FolderSettings, WatchSettings
from offcloud_watchd.watch.turns import Turns

log = logging.getLogger(__name__)

IN_HAND_MOST: Final = 100
"""A burst is shared: what one host leaves another one may have."""

LEASE_S: Final = 120.0

MORE_S: Final = 0.5
"""When a host that has its hands full and leaves drops looks again."""


@dataclass(frozen=True, slots=True)
class _Hands:
    """The open directories of what this host has claimed, and of what is its own for good."""

    claimed: int
    taken: int

    def got(self, source: int, path: str) -> bool:
        """Claim a drop; False where somebody else has it, or its name is in use. Raises ``OSError``."""
        return stamp_at(self.taken, path) is None and moved(source, self.claimed, path)


class Parts:
    """What one host has of a folder: what is its own for good, and what it has claimed."""

    def __init__(
        self,
        settings: FolderSettings,
        host: str,
        spool_dir: Path,
        clock: Clock,
        mooring: Mooring,
        mountinfo: Callable[[], str],
    ) -> None:
        self._home = home = settings.path / SHARED / host
        outside = (spool_dir, clock, mooring, mountinfo)
        self._taken = Folder(replace(settings, settle_s=0.0), *outside, at=home / TAKEN)
        commit = Commit(lambda paths: _committed(home, paths), self._taken.outgoing)
        self._claimed = Folder(settings, *outside, at=home / CLAIMED, commit=commit)

    @property
    def are_there(self) -> bool:
        """Tell whether the host has ever shared the folder."""
        return (self._home / TAKEN).is_dir() and (self._home / CLAIMED).is_dir()

    def visit(self, limit: int) -> Sequence[Visit]:
        """Take at most ``limit`` drops of both. No ``OSError`` escapes."""
        first = self._taken.visit(limit)
        return first, self._claimed.visit(max(1, limit - len(first.accepted)))


class SharedFolder:
    """A drop folder among several hosts; it is visited like a ``Folder``.

    ``turns`` says whose turn it is to hand a link in. ``may_claim`` is set from any thread: a host that could
    not work on them leaves drops to the others.
    """

    def __init__(
        self,
        settings: FolderSettings,
        watch: WatchSettings,
        clock: Clock,
        mooring: Mooring,
        mountinfo: Callable[[], str],
    ) -> None:
        self.settings = settings
        self._watch = watch
        self._clock = clock
        self._mooring = mooring
        self._mountinfo = mountinfo
        self._leases = Leases(settings.lease_s or LEASE_S, clock)
        self.turns = Turns(settings.path, self._leases, clock, watch.history_lag_s)
        self.may_claim = True
        self._parts: Parts | None = None
        self._seen: Mapping[str, Sighting] = {}
        self._odd: set[str] = set()
        self._in_hand = 0
        self._left = 0
        self._is_full = False
        self._said = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Which hosts live, this one first; as of the last visit."""
        return (self._leases.host, *self._leases.others) if self._leases.host else ()

    def visit(self, limit: int) -> Visit:
        """Keep the lease, take over, claim, and take at most ``limit`` drops. No ``OSError`` escapes."""
        try:
            visit = self._visit(limit)
        except OSError as error:
            visit = self._unusable(f"it cannot be shared: {error.strerror} ({error.filename})")
        return replace(visit, places=(), arrived=())  # it is looked at by the clock

    def put_away(self, departures: Iterable[Departure]) -> None:
        """Put accepted drops of this folder away. No ``OSError`` escapes; it may be repeated."""
        put_away(departures)

    def _visit(self, limit: int) -> Visit:
        began_s = self._clock.monotonic()
        with ExitStack() as opened:
            root = opened.enter_context(opened_directory(self.settings.path))
            real_path = os.path.realpath(self.settings.path)
            unmoored = self._mooring.problem(real_path, mount_of(root, real_path, self._mountinfo()))
            if unmoored:
                return self._unusable(unmoored)
            host = self._leases.host or host_name(self._watch.state_dir)
            shared = opened.enter_context(made(root, SHARED))
            home = opened.enter_context(made(shared, host))
            claimed = opened.enter_context(made(home, CLAIMED))
            taken = opened.enter_context(made(home, TAKEN))
            twin = self._leases.beat(shared, host)
            if twin:
                return self._unusable(twin)
            self._leases.observe(shared)
            self.turns.release(shared)
            hands = _Hands(claimed, taken)
            self._take_over(shared, hands)
            next_look_s = self._claim(root, hands)
        if self._said:
            log.warning("drop folder %s: can be shared again", self.settings.path)
        self._said = ""
        return self._merged(self._take(host, limit), next_look_s, began_s)

    def _unusable(self, problem: str) -> Visit:
        if problem != self._said:
            log.warning("drop folder %s: %s", self.settings.path, problem)
        self._said, self._seen = problem, {}
        return Visit(problem)

    # --- claiming ---

    def _take_over(self, shared: int, hands: _Hands) -> None:
        """Take over what the dead have claimed and not made theirs for good."""
        for host in self._leases.dead() if self.may_claim else ():
            try:
                with (
                    opened_directory(host, within=shared) as theirs,
                    opened_directory(CLAIMED, within=theirs) as left,
                ):
                    found = scan(left, with_subfolders=self._with_subfolders, limit=self._room())
                    count = sum(hands.got(left, path) for path in found.files)
            except FileNotFoundError:  # it never came so far
                continue
            self._in_hand += count
            if count:
                log.warning(
                    "drop folder %s: %d drops taken over from %s, which shows no sign of life",
                    self.settings.path,
                    count,
                    host,
                )

    def _claim(self, root: int, hands: _Hands) -> float | None:
        """Claim what has settled; return when the next of the others may have."""
        found = scan(root, with_subfolders=self._with_subfolders, limit=MAX_CANDIDATES)
        for path in found.odd.keys() - self._odd:
            log.warning("%s: %s is %s: left alone", self.settings.path, shown(path), found.odd[path])
        self._odd = set(found.odd)
        settled = settle(self._seen, found.files, self._clock.monotonic(), self.settings.settle_s)
        self._seen = settled.seen
        self._is_full, self._left = False, len(found.files)
        for path in settled.ready if self.may_claim else ():
            self._is_full = self._room() <= 0
            if self._is_full:
                break
            ours = hands.got(root, path)
            self._in_hand, self._left = self._in_hand + ours, self._left - ours
        return settled.next_look_s

    @property
    def _with_subfolders(self) -> bool:
        return self.settings.subfolder_destination is not None

    def _room(self) -> int:
        return max(0, IN_HAND_MOST - self._in_hand)

    # --- taking ---

    def _take(self, host: str, limit: int) -> Sequence[Visit]:
        """Visit what is this host's for good, then what it has claimed."""
        if self._parts is None:
            outside = (self._watch.spool_dir, self._clock, self._mooring, self._mountinfo)
            self._parts = Parts(self.settings, host, *outside)
        return self._parts.visit(limit)

    def _merged(self, visits: Sequence[Visit], next_look_s: float | None, began_s: float) -> Visit:
        held = sum(visit.waiting for visit in visits)
        self._in_hand = held + sum(len(visit.accepted) for visit in visits)
        waits_s = [next_look_s, *(visit.next_s for visit in visits), MORE_S if self._is_full else None]
        return Visit(
            problem=next((visit.problem for visit in visits if visit.problem), ""),
            accepted=tuple(one for visit in visits for one in visit.accepted),
            refused=tuple(one for visit in visits for one in visit.refused),
            waiting=self._left + held,
            next_s=min([self._leases.beat_s, *(wait_s for wait_s in waits_s if wait_s is not None)]),
            more=any(visit.more for visit in visits),
            scan_s=self._clock.monotonic() - began_s,
        )


def _committed(home: Path, paths: Sequence[str]) -> Mapping[str, Stamp]:
    with opened_directory(home / CLAIMED) as claimed, opened_directory(home / TAKEN) as taken:
        return committed(claimed, taken, paths)
