"""The half of a Sonarr that imports: from a watch folder, or from what a download client lists.

It looks every ``scan_s`` (the real one: a minute). From a watch folder it takes what has not changed for
``still_s`` (the real one: half a minute), judged by a digest of folder, paths, times and sizes. It moves the
files away and deletes what is left, or has the client do it.

Source: ``ScanWatchFolder``, ``TorrentBlackhole``, ``QBittorrent`` and ``CompletedDownloadService`` of Sonarr.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.fakes.arr_tool import FakeTool

GOOD = "pausedUP"


def digest_of(release: Path) -> str:
    """Name a state of a release: any change of a path, a time or a size gives another name."""
    seen = hashlib.sha256()
    for path in (release, *sorted(release.rglob("*"))):
        about = path.stat()
        size = about.st_size if path.is_file() else 0
        seen.update(f"{path}\0{about.st_mtime_ns}\0{about.st_mode}\0{size}\n".encode())
    return seen.hexdigest()


def files_of(release: Path) -> dict[str, str]:
    """Return the checksums of a release's files by their paths in it."""
    paths = (path for path in release.rglob("*") if path.is_file())
    return {str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@dataclass
class Importer:
    """Imports until it is closed. ``imported`` counts by name, ``found`` holds what was in each.

    ``strange`` is what no tool should ever see: a release that changes, or one that is not there.
    """

    tool: FakeTool
    library: Path
    scan_s: float = 0.4
    still_s: float = 0.4
    imported: Counter[str] = field(default_factory=Counter)
    found: dict[str, dict[str, str]] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.library.mkdir(parents=True, exist_ok=True)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, look: Callable[[], None]) -> None:
        """Begin to look."""

        def work() -> None:
            while not self._stop.wait(self.scan_s):
                look()

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; it may be called again."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def take(self, release: Path, name: str, download_id: str) -> None:
        """Import one release: its files move into the library, and the history says so."""
        self.found[name] = files_of(release)
        shutil.copytree(release, self.library / name, dirs_exist_ok=True)
        for path in sorted(release.rglob("*"), reverse=True):
            if path.is_file():
                path.unlink()
        self.imported[name] += 1
        self.tool.note("downloadFolderImported", name, download_id)


class WatchFolder:
    """A torrent blackhole with *Read Only* off."""

    def __init__(self, importer: Importer, folder: Path) -> None:
        self._importer = importer
        self._folder = folder
        self._known: dict[str, tuple[str, int]] = {}

    def look(self) -> None:
        """Look once; take what has been still for long enough."""
        needed = max(1, round(self._importer.still_s / self._importer.scan_s))
        for release in self._releases():
            state = digest_of(release)
            before, still = self._known.get(release.name, (state, 0))
            if state != before:
                self._importer.strange.append(f"{release.name} changed after it was visible")
            self._known[release.name] = (state, still + 1)
            if still >= needed:
                self._importer.take(release, release.name, "")
                shutil.rmtree(release)
                del self._known[release.name]

    def _releases(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            yield from sorted(path for path in self._folder.iterdir() if path.is_dir())


class Client:
    """A download client that speaks as qBittorrent does, at ``url``; it may be down at any moment."""

    def __init__(self, importer: Importer, url: str, category: str) -> None:
        self._importer = importer
        self._url = f"{url}/api/v2/torrents"
        self._category = category
        self._numbers: dict[str, int] = {}

    def add(self, magnet: str) -> bool:
        """Hand a magnet over; tell whether that was answered well."""
        data = {"urls": magnet, "category": self._category}
        try:
            return requests.post(f"{self._url}/add", data=data, timeout=30).text == "Ok."
        except requests.ConnectionError:
            return False

    def delete(self, download_id: str) -> None:
        """Have an entry and its data deleted; raise where there is no answer."""
        data = {"hashes": download_id.lower(), "deleteFiles": "true"}
        requests.post(f"{self._url}/delete", data=data, timeout=30).raise_for_status()

    def look(self) -> None:
        """Look once: keep the queue in step, import what is complete, have it removed."""
        with suppress(requests.RequestException):
            answer = requests.get(f"{self._url}/info", params={"category": self._category}, timeout=10)
            rows = {row["hash"].upper(): row for row in answer.json()}
            self._follow(rows)
            for download_id, row in rows.items():
                if row["state"] == GOOD:
                    self._import(download_id, row)

    def _follow(self, rows: Mapping[str, object]) -> None:
        with self._importer.tool.lock:
            queue = self._importer.tool.queue
            for number, download_id in list(queue.items()):
                if download_id not in rows:
                    del queue[number]
            known = set(queue.values())
            for download_id in rows:
                if download_id not in known:
                    number = self._numbers.setdefault(download_id, 5_000_000 + len(self._numbers))
                    queue[number] = download_id

    def _import(self, download_id: str, row: Mapping[str, object]) -> None:
        name, release = str(row["name"]), Path(str(row["content_path"]))
        if not self._importer.imported[name]:
            if release.is_dir():
                self._importer.take(release, name, download_id)
            else:
                self._importer.strange.append(f"{name} is complete and not there: {release}")
        self.delete(download_id)


class SabClient:
    """A download client that speaks as SABnzbd does, at ``url``; it may be down at any moment.

    What has failed is marked once and then removed; what is complete is moved away, its directory deleted,
    and then removed. Source: Sonarr, ``Sabnzbd.cs`` (RemoveItem) and ``FailedDownloadService``.
    """

    def __init__(self, importer: Importer, url: str, category: str, key: str) -> None:
        self._importer = importer
        self._url = f"{url}/sabnzbd/api"
        self._key = {"apikey": key}
        self._category = category
        self.ids: dict[str, set[str]] = defaultdict(set)

    def add(self, title: str) -> bool:
        """Hand an NZB over; tell whether that was answered well."""
        segment = f"<segment>{title}@example</segment>"
        nzb = f"<nzb><file><segments>{segment}</segments></file></nzb>".encode()
        files = {"name": (f"{title}.nzb", nzb, "application/x-nzb")}
        try:
            answer = requests.post(
                self._url,
                params={"mode": "addfile", "cat": self._category, **self._key},
                files=files,
                timeout=30,
            )
        except requests.ConnectionError:
            return False
        self.ids[title].update(answer.json()["nzo_ids"])
        return bool(answer.json()["status"])

    def look(self) -> None:
        """Look once."""
        with suppress(requests.RequestException):
            for slot in self.slots("history"):
                if slot["status"] == "Completed":
                    self._import(slot)
                elif slot["name"] not in self._importer.tool.blocklist:
                    self._importer.tool.note("downloadFailed", slot["name"], slot["nzo_id"])
                params = {"mode": "history", "name": "delete", "value": slot["nzo_id"], "del_files": "1"}
                requests.get(self._url, params={**params, **self._key}, timeout=30).raise_for_status()

    def slots(self, mode: str) -> list[dict[str, Any]]:
        """Return what is in the queue, or in the history."""
        params = {"mode": mode, "category": self._category}
        answer = requests.get(self._url, params={**params, **self._key}, timeout=10)
        return answer.json()[mode]["slots"]

    def _import(self, slot: Mapping[str, Any]) -> None:
        name, release = slot["name"], Path(slot["storage"])
        if self._importer.imported[name]:
            return
        if not release.is_dir() or sum(path.stat().st_size for path in release.iterdir()) != slot["bytes"]:
            self._importer.strange.append(f"{name} is complete and not there: {release}")
            return
        self._importer.take(release, name, slot["nzo_id"])
        shutil.rmtree(release)
