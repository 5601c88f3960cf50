"""The calls that change torrents which are there. What has no meaning here is accepted, and does nothing.

* A torrent that is removed is forgotten, and with ``delete-local-data`` what it published. A call that names
  none removes none; Transmission removes them all.
* Labels are the category: the first of them is.
"""

from __future__ import annotations

from collections.abc import Mapping

from offcloud_watchd.core.model import JobState, Verb
from offcloud_watchd.web.asking import ask
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.transmission.call import Call, Refused
from offcloud_watchd.web.transmission.seeing import Seeing


class Changing:
    """The calls."""

    def __init__(self, desk: Desk, catalogue: Catalogue, seeing: Seeing) -> None:
        self._desk = desk
        self._catalogue = catalogue
        self._seeing = seeing

    async def accepted(self, _call: Call) -> Mapping[str, object]:
        """Do nothing."""
        return {}

    async def again(self, call: Call) -> Mapping[str, object]:
        """Let failed jobs begin anew; the others go on anyway."""
        jobs = self._seeing.meant(call, await self._desk.overview())
        await ask(self._desk, Verb.RETRY, [job for job in jobs if job.state is JobState.FAILED])
        return {}

    async def remove(self, call: Call) -> Mapping[str, object]:
        """Forget jobs."""
        if call.ids() is not None:
            jobs = self._seeing.meant(call, await self._desk.overview())
            await ask(self._desk, Verb.FORGET, jobs, files=call.is_true("delete-local-data"))
        return {}

    async def set(self, call: Call) -> Mapping[str, object]:
        """Move jobs to the category of the first label; limits and priorities have no meaning."""
        labels = [label for label in call.texts("labels") or () if label]
        if not labels or call.ids() is None:
            return {}
        category = labels[0]
        jobs = self._seeing.meant(call, await self._desk.overview())
        if self._catalogue.place(category) is None:
            raise Refused("no directory can have the name of this category")
        moved = [job for job in jobs if job.destination.category != category]
        if moved:
            await self._catalogue.make_known(category)
            await ask(self._desk, Verb.CATEGORIZE, moved, category=category)
            call.session.uses(category)
        return {}
