"""The calls about categories: free text, case and all, remembered by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import Response

from offcloud_watchd.core.categories import MAX_CATEGORIES
from offcloud_watchd.core.orders import NameCategory
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.web.answers import text_answer as text
from offcloud_watchd.web.answers import utf8_answer as json
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.qbittorrent.call import Call, Refused
from offcloud_watchd.web.qbittorrent.rows import Row

_EMPTY: Final = "Category cannot be empty"
_TAKEN: Final = "Unable to create category"
_UNKNOWN: Final = "Unable to edit category"
INCORRECT: Final = "Incorrect category name"


class Categories:
    """The calls, and what the others must know of categories."""

    def __init__(self, catalogue: Catalogue, desk: Desk) -> None:
        self._catalogue = catalogue
        self._desk = desk
        self.reads: Mapping[str, Callable[[Call], Awaitable[Response]]] = {"torrents/categories": self._list}
        self.writes: Mapping[str, Callable[[Call], Awaitable[Response]]] = {
            "torrents/createCategory": self._create,
            "torrents/editCategory": self._edit,
            "torrents/removeCategories": self._remove,
        }

    def shown(self, call: Call, overview: Overview) -> Row:
        """Return the categories of a call's address: their names and directories."""
        directories = self._catalogue.directories(overview, call.base)
        return {name: {"name": name, "savePath": directory} for name, directory in directories.items()}

    async def knows(self, call: Call, name: str) -> bool:
        """Tell whether a category is there."""
        return name in self.shown(call, await self._desk.overview())

    async def _list(self, call: Call) -> Response:
        return json(self.shown(call, await self._desk.overview()))

    async def _create(self, call: Call) -> Response:
        name = call.needs("category")
        if not name:
            raise Refused(400, _EMPTY)
        if self._catalogue.place(name) is None:
            raise Refused(409, INCORRECT)
        overview = await self._desk.overview()
        if name in self.shown(call, overview) or len(overview.categories) >= MAX_CATEGORIES:
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
