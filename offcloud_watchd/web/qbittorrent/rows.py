"""A job as a torrent: every field of qBittorrent's lists, with the meaning *arr tools give it.

Rules of this file:

* What is held for a reason that concerns all jobs is queued, not stalled.
* A finished torrent is paused and at its share limit: then *arr tools may move the files and remove it.
  Source: Sonarr, ``QBittorrent.cs``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from offcloud_watchd.core.model import Job, JobState, Lane, Progress
from offcloud_watchd.core.story import display_name
from offcloud_watchd.web.hashes import hash_of, magnet_of
from offcloud_watchd.web.measures import is_held, left_s, part_of, save_path, size_of, speed_of

UNKNOWN_ETA_S: Final = 8_640_000  # qBittorrent's own infinity
TRACKER: Final = "https://offcloud.com"
STALLED_FROM_ATTEMPTS: Final = 3
_RATIO: Final = 1.0
_WORDS: Final = {JobState.DONE: "pausedUP", JobState.CHECKING: "checkingUP", JobState.FAILED: "error"}

Row = dict[str, Any]

_PLAIN: Final[Row] = {
    "auto_tmm": False,
    "dl_limit": 0,
    "download_path": "",
    "f_l_piece_prio": False,
    "force_start": False,
    "inactive_seeding_time_limit": -2,
    "max_inactive_seeding_time": -1,
    "max_ratio": _RATIO,
    "max_seeding_time": -1,
    "num_complete": 1,
    "num_incomplete": 0,
    "num_leechs": 0,
    "ratio_limit": _RATIO,
    "seeding_time": 0,
    "seeding_time_limit": -2,
    "seq_dl": False,
    "super_seeding": False,
    "tags": "",
    "tracker": TRACKER,
    "trackers_count": 1,
    "up_limit": 0,
    "uploaded": 0,
    "uploaded_session": 0,
    "upspeed": 0,
}
"""Fields in which no job differs: nothing is given to others, nothing but the ratio is limited."""

_PLAIN_PROPERTIES: Final[Row] = {
    "created_by": "",
    "creation_date": -1,
    "dl_limit": -1,
    "download_path": "",
    "nb_connections": 0,
    "nb_connections_limit": 0,
    "peers": 0,
    "peers_total": 0,
    "piece_size": 0,
    "pieces_have": 0,
    "pieces_num": 0,
    "reannounce": 0,
    "seeding_time": 0,
    "seeds_total": 1,
    "total_uploaded": 0,
    "total_uploaded_session": 0,
    "total_wasted": 0,
    "up_limit": -1,
    "up_speed": 0,
    "up_speed_avg": 0,
}


def state_of(job: Job, paused: Collection[Lane]) -> str:
    """Return qBittorrent's word for where a job is; ``paused`` are the lanes that do not work."""
    if (word := _WORDS.get(job.state)) is not None:
        return word
    if is_held(job, paused):
        return "queuedDL"
    if job.attempts >= STALLED_FROM_ATTEMPTS:
        return "stalledDL"
    return "queuedDL" if job.state is JobState.QUEUED else "downloading"


def row(job: Job, progress: Progress | None, paused: Collection[Lane], now: float) -> Row:
    """Return a job as it stands in ``torrents/info``. Times are whole UTC seconds, sizes bytes."""
    part, size_bytes = part_of(job, progress), size_of(job, progress)
    done_bytes, speed = int(size_bytes * part), speed_of(job, progress)
    publication = job.publication
    finished_at = int(job.published_at or job.changed_at) if publication is not None else 0
    return {
        **_PLAIN,
        "added_on": int(job.queued_at),
        "amount_left": size_bytes - done_bytes,
        "availability": -1 if publication is not None else 1,
        "category": job.destination.category,
        "completed": done_bytes,
        "completion_on": finished_at,
        "content_path": "" if publication is None else publication.path,
        "dlspeed": speed,
        "downloaded": done_bytes,
        "downloaded_session": done_bytes,
        "eta": _eta_s(job, progress),
        "hash": hash_of(job.link),
        "infohash_v1": job.link.info_hash_v1 or "",
        "infohash_v2": job.link.info_hash_v2 or "",
        "last_activity": int(job.changed_at),
        "magnet_uri": magnet_of(job),
        "name": display_name(job),
        "num_seeds": 0 if publication is not None else 1,
        "priority": 0 if publication is not None else 1,
        "progress": part,
        "ratio": _RATIO if publication is not None else 0,
        "save_path": save_path(job),
        "seen_complete": finished_at,
        "size": size_bytes,
        "state": state_of(job, paused),
        "time_active": max(0, int((finished_at or now) - job.queued_at)),
        "total_size": size_bytes or -1,
    }


def properties(job: Job, progress: Progress | None, now: float) -> Row:
    """Return a job as ``torrents/properties`` shows it."""
    about = row(job, progress, (), now)
    finished_at = about["completion_on"] or -1
    return {
        **_PLAIN_PROPERTIES,
        "addition_date": about["added_on"],
        "comment": job.reason,
        "completion_date": finished_at,
        "dl_speed": about["dlspeed"],
        "dl_speed_avg": about["dlspeed"],
        "eta": about["eta"],
        "hash": about["hash"],
        "infohash_v1": about["infohash_v1"],
        "infohash_v2": about["infohash_v2"],
        "is_private": job.link.private,
        "last_seen": finished_at,
        "name": about["name"],
        "save_path": about["save_path"],
        "seeds": about["num_seeds"],
        "share_ratio": about["ratio"],
        "time_elapsed": about["time_active"],
        "total_downloaded": about["downloaded"],
        "total_downloaded_session": about["downloaded"],
        "total_size": about["total_size"],
    }


def trackers(job: Job) -> list[Row]:
    """Return a job's trackers: the three that are none, and the service, which works unless the job failed.

    autobrr deletes what has no working tracker after a while. Source: autobrr, ``internal/action``.
    """
    failed = job.state is JobState.FAILED
    others = [_tracker(name, -1, 0, "") for name in ("** [DHT] **", "** [PeX] **", "** [LSD] **")]
    return [*others, _tracker(TRACKER, 0, 4 if failed else 2, job.reason if failed else "")]


def _tracker(url: str, tier: int, status: int, message: str) -> Row:
    counts = dict.fromkeys(("num_downloaded", "num_leeches", "num_peers", "num_seeds"), 0)
    return {**counts, "msg": message, "status": status, "tier": tier, "url": url}


def _eta_s(job: Job, progress: Progress | None) -> int:
    seconds = left_s(job, progress)
    return UNKNOWN_ETA_S if seconds is None else min(UNKNOWN_ETA_S, seconds)
