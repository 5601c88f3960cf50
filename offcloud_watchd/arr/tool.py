"""One Sonarr, Radarr, Lidarr, Readarr or Whisparr: what we ask of its REST API, in its words.

Rules of this file:

* Everything is ``Transient``: a tool that is down, moved or has a new key is mended by its operator, and
  what is owed to it waits for that. It is read, and left alone when it did not answer, by the rules of
  ``peer``.
* The key file is read again for each question.

Source: the API controllers of Sonarr, Radarr, Lidarr and Readarr (``History``, ``Queue``, ``Command``,
``System``) and ``FailedDownloadService``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from offcloud_watchd.arr.settings import ToolSettings
from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import ConfigError, Transient
from offcloud_watchd.inquiry import Answer
from offcloud_watchd.peer import Peer, entries, mapping, parsed, text

log = logging.getLogger(__name__)

VERSIONS: Final = ("v3", "v1")
"""Sonarr, Radarr and Whisparr have v3; Lidarr and Readarr have v1."""

HISTORY_PAGE: Final = 250
HISTORY_PAGES: Final = 20
QUEUE_PAGE: Final = 1000
QUEUE_PAGES: Final = 20

_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Record:
    """One event of the history.

    ``hashes`` are upper-case: that of the torrent, and the name the download client has for it, where there
    is one (``has_client``): a blackhole gives none. ``at`` is in UTC seconds; 0 where it is not told.
    """

    id: int
    event: str
    title: str
    hashes: frozenset[str]
    has_client: bool = False
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Queued:
    """One entry of the queue."""

    id: int
    download_id: str


class Tool:
    """One tool; for one thread. Every method may raise ``Transient`` with a text that names the tool."""

    def __init__(self, settings: ToolSettings, read_key: Callable[[], str], clock: Clock) -> None:
        self.settings = settings
        self._read_key = read_key
        self._peer = Peer(settings.name, settings, clock)
        self._version = ""

    def about(self) -> str:
        """Say what it is and its version; it proves the address and the key."""
        told = mapping(self._get("system/status", {}))
        return f"{text(told.get('appName')) or 'a tool'} {text(told.get('version'))}".strip()

    def refresh(self) -> None:
        """Let it look at its download clients now rather than within a minute. Safe to repeat."""
        self._call("POST", "command", body={"name": "RefreshMonitoredDownloads"})

    def history(self, download_id: str = "") -> Iterator[Record]:
        """Return what happened there, the newest first; no further back than ``HISTORY_PAGES`` pages.

        With ``download_id`` that of one download alone, as far as the tool knows this filter.
        """
        query = {"sortKey": "date", "sortDirection": "descending"}
        if download_id:
            query["downloadId"] = download_id
        return map(_record, self._paged("history", query, HISTORY_PAGE, HISTORY_PAGES))

    def queue(self) -> Iterator[Queued]:
        """Return what its download clients have in hand."""
        unknown = dict.fromkeys(
            ("includeUnknownSeriesItems", "includeUnknownMovieItems", "includeUnknownArtistItems"), "true"
        )
        return map(_queued, self._paged("queue", unknown, QUEUE_PAGE, QUEUE_PAGES))

    def drop_failed(self, queued_id: int) -> None:
        """Take an entry out of the queue and the client, blocklist its release and let another be searched.

        The tool asks us to delete the entry before it answers.
        """
        query = {"removeFromClient": "true", "blocklist": "true", "skipRedownload": "false"}
        self._call("DELETE", f"queue/{queued_id}", query)

    def mark_failed(self, record_id: int) -> None:
        """Mark a grab as failed, with the same consequences."""
        self._call("POST", f"history/failed/{record_id}", body={})

    # --- asking ---

    def _paged(
        self, path: str, query: Mapping[str, str], size: int, pages: int
    ) -> Iterator[Mapping[str, object]]:
        for page in range(1, pages + 1):
            told = mapping(self._get(path, {**query, "page": str(page), "pageSize": str(size)}))
            records = entries(told.get("records"))
            yield from map(mapping, records)
            if len(records) < size:
                return

    def _get(self, path: str, query: Mapping[str, str]) -> object:
        answer = self._call("GET", path, query)
        try:
            return parsed(answer.body)
        except ValueError:
            pass
        raise Transient(f"{self._peer}: GET {path} was not answered with JSON; is `url` the tool's own?")

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        for version in (self._version,) if self._version else VERSIONS:
            answer = self._ask(method, f"api/{version}/{path}", query or {}, body)
            if answer.status == _NOT_FOUND and not self._version and version != VERSIONS[-1]:
                continue
            if 200 <= answer.status < 300:
                self._version = version
                return answer
            self._version = ""  # another program may have taken its place
            raise Transient(f"{self._peer}: {method} {path}: {self._refused(answer.status)}")
        raise AssertionError  # pragma: no cover - the last version returns or raises

    def _ask(self, method: str, path: str, query: Mapping[str, str], body: object) -> Answer:
        target = f"{self._peer.path.rstrip('/')}/{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {
            "X-Api-Key": self._key(),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        return self._peer.ask(method, target, headers=headers, document=body)

    def _key(self) -> str:
        try:
            return self._read_key()
        except ConfigError as error:
            reason = str(error)
        raise Transient(reason)

    def _refused(self, status: int) -> str:
        match status:
            case 401 | 403:
                file = self.settings.api_key_file
                return f"the key was refused ({status}): copy it from Settings, General into {file}"
            case _ if 300 <= status < 400:
                return f"a redirect ({status}), which is not followed: set `url` to where it leads"
            case 404:
                return "not found (404): is `url` the tool's own, with its URL Base?"
            case _:
                return f"answered {status}"


# --- reading -----------------------------------------------------------------------------------------------


def _record(told: Mapping[str, object]) -> Record:
    download_id = text(told.get("downloadId"))
    torrent = text(mapping(told.get("data")).get("torrentInfoHash"))
    hashes = frozenset(one.upper() for one in (download_id, torrent) if one)
    event, title = text(told.get("eventType")), text(told.get("sourceTitle"))
    return Record(_number(told.get("id")), event, title, hashes, bool(download_id), _moment(told.get("date")))


def _queued(told: Mapping[str, object]) -> Queued:
    return Queued(_number(told.get("id")), text(told.get("downloadId")).upper())


def _moment(value: object) -> float:
    """Read a time as .NET writes it: ``2026-01-31T12:00:00Z``, with or without a fraction."""
    try:
        return datetime.fromisoformat(text(value)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _number(value: object) -> int:
    return value if type(value) is int else 0
