"""What readers see of the running program: an immutable view, made by the engine and swapped whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offcloud_watchd.core.model import Account, Job, JobState, Lane, Progress
from offcloud_watchd.core.ports import FolderHealth


@dataclass(frozen=True, slots=True)
class AtWork:
    """What a worker of a lane is at, and when it last moved (monotonic seconds).

    The time lies ahead while it waits on purpose.
    """

    lane: Lane
    what: str
    moved_at_s: float


@dataclass(frozen=True, slots=True)
class LanePause:
    """Why a lane does not work, since when, and when it is tried next (UTC seconds)."""

    reason: str
    since: float
    probe_at: float
    key_refused: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """The room on one file system, in bytes, and which of our directories lie on it.

    ``free_bytes`` is what we may still write; ``promised_bytes`` of it are what running fetches will need.
    """

    directories: tuple[str, ...]
    free_bytes: int
    size_bytes: int
    promised_bytes: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Lanes that pause, folders, jobs that owe something with their progress, and counts of all jobs.

    ``left_out`` counts the jobs that owe something and are not in ``active``.
    ``to_clear`` counts the finished jobs whose request is still to be taken out of the account, ``to_report``
    the failed ones of which an *arr tool is still to be told.
    ``account`` is what the service told of the account when it was last asked; None: nothing yet.
    """

    at: float
    pauses: Mapping[Lane, LanePause]
    folders: Sequence[FolderHealth]
    active: Sequence[tuple[Job, Progress | None]]
    counts: Mapping[JobState, int]
    journal_problem: str
    to_clear: int = 0
    account: Account | None = None
    to_report: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """All there is to see at one moment.

    The picture, every job as recorded, how far those are that move, and the categories that were named.
    """

    picture: Picture
    jobs: tuple[Job, ...]
    progress: Mapping[str, Progress]
    categories: frozenset[str]
