"""What a client brings is made durable; the answer waits for no service, but a little until the jobs show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from offcloud_watchd.core.model import Job, JobState, job_id
from offcloud_watchd.core.orders import AddFile, AddLink, add_drop_id
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk


@dataclass(frozen=True, slots=True)
class Brought:
    """One thing that was brought, and the key of the job it comes to."""

    order: AddFile | AddLink
    key: str


class Bringing:
    """Takes what is brought."""

    def __init__(self, desk: Desk, catalogue: Catalogue) -> None:
        self._desk = desk
        self._catalogue = catalogue

    async def hand_in(self, brought: Sequence[Brought], category: str | None) -> list[str]:
        """Make everything durable; return the id of the job each comes to, also where none shows yet.

        ``category`` is the one they all go to (None: the default one); it is known from now on. Raise
        ``OSError`` when something cannot be made durable (what came before it stands), and ``Unanswered``.
        """
        if category is not None:
            await self._catalogue.make_known(category)
        expected = {add_drop_id(await self._desk.order(one.order)): one.key for one in brought}
        await self._desk.shows(partial(_all_there, expected))
        overview, place = await self._desk.overview(), self._catalogue.place(category)
        living = "" if place is None else place.category
        return [_id_of(drop_id, key, living, overview) for drop_id, key in expected.items()]


def _all_there(expected: Mapping[str, str], overview: Overview) -> bool:
    keys = set(expected.values())
    seen = {drop.id for job in overview.jobs if job.link.key in keys for drop in job.drops}
    return seen.issuperset(expected)


def _id_of(drop_id: str, key: str, category: str, overview: Overview) -> str:
    jobs = [job for job in overview.jobs if job.link.key == key]
    return next(_candidates(drop_id, category, jobs), job_id(drop_id, key))


def _candidates(drop_id: str, category: str, jobs: Sequence[Job]) -> Iterator[str]:
    """Yield the id of the job that took a drop; else of the one that will, where there is one."""
    yield from (job.id for job in jobs if any(drop.id == drop_id for drop in job.drops))
    for job in jobs:
        if job.state is not JobState.REMOVED and job.destination.category == category:
            yield job.id
