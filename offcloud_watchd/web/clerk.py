"""Takes what is asked for, from the page and from the API: links, files, and what is to become of jobs.

Rules of this file:

* What cannot be taken is said at once, by the same code that reads drops; the rest is an order, durable when
  it is answered.
* An answer waits a moment for the order to show, so that it tells of the jobs as they are then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from offcloud_watchd.core.intake import obey
from offcloud_watchd.core.links import parse, parse_link
from offcloud_watchd.core.model import Command, Job, JobState, Links, Verb
from offcloud_watchd.core.orders import AddFile, AddLink, JobCommand, Order, add_drop_id
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.settings import WebSettings

MAX_LINKS: Final = 1000
LIST_NAME: Final = "added.txt"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was not taken: the number of the link, or the line, from 1 on; None: all of it."""

    number: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Added:
    """What came of something that was to be added. ``jobs`` may be empty yet, though ``command`` stands."""

    command: str | None
    jobs: tuple[Job, ...]
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Commanded:
    """What came of a command. ``jobs`` are those named, as far as they are still there."""

    command: str
    jobs: tuple[Job, ...]


class UnknownJobs(Exception):  # noqa: N818 - the state of the thing
    """Jobs were named that are not there."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__("there is no job " + ", ".join(ids[:20]))


def allowed(job: Job) -> tuple[Verb, ...]:
    """Return what can be asked of a job as it is."""
    return tuple(verb for verb in Verb if _does(verb, job))


def _does(verb: Verb, job: Job) -> bool:
    return obey(Command("", verb, (job.id,)), job, 0.0) is not None


class Clerk:
    """Takes orders. Raises ``OSError`` when one cannot be made durable and ``Unanswered``."""

    def __init__(self, settings: WebSettings, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk

    async def add_links(self, links: Sequence[str], category: str | None) -> Added:
        """Add links, each of its own; numbers in ``refused`` are places in ``links`` from 1 on."""
        if problem := self._refused_category(category):
            return problem
        good: list[str] = []
        refused: list[Refusal] = []
        for number, link in enumerate(links, 1):
            try:
                good.append(parse_link(link).url)
            except BadDrop as error:
                refused.append(Refusal(number, str(error)))
        return await self._ordered(_order(good, category), refused)

    async def add_text(self, text: str, category: str | None) -> Added:
        """Add the links of a text, one a line; numbers in ``refused`` are lines."""
        data = text.encode("utf-8", "replace")
        if problem := self._refused_category(category):
            return problem
        try:
            links = await self._desk.aside(partial(parse, "pasted.txt", data))
        except BadDrop as error:
            return Added(None, (), (Refusal(None, str(error)),))
        order = _order([link.url for link in links.found], category)
        return await self._ordered(order, _bad_lines(links))

    async def add_file(self, name: str, data: bytes, category: str | None) -> Added:
        """Add the links of a file, as if it had been dropped; numbers in ``refused`` are its lines."""
        if problem := self._refused_category(category):
            return problem
        try:
            links = await self._desk.aside(partial(parse, name, data))
        except BadDrop as error:
            return Added(None, (), (Refusal(None, str(error)),))
        order = AddFile(name, data, category) if links.found else None
        return await self._ordered(order, _bad_lines(links))

    async def command(self, verb: Verb, job_ids: Collection[str], *, files: bool = False) -> Commanded:
        """Ask something of jobs; to retry none of them has paused lanes tried at once.

        Raise ``UnknownJobs``, and nothing is asked of any.
        """
        before = {job.id: job for job in (await self._desk.overview()).jobs}
        wanted = dict.fromkeys(job_ids)
        if unknown := [job_id for job_id in wanted if job_id not in before]:
            raise UnknownJobs(unknown)
        command_id = await self._desk.order(JobCommand(verb, tuple(wanted), files))
        moved = [job_id for job_id in wanted if _does(verb, before[job_id])]
        if moved:
            await self._desk.shows(partial(_all_obeyed, moved, command_id))
        after = await self._desk.overview()
        return Commanded(command_id, tuple(job for job in after.jobs if job.id in wanted))

    def _refused_category(self, category: str | None) -> Added | None:
        try:
            self._settings.destination_for(category)
        except BadDrop as error:
            return Added(None, (), (Refusal(None, str(error)),))
        return None

    async def _ordered(self, order: Order | None, refused: Sequence[Refusal]) -> Added:
        if order is None:
            none = (Refusal(None, "there is no link in it that can be used"),)
            return Added(None, (), tuple(refused) or none)
        command_id = await self._desk.order(order)
        drop_id = add_drop_id(command_id)
        await self._desk.shows(lambda overview: bool(_dropped(overview, drop_id)))
        return Added(command_id, _dropped(await self._desk.overview(), drop_id), tuple(refused))


def _order(urls: Sequence[str], category: str | None) -> AddLink | AddFile | None:
    """One link is named by itself; of several a list is made, so that they are taken all at once."""
    if not urls:
        return None
    if len(urls) == 1:
        return AddLink(urls[0], category)
    return AddFile(LIST_NAME, "\n".join(urls).encode(), category)


def _bad_lines(links: Links) -> list[Refusal]:
    return [Refusal(bad.line, bad.reason) for bad in links.bad]


def _dropped(overview: Overview, drop_id: str) -> tuple[Job, ...]:
    return tuple(job for job in overview.jobs if any(drop.id == drop_id for drop in job.drops))


def _all_obeyed(job_ids: Sequence[str], command_id: str, overview: Overview) -> bool:
    jobs = {job.id: job for job in overview.jobs}
    left = (jobs.get(job_id) for job_id in job_ids)
    return all(job is None or job.state is JobState.REMOVED or command_id in job.commands for job in left)
