"""The addresses of the page and what is done at each.

Rules of this file:

* Who may not come in is shown where to log in, and nothing else.
* A form counts only with its token; after it the reader is sent on, so that a reload does nothing twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from offcloud_watchd.core.model import Job, JobState, Verb
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.core.story import display_name
from offcloud_watchd.errors import JournalDamaged
from offcloud_watchd.web.clerk import Added, Clerk, UnknownJobs, allowed
from offcloud_watchd.web.desk import Desk, Happening
from offcloud_watchd.web.entrance import Entrance
from offcloud_watchd.web.live import Live
from offcloud_watchd.web.page import forms, given, shell
from offcloud_watchd.web.page.front import health, shown
from offcloud_watchd.web.page.given import Form
from offcloud_watchd.web.page.life import gone, head, life
from offcloud_watchd.web.page.markup import Html, joined, tag
from offcloud_watchd.web.page.tokens import Tokens
from offcloud_watchd.web.page.view import FrontView, JobView, mark
from offcloud_watchd.web.page.wanted import Front
from offcloud_watchd.web.settings import WebSettings
from offcloud_watchd.web.stream import Stream

_SAID: Final[Mapping[str, str]] = {
    "added": "Added.",
    "retry": "Tried again.",
    "cancel": "Cancelled.",
    "forget": "Forgotten.",
}
_OLD: Final = "That page was too old, or not one of ours: nothing was done. Try again from here."

Answer = Callable[[Request], Awaitable[Response | Stream]]


class Page:
    """The page. ``routes`` are what the site takes in."""

    def __init__(
        self, settings: WebSettings, clerk: Clerk, entrance: Entrance, desk: Desk, live: Live
    ) -> None:
        self._settings = settings
        self._clerk = clerk
        self._entrance = entrance
        self._desk = desk
        self._live = live
        self._tokens = Tokens()

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [
            Route("/", self._front),
            Route("/jobs/{id}", self._let_in(self._job)),
            Route("/act/{verb}", self._let_in(self._ask), methods=["GET"]),
            Route("/act/{verb}", self._let_in(self._act), methods=["POST"]),
            Route("/add", self._let_in(self._add), methods=["POST"]),
            Route("/live", self._hear),
            Route("/login", self._login_page, methods=["GET"]),
            Route("/login", self._login, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            *(Route(f"/{name}", _asset(name)) for name in shell.ASSETS),
        ]

    # --- who may come in ---

    def _let_in(self, answer: Answer) -> Answer:
        async def guarded(request: Request) -> Response | Stream:
            if await self._entrance.enter(request) is None:
                return RedirectResponse("/login", 303)
            return await answer(request)

        return guarded

    async def _login_page(self, request: Request) -> Response:
        return self._entering(request, "")

    def _entering(self, request: Request, problem: str, status: int = 200) -> Response:
        form = forms.entering(self._tokens.of(request), problem)
        return shell.page("Log in · offcloud-watchd", form, status=status)

    async def _login(self, request: Request) -> Response:
        form = await given.read(request)
        if not self._tokens.is_good(request, form.text("token")):
            return self._entering(request, _OLD, 403)
        if self._entrance.shuts_out(request):
            return self._entering(request, "Too many wrong passwords: wait a minute.", 403)
        if not await self._entrance.knows(request, form.text("password")):
            return self._entering(request, "That is not the password.", 403)
        return RedirectResponse("/", 303, headers={"set-cookie": self._entrance.begin()})

    async def _logout(self, request: Request) -> Response:
        form = await given.read(request)
        if not self._tokens.is_good(request, form.text("token")):
            return RedirectResponse("/", 303)
        return RedirectResponse("/login", 303, headers={"set-cookie": self._entrance.end(request)})

    def _leaving(self, request: Request) -> Html | None:
        return forms.leaving(self._tokens.of(request)) if self._entrance.holds_session(request) else None

    # --- what there is to see ---

    async def _front(self, request: Request) -> Response:
        # Here and not elsewhere: clients look at the root to see whether anybody is there.
        if await self._entrance.enter(request) is None:
            return self._entering(request, "")
        front, overview = Front.of(request.query_params), await self._desk.overview()
        found = shown(front, overview, self._live.traffic, await self._live.disks.look())
        categories = self._categories(overview)
        said = _SAID.get(request.query_params.get("said", ""))
        parts = found.parts
        main = joined(
            tag("p", said, role="status", class_="said") if said else None,
            parts["trouble"],
            parts["tiles"],
            parts["traffic"],
            forms.adding(self._tokens.of(request), categories, opened=not overview.jobs),
            tag(
                "section",
                tag("h2", "Jobs", id="jobs"),
                forms.looking(front, categories),
                parts["count"],
                tag("ol", found.rows.values(), id="rows", class_="jobs"),
                parts["pages"],
            ),
            tag(
                "section",
                tag("h2", "Drop folders"),
                parts["folders"],
                tag("h2", "Lanes"),
                parts["lanes"],
                tag("h2", "Disks"),
                parts["disks"],
                tag("h2", "The service"),
                parts["account"],
                class_="house",
            ),
        )
        live = front.address().replace("/", "/live", 1)
        return shell.page(
            "offcloud-watchd", main, health=parts["health"], beside=self._leaving(request), live=live
        )

    def _categories(self, overview: Overview) -> list[str]:
        used = {job.destination.category for job in overview.jobs} | overview.categories
        used -= set(self._settings.categories)
        return [*self._settings.categories, *sorted(used)]

    async def _job(self, request: Request) -> Response:
        overview, job_id = await self._desk.overview(), request.path_params["id"][:100]
        job = next((one for one in overview.jobs if one.id == job_id), None)
        now, line = overview.picture.at, health(overview)
        if job is None:
            return shell.page("No such job", gone(job_id), health=line, status=404)
        history = await self._history(job.id)
        main = joined(head(job, overview.progress.get(job.id), now), life(job, history, now))
        title = f"{display_name(job)} · offcloud-watchd"
        live = "/live?" + urlencode({"job": job.id, "seen": mark(job)})
        return shell.page(title, main, health=line, beside=self._leaving(request), live=live)

    async def _history(self, job_id: str) -> Sequence[Happening] | str:
        try:
            return await self._desk.history(job_id)
        except (OSError, JournalDamaged) as error:
            return f"The journal cannot be read now ({type(error).__name__}); the log says more."

    async def _hear(self, request: Request) -> Response | Stream:
        if await self._entrance.enter(request) is None:
            return PlainTextResponse("log in first", 403)
        job_id = request.query_params.get("job")
        if job_id is not None:
            return Stream(
                self._live, self._desk.clock, JobView(job_id[:100], request.query_params.get("seen", ""))
            )
        view = FrontView(Front.of(request.query_params), self._live.traffic)
        return Stream(self._live, self._desk.clock, view)

    # --- what can be done ---

    async def _add(self, request: Request) -> Response:
        form = await given.read(request)
        if not self._tokens.is_good(request, form.text("token")):
            return self._message(_OLD, 403)
        try:
            added = await self._added(form)
        except OSError as error:
            return self._message(f"It cannot be recorded: {error.strerror}. Nothing was done.", 503)
        if not added:
            return self._message("There was nothing to add: no link and no file.", 400)
        if any(one.refused for _, one in added):
            return shell.page("Added", forms.outcome(added), status=200)
        return RedirectResponse("/?said=added", 303)

    async def _added(self, form: Form) -> list[tuple[str, Added]]:
        category = form.text("category").strip() or None
        added: list[tuple[str, Added]] = []
        text = form.text("text")
        if text.strip():
            added.append(("The links", await self._clerk.add_text(text, category)))
        for name, data in form.files:
            added.append((name, await self._clerk.add_file(name[:255], data, category)))
        return added

    async def _ask(self, request: Request) -> Response:
        query, overview = request.query_params, await self._desk.overview()
        verb, state = _verb(request), _state(query.get("state", ""))
        if verb is None:
            return self._message("There is nothing under this address.", 404)
        jobs = _meant(overview, verb, query.getlist("job"), state)
        if not jobs and (query.getlist("job") or state is not None or verb is not Verb.RETRY):
            return self._message("There is nothing to be done: the jobs have moved on meanwhile.", 404)
        back = _back(query.get("back") or (f"/jobs/{jobs[0].id}" if "/jobs/" in _referer(request) else "/"))
        form = forms.question(verb, jobs, self._tokens.of(request), back, state=state)
        return shell.page("Sure? · offcloud-watchd", form, health=health(overview))

    async def _act(self, request: Request) -> Response:
        form, verb = await given.read(request), _verb(request)
        if verb is None or not self._tokens.is_good(request, form.text("token")):
            return self._message(_OLD, 403)
        ids = form.many("job")
        state = _state(form.text("state"))
        if state is not None:
            ids = [job.id for job in _meant(await self._desk.overview(), verb, (), state)]
        try:
            await self._clerk.command(verb, ids, files=form.text("files") == "true")
        except UnknownJobs:
            return self._message("One of the jobs is not there any more; nothing was done.", 404)
        except OSError as error:
            return self._message(f"It cannot be recorded: {error.strerror}. Nothing was done.", 503)
        back = "/" if verb is Verb.FORGET else _back(form.text("back"))
        return RedirectResponse(f"{back}{'&' if '?' in back else '?'}said={verb}", 303)

    def _message(self, text: str, status: int) -> Response:
        main = tag("section", tag("p", text, role="alert"), tag("p", tag("a", "Back to the jobs", href="/")))
        return shell.page("offcloud-watchd", main, status=status)


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return shell.asset(name)

    return answer


def _verb(request: Request) -> Verb | None:
    name = request.path_params["verb"]
    return Verb(name) if name in list(Verb) else None


def _state(name: str) -> JobState | None:
    return JobState(name) if name in list(JobState) else None


def _meant(overview: Overview, verb: Verb, ids: Sequence[str], state: JobState | None) -> list[Job]:
    """Return the jobs that are named, or are in a state, as far as the verb does anything to them."""
    wanted = set(ids)
    return [
        job
        for job in overview.jobs
        if (job.id in wanted or (state is not None and job.state is state)) and verb in allowed(job)
    ]


def _referer(request: Request) -> str:
    return request.headers.get("referer", "")


def _back(address: str) -> str:
    """Return an address of ours; never another site's, whatever was given."""
    is_ours = address == "/" or address.startswith(("/?", "/jobs/"))
    return address if is_ours and address.isprintable() and "\\" not in address else "/"
