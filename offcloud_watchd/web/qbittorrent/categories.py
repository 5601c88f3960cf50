"""The calls about categories: free text, case and all, remembered by name.

Known are those of the configuration, those a client named, and those with a job in them. The directory of one
is told with it, so that an *arr tool can see whether it reaches it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import Response

from offcloud_watchd.core.categories import MAX_CATEGORIES
from offcloud_watchd.core.model import Destination
from offcloud_watchd.core.orders import NameCategory
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.qbittorrent.call import Call, Refused, json, text
from offcloud_watchd.web.qbittorrent.rows import Row
from offcloud_watchd.web.qbittorrent.view import View
from offcloud_watchd.web.settings import WebSettings

_EMPTY: Final = "Category cannot be empty"
_TAKEN: Final = "Unable to create category"
_UNKNOWN: Final = "Unable to edit category"
INCORRECT: Final = "Incorrect category name"


class Categories:
    """The calls, and what the others must know of categories."""

    def __init__(self, settings: WebSettings, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk
        self.reads: Mapping[str, Callable[[Call], Awaitable[Response]]] = {"torrents/categories": self._list}
        self.writes: Mapping[str, Callable[[Call], Awaitable[Response]]] = {
            "torrents/createCategory": self._create,
            "torrents/editCategory": self._edit,
            "torrents/removeCategories": self._remove,
        }

    def shown(self, call: Call, view: View) -> Row:
        """Return the categories of a call's address: their names and directories."""
        # At an address of one category those that were named show too: imported releases are moved there.
        others = view.named if call.base is not None else {*self._settings.categories, *view.categories()}
        names = {*others, call.base}
        return {
            name: {"name": name, "savePath": place.directory}
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
        """Remember a category that is named for the first time."""
        overview = await self._desk.overview()
        if name not in overview.categories and name not in self._settings.categories:
            await self._desk.order(NameCategory(name))

    async def knows(self, call: Call, name: str) -> bool:
        """Tell whether a category is there."""
        return name in self.shown(call, await self._view(call))

    async def _view(self, call: Call) -> View:
        return View(await self._desk.overview(), call, self._desk.clock.now())

    async def _list(self, call: Call) -> Response:
        return json(self.shown(call, await self._view(call)))

    async def _create(self, call: Call) -> Response:
        name = call.needs("category")
        if not name:
            raise Refused(400, _EMPTY)
        if self.place(name) is None:
            raise Refused(409, INCORRECT)
        overview = await self._desk.overview()
        if name in self.shown(call, View(overview, call, 0)) or len(overview.categories) >= MAX_CATEGORIES:
            raise Refused(409, _TAKEN)
        await self._desk.order(NameCategory(name))
        await self._desk.shows(lambda later: name in later.categories)
        return text("")

    async def _edit(self, call: Call) -> Response:
        if not await self.knows(call, call.needs("category")):
            raise Refused(409, _UNKNOWN)
        return text("")  # accepted and passed over: config.yaml says where a category goes

    async def _remove(self, call: Call) -> Response:
        wanted = {name for name in call.needs("categories").split("\n") if name}
        overview = await self._desk.overview()
        dropped = wanted & overview.categories
        for name in sorted(dropped):
            await self._desk.order(NameCategory(name, drop=True))

        def gone(later: Overview) -> bool:
            return dropped.isdisjoint(later.categories)

        await self._desk.shows(gone)
        return text("")
