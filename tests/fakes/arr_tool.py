"""A Sonarr or Lidarr as far as it can be asked: history, queue, blocklist, commands; over real HTTP.

It behaves as their sources say: marking a grab that a download client has covers all records of that grab;
an entry that is to leave the client is deleted there first, and only then its release is marked.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

KEY = "an-arr-key-0123456789abcdef"


def _never(_download_id: str) -> None:
    raise AssertionError("nothing is to be deleted in a client")


@dataclass
class FakeTool:
    """The tool. ``delete`` is what its download client does when an entry is to go; it may raise.

    ``refused`` is the status with which everything is refused (0: nothing is). ``lose`` counts the answers
    that get lost after what was asked has been done. ``now`` is the time it writes into its history; empty:
    the real one.
    """

    api: str = "v3"
    name: str = "Sonarr"
    url_base: str = ""
    delete: Callable[[str], None] = _never
    refused: int = 0
    lose: int = 0
    now: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    queue: dict[int, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self._numbers = iter(range(1, 1_000_000))
        tool = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tool.serve(self, "GET")

            def do_POST(self) -> None:
                tool.serve(self, "POST")

            def do_DELETE(self) -> None:
                tool.serve(self, "DELETE")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{self.url_base}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; it may be called again."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- what a test sees and does ---

    @property
    def blocklist(self) -> list[str]:
        """The titles that were marked as failed, in order."""
        with self.lock:
            return [one["sourceTitle"] for one in self.history if one["eventType"] == "downloadFailed"]

    def grab(self, title: str, digits: str, *, client: bool, queued: bool = True) -> int:
        """Note a grab, and its entry in the queue where a client has it; return the number of the record.

        What is no torrent has no ``digits``.
        """
        with self.lock:
            data = {"torrentInfoHash": digits} if digits else {}
            number = self.note("grabbed", title, digits.upper() if client else "", **data)
            if client and queued:
                self.queue[next(self._numbers)] = digits.upper()
            return number

    def note(self, event: str, title: str, download_id: str = "", **data: str) -> int:
        """Write into the history."""
        with self.lock:
            number = next(self._numbers)
            date = self.now or datetime.now(UTC).isoformat().replace("+00:00", "Z")
            record = {"id": number, "eventType": event, "sourceTitle": title, "date": date, "data": data}
            self.history.append(record | ({"downloadId": download_id} if download_id else {}))
            return number

    # --- serving ---

    def serve(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        size = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(size) or b"{}")
        path = parts.path.removeprefix(f"{self.url_base}/api/{self.api}/")
        self.asked.append(f"{method} {path}")
        if handler.headers.get("X-Api-Key") != KEY:
            status, told = 401, {"error": "Unauthorized"}
        elif self.refused or path.startswith("/"):
            status, told = self.refused or 404, {"message": "NotFound"}
        else:
            status, told = self._answer(method, path, parse_qs(parts.query), body)
        if self.lose and method != "GET":
            self.lose -= 1
            handler.close_connection = True
            return
        text = json.dumps(told).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def _answer(  # noqa: PLR0911 - flat, one case a call
        self, method: str, path: str, query: Mapping[str, list[str]], body: Mapping[str, Any]
    ) -> tuple[int, object]:
        flat = {name: values[-1] for name, values in query.items()}
        match method, path:
            case "GET", "system/status":
                return 200, {"appName": self.name, "version": "4.0.9"}
            case "GET", "history":
                wanted = flat.get("downloadId")
                with self.lock:
                    told = [one for one in self.history if wanted in (None, one.get("downloadId"))]
                return 200, _page(told[::-1], flat)
            case "GET", "queue":
                with self.lock:
                    entries = [{"id": number, "downloadId": digits} for number, digits in self.queue.items()]
                return 200, _page(entries, flat)
            case "POST", "command":
                self.commands.append(body["name"])
                return 201, {"id": 1}
        if method == "POST" and (found := re.fullmatch(r"history/failed/(\d+)", path)):
            return self._mark(int(found[1]))
        if method == "DELETE" and (found := re.fullmatch(r"queue/(\d+)", path)):
            return self._drop(int(found[1]), flat)
        return 404, {"message": "NotFound"}

    def _mark(self, number: int) -> tuple[int, object]:
        with self.lock:
            record = next((one for one in self.history if one["id"] == number), None)
            if record is None:
                return 404, {"message": "NotFound"}
            self.note("downloadFailed", record["sourceTitle"], record.get("downloadId", ""))
        return 200, {}

    def _drop(self, number: int, query: Mapping[str, str]) -> tuple[int, object]:
        digits = self.queue.get(number)
        if digits is None:
            return 404, {"message": "NotFound"}
        if query.get("removeFromClient", "true") == "true":
            try:
                self.delete(digits)
            except Exception as error:  # noqa: BLE001 - as there: whatever the client does is a server error
                return 500, {"message": type(error).__name__}
        with self.lock:
            grabs = [one for one in self.history if one.get("downloadId") == digits]
            if query.get("blocklist") == "true" and grabs:
                self.note("downloadFailed", grabs[-1]["sourceTitle"], digits)
            self.queue.pop(number, None)
        return 200, {}


def _page(records: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    page, size = int(query.get("page", 1)), int(query.get("pageSize", 10))
    return {"page": page, "totalRecords": len(records), "records": records[(page - 1) * size : page * size]}
