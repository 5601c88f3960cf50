"""The daemon's side of operator commands: files in ``state_dir/commands/`` -> wishes.

Rules of this file:

* The directory is our own, yet what lies in it is bounded and checked like anything from outside.
* A command that cannot be read or understood is set aside in ``commands/bad/`` and said once; it stops no
  other. One that has to wait (its bytes find no room) holds up those behind it, which may be about it.
* Commands are taken in the order of their ids, which is the order in which they were given.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import json
import logging
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from offcloud_watchd.core.links import MAX_DROP_BYTES, parse, parse_link
from offcloud_watchd.core.model import Command, Destination, Drop, Intake, Links, Naming, Verb
from offcloud_watchd.core.orders import add_drop_id
from offcloud_watchd.core.ports import Clock, Wish
from offcloud_watchd.core.settle import Stamp
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.watch.commands import SUFFIX, commands_dir
from offcloud_watchd.watch.names import OWN_PREFIX, shown, stem
from offcloud_watchd.watch.reading import opened_directory, read_settled, stamp_at
from offcloud_watchd.watch.settings import WatchSettings
from offcloud_watchd.watch.spool import name_of, store

log = logging.getLogger(__name__)

MAX_COMMAND_BYTES: Final = MAX_DROP_BYTES * 4 // 3 + 65_536
MAX_JOBS: Final = 100_000
MAX_TEXT: Final = 65_536
MAX_DRAFTS: Final = 1000
DRAFT_LIFE_S: Final = 600.0
"""So long what is being written may stay as it is; who writes it has died then."""
BAD: Final = "bad"

_SHORT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})
"""What the machine is short of, whichever command it is."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}" + re.escape(SUFFIX))


