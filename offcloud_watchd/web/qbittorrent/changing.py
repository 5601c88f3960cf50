"""The calls that change torrents which are there. What has no meaning here is accepted, and does nothing.

There is no pausing of a single job, no share limit to reach and no place in a queue to take: a client that
asks for these shall not fail for it. What it asks of a torrent that is not there is answered as qBittorrent
does, by 200 for lists of hashes and by 404 for one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import Response

from offcloud_watchd.core.model import JobState, Verb
from offcloud_watchd.web.answers import text_answer as text
from offcloud_watchd.web.asking import ask
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.qbittorrent.call import Call, Refused
from offcloud_watchd.web.qbittorrent.categories import INCORRECT, Categories
from offcloud_watchd.web.qbittorrent.view import View

_OF_HASHES: Final = (
    *("pause", "stop", "reannounce", "topPrio", "bottomPrio", "increasePrio", "decreasePrio"),
    *("addTags", "removeTags", "setTags", "setShareLimits", "setForceStart", "setAutoManagement"),
    *("setLocation", "setDownloadLimit", "setUploadLimit", "setSuperSeeding"),
    *("toggleSequentialDownload", "toggleFirstLastPiecePrio"),
)
_OF_HASH: Final = ("addTrackers", "editTracker", "removeTrackers", "rename", "filePrio", "renameFile")
_OF_NONE: Final = ("createTags", "deleteTags")
_AGAIN: Final = ("resume", "start", "recheck")

Answerer = Callable[[Call], Awaitable[Response]]


class Changing:
    """The calls."""

    def __init__(self, desk: Desk, categories: Categories) -> None:
        self._desk = desk
        self._categories = categories
        self.writes: Mapping[str, Answerer] = {
            **{f"torrents/{name}": self._accepted for name in _OF_HASHES},
            **{f"torrents/{name}": self._accepted_for_one for name in _OF_HASH},
            **{f"torrents/{name}": self._nothing for name in _OF_NONE},
            **{f"torrents/{name}": self._again for name in _AGAIN},
            "torrents/delete": self._delete,
            "torrents/setCategory": self._set_category,
            "transfer/toggleSpeedLimitsMode": self._nothing,
        }

    async def _view(self, call: Call) -> View:
        return View(await self._desk.overview(), call, self._desk.clock.now())

    async def _accepted(self, call: Call) -> Response:
        call.needs("hashes")
        return text("")

    async def _accepted_for_one(self, call: Call) -> Response:
        (await self._view(call)).one()
        return text("")

    async def _nothing(self, _call: Call) -> Response:
        return text("")

    async def _again(self, call: Call) -> Response:
        """Let failed jobs begin anew; the others go on anyway."""
        failed = [job for job in (await self._view(call)).many() if job.state is JobState.FAILED]
        await ask(self._desk, Verb.RETRY, failed)
        return text("")

    async def _delete(self, call: Call) -> Response:
        """Forget jobs, and with ``deleteFiles`` what they published; a field that is not there is no."""
        jobs = (await self._view(call)).many()
        await ask(self._desk, Verb.FORGET, jobs, files=call.is_true("deleteFiles"))
        return text("")

    async def _set_category(self, call: Call) -> Response:
        category = call.needs("category")
        jobs = (await self._view(call)).many()
        if not await self._may_go_to(call, category):
            raise Refused(409, INCORRECT)
        moved = [job for job in jobs if category not in ("", job.destination.category)]
        await ask(self._desk, Verb.CATEGORIZE, moved, category=category)
        if category:
            call.session.uses(category)
        return text("")

    async def _may_go_to(self, call: Call, category: str) -> bool:
        """Tell whether a category is there; none (empty) always is, and changes nothing here."""
        if not category:
            return True
        # Where the address shows one category, a job may still leave it: for the one of what is imported.
        everywhere = Call(call.request, call.session, None, call.given)
        return await self._categories.knows(everywhere, category)
