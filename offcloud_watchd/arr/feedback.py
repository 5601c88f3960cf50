"""What *arr tools are told: a failure, until they know it, once; that something was published, as a hint.

Rules of this file:

* Whether a failure was told already is read in the tool's own history and not remembered here: an answer may
  have been lost, or the program have died before it was recorded.
* A release is known by its exact info hash. By its name only where it has none, and then only if
  the newest grab of that very name is a blackhole's, of the day, and not at its end: it would hit another.
* That something was published is only a hint, as the tool looks every minute anyway: it is not kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Final

from offcloud_watchd.arr.tool import Record, Tool
from offcloud_watchd.core.events import Event, Published
from offcloud_watchd.core.model import Job, JobState, Link
from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.core.verdicts import name_for_tools, nzo_id
from offcloud_watchd.errors import Cancelled, Transient

log = logging.getLogger(__name__)

GRABBED: Final = "grabbed"
IMPORTED: Final = frozenset({"downloadFolderImported", "downloadImported"})
"""How a tool says that it has imported something. Lidarr and Readarr have the second word for it."""
SETTLED: Final = frozenset({"downloadFailed", "downloadIgnored", *IMPORTED})
"""What ends a grab, in the words of all tools."""


NAMED_WITHIN_S: Final = 24 * 3600.0
NAMED_AHEAD_S: Final = 600.0
"""So long before a drop was refused, or after (by another clock), its grab is noted."""

_CLEANED: Final = str.maketrans(
    {**dict.fromkeys("\\/", "+"), "?": "!", "*": "-", **dict.fromkeys('<>|"', "")}
)


def file_name_of(title: str) -> str:
    """Return how a tool calls the file of a release. Source: Sonarr, ``FileNameBuilder.CleanFileName``."""
    name = title.replace(": ", " - ").replace(":", "-").translate(_CLEANED)
    return name.lstrip(" .").rstrip(" ")


def hashes_of(link: Link) -> frozenset[str]:
    """Return how a tool may name a torrent: by its v1 hash, else by the v2 one, whole or cut to 40 digits."""
    v1, v2 = link.info_hash_v1, link.info_hash_v2
    return frozenset(one.upper() for one in (v1, v2, v2 and v2[:40]) if one)


def ids_of(job: Job) -> frozenset[str]:
    """Return by what a tool may know what a client handed over: a torrent's hashes, else SABnzbd's id."""
    return hashes_of(job.link) or frozenset({nzo_id(job)})


def newest_grab(history: Iterable[Record], hashes: Collection[str]) -> tuple[Record | None, bool]:
    """Return the newest grab of a torrent and whether it has come to an end since. Reads no further.

    ``history`` begins with the newest. What ends the grab of a blackhole names no hash, only the title.
    """
    ended: set[str] = set()
    for record in history:
        names = record.hashes or {record.title}
        if record.event in SETTLED:
            ended |= names
        elif record.event == GRABBED and not record.hashes.isdisjoint(hashes):
            return record, not ended.isdisjoint({record.title, *record.hashes})
        elif record.event == GRABBED:
            ended.discard(record.title)  # that end was this grab's
    return None, False


def grab_named(history: Iterable[Record], name: str, failed_at: float) -> tuple[Record | None, bool]:
    """Return the newest grab a blackhole wrote under a name, and whether it has come to an end since.

    None where the newest grab of that name is a client's or was not made in the time before ``failed_at``.
    ``history`` begins with the newest. Reads no further than that.
    """
    has_ended = False
    for record in history:
        if file_name_of(record.title) != name:
            continue
        if record.event in SETTLED:
            has_ended = True
        elif record.event == GRABBED:
            timely = failed_at - NAMED_WITHIN_S <= record.at <= failed_at + NAMED_AHEAD_S
            return (None if record.has_client or not timely else record), has_ended and timely
    return None, False


class Feedback:
    """Tells the tools of failures; implements ``core.ports.Tools``."""

    def __init__(self, tools: Sequence[Tool], clock: Clock) -> None:
        self._tools = tools
        self._clock = clock

    def report(self, job: Job, stop: Stop) -> str:
        """Let each tool of a failed job's category know it; see ``core.ports.Tools``."""
        reasons = []
        for tool in self._tools:
            if job.destination.category in tool.settings.categories:
                if stop.is_set():
                    raise Cancelled("stopped before all *arr tools were told")
                reasons.append(self._report(tool, job))
        return "" if "" in reasons else "; ".join(reasons)

    def imported(self, job: Job, stop: Stop) -> str:
        """Return who has imported a job, when none still has it in hand; see ``core.ports.Tools``."""
        names, ids = [], ids_of(job)
        known = {one.upper() for one in ids}
        for tool in self._tools:
            if job.destination.category not in tool.settings.categories:
                continue
            if stop.is_set():
                raise Cancelled("stopped before all *arr tools were asked")
            newest = _newest_of_client(tool, ids)
            if newest in IMPORTED and all(one.download_id not in known for one in tool.queue()):
                names.append(tool.settings.name)
            elif newest:
                return ""
        return ", ".join(names)

    def _report(self, tool: Tool, job: Job) -> str:
        name, hashes = tool.settings.name, hashes_of(job.link)
        failed_s = self._clock.now() - job.changed_at
        if hashes:
            grab, has_ended = newest_grab(tool.history(), hashes)
        else:
            grab, has_ended = grab_named(tool.history(), name_for_tools(job), job.changed_at)
        if has_ended:
            return ""
        queued = None
        if hashes and (grab is None or grab.has_client):
            queued = next((one for one in tool.queue() if one.download_id in hashes), None)
        if queued is not None:
            tool.drop_failed(queued.id)
        elif grab is None:
            if failed_s < tool.settings.history_within_s:  # it notes a grab when we have answered it
                raise Transient(f"{name}: no record of this release yet")
            return f"{name} has no record of having grabbed it"
        elif grab.has_client and job.state is JobState.FAILED and failed_s < tool.settings.queue_within_s:
            tool.refresh()  # marked without its entry, it would stay in the queue for ever
            raise Transient(f"{name}: not in its queue yet")
        else:
            tool.mark_failed(grab.id)
        return ""


