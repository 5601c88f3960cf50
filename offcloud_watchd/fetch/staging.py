"""The hidden place where one round of a job is gathered, and the step that makes it visible.

Layout: ``<output root>/.offcloud-watchd/<job id>-<round>/`` holds ``release/`` (becomes the published
directory) or ``linked/`` (the same, made of links to another job's files), ``marks.jsonl`` (how far each file
is) and ``publish.json`` (where the release goes).

Rules of this file:

* The note of where a release goes is durable before the rename. So a note without a staged release means
  published, whatever became of it since: an importer may have taken it, and nothing is published again.
* A release is complete, with its final rights, and synced before the note is written.
* Nothing is ever written into a file of ``linked/``: it belongs to a release of another job too.
* Descriptors are held open, so a directory that is swapped for a link while we write changes nothing.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from offcloud_watchd.core.model import Publication
from offcloud_watchd.core.names import numbered
from offcloud_watchd.errors import Blocked
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.disk import on_disk
from offcloud_watchd.fetch.note import MAX_NOTE_BYTES, RELEASE_NAME, Note
from offcloud_watchd.fetch.owners import owner_of

LINKED_NAME: Final = "linked"
WITHDRAWN_NAME: Final = "withdrawn"
NOTE_NAME: Final = "publish.json"
OWNER_ATTRIBUTE: Final = "user.offcloud-watchd.job"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a round of a job is staged and where its release goes; absolute paths."""

    directory: str
    staging_root: str
    job_id: str
    round: int

    @property
    def root(self) -> str:
        """The output root: it must exist, we never make it."""
        return str(Path(self.staging_root).parent)

    @property
    def name(self) -> str:
        """The round's directory in staging."""
        return f"{self.job_id}-{self.round}"


@dataclass(frozen=True, slots=True)
class Rights:
    """The modes and the group that published files and directories get."""

    file_mode: int
    dir_mode: int
    group: int | None


def gone(staging_root: str) -> str:
    """Say that a staging directory that was seen is not there any more, and what to do."""
    return (
        f"{staging_root} was here and is gone, so its file system seems not to be mounted: "
        "mount it (or make the directory again if somebody deleted it)"
    )


def open_root(place: Place) -> int:
    """Open the staging directory, made when its output root has none yet. The caller closes it."""
    if not Path(place.root).is_dir():
        raise Blocked(
            "fetch", f"the output directory {place.root} is missing: mount it or make it; nothing was lost"
        )
    with disk.closed_after(disk.open_directory(place.root)) as root_fd:
        fd = disk.make_directory(Path(place.staging_root).name, root_fd, 0o700)
        with disk.closed_on_error(fd):
            os.fsync(root_fd)
    return fd


@contextmanager
def output_of(place: Place, rights: Rights) -> Iterator[int]:
    """Open the category's output directory; what is missing of it below the root is made."""
    with ExitStack() as held:
        try:
            fd = disk.open_directory(place.directory)
            held.callback(os.close, fd)
        except FileNotFoundError:
            fd = disk.open_directory(place.root)
            held.callback(os.close, fd)
            for part in Path(place.directory).relative_to(place.root).parts:
                outer_fd, fd = fd, disk.make_directory(part, fd, rights.dir_mode, rights.group)
                held.callback(os.close, fd)
                os.fsync(outer_fd)
        yield fd


