"""The categories that clients are told of, and what one that is named for the first time needs.

Known are those of the configuration, those a client named, and those with a job in them. The directory of one
is told with it, so that an *arr tool can see whether it reaches it.
"""

from __future__ import annotations

from collections.abc import Mapping

from offcloud_watchd.core.model import Destination, JobState
from offcloud_watchd.core.orders import NameCategory
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.settings import WebSettings


class Catalogue:
    """The categories."""

    def __init__(self, settings: WebSettings, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk

    def directories(self, overview: Overview, base: str | None) -> Mapping[str, str]:
        """Return the categories that an address shows, by name, and where each goes.

        ``base`` is the address's own category, None: it is of them all.
        """
        # At an address of one category those that were named show too: imported releases are moved there.
        names = {*overview.categories, base}
        if base is None:
            names |= {*self._settings.categories, *_in_use(overview)}
        return {
            name: place.directory
            for name in sorted(name for name in names if name is not None)
            if (place := self.place(name)) is not None
        }

    def place(self, name: str | None) -> Destination | None:
        """Return where a category goes, None when no directory can carry its name, or no client can."""
        try:
            return None if "\\" in (name or "") else self._settings.destination_for(name)
        except BadDrop:
            return None

    async def make_known(self, name: str) -> None:
        """Remember a category that is named for the first time; raise ``OSError`` and ``Unanswered``."""
        overview = await self._desk.overview()
        if name not in overview.categories and name not in self._settings.categories:
            await self._desk.order(NameCategory(name))


def _in_use(overview: Overview) -> set[str]:
    return {job.destination.category for job in overview.jobs if job.state is not JobState.REMOVED}
