"""Where a folder is mounted, and which file systems tell of changes that others make.

A network file system reports what this machine does and is silent about every other writer; FUSE, 9p and
virtiofs (containers on a desktop) deliver nothing or a part; a stacked one is silent about what happens
below it. What is silent is looked at by the clock.
Source: docker/for-win #12766, #12898; microsoft/WSL #4739; gorakhargosh/watchdog #409, #668.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOUNTINFO: Final = "/proc/thread-self/mountinfo"

_SILENT: Final = frozenset(
    {
        "9p",
        "acfs",
        "afs",
        "aufs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "drvfs",
        "ecryptfs",
        "fuse",
        "fuseblk",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "overlay",
        "prl_fs",
        "pvfs2",
        "shiftfs",
        "smb2",
        "smb3",
        "smbfs",
        "unionfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
    }
)
_OCTAL = re.compile(r"\\([0-7]{3})")
_MOUNT_ID = re.compile(r"^mnt_id:\s*(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where it is mounted and its type; both empty when that cannot be told."""

    point: str = ""
    kind: str = ""

    @property
    def is_silent(self) -> bool:
        """Tell whether others can change it without a word."""
        return self.kind in _SILENT or self.kind.startswith("fuse.")


def mount_of(directory: int | None, real_path: str, mountinfo: str) -> Mount:
    """Find the mount a directory lies on.

    ``mountinfo`` is the text of ``/proc/thread-self/mountinfo``. Of an open directory the kernel says which
    mount it is, also when another one was mounted over it or over a directory above; else the path decides.
    Source: proc(5), ``mountinfo`` and ``fdinfo``.
    """
    mounts = list(_mounts(mountinfo))
    mount_id = None if directory is None else _mount_id(directory)
    known = [mount for number, mount in mounts if number == mount_id and is_within(real_path, mount.point)]
    return known[-1] if known else _mount_at(real_path, [mount for _, mount in mounts])


def silent_type(real_path: str, mountinfo: str) -> str | None:
    """Return the type of the file system when it does not tell of changes, else None."""
    mount = _mount_at(real_path, [mount for _, mount in _mounts(mountinfo)])
    return mount.kind if mount.is_silent else None


def file_system_type(real_path: str, mountinfo: str) -> str:
    """Return the type of the file system a real path lies on; empty when it is not told."""
    return _mount_at(real_path, [mount for _, mount in _mounts(mountinfo)]).kind


def read_mountinfo(path: str = MOUNTINFO) -> str:
    """Return the kernel's list of mounts; empty where there is none."""
    return _text_of(path)


def is_within(path: str, point: str) -> bool:
    """Tell whether a path is a directory or lies below it."""
    return path == point or path.startswith(point.rstrip(os.sep) + os.sep)


def _mounts(mountinfo: str) -> Iterator[tuple[int, Mount]]:
    for line in mountinfo.splitlines():
        fields, _, source = line.partition(" - ")
        parts = fields.split(" ")
        if len(parts) >= 5 and source and parts[0].isdecimal():
            point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), parts[4])
            yield int(parts[0]), Mount(point, source.split(" ", 1)[0])


def _mount_at(real_path: str, mounts: list[Mount]) -> Mount:
    best = Mount()
    for mount in mounts:
        # A later mount on the same point covers the earlier one.
        if len(mount.point) >= len(best.point) and is_within(real_path, mount.point):
            best = mount
    return best


def _mount_id(directory: int) -> int | None:
    found = _MOUNT_ID.search(_text_of(f"/proc/thread-self/fdinfo/{directory}"))
    return int(found[1]) if found else None


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
