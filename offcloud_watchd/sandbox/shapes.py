"""What the service says of an item, in the shape of its generation.

Rules of this file:

* Pure: an item, its stage and the manners go in, plain JSON values come out.
* ``both`` gets the members of both generations.

The classic ``server`` label is always empty: a client would build an address of the real service from it,
and the sandbox never leads away from itself.

Sources: the official API document; stremthru store/offcloud before commit 51aa5c4e (classic) and after it
(current); debrid-media-manager src/services/offcloud.ts (current, measured 2026-09).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from offcloud_watchd.sandbox.account import Item, Stage
from offcloud_watchd.sandbox.settings import Manners
from offcloud_watchd.sandbox.source import Source

LOADING: Final = "Loading..."
TRACKERS: Final = ("udp://tracker.example.org:6969/announce", "https://tracker.example.net/announce")
WEB_SEED: Final = "https://seed.example.org/files/"

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class View:
    """An item as one call sees it. ``url`` is its classic address."""

    item: Item
    stage: Stage
    manners: Manners
    url: str


def submission(view: View) -> Json:
    """Return the answer to ``POST /api/cloud``."""
    told = _row(view)
    if view.manners.classic:
        # Without a file name, although it is a download address: clients append it.
        return {**told, "site": _site(view.item), "url": view.url}
    return {name: value for name, value in told.items() if name != "createdOn"}


def history_row(view: View) -> Json:
    """Return one entry of the history."""
    if not view.manners.classic:
        return _row(view)
    told = {**_row(view), "site": _site(view.item), "server": "", "metaData": ""}
    return {**told, "isDirectory": view.item.release.is_directory} if view.stage.finished else told


def status(view: View) -> Json:
    """Return one item's status: the inner object."""
    told: dict[str, object] = {
        "requestId": view.item.id,
        "status": view.stage.word,
        "fileName": _name(view),
    }
    if view.manners.classic:
        told.update(_classic_status(view))
    if view.manners.current:
        moving = view.stage.word == "downloading"
        told["progress"] = round(view.stage.fraction, 4) if moving else None
        told["message"] = _message(view)
    return told


def iso(at: float) -> str:
    """Return a moment as the service writes it: milliseconds and ``Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _row(view: View) -> dict[str, object]:
    return {
        "requestId": view.item.id,
        "fileName": _name(view),
        "status": view.stage.word,
        "originalLink": _original_link(view),
        "createdOn": iso(view.item.created_at),
    }


def _name(view: View) -> str:
    hidden = view.manners.hides_names and view.item.source.kind != "url" and view.stage.word == "created"
    return LOADING if hidden else view.item.release.name


def _site(item: Item) -> str:
    return "HTTP" if item.source.kind == "url" else "BitTorrent"


def _original_link(view: View) -> str:
    source = view.item.source
    return resolved_link(source, view.item.release.name) if view.manners.resolves_links else source.link


def resolved_link(source: Source, name: str) -> str:
    """Return what the current service makes of a link.

    A magnet gains trackers and a web seed, the address of a torrent becomes ``HASH.torrent``; any other link
    comes back as it is.
    """
    if source.kind == "url" and source.name.lower().endswith(".torrent"):
        return f"{hashlib.sha1(source.link.encode(), usedforsecurity=False).hexdigest()}.torrent"
    if not source.info_hash:
        return source.link
    trackers = dict.fromkeys((*source.trackers, *TRACKERS))
    fields = [("dn", name), *(("tr", tracker) for tracker in trackers), ("ws", WEB_SEED)]
    return f"magnet:?xt=urn:btih:{source.info_hash}&{urlencode(fields, quote_via=quote)}"


def _classic_status(view: View) -> Json:
    item, stage = view.item, view.stage
    size = item.release.size_bytes
    told: dict[str, object] = {"amount": stage.done_bytes, "server": "", "info": ""}
    told["fileSize"] = str(size) if view.manners.loose_numbers else size
    told["errorMessage"] = stage.reason
    if stage.finished:
        told["isDirectory"] = item.release.is_directory
    if stage.word == "downloading":
        told["isCompleted"] = False
        told["downloadingSpeed"] = (
            f"{stage.bytes_per_s} " if view.manners.loose_numbers else stage.bytes_per_s
        )
        told["downloadingTime"] = int(stage.elapsed_s * 1000)
    return told


def _message(view: View) -> str | None:
    stage, size = view.stage, view.item.release.size_bytes
    if stage.reason:
        return stage.reason
    if stage.word == "created":
        return LOADING
    if stage.word != "downloading":
        return None
    return (
        f"Downloading at {stage.bytes_per_s / 1e6:.1f} MB/s from 8 peers, "
        f"{stage.done_bytes / 1e6:.1f} MB of {size / 1e6:.1f} MB, {-(-stage.left_s // 60):.0f} minutes left"
    )
