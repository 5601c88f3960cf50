"""Record what Debian's qbittorrent-nox answers, as the measure for our own API.

Run it where qbittorrent-nox is installed: ``python -m tests.golden.record_qbittorrent``. It starts one on
loopback with a profile in a temporary directory, makes the calls of ``calls`` in order and writes
``qbittorrent_nox.json``: for each call its status, content type, Set-Cookie and body. What differs from run
to run (times, the session's id) is compared by type, never by value.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import requests

from tests.fakes.ports import free_port
from tests.golden.real import keep_answers

ANSWERS: Final = Path(__file__).with_name("qbittorrent_nox.json")
PASSWORD: Final = "adminadmin"  # 4.5's own default
MAGNET_HASH: Final = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
MAGNET: Final = f"magnet:?xt=urn:btih:{MAGNET_HASH}&dn=Some.Show.S01E01.1080p"
UNKNOWN: Final = "f" * 40
CONTENT: Final = b"0123456789abcdef" * 4096


def torrent(name: str) -> tuple[bytes, str]:
    """Return a one-file .torrent of ``CONTENT`` and its info hash."""
    pieces = b"".join(hashlib.sha1(CONTENT[at : at + 16384]).digest() for at in range(0, len(CONTENT), 16384))
    info = b"d6:lengthi%de4:name%d:%s12:piece lengthi16384e6:pieces%d:%se" % (
        len(CONTENT),
        len(name),
        name.encode(),
        len(pieces),
        pieces,
    )
    return b"d4:info" + info + b"e", hashlib.sha1(info).hexdigest()


TORRENT, TORRENT_HASH = torrent("Done.Movie.2020.mkv")


def calls() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield each call: its name, the method, the path below the root, and what requests is given with it."""
    yield "probe", "GET", "api/v2/app/webapiVersion", {}
    yield "probe-basic", "GET", "api/v2/app/webapiVersion", {"auth": ("", "")}
    yield "preferences-before-login", "GET", "api/v2/app/preferences", {}
    yield "login-bad", "POST", "api/v2/auth/login", {"data": {"username": "admin", "password": "wrong"}}
    yield "login", "POST", "api/v2/auth/login", {"data": {"username": "admin", "password": PASSWORD}}
    yield "login-again", "POST", "api/v2/auth/login", {"data": {"username": "admin", "password": PASSWORD}}
    yield "root", "GET", "", {}
    yield "root-head", "HEAD", "", {}
    for name in ("version", "webapiVersion", "buildInfo", "preferences", "defaultSavePath"):
        yield f"app-{name}", "GET", f"api/v2/app/{name}", {}
    yield "app-version-post", "POST", "api/v2/app/version", {}
    yield "set-preferences", "POST", "api/v2/app/setPreferences", {"data": {"json": '{"dht": true}'}}
    yield "unknown-call", "GET", "api/v2/app/nothing", {}
    yield "unknown-scope", "GET", "api/v2/nothing/at", {}
    yield "add-by-get", "GET", "api/v2/torrents/add", {}
    yield "properties-missing-hash", "GET", "api/v2/torrents/properties", {}
    yield from _categories()
    yield from _adding()
    yield from _reading()
    yield from _changing()
    yield "logout", "POST", "api/v2/auth/logout", {}
    yield "after-logout", "GET", "api/v2/app/version", {}


def _categories() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    path = "api/v2/torrents/createCategory"
    yield "categories-none", "GET", "api/v2/torrents/categories", {}
    yield "create-category", "POST", path, {"data": {"category": "tv-Sonarr"}}
    yield "create-category-again", "POST", path, {"data": {"category": "tv-Sonarr"}}
    yield "create-category-empty", "POST", path, {"data": {"category": ""}}
    yield "create-category-missing", "POST", path, {"data": {}}
    yield "create-category-bad", "POST", path, {"data": {"category": "/a"}}
    yield "create-category-backslash", "POST", path, {"data": {"category": "a\\b"}}
    yield "create-category-nested", "POST", path, {"data": {"category": "a/b"}}
    yield "create-category-text", "POST", path, {"data": {"category": "Größe, 4K"}}
    yield "categories", "GET", "api/v2/torrents/categories", {}
    path = "api/v2/torrents/editCategory"
    yield "edit-category", "POST", path, {"data": {"category": "a/b", "savePath": "/tmp/elsewhere"}}
    yield "edit-category-unknown", "POST", path, {"data": {"category": "none", "savePath": "/tmp/x"}}
    path = "api/v2/torrents/removeCategories"
    yield "remove-categories", "POST", path, {"data": {"categories": "a/b\nnone"}}


