"""What a drop or an operator's command means for the jobs there are. Pure, and safe to repeat.

A drop that was recorded but not yet moved out of its folder comes again after a crash; a command whose file
was not yet deleted does too. Both are known by their ids, and then nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, assert_never

from offcloud_watchd.core.events import (
    Attached,
    DroppedAgain,
    Event,
    Failed,
    Kept,
    Queued,
    Recategorized,
    Removed,
    Requeued,
    Resumed,
)
from offcloud_watchd.core.lifecycle import OWES, bounded
from offcloud_watchd.core.model import Command, Drop, Intake, Job, JobState, Link, LinkKind, Verb, job_id

MAX_NAME_CHARS: Final = 1024
"""What is kept of a name: a torrent may call itself by megabytes, and every record must fit the journal."""


def accept(intake: Intake, same_content: Callable[[Link], Collection[Job]], now: float) -> list[Event]:
    """Decide what a drop means for the jobs there are. Safe to repeat: a drop already recorded gives nothing.

    ``same_content`` returns the jobs of any category with the link's key. What a drop repeats counts once.
    What ``held_up_by`` tells of is left out: the drop comes again.
    Of one that was refused a failed job tells: it is the *arr tool that may wait for it that is to know.
    """
    if intake.unusable is not None:
        return _refused(intake, intake.unusable, same_content(intake.unusable), now)
    events: list[Event] = []
    links = intake.links
    names_one = not links.is_list or len(links.found) + len(links.bad) == 1
    firsts: dict[str, Link] = {}
    for link in links.found:
        firsts.setdefault(link.key, link)
    for link in firsts.values():
        event = _accepted(intake, link, (intake.stem or None) if names_one else None, same_content(link), now)
        if event is not None:
            events.append(event)
    return events


def _accepted(
    intake: Intake, link: Link, release: str | None, relatives: Collection[Job], now: float
) -> Event | None:
    drop = replace(intake.drop, name=intake.drop.name[:MAX_NAME_CHARS], line=link.line)
    # In any category: what came of it may have been moved to another one since.
    if any(drop.id == known.id for job in relatives for known in job.drops):
        return None
    living = _living(intake, relatives)
    for job in living:
        # What is looked at has come to its end: that may not be where this drop is to go.
        if job.state in OWES and (job.state is not JobState.CHECKING or _is_wanted(intake, job)):
            return Attached(job.id, now, drop)
    if living:
        return _again(intake, drop, _newest(living), now)
    return Queued(
        job_id(drop.id, link.key),
        now,
        replace(link, name=link.name and link.name[:MAX_NAME_CHARS]),
        drop,
        intake.destination,
        release and release[:MAX_NAME_CHARS],
    )


def _living(intake: Intake, relatives: Collection[Job]) -> list[Job]:
    """Return the jobs of a drop's category that were not removed."""
    twins = (job for job in relatives if job.destination.category == intake.destination.category)
    return [job for job in twins if job.state is not JobState.REMOVED]


def _newest(jobs: Collection[Job]) -> Job:
    return max(jobs, key=lambda job: job.changed_at)


def _again(intake: Intake, drop: Drop, job: Job, now: float) -> Event | None:
    """Decide about a job that has ended: what it came to may be what is wanted, or go elsewhere by now."""
    wanted, had = intake.destination, job.destination
    moved = wanted if wanted != had else None
    is_done = job.state is JobState.DONE and (job.publication or job.delivery) is not None
    if is_done and _is_wanted(intake, job):
        return DroppedAgain(job.id, now, drop, moved)
    return None if _is_in_doubt(intake, job) else Requeued(job.id, now, drop=drop, destination=moved)


def _is_wanted(intake: Intake, job: Job) -> bool:
    """Tell whether what a job comes to is what a drop asks for: files here, or in that account."""
    return intake.destination.remote == job.destination.remote


def held_up_by(intake: Intake, same_content: Callable[[Link], Collection[Job]]) -> Job | None:
    """Return a job of which must be found out first what came of its POST; ``accept`` leaves its link out.

    What a drop asks for goes another way than that POST: the account is searched on one way alone.
    """
    for link in intake.links.found:
        relatives = same_content(link)
        living = _living(intake, relatives)
        known = any(intake.drop.id == one.id for job in relatives for one in job.drops)
        if living and not known and _is_in_doubt(intake, _newest(living)):
            return _newest(living)
    return None


def _is_in_doubt(intake: Intake, job: Job) -> bool:
    return job.doubtful and job.destination.way != intake.destination.way


def _refused(intake: Intake, link: Link, relatives: Collection[Job], now: float) -> list[Event]:
    drop = replace(intake.drop, name=intake.drop.name[:MAX_NAME_CHARS])
    twins = [job for job in relatives if job.destination.category == intake.destination.category]
    living = _living(intake, relatives)
    known = any(drop.id == one.id for job in twins for one in job.drops)
    if known or any(job.state is not JobState.FAILED for job in living):
        return []  # another drop of the same is well
    reason = bounded(intake.links.bad[0].reason)
    if living:
        newest = _newest(living)
        return [Requeued(newest.id, now, drop=drop), Failed(newest.id, now, reason)]
    release = intake.stem[:MAX_NAME_CHARS] or None
    known_as = replace(link, name=link.name and link.name[:MAX_NAME_CHARS])
    queued = Queued(job_id(drop.id, link.key), now, known_as, drop, intake.destination, release)
    return [queued, Failed(queued.job_id, now, reason)]


def obey(command: Command, job: Job, now: float) -> Event | None:
    """Decide what an operator's command means for a job; None when it has nothing to do. Safe to repeat."""
    is_vain = command.verb is Verb.RETRY and job.link.kind is LinkKind.FILE  # there is nothing to submit
    if is_vain or command.id in job.commands or job.state is JobState.REMOVED:
        return None
    # What was dropped again is done, as far as anybody knows: only the look at it can be cancelled.
    is_open = job.state in OWES and job.state is not JobState.CHECKING
    match command.verb:
        case Verb.RETRY if not is_open:
            return Requeued(job.id, now, command=command.id)
        case Verb.RETRY:
            return Resumed(job.id, now, command=command.id)
        case Verb.CANCEL:
            return _cancelled(command, job, now)
        case Verb.FORGET:
            return Removed(job.id, now, files=command.files, command=command.id)
        case Verb.CATEGORIZE:
            return _recategorized(command, job, now)
        case _:  # pragma: no cover - the type checker proves it
            assert_never(command.verb)


def _recategorized(command: Command, job: Job, now: float) -> Event | None:
    wanted, had = command.destination, job.destination
    if wanted is None or wanted.category == had.category:
        return None
    # What is gathered or published has its place. The route belongs to the request that was made.
    is_placed = job.state not in (JobState.QUEUED, JobState.CLOUD)
    directory = had.directory if is_placed else wanted.directory
    return Recategorized(job.id, now, replace(had, category=wanted.category, directory=directory), command.id)


def _cancelled(command: Command, job: Job, now: float) -> Event | None:
    if job.state is JobState.CHECKING:
        return Kept(job.id, now, command=command.id)
    if job.state in OWES:
        return Failed(job.id, now, "cancelled by the operator", command=command.id)
    return None
