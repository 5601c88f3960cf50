"""The operations of the API, carried out.

Rules of this file:

* Nobody is told anything before he is let in.
* What changes something takes JSON or bytes, which no form of another site's page can send.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from offcloud_watchd.core.model import Job, JobState, Verb
from offcloud_watchd.errors import JournalDamaged
from offcloud_watchd.web.answers import json_answer
from offcloud_watchd.web.api import documents
from offcloud_watchd.web.api.events import ApiView
from offcloud_watchd.web.api.operations import BYTES, PREFIX, Answer, Given, Operation, openapi
from offcloud_watchd.web.api.request import Refused, given
from offcloud_watchd.web.api.schema import Anything, Flag, Many, Record, Text, Whole
from offcloud_watchd.web.clerk import MAX_LINKS, Added, Clerk, UnknownJobs
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.entrance import Entrance
from offcloud_watchd.web.live import Live
from offcloud_watchd.web.selection import Wanted, oldest_first
from offcloud_watchd.web.stream import Stream

MAX_PAGE: Final = 1000
MAX_COMMANDED: Final = 1000
MAX_UPLOADS: Final = 2
_ADDED: Final = {
    200: "it is taken, but for what `refused` tells",
    422: "none of it can be taken: `refused` tells why",
}
_CATEGORY: Final = Text("what names none goes where the configuration says", most=100)
_JOBS_QUERY: Final = Record(
    {
        "state": documents.STATE,
        "category": Text(most=200),
        "text": Text(
            "words: each stands in its name, path, address or reason, or begins its id or info hash", most=500
        ),
        "limit": Whole(f"at most {MAX_PAGE}; 100 where it is not told", least=1, most=MAX_PAGE),
        "offset": Whole(least=0, most=10**9),
    },
    optional=("state", "category", "text", "limit", "offset"),
)
_LINK: Final = Text("a magnet, an info hash, or an http(s) address", least=1, most=65_536)
_LINKS_BODY: Final = Record(
    {"links": Many(_LINK, least=1, most=MAX_LINKS), "category": _CATEGORY}, optional=("category",)
)
_FILE_QUERY: Final = Record(
    {"name": Text("the file's name", least=1, most=255), "category": _CATEGORY}, optional=("category",)
)
_COMMAND_BODY: Final = Record(
    {"verb": documents.VERB, "jobs": Many(documents.JOB_ID, most=MAX_COMMANDED), "files": Flag()},
    optional=("files",),
)

Act = Callable[[Given], Awaitable[Answer]]
Endpoint = Callable[[Request], Awaitable[Response | Stream]]


class OwnApi:
    """The API. ``routes`` are what the site takes in."""

    def __init__(self, clerk: Clerk, entrance: Entrance, desk: Desk, live: Live) -> None:
        self._clerk = clerk
        self._entrance = entrance
        self._desk = desk
        self._live = live
        self._operations = (*self._reading(), *self._asking())
        self._uploads = asyncio.Semaphore(MAX_UPLOADS)
        self._document = openapi(self._operations, has_password=entrance.has_password)

    def routes(self) -> list[Route]:
        """Return the addresses."""
        found = {}
        for one in self._operations:
            endpoint = self._endpoint(one, one.act) if one.act is not None else self._events(one)
            found[one.path] = Route(f"{PREFIX}{one.path}", endpoint, methods=[one.method])
        return list(found.values())

    # --- what there is ---

    def _reading(self) -> Iterable[Operation]:
        yield Operation(
            method="GET",
            path="/status",
            name="status",
            summary="How things are: health, lanes, folders, counts, speed, account, disks",
            act=self._status,
            answer=documents.STATUS,
        )
        yield Operation(
            method="GET",
            path="/jobs",
            name="jobs",
            summary="The jobs, filtered, a page of them",
            act=self._jobs,
            answer=documents.JOBS,
            query=_JOBS_QUERY,
        )
        yield Operation(
            method="GET",
            path="/jobs/{id}",
            name="job",
            summary="One job, and its whole life out of the journal",
            act=self._job,
            answer=documents.LIFE,
            path_parts={"id": documents.JOB_ID},
            refusals={404: "there is no such job"},
        )
        yield Operation(
            method="GET",
            path="/traffic",
            name="traffic",
            summary="What came home, and how many waited, over the last hour and day",
            act=self._traffic,
            answer=documents.TRAFFIC,
        )
        yield Operation(
            method="GET",
            path="/events",
            name="events",
            summary=(
                "Server-sent events: `status` and `job` with the documents of those names, first of all "
                "jobs that are open, then as they change, twice a second at most; `gone` with the id of one "
                "that was forgotten. A stream ends after a while; come again."
            ),
            act=None,
            answer=None,
        )
        yield Operation(
            method="GET",
            path="/openapi.json",
            name="openapi",
            summary="This document",
            act=self._openapi,
            answer=Anything(),
        )

    def _asking(self) -> Iterable[Operation]:
        yield Operation(
            method="POST",
            path="/links",
            name="add_links",
            summary="Add links, as if they had been dropped",
            act=self._add_links,
            answer=documents.ADDED,
            answers=_ADDED,
            body=_LINKS_BODY,
        )
        yield Operation(
            method="POST",
            path="/files",
            name="add_file",
            summary="Add a file: a torrent, a magnet or link file, a list of links",
            act=self._add_file,
            answer=documents.ADDED,
            answers=_ADDED,
            query=_FILE_QUERY,
            body=BYTES,
        )
        yield Operation(
            method="POST",
            path="/commands",
            name="command",
            summary=(
                "Retry, cancel or forget jobs. `files`: forget what was published, too. To retry no job has "
                "paused lanes tried at once."
            ),
            act=self._command,
            answer=documents.COMMANDED,
            answers={200: "it is recorded"},
            refusals={404: "there is no such job; nothing was done"},
            body=_COMMAND_BODY,
        )

    # --- the way to it ---

    def _endpoint(self, operation: Operation, act: Act) -> Endpoint:
        async def answer(request: Request) -> Response:
            try:
                return await self._answered(request, operation, act)
            except Refused as refused:
                return json_answer({"error": refused.text}, refused.status)

        return answer

    async def _answered(self, request: Request, operation: Operation, act: Act) -> Response:
        await self._let_in(request)
        # A large body is held whole in memory: a few of them at a time.
        async with self._uploads if operation.body == BYTES else contextlib.nullcontext():
            answer = await act(await given(request, operation))
        return json_answer(answer.document, answer.status)

    async def _let_in(self, request: Request) -> None:
        if await self._entrance.enter(request) is None:
            raise Refused(403, "log in first, or send the password as a bearer key")

    def _events(self, operation: Operation) -> Endpoint:
        async def answer(request: Request) -> Response | Stream:
            try:
                await self._let_in(request)
                await given(request, operation)
            except Refused as refused:
                return json_answer({"error": refused.text}, refused.status)
            return Stream(self._live, self._desk.clock, ApiView())

        return answer

    # --- reading ---

    async def _status(self, _given: Given) -> Answer:
        disks = await self._live.disks.look()
        return Answer(documents.status_document(await self._desk.overview(), disks))

    async def _jobs(self, found: Given) -> Answer:
        query, overview = found.query, await self._desk.overview()
        state = query.get("state")
        wanted = Wanted(JobState(state) if state else None, query.get("category"), query.get("text", ""))
        jobs = sorted(wanted.chosen(overview.jobs), key=oldest_first)
        offset, limit = query.get("offset", 0), query.get("limit", 100)
        page = jobs[offset : offset + limit]
        return Answer(documents.jobs_document(overview, page, total=len(jobs), offset=offset))

    async def _job(self, found: Given) -> Answer:
        overview = await self._desk.overview()
        job = _named(overview.jobs, found.path["id"])
        try:
            history = await self._desk.history(job.id)
        except (OSError, JournalDamaged) as error:
            raise Refused(503, f"the journal cannot be read: {type(error).__name__}") from error
        return Answer(documents.life_document(job, overview.progress.get(job.id), history))

    async def _traffic(self, _given: Given) -> Answer:
        return Answer(documents.traffic_document(self._live.traffic))

    async def _openapi(self, _given: Given) -> Answer:
        return Answer(self._document)

    # --- asking ---

    async def _add_links(self, found: Given) -> Answer:
        body = found.body
        try:
            return _told(await self._clerk.add_links(body["links"], body.get("category")))
        except OSError as error:
            raise _unrecorded(error) from error

    async def _add_file(self, found: Given) -> Answer:
        query = found.query
        try:
            return _told(await self._clerk.add_file(query["name"], found.body, query.get("category")))
        except OSError as error:
            raise _unrecorded(error) from error

    async def _command(self, found: Given) -> Answer:
        body = found.body
        try:
            commanded = await self._clerk.command(
                Verb(body["verb"]), body["jobs"], files=body.get("files", False)
            )
        except UnknownJobs as error:
            raise Refused(404, str(error)) from error
        except OSError as error:
            raise _unrecorded(error) from error
        return Answer(documents.commanded_document(commanded))


def _named(jobs: Iterable[Job], job_id: str) -> Job:
    for job in jobs:
        if job.id == job_id:
            return job
    raise Refused(404, f"there is no job {job_id}")


def _told(added: Added) -> Answer:
    return Answer(documents.added_document(added), 200 if added.command is not None else 422)


def _unrecorded(error: OSError) -> Refused:
    return Refused(503, f"it cannot be recorded: {error.strerror}; nothing was done")
