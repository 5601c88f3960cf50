"""What the script of a page that is open is told: the parts that have changed, as they are now."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from offcloud_watchd.core.model import Job
from offcloud_watchd.web.answers import dumped
from offcloud_watchd.web.live import Turn
from offcloud_watchd.web.page.front import Shown, health, shown
from offcloud_watchd.web.page.life import gone, head
from offcloud_watchd.web.page.markup import Html
from offcloud_watchd.web.page.wanted import Front
from offcloud_watchd.web.stream import Event
from offcloud_watchd.web.traffic import Traffic


class FrontView:
    """One open front page."""

    def __init__(self, front: Front, traffic: Traffic) -> None:
        self._front = front
        self._traffic = traffic
        self._sent = Shown({}, {})

    def news(self, turn: Turn) -> Sequence[Event]:
        """Return the parts and rows that have changed, and the order of the rows when that has."""
        now = turn.once(
            ("front", self._front), lambda: shown(self._front, turn.overview, self._traffic, turn.disks)
        )
        before, self._sent = self._sent, now
        changed = _changed({**before.parts, **before.rows}, {**now.parts, **now.rows})
        moved = list(before.rows) != list(now.rows)
        if not changed and not moved:
            return []
        return [("parts", dumped({"parts": changed, "rows": list(now.rows) if moved else None}))]


def mark(job: Job) -> str:
    """Return what tells one moment in a job's life from the next."""
    return f"{zlib.crc32(repr(job).encode('utf-8', 'surrogateescape')):08x}"


class JobView:
    """One open page of a job; ``seen`` is the mark of the job as the page showed it."""

    def __init__(self, job_id: str, seen: str) -> None:
        self._job_id = job_id
        self._seen = seen
        self._sent: dict[str, Html] = {}

    def news(self, turn: Turn) -> Sequence[Event]:
        """Return how far the job is; ``stale`` says that its life is to be read anew."""
        overview = turn.overview
        job = next((one for one in overview.jobs if one.id == self._job_id), None)
        part = (
            gone(self._job_id)
            if job is None
            else head(job, overview.progress.get(job.id), overview.picture.at)
        )
        now = {"head": part, "health": health(overview)}
        before, self._sent = self._sent, now
        changed = _changed(before, now)
        news: list[Event] = [("parts", dumped({"parts": changed, "rows": None}))] if changed else []
        if job is not None and mark(job) != self._seen:
            self._seen = mark(job)
            news.append(("stale", "{}"))
        return news


def _changed(before: dict[str, Html], now: dict[str, Html]) -> dict[str, Html]:
    return {name: html for name, html in now.items() if before.get(name) != html}
