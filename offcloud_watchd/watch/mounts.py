"""Which file systems tell of changes that others make. The rest is looked at by the clock.

A network file system reports what this machine does and is silent about every other writer; FUSE, 9p and
virtiofs (containers on a desktop) deliver nothing or a part.
Source: docker/for-win #12766, #12898; microsoft/WSL #4739; gorakhargosh/watchdog #409, #668.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

MOUNTINFO: Final = "/proc/self/mountinfo"

_SILENT: Final = frozenset(
    {
        "9p",
        "afs",
        "ceph",
        "cifs",
        "fuse",
        "fuseblk",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "overlay",
        "prl_fs",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
    }
)
_OCTAL = re.compile(r"\\([0-7]{3})")


def silent_type(real_path: str, mountinfo: str) -> str | None:
    """Return the type of the file system when it does not tell of changes, else None.

    ``mountinfo`` is the text of ``/proc/self/mountinfo``. Source: proc(5).
    """
    kind = file_system_type(real_path, mountinfo)
    return kind if kind in _SILENT or kind.startswith("fuse.") else None


def file_system_type(real_path: str, mountinfo: str) -> str:
    """Return the type of the file system a real path lies on; empty when it is not told."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        fields, _, source = line.partition(" - ")
        parts = fields.split(" ")
        if len(parts) < 5 or not source:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), parts[4])
        # A later mount on the same point covers the earlier one.
        if len(point) >= len(best) and _is_within(real_path, point):
            best, kind = point, source.split(" ", 1)[0]
    return kind


def read_mountinfo(path: str = MOUNTINFO) -> str:
    """Return the kernel's list of mounts; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _is_within(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip(os.sep) + os.sep)
