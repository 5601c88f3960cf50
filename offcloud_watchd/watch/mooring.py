"""The mount a drop folder lies on, remembered: what lies on a bare mount point was not dropped there.

Rules of this file:

* A folder that once lay on a mounted file system is not used while that is not mounted. This is kept in the
  state directory, because a machine starts its services before its network is there.
* A folder on the root file system has nothing to remember, and nothing is written into a drop folder.
* The operator has the last word: the file with the memory is named, and deleting it is enough.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Final

from offcloud_watchd.watch.mounts import Mount, is_within
from offcloud_watchd.watch.spool import write_durably

log = logging.getLogger(__name__)

MAX_BYTES: Final = 8192


class Mooring:
    """The memory of one folder; used by the folder's own thread alone. No ``OSError`` escapes."""

    def __init__(self, state_dir: Path, folder: Path) -> None:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        self._file = state_dir / "mounts" / name

    def problem(self, real_path: str, mount: Mount) -> str:
        """Say what is wrong when the mount is gone; else remember where the folder is now."""
        known = self._known()
        if known == mount.point:
            return ""
        if is_within(real_path, known) and mount.point and is_within(known, mount.point):
            return (
                f"what was mounted on {known} is not there, nothing is taken: mount it, "
                f"or delete {self._file} if that is meant"
            )
        if mount.point not in {"", os.sep}:
            self._remember(mount.point)
        return ""

    def _known(self) -> str:
        """Return the mount point; the root when none is remembered, which is above any other."""
        try:
            with self._file.open("rb") as file:
                return os.fsdecode(file.read(MAX_BYTES)) or os.sep
        except OSError:
            return os.sep

    def _remember(self, point: str) -> None:
        try:
            write_durably(self._file, os.fsencode(point))
        except OSError as error:
            log.debug("%s: %s", self._file, error.strerror)
