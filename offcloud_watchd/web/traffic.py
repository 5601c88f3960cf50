"""How fast, how much and how long: now, over the last hour, over the last day. In memory, and bounded.

Rules of this file:

* A sample is what came home since the one before it, so that what is fetched between two of them counts.
* Nothing here is recorded: after a start the picture begins anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.model import Job, JobState, Progress
from offcloud_watchd.core.picture import Overview

FINE_S: Final = 10.0
COARSE_S: Final = 300.0
FINE_KEPT: Final = 360  # an hour
COARSE_KEPT: Final = 288  # a day
_WAITING: Final = (JobState.QUEUED, JobState.CLOUD)


@dataclass(frozen=True, slots=True)
class Sample:
    """One stretch of time that ended at ``at`` (UTC seconds): its mean speed, and the jobs at its end."""

    at: float
    bytes_per_s: float
    waiting: int
    fetching: int


class Traffic:
    """The samples. ``note`` is called every ``FINE_S``; one thread."""

    def __init__(self) -> None:
        self._hour: deque[Sample] = deque(maxlen=FINE_KEPT)
        self._day: deque[Sample] = deque(maxlen=COARSE_KEPT)
        self._stretch: list[Sample] = []
        self._before: _Brought | None = None

    @property
    def hour(self) -> Sequence[Sample]:
        """The last hour, the oldest sample first."""
        return tuple(self._hour)

    @property
    def day(self) -> Sequence[Sample]:
        """The last day, the oldest sample first; what is younger than its last sample is not in it yet."""
        return tuple(self._day)

    def note(self, overview: Overview, now_s: float) -> None:
        """Take a sample; ``now_s`` are seconds that never go back."""
        brought = _Brought.of(overview, now_s)
        before, self._before = self._before, brought
        if before is None or now_s <= before.at_s:
            return
        counts = overview.picture.counts
        sample = Sample(
            overview.picture.at,
            (brought.since(before) + _ended(before, overview)) / (now_s - before.at_s),
            sum(counts.get(state, 0) for state in _WAITING),
            counts.get(JobState.FETCHING, 0),
        )
        self._hour.append(sample)
        self._stretch.append(sample)
        if len(self._stretch) * FINE_S >= COARSE_S:
            mean = sum(one.bytes_per_s for one in self._stretch) / len(self._stretch)
            self._day.append(Sample(sample.at, mean, sample.waiting, sample.fetching))
            self._stretch = []


@dataclass(frozen=True, slots=True)
class _Brought:
    """What had come home of each job that was fetched at a moment."""

    at_s: float
    fetched: Mapping[str, Progress]

    @classmethod
    def of(cls, overview: Overview, now_s: float) -> _Brought:
        fetched = {
            job.id: overview.progress.get(job.id) or Progress()
            for job, _ in overview.picture.active
            if job.state is JobState.FETCHING
        }
        return cls(now_s, fetched)

    def since(self, before: _Brought) -> float:
        """Sum up the bytes that came between two moments for jobs that are still fetched."""
        came = 0.0
        for job_id, progress in self.fetched.items():
            done = progress.done_bytes or 0
            known = before.fetched.get(job_id)
            if known is not None:
                came += max(0, done - (known.done_bytes or 0))
            else:  # of what a fetch found in staging nothing came now
                came += min(float(done), (progress.bytes_per_s or 0.0) * (self.at_s - before.at_s))
        return came


def _ended(before: _Brought, overview: Overview) -> float:
    """Sum up the bytes that came since for jobs that were fetched then and are done now."""
    if not before.fetched:
        return 0.0
    return sum(
        max(0.0, job.publication.size_bytes - (before.fetched[job.id].done_bytes or 0))
        for job in overview.jobs
        if job.id in before.fetched
        and job.state is JobState.DONE
        and job.publication is not None
        and not is_linked(job)
    )


def is_linked(job: Job) -> bool:
    """Tell whether nothing was transferred for a release, because another job's files were linked."""
    return job.publication is not None and job.publication.verified.startswith("linked ")


def speed(overview: Overview) -> float:
    """Return the bytes a second that come home now."""
    return sum(progress.bytes_per_s or 0.0 for progress in _fetched(overview))


def left_s(overview: Overview) -> float | None:
    """Compute how long everything that is fetched now takes at this speed; None when that is not known."""
    bytes_per_s = speed(overview)
    if not bytes_per_s:
        return None
    left = (
        max(0, progress.total_bytes - progress.done_bytes)
        for progress in _fetched(overview)
        if progress.total_bytes is not None and progress.done_bytes is not None
    )
    return sum(left) / bytes_per_s


def _fetched(overview: Overview) -> Iterator[Progress]:
    for job, progress in overview.picture.active:
        if job.state is JobState.FETCHING and progress is not None and job.retry_at <= overview.picture.at:
            yield progress
