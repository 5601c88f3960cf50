"""The sandbox's one account: items on every route, and where each stands on its timeline.

Rules of this file:

* An item's stage is a function of the item and the clock; nothing runs in the background.
* Items are frozen and replaced whole; the table of them guards itself with a lock because each connection
  has its own thread. No call inside the lock leaves this file, but for the tally.
* Removed items are kept, marked: links of the current service outlive their item. A ``loose`` item was never
  in the account at all: it stands behind the links that are given without one.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from offcloud_watchd.sandbox.books import Tally
from offcloud_watchd.sandbox.content import GeneratedLibrary, Release
from offcloud_watchd.sandbox.settings import SandboxSettings
from offcloud_watchd.sandbox.source import HASH_MARKERS, Source

SLOW_TIMES: Final = 10.0
STUCK_AT: Final = 0.37
FAILS_AT: Final = 0.6
REASON: Final = "Cannot download torrent. Timeout."

Way = Literal["cloud", "instant", "remote", "loose"]
"""Where the bytes go: into the cloud, to the asker at once (with an item or without), to a remote account."""


def book_key(way: Way, key: str) -> str:
    """Return the name the books use for a content on a way: its key for the cloud, else ``WAY:KEY``."""
    return key if way == "cloud" else f"{way}:{key}"


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the account.

    ``started_at`` moves when it is tried again, ``attempt`` counts the tries. ``at_once``: it was cached.
    ``minted_at`` is when its links were last asked for; ``epoch`` changes when they are made to expire.
    ``account_id`` and ``folder_id`` say where a remote transfer goes, ``proxy_id`` through which server
    comes what is given at once.
    """

    id: str
    source: Source
    release: Release
    created_at: float
    started_at: float
    at_once: bool = False
    attempt: int = 1
    minted_at: float | None = None
    epoch: int = 0
    removed: bool = False
    way: Way = "cloud"
    account_id: str = ""
    folder_id: str = ""
    proxy_id: str = ""

    @property
    def book_key(self) -> str:
        """The item's name in the books."""
        return book_key(self.way, self.source.key)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where an item stands: the service's status word and what is told beside it."""

    word: str
    fraction: float = 0.0
    done_bytes: int = 0
    bytes_per_s: int = 0
    left_s: float = 0.0
    elapsed_s: float = 0.0
    reason: str = ""

    @property
    def finished(self) -> bool:
        """Whether the files can be listed and fetched."""
        return self.word == "downloaded"


class TooManyItems(Exception):  # noqa: N818 - the noun is the refusal
    """The account is at its cap; nothing was taken."""


