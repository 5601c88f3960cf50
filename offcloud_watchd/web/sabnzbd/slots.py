"""A job as a slot of the queue or of the history, field by field.

Rules of this file:

* Sizes in MiB are texts with two digits, ``bytes`` is a number, times left are ``H:MM:SS`` with the days in
  front of them: what Sonarr parses, and fails at when it is anything else.
* A finished job is ``Completed`` when its release is published; ``storage`` is the release, ``name`` its
  name. Sonarr goes up from ``storage`` to the highest directory that is called ``name``, imports that one and
  deletes it: no other may be called so.
* What has failed for good is ``Failed``, with the reason: Sonarr blocks the release and looks for another.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import Any, Final

from offcloud_watchd.core.model import Job, JobState, Lane, Progress
from offcloud_watchd.core.story import display_name
from offcloud_watchd.core.verdicts import nzo_id
from offcloud_watchd.web.measures import is_held, left_s, part_of, size_of

IN_QUEUE: Final = frozenset({JobState.QUEUED, JobState.CLOUD, JobState.FETCHING, JobState.CHECKING})
IN_HISTORY: Final = frozenset({JobState.DONE, JobState.FAILED})
_UNITS: Final = ("B", "K", "M", "G", "T", "P")
_MIB: Final = 1024 * 1024
_DAY_S: Final = 86_400
_MOST_DAYS: Final = 9_999  # more than a client's span of time can hold is no better known
_WORDS: Final = {
    JobState.CLOUD: "Downloading",
    JobState.FETCHING: "Downloading",
    JobState.CHECKING: "Checking",
    JobState.DONE: "Completed",
    JobState.FAILED: "Failed",
}

Slot = dict[str, Any]


def status_of(job: Job, paused: Collection[Lane]) -> str:
    """Return SABnzbd's word for where a job is; ``paused`` are the lanes that do not work."""
    return "Queued" if is_held(job, paused) else _WORDS.get(job.state, "Queued")


def queued(job: Job, progress: Progress | None, paused: Collection[Lane], index: int) -> Slot:
    """Return a job as it stands in the queue, at a place from 0 on."""
    size_bytes, part = size_of(job, progress), part_of(job, progress)
    left_bytes = size_bytes - int(size_bytes * part)
    return {
        "index": index,
        "nzo_id": nzo_id(job),
        "unpackopts": "3",
        "priority": "Normal",
        "script": "None",
        "filename": display_name(job),
        "labels": [],
        "password": "",
        "cat": job.destination.category,
        "mbleft": mib(left_bytes),
        "mb": mib(size_bytes),
        "size": units(size_bytes),
        "sizeleft": units(left_bytes),
        "percentage": str(int(part * 100)),
        "mbmissing": "0.00",
        "direct_unpack": None,
        "status": status_of(job, paused),
        "timeleft": clock(left_s(job, progress) or 0),
        "avg_age": "-",
    }


def finished(job: Job) -> Slot:
    """Return a job as it stands in the history."""
    publication = job.publication
    size_bytes = 0 if publication is None else publication.size_bytes
    storage = "" if publication is None else publication.path
    ended_at = int(job.published_at or job.changed_at)
    name = _told_name(job)
    return {
        "completed": ended_at,
        "name": name,
        "nzb_name": f"{display_name(job)}.nzb",
        "category": job.destination.category,
        "pp": "D",
        "script": "None",
        "report": "",
        "url": "",
        "status": status_of(job, ()),
        "nzo_id": nzo_id(job),
        "storage": storage,
        "path": storage,
        "script_line": "",
        "download_time": max(0, ended_at - int(job.queued_at)),
        "postproc_time": 0,
        "stage_log": [],
        "downloaded": size_bytes,
        "completeness": None,
        "fail_message": job.reason if job.state is JobState.FAILED else "",
        "url_info": "",
        "bytes": size_bytes,
        "size": units(size_bytes),
        "meta": None,
        "series": "",
        "duplicate_key": "",
        "md5sum": "",
        "password": "",
        "action_line": "",
        "loaded": False,
        "retry": job.state is JobState.FAILED,
        "archive": False,
    }


def _told_name(job: Job) -> str:
    if job.publication is None:
        return display_name(job)
    above, name = posixpath.split(job.publication.path)
    # A category that is called like one of its releases would be taken for that release, with all others.
    return f"{name}.nzb" if name in above.split("/") else name


def mib(size_bytes: int) -> str:
    """Write bytes as MiB: ``1.50``."""
    return f"{size_bytes / _MIB:.2f}"


def units(size_bytes: float) -> str:
    """Write bytes as SABnzbd does: ``1.5 MB``."""
    power = 0
    while size_bytes >= 1024 and power < len(_UNITS) - 1:
        size_bytes, power = size_bytes / 1024, power + 1
    unit = _UNITS[power] if power == 0 else f"{_UNITS[power]}B"
    return f"{size_bytes:.0f} {unit}" if power == 0 else f"{size_bytes:.1f} {unit}"


def clock(seconds: int) -> str:
    """Write a span: ``0:01:05``, from a day on ``1:00:01:05``."""
    days, rest_s = divmod(seconds, _DAY_S)
    hours, rest_s = divmod(rest_s, 3600)
    minutes, rest_s = divmod(rest_s, 60)
    told = f"{hours}:{minutes:02}:{rest_s:02}" if not days else f"{hours:02}:{minutes:02}:{rest_s:02}"
    return told if not days else f"{min(days, _MOST_DAYS)}:{told}"
