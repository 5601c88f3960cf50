"""What each effect means, carried out through the ports; no thread, no log, no decision of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from offcloud_watchd.core.effects import Adopt, Clear, Discard, Fetch, Inspect, Report, Solo, Submit
from offcloud_watchd.core.events import (
    Cleared,
    Discarded,
    Granted,
    Kept,
    Published,
    Reported,
    Requeued,
    Submitted,
    Withdrawn,
)
from offcloud_watchd.core.lifecycle import Policy, bounded
from offcloud_watchd.core.messages import Outcome
from offcloud_watchd.core.model import Job, RemoteFile, Removal, Route, Submission
from offcloud_watchd.core.ports import (
    Clock,
    Cloud,
    ListFiles,
    Look,
    OnProgress,
    Shelf,
    Stop,
    Tools,
    Turn,
    Wish,
)
from offcloud_watchd.core.rounds import request_of
from offcloud_watchd.core.verdicts import foreign, meant_for_another, searched
from offcloud_watchd.errors import Gone
from offcloud_watchd.lanes.turns import Fenced, no_turn, posted_elsewhere


def settle_each(wishes: Sequence[Wish]) -> None:
    """Settle wishes one by one."""
    for wish in wishes:
        wish.settled()


def no_file(_job: Job) -> bytes | None:
    """Hand every link over as it is."""
    return None


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside world as the lanes see it, with the clock and the patience that belong to it.

    ``settle`` settles the wishes of a look together, where that is cheaper than one by one. ``file_of`` gives
    the file that is to be handed over in place of a job's link, None for the link itself. ``tools`` is None
    where no *arr tool is told of anything. ``turn`` says whether a job may be handed in where several hosts
    could; None where there is no other.
    """

    cloud: Cloud
    shelf: Shelf
    look: Callable[[], Look]
    clock: Clock
    policy: Policy
    settle: Callable[[Sequence[Wish]], None] = settle_each
    file_of: Callable[[Job], bytes | None] = no_file
    tools: Tools | None = None
    turn: Callable[[Job], Turn | None] = no_turn


def perform(  # noqa: PLR0911 - flat, one case an effect
    effect: Solo, ports: Ports, list_files: ListFiles, on_progress: OnProgress, stop: Stop
) -> Outcome:
    """Carry out one effect and return what came of it. Safe to repeat after a crash at any point.

    Raises what the ports raise.
    """
    clock = ports.clock
    match effect:
        case Submit():
            return _submitted(effect, ports, stop)
        case Adopt(job=job):
            return _adopted(effect, ports, stop)
        case Fetch(job=job, donors=donors):
            linked = ports.shelf.link(job, donors, stop) if donors else None
            publication = linked or ports.shelf.fetch(job, list_files, on_progress, stop)
            remove = ports.policy.remove
            clear = remove is Removal.PUBLISHED and job.destination.route is Route.CLOUD
            published = Published(job.id, clock.now(), publication, clear, remove is Removal.IMPORTED)
            return Outcome(effect, published)
        case Clear():
            return _cleared(effect, ports, stop)
        case Inspect():
            return _inspected(effect, ports)
        case Report(job=job):
            reason = "there is no `arr` entry" if ports.tools is None else ports.tools.report(job, stop)
            return Outcome(effect, Reported(job.id, clock.now(), bounded(reason)))
        case Discard(job=job):
            ports.shelf.discard(job, stop)
            event = Withdrawn if job.to_clear or job.to_report or job.doubtful else Discarded
            return Outcome(effect, event(job.id, clock.now()))
        case _:  # pragma: no cover - the type checker proves it
            assert_never(effect)


def minted(cloud: Cloud, job: Job, stop: Stop) -> Sequence[RemoteFile]:
    """Have links to a job's files: those of its request, or, where the service keeps none, new ones."""
    if job.destination.route is Route.INSTANT:
        return cloud.granted(job.link, stop, job.destination.proxy)
    return cloud.files(request_of(job), stop)


def _submitted(effect: Submit, ports: Ports, stop: Stop) -> Outcome:
    job, cloud, clock = effect.job, ports.cloud, ports.clock
    route, target = job.destination.way
    if route is Route.INSTANT:
        submission = cloud.grant(job.link, stop, job.destination.proxy)
        return Outcome(effect, Granted(job.id, clock.now(), submission))
    failed = Submission(job.failed_request, "created")
    if job.failed_request and _begins_anew(cloud, failed, route, stop):
        submission = failed
    elif target is not None:
        submission = cloud.send(job.link, target, stop, ports.file_of(job))
    else:
        turn = ports.turn(job)
        if turn is not None:
            known = posted_elsewhere(job, turn, ports.cloud, clock, ports.policy, stop)
            if known is not None:
                return Outcome(effect, Submitted(job.id, clock.now(), known, adopted=True))
            stop = Fenced(stop, clock, turn.until_s)
        submission = cloud.submit(job.link, stop, ports.file_of(job))
    return Outcome(effect, Submitted(job.id, clock.now(), submission))


def _begins_anew(cloud: Cloud, failed: Submission, route: Route, stop: Stop) -> bool:
    try:
        return cloud.retry(failed, stop, route)
    except Gone:
        return False


def _adopted(effect: Adopt, ports: Ports, stop: Stop) -> Outcome:
    job = effect.job
    not_before = max(job.changed_at, job.doubted_at, job.retry_at)
    entries, as_of = ports.cloud.find(job.link, not_before, stop, job.destination.route)
    others = {*effect.held, *job.spent}
    found = next(
        (
            entry
            for entry in entries
            if entry.request_id not in others and not meant_for_another(job, effect.rivals, entry.created_at)
        ),
        None,
    )
    return Outcome(effect, searched(job, found, as_of, ports.clock.now(), ports.policy))


def _cleared(effect: Clear, ports: Ports, stop: Stop) -> Outcome:
    job, submission = effect.job, request_of(effect.job)
    # Any listing since the submission shows when the request was made.
    entries, _ = ports.cloud.find(job.link, job.doubted_at, stop)
    mine = (entry.created_at for entry in entries if entry.request_id == submission.request_id)
    reason = foreign(job, next(mine, None))
    if not reason:
        ports.cloud.remove(submission, stop)
    return Outcome(effect, Cleared(job.id, ports.clock.now(), reason))


def _inspected(effect: Inspect, ports: Ports) -> Outcome:
    job, publication = effect.job, effect.job.publication
    if job.delivery is not None:
        return Outcome(effect, Kept(job.id, ports.clock.now()))
    if publication is not None and ports.shelf.holds(publication):
        return Outcome(effect, Kept(job.id, ports.clock.now(), publication.path))
    return Outcome(effect, Requeued(job.id, ports.clock.now(), destination=job.moves_to))
