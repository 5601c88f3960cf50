"""Drives a sandbox over real HTTP, as a client would, with a clock the test owns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from tests.fakes.clock import FakeClock

HASH = "0123456789abcdef0123456789abcdef01234567"
MAGNET = f"magnet:?xt=urn:btih:{HASH}&dn=Some.Show"
KEY = f"btih:{HASH}"


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until another thread has made a condition true; fail when it does not."""
    pause, deadline = threading.Event(), time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        pause.wait(0.002)


def magnet(name: str, info_hash: str = HASH) -> str:
    """Return a magnet with a name."""
    return f"magnet:?xt=urn:btih:{info_hash}&dn={name}"


class Driver:
    """One client of one sandbox."""

    def __init__(self, sandbox: Sandbox, clock: FakeClock, session: requests.Session) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.session = session

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET with the key."""
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        """POST with the key."""
        return self.call("POST", path, **options)

    def call(self, method: str, path: str, key: str = "sandbox-key", **options: Any) -> requests.Response:
        """Call the API with the key in the query; an empty key is left out."""
        params = {**options.pop("params", {}), **({"key": key} if key else {})}
        url = self.sandbox.url + path
        return self.session.request(method, url, params=params, timeout=10, **options)

    def file(self, url: str, method: str = "GET", **headers: str) -> requests.Response:
        """Call the file host, without a key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(method, url, headers=named, timeout=10)

    def submit(self, link: str = MAGNET) -> str:
        """Submit a link and return its request id."""
        answer = self.post("/api/cloud", data={"url": link})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["requestId"])

    def finished(self, link: str = MAGNET) -> str:
        """Submit a link, let time pass until it is finished, return its request id."""
        request_id = self.submit(link)
        self.clock.advance(100)
        return request_id

    def status(self, request_id: str) -> dict[str, Any]:
        """Ask for one status; return the inner object."""
        status: dict[str, Any] = self.post("/api/cloud/status", json={"requestId": request_id}).json()[
            "status"
        ]
        return status

    def remove(self, request_id: str) -> requests.Response:
        """Remove a request, by the address both generations know."""
        return self.get(f"/cloud/remove/{request_id}")

    def links(self, request_id: str) -> list[str]:
        """Return the links of a finished request, by the text list."""
        return self.get(f"/api/cloud/list/{request_id}").text.splitlines()


@contextmanager
def driving(**settings: Any) -> Iterator[Driver]:
    """Start a sandbox with an own clock and a session for it; stop both."""
    clock = FakeClock()
    with (
        Sandbox(SandboxSettings(**{"clock": clock, "idle_s": 5.0, **settings})) as sandbox,
        requests.Session() as session,
    ):
        session.trust_env = False
        yield Driver(sandbox, clock, session)
