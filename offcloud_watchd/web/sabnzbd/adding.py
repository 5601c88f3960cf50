"""``addfile`` and ``addurl``: an NZB, durable before its id is told.

Rules of this file:

* What is no NZB, or a damaged one, is answered at once and makes nothing. Whether the service takes NZBs is
  found out later: a job that it refuses shows as ``Failed`` in the history.
* The same NZB for the same category is one job. SABnzbd takes it twice; a client whose first call was
  answered too late would have it twice for ever.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from starlette.responses import Response

from offcloud_watchd.core.links import parse
from offcloud_watchd.core.orders import AddFile
from offcloud_watchd.core.verdicts import NZO_PREFIX
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.web.answers import utf8_answer
from offcloud_watchd.web.bringing import Bringing, Brought
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.parameters import Upload
from offcloud_watchd.web.sabnzbd.call import NO_VALUE, Call, Unfit
from offcloud_watchd.web.sabnzbd.grabbing import Grabber, NotGrabbed

MAX_STEM: Final = 1000
_ENDING: Final = re.compile(r"(?:\.nzb)?(?:\.gz)?\Z", re.IGNORECASE)
_DEFAULT: Final = frozenset({"", "*", "Default", "None"})
"""What clients call the category of what names none."""


class Adding:
    """The calls."""

    def __init__(self, desk: Desk, catalogue: Catalogue) -> None:
        self._desk = desk
        self._catalogue = catalogue
        self._bringing = Bringing(desk, catalogue)
        self._grabber = Grabber(desk.clock)

    async def add_file(self, call: Call) -> Response:
        """Take the files that came with a call."""
        if not call.uploads:
            raise Unfit(NO_VALUE)
        category = self._category(call)
        brought = [await self._read(upload, category, call.get("nzbname")) for upload in call.uploads]
        good = [one for one in brought if one is not None]
        if len(good) < len(brought):  # one bad file, and nothing of the call is taken
            return utf8_answer({"status": False, "nzo_ids": []})
        return await self._taken(good, category)

    async def add_address(self, call: Call) -> Response:
        """Fetch the NZB behind an address, and take it."""
        address = call.get("name").strip()
        if not address:
            raise Unfit(NO_VALUE)
        category = self._category(call)
        try:
            upload = await self._grabber.grab(address)
        except NotGrabbed as error:
            raise Unfit(str(error)) from None
        brought = await self._read(upload, category, call.get("nzbname"))
        if brought is None:
            raise Unfit("what the address gives is no NZB, or a damaged one")
        return await self._taken([brought], category)

    async def _taken(self, brought: list[Brought], category: str | None) -> Response:
        ids = await self._bringing.hand_in(brought, category)
        return utf8_answer({"status": True, "nzo_ids": [NZO_PREFIX + one for one in dict.fromkeys(ids)]})

    def _category(self, call: Call) -> str | None:
        """Return the category that is meant, None for the default one."""
        given = call.get("cat")
        if call.base is not None and given not in (*_DEFAULT, call.base):
            raise Unfit(f"this address serves the category {call.base} alone")
        category = call.base or (None if given in _DEFAULT else given)
        if self._catalogue.place(category) is None:
            raise Unfit("no directory can have the name of this category")
        return category

    async def _read(self, upload: Upload, category: str | None, name: str) -> Brought | None:
        """Read an NZB; None when it is none."""
        last = re.split(r"[/\\]", name.strip() or upload.name)[-1]
        stem = _ENDING.sub("", last)[:MAX_STEM] or "added"
        order = AddFile(f"{stem}.nzb", upload.data, category)
        try:
            links = await self._desk.aside(partial(parse, order.name, order.data))
        except BadDrop:
            return None
        return Brought(order, links.found[0].key)
