"""Looks into what the service has already: who is asked about in one go, and what each answer means.

Rules of this file:

* One question for all that wait. What is known lives in memory and grows old; after a restart it is asked
  anew, which costs one call and posts nothing.
* ``cached: first`` is a wish: it holds nobody back, and where nothing is told the job keeps its place.
* ``cached: only`` is a promise: nothing is handed in that the service did not say just now it has. While it
  does not answer such jobs wait, and nobody is charged for that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.core.events import Deferred, Event, Failed
from offcloud_watchd.core.lifecycle import Policy, bounded
from offcloud_watchd.core.model import Cached, Job
from offcloud_watchd.core.rounds import SHARE
from offcloud_watchd.core.verdicts import in_words
from offcloud_watchd.errors import Permanent

BATCH: Final = 1000
"""Jobs in one look: it is one call. Source: debrid-media-manager sends as many."""

FRESH_S: Final = 600.0
"""What was told counts for so long; who still waits then is asked about again."""

RETRY: Final = "`offcloud-watchd retry` looks again"
NOT_CACHED: Final = (
    f"the service does not have it yet, and its folder takes only what is cached (`cached: only`); {RETRY}"
)
NOT_TOLD: Final = (
    "its folder takes only what is cached (`cached: only`), and the service tells that of torrents with a v1 "
    "info hash alone; drop it into a folder without that"
)
WAITING: Final = "waiting to hear whether the service has it already (`cached: only`)"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look told of a job, and when."""

    cached: bool
    at: float

    def counts(self, now: float) -> bool:
        """Tell whether it is fresh; what seems to be from the future is not: the clock was set back."""
        return 0 <= now - self.at < FRESH_S


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of the jobs that wait, by id.

    ``ahead`` are those that jump the queue, in their order. ``look_at`` is when the next look may begin
    (infinity: one is under way).
    """

    findings: Mapping[str, Finding] = field(default_factory=dict)
    ahead: Collection[str] = ()
    look_at: float = 0.0


# --- Who is asked about, and who may go --------------------------------------------------------------------


def wanting(choosy: Iterable[Job], known: Knowledge, now: float) -> Iterator[Job]:
    """Return which of the jobs that wait are to be asked about; to those in ``choosy`` it matters."""
    return (job for job in choosy if _wants_look(job, known, now))


def _wants_look(job: Job, known: Knowledge, now: float) -> bool:
    # What may have been taken already is searched for, whether it is cached or not.
    pointless = job.unsure or (job.destination.cached is Cached.FIRST and not info_hash(job))
    finding = known.findings.get(job.id)
    return not pointless and (finding is None or not finding.counts(now))


def in_order(line: Mapping[str, Job], known: Knowledge, now: float) -> Iterator[Job]:
    """Return who may be handed in, in that order: what is cached first, where that was asked for."""
    yield from (line[job_id] for job_id in known.ahead if job_id in line)
    for job in line.values():
        if job.id not in known.ahead and _may_go(job, known, now):
            yield job


def _may_go(job: Job, known: Knowledge, now: float) -> bool:
    if job.destination.cached is not Cached.ONLY or job.unsure:
        return True
    finding = known.findings.get(job.id)
    return finding is not None and finding.cached and finding.counts(now)


def info_hash(job: Job) -> str:
    """Return by what the service is asked about a job, in small letters; empty where it cannot be asked."""
    return (job.link.info_hash_v1 or "").lower()


def rest_s(failures: int, policy: Policy) -> float:
    """Tell how long no look begins after one, its part of the budget, or more after ``failures`` in a row."""
    fair_s = SHARE * 60.0 / policy.requests_per_minute
    if not failures:
        return fair_s
    return max(fair_s, min(policy.poll_min_s * 2.0 ** min(failures, 30), policy.poll_max_s))


# --- What an answer means ----------------------------------------------------------------------------------


def answered(job: Job, hits: Collection[str], now: float) -> tuple[bool, Event | None]:
    """Return whether a job is cached, and what follows; ``hits`` are the info hashes the service has."""
    cached = info_hash(job) in hits
    if cached or job.destination.cached is not Cached.ONLY:
        return cached, None
    return False, Failed(job.id, now, NOT_CACHED if info_hash(job) else NOT_TOLD)


def unanswered(job: Job, error: Exception, now: float) -> Event | None:
    """Return what follows when a look failed; why a job waits is recorded once."""
    if job.destination.cached is not Cached.ONLY:
        return None
    if isinstance(error, Permanent):
        reason = f"its folder takes only what is cached (`cached: only`), and that cannot be told: {error}"
        return Failed(job.id, now, bounded(reason))
    if job.reason.startswith(WAITING):
        return None
    return Deferred(job.id, now, bounded(f"{WAITING}: {in_words(error)}"), retry_at=0.0, charged=False)
