"""Record what Debian's transmission-daemon answers, as the measure for our own RPC.

Run it where transmission-daemon is installed: ``python -m tests.golden.record_transmission``. It starts one
on loopback with a configuration in a temporary directory, makes the calls of ``calls`` in order and writes
``transmission_daemon.json``: for each call its status, content type and body. What differs from run to run
(times, the session's id) is compared by type, never by value.
"""

from __future__ import annotations

import base64
import json
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from tests.fakes.ports import free_port
from tests.golden.real import keep_answers
from tests.golden.record_qbittorrent import CONTENT, MAGNET, MAGNET_HASH, TORRENT, TORRENT_HASH, UNKNOWN

ANSWERS: Final = Path(__file__).with_name("transmission_daemon.json")
USER: Final = "transmission"
PASSWORD: Final = "adminadmin"
PATH: Final = "transmission/rpc"
METAINFO: Final = base64.b64encode(TORRENT).decode()
READ_BY_ARR: Final = (
    *("id", "hashString", "name", "downloadDir", "totalSize", "leftUntilDone", "isFinished", "eta", "status"),
    *("secondsDownloading", "secondsSeeding", "errorString", "uploadedEver", "downloadedEver"),
    *(
        "seedRatioLimit",
        "seedRatioMode",
        "seedIdleLimit",
        "seedIdleMode",
        "fileCount",
        "file-count",
        "labels",
    ),
)
"""Source: Sonarr, TransmissionProxy.cs."""
OTHERS: Final = (
    *("activityDate", "addedDate", "bandwidthPriority", "comment", "corruptEver", "creator", "dateCreated"),
    *("desiredAvailable", "doneDate", "downloadLimit", "downloadLimited", "editDate", "error", "etaIdle"),
    *("files", "fileStats", "haveUnchecked", "haveValid", "honorsSessionLimits", "isPrivate", "isStalled"),
    *("magnetLink", "manualAnnounceTime", "maxConnectedPeers", "metadataPercentComplete", "peer-limit"),
    *("peers", "peersConnected", "peersFrom", "peersGettingFromUs", "peersSendingToUs", "percentDone"),
    *("pieces", "pieceCount", "pieceSize", "priorities", "queuePosition", "rateDownload", "rateUpload"),
    *("recheckProgress", "sizeWhenDone", "startDate", "torrentFile", "trackers", "trackerStats"),
    *("uploadLimit", "uploadLimited", "uploadRatio", "wanted", "webseeds", "webseedsSendingToUs"),
)
FIELDS: Final = [*READ_BY_ARR, *OTHERS]


@dataclass(frozen=True)
class Asked:
    """One call. ``body`` is sent as JSON, a text as it is; ``session``: with the id that a 409 gave."""

    name: str
    body: Any = None
    http: str = "POST"
    auth: tuple[str, str] | None = (USER, PASSWORD)
    session: str | None = "known"
    headers: dict[str, str] = field(default_factory=dict)


def rpc(name: str, method: str, **arguments: Any) -> Asked:
    """Return a call of a method; ``_`` stands for ``-``."""
    given = {key.replace("_", "-"): value for key, value in arguments.items()}
    return Asked(name, {"method": method, "arguments": given, "tag": 7})


def calls(download_dir: str) -> Iterator[Asked]:
    """Yield each call, for a daemon with this download directory."""
    yield Asked("no-auth", {"method": "session-get"}, auth=None, session=None)
    yield Asked("bad-auth", {"method": "session-get"}, auth=(USER, "wrong"), session=None)
    yield Asked("empty-auth", {"method": "session-get"}, auth=("", ""), session=None)
    yield Asked("no-session", {"method": "session-get"}, session=None)
    yield Asked("no-session-get", http="GET", session=None)
    yield Asked("wrong-session", {"method": "session-get"}, session="wrong")
    yield Asked("get", http="GET")
    yield Asked("no-json", "nothing")
    yield Asked("no-object", [1])
    yield Asked("no-method", {"arguments": {}})
    yield Asked("no-arguments", {"method": "session-get"})
    yield rpc("unknown-method", "torrent-sing")
    yield rpc("session-get", "session-get")
    yield rpc(
        "session-get-fields", "session-get", fields=["version", "rpc-version", "download-dir", "nothing"]
    )
    yield rpc("session-set", "session-set", seedRatioLimited=False)
    yield rpc("session-stats", "session-stats")
    yield rpc("get-none", "torrent-get", fields=["id", "name"])
    yield rpc("get-no-fields", "torrent-get")
    yield from _adding(download_dir)
    yield from _reading()
    yield from _changing()


def _adding(download_dir: str) -> Iterator[Asked]:
    add = "torrent-add"
    yield rpc("add-nothing", add)
    yield rpc("add-bad-magnet", add, filename="magnet:?xt=urn:btih:nothing")
    yield rpc("add-junk", add, metainfo=base64.b64encode(b"junk").decode())
    yield rpc("add-no-base64", add, metainfo="%%%")
    yield rpc("add-relative", add, filename=MAGNET, download_dir="tv")
    yield rpc("add-magnet", add, filename=MAGNET, paused=False, download_dir=f"{download_dir}/tv-Sonarr")
    yield rpc("add-magnet-again", add, filename=MAGNET, download_dir=f"{download_dir}/tv-Sonarr")
    yield rpc("add-file", add, metainfo=METAINFO, paused=True)
    yield rpc("add-file-again", add, metainfo=METAINFO)


