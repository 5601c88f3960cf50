"""The file host: links to files, and the bytes behind them.

Rules of this file:

* No key and no cookie: a link is its own proof, so it is a secret.
* A signed link (current) holds its time and a code over its parts. It dies ``link_life_s`` after it was made.
  A classic link holds nothing: it works for ``link_life_s`` after links of its item were last asked for, and
  dies with the item.
* Names in classic links are not percent-encoded when they are handed out; the request must spell the name
  rightly, or it is not found. Only an escape that was in the name itself (``100%41``) may be taken either
  way: whoever reads such a link cannot know.

Source: the path of signed links is as in debrid-media-manager src/services/offcloud.ts, that of classic links
as in stremthru store/offcloud before commit 51aa5c4e.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote, unquote

from offcloud_watchd.sandbox.account import Account, Item
from offcloud_watchd.sandbox.books import Tally
from offcloud_watchd.sandbox.content import StoredFile
from offcloud_watchd.sandbox.faults import FILE_KINDS, Fault, Faults, cut_short, spoilt, suffer
from offcloud_watchd.sandbox.server import Answer, Reply, Request, html_error, whole
from offcloud_watchd.sandbox.settings import SandboxSettings

USER_ID: Final = "53f89e52822c8bf413000008"
MODIFIED: Final = "Thu, 01 Jan 2026 00:00:00 GMT"
NOT_AUTHORIZED: Final = b"You are not authorized to download this file."
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_UNSATISFIABLE: Final = (0, -1)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a link leads to."""

    item: Item
    file: StoredFile


