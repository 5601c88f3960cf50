"""A job's life: what can happen to it, and when (``TRANSITIONS``), and the fold of what did.

Rules of this file:

* All that can happen to a job is one line of ``TRANSITIONS``. Whatever is not there raises before the journal
  is touched, and nothing has changed.
* Everything is a function of its arguments. What is owed follows from the state alone (``planning``), what a
  failure means is decided in one place (``verdicts``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.changes import born, changed, discarded
from offcloud_watchd.core.events import (
    Answered,
    Attached,
    Cleared,
    CloudReady,
    Deferred,
    Delivered,
    Discarded,
    DroppedAgain,
    Event,
    Failed,
    Granted,
    Imported,
    Kept,
    NotFound,
    Published,
    Queued,
    Recalled,
    Recategorized,
    Removed,
    Reported,
    Requeued,
    Resumed,
    Stirred,
    Submitted,
    Submitting,
    Vanished,
    Withdrawn,
)
from offcloud_watchd.core.model import Job, JobState, Removal

TRANSITIONS: Final[Mapping[JobState, Mapping[type[Event], JobState]]] = {
    JobState.QUEUED: {
        Attached: JobState.QUEUED,
        Submitting: JobState.QUEUED,
        Recalled: JobState.QUEUED,
        NotFound: JobState.QUEUED,
        Deferred: JobState.QUEUED,
        Resumed: JobState.QUEUED,
        Submitted: JobState.CLOUD,
        Answered: JobState.QUEUED,
        Granted: JobState.FETCHING,
        Recategorized: JobState.QUEUED,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.CLOUD: {
        Attached: JobState.CLOUD,
        Deferred: JobState.CLOUD,
        Resumed: JobState.CLOUD,
        Stirred: JobState.CLOUD,
        Vanished: JobState.QUEUED,
        CloudReady: JobState.FETCHING,
        Delivered: JobState.DONE,
        Recategorized: JobState.CLOUD,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.FETCHING: {
        Attached: JobState.FETCHING,
        Deferred: JobState.FETCHING,
        Resumed: JobState.FETCHING,
        Vanished: JobState.QUEUED,
        Published: JobState.DONE,
        Recategorized: JobState.FETCHING,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.DONE: {
        Imported: JobState.DONE,
        Cleared: JobState.DONE,
        Deferred: JobState.DONE,
        DroppedAgain: JobState.CHECKING,
        Requeued: JobState.QUEUED,
        Recategorized: JobState.DONE,
        Removed: JobState.REMOVED,
    },
    JobState.CHECKING: {
        Attached: JobState.CHECKING,
        Deferred: JobState.CHECKING,
        Kept: JobState.DONE,
        Requeued: JobState.QUEUED,
        Recategorized: JobState.CHECKING,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.FAILED: {
        Recalled: JobState.FAILED,
        Answered: JobState.FAILED,
        NotFound: JobState.FAILED,
        Reported: JobState.FAILED,
        Deferred: JobState.FAILED,
        Requeued: JobState.QUEUED,
        Recategorized: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.REMOVED: {
        Recalled: JobState.REMOVED,
        Answered: JobState.REMOVED,
        NotFound: JobState.REMOVED,
        Reported: JobState.REMOVED,
        Cleared: JobState.REMOVED,
        Withdrawn: JobState.REMOVED,
        Deferred: JobState.REMOVED,
    },
}
"""State and event give the next state. Not in the table: ``Queued``, which makes a job where there is none,
and ``Discarded``, which takes a REMOVED job out of the fold, or out of sight: one that had something sent
elsewhere is remembered for good."""

OWES: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: "Submit",
    JobState.CLOUD: "Poll",
    JobState.FETCHING: "Fetch",
    JobState.CHECKING: "Inspect",
    JobState.REMOVED: "Discard",
}
"""The effect each open state owes.

