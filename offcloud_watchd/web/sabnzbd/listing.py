"""The calls that show slots: what is in the queue, and what has ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from starlette.responses import Response

from offcloud_watchd.core.model import Job, LinkKind
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.core.story import display_name
from offcloud_watchd.web.answers import utf8_answer
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.measures import part_of, size_of, speed_of
from offcloud_watchd.web.sabnzbd import slots
from offcloud_watchd.web.sabnzbd.application import VERSION
from offcloud_watchd.web.sabnzbd.call import Call, job_id_of
from offcloud_watchd.web.sabnzbd.slots import IN_HISTORY, IN_QUEUE, Slot
from offcloud_watchd.web.selection import at_address

_HEAD: Final[Mapping[str, object]] = {
    "version": VERSION,
    "paused": False,
    "pause_int": "0",
    "paused_all": False,
    "speedlimit": "100",
    "speedlimit_abs": "",
    "have_warnings": "0",
    "finishaction": None,
    "quota": "0 B",
    "have_quota": False,
    "left_quota": "0 B",
    "cache_art": "0",
    "cache_size": "0 B",
}


def seen(call: Call, overview: Overview) -> Iterable[Job]:
    """Return the jobs that a call sees: those of NZBs; a torrent is another client's."""
    return (job for job in at_address(overview, call.base) if job.link.kind is LinkKind.NZB)


class Listing:
    """The calls. ``default`` is the category of what names none, which clients call ``*``."""

    def __init__(self, desk: Desk, default: str) -> None:
        self._desk = desk
        self._default = default

    async def queue(self, call: Call) -> Response:
        """Answer with what is open, the oldest first."""
        overview = await self._desk.overview()
        jobs = sorted(self._wanted(call, overview, IN_QUEUE), key=lambda job: (job.queued_at, job.id))
        listed = [
            slots.queued(job, overview.progress.get(job.id), overview.picture.pauses, index)
            for index, job in enumerate(jobs)
        ]
        listed = self._of_status(call, listed)
        start, limit = call.number("start"), call.number("limit")
        size_bytes, left_bytes, speed = _summed(jobs, overview)
        document = {
            **_HEAD,
            "kbpersec": f"{speed / 1024:.2f}",
            "speed": slots.units(speed),
            "mbleft": slots.mib(left_bytes),
            "mb": slots.mib(size_bytes),
            "sizeleft": slots.units(left_bytes),
            "size": slots.units(size_bytes),
            "noofslots_total": sum(job.state in IN_QUEUE for job in seen(call, overview)),
            "noofslots": len(listed),
            "start": start,
            "limit": limit,
            "finish": start + limit,
            "status": "Downloading" if speed else "Idle",
            "timeleft": slots.clock(left_bytes // speed if speed else 0),
            "slots": _paged(listed, start, limit),
        }
        return utf8_answer({"queue": document})

    async def history(self, call: Call) -> Response:
        """Answer with what has ended, the newest first."""
        overview = await self._desk.overview()
        jobs = sorted(self._wanted(call, overview, IN_HISTORY), key=lambda job: (-job.changed_at, job.id))
        if call.is_true("failed_only"):
            jobs = [job for job in jobs if slots.status_of(job, ()) == "Failed"]
        listed = self._of_status(call, [slots.finished(job) for job in jobs])
        total = slots.units(sum(slot["bytes"] for slot in listed))
        document: dict[str, Any] = {
            "total_size": total,
            "month_size": total,
            "week_size": total,
            "day_size": total,
            "slots": _paged(listed, call.number("start"), call.number("limit")),
            "ppslots": 0,
            "noofslots": len(listed),
            "last_history_update": int(max((job.changed_at for job in jobs), default=0)),
            "version": VERSION,
        }
        return utf8_answer({"history": document})

    def _wanted(self, call: Call, overview: Overview, states: frozenset[object]) -> Iterable[Job]:
        ids = {job_id_of(one) for one in call.many("nzo_ids")}
        text = call.get("search").casefold()
        for job in seen(call, overview):
            if (
                job.state in states
                and self._is_of_category(call, job)
                and (not ids or job.id in ids)
                and text in display_name(job).casefold()
            ):
                yield job

    def _is_of_category(self, call: Call, job: Job) -> bool:
        given = call.get("cat") or call.get("category")
        if not given:
            return True
        # A category of ours may have a comma in its name; to SABnzbd it parts two.
        names = {given, *call.many("cat" if call.get("cat") else "category")}
        return job.destination.category in {self._default if name == "*" else name for name in names}

    def _of_status(self, call: Call, listed: list[Slot]) -> list[Slot]:
        words = set(call.many("status"))
        return [slot for slot in listed if not words or slot["status"] in words]


def _paged(listed: list[Slot], start: int, limit: int) -> list[Slot]:
    return listed[start : start + limit] if limit else listed[start:]


def _summed(jobs: Iterable[Job], overview: Overview) -> tuple[int, int, int]:
    """Return the bytes of all, those that are left, and how many come in a second."""
    size_bytes = left_bytes = speed = 0
    for job in jobs:
        progress = overview.progress.get(job.id)
        size = size_of(job, progress)
        size_bytes += size
        left_bytes += size - int(size * part_of(job, progress))
        speed += speed_of(job, progress)
    return size_bytes, left_bytes, speed
