"""Which of the hosts that share a folder may hand a link in: one at a time for each content.

A host that is to post makes ``.offcloud-watchd/links/SHA256`` with its name in it; who finds it there waits,
and looks in the account's history meanwhile. Rules of this file:

* It is made by one atomic step. Only a host that counts as dead (``leases``) is replaced in it.
* It stands from before a POST until the history is bound to show what came of that. So whoever makes it anew
  needs one look at the history, not older than the file; who took it over from the dead waits for the lag
  first, and looks then. Whether the job still lives does not matter to anybody.
* It is read right before a POST, and the POST must begin while the lease is sound (``Turn.until_s``).
* What a restart finds of its own is treated as taken over: nobody remembers when the last POST was.

| this host stopped                         | what the others do |
|-------------------------------------------|---|
| before it made the file                   | one of them makes it |
| with the file made, before or in its POST | they wait for the lease and the lag, find the request or post |
| after the POST, its answer not recorded   | the same; it searches for it when it is back (``Adopt``) |
| for longer than the lease, and comes back | the file names another: this host waits like everybody |

What remains: a host that is stopped between its last look and the first byte of its POST, for longer than
lease and lag, posts what another one has posted. No file system can prevent that; the service knows no fence.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from offcloud_watchd.core.model import Job, Route
from offcloud_watchd.core.ports import Clock, Turn
from offcloud_watchd.errors import Held
from offcloud_watchd.watch.leases import LINKS, SHARED, Leases, content_at, put
from offcloud_watchd.watch.parking import ParkedError, Parking
from offcloud_watchd.watch.reading import made, opened_directory, stamp_at

log = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Hold:
    """One link of ours: until when a POST may begin, and from when on a look at the history counts.

    Both by the monotonic clock: that of the day may be set while a dead host's POST has still to show.
    """

    until_s: float
    counts_s: float


class Turns:
    """The turns of one folder. ``turn`` is for the api lane, ``release`` for the folder's own thread.

    They are apart in time: what is about to be released is not given out again.
    """

    def __init__(self, folder: Path, leases: Leases, clock: Clock, lag_s: float) -> None:
        self._folder = folder
        self._leases = leases
        self._clock = clock
        self._lag_s = lag_s
        self._margin_s = leases.lease_s / 2
        self._parking = Parking(f"links of {folder}", ANSWER_WITHIN_S)
        self._held: dict[str, _Hold] = {}
        self._strangers: dict[str, tuple[object, float]] = {}
        self._is_known = False

    def turn(self, key: str) -> Turn:
        """Say whether this host may hand in the content of a key. Raises ``Held`` while that is unknown."""
        until_s = self._leases.sound_until_s
        if until_s <= self._clock.monotonic() or not self._is_known:
            raise Held("this host is only just there among those that share the folder", self._leases.beat_s)
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        try:
            return self._parking.call(partial(self._turn, name, until_s))
        except (ParkedError, OSError) as error:
            what = error.strerror if isinstance(error, OSError) else "its file system does not answer"
            raise Held(f"the shared folder {self._folder} cannot be used: {what}", 15.0) from None

    def close(self) -> None:
        """Let the thread end; nothing may be called after that."""
        self._parking.close()

    def _turn(self, name: str, until_s: float) -> Turn:
        with opened_directory(self._folder) as root, opened_directory(SHARED, within=root) as shared:
            with made(shared, LINKS):
                pass
            holder = self._holder(shared, name)
            known = self._held.get(name)
            if holder != self._leases.host:
                self._held.pop(name, None)
                if not self._taken_over(shared, name, holder):
                    return Turn(holder or "another host", 0.0, self._clock.now() - self._margin_s / 6)
                known = None
            elif known is not None and self._clock.monotonic() > known.until_s + self._lag_s:
                raise Held("the link is free again in a moment", self._margin_s / 2)
            now_s = self._clock.monotonic()
            counts_s = now_s + self._lag_s if known is None else known.counts_s
            self._held[name] = _Hold(until_s, counts_s)
            return Turn("", until_s, self._clock.now() + counts_s - now_s)

    def _holder(self, shared: int, name: str) -> str:
        """Return who has the link: this host, if nobody had it."""
        path = f"{LINKS}/{name}"
        found = content_at(shared, path)
        if found is not None:
            return found.decode("ascii", "replace").strip()
        try:
            put(shared, path, f"{self._leases.host}\n".encode(), os.O_EXCL)
        except FileExistsError:
            return ""
        # Whoever had it before gave it back when the history was bound to show his request for a while.
        self._held[name] = _Hold(self._leases.sound_until_s, self._clock.monotonic() - self._margin_s / 2)
        return self._leases.host

    def _taken_over(self, shared: int, name: str, holder: str) -> bool:
        """Put this host in the place of one that is dead; two that do so see it long before they may post."""
        if self._leases.is_known(holder):
            is_dead = self._leases.is_still_dead(shared, holder)
        else:  # a file nobody has written yet, or a host whose directory was deleted
            now_s, file = self._clock.monotonic(), (holder, stamp_at(shared, f"{LINKS}/{name}"))
            seen, since_s = self._strangers.get(name, (None, 0.0))
            if seen != file:
                self._strangers[name] = (file, now_s)
            is_dead = seen == file and now_s - since_s >= self._leases.lease_s
        if not is_dead:
            return False
        self._strangers.pop(name, None)
        log.warning("shared folder %s: a link is taken over from %s", self._folder, holder or "nobody")
        beside = f"{self._leases.host}/{name}"
        put(shared, beside, f"{self._leases.host}\n".encode())
        os.rename(beside, f"{LINKS}/{name}", src_dir_fd=shared, dst_dir_fd=shared)
        return content_at(shared, f"{LINKS}/{name}") == f"{self._leases.host}\n".encode()

    # --- the folder's own thread ---

    def release(self, shared: int) -> None:
        """Give back the links of which the history is bound to show what became. Raises ``OSError``."""
        if not self._is_known:
            self._remember(shared)
        now_s = self._clock.monotonic()
        if self._leases.sound_until_s <= now_s:
            return
        for name, hold in list(self._held.items()):
            if now_s > hold.until_s + self._lag_s + self._margin_s:
                self._give_back(shared, name)
                self._held.pop(name, None)

    def _remember(self, shared: int) -> None:
        """Find what an earlier life of this host has left."""
        mine = f"{self._leases.host}\n".encode()
        with made(shared, LINKS) as directory, os.scandir(directory) as entries:
            names = [entry.name for entry in entries if content_at(directory, entry.name) == mine]
        now_s = self._clock.monotonic()
        hold = _Hold(now_s, now_s + self._lag_s)
        self._held |= dict.fromkeys(names, hold)
        self._is_known = True

    def _give_back(self, shared: int, name: str) -> None:
        path = f"{LINKS}/{name}"
        if content_at(shared, path) == f"{self._leases.host}\n".encode():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path, dir_fd=shared)


@dataclass(frozen=True, slots=True)
class TurnsOfJobs:
    """The turns of all shared folders, by the folder's path as its drops name it."""

    folders: Mapping[str, Turns]

    def __call__(self, job: Job) -> Turn | None:
        """Say whether a job may be handed in; None where no other host is to be minded. Raises ``Held``."""
        if job.destination.route is not Route.CLOUD:  # links that are given are nothing that is there twice
            return None
        folders = (self.folders[drop.folder] for drop in job.drops if drop.folder in self.folders)
        first = next(folders, None)
        return None if first is None else first.turn(job.link.key)

    def close(self) -> None:
        """Let the threads end; nothing may be asked after that."""
        for turns in self.folders.values():
            turns.close()
