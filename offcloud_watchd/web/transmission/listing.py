"""``torrent-get``: the fields a client asks for, of the torrents it names, as objects or as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from offcloud_watchd.core.model import Job
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.releases import MAX_FILES, listed
from offcloud_watchd.web.transmission import rows
from offcloud_watchd.web.transmission.call import Call, Refused
from offcloud_watchd.web.transmission.rows import OF_FILES, Row
from offcloud_watchd.web.transmission.seeing import RECENT, Seeing


class Listing:
    """The call."""

    def __init__(self, desk: Desk, seeing: Seeing) -> None:
        self._desk = desk
        self._seeing = seeing

    async def get(self, call: Call) -> Mapping[str, object]:
        """Return torrents."""
        fields = list(dict.fromkeys(call.texts("fields") or ()))
        if not fields:
            raise Refused("no fields specified", {"torrents": []})
        overview = await self._desk.overview()
        jobs = self._seeing.shown(call, overview)
        _note_use(call, jobs)
        now, paused = self._desk.clock.now(), overview.picture.pauses
        found = [
            rows.row(job, self._seeing.numbers.of(job.id), overview.progress.get(job.id), paused, now)
            for job in jobs
        ]
        if not OF_FILES.isdisjoint(fields):
            of_files = await self._desk.aside(partial(_of_files, jobs))
            found = [{**row, **more} for row, more in zip(found, of_files, strict=True)]
        # What there is not is 0, as it is there.
        values = [[row.get(name, 0) for name in fields] for row in found]
        return {
            "torrents": [fields, *values]
            if call.text("format") == "table"
            else [dict(zip(fields, one, strict=True)) for one in values],
            **({"removed": []} if call.arguments.get("ids") == RECENT else {}),
        }


def _note_use(call: Call, jobs: Sequence[Job]) -> None:
    """Note the category that a client works with, where all it named are in one."""
    if call.ids() is not None and len({job.destination.category for job in jobs}) == 1:
        call.session.uses(jobs[0].destination.category)


def _of_files(jobs: Sequence[Job]) -> list[Row]:
    """Look at the disk; of all releases together no more files are told than of one."""
    left = MAX_FILES
    found: list[Row] = []
    for job in jobs:
        files = [] if job.publication is None else listed(job.publication, left)
        left -= len(files)
        found.append(rows.files(files))
    return found
