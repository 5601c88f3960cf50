"""A shelf on a remote that only rclone can reach: staged there, checked by size, published by a move there.

``remote`` stands for ``output_dir``: what is published as ``output_dir/films/Name`` lies in
``remote/films/Name``, and who mounts the one at the other finds it under the path that is recorded.

Rules of this file:

* Every step is safe to repeat: files complete, note durable on a disk of ours, move. So a note without
  anything in staging means published, whatever became of it since.
* A name that is taken is never moved into, but by a move of our own that was cut short: what lies there and
  what is left then make up the release.
* What lies at a place is deleted only for the job that was the last to publish there: its own release may
  have been taken away, and another's have come under the same name.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Final

from offcloud_watchd.core.model import Job, Publication, RemoteFile
from offcloud_watchd.core.names import numbered
from offcloud_watchd.core.ports import Clock, ListFiles, OnProgress, Stop
from offcloud_watchd.errors import Blocked, Cancelled, EngineDown, NoRoom, Permanent, Transient
from offcloud_watchd.fetch.agreed import agreed
from offcloud_watchd.fetch.engines.consignment import Consignment, Ways
from offcloud_watchd.fetch.engines.notes import Notes
from offcloud_watchd.fetch.engines.rclone import GROUPS, PUBLISHING, Rclone, Task
from offcloud_watchd.fetch.naming import name_of
from offcloud_watchd.fetch.note import RELEASE_NAME, Note
from offcloud_watchd.fetch.owners import owner_of, ownerless
from offcloud_watchd.fetch.settings import MIB, STAGING_NAME, ShelfSettings

log = logging.getLogger(__name__)

_LOOKS_AFTER_A_MOVE: Final = 30
_LOOKS_WHILE_IT_ENDS: Final = 60


class RemoteShelf:
    """Implements ``core.ports.Shelf``, but for links. Several threads, for different jobs."""

    def __init__(self, settings: ShelfSettings, rclone: Rclone, clock: Clock) -> None:
        self._settings = settings
        self._rclone = rclone
        self._clock = clock
        self._notes = Notes(rclone.settings.notes_dir)
        self._claimed_bytes: dict[str, int] = {}
        self._refused_bytes: dict[str, int] = {}
        self._targets: dict[str, str] = {}

    # --- core.ports.Shelf, without links: a remote has none ---

    def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
        """Bring a finished request to the remote and publish it; resumes whatever an earlier call left."""
        if job.submission is None:
            raise Permanent("the job has no request id, so there is nothing to fetch; retry it")
        name = _round_name(job)
        try:
            self._rclone.version()  # before anything is asked of the service
            note = self._notes.read(name)
            if note is None:
                if name in self._refused_bytes:
                    self._claim(name, self._refused_bytes[name])
                ways = Ways(self._settings, self._clock, on_progress, stop)
                note = self._bring(job, partial(list_files, job.submission, stop), ways)
            return self._publish(job, note, stop)
        except EngineDown as error:
            if self._settings.engines.only:
                raise Blocked("fetch", str(error)) from error
            raise
        finally:
            self._claimed_bytes.pop(name, None)

    def holds(self, publication: Publication) -> bool:
        """Tell whether a release still has at least the files and the bytes that were published."""
        path = self._path_of(publication.path)
        try:
            here = self._rclone.files(path)
            if not here and self._is_away(path):
                above = str(PurePosixPath(publication.path).parent)
                raise Blocked(
                    "disk",
                    f"{above} is not on {self._rclone.settings.remote} any more: mount what it lies on, "
                    "or make that directory again if you took it away",
                )
        except EngineDown as error:
            raise Blocked("disk", str(error)) from error
        return len(here) >= publication.files and sum(here.values()) >= publication.size_bytes

    def vanished(self, publication: Publication) -> bool:
        """Tell whether a release was taken away, all of it; False as long as that cannot be told."""
        path = self._path_of(publication.path)
        try:
            is_gone = not self._rclone.files(path) and not self._rclone.is_there(path)
            return is_gone and not self._is_away(path)
        except EngineDown:
            return False

    def _is_away(self, path: str) -> bool:
        """Tell whether not even the directory is there in which a release lay: a disk may be unmounted.

        A bucket has no empty directories, and no disk: who takes the last release takes the directory, too.
        """
        above = path.rpartition("/")[0]
        return self._rclone.keeps_empty_directories() and not self._rclone.is_there(above)

    def tidy(self, job: Job) -> None:
        """Drop what staging holds of this round of a job, and of earlier ones; repeating it is harmless."""
        try:
            self._clear(lambda owner, number: owner == job.id and number <= job.round, threading.Event())
        except EngineDown as error:
            log.warning("job %s: %s; its staging is cleared at the next start", job.id, error)

    def discard(self, job: Job, stop: Stop) -> None:
        """Delete the job's staging, and its release when ``job.remove_files``; repeating it is harmless."""
        try:
            if job.remove_files:
                for path in self._releases(job):
                    if stop.is_set():
                        raise Cancelled("stopped before everything was deleted")
                    self._withdraw(job, path)
            self._clear(lambda owner, _: owner == job.id, stop)
            if job.publication is not None:
                self._disown(job, self._path_of(job.publication.path))
        except EngineDown as error:
            raise Transient(str(error)) from error

    def probe(self) -> None:
        """Raise ``Blocked`` while rclone does not answer, where every folder waits for it."""
        self._rclone.forget_trouble()
        if self._settings.engines.only:
            try:
                self._rclone.version()
            except EngineDown as error:
                raise Blocked("fetch", str(error)) from error

    def recall(self, jobs: Mapping[str, Job], stop: Stop) -> None:
        """Clear what staging holds of rounds that no live job owns; what cannot be is left."""
        try:
            self._clear(ownerless(jobs), stop)
        except EngineDown as error:
            log.warning("engine rclone: %s", error)

    # --- bringing ---

    def _bring(self, job: Job, ask: Callable[[], Sequence[RemoteFile]], ways: Ways) -> Note:
        listing, proof = agreed(job, ask, self._settings, ways.stop)
        name = _round_name(job)
        consignment = Consignment(
            self._rclone, f"{_staged(name)}/{RELEASE_NAME}", f"{GROUPS}{name}/", listing, proof, ways
        )
        self._claim(name, consignment.to_come_bytes())
        gathered = consignment.run()
        where = self._rclone.settings.remote
        note = Note(
            name_of(job, listing.remote_paths),
            "",
            gathered.files,
            gathered.size_bytes,
            f"{gathered.verified}; on {where}",
            checks=gathered.checks,
        )
        self._notes.write(name, note)
        return note

    def _claim(self, name: str, needed_bytes: int) -> None:
        """Stop before the first byte where the remote tells its room and the whole does not fit."""
        self._claimed_bytes[name] = needed_bytes
        free_bytes = self._rclone.free_bytes()
        if free_bytes is None or not needed_bytes:
            self._refused_bytes.pop(name, None)
            return
        others = sum(size for one, size in list(self._claimed_bytes.items()) if one != name)
        if needed_bytes + others + self._settings.min_free_bytes > free_bytes:
            self._refused_bytes[name] = needed_bytes
            raise NoRoom(
                f"no room on the remote: this release needs {needed_bytes / MIB:.2f}MiB more beside what "
                "others fetch, and fetch.min_free must stay free; it starts by itself when there is room"
            )
        self._refused_bytes.pop(name, None)

    # --- publishing ---

    def _publish(self, job: Job, note: Note, stop: Stop) -> Publication:
        name = _round_name(job)
        staged = f"{_staged(name)}/{RELEASE_NAME}"
        group = f"{GROUPS}{name}{PUBLISHING}"
        for task in self._rclone.running(group).values():  # of a call before
            self._await(task, group, stop)
        left = self._rclone.files(staged)
        if note.path and not left:
            return self._published(job, note)
        if not left:
            self._notes.clear(lambda owner, number: f"{owner}-{number}" == name)
            raise Transient("what was staged on the remote is gone; it is fetched again")
        try:
            if not note.path or not self._is_mine(note.path, name) or not self._continues(note, left):
                note = replace(note, path=self._free_path(job, note.name))
                self._notes.write(name, note)
            self._notes.own(note.path, job.id)
            self._await(self._rclone.move(staged, note.path, group), group, stop)
            self._check_there(note, staged, stop)
        finally:
            self._give_back(name)
        return self._published(job, note)

    def _is_mine(self, path: str, name: str) -> bool:
        """Take a place for who works there just now, a round or a removal, unless another one has it."""
        return self._targets.setdefault(path, name) == name

    def _give_back(self, name: str) -> None:
        # One by one: what others take meanwhile must not be lost.
        for path in [path for path, owner in list(self._targets.items()) if owner == name]:
            self._targets.pop(path, None)

    def _continues(self, note: Note, left: Mapping[str, int]) -> bool:
        """Tell whether a move goes on to the place that was noted: nothing is there, or the rest of ours."""
        if not self._rclone.is_there(note.path):
            return True
        there = self._rclone.files(note.path)
        files, size_bytes = len(there) + len(left), sum(there.values()) + sum(left.values())
        return (files, size_bytes) == (note.files, note.size_bytes)

    def _free_path(self, job: Job, name: str) -> str:
        directory = self._path_of(job.destination.directory)
        paths = (f"{directory}/{numbered(name, number)}" for number in itertools.count(1))
        owner = _round_name(job)
        return next(path for path in paths if self._is_mine(path, owner) and not self._rclone.is_there(path))

    def _await(self, task: Task, group: str, stop: Stop) -> None:
        """Wait for a move; what stays behind is seen by the next look."""
        while not (task := self._rclone.look(task)).finished:
            if stop.wait(self._rclone.settings.look_s):
                raise Cancelled("stopped while rclone was publishing; it goes on by itself")
        self._rclone.forget(group)
        if task.failure is not None:
            raise Transient("rclone could not move the release to its place, see its log; it is tried again")

    def _check_there(self, note: Note, staged: str, stop: Stop) -> None:
        for _ in range(_LOOKS_AFTER_A_MOVE):
            there = self._rclone.files(note.path)
            whole = (len(there), sum(there.values())) == (note.files, note.size_bytes)
            if whole and not self._rclone.files(staged):
                return
            if stop.wait(self._rclone.settings.look_s):
                raise Cancelled("stopped while the remote was looked at")
        raise Transient("the release is not whole in its place on the remote yet; it is looked at again")

    def _published(self, job: Job, note: Note) -> Publication:
        path = str(PurePosixPath(job.destination.directory, PurePosixPath(note.path).name))
        return replace(note, path=path).publication

    # --- clearing ---

    def _releases(self, job: Job) -> list[str]:
        """Name a job's releases on the remote, by the journal and by notes; only in its own directory."""
        directory = PurePosixPath(self._path_of(job.destination.directory))
        paths = [] if job.publication is None else [self._path_of(job.publication.path)]
        for name in self._notes.names():
            owner, note = owner_of(name), self._notes.read(name)
            published = (
                note is not None and note.path and not self._rclone.files(f"{_staged(name)}/{RELEASE_NAME}")
            )
            if owner is not None and owner[0] == job.id and note is not None and published:
                paths.append(note.path)
        return [path for path in dict.fromkeys(paths) if PurePosixPath(path).parent == directory]

    def _withdraw(self, job: Job, path: str) -> None:
        """Delete a release if it is still that of this job; repeating it is harmless."""
        name = f"removal of {job.id}"
        try:
            if self._is_mine(path, name) and self._notes.owner(path) == job.id:
                self._rclone.purge(path)
                self._disown(job, path)
        finally:
            self._give_back(name)

    def _disown(self, job: Job, path: str) -> None:
        if self._notes.owner(path) == job.id:
            self._notes.disown(path)

    def _clear(self, is_over: Callable[[str, int], bool], stop: Stop) -> None:
        for group, task in self._rclone.running(GROUPS).items():
            owner = owner_of(group.removeprefix(GROUPS).partition("/")[0].removesuffix(PUBLISHING))
            if owner is not None and is_over(*owner):
                self._end(task)
        for name in self._rclone.directories(STAGING_NAME):
            owner = owner_of(name)
            if stop.is_set():
                raise Cancelled("stopped before everything was cleared")
            if owner is not None and is_over(*owner):
                self._rclone.purge(f"{STAGING_NAME}/{name}")
        self._notes.clear(is_over)

    def _end(self, task: Task) -> None:
        """Let a job of rclone's end: it writes nothing afterwards."""
        self._rclone.stop(task)
        for _ in range(_LOOKS_WHILE_IT_ENDS):
            if self._rclone.look(task).finished:
                return
            threading.Event().wait(self._rclone.settings.look_s)
        raise EngineDown("rclone did not end a transfer when it was told to; see its log")

    def _path_of(self, path: str) -> str:
        """Return where a path of ours lies on the remote."""
        return str(PurePosixPath(path).relative_to(self._rclone.settings.output_dir))


def _round_name(job: Job) -> str:
    return f"{job.id}-{job.round}"


def _staged(name: str) -> str:
    return f"{STAGING_NAME}/{name}"