class Round:
    """One round's directory in staging, held open. One thread."""

    def __init__(self, place: Place, rights: Rights, fd: int) -> None:
        self.fd = fd
        self._place = place
        self._rights = rights
        self._release_fd = -1

    def release_fd(self) -> int:
        """Return the descriptor of the staged release, made when it is not there yet."""
        if self._release_fd < 0:
            self._release_fd = disk.make_directory(RELEASE_NAME, self.fd, 0o700)
        return self._release_fd

    @property
    def name(self) -> str:
        """The round's name in staging."""
        return self._place.name

    @property
    def path(self) -> str:
        """Where it lies, for other programs: what is done here goes by descriptors."""
        return str(Path(self._place.staging_root, self._place.name))

    def note(self) -> Note | None:
        """Return the note of where the complete release goes; None while it is not complete."""
        data = disk.read_small(NOTE_NAME, self.fd, MAX_NOTE_BYTES)
        return None if data is None else Note.read(data)

    def published(self) -> Publication | None:
        """Return what this round has published already; None when it has not."""
        note = self.note()
        if note is None or disk.is_there(note.staged, self.fd):
            return None
        return note.publication

    def settle(self, publication: Publication) -> None:
        """Make a rename durable that is done already: who did it may have died before the sync, or failed."""
        directory = str(Path(publication.path).parent)
        with suppress(FileNotFoundError), disk.closed_after(disk.open_directory(directory)) as output_fd:
            os.fsync(output_fd)
        os.fsync(self.fd)

    def check_same_disk(self) -> None:
        """Raise ``OSError`` (EXDEV) when the release could not be renamed into its output directory."""
        with output_of(self._place, self._rights) as output_fd:
            if os.fstat(output_fd).st_dev != os.fstat(self.fd).st_dev:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def size_of(self, parts: tuple[str, ...]) -> int | None:
        """Return the size of a file of the staged release; None when it is not there."""
        try:
            return os.stat("/".join(parts), dir_fd=self.release_fd(), follow_symlinks=False).st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def room_of(self, parts: tuple[str, ...]) -> int:
        """Return how many bytes of the disk a file of the staged release takes, what is reserved included."""
        try:
            return os.stat("/".join(parts), dir_fd=self.release_fd(), follow_symlinks=False).st_blocks * 512
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def open_file(self, parts: tuple[str, ...]) -> int:
        """Open a file of the release for writing, made with its folders when it is missing."""
        with ExitStack() as held:
            folder_fd = self._folder(parts, held)
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(parts[-1], flags, 0o600, dir_fd=folder_fd)
        with disk.closed_on_error(fd):
            disk.set_rights(fd, self._rights.file_mode, self._rights.group)
        return fd

    def _folder(self, parts: tuple[str, ...], held: ExitStack) -> int:
        """Open the folder of a file of the release, made when it is missing, until ``held`` ends."""
        folder_fd = self.release_fd()
        for part in parts[:-1]:
            folder_fd = disk.make_directory(part, folder_fd, 0o700)
            held.callback(os.close, folder_fd)
        return folder_fd

    def take_in(self, from_fd: int, name: str, parts: tuple[str, ...], fd: int) -> None:
        """Move a file that another program has finished into the release; ``fd`` is that file, open.

        It takes the place of what has its name there. One that is in its place already stays.
        """
        disk.set_rights(fd, self._rights.file_mode, self._rights.group)
        with ExitStack() as held, suppress(FileNotFoundError):
            folder_fd = self._folder(parts, held)
            os.rename(name, parts[-1], src_dir_fd=from_fd, dst_dir_fd=folder_fd)

    def prune(self, keep: Collection[tuple[str, ...]]) -> None:
        """Take out of the staged release whatever is no file of ``keep`` and no folder of one."""
        folders = {parts[:depth] for parts in keep for depth in range(len(parts))}
        for path, folder_names, file_names, dir_fd in _walked(self.release_fd()):
            here = Path(path).parts
            for name in file_names:
                if (*here, name) not in keep:
                    os.unlink(name, dir_fd=dir_fd)
            for name in folder_names:
                if (*here, name) not in folders:
                    self._remove_folder(name, dir_fd)

    @staticmethod
    def _remove_folder(name: str, dir_fd: int) -> None:
        if disk.is_directory(name, dir_fd):
            os.rmdir(name, dir_fd=dir_fd)
        else:  # a link to a directory is listed among the folders
            os.unlink(name, dir_fd=dir_fd)

    def seal(self) -> None:
        """Give every directory of the release its final rights and make all names durable."""
        self._seal(self.release_fd())

    def _seal(self, release_fd: int) -> None:
        for _, _, _, dir_fd in _walked(release_fd):
            disk.set_rights(dir_fd, self._rights.dir_mode, self._rights.group)
            os.fsync(dir_fd)
        with suppress(OSError):  # not every file system can; it only makes a later deletion surer
            os.setxattr(release_fd, OWNER_ATTRIBUTE, self._place.job_id.encode())
        os.fsync(self.fd)

    def link(self, make_links: Callable[[int], tuple[str, ...] | None]) -> tuple[str, ...] | None:
        """Seal a release of links that ``make_links`` puts into an empty directory; return what it returns.

        None when they cannot be made. What an earlier call left half linked is made anew, and what was
        fetched until now stays as it is.
        """
        disk.remove_tree(LINKED_NAME, self.fd)
        with disk.closed_after(disk.make_directory(LINKED_NAME, self.fd, 0o700)) as linked_fd:
            paths = make_links(linked_fd)
            if paths is not None:
                self._seal(linked_fd)
        if paths is None:
            disk.remove_tree(LINKED_NAME, self.fd)
        return paths

    def publish(self, note: Note) -> Publication:
        """Make the sealed release visible under the first free name, by one rename. Safe to repeat."""
        self._check_mounted()
        self._check_unmoved(note)
        if note.spent:
            self._take_out(note)
        names = (numbered(note.name, number) for number in itertools.count(1))
        with output_of(self._place, self._rights) as output_fd:
            path = next(self._path_of(name) for name in names if self._appeared(name, note, output_fd))
        return replace(note, path=path).publication

    def _check_mounted(self) -> None:
        """Raise ``Blocked`` when the file system was taken away under us: only we still hold it."""
        staged_at = Path(self._place.staging_root, self.name)
        if not staged_at.is_dir() or not os.path.samestat(staged_at.stat(), os.fstat(self.fd)):
            raise Blocked("fetch", gone(self._place.staging_root))

    def _check_unmoved(self, note: Note) -> None:
        """Raise ``OSError`` when the name in staging is not the directory that was filled."""
        named = os.stat(note.staged, dir_fd=self.fd, follow_symlinks=False)
        is_linked = note.staged == LINKED_NAME and stat.S_ISDIR(named.st_mode)
        if not is_linked and not os.path.samestat(named, os.fstat(self.release_fd())):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    def _take_out(self, note: Note) -> None:
        """Remove what is not needed any more; from the moment that it is noted the release is complete."""
        disk.write_durably(NOTE_NAME, note.written(), self.fd)
        for path in note.spent:
            with ExitStack() as held, suppress(FileNotFoundError):
                folder_fd = self.release_fd()
                *folders, name = path.split("/")
                for folder in folders:
                    folder_fd = disk.open_directory(folder, folder_fd)
                    held.callback(os.close, folder_fd)
                os.unlink(name, dir_fd=folder_fd)
                os.fsync(folder_fd)

    def _appeared(self, name: str, note: Note, output_fd: int) -> bool:
        chosen = replace(note, path=self._path_of(name))
        disk.write_durably(NOTE_NAME, chosen.written(), self.fd)
        try:
            disk.rename_new(note.staged, self.fd, name, output_fd)
        except FileExistsError:
            return False
        os.fsync(output_fd)
        os.fsync(self.fd)
        return True

    def _path_of(self, name: str) -> str:
        return str(Path(self._place.directory, name))

    def withdraw(self, name: str) -> None:
        """Delete a published release of this job; no link, and no directory that somebody else has made.

        It goes back into staging first, so that nobody sees it half deleted.
        """
        try:
            output_fd = disk.open_directory(self._place.directory)
        except FileNotFoundError:
            return
        with disk.closed_after(output_fd):
            if disk.is_directory(name, output_fd) and _is_owned(name, output_fd, self._place.job_id):
                disk.remove_tree(WITHDRAWN_NAME, self.fd)
                disk.rename_new(name, output_fd, WITHDRAWN_NAME, self.fd)
                os.fsync(output_fd)
        disk.remove_tree(WITHDRAWN_NAME, self.fd)

    def close(self) -> None:
        """Close what is held open."""
        if self._release_fd >= 0:
            os.close(self._release_fd)
            self._release_fd = -1
        os.close(self.fd)


