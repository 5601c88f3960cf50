"""A server that takes webhooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Hooked:
    """What came in, and what is answered; ``hang`` holds answers back until ``close``."""

    def __init__(self) -> None:
        self.came: list[dict] = []
        self.headers: list[dict] = []
        self.statuses: list[int] = []
        self.location = ""
        self.hang = False
        self.drip = False
        self.ending = threading.Event()
        hooked = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hooked.came.append(json.loads(body))
                hooked.headers.append(dict(self.headers))
                if hooked.hang:
                    hooked.ending.wait(30)
                while hooked.drip and not hooked.ending.wait(0.02):
                    self.wfile.write(b"H")
                    self.wfile.flush()
                self.send_response(hooked.statuses.pop(0) if hooked.statuses else 204)
                if hooked.location:
                    self.send_header("location", hooked.location)
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a client that goes is part of the play
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        """Its address, with a secret in it."""
        return f"http://127.0.0.1:{self.server.server_port}/hook/SECRET?token=SECRET"

    def close(self) -> None:
        """End."""
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook() -> Iterator[Callable[[], Hooked]]:
    """Start servers; all end with the test."""
    running: list[Hooked] = []

    def start() -> Hooked:
        running.append(Hooked())
        return running[-1]

    yield start
    for one in running:
        one.close()
