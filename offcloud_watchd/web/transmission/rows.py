"""A job as a torrent: the fields of ``torrent-get``, with the meaning *arr tools give them.

Rules of this file:

* ``name`` is what lies in ``downloadDir``: clients put the two together. Source: Sonarr, TransmissionBase.cs.
* A finished torrent is stopped and at its own share limit: then *arr tools may move the files and remove it.
* A failed one has an ``errorString``, or a client would take it for finished: nothing is left to be done.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import Any, Final

from offcloud_watchd.core.model import Job, JobState, Lane, Progress
from offcloud_watchd.core.story import display_name
from offcloud_watchd.web.hashes import hash_of, magnet_of
from offcloud_watchd.web.measures import is_held, left_s, part_of, save_path, size_of, speed_of

STOPPED: Final = 0
CHECKING: Final = 2
QUEUED: Final = 3
DOWNLOADING: Final = 4
STALLED_FROM_ATTEMPTS: Final = 3
OF_FILES: Final = frozenset({"files", "fileStats", "priorities", "wanted"})
"""Fields that want a look at the disk."""

_NOT_AVAILABLE: Final = -1
_UNKNOWN: Final = -2
_LOCAL_ERROR: Final = 3
_OF_ITS_OWN: Final = 1
_WORDS: Final = {
    JobState.DONE: STOPPED,
    JobState.FAILED: STOPPED,
    JobState.CHECKING: CHECKING,
    JobState.QUEUED: QUEUED,
}
_PLAIN: Final[dict[str, Any]] = {
    "bandwidthPriority": 0,
    "comment": "",
    "corruptEver": 0,
    "creator": "",
    "dateCreated": 0,
    "downloadLimit": 100,
    "downloadLimited": False,
    "editDate": 0,
    "etaIdle": _NOT_AVAILABLE,
    "group": "",
    "haveUnchecked": 0,
    "honorsSessionLimits": True,
    "manualAnnounceTime": -1,
    "maxConnectedPeers": 50,
    "peer-limit": 50,
    "peers": [],
    "peersConnected": 0,
    "peersFrom": dict.fromkeys(
        ("fromCache", "fromDht", "fromIncoming", "fromLpd", "fromLtep", "fromPex", "fromTracker"), 0
    ),
    "peersGettingFromUs": 0,
    "peersSendingToUs": 0,
    "pieceCount": 0,
    "pieceSize": 0,
    "pieces": "",
    "primary-mime-type": "application/octet-stream",
    "rateUpload": 0,
    "recheckProgress": 0,
    "secondsSeeding": 0,
    "seedIdleLimit": 30,
    "seedIdleMode": 0,
    "seedRatioLimit": 0,
    "seedRatioMode": _OF_ITS_OWN,
    "trackerList": "",
    "trackerStats": [],
    "trackers": [],
    "uploadLimit": 100,
    "uploadLimited": False,
    "uploadedEver": 0,
    "webseeds": [],
    "webseedsSendingToUs": 0,
}
"""Fields that mean nothing here; they are told because a client may be written to find them."""

Row = dict[str, Any]


def status_of(job: Job, paused: Collection[Lane]) -> int:
    """Return Transmission's number for where a job is; ``paused`` are the lanes that do not work."""
    return QUEUED if is_held(job, paused) else _WORDS.get(job.state, DOWNLOADING)


def row(job: Job, number: int, progress: Progress | None, paused: Collection[Lane], now: float) -> Row:
    """Return a job with all fields but those ``OF_FILES``. Times are whole UTC seconds, sizes bytes."""
    part, size_bytes = part_of(job, progress), size_of(job, progress)
    done_bytes, publication = int(size_bytes * part), job.publication
    status, failed = status_of(job, paused), job.state is JobState.FAILED
    finished_at = int(job.published_at or job.changed_at) if publication is not None else 0
    files = 0 if publication is None else publication.files
    return {
        **_PLAIN,
        "activityDate": int(job.changed_at),
        "addedDate": int(job.queued_at),
        "desiredAvailable": size_bytes - done_bytes,
        "doneDate": finished_at,
        "downloadDir": save_path(job),
        "downloadedEver": done_bytes,
        "error": _LOCAL_ERROR if failed else 0,
        "errorString": (job.reason or "it failed") if failed else "",
        "eta": _eta_s(job, progress),
        "fileCount": files,
        "file-count": files,
        "hashString": hash_of(job.link),
        "haveValid": done_bytes,
        "id": number,
        "isFinished": job.state is JobState.DONE,
        "isPrivate": job.link.private,
        "isStalled": status == DOWNLOADING and job.attempts >= STALLED_FROM_ATTEMPTS,
        "labels": [job.destination.category],
        "leftUntilDone": size_bytes - done_bytes,
        "magnetLink": magnet_of(job),
        "metadataPercentComplete": 1 if size_bytes else 0,
        "name": display_name(job) if publication is None else posixpath.basename(publication.path),
        "percentComplete": part,
        "percentDone": part,
        "queuePosition": number - 1,
        "rateDownload": speed_of(job, progress),
        "secondsDownloading": max(0, int((finished_at or now) - job.queued_at)),
        "sizeWhenDone": size_bytes,
        "startDate": int(job.queued_at),
        "status": status,
        # FlexGet makes an address of it, which wants a path from the root on.
        "torrentFile": f"/nonexistent/{hash_of(job.link)}.torrent",
        "totalSize": size_bytes,
        "uploadRatio": 0 if done_bytes else _NOT_AVAILABLE,
    }


def files(listed: list[tuple[str, int]]) -> Row:
    """Return the fields ``OF_FILES``, by the names and sizes of a release's files."""
    return {
        "files": [
            {"bytesCompleted": size_bytes, "length": size_bytes, "name": name} for name, size_bytes in listed
        ],
        "fileStats": [
            {"bytesCompleted": size_bytes, "priority": 0, "wanted": True} for _, size_bytes in listed
        ],
        "priorities": [0] * len(listed),
        "wanted": [1] * len(listed),
    }


def _eta_s(job: Job, progress: Progress | None) -> int:
    if job.state not in (JobState.CLOUD, JobState.FETCHING):
        return _NOT_AVAILABLE
    seconds = left_s(job, progress)
    return _UNKNOWN if seconds is None else min(seconds, 2**31 - 1)
