"""What must be true of a world, at every moment, at every act, and in the end.

Rules of this file:

* Nothing is changed here, but for what the world remembers of what was recorded.
* A law is excused only for what nobody could know, and says for what.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from offcloud_watchd.core.events import (
    Cleared,
    DroppedAgain,
    Event,
    Imported,
    Kept,
    Recategorized,
    Removed,
    Requeued,
)
from offcloud_watchd.core.model import Cached, Job, JobState, Link, LinkKind, Removal

if TYPE_CHECKING:
    from tests.fakes.world import World


UNTELLABLE = "three"
"""Of this content nobody can tell whether it is cached."""
DONE = (JobState.DONE, JobState.CHECKING)
ENDED = (JobState.FAILED, JobState.REMOVED)


class Laws:
    """The laws of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def check(self) -> None:
        """Hold the laws that are true at every moment."""
        world = self._world
        if world.journal.certain:
            assert world.journal.fold() == world.engine.jobs, "the journal's fold is not the state"
        spent = world.spent | {request_id for job in world.engine.jobs.values() for request_id in job.spent}
        live = Counter(
            (item.key, item.target)
            for item in world.cloud.items.values()
            if not item.fails and item.key not in world.forgotten_keys and item.request_id not in spent
        )
        assert all(count <= 1 for count in live.values()), f"posted twice: {live}"
        for job in world.engine.jobs.values():
            assert len({drop.id for drop in job.drops}) == len(job.drops), f"a drop was taken twice: {job}"
            assert len(set(job.commands)) == len(job.commands), f"a command was obeyed twice: {job}"
        self._check_transfers()
        known = {drop.id for job in world.engine.jobs.values() for drop in job.drops}
        for drop_id in world.archived:
            assert drop_id in known | world.forgotten, f"the jobs of drop {drop_id} are lost"

    def _check_transfers(self) -> None:
        """Hold that no job takes for its own what was sent elsewhere."""
        world = self._world
        for job in world.engine.jobs.values():
            item = world.cloud.items.get(job.submission.request_id) if job.submission is not None else None
            is_blurred = world.is_damaged and job.link.key in world.forgotten_keys
            if item is not None and job.state is not JobState.REMOVED and not is_blurred:
                assert item.target == job.destination.remote, f"took what was sent to {item.target}: {job}"

    def _check_books(self) -> None:
        """Hold that every request in the account is known as ours, cancelled or not, until forgotten."""
        world = self._world
        known = {request_id for job in world.engine.jobs.values() for request_id in requests_of(job)}
        known |= world.excused
        lost = [
            item for item in world.cloud.items.values() if item.request_id not in known and not item.fails
        ]
        assert all(item.key in world.forgotten_keys for item in lost), f"lost sight of: {lost}"

    def check_end(self) -> None:
        """Hold what must be true when nothing has gone wrong for long."""
        world = self._world
        assert not world.drops, f"never taken away: {list(world.drops)}"
        assert not world.commands, f"never taken away: {list(world.commands)}"
        self._check_books()
        for job in world.engine.jobs.values():
            assert not job.to_report, f"never reported: {job}"
            assert not job.to_clear, f"never taken out of the account: {job}"
            assert not world.was_imported(job), f"nobody saw that it was imported: {job}"
            assert job.remembered or not job.leaves_at, f"its entry never went: {job}"
            assert job.to_import <= (world.policy.remove is Removal.IMPORTED)
            assert not job.doubtful, f"nobody knows what came of its POST: {job}"
            assert job.remembered or job.state in (JobState.DONE, JobState.FAILED), (
                f"stuck: {job} {vars(world.engine)} {world.clock}"
            )
            wished = world.wished.get(job.id)
            if job.state is JobState.DONE and wished is not None:
                assert job.destination.remote == wished.remote, f"it was to go to {wished}: {job}"
            if job.state is JobState.FAILED:
                excused = (
                    job.link.key in world.cloud.dead_keys | world.deleted_keys
                    or "cancelled" in job.reason
                    or job.link.kind is LinkKind.FILE
                    or (self._is_refused(job) and "`cached: only`" in job.reason)
                )
                assert excused, f"failed without need: {job}"
                known = job.link.info_hash_v1 is not None or job.link.kind is LinkKind.FILE
                awaited = job.destination.category in world.policy.reported and "cancelled" not in job.reason
                told = (job.id, job.round) in world.tools.told
                assert world.is_damaged or world.moved or told == (known and awaited), (
                    f"reported: {told}, awaited: {awaited}: {job}"
                )

    def check_transfer(self, job: Job) -> None:
        """Hold that nothing is transferred which another job has here, or is just bringing home."""
        world = self._world
        if job.submission is None or not world.wanted(job):
            return
        for other in world.engine.jobs.values():
            same = other.submission is not None and other.submission.request_id == job.submission.request_id
            if other.id == job.id or not same:
                continue
            fetching = other.id in world.mortal_shelf.writing and other.state is JobState.FETCHING
            assert not fetching, f"two transfers of one request at once: {other.id} and {job.id}"
            if world.shelf.links and other.publication is not None and other.state in DONE:
                assert not world.shelf.has(other.publication.path), f"transferred: {other.id}, {job.id}"

    def check_post(self, link: Link) -> None:
        """Hold that what is posted is wanted on record, and may be."""
        world = self._world
        jobs = world.journal.fold() if world.journal.certain else world.engine.jobs
        intents = [job for job in jobs.values() if job.link.key == link.key and job.unsure]
        assert any(job.state is JobState.QUEUED for job in intents), "a POST without a durable intent"
        assert not all(self._is_refused(job) for job in intents), "a POST of what is not cached"

    def _is_refused(self, job: Job) -> bool:
        """Tell whether a job must not be handed in."""
        world = self._world
        tellable = job.link.key in world.cloud.cached_keys and job.link.key != UNTELLABLE
        return job.destination.cached is Cached.ONLY and not tellable

    def check_removal(self, request_id: str) -> None:
        """Hold that what is removed was published from here, and that nobody needs it any more."""
        world = self._world
        assert world.policy.remove is not Removal.NEVER
        holders = [
            job
            for job in world.engine.jobs.values()
            if job.submission is not None and job.submission.request_id == request_id
        ]
        # A removal may come late, when its job is forgotten already.
        needing = [job for job in holders if job.state not in (*DONE, JobState.REMOVED)]
        assert not needing, f"removed although it is needed: {needing}"
        kept = [job for job in holders if job.state is not JobState.REMOVED]
        published = world.is_damaged or all(job.publication is not None for job in kept)
        assert published, "removed before it was published"
        # Who is dropped again while the removal is on its way is to be imported once more, and is looked at.
        waiting = [job for job in kept if job.to_import and job.state is not JobState.CHECKING]
        assert not waiting, f"removed before it was imported: {waiting}"

    def check_report(self, job: Job) -> None:
        """Hold that what is reported has failed, for good and on record."""
        world = self._world
        assert job.destination.category in world.policy.reported
        known = world.journal.fold().get(job.id) if world.journal.certain else None
        assert known is None or known.round > job.round or known.state in ENDED, (
            f"reported too early: {known}"
        )

    def recorded(self, event: Event, job: Job | None) -> None:
        """Hold that what is recorded is so, and remember what the laws go by."""
        world = self._world
        if (
            isinstance(event, Requeued)
            and not event.command
            and job is not None
            and job.publication is not None
        ):
            goes_away = event.destination is not None and event.destination.remote is not None
            goes_away = goes_away or world.is_damaged  # then it may have been done for either
            assert event.drop is None or goes_away, "begun anew without a look at what is there"
            path = job.publication.path
            was_gone = any(path.startswith(f"{place}/") for place in world.was_gone)
            is_gone = not world.shelf.has(path) or was_gone
            assert is_gone or goes_away, "begun anew although it is still there"
        if isinstance(event, Kept) and event.path:
            assert event.path in world.mortal_shelf.seen, "nobody saw that it is still there"
        if isinstance(event, Cleared) and not event.reason and job is not None:
            assert job.submission is not None
            assert job.submission.request_id not in world.cloud.items, "it is still in the account"
        if isinstance(event, Imported) and job is not None and job.publication is not None:
            gone = not world.shelf.has(job.publication.path)
            assert gone or (job.id, job.round) in world.tools.has, f"nobody has imported it: {job}"
        if isinstance(event, Recategorized):
            world.moved.add(event.job_id)
        if isinstance(event, (DroppedAgain, Requeued)) and event.drop is not None:
            intake = world.drops.get(event.drop.id)
            assert intake is not None
            world.wished[event.job_id] = intake.destination
        if isinstance(event, Removed) and job is not None:
            world.forgotten |= {drop.id for drop in job.drops}
            world.forgotten_keys.add(job.link.key)


def requests_of(job: Job) -> tuple[str, ...]:
    """Return the ids of all requests that a job has or had."""
    return (*job.sent, *job.spent, *([job.submission.request_id] if job.submission else []))
