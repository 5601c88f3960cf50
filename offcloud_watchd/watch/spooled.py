"""What was dropped, given back out of the spool: a job's torrent, and the file to hand over in its place.

Rules of this file:

* What is given back is what was stored, to the byte, and what the job's link is of. Whatever else lies there
  is passed over and told: without its torrent a release is verified by size, and a magnet is sent as it is.
* Everything here may be asked from any thread.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from offcloud_watchd.core.links import MAX_DROP_BYTES, inflate, is_magnet_enough, is_nzb_of, torrent_for
from offcloud_watchd.core.model import Job, LinkKind
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.watch.spool import NAME

log = logging.getLogger(__name__)


class Uploading(StrEnum):
    """Which torrents are handed over as files: none, those a magnet may not be enough for, or all."""

    NEVER = "never"
    AUTO = "auto"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class SpooledTorrents:
    """Gives back the .torrent a job came from."""

    spool_dir: Path

    def __call__(self, job: Job) -> bytes | None:
        """Return the first of the job's drops that is the torrent of its link; None where none is."""
        if job.link.kind is not LinkKind.TORRENT:
            return None
        dropped = _dropped(self.spool_dir, job)
        return next((data for data in dropped if torrent_for(job.link, data) is not None), None)


@dataclass(frozen=True, slots=True)
class SpooledFiles:
    """Gives back the file that is to be handed over in place of a job's link."""

    spool_dir: Path
    torrents: Uploading = Uploading.NEVER

    def __call__(self, job: Job) -> bytes | None:
        """Return the file, unpacked; None where the link itself is to be sent, or an NZB is lost."""
        if job.link.kind is LinkKind.NZB:
            unpacked = map(_unpacked, _dropped(self.spool_dir, job))
            return next((data for data in unpacked if is_nzb_of(job.link, data)), None)
        if self.torrents is Uploading.NEVER:
            return None
        data = SpooledTorrents(self.spool_dir)(job)
        metainfo = None if data is None else torrent_for(job.link, data)
        if data is None or metainfo is None:
            return None
        if self.torrents is Uploading.AUTO and is_magnet_enough(metainfo):
            return None
        return inflate(data)


def _unpacked(data: bytes) -> bytes:
    try:
        return inflate(data)
    except BadDrop:  # another drop of the same job
        return b""


def _dropped(spool_dir: Path, job: Job) -> Iterator[bytes]:
    """Give back what was dropped for a job, each once."""
    for name in dict.fromkeys(drop.sha256 for drop in job.drops if NAME.fullmatch(drop.sha256)):
        data = _read(spool_dir / name)
        if data is not None:
            yield data


def _read(path: Path) -> bytes | None:
    try:
        with open(path, "rb", opener=_unfollowed) as file:
            data = file.read(MAX_DROP_BYTES + 1)
    except OSError as error:
        log.warning("what was dropped cannot be read back from %s: %s", path, error.strerror)
        return None
    if hashlib.sha256(data).hexdigest() != path.name:
        log.warning("what was dropped is damaged in %s: it is not used", path)
        return None
    return data


def _unfollowed(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