DONE owes at the most a Trace (``Job.to_import``), a Clear (``Job.to_clear``) and a Leave (``Job.leaves_at``),
FAILED a Report (``Job.to_report``) and an Adopt (``Job.doubtful``); REMOVED owes Clear, Report and Adopt
first.
"""

MAX_WAIT_S: Final = 6 * 3600.0
"""Nothing waits longer; what seems to was recorded before the clock was set back, and is due."""

MAX_REASON_CHARS: Final = 2000
"""A reason is kept in the journal; whatever a server says is cut to this."""


class IllegalTransition(ValueError):  # noqa: N818 - the noun says it
    """An event does not fit the state of its job: a bug, never an answer of the outside world."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient we are (times in seconds), and what is done about what has come to its end.

    ``max_contradictions``: after so many attempts a size that is still told in two ways is a failure.
    ``stall_s``: a request in which nothing changes for so long is given up (infinity: never).
    ``remove``: when the account is to be rid of it. ``reported``: the categories of the *arr tools that
    are told of a failure.
    """

    backoff_min_s: float = 5.0
    backoff_max_s: float = 3600.0
    max_attempts: int = 60
    max_contradictions: int = 6  # two minutes or so: a copy that is being made has its size by then
    poll_min_s: float = 5.0
    poll_max_s: float = 300.0
    history_lag_s: float = 150.0  # 120 s of lag, and the time a POST may take to have its effect
    stall_s: float = 24 * 3600.0
    requests_per_minute: int = 120
    remove: Removal = Removal.NEVER
    reported: frozenset[str] = frozenset()


def bounded(reason: str) -> str:
    """Cut a text that came from outside to what a record should hold."""
    return reason if len(reason) <= MAX_REASON_CHARS else f"{reason[: MAX_REASON_CHARS - 1]}…"


# --- The fold ----------------------------------------------------------------------------------------------


def evolve(job: Job | None, event: Event) -> Job | None:
    """Return the job after the event; None when it left the fold. Total over ``TRANSITIONS``.

    Raises ``IllegalTransition`` and changes nothing when the event does not fit.
    """
    # A start does this for every record: what nearly all of them are is asked first.
    if job is not None and (after := TRANSITIONS[job.state].get(type(event))) is not None:
        return changed(job, event, after)
    return _begun_or_over(job, event)


def _begun_or_over(job: Job | None, event: Event) -> Job | None:
    """Deal with the two events that are not in the table; refuse all others."""
    if job is None:
        if isinstance(event, Queued):
            return born(event)
        raise IllegalTransition(f"{type(event).__name__} for job {event.job_id}, which does not exist")
    if isinstance(event, Discarded) and job.state is JobState.REMOVED and not job.remembered:
        return discarded(job)
    raise IllegalTransition(f"{type(event).__name__} for job {job.id} in state {job.state}")


def fold(events: Iterable[Event]) -> dict[str, Job]:
    """Return the jobs that a sequence of events leaves, by id."""
    jobs: dict[str, Job] = {}
    for event in events:
        apply(jobs, event)
    return jobs


def apply(jobs: dict[str, Job], event: Event) -> Job | None:
    """Let one event change the jobs in place; return the job after it, None when it left."""
    after = evolve(jobs.get(event.job_id), event)
    if after is None:
        del jobs[event.job_id]
    else:
        jobs[after.id] = after
    return after


# --- The picture -------------------------------------------------------------------------------------------


def life_diagram() -> str:
    """Draw ``TRANSITIONS`` as a Mermaid state diagram; ARCHITECTURE.md holds it and a test compares."""
    lines = ["stateDiagram-v2", "    [*] --> QUEUED: Queued"]
    for state, row in TRANSITIONS.items():
        arrows: dict[JobState, list[str]] = {}
        for event, after in row.items():
            arrows.setdefault(after, []).append(event.__name__)
        lines += [f"    {state.name} --> {after.name}: {', '.join(names)}" for after, names in arrows.items()]
    lines.append("    REMOVED --> [*]: Discarded")
    lines += [f"    note right of {state.name}: owes {effect}" for state, effect in OWES.items()]
    return "\n".join(lines) + "\n"