class Account:
    """Items by id, oldest first; every method may be called by any thread."""

    def __init__(self, settings: SandboxSettings, tally: Tally) -> None:
        self._settings = settings
        self._tally = tally
        self._library = settings.library or GeneratedLibrary(
            settings.release_bytes, settings.release_files, settings.seed
        )
        self._lock = threading.Lock()
        self._items: dict[str, Item] = {}
        self._newest: dict[str, str] = {}
        self._releases: dict[str, Release] = {}
        self._kept: set[str] = set()

    def release(self, source: Source) -> Release:
        """Return the content of a link: what was first submitted under its key, else what it would be."""
        return self._releases.get(source.key) or self._library.release(source)

    def content(self, source: Source) -> Release:
        """Return what the library has for a source, whatever was submitted."""
        return self._library.release(source)

    def seed(self, info_hash: str, release: Release) -> None:
        """Let a release be what is behind an info hash from now on; raise ``TooManyItems`` at the cap."""
        with self._lock:
            key = f"btih:{info_hash}"
            if key not in self._releases and len(self._releases) >= self._settings.max_items:
                raise TooManyItems
            self._releases[key] = release

    def submit(
        self,
        source: Source,
        way: Way = "cloud",
        *,
        account_id: str = "",
        folder_id: str = "",
        proxy_id: str = "",
    ) -> Item:
        """Take a link; raise ``TooManyItems`` at the cap.

        In a generation that keeps one item for each magnet, a live item is returned again, and one that
        failed is tried anew under its id. Whether http links are kept so is not known: each is a new item.
        """
        with self._lock:
            known = self._items.get(self._newest.get(book_key(way, source.key), ""))
            if known and not known.removed and way == "cloud" and self._keeps_one(source):
                return self._restarted(known) if self.stage(known).word == "error" else known
            if len(self._items) >= self._settings.max_items:
                raise TooManyItems
            item = self._made(source, way, attempt=known.attempt + 1 if known else 1)
            return self._kept_item(
                replace(item, account_id=account_id, folder_id=folder_id, proxy_id=proxy_id)
            )

    def find(self, request_id: str, way: Way = "cloud") -> Item | None:
        """Return a live item of one way."""
        item = self._items.get(request_id)
        return None if item is None or item.removed or item.way != way else item

    def find_any(self, request_id: str) -> Item | None:
        """Return an item, removed or not."""
        return self._items.get(request_id)

    def history(self, way: Way = "cloud") -> Sequence[tuple[Item, Stage]]:
        """Return the live items of one way, newest first, as they were ``history_lag_s`` ago."""
        as_of = self._settings.clock.now() - self._settings.history_lag_s
        with self._lock:
            items = [
                item
                for item in self._items.values()
                if not item.removed and item.way == way and item.created_at <= as_of
            ]
        return [(item, self.stage(item, as_of)) for item in reversed(items)]

    def remove(self, request_ids: Iterable[str]) -> int:
        """Remove items; unknown ids are passed over; returns how many were there."""
        with self._lock:
            live = [item for item in map(self.find, dict.fromkeys(request_ids)) if item]
            for item in live:
                if self.stage(item).finished:
                    self._kept.add(item.source.key)
                self._items[item.id] = replace(item, removed=True)
                self._tally.removed(item.book_key)
        return len(live)

    def retry(self, request_id: str, way: Way = "cloud") -> Item | None:
        """Try a failed item again; any other is left as it is."""
        with self._lock:
            item = self.find(request_id, way)
            return self._restarted(item) if item and self.stage(item).word == "error" else item

    def mint(self, item: Item) -> None:
        """Note that links were handed out now."""
        with self._lock:
            self._items[item.id] = replace(self._items[item.id], minted_at=self._settings.clock.now())

    def expire(self, item: Item) -> None:
        """Let every link that was handed out for this item die."""
        with self._lock:
            known = self._items[item.id]
            self._items[item.id] = replace(known, minted_at=None, epoch=known.epoch + 1)

    def is_cached(self, key: str, markers: Iterable[str] = ()) -> bool:
        """Tell whether the service has this content already: by marker, or because an item of it was done."""
        if "cached" in markers or key in self._kept:
            return True
        if HASH_MARKERS.get(key.removeprefix("btih:")[:8]) == "cached":
            return True
        item = self.find(self._newest.get(key, ""))
        return item is not None and self.stage(item).finished

    def stage(self, item: Item, at: float | None = None) -> Stage:
        """Return where an item stands at a moment (default: now)."""
        now = self._settings.clock.now() if at is None else at
        elapsed, marks = max(0.0, now - item.started_at), item.source.markers
        slow = SLOW_TIMES if "slow" in marks else 1.0
        queued_s, download_s = self._settings.queued_s * slow, self._settings.download_s * slow
        if item.at_once:
            return Stage("downloaded", 1.0, item.release.size_bytes)
        if item.source.kind == "zombie" or elapsed < queued_s:
            return Stage("created", elapsed_s=elapsed)
        fraction = min(1.0, (elapsed - queued_s) / download_s) if download_s else 1.0
        if fraction >= FAILS_AT and _fails(item):
            return Stage("error", FAILS_AT, int(item.release.size_bytes * FAILS_AT), reason=REASON)
        if "stuck" in marks:
            fraction = min(fraction, STUCK_AT)
        if (
            fraction >= 1.0
            and item.way == "remote"
            and elapsed < queued_s + download_s + self._settings.upload_s
        ):
            return Stage("uploading", 1.0, item.release.size_bytes, elapsed_s=elapsed)
        return _moving(item, fraction, elapsed, download_s)

    def _keeps_one(self, source: Source) -> bool:
        return self._settings.manners.one_item_per_magnet and source.kind != "url"

    def _made(self, source: Source, way: Way, attempt: int) -> Item:
        now = self._settings.clock.now()
        release = self._releases.setdefault(source.key, self.release(source))
        request_id = hashlib.sha256(f"{self._settings.seed}\0{len(self._items)}".encode()).hexdigest()[:24]
        at_once = way in ("instant", "loose") or (
            way == "cloud" and self.is_cached(source.key, source.markers)
        )
        return Item(
            request_id,
            source,
            release,
            now,
            now,
            at_once,
            attempt,
            minted_at=now if at_once else None,
            way=way,
        )

    def _kept_item(self, item: Item) -> Item:
        self._items[item.id] = item
        if item.way != "loose":
            self._newest[item.book_key] = item.id
            self._tally.created(item.book_key)
        return item

    def _restarted(self, item: Item) -> Item:
        again = replace(item, started_at=self._settings.clock.now(), attempt=item.attempt + 1)
        self._items[item.id] = again
        return again


def _fails(item: Item) -> bool:
    marks = item.source.markers
    return "fail" in marks or ("flaky" in marks and item.attempt == 1)


def _moving(item: Item, fraction: float, elapsed_s: float, download_s: float) -> Stage:
    size = item.release.size_bytes
    if fraction >= 1.0:
        return Stage("downloaded", 1.0, size, elapsed_s=elapsed_s)
    speed = int(size / download_s)
    return Stage(
        "downloading", fraction, int(size * fraction), speed, download_s * (1 - fraction), elapsed_s=elapsed_s
    )