@contextmanager
def opened(place: Place, rights: Rights) -> Iterator[Round]:
    """Open the staging of a round for the time of one call, made when it is missing."""
    doing = f"to open the staging directory in {place.root}"
    with on_disk(doing), disk.closed_after(open_root(place)) as root_fd:
        fd = disk.make_directory(place.name, root_fd, 0o700)
        with disk.closed_on_error(fd):
            os.fsync(root_fd)
    with closing(Round(place, rights, fd)) as staged:
        yield staged


def _walked(release_fd: int) -> Iterator[tuple[str, list[str], list[str], int]]:
    """Give every directory of a release, the inner ones first, as ``os.fwalk`` does; none is passed over.

    Left to itself, that leaves out a folder it cannot open: it would be published as it is, unsynced.
    """

    def fails(error: OSError) -> None:
        raise error

    return os.fwalk(".", topdown=False, onerror=fails, dir_fd=release_fd)


# --- Clearing away -----------------------------------------------------------------------------------------


def rounds(staging_root: str, job_id: str) -> list[int]:
    """Return the rounds of a job that staging holds something of."""
    return sorted(number for owner, number, _ in _entries(staging_root) if owner == job_id)


def clear(staging_root: str, is_over: Callable[[str, int], bool]) -> None:
    """Delete what staging holds of the rounds that ``is_over(job id, round)`` names; the rest stays."""
    with on_disk(f"to clear {staging_root}"):
        for owner, number, name in _entries(staging_root):
            if is_over(owner, number):
                with disk.closed_after(disk.open_directory(staging_root)) as root_fd:
                    _remove(name, root_fd)


def _remove(name: str, root_fd: int) -> None:
    """Delete a round, its note first: left without its release, it would name what is somebody else's."""
    with suppress(FileNotFoundError), disk.closed_after(disk.open_directory(name, root_fd)) as fd:
        os.unlink(NOTE_NAME, dir_fd=fd)
        os.fsync(fd)
    disk.remove_tree(name, root_fd)


def _entries(staging_root: str) -> list[tuple[str, int, str]]:
    try:
        names = [path.name for path in Path(staging_root).iterdir()]
    except FileNotFoundError:
        return []
    return [(*owner, name) for name in names if (owner := owner_of(name)) is not None]


def _is_owned(name: str, output_fd: int, job_id: str) -> bool:
    """Tell whether a directory was published by this job; where it cannot be known, its name must do."""
    with disk.closed_after(disk.open_directory(name, output_fd)) as fd:
        try:
            return os.getxattr(fd, OWNER_ATTRIBUTE) == job_id.encode()
        except OSError as error:
            return error.errno == errno.ENOTSUP
