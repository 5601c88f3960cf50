"""Whose a round in staging is, by its name alone: here, at an engine, or on a remote."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from offcloud_watchd.core.model import Job, JobState

_ROUND: Final = re.compile(r"(?P<job>[^/]+)-(?P<round>\d{1,9})")


def owner_of(name: str) -> tuple[str, int] | None:
    """Return whose round a directory in staging is: job id and round; None where it is no round's."""
    found = _ROUND.fullmatch(name)
    return (found["job"], int(found["round"])) if found else None


def ownerless(jobs: Mapping[str, Job]) -> Callable[[str, int], bool]:
    """Return what tells of a round whether no live job owns it; removed jobs are discarded later."""
    fetching = {job.id: job.round for job in jobs.values() if job.state is JobState.FETCHING}
    removed = {job.id for job in jobs.values() if job.state is JobState.REMOVED and not job.remembered}
    return lambda owner, number: owner not in removed and fetching.get(owner) != number