class FileHost:
    """Makes links and serves them. ``base_url`` is asked each time, because the port is known late."""

    def __init__(
        self,
        settings: SandboxSettings,
        account: Account,
        tally: Tally,
        faults: Faults,
        base_url: Callable[[], str],
        stopping: threading.Event,
    ) -> None:
        self._settings = settings
        self._account = account
        self._tally = tally
        self._faults = faults
        self._base_url = base_url
        self._stopping = stopping
        self._secret = secrets.token_bytes(32)

    # --- making links ---

    def links(self, item: Item) -> Sequence[str]:
        """Make fresh links to all files of a finished item, in the order of its files; they are secrets."""
        self._account.mint(item)
        return [self._link(item, number) for number in range(len(item.release.files))]

    def junk(self, item: Item) -> Sequence[str]:
        """Return the classic service's entries that are no files."""
        start = len(item.release.files) + 1
        prefix = self.classic_url(item)
        return [f"{prefix}/{start + number}/{name}" for number, name in enumerate(item.release.junk)]

    def classic_url(self, item: Item) -> str:
        """Return the address of an item as the classic service tells it: without a file name."""
        return f"{self._base_url()}/cloud/download/{item.id}"

    def _link(self, item: Item, number: int) -> str:
        name = base_name(item.release.files[number])
        if not self._settings.manners.signed_links:
            index = f"/{number + 1}" if item.release.is_directory else ""
            return f"{self.classic_url(item)}{index}/{name}"
        # Rounded up, so that a link never lives shorter than promised.
        minted_at = math.ceil(self._settings.clock.now())
        token = self._token(item, number, minted_at)
        path = f"cdn3sto/sandbox-sto/{item.id}-{number}/{USER_ID}/{minted_at}/{token}/{quote(name, safe='')}"
        return f"{self._base_url()}/{path}"

    def _token(self, item: Item, number: int, minted_at: int) -> str:
        text = f"{item.id}\0{number}\0{minted_at}\0{item.epoch}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:32]

    # --- serving them ---

    def respond(self, request: Request) -> Reply:
        """Answer one request; counts it, and lets it suffer the fault that is due."""
        self._tally.called("file")
        path = request.target.partition("?")[0]
        fault = self._faults.take("file", unquote(path.rpartition("/")[2]))
        if fault is None or fault.kind in FILE_KINDS:
            return self._serve(request, fault)
        return suffer(fault, partial(self._serve, request, None))

    def _serve(self, request: Request, fault: Fault | None) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return html_error(405)
        kind = fault.kind if fault else ""
        found = self._find(request.target)
        if isinstance(found, _Found) and kind == "expire":
            self._account.expire(found.item)
            found = self._find(request.target)
        if isinstance(found, Answer):
            return found
        if kind == "swap":
            found = _swapped(found)
        size = found.file.size_bytes
        if fault and kind == "wrong_size":
            size = max(0, size - (1 if fault.amount is None else fault.amount))
        span = None if kind == "ignore_range" else _span(request, found.file, size)
        answer = self._content(found, size, span)
        if fault and kind == "cut":
            return cut_short(answer, fault)
        return spoilt(answer, fault) if fault and kind in ("flip", "garble") else answer

    def _content(self, found: _Found, size: int, span: tuple[int, int] | None) -> Answer:
        name = quote(base_name(found.file), safe="")
        headers: list[tuple[str, str]] = [
            ("Accept-Ranges", "bytes"),
            ("ETag", found.file.etag),
            ("Last-Modified", MODIFIED),
            ("Content-Disposition", f"attachment; filename*=UTF-8''{name}"),
        ]
        if span == _UNSATISFIABLE:
            return whole(416, "text/plain", b"", ("Content-Range", f"bytes */{size}"))
        start, stop = span or (0, size)
        if span:
            headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{size}"))
        return Answer(
            206 if span else 200,
            "application/octet-stream",
            stop - start,
            self._paced(found.file.chunks(start, stop)),
            tuple(headers),
            on_sent=partial(self._tally.served, found.item.source.key),
        )

    def _paced(self, chunks: Iterator[memoryview]) -> Iterator[memoryview]:
        rate = self._settings.file_rate_bytes_per_s
        if rate is None:
            return chunks
        return self._slowly(chunks, rate)

    def _slowly(self, chunks: Iterator[memoryview], rate: int) -> Iterator[memoryview]:
        step = max(1, rate // 20)
        for chunk in chunks:
            for start in range(0, len(chunk), step):
                piece = chunk[start : start + step]
                self._stopping.wait(len(piece) / rate)
                yield piece

    def _find(self, target: str) -> _Found | Answer:
        path = target.partition("?")[0]
        match [unquote(part) for part in path.split("/")[1:]]:
            case ["cdn3sto", "sandbox-sto", thing, _, minted_at, token, _] if minted_at[:12].isdecimal():
                return self._find_signed(thing, int(minted_at[:12]), token)
            case ["cloud", "download", request_id, *rest] if self._settings.manners.classic:
                return self._find_classic(request_id, rest)
            case _:
                return html_error(404)

    def _find_signed(self, thing: str, minted_at: int, token: str) -> _Found | Answer:
        request_id, _, number = thing.rpartition("-")
        item = self._account.find_any(request_id)
        if item is None or not number.isdecimal() or not int(number[:9]) < len(item.release.files):
            return html_error(404)
        if not hmac.compare_digest(token.encode(), self._token(item, int(number), minted_at).encode()):
            return html_error(403)
        if self._settings.clock.now() > minted_at + self._settings.link_life_s:
            return html_error(410)
        return _Found(item, item.release.files[int(number)])

    def _find_classic(self, request_id: str, rest: Sequence[str]) -> _Found | Answer:
        item = self._account.find_any(request_id)
        if item is None or not self._account.stage(item).finished:
            return html_error(404)
        if item.removed:
            return html_error(502)
        file = _named(item, rest)
        if file is None:
            return html_error(404)
        if item.minted_at is None or self._settings.clock.now() > item.minted_at + self._settings.link_life_s:
            return whole(403, "text/plain", NOT_AUTHORIZED)
        return _Found(item, file)


def _swapped(found: _Found) -> _Found:
    """Return the next file of the release that has the same size, in place of the one that was asked for."""
    files = found.item.release.files
    place = files.index(found.file)
    others = (*files[place + 1 :], *files[:place])
    other = next((one for one in others if one.size_bytes == found.file.size_bytes), found.file)
    return _Found(found.item, other)


def _named(item: Item, rest: Sequence[str]) -> StoredFile | None:
    """Return the file a classic path names: ``NAME`` or nothing for a single file, else ``NUMBER/NAME``."""
    files = item.release.files
    if not item.release.is_directory:
        return files[0] if not rest or (len(rest) == 1 and _spells(rest[0], files[0])) else None
    match rest:
        case [number, name] if number.isdecimal() and 1 <= int(number[:9]) <= len(files):
            file = files[int(number[:9]) - 1]
            return file if _spells(name, file) else None
        case _:
            return None


def _spells(name: str, file: StoredFile) -> bool:
    return name in (base_name(file), unquote(base_name(file)))


def _span(request: Request, file: StoredFile, size: int) -> tuple[int, int] | None:
    """Return the bytes a Range asks for; None for all. Several ranges are ignored. Source: RFC 9110, 14.2."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or request.headers.get("if-range", file.etag) not in (file.etag, MODIFIED):
        return None
    first, last = found.groups()
    if not first:
        if not last:
            return None
        return (max(0, size - int(last)), size) if int(last) and size else _UNSATISFIABLE
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return _UNSATISFIABLE
    return int(first), min(int(last) + 1, size) if last else size


def base_name(file: StoredFile) -> str:
    """Return a file's name without the folders it lies in."""
    return file.path.rpartition("/")[2]
