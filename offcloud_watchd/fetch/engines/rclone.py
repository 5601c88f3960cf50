"""What we ask of an rclone, in its words: its remote control, JSON over HTTP, one question at a time.

Rules of this file:

* Paths are relative to the remote that the operator names. What is long is begun as a job of rclone's, in a
  group that we name: so it is found again as long as rclone lives.
* What it tells is read by the rules of ``peer``, and what goes wrong is said by those of ``program``; what
  matters of rclone's own words is named in ``Failure``.

Source: rclone.org/rc, tried with 1.60.1.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import EngineDown
from offcloud_watchd.fetch.engines.program import Program, RefusedError
from offcloud_watchd.fetch.engines.settings import RcloneSettings
from offcloud_watchd.peer import entries, mapping, objects, parsed, text

GROUPS: Final = "offcloud-watchd/"
"""Begins the names of all groups of ours."""

PUBLISHING: Final = ".publish"
"""Ends the names of those that publish."""

_MAX_JOBS_LOOKED_AT: Final = 10_000
_STATUS: Final = re.compile(r"\bfailed: ([1-5][0-9]{2})\b")
_FULL: Final = re.compile(
    r"no space left|disk full|remaining disk space|quotaLimitReached"
    r"|quota[_ ](?:was |has been )?exceeded|storageQuotaExceeded"
    r"|(?:not enough|insufficient) (?:free |disk )?(?:space|storage)",
    re.IGNORECASE,
)
_LIST: Final = {"recurse": True, "noModTime": True, "noMimeType": True}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not work: ``http_status`` is what a file host answered (0: not told)."""

    http_status: int = 0
    is_full: bool = False


class _FailedError(RefusedError):
    """rclone answered, and did not do it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Task:
    """A job of rclone's; ``failure`` is None while it goes on and when it has done what it should."""

    number: int
    finished: bool
    failure: Failure | None = None


