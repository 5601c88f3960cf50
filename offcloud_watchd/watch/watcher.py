"""The drop folders as the engine sees them: one look gives what users ask for, and how the folders are.

Rules of this file:

* ``look`` belongs to the disk lane. It never raises for a file or a folder, however broken.
* Events only say when to look. A folder is visited when its flag is up, by an event or because somebody asks,
  and when its time has come; every folder is visited within its rescan time, whatever the events say.
* A watch is set before the visit that relies on it: a new watch makes its folder due again at once.
* A folder whose file system does not answer is left to itself; the others go on. What is slow is waited for
  in its own time. Nothing here touches a drop folder's file system but on a thread that may hang.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from offcloud_watchd.core.picture import Picture
from offcloud_watchd.core.ports import Clock, Look, Refusal, Wish
from offcloud_watchd.watch.commands import commands_dir
from offcloud_watchd.watch.folder import Folder, Visit
from offcloud_watchd.watch.hints import Flag, Hints
from offcloud_watchd.watch.leases import known_host_name
from offcloud_watchd.watch.missed import Missed
from offcloud_watchd.watch.mooring import Mooring
from offcloud_watchd.watch.mounts import read_mountinfo
from offcloud_watchd.watch.names import inside, parted
from offcloud_watchd.watch.orders import Orders, ensure_directories
from offcloud_watchd.watch.outgoing import Departure
from offcloud_watchd.watch.parking import ParkedError, Parking
from offcloud_watchd.watch.settings import FolderSettings, WatchMode, WatchSettings
from offcloud_watchd.watch.shared import Parts, SharedFolder
from offcloud_watchd.watch.turns import TurnsOfJobs
from offcloud_watchd.watch.unshared import UnsharedFolder

log = logging.getLogger(__name__)

WISHES_A_LOOK: Final = 500
LEAST_SHARE: Final = 20
PUT_AWAY_AT_ONCE: Final = 50
"""So many drops are put away in one call, which a slow file system must answer within ``LINGER_S``."""
POLL_S: Final = 10.0
HURT_RETRY_S: Final = 10.0
EVENTS_RETRY_S: Final = 300.0
LINGER_S: Final = 2.0
"""How long the other folders wait for one; longer than that, and it is left to answer in its own time."""
WATCH_WITHIN_S: Final = 5.0
HOLD_FACTOR: Final = 10.0
HOLD_FROM_S: Final = 0.02
HOLD_MAX_S: Final = 5.0
"""A look that costs much is not repeated for every event: hints wait for ten times its cost."""

_LIMITS: Final = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


@dataclass(frozen=True, slots=True)
class Health:
    """How a drop folder is; implements ``core.ports.FolderHealth``.

    ``missed`` counts the drops that a look found and no event told of, ``refused`` those that went to
    ``failed/`` and are no job; both since the start. ``hosts`` are this host and the others that share the
    folder and live.
    """

    path: str
    category: str
    watch: str
    problem: str
    waiting: int
    missed: int = 0
    refused: int = 0
    hosts: tuple[str, ...] = ()


@dataclass(slots=True)
class _Post:
    """A folder with what the watcher needs to attend to it.

    ``watched`` are the real paths under watch, ``trusted`` those that were so all the time since a visit that
    is known to have followed the last; ``out_since_s`` is when a visit began that has not come back.
    """

    folder: Folder | SharedFolder | UnsharedFolder
    parking: Parking
    flag: Flag
    visit: Visit = field(default_factory=Visit)
    watch: WatchMode = WatchMode.POLL
    look_at_s: float = float("-inf")
    held_until_s: float = float("-inf")
    watched: set[str] = field(default_factory=set)
    trusted: frozenset[str] = frozenset()
    missed: Missed = field(default_factory=Missed)
    refused: int = 0
    out_since_s: float | None = None
    silence_said: bool = False

    @property
    def settings(self) -> FolderSettings:
        """What the operator wants of the folder."""
        return self.folder.settings

    def is_due(self, now_s: float) -> bool:
        """Tell whether the folder is to be visited now."""
        return now_s >= self.look_at_s or (self.flag.is_raised() and now_s >= self.held_until_s)

    def due_in_s(self, now_s: float) -> float:
        """Compute how long the folder can wait."""
        at_s = min(self.look_at_s, self.held_until_s) if self.flag.is_raised() else self.look_at_s
        return max(0.0, at_s - now_s)

    def health(self) -> Health:
        """Return the view for people."""
        settings = self.settings
        watch = WatchMode.POLL if self.missed.is_deaf else self.watch
        return Health(
            str(settings.path),
            settings.destination.category,
            str(watch),
            self.visit.problem,
            self.visit.waiting,
            self.missed.count,
            self.refused,
            self.folder.hosts if isinstance(self.folder, SharedFolder) else (),
        )


class Watcher:
    """All drop folders and the operator's commands.

    ``hint`` is called on a foreign thread whenever a look is worth while, once until the next look. ``start``
    and ``stop`` frame the use; ``look`` is for one thread. ``hints`` brings the events of the file system,
    ``mountinfo`` the kernel's list of mounts. ``turn`` says, to the api lane, whether a job may be handed in.
    """

    def __init__(
        self,
        settings: WatchSettings,
        clock: Clock,
        hint: Callable[[], None],
        *,
        hints: Hints | None = None,
        mountinfo: Callable[[], str] = read_mountinfo,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._orders = Orders(settings, clock)
        self._orders_flag = Flag(hint)
        self._hints = hints or Hints()
        self._watching = Parking("watches", min(WATCH_WITHIN_S, settings.answer_within_s))
        self._events_retry_s = float("-inf")
        self._limits_said = False
        self._posts = [_post(settings, folder, clock, hint, mountinfo) for folder in settings.folders]
        self._flags = [self._orders_flag, *(post.flag for post in self._posts)]
        self._shared = [post.folder for post in self._posts if isinstance(post.folder, SharedFolder)]
        self.turn = TurnsOfJobs({str(one.settings.path): one.turns for one in self._shared})

    @property
    def folders(self) -> tuple[Health, ...]:
        """How the folders were at their last visit."""
        return tuple(post.health() for post in self._posts)

    def start(self) -> None:
        """Make the state's own directories. Raises ``OSError``; the folders are first touched by a look."""
        ensure_directories(self._settings)

    def stop(self) -> None:
        """End the watching threads; may be repeated. Threads that hang are left behind."""
        with contextlib.suppress(ParkedError, OSError):
            self._watching.call(self._hints.stop)
        for post in self._posts:
            post.parking.close()
        self.turn.close()

    def ask(self) -> None:
        """Have every folder visited at the next look, which is hinted at; any thread, or a signal handler."""
        for post in self._posts:
            post.flag.raise_once()

    def ask_orders(self) -> None:
        """Have the commands read at the next look, which is hinted at; any thread."""
        self._orders_flag.raise_once()

    def heed(self, picture: Picture) -> None:
        """Leave shared drops to the others while a lane pauses or nothing is recorded; any thread."""
        for folder in self._shared:
            folder.may_claim = not (picture.pauses or picture.journal_problem)

    def look(self) -> Look:
        """Visit the folders that are due, read the commands, and renew the watches. May be repeated.

        A wish that is not settled comes again at a later look, under the same id.
        """
        now_s = self._clock.monotonic()
        due = [post for post in self._posts if post.is_due(now_s)]
        if not due and not any(flag.is_raised() for flag in self._flags):
            due = self._posts  # somebody asks
        self._orders_flag.clear()
        wishes, more = self._orders.read(WISHES_A_LOOK)
        share = max(LEAST_SHARE, (WISHES_A_LOOK - len(wishes)) // max(1, len(due)))
        refused: list[Refusal] = []
        for post in due:
            self._visit(post, share)
            refused += post.visit.refused
            post.refused += len(post.visit.refused)
            wishes += [Wish(one.intake, _Settling(post, one.departure)) for one in post.visit.accepted]
            more = more or post.visit.more
        self._watch_commands()
        return Look(tuple(wishes), self._next_s(), more, self.folders, tuple(refused))

    def settle(self, wishes: Sequence[Wish]) -> None:
        """Settle the wishes of a look; those of one folder together. May be repeated."""
        by_folder: dict[int, list[_Settling]] = {}
        for wish in wishes:
            if isinstance(wish.settled, _Settling):
                by_folder.setdefault(id(wish.settled.post), []).append(wish.settled)
            else:
                wish.settled()
        for settlings in by_folder.values():
            for start in range(0, len(settlings), PUT_AWAY_AT_ONCE):
                _put_away(settlings[start : start + PUT_AWAY_AT_ONCE])

    def _next_s(self) -> float | None:
        now_s = self._clock.monotonic()
        return min((post.due_in_s(now_s) for post in self._posts), default=None)

    # --- one folder ---

    def _visit(self, post: _Post, share: int) -> None:
        post.flag.clear()
        heard = post.flag.heard()
        try:
            late = post.parking.late()
            is_late = isinstance(late, Visit)
            post.visit = (
                late if isinstance(late, Visit) else post.parking.call(partial(post.folder.visit, share))
            )
        except ParkedError:
            self._left_behind(post)
            return
        except OSError as error:
            self._not_begun(post, error)
            return
        post.out_since_s = None
        self._count_missed(post, heard)
        renewed = self._watch_renewed(post)
        is_doubtful = is_late or renewed or post.watch is WatchMode.POLL
        post.trusted = frozenset() if is_doubtful else frozenset(post.watched)
        now_s = self._clock.monotonic()
        post.look_at_s = now_s if renewed else now_s + self._patience_s(post)
        cost_s = post.visit.scan_s * HOLD_FACTOR
        post.held_until_s = now_s + min(cost_s, HOLD_MAX_S) if cost_s > HOLD_FROM_S else float("-inf")

    def _left_behind(self, post: _Post) -> None:
        """Go on without a folder that did not answer; it rings when it does."""
        now_s, post.trusted = self._clock.monotonic(), frozenset()
        if post.out_since_s is None:
            post.out_since_s = now_s
        dead_at_s = post.out_since_s + self._settings.answer_within_s
        if now_s < dead_at_s:
            post.visit, post.look_at_s = replace(post.visit, accepted=(), refused=(), more=False), dead_at_s
            return
        problem = "its file system does not answer; the folder waits for it"
        if post.visit.problem != problem:
            log.error("drop folder %s: %s", post.settings.path, problem)
        post.visit, post.look_at_s = Visit(problem, waiting=post.visit.waiting), now_s + HURT_RETRY_S
        self._watch_renewed(post)

    def _not_begun(self, post: _Post, error: OSError) -> None:
        """Let a folder wait for which the system gives no thread; the others have theirs."""
        problem = f"it could not be looked at: {error.strerror}"
        if post.visit.problem != problem:
            log.error("drop folder %s: %s", post.settings.path, problem)
        post.visit = Visit(problem, waiting=post.visit.waiting)
        post.look_at_s, post.trusted = self._clock.monotonic() + HURT_RETRY_S, frozenset()

    def _count_missed(self, post: _Post, heard: set[str] | None) -> None:
        root = post.visit.places[0].path if post.visit.places else ""
        arrived = post.visit.arrived
        due = [path for path in arrived if parted(inside(root, path))[0] in post.trusted]
        was_deaf = post.missed.is_deaf
        if post.missed.looked(due, heard, self._clock.monotonic()) and not was_deaf:
            log.warning(
                "drop folder %s: drops were found that no event told of (%d so far): it is looked at every "
                "%.0f s until events come again",
                post.settings.path,
                post.missed.count,
                min(POLL_S, post.settings.rescan_s),
            )

    def _patience_s(self, post: _Post) -> float:
        visit, settings = post.visit, post.settings
        wait_s = settings.rescan_s
        if visit.problem:
            wait_s = min(wait_s, HURT_RETRY_S)
        elif settings.watch is not WatchMode.POLL and (post.watch is WatchMode.POLL or post.missed.is_deaf):
            wait_s = min(wait_s, POLL_S)
        return 0.0 if visit.more else min(wait_s, visit.next_s if visit.next_s is not None else wait_s)

    # --- events ---

    def _watch_renewed(self, post: _Post) -> bool:
        """Keep the watches of a folder what they should be; return whether one is new."""
        places = post.visit.places if self._events_wanted(post) else ()
        post.watch = WatchMode.EVENTS if places else WatchMode.POLL
        try:
            for path in post.watched - {place.path for place in places}:
                self._watching.call(partial(self._hints.forget, path))
                post.watched.discard(path)
            post.watched |= {place.path for place in places}
            renewed = [self._ensured(at.path, at.device, at.inode, post.flag) for at in places]
        except (OSError, ParkedError) as error:
            post.watch = WatchMode.POLL
            self._no_events(f"drop folder {post.settings.path}", error)
            return False
        return any(renewed)

    def _ensured(self, path: str, device: int, inode: int, flag: Flag) -> bool:
        if self._watching.is_out:  # a lock within watchdog is held: nobody has events until it is given back
            raise ParkedError(path)
        if self._hints.watches(path, device, inode):
            return False
        if self._clock.monotonic() < self._events_retry_s:  # who has a watch keeps it; nobody gets a new one
            raise ParkedError(path)
        return self._watching.call(partial(self._hints.ensure, path, device, inode, flag))

    def _events_wanted(self, post: _Post) -> bool:
        if post.settings.watch is WatchMode.POLL:
            return False
        if post.settings.watch is WatchMode.EVENTS or not post.visit.places:
            return True
        kind = next((place.mount.kind for place in post.visit.places if place.mount.is_silent), "")
        if kind and not post.silence_said:
            log.info(
                "drop folder %s: %s tells of no changes, it is looked at by the clock",
                post.settings.path,
                kind,
            )
            post.silence_said = True
        return not kind

    def _watch_commands(self) -> None:
        directory = commands_dir(self._settings.state_dir)
        try:
            status = directory.stat()
            real_path = os.path.realpath(directory)
            if self._ensured(real_path, status.st_dev, status.st_ino, self._orders_flag):
                self._orders_flag.raise_once()
        except (OSError, ParkedError) as error:
            self._no_events(f"commands in {directory}", error)

    def _no_events(self, what: str, error: OSError | ParkedError) -> None:
        """Go on without events for a while where the kernel has no more to give; said once."""
        if isinstance(error, ParkedError) or error.errno not in _LIMITS:
            return
        self._events_retry_s = self._clock.monotonic() + EVENTS_RETRY_S
        if not self._limits_said:
            log.warning(
                "%s: the kernel gives no more file-system events (%s); changes are looked for by the clock. "
                "Raise fs.inotify.max_user_watches and fs.inotify.max_user_instances to mend it",
                what,
                error.strerror,
            )
        self._limits_said = True


def _post(
    settings: WatchSettings,
    folder: FolderSettings,
    clock: Clock,
    hint: Callable[[], None],
    mountinfo: Callable[[], str],
) -> _Post:
    flag = Flag(hint)
    mooring = Mooring(settings.state_dir, folder.path)
    outside = (settings.spool_dir, clock, mooring, mountinfo)
    visited: Folder | SharedFolder | UnsharedFolder
    if folder.lease_s is None:
        visited = Folder(folder, *outside)
        with contextlib.suppress(OSError):
            if host := known_host_name(settings.state_dir):
                visited = UnsharedFolder(visited, Parts(folder, host, *outside))
    else:
        visited = SharedFolder(folder, settings, clock, mooring, mountinfo)
    return _Post(
        visited,
        Parking(f"folder {folder.path}", min(LINGER_S, settings.answer_within_s), flag.raise_once),
        flag,
    )


@dataclass(frozen=True, slots=True)
class _Settling:
    """Puts a drop away; where the folder does not answer it comes again when the folder is back."""

    post: _Post
    departure: Departure

    def __call__(self) -> None:
        _put_away([self])


def _put_away(settlings: Sequence[_Settling]) -> None:
    """Put drops of one folder away in one call."""
    post = settlings[0].post
    departures = [settling.departure for settling in settlings]
    with contextlib.suppress(ParkedError):
        post.parking.call(partial(post.folder.put_away, departures))