def _reading() -> Iterator[Asked]:
    get = "torrent-get"
    yield rpc("info", get, fields=FIELDS)
    yield rpc("info-table", get, fields=["hashString", "name"], format="table")
    yield rpc("info-unknown-field", get, fields=["hashString", "nothing"])
    yield rpc("info-hash", get, fields=["hashString"], ids=[MAGNET_HASH])
    yield rpc("info-hash-upper", get, fields=["hashString"], ids=[MAGNET_HASH.upper()])
    yield rpc("info-hash-alone", get, fields=["hashString"], ids=MAGNET_HASH)
    yield rpc("info-number", get, fields=["hashString"], ids=1)
    yield rpc("info-numbers", get, fields=["hashString"], ids=[1, 2, 99])
    yield rpc("info-mixed", get, fields=["hashString"], ids=[1, TORRENT_HASH])
    yield rpc("info-empty", get, fields=["hashString"], ids=[])
    yield rpc("info-unknown", get, fields=["hashString"], ids=[UNKNOWN])
    yield rpc("info-recent", get, fields=["hashString"], ids="recently-active")


def _changing() -> Iterator[Asked]:
    one = {"ids": [MAGNET_HASH]}
    for name in (
        "torrent-stop",
        "torrent-start",
        "torrent-start-now",
        "torrent-verify",
        "torrent-reannounce",
    ):
        yield rpc(name, name, **one)
    for name in ("queue-move-top", "queue-move-bottom", "queue-move-up", "queue-move-down"):
        yield rpc(name, name, **one)
    yield rpc("set-limits", "torrent-set", seedRatioLimit=1.5, seedRatioMode=1, **one)
    yield rpc("set-labels", "torrent-set", labels=["on-the-fly"], **one)
    yield rpc("set-labels-empty", "torrent-set", labels=[], **one)
    yield rpc("set-unknown", "torrent-set", labels=["tv-Sonarr"], ids=[UNKNOWN])
    yield rpc("remove-unknown", "torrent-remove", ids=[UNKNOWN], delete_local_data=False)
    yield rpc("remove", "torrent-remove", **one)
    yield rpc("remove-data", "torrent-remove", ids=[TORRENT_HASH], delete_local_data=True)
    yield rpc("info-after", "torrent-get", fields=["hashString"])


def record(url: str, download_dir: str) -> dict[str, dict[str, Any]]:
    """Make all calls and return what was answered to each."""
    answers: dict[str, dict[str, Any]] = {}
    known = ""
    with requests.Session() as session:
        session.trust_env = False
        for asked in calls(download_dir):
            if asked.name == "info":
                threading.Event().wait(2)  # a file is looked at a moment after it was added
            headers = dict(asked.headers)
            if asked.session is not None:
                headers["X-Transmission-Session-Id"] = known if asked.session == "known" else asked.session
            body = asked.body if isinstance(asked.body, str) else json.dumps(asked.body)
            answer = session.request(
                asked.http,
                f"{url}/{PATH}",
                data=None if asked.body is None else body,
                headers=headers,
                auth=asked.auth,
                timeout=10,
                allow_redirects=False,
            )
            known = answer.headers.get("X-Transmission-Session-Id", known)
            kind = answer.headers.get("content-type", "")
            is_json = kind.startswith("application/json")
            answers[asked.name] = {
                "status": answer.status_code,
                "type": kind,
                "session": "X-Transmission-Session-Id" in answer.headers,
                "realm": answer.headers.get("www-authenticate", ""),
                "body": answer.json() if is_json else "",
            }
    return answers


def _settings(root: Path, port: int) -> None:
    (root / "out").mkdir()
    (root / "out" / "Done.Movie.2020.mkv").write_bytes(CONTENT)
    settings = {
        "rpc-port": port,
        "rpc-bind-address": "127.0.0.1",
        "rpc-authentication-required": True,
        "rpc-username": USER,
        "rpc-password": PASSWORD,
        "rpc-whitelist-enabled": False,
        "bind-address-ipv4": "127.0.0.1",
        "bind-address-ipv6": "::1",
        "dht-enabled": False,
        "lpd-enabled": False,
        "pex-enabled": False,
        "utp-enabled": False,
        "port-forwarding-enabled": False,
        "peer-port": free_port(),
        "download-dir": f"{root}/out",
        "incomplete-dir": f"{root}/incomplete",
    }
    (root / "settings.json").write_text(json.dumps(settings))


def main() -> None:
    """Start transmission-daemon, record, stop it."""
    with tempfile.TemporaryDirectory(prefix="transmission-daemon-") as name:
        root, port = Path(name), free_port()
        _settings(root, port)
        command = ["transmission-daemon", "--foreground", "--config-dir", str(root)]
        url = f"http://127.0.0.1:{port}"
        keep_answers(command, url, lambda: record(url, f"{root}/out"), ANSWERS, root)


if __name__ == "__main__":
    main()
