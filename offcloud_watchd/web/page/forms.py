"""The forms: to add, to look for jobs, to be asked before something is done, to log in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from offcloud_watchd.core.model import Job, JobState, Verb
from offcloud_watchd.core.story import display_name
from offcloud_watchd.web.clerk import Added
from offcloud_watchd.web.page.markup import Html, tag
from offcloud_watchd.web.page.wanted import Front
from offcloud_watchd.web.page.words import STATES, VERBS, several

_NAMED: Final = 10
_MEANS: Final = {
    Verb.RETRY: "Open jobs are tried at once, jobs that ended begin anew. Lanes that pause are tried, too.",
    Verb.CANCEL: "The job ends here. What the service holds stays in the account.",
    Verb.FORGET: "The job leaves the list, and its history goes with it.",
}


def adding(token: str, categories: Sequence[str], *, opened: bool) -> Html:
    """Ask for links and files."""
    return tag(
        "details",
        tag("summary", "Add links or files"),
        tag(
            "form",
            _hidden(token=token),
            tag("label", "Links, one a line", for_="links"),
            tag("textarea", name="text", id="links", rows=4, spellcheck="false", autocomplete="off"),
            tag("label", "Files: torrents, magnets, lists (or drop them on this page)", for_="files"),
            tag("input", type="file", name="files", id="files", multiple=True),
            tag("label", "Category", for_="into"),
            tag("input", name="category", id="into", list="known", maxlength=100, autocomplete="off"),
            tag("datalist", [tag("option", value=one) for one in categories], id="known"),
            tag("button", "Add", type="submit", class_="main"),
            method="post",
            action="/add",
            enctype="multipart/form-data",
        ),
        id="add",
        open=opened,
    )


def looking(front: Front, categories: Iterable[str]) -> Html:
    """Ask which jobs are to be shown."""
    known = dict.fromkeys([*categories, *([front.category] if front.category else [])])
    return tag(
        "form",
        tag("label", "State", for_="state"),
        tag(
            "select",
            tag("option", "any", value=""),
            [
                tag("option", text, value=str(one), selected=one is front.state)
                for one, text in STATES.items()
            ],
            name="state",
            id="state",
        ),
        tag("label", "Category", for_="category"),
        tag(
            "select",
            tag("option", "any", value=""),
            [tag("option", one, value=one, selected=one == front.category) for one in known],
            name="category",
            id="category",
        ),
        tag("label", "Text", for_="text"),
        tag("input", type="search", name="text", id="text", value=front.text, maxlength=500),
        tag("button", "Show", type="submit"),
        _hidden(span="day") if front.day else None,
        method="get",
        action="/",
        id="looking",
        role="search",
        aria_label="Jobs",
    )


def question(verb: Verb, jobs: Sequence[Job], token: str, back: str, *, state: JobState | None) -> Html:
    """Ask before something is done. No jobs: paused lanes are tried; ``state``: all that are in it then."""
    names = [tag("li", display_name(job)) for job in jobs[:_NAMED]]
    if len(jobs) > _NAMED:
        names.append(tag("li", f"and {len(jobs) - _NAMED:,} more"))
    title = f"{VERBS[verb]} {several(len(jobs), 'job')}?" if jobs else "Try what is paused now?"
    marked = _hidden(state=str(state)) if state is not None else _marked(jobs)
    files = tag(
        "label", tag("input", type="checkbox", name="files", value="true"), " Delete its files here, too"
    )
    return tag(
        "form",
        tag("h2", title, id="asked"),
        tag("ul", names) if names else None,
        tag("p", _MEANS[verb]) if jobs else None,
        _hidden(token=token, back=back),
        marked,
        files if verb is Verb.FORGET else None,
        tag("button", VERBS[verb] if jobs else "Try now", type="submit", class_="main"),
        tag("a", "Leave it as it is", href=back, class_="act", data_close=True),
        method="post",
        action=f"/act/{verb}",
        id="confirm",
        aria_labelledby="asked",
    )


def outcome(added: Sequence[tuple[str, Added]]) -> Html:
    """Say what came of things that were to be added, when not all of it could be."""
    entries = []
    for what, one in added:
        taken = several(len(one.jobs), "job") if one.command is not None else "nothing"
        refused = [
            tag("li", f"{f'line {no.number}: ' if no.number is not None else ''}{no.reason}")
            for no in one.refused
        ]
        entries.append(tag("li", tag("b", what), f": {taken} taken", tag("ul", refused) if refused else None))
    return tag(
        "section",
        tag("h2", "Not everything could be taken"),
        tag("ul", entries),
        tag("p", tag("a", "Back to the jobs", href="/")),
    )


def entering(token: str, problem: str) -> Html:
    """Ask for the password."""
    return tag(
        "form",
        tag("h2", "Log in"),
        tag("p", problem, role="alert", class_="problem") if problem else None,
        _hidden(token=token),
        tag("label", "Password", for_="password"),
        tag(
            "input",
            type="password",
            name="password",
            id="password",
            autocomplete="current-password",
            required=True,
            autofocus=True,
        ),
        tag("button", "Log in", type="submit", class_="main"),
        method="post",
        action="/login",
        class_="login",
    )


def leaving(token: str) -> Html:
    """Offer to log out."""
    return tag(
        "form", _hidden(token=token), tag("button", "Log out", type="submit"), method="post", action="/logout"
    )


def _marked(jobs: Sequence[Job]) -> list[Html]:
    return [tag("input", type="hidden", name="job", value=job.id) for job in jobs]


def _hidden(**values: str) -> list[Html]:
    return [tag("input", type="hidden", name=name, value=value) for name, value in values.items()]