def _adding() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    path = "api/v2/torrents/add"
    yield "add-nothing", "POST", path, {"data": {}}
    yield "add-magnet", "POST", path, {"data": {"urls": MAGNET, "category": "tv-Sonarr", "paused": "false"}}
    yield "add-magnet-again", "POST", path, {"data": {"urls": MAGNET, "category": "tv-Sonarr"}}
    yield "add-bad-magnet", "POST", path, {"data": {"urls": "magnet:?xt=urn:btih:nothing"}}
    yield "add-junk", "POST", path, {"files": {"torrents": ("junk.torrent", b"junk")}}
    file = ("Dönner.Movie.2020.torrent", TORRENT, "application/x-bittorrent")
    data = {"category": "on-the-fly", "skip_checking": "true", "paused": "True"}
    yield "add-file", "POST", path, {"files": {"torrents": file}, "data": data}
    yield "add-file-again", "POST", path, {"files": {"torrents": file}, "data": data}


def _reading() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    info = "api/v2/torrents/info"
    yield "info", "GET", info, {}
    yield "info-post", "POST", info, {"data": {"category": "tv-Sonarr"}}
    yield "info-category", "GET", info, {"params": {"category": "tv-Sonarr"}}
    yield "info-category-case", "GET", info, {"params": {"category": "TV-sonarr"}}
    yield "info-category-unknown", "GET", info, {"params": {"category": "none"}}
    yield "info-category-empty", "GET", info, {"params": {"category": ""}}
    yield "info-hashes", "GET", info, {"params": {"hashes": f"{MAGNET_HASH.upper()}|{UNKNOWN}"}}
    yield "info-hashes-unknown", "GET", info, {"params": {"hashes": UNKNOWN}}
    yield "info-completed", "GET", info, {"params": {"filter": "completed"}}
    yield "info-downloading", "GET", info, {"params": {"filter": "downloading"}}
    yield "info-filter-unknown", "GET", info, {"params": {"filter": "nothing"}}
    yield "info-sorted", "GET", info, {"params": {"sort": "name", "reverse": "true", "limit": "1"}}
    for name in ("properties", "files", "trackers", "webseeds"):
        for which, hash_ in (("magnet", MAGNET_HASH), ("done", TORRENT_HASH), ("unknown", UNKNOWN)):
            yield f"{name}-{which}", "GET", f"api/v2/torrents/{name}", {"params": {"hash": hash_}}
    yield "properties-upper", "GET", "api/v2/torrents/properties", {"params": {"hash": MAGNET_HASH.upper()}}
    yield "tags", "GET", "api/v2/torrents/tags", {}
    yield "transfer-info", "GET", "api/v2/transfer/info", {}
    yield "speed-limits-mode", "GET", "api/v2/transfer/speedLimitsMode", {}
    yield "maindata", "GET", "api/v2/sync/maindata", {"params": {"rid": "0"}}


