"""A published release as it lies on the disk: whether it is whole still, and links to its files.

Rules of this file:

* Nothing here changes a release. Users and importers may, at any moment, while it is read.
* What was linked is judged by the links, which nobody else knows of, and not by what was looked at before.
* A release can be used by another job only while it holds exactly what was published, unchanged since.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Final

from offcloud_watchd.core.model import Publication
from offcloud_watchd.fetch import disk

_MAX_DEPTH: Final = 64
_CLOCK_SLACK_S: Final = 2.0  # a file server has a clock of its own, and some count in steps of two seconds

# What stands in the way of links is no error: the files are fetched then. EMLINK: a file has too many.
# EPERM: the file system knows no links, or the file is another user's. Source: link(2), proc(5) on
# protected_hardlinks.
_CANNOT_LINK: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
)
_CHANGED: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EEXIST})


class _NotAsPublished(Exception):  # noqa: N818 - the state of the thing
    """A release is not any more what was published."""


def holds(publication: Publication) -> bool:
    """Tell whether a release still has at least the files and bytes that were published.

    Raises ``OSError`` when that cannot be told.
    """
    files = size_bytes = 0
    try:
        fd = disk.open_directory(publication.path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    with disk.closed_after(fd):
        for _, _, names, dir_fd in os.fwalk(".", dir_fd=fd, onerror=_raised):
            sizes = [size for name in names if (size := _size_of(name, dir_fd)) is not None]
            files, size_bytes = files + len(sizes), size_bytes + sum(sizes)
            if files >= publication.files and size_bytes >= publication.size_bytes:
                return True
    return False


def vanished(publication: Publication) -> bool:
    """Tell whether nothing is left of a release, while the directory that it lay in is there.

    Raises ``OSError`` when that cannot be told.
    """
    target = PurePosixPath(publication.path)
    with disk.closed_after(disk.open_directory(str(target.parent))) as fd:
        return not disk.is_there(target.name, fd)


def _raised(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # somebody takes files away just now
        raise error


def _size_of(name: str, dir_fd: int) -> int | None:
    """Return the size of a regular file, None for everything else."""
    with suppress(FileNotFoundError):
        facts = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        if stat.S_ISREG(facts.st_mode):
            return facts.st_size
    return None


def linked(publication: Publication, published_at: float, target_fd: int) -> tuple[str, ...] | None:
    """Link all files of a release into an empty directory; return their paths in it.

    None when the file system cannot, or when the release is not what was published at ``published_at`` (UTC
    seconds); what was linked until then stays for the caller to remove. Raises ``OSError`` when our own disk
    fails.
    """
    links = _Links(publication, published_at)
    try:
        _link_all(publication, links, target_fd)
    except _NotAsPublished:
        return None
    except OSError as error:
        if error.errno in _CANNOT_LINK | _CHANGED:
            return None
        raise
    return tuple(links.paths)


def _link_all(publication: Publication, links: _Links, target_fd: int) -> None:
    path = PurePosixPath(publication.path)
    with disk.closed_after(disk.open_directory(str(path.parent))) as parent_fd:
        release_fd = disk.open_directory(path.name, parent_fd)
    with disk.closed_after(release_fd):
        links.add_folder(release_fd, target_fd, ())
    links.check_whole()


class _Links:
    """The links made so far, held against what was published."""

    def __init__(self, publication: Publication, published_at: float) -> None:
        self.paths: list[str] = []
        self._publication = publication
        self._unchanged_since = published_at + _CLOCK_SLACK_S
        self._size_bytes = 0

    def add_folder(self, source_fd: int, target_fd: int, parts: tuple[str, ...]) -> None:
        """Link what a folder holds, and the folders in it."""
        if len(parts) > _MAX_DEPTH:
            raise _NotAsPublished
        with os.scandir(source_fd) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    self._add_inner(entry.name, source_fd, target_fd, parts)
                else:
                    self._add_file(entry.name, source_fd, target_fd, parts)

    def _add_inner(self, name: str, source_fd: int, target_fd: int, parts: tuple[str, ...]) -> None:
        with (
            disk.closed_after(disk.open_directory(name, source_fd)) as inner_source_fd,
            disk.closed_after(disk.make_directory(name, target_fd, 0o700)) as inner_target_fd,
        ):
            self.add_folder(inner_source_fd, inner_target_fd, (*parts, name))

    def _add_file(self, name: str, source_fd: int, target_fd: int, parts: tuple[str, ...]) -> None:
        os.link(name, name, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
        facts = os.stat(name, dir_fd=target_fd, follow_symlinks=False)
        self.paths.append("/".join((*parts, name)))
        self._size_bytes += facts.st_size
        too_many = len(self.paths) > self._publication.files
        if too_many or not stat.S_ISREG(facts.st_mode) or facts.st_mtime > self._unchanged_since:
            raise _NotAsPublished

    def check_whole(self) -> None:
        """Raise unless everything that was published is linked."""
        if (len(self.paths), self._size_bytes) != (self._publication.files, self._publication.size_bytes):
            raise _NotAsPublished