def _newest_of_client(tool: Tool, ids: Collection[str]) -> str:
    """Return what the history tells last of what a client has: a grab, or how that ended; else nothing.

    Of a season one episode is imported after the other: what is in the queue has not come to its end.
    """
    for one in sorted(ids):
        for record in tool.history(one):
            if record.event in {GRABBED, *SETTLED} and one.upper() in record.hashes:
                return record.event
    return ""


class Refresher:
    """Lets a tool look at once when something was published for it; implements ``core.ports.Subscriber``.

    ``ask`` has something done in the lane of the tools. What comes while that is still to be done is one.
    """

    def __init__(self, tools: Sequence[Tool], ask: Callable[[Callable[[Stop], None]], None]) -> None:
        self._tools = tools
        self._ask = ask
        # The engine's thread alone says yes, the lane's alone says no.
        self._waiting: dict[Tool, bool] = {}

    def recorded(self, event: Event, job: Job) -> None:
        """Hear of a release."""
        if not isinstance(event, Published):
            return
        for tool in self._tools:
            if job.destination.category in tool.settings.categories and not self._waiting.get(tool):
                self._waiting[tool] = True
                self._ask(partial(self._refresh, tool))

    def _refresh(self, tool: Tool, _stop: Stop) -> None:
        self._waiting[tool] = False  # first: what is published from now on is told anew
        try:
            tool.refresh()
        except Transient as error:
            log.warning("not told that something was published: %s", error)


def introduce(tool: Tool, _stop: Stop) -> None:
    """Say at the start, once, what a tool is, or what is in the way."""
    try:
        log.info("arr %s: %s", tool.settings.name, tool.about())
    except Transient as error:
        log.error("%s", error)  # noqa: TRY400 - an answer, not a bug
