"""The calls that show torrents: lists with filters, one torrent's pages, and what dashboards poll."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from starlette.responses import Response

from offcloud_watchd.web.answers import text_answer as text
from offcloud_watchd.web.answers import utf8_answer as json
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.hashes import names_of
from offcloud_watchd.web.qbittorrent import rows
from offcloud_watchd.web.qbittorrent.call import Call
from offcloud_watchd.web.qbittorrent.categories import Categories
from offcloud_watchd.web.qbittorrent.rows import Row
from offcloud_watchd.web.qbittorrent.view import View
from offcloud_watchd.web.releases import listed

_OPEN: Final = frozenset({"queuedDL", "downloading", "stalledDL"})
FILTERS: Final[Mapping[str, frozenset[str]]] = {
    "downloading": _OPEN,
    "seeding": frozenset(),
    "completed": frozenset({"pausedUP", "checkingUP"}),
    "paused": frozenset({"pausedUP"}),
    "resumed": frozenset({*_OPEN, "checkingUP"}),
    "active": frozenset({"downloading"}),
    "inactive": frozenset({"pausedUP", "queuedDL", "stalledDL", "error"}),
    "stalled": frozenset({"stalledDL"}),
    "stalled_uploading": frozenset(),
    "stalled_downloading": frozenset({"stalledDL"}),
    "errored": frozenset({"error"}),
    "checking": frozenset({"checkingUP"}),
    "moving": frozenset(),
}
"""Which states each filter lets through; any other word lets all through, as qBittorrent has it."""


class Listing:
    """The calls that change nothing."""

    def __init__(self, desk: Desk, categories: Categories) -> None:
        self._desk = desk
        self._categories = categories
        self.reads: Mapping[str, Callable[[Call], Awaitable[Response]]] = {
            "torrents/info": self._info,
            "torrents/properties": self._properties,
            "torrents/files": self._files,
            "torrents/trackers": self._trackers,
            "torrents/webseeds": self._webseeds,
            "torrents/tags": self._tags,
            "transfer/info": self._transfer,
            "transfer/speedLimitsMode": self._limits,
            "sync/maindata": self._maindata,
        }

    async def _view(self, call: Call) -> View:
        return View(await self._desk.overview(), call, self._desk.clock.now())

    async def _info(self, call: Call) -> Response:
        view = await self._view(call)
        if category := call.get("category"):
            call.session.uses(category)
        return json(chosen(call, view))

    async def _properties(self, call: Call) -> Response:
        view = await self._view(call)
        return json(view.properties(view.one()))

    async def _files(self, call: Call) -> Response:
        publication = (await self._view(call)).one().publication
        if publication is None:
            return json([])
        files = await self._desk.aside(partial(listed, publication))
        return json([_file(index, name, size_bytes) for index, (name, size_bytes) in enumerate(files)])

    async def _trackers(self, call: Call) -> Response:
        return json(rows.trackers((await self._view(call)).one()))

    async def _webseeds(self, call: Call) -> Response:
        (await self._view(call)).one()
        return json([])

    async def _tags(self, _call: Call) -> Response:
        return json([])

    async def _limits(self, _call: Call) -> Response:
        return text("0")

    async def _transfer(self, call: Call) -> Response:
        return json(_transfers((await self._view(call)).speed()))

    async def _maindata(self, call: Call) -> Response:
        overview = await self._desk.overview()
        view = View(overview, call, self._desk.clock.now())
        torrents = {}
        for job in view.jobs():
            about = view.row(job)
            torrents[about.pop("hash")] = about
        return json(
            {
                "categories": self._categories.shown(call, overview),
                "full_update": True,
                "rid": (call.number("rid") or 0) + 1,
                "server_state": {**_SERVER_STATE, **_transfers(view.speed())},
                "tags": [],
                "torrents": torrents,
                "trackers": {},
            }
        )


def chosen(call: Call, view: View) -> list[Row]:
    """Return the rows a list call asks for, in its order and of its page."""
    hashes = {name.lower() for name in call.get("hashes").split("|") if name}
    jobs = view.jobs()
    if "category" in call.given:
        jobs = (job for job in jobs if job.destination.category == call.get("category"))
    if hashes and "all" not in hashes:
        jobs = (job for job in jobs if not hashes.isdisjoint(names_of(job.link)))
    if call.get("tag"):
        return []
    found = [view.row(job) for job in jobs]
    states = FILTERS.get(call.get("filter"))
    if states is not None:
        found = [about for about in found if about["state"] in states]
    return _paged(call, _sorted(call, found))


def _sorted(call: Call, found: list[Row]) -> list[Row]:
    key = call.get("sort")
    if found and key in found[0]:
        found.sort(key=lambda about: about[key], reverse=call.is_true("reverse"))
    return found


def _paged(call: Call, found: list[Row]) -> list[Row]:
    offset, limit = call.number("offset") or 0, call.number("limit") or 0
    if offset < 0:
        offset = max(0, len(found) + offset)
    if offset >= len(found):
        offset = 0
    return found[offset : offset + limit] if limit > 0 else found[offset:]


def _file(index: int, name: str, size_bytes: int) -> Row:
    return {
        "availability": -1,
        "index": index,
        "is_seed": True,
        "name": name,
        "piece_range": [0, 0],
        "priority": 1,
        "progress": 1,
        "size": size_bytes,
    }


def _transfers(speed: int) -> Row:
    return {
        "connection_status": "connected",
        "dht_nodes": 0,
        "dl_info_data": 0,
        "dl_info_speed": speed,
        "dl_rate_limit": 0,
        "up_info_data": 0,
        "up_info_speed": 0,
        "up_rate_limit": 0,
    }


_SERVER_STATE: Final[Mapping[str, object]] = {
    "alltime_dl": 0,
    "alltime_ul": 0,
    "average_time_queue": 0,
    "free_space_on_disk": 0,
    "global_ratio": "-",
    "queued_io_jobs": 0,
    "queueing": True,
    "read_cache_hits": "0",
    "read_cache_overload": "0",
    "refresh_interval": 1500,
    "total_buffers_size": 0,
    "total_peer_connections": 0,
    "total_queued_size": 0,
    "total_wasted_session": 0,
    "use_alt_speed_limits": False,
    "write_cache_overload": "0",
}
