"""What a job is owed, in the imperative: carried out by a lane, and always safe to repeat.

Rules of this file:

* An effect holds the frozen job it was planned for: what comes of it counts only while that job stands.
* An effect decides nothing about the job. What came of it goes back to the engine, which records events.
"""

from __future__ import annotations

from dataclasses import dataclass

from offcloud_watchd.core.model import Job, Lane, Submission


@dataclass(frozen=True, slots=True)
class Adopt:
    """Look for an open intent in the account; ``held`` are ids of requests that belong to others.

    ``rivals`` are the ``posted_at`` of the open intents by which others have the content sent elsewhere.
    """

    job: Job
    held: frozenset[str] = frozenset()
    rivals: frozenset[float] = frozenset()
    lane: Lane = Lane.API


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand the link to the service, or let it try again what it gave up."""

    job: Job
    lane: Lane = Lane.API


@dataclass(frozen=True, slots=True)
class Share:
    """Use the request another job already holds for the same content; no outside act."""

    job: Job
    submission: Submission
    posted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask how far the service is, in a round with others (``rounds``).

    ``detailed_at`` is when its progress was last asked for (0: not known). ``there_at`` is when the request
    was there for certain, by the clock as it goes now (0: since when the job says).
    """

    job: Job
    detailed_at: float = 0.0
    there_at: float = 0.0
    lane: Lane = Lane.API


@dataclass(frozen=True, slots=True)
class Consult:
    """Ask whether the service has the content already, in one look with others (``cachelooks``)."""

    job: Job
    lane: Lane = Lane.API


@dataclass(frozen=True, slots=True)
class Trace:
    """See whether a release was imported: on the disk, or in an *arr tool's history, as the ``lane`` says.

    Many are one round (``imports``).
    """

    job: Job
    lane: Lane


@dataclass(frozen=True, slots=True)
class Leave:
    """Let the entry of what was imported go; no outside act."""

    job: Job


@dataclass(frozen=True, slots=True)
class Clear:
    """Take the request of a finished job out of the account, if it is ours."""

    job: Job
    lane: Lane = Lane.API


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring the files home, check them, publish them.

    ``donors`` are jobs that have published the same request: their files are linked where that can be done.
    """

    job: Job
    donors: tuple[Job, ...] = ()
    lane: Lane = Lane.FETCH


@dataclass(frozen=True, slots=True)
class Inspect:
    """See whether a release that was dropped again is still there."""

    job: Job
    lane: Lane = Lane.DISK


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the *arr tools of a failed job's category that its release failed."""

    job: Job
    lane: Lane = Lane.ARR


@dataclass(frozen=True, slots=True)
class Discard:
    """Take away what a removed job left behind."""

    job: Job
    lane: Lane = Lane.DISK


Solo = Adopt | Submit | Fetch | Clear | Inspect | Report | Discard
"""What a lane carries out for one job by itself."""

Shared = Poll | Consult | Trace
"""What a lane carries out for many jobs in one go."""

Act = Solo | Shared
"""What a lane carries out in the outside world."""

Effect = Act | Share | Leave
