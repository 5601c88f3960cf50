"""The front page, in parts; each can be sent anew by itself when it has changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.model import PAUSING, Job, JobState, Verb
from offcloud_watchd.core.picture import Disk, Overview
from offcloud_watchd.core.story import display_name, size
from offcloud_watchd.web.clerk import allowed
from offcloud_watchd.web.page.chart import chart
from offcloud_watchd.web.page.markup import Html, joined, tag
from offcloud_watchd.web.page.rows import row
from offcloud_watchd.web.page.wanted import PAGE_JOBS, Front, foremost
from offcloud_watchd.web.page.words import LANES, STATES, moment, rate, several, span
from offcloud_watchd.web.traffic import Traffic, left_s, speed
from offcloud_watchd.web.troubles import troubles

FAILED_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Shown:
    """A front page: its parts, and its rows in their order, both by their ids."""

    parts: dict[str, Html]
    rows: dict[str, Html]


def shown(front: Front, overview: Overview, traffic: Traffic, disks: Sequence[Disk] | None) -> Shown:
    """Make the page."""
    found = front.chosen(overview.jobs)
    now = overview.picture.at
    rows = {f"row-{job.id}": row(job, overview.progress.get(job.id), now) for job in front.shown(found)}
    parts = {
        "health": health(overview),
        "trouble": _trouble(overview),
        "tiles": _tiles(front, overview),
        "traffic": _traffic(front, overview, traffic),
        "count": _count(front, found),
        "pages": _pages(front, found),
        "lanes": _lanes(overview),
        "folders": _folders(overview),
        "disks": _disks(disks),
        "account": _account(overview),
    }
    return Shown(parts, rows)


def health(overview: Overview) -> Html:
    """Say in a line whether it is well."""
    counts = overview.picture.counts
    found = troubles(overview.picture)
    failed = counts.get(JobState.FAILED, 0)
    fetching = counts.get(JobState.FETCHING, 0)
    if found:
        text, kind = several(len(found), "thing needs you", "things need you"), "bad"
    elif failed:
        text, kind = f"It works; {several(failed, 'job')} failed", "fair"
    else:
        text, kind = "All is well", "good"
    title = f"{'(!) ' if found else ''}{f'{fetching} fetching · ' if fetching else ''}offcloud-watchd"
    return tag("p", text, id="health", class_=f"health {kind}", role="status", data_title=title)


# --- what needs the reader ---------------------------------------------------------------------------------


def _trouble(overview: Overview) -> Html:
    entries = list(_troubles(overview))
    title = tag("h2", "What needs you") if entries else None
    return tag("section", title, tag("ul", entries) if entries else None, id="trouble", class_="trouble")


def _troubles(overview: Overview) -> Iterator[Html]:
    picture = overview.picture
    if picture.journal_problem:
        yield tag("li", tag("b", "Nothing can be recorded: "), picture.journal_problem)
    for lane, pause in picture.pauses.items():
        yield tag(
            "li",
            tag("b", f"{LANES[lane]} is paused: "),
            pause.reason,
            tag("span", " Tried again at ", moment(pause.probe_at, picture.at), ". ", class_="sub"),
            tag("a", "Try now", href="/act/retry", class_="act", data_ask=True),
        )
    for folder in picture.folders:
        if folder.problem:
            yield tag("li", tag("b", f"{folder.path}: "), folder.problem)
    yield from _failures(overview)


def _failures(overview: Overview) -> Iterator[Html]:
    if not overview.picture.counts.get(JobState.FAILED):
        return
    failed = Front(JobState.FAILED).chosen(overview.jobs)
    for job in foremost(failed, FAILED_SHOWN):
        yield tag(
            "li",
            tag("a", display_name(job), href=f"/jobs/{job.id}"),
            tag("b", " failed: "),
            job.reason.partition("\n")[0],
            " ",
            _retry(job),
        )
    if len(failed) > FAILED_SHOWN:
        yield tag(
            "li",
            f"{len(failed) - FAILED_SHOWN:,} more failed. ",
            tag("a", "Show all", href=Front(JobState.FAILED).address(), data_load=True),
            " ",
            tag("a", "Retry all", href="/act/retry?state=failed", class_="act", data_ask=True),
        )


def _retry(job: Job) -> Html | None:
    """Offer to begin a job anew; where there was nothing to submit there is nothing to offer."""
    if Verb.RETRY not in allowed(job):
        return None
    return tag(
        "a",
        "Retry",
        tag("span", f" {display_name(job)}", class_="unseen"),
        href=f"/act/retry?job={job.id}",
        class_="act",
        data_ask=True,
    )


# --- how things are ----------------------------------------------------------------------------------------


def _tiles(front: Front, overview: Overview) -> Html:
    picture = overview.picture
    numbers = [
        tag("div", tag("dt", "Speed"), tag("dd", rate(speed(overview)) or "-"), class_="tile"),
        tag("div", tag("dt", "Time left"), tag("dd", span(left_s(overview)) or "-"), class_="tile"),
    ]
    for state in (JobState.FETCHING, JobState.CLOUD, JobState.QUEUED, JobState.FAILED, JobState.DONE):
        count = picture.counts.get(state, 0)
        link = tag(
            "a",
            f"{count:,}",
            tag("span", f" {STATES[state]}: show them", class_="unseen"),
            href=Front().address(state=state, day=front.day),
            data_load=True,
            aria_current="true" if front.state is state else None,
        )
        kind = f"tile {state}" if count else "tile"
        numbers.append(tag("div", tag("dt", STATES[state].capitalize()), tag("dd", link), class_=kind))
    return tag("dl", numbers, id="tiles", class_="tiles")


def _traffic(front: Front, overview: Overview, traffic: Traffic) -> Html:
    other = "hour" if front.day else "day"
    link = tag("a", f"Show the last {other}", href=front.address(day=not front.day), data_load=True)
    picture = chart(traffic, "day" if front.day else "hour", overview.picture.at, link)
    return tag("section", tag("h2", "Traffic", class_="unseen"), picture, id="traffic")


def _lanes(overview: Overview) -> Html:
    picture = overview.picture
    entries = []
    for lane in PAUSING:
        pause = picture.pauses.get(lane)
        if pause is None:
            state = tag("span", "works", class_="badge done")
        else:
            since = joined(" since ", moment(pause.since, picture.at), ": ")
            state = joined(tag("span", "paused", class_="badge failed"), since, pause.reason)
        entries += [tag("dt", LANES[lane]), tag("dd", state)]
    return tag("dl", entries, id="lanes", class_="facts")


def _folders(overview: Overview) -> Html:
    folders = overview.picture.folders
    if not folders:
        return tag("p", "The drop folders have not been looked at yet.", id="folders")
    entries = []
    for folder in folders:
        watched = "watched by events" if folder.watch == "events" else "looked at now and then"
        missed = f", {several(folder.missed, 'drop')} no event told of" if folder.missed else ""
        state = (
            tag("span", "trouble", class_="badge failed")
            if folder.problem
            else tag("span", "works", class_="badge done")
        )
        refused = f", {several(folder.refused, 'drop')} refused: see failed/ in it" if folder.refused else ""
        facts = f" {folder.category}, {watched}, {several(folder.waiting, 'file')} waiting{missed}{refused}"
        problem = tag("p", folder.problem, class_="problem") if folder.problem else None
        entries += [tag("dt", folder.path), tag("dd", state, facts, problem)]
    return tag("dl", entries, id="folders", class_="facts")


def _disks(disks: Sequence[Disk] | None) -> Html:
    if not disks:
        text = "The disks do not answer yet." if disks is None else "No disk answers."
        return tag("p", text, id="disks")
    entries = []
    for disk in disks:
        promised = f", {size(disk.promised_bytes)} of it promised to what is fetched now"
        said = f"{size(disk.free_bytes)} free of {size(disk.size_bytes)}"
        said += promised if disk.promised_bytes else ""
        names = tag("dt", [tag("span", one, class_="path") for one in disk.directories])
        entries += [names, tag("dd", _room(disk), tag("span", said))]
    return tag("dl", entries, id="disks", class_="facts")


def _room(disk: Disk) -> Html:
    """Draw what is taken, and what of the rest is promised; the text beside it says the same."""
    whole = max(1, disk.size_bytes)
    taken = 100 * (1 - min(1.0, disk.free_bytes / whole))
    promised = min(100 - taken, 100 * disk.promised_bytes / whole)
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=100, height=6, class_="track"),
        tag("rect", x=0, y=0, width=round(taken, 1), height=6, class_="taken"),
        tag("rect", x=round(taken, 1), y=0, width=round(promised, 1), height=6, class_="ours"),
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        aria_hidden="true",
        class_="bar room",
    )


def _account(overview: Overview) -> Html:
    account = overview.picture.account
    if account is None:
        return tag("p", "The service has not told of the account yet.", id="account")
    plan = {True: "premium", False: "no premium plan", None: "not told"}[account.premium]
    entries = [tag("dt", "Account"), tag("dd", account.email or "not told")]
    entries += [tag("dt", "Plan"), tag("dd", plan, f", until {account.expires}" if account.expires else None)]
    if account.can_download is False:
        entries += [tag("dt", "Downloads"), tag("dd", "not allowed by the service")]
    return tag("dl", entries, id="account", class_="facts")


# --- the list ----------------------------------------------------------------------------------------------


def _count(front: Front, found: Sequence[Job]) -> Html:
    if not found:
        is_filtered = front.state or front.category or front.text
        text = "No job is like that." if is_filtered else "No jobs yet: add links, or drop files."
        return tag("p", text, id="count")
    first = (front.page - 1) * PAGE_JOBS + 1
    last = min(len(found), first + PAGE_JOBS - 1)
    text = f"{several(len(found), 'job')}"
    if len(found) > PAGE_JOBS:
        text = f"{first:,} to {last:,} of {text}" if first <= last else f"{text}; none on this page"
    return tag("p", text, id="count")


def _pages(front: Front, found: Sequence[Job]) -> Html:
    links = []
    last = (len(found) + PAGE_JOBS - 1) // PAGE_JOBS
    for page, text, relation in (
        (front.page - 1, "Earlier page", "prev"),
        (front.page + 1, "Next page", "next"),
    ):
        if 1 <= page <= last:
            links.append(tag("a", text, href=front.address(page=page), rel=relation, data_load=True))
    return tag("nav", links, id="pages", aria_label="Pages")
