"""``torrent-add``: magnets, web links and .torrent files, durable before it is answered.

Rules of this file:

* The category is the first label; without labels it is what ``download-dir`` is below the output directory.
* What is there already is ``torrent-duplicate``, as it is there: an open job is joined, a failed one begins
  anew, a finished one is looked at.
* A colon in a torrent's own name becomes ``_``: clients expect it so on the disk. Source: Sonarr,
  TransmissionBase.cs, GetOutputPath.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from functools import partial
from typing import Final

from offcloud_watchd.core.links import parse, parse_link
from offcloud_watchd.core.model import Job, JobState, Link, LinkKind
from offcloud_watchd.core.orders import AddFile, AddLink
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.core.story import display_name, named_by
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.web.bringing import Bringing, Brought
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.hashes import hash_of
from offcloud_watchd.web.transmission.call import Call, Refused
from offcloud_watchd.web.transmission.seeing import Seeing

MAX_STEM: Final = 1000
_NOTHING: Final = "no filename or metainfo specified"
_JUNK: Final = "invalid or corrupt torrent file"
_RELATIVE: Final = "download directory path is not absolute"


class Adding:
    """The call."""

    def __init__(self, desk: Desk, catalogue: Catalogue, seeing: Seeing, output_dir: str) -> None:
        self._desk = desk
        self._catalogue = catalogue
        self._bringing = Bringing(desk, catalogue)
        self._seeing = seeing
        self._output_dir = output_dir

    async def add(self, call: Call) -> dict[str, object]:
        """Take one torrent."""
        overview = await self._desk.overview()
        category = self._category(call, overview)
        place = self._catalogue.place(category)
        if place is None:
            raise Refused("no directory can have the name of this category")
        link, brought = await self._read(call, category)
        known = _known(overview, link.key, place.category)
        call.session.uses(place.category)
        [job_id] = await self._bringing.hand_in([brought], category)
        told = {
            "hashString": hash_of(link),
            "id": self._seeing.numbers.of(job_id),
            "name": display_name(known) if known is not None else _named(link),
        }
        return {"torrent-added" if known is None else "torrent-duplicate": told}

    async def _read(self, call: Call, category: str | None) -> tuple[Link, Brought]:
        if metainfo := call.text("metainfo"):
            link, data = await self._desk.aside(partial(_torrent, metainfo))
            return link, Brought(AddFile(f"{_named(link)}.torrent", data, category), link.key)
        filename = call.text("filename").strip()
        if not filename:
            raise Refused(_NOTHING)
        try:
            link = parse_link(filename)
        except BadDrop:
            raise Refused(_JUNK) from None
        name = _tidied(link.name) if link.name else None
        return link, Brought(AddLink(filename, category, name), link.key)

    def _category(self, call: Call, overview: Overview) -> str | None:
        """Return the category that is meant, None for the default one."""
        labels = [label for label in call.texts("labels") or () if label]
        given = labels[0] if labels else self._category_at(call.text("download-dir"), overview)
        if call.base is not None and given not in (None, call.base):
            raise Refused(f"this address serves the category {call.base} alone")
        return call.base or given

    def _category_at(self, directory: str, overview: Overview) -> str | None:
        """Return the category that goes to a directory, None for the output directory itself and for none."""
        if not directory:
            return None
        if not directory.startswith("/"):
            raise Refused(_RELATIVE)
        path = "/" + posixpath.normpath(directory).lstrip("/")
        if path == self._output_dir:
            return None
        for name, place in self._catalogue.directories(overview, None).items():
            if place == path:
                return name
        if not path.startswith(f"{self._output_dir}/"):
            raise Refused(f"what is added goes below {self._output_dir} alone")
        return posixpath.relpath(path, self._output_dir)


def _known(overview: Overview, key: str, category: str) -> Job | None:
    """Return the job there is for a content in a category."""
    for job in overview.jobs:
        if job.link.key == key and job.destination.category == category and job.state is not JobState.REMOVED:
            return job
    return None


def _torrent(metainfo: str) -> tuple[Link, bytes]:
    """Read a .torrent in base64; may take a moment."""
    try:
        data = base64.b64decode("".join(metainfo.split()), validate=True)
        found = parse("added.torrent", data).found
    except (BadDrop, binascii.Error, ValueError):
        raise Refused(_JUNK) from None
    if len(found) != 1 or found[0].kind is not LinkKind.TORRENT:
        raise Refused(_JUNK)
    return found[0], data


def _named(link: Link) -> str:
    """Name what is new: clients write it into their logs, where no address belongs."""
    told = named_by(link) if link.kind is LinkKind.URL else link.key.partition(":")[2]
    return _tidied(link.name or "") or told[:MAX_STEM]


def _tidied(name: str) -> str:
    return name.replace(":", "_")[:MAX_STEM].strip()