class Orders:
    """The commands that wait. Used by the disk lane alone; no ``OSError`` escapes."""

    def __init__(self, settings: WatchSettings, clock: Clock) -> None:
        self._clock = clock
        self._drafts: dict[str, tuple[Stamp, float]] = {}
        self._directory = commands_dir(settings.state_dir)
        self._spool_dir = settings.spool_dir
        self._destination_for: Callable[[str | None], Destination] = settings.destination_for
        self._done: set[str] = set()
        self._said = ""

    def read(self, limit: int) -> tuple[list[Wish], bool]:
        """Return at most ``limit`` commands, the oldest first, and whether there are more."""
        wishes: list[Wish] = []
        try:
            with opened_directory(self._directory) as directory:
                files = [
                    entry.name for entry in os.scandir(directory) if entry.is_file(follow_symlinks=False)
                ]
                self._sweep(directory, [name for name in files if name.startswith(OWN_PREFIX)][:MAX_DRAFTS])
                names = [name for name in files if _NAME.fullmatch(name)]
                self._done.intersection_update(names)
                waiting = sorted(set(names) - self._done)
                for name in waiting[:limit]:
                    wish = self._understood(directory, name)
                    if wish is not None:
                        wishes.append(wish)
        except FileNotFoundError:  # no command was ever given
            return [], False
        except OSError as error:
            self._say(f"commands in {self._directory} cannot be taken: {error.strerror}; it is tried again")
            return wishes, False
        self._say("")
        return wishes, len(waiting) > limit

    def _understood(self, directory: int, name: str) -> Wish | None:
        try:
            data = _read(directory, name)
            if data is None:  # gone, or exchanged since: the next look reads what is there then
                return None
            what = self._meant(name.removesuffix(SUFFIX), data)
        except BadDrop as error:
            self._set_aside(directory, name, str(error))
            return None
        return Wish(what, partial(self._settled, name))

    def _sweep(self, directory: int, names: Sequence[str]) -> None:
        """Delete what nobody goes on writing. What changed since the last look is being written."""
        now_s, known, self._drafts = self._clock.monotonic(), self._drafts, {}
        for name in names:
            try:
                stamp = stamp_at(directory, name)
            except OSError:  # no reason to take no command
                stamp = None
            if stamp is None:
                continue
            before = known.get(name)
            since_s = before[1] if before is not None and before[0] == stamp else now_s
            if now_s < since_s + DRAFT_LIFE_S:
                self._drafts[name] = (stamp, since_s)
                continue
            log.warning("a command that was never written whole is deleted: %s", shown(name))
            with contextlib.suppress(OSError):  # it costs a little room; the next looks try again
                os.unlink(name, dir_fd=directory)

    def _meant(self, command_id: str, data: bytes) -> Intake | Command | Naming:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BadDrop("it is not JSON") from error
        if not isinstance(document, dict):
            raise BadDrop("it is not a JSON object")
        verb = document.get("verb")
        if verb == "add":
            return self._added(command_id, document)
        if verb == "category":
            return self._named(document)
        if verb not in list(Verb):
            raise BadDrop("its verb is none of retry, cancel, forget, categorize, category, add")
        return self._for_jobs(command_id, Verb(verb), document)

    def _named(self, document: dict[str, object]) -> Naming:
        category = _text(document, "category")
        if category is None:
            raise BadDrop("it names no category")
        # A name that no directory could carry is refused by the same rule as that of a drop.
        return Naming(self._destination_for(category).category, drop=_switch(document, "drop"))

    def _for_jobs(self, command_id: str, verb: Verb, document: dict[str, object]) -> Command:
        jobs = document.get("jobs")
        if (
            not isinstance(jobs, list)
            or len(jobs) > MAX_JOBS
            or not all(isinstance(job, str) for job in jobs)
        ):
            raise BadDrop("its jobs are not a list of job ids")
        category = _text(document, "category")
        if (category is None) is (verb is Verb.CATEGORIZE):
            raise BadDrop("categorize names a category, and nothing else does")
        destination = None if category is None else self._destination_for(category)
        return Command(command_id, verb, tuple(jobs), _switch(document, "files"), destination)

    def _added(self, command_id: str, document: dict[str, object]) -> Intake:
        category = _text(document, "category")
        link, name, data = (_text(document, key, limit) for key, limit in _ADD)
        drop_id = add_drop_id(command_id)
        if link is not None:
            found = parse_link(link)
            name = name or found.name or ""
            return Intake(Drop(drop_id, name, ""), Links((found,)), self._destination_for(category), name)
        if name is None or data is None:
            raise BadDrop("it names neither a link nor a file")
        content = _decoded(data)
        links = parse(name, content)
        if not links.found:
            raise BadDrop("the file holds no link that can be used")
        sha256 = name_of(content)
        store(self._spool_dir, {sha256: content})
        drop = Drop(drop_id, name, "", sha256)
        return Intake(drop, links, self._destination_for(category), stem(name))

    def _set_aside(self, directory: int, name: str, problem: str) -> None:
        log.error("command %s was set aside in %s: %s", name, self._directory / BAD, problem)
        self._done.add(name)
        try:
            (self._directory / BAD).mkdir(mode=0o700, exist_ok=True)
            os.rename(name, f"{BAD}/{name}", src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            log.warning("command %s stays where it is: %s", name, error.strerror)

    def _settled(self, name: str) -> None:
        """Delete a command that is recorded; where that fails it is not read again by this process."""
        self._done.add(name)
        try:
            (self._directory / name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("command %s is carried out but cannot be deleted: %s", shown(name), error.strerror)

    def _say(self, problem: str) -> None:
        if problem and problem != self._said:
            log.error("%s", problem)
        self._said = problem


def _read(directory: int, name: str) -> bytes | None:
    """Return a command as it is written; None when it is not there, or changes.

    Raises ``BadDrop`` when it cannot be read, ``OSError`` when no file could be now.
    """
    try:
        expected = stamp_at(directory, name)
        return None if expected is None else read_settled(directory, name, expected, MAX_COMMAND_BYTES)
    except OSError as error:
        if error.errno in _SHORT:
            raise
        raise BadDrop(f"it cannot be read: {error.strerror}") from error


_ADD: Final = (("link", MAX_TEXT), ("name", 1024), ("data", MAX_COMMAND_BYTES))


def _text(document: dict[str, object], key: str, limit: int = 1024) -> str | None:
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > limit:
        raise BadDrop(f"its {key} is no text, or too long")
    return value


def _switch(document: dict[str, object], key: str) -> bool:
    value = document.get(key, False)
    if not isinstance(value, bool):
        raise BadDrop(f"its {key} is neither true nor false")
    return value


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadDrop("its data is not base64") from error


def ensure_directories(settings: WatchSettings) -> None:
    """Make the spool and the place for commands, readable by us alone. Raises ``OSError``."""
    for directory in (settings.spool_dir, commands_dir(settings.state_dir)):
        Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
