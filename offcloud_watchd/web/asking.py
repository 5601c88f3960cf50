"""Something is asked of jobs by a client that has seen them; the answer waits until it shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from offcloud_watchd.core.model import Job, JobState, Verb
from offcloud_watchd.core.orders import JobCommand
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.web.desk import Desk


async def ask(
    desk: Desk, verb: Verb, jobs: Sequence[Job], *, files: bool = False, category: str | None = None
) -> None:
    """Ask something of jobs, and wait a little until it shows; of none, nothing.

    ``files``: forget what was published, too. ``category`` is where ``CATEGORIZE`` puts them. What is gone
    meanwhile is passed over. Raise ``OSError`` when it cannot be made durable, and ``Unanswered``.
    """
    if not jobs:
        return
    await desk.order(JobCommand(verb, tuple(job.id for job in jobs), files, category))
    await desk.shows(partial(_gone if verb is Verb.FORGET else _changed, jobs))


def _gone(jobs: Sequence[Job], overview: Overview) -> bool:
    ids = {job.id for job in jobs}
    return all(job.state is JobState.REMOVED for job in overview.jobs if job.id in ids)


def _changed(jobs: Sequence[Job], overview: Overview) -> bool:
    before = {job.id: job for job in jobs}
    return all(job != before[job.id] for job in overview.jobs if job.id in before)
