"""How far a job is, as every client is told that takes us for a program of its own kind.

Rules of this file:

* A job is complete when its release is published and not before: what the cloud has is half of the way.
* What stands still for a reason that concerns all jobs (a refused key, a full disk) is held: tools that clear
  away what does not move must leave it alone.
* Numbers of the other side are made sound: finite, not negative, and nothing is whole before it is.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Collection
from typing import Final

from offcloud_watchd.core.model import Job, JobState, Lane, Progress

_CLOUD_SHARE: Final = 0.5
_NEARLY: Final = 0.999
_LANES: Final = {JobState.QUEUED: Lane.API, JobState.CLOUD: Lane.API, JobState.FETCHING: Lane.FETCH}


def part_of(job: Job, progress: Progress | None) -> float:
    """Return how far a job is between 0 and 1, over the cloud's part of the way and ours."""
    # What a remote account was to have is done without a release.
    if job.publication is not None or job.state is JobState.DONE:
        return 1.0
    part = None if progress is None else progress.part
    part = 0.0 if part is None or not math.isfinite(part) else part
    match job.state:
        case JobState.CLOUD:
            return min(part * _CLOUD_SHARE, _NEARLY)
        case JobState.FETCHING:
            return min(_CLOUD_SHARE + part * (1 - _CLOUD_SHARE), _NEARLY)
        case _:
            return 0.0


def is_held(job: Job, paused: Collection[Lane]) -> bool:
    """Tell whether a job waits for a lane that does not work; ``paused`` are those lanes."""
    return _LANES.get(job.state) in paused


def size_of(job: Job, progress: Progress | None) -> int:
    """Return how many bytes a job's release has, as far as anybody has said; 0 when nobody has."""
    if job.publication is not None:
        return job.publication.size_bytes
    told = None if progress is None else progress.total_bytes
    return max(0, told or job.link.size_bytes or 0)


def speed_of(job: Job, progress: Progress | None) -> int:
    """Return how many bytes a second come in, to the cloud or to here."""
    speed = None if progress is None or job.publication is not None else progress.bytes_per_s
    return 0 if speed is None or not math.isfinite(speed) else max(0, int(speed))


def left_s(job: Job, progress: Progress | None) -> int | None:
    """Return how many seconds our part of the way will take; None while the cloud still gathers."""
    if job.state is not JobState.FETCHING or progress is None or progress.left_s is None:
        return None
    return math.ceil(progress.left_s) if math.isfinite(progress.left_s) else None


def save_path(job: Job) -> str:
    """Return the directory a job's release lies in, or will; never the release itself."""
    if job.publication is not None:
        return posixpath.dirname(job.publication.path)
    return job.destination.directory