class Rclone:
    """One rclone and one remote of it. Any thread. Every method may raise ``EngineDown``."""

    def __init__(self, settings: RcloneSettings, read_password: Callable[[], str], clock: Clock) -> None:
        self.settings = settings
        self._program = Program("rclone", settings, read_password, clock)
        self._begun_by_group: dict[str, Task] = {}
        self._knows_all = False

    def forget_trouble(self) -> None:
        """Ask it the next time, also when it has just not answered: somebody has mended something."""
        self._program.forget_trouble()

    def version(self) -> str:
        """Return its version: it proves the address and the password."""
        return text(self._call("core/version").get("version")) or "of an unknown version"

    def is_one_step(self) -> bool:
        """Tell whether a directory of the remote is moved by one step, so that nobody sees it by halves."""
        return self._can("DirMove")

    def keeps_empty_directories(self) -> bool:
        """Tell whether a directory is there also when nothing is in it; in a bucket it is not."""
        return self._can("CanHaveEmptyDirectories")

    def _can(self, feature: str) -> bool:
        features = mapping(self._call("operations/fsinfo", fs=self._remote()).get("Features"))
        return features.get(feature) is True

    def free_bytes(self) -> int | None:
        """Return how much room there is; None where the remote does not tell."""
        try:
            told = self._ask("operations/about", fs=self._remote())
        except RefusedError:
            return None
        free_bytes = _number(told.get("free"))
        return free_bytes if free_bytes >= 0 else None

    def files(self, path: str) -> dict[str, int]:
        """Return the sizes of all files below a directory, by their path in it; none where there is none."""
        root = f"{path}/"
        return {
            name.removeprefix(root): _number(one.get("Size"))
            for one in self._listed(path, {**_LIST, "filesOnly": True})
            if (name := text(one.get("Path"))).startswith(root)
        }

    def directories(self, path: str) -> list[str]:
        """Return the names of the directories in a directory."""
        found = self._listed(path, {**_LIST, "recurse": False, "dirsOnly": True})
        return [text(one.get("Name")) for one in found]

    def size_of(self, path: str) -> int | None:
        """Return the size of a file; None where it is not there."""
        item = mapping(self._call("operations/stat", remote=path, fs=self._remote()).get("item"))
        return _number(item.get("Size")) if item and item.get("IsDir") is not True else None

    def is_there(self, path: str) -> bool:
        """Tell whether anything has this name."""
        return bool(self._call("operations/stat", remote=path, fs=self._remote()).get("item"))

    def purge(self, path: str) -> None:
        """Delete a directory and all below it; one that is not there is fine."""
        with suppress(RefusedError):
            self._ask("operations/purge", remote=path, fs=self._remote())
        if self.files(path):
            raise self._program.down(f"did not delete {path}; see its log")

    def delete(self, path: str) -> None:
        """Delete a file; one that is not there is fine."""
        with suppress(RefusedError):
            self._ask("operations/deletefile", remote=path, fs=self._remote())

    # --- jobs ---

    def copy_url(self, url: str, path: str, group: str) -> Task:
        """Begin to bring what is behind a link to a path."""
        return self._begun("operations/copyurl", group, fs=self._remote(), remote=path, url=url)

    def move(self, path: str, target: str, group: str) -> Task:
        """Begin to move a directory, by one step where the remote can; into what is there already."""
        return self._begun(
            "sync/move", group, srcFs=self._remote(path), dstFs=self._remote(target), deleteEmptySrcDirs=True
        )

    def look(self, task: Task) -> Task:
        """Return how a job is; one that rclone does not know any more has finished, nobody knows how."""
        try:
            return _task(task.number, self._ask("job/status", jobid=task.number))
        except _FailedError as failed:
            return Task(task.number, finished=True, failure=failed.failure)

    def progress(self, group: str) -> tuple[int, float]:
        """Return how many bytes a group has moved, and how many a second it moves now."""
        with suppress(RefusedError):
            told = self._ask("core/stats", group=group)
            return max(0, _number(told.get("bytes"))), max(0.0, float(_number(told.get("speed"))))
        return 0, 0.0

    def running(self, prefix: str) -> dict[str, Task]:
        """Return the jobs that go on, by their group, of the groups that begin so.

        Those of an earlier life, or whose answer was lost, are looked for among all that rclone has.
        """
        if not self._knows_all:
            self._begun_by_group.update(self._all_going_on())
            self._knows_all = True
        ours = {group: task for group, task in list(self._begun_by_group.items()) if group.startswith(prefix)}
        looked = {group: self.look(task) for group, task in ours.items()}
        for group, task in looked.items():
            if task.finished:
                self._begun_by_group.pop(group, None)
        return {group: task for group, task in looked.items() if not task.finished}

    def _all_going_on(self) -> dict[str, Task]:
        """Look through rclone's own list, newest first: every question makes it longer for a minute."""
        groups = [one for one in entries(self._call("core/group-list").get("groups")) if isinstance(one, str)]
        sought = {one for one in groups if one.startswith(GROUPS) and self._may_go_on(one)}
        numbers = entries(self._call("job/list").get("jobids")) if sought else []
        known = sorted((one for one in numbers if type(one) is int), reverse=True)
        found: dict[str, Task] = {}
        for number in known[:_MAX_JOBS_LOOKED_AT]:
            if sought <= found.keys():
                break
            with suppress(RefusedError):
                told = self._ask("job/status", jobid=number)
                if text(told.get("group")) in sought and told.get("finished") is False:
                    found[text(told.get("group"))] = Task(number, finished=False)
        return found

    def _may_go_on(self, group: str) -> bool:
        """Tell whether a group moves something; of one that publishes it cannot be seen."""
        if group.endswith(PUBLISHING):
            return True
        with suppress(RefusedError):
            return bool(self._ask("core/stats", group=group).get("transferring"))
        return False

    def stop(self, task: Task) -> None:
        """Let a job end; what it has written may stay."""
        with suppress(RefusedError):
            self._ask("job/stop", jobid=task.number)

    def forget(self, group: str) -> None:
        """Drop the figures of a group, whose job has finished."""
        self._begun_by_group.pop(group, None)
        with suppress(RefusedError):
            self._ask("core/stats-delete", group=group)

    # --- asking ---

    def _remote(self, path: str = "") -> str:
        root = self.settings.remote
        return f"{root}{path}" if not path or root.endswith((":", "/")) else f"{root}/{path}"

    def _listed(self, path: str, options: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        try:
            told = self._ask("operations/list", fs=self._remote(), remote=path, opt=options)
        except RefusedError:
            if self.is_there(path):
                raise self._program.down(f"cannot list {path}; see its log") from None
            return
        yield from objects(told.get("list"))

    def _begun(self, method: str, group: str, **params: object) -> Task:
        told = self._call(method, **params, _async=True, _group=group)
        self._begun_by_group[group] = task = Task(_number(told.get("jobid")), finished=False)
        return task

    def _call(self, method: str, **params: object) -> Mapping[str, object]:
        try:
            return self._ask(method, **params)
        except RefusedError:
            pass
        raise self._program.down(f"refused {method}: is engines.rclone.remote right? see its log")

    def _ask(self, method: str, **params: object) -> Mapping[str, object]:
        headers = self._headers()
        try:
            answer = self._program.ask(f"{self._program.path.rstrip('/')}/{method}", params, headers)
        except EngineDown:
            self._knows_all = False  # what was asked for may have been begun
            raise
        return self._understood(answer.status, answer.body)

    def _headers(self) -> dict[str, str]:
        if self.settings.password_file is None:
            return {}
        pair = f"{self.settings.user}:{self._program.secret()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"}

    def _understood(self, status: int, body: bytes) -> Mapping[str, object]:
        if status == 401 or (status == 403 and b"authentication must be set up" in body):
            where = self.settings.password_file or "engines.rclone.password_file"
            raise self._program.down(f"user and password were refused: put its --rc-pass into {where}")
        try:
            told = parsed(body)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise self._program.down(f"answered {status} with something else: is engines.rclone.url its rcd?")
        if status != 200:
            raise _FailedError(_failure(text(told.get("error"))))
        return told


def rclone_client(
    settings: RcloneSettings, read_secret: Callable[[Path, str, str], str], clock: Clock
) -> Rclone:
    """Return our side of an rclone; its password is read again for each question."""
    read = partial(read_secret, settings.password_file or Path(), settings.password_setting, "password")
    return Rclone(settings, read, clock)


# --- reading -----------------------------------------------------------------------------------------------


def _task(number: int, told: Mapping[str, object]) -> Task:
    if told.get("finished") is not True:
        return Task(number, finished=False)
    failed = told.get("success") is not True
    return Task(number, finished=True, failure=_failure(text(told.get("error"))) if failed else None)


def _failure(words: str) -> Failure:
    found = _STATUS.search(words[:4000])
    return Failure(int(found[1]) if found else 0, _FULL.search(words[:4000]) is not None)


def _number(value: object) -> int:
    """Read a number of bytes; -1 where it is none, as for what rclone does not know the size of."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1 << 62:
        return -1
    return int(value)