def _changing() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    one = {"hashes": MAGNET_HASH}
    for name in ("pause", "resume", "recheck", "reannounce", "topPrio", "bottomPrio", "increasePrio"):
        yield name, "POST", f"api/v2/torrents/{name}", {"data": one}
    yield "decrease-prio", "POST", "api/v2/torrents/decreasePrio", {"data": one}
    yield "resume-missing", "POST", "api/v2/torrents/resume", {"data": {}}
    path = "api/v2/torrents/setCategory"
    yield "set-category", "POST", path, {"data": {**one, "category": "on-the-fly"}}
    yield "set-category-unknown", "POST", path, {"data": {**one, "category": "none"}}
    yield "set-category-unknown-hash", "POST", path, {"data": {"hashes": UNKNOWN, "category": "tv-Sonarr"}}
    for name in ("createTags", "addTags", "removeTags", "deleteTags"):
        yield name, "POST", f"api/v2/torrents/{name}", {"data": {**one, "tags": "one,two"}}
    limits = {**one, "ratioLimit": "1.5", "seedingTimeLimit": "-2", "inactiveSeedingTimeLimit": "-2"}
    yield "set-share-limits", "POST", "api/v2/torrents/setShareLimits", {"data": limits}
    yield "set-force-start", "POST", "api/v2/torrents/setForceStart", {"data": {**one, "value": "true"}}
    data = {**one, "enable": "false"}
    yield "set-auto-management", "POST", "api/v2/torrents/setAutoManagement", {"data": data}
    path = "api/v2/torrents/rename"
    yield "rename", "POST", path, {"data": {"hash": MAGNET_HASH, "name": "Another"}}
    yield "rename-unknown", "POST", path, {"data": {"hash": UNKNOWN, "name": "Another"}}
    data = {"hash": MAGNET_HASH, "urls": "http://127.0.0.1:1/announce"}
    yield "add-trackers", "POST", "api/v2/torrents/addTrackers", {"data": data}
    data = {"hash": TORRENT_HASH, "id": "0", "priority": "1"}
    yield "file-prio", "POST", "api/v2/torrents/filePrio", {"data": data}
    path = "api/v2/torrents/delete"
    yield "delete-without-files", "POST", path, {"data": {"hashes": MAGNET_HASH}}
    yield "delete-unknown", "POST", path, {"data": {"hashes": UNKNOWN, "deleteFiles": "false"}}
    yield "delete", "POST", path, {"data": {"hashes": MAGNET_HASH, "deleteFiles": "true"}}
    yield "properties-after-delete", "GET", "api/v2/torrents/properties", {"params": {"hash": MAGNET_HASH}}


def _profile(root: Path) -> None:
    folder = root / "qBittorrent" / "config"
    folder.mkdir(parents=True)
    text = (
        "[LegalNotice]\nAccepted=true\n[BitTorrent]\nSession\\Interface=lo\nSession\\InterfaceName=lo\n"
        f"Session\\DefaultSavePath={root}/out\n[Preferences]\nWebUI\\Address=127.0.0.1\n"
    )
    (folder / "qBittorrent.conf").write_text(text)
    (root / "out").mkdir()
    (root / "out" / "Done.Movie.2020.mkv").write_bytes(CONTENT)


def record(url: str) -> dict[str, dict[str, Any]]:
    """Make all calls and return what was answered to each."""
    answers: dict[str, dict[str, Any]] = {}
    with requests.Session() as session:
        session.trust_env = False
        for name, method, path, more in calls():
            if name == "info":
                threading.Event().wait(2)  # adding is finished a moment after it was answered
            answer = session.request(method, f"{url}/{path}", timeout=10, **more)
            kind = answer.headers.get("content-type", "")
            is_json = kind.startswith("application/json")
            answers[name] = {
                "status": answer.status_code,
                "type": kind,
                "cookie": answer.headers.get("set-cookie", ""),
                "body": answer.json() if is_json else "" if "html" in kind else answer.text,
            }
    return answers


def main() -> None:
    """Start qbittorrent-nox, record, stop it."""
    with tempfile.TemporaryDirectory(prefix="qbittorrent-nox-") as name:
        root, port = Path(name), free_port()
        _profile(root)
        command = ["qbittorrent-nox", f"--profile={root}", f"--webui-port={port}"]
        url = f"http://127.0.0.1:{port}"
        keep_answers(command, url, lambda: record(url), ANSWERS, root)


if __name__ == "__main__":
    main()
