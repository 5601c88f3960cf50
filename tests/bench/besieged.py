"""What a siege of the web port does to a fetch: its speed with and without, taken in turns.

And what it does to others: a client with a good key, at the address of the guesser, asks all the while.
"""

from __future__ import annotations

import secrets
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import requests

from offcloud_watchd.core.model import JobState
from offcloud_watchd.journal import read_history
from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from offcloud_watchd.web.password import hashed
from tests.bench.machine import free_port, peak_mib, resident_mib
from tests.e2e.process import KEY, Daemon, Place, wait_until

PASSWORD = "open sesame"
BLOCK = b"10000\r\n" + b"x" * 65536 + b"\r\n"
RATE = 5 * 2**20  # of each connection; a file is fetched over several
SIZE_BYTES = 400 * 2**20
TURNS = 3
UPLOAD_EVERY_S = 5
UPLOAD_BYTES = 5 * 2**30
VIEWERS, HALF_OPEN, GUESSES = 50, 100, 1000
"""More than the bound on connections, of which each that only holds the line costs another one its place."""


@contextmanager
def siege(url: str, cookie: str) -> Iterator[None]:
    """Viewers who read, heads that never end, an upload of 5 GiB, more than a thousand guesses, at once."""
    over = threading.Event()
    view = f"GET /live HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n"
    upload = (
        f"POST /api/v1/files?name=a HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n"
        "transfer-encoding: chunked\r\ncontent-type: application/octet-stream\r\n\r\n"
    )
    guess = b"GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer guess\r\n\r\n"
    parts = [partial(_view, view.encode())] * VIEWERS + [_dawdle] * HALF_OPEN
    parts.append(partial(_upload, upload.encode()))
    threads = [threading.Thread(target=_again, args=[part, url, over], daemon=True) for part in parts]
    threads.append(threading.Thread(target=_guess, args=[url, over], daemon=True))
    for thread in threads:
        thread.start()
    _volley(url, guess)
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(10)


def _again(part: Callable[[socket.socket, threading.Event], None], url: str, over: threading.Event) -> None:
    """Play a part, again each time it was cut off."""
    host, port = url.removeprefix("http://").split(":")
    while not over.wait(0.1):
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=5) as line:
            part(line, over)


def _view(head: bytes, line: socket.socket, over: threading.Event) -> None:
    line.sendall(head)
    while line.recv(65536) and not over.is_set():
        pass


def _dawdle(line: socket.socket, over: threading.Event) -> None:
    line.sendall(b"GET / HTTP/1.1\r\n")
    while not over.wait(1):
        line.sendall(b"x")


def _upload(head: bytes, line: socket.socket, over: threading.Event) -> None:
    line.sendall(head)
    with suppress(OSError):
        for _ in range(UPLOAD_BYTES // 65536):
            if over.is_set():
                break
            line.sendall(BLOCK)
    over.wait(UPLOAD_EVERY_S)


def _volley(url: str, guess: bytes) -> None:
    """Guess a thousand times at once, without waiting for the answers."""
    host, port = url.removeprefix("http://").split(":")
    with ExitStack() as lines:
        for _ in range(GUESSES):
            with suppress(OSError):
                line = lines.enter_context(socket.create_connection((host, int(port)), timeout=5))
                line.sendall(guess)


def _guess(url: str, over: threading.Event) -> None:
    with requests.Session() as session:
        while not over.wait(0.01):
            with suppress(requests.RequestException):
                session.get(f"{url}/api/v1/status", headers={"authorization": "Bearer guess"}, timeout=5)


def _logged_in(url: str) -> str:
    """Return the cookie of a session: no guesser shuts that out."""
    answer = requests.post(f"{url}/api/v2/auth/login", data={"password": PASSWORD}, timeout=10)
    return f"SID={answer.cookies['SID']}"


def _fetched_s(place: Place, url: str, cookie: str) -> float:
    """Have a job fetched; return how long that took, as the journal tells."""
    body = {"links": [f"magnet:?xt=urn:btih:{secrets.token_hex(20)}&dn=A.Film.[single]"]}
    answer = requests.post(f"{url}/api/v1/links", json=body, headers={"cookie": cookie}, timeout=10)
    job_id = answer.json()["jobs"][0]["id"]
    wait_until(lambda: place.jobs()[job_id].state is JobState.DONE, within_s=120, why=lambda: "not fetched")
    at = {one.event: one.at for one in read_history(place.state, job_id)}
    return at["published"] - at["cloud_ready"]


class Answers:
    """What a client with a good key gets, and how long that takes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._took_s: list[float] = []
        self._refused = 0

    def ask(self) -> None:
        """Ask once."""
        began = time.monotonic()
        try:
            headers = {"authorization": f"Bearer {PASSWORD}"}
            status = requests.get(f"{self._url}/metrics", headers=headers, timeout=10).status_code
        except requests.RequestException:
            status = 0
        self._refused += status != 200
        self._took_s.append(time.monotonic() - began)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Ask every half second meanwhile."""
        over = threading.Event()

        def work() -> None:
            while not over.wait(0.5):
                self.ask()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def __str__(self) -> str:
        """Say it."""
        count, middle = len(self._took_s), statistics.median(self._took_s)
        good, longest = count - self._refused, max(self._took_s)
        return f"{good} of {count} times, {middle:.2f} s in the middle, {longest:.2f} s at most"


def main() -> None:
    """Print the figures."""
    settings = SandboxSettings(
        key=KEY, queued_s=0.1, download_s=0.1, release_bytes=SIZE_BYTES, file_rate_bytes_per_s=RATE
    )
    with tempfile.TemporaryDirectory(prefix="offcloud-watchd-bench-") as name, Sandbox(settings) as sandbox:
        port, root = free_port(), Path(name)
        secret = root / "web-password"
        secret.write_text(hashed(PASSWORD))
        secret.chmod(0o600)
        web = f"{{listen: '127.0.0.1:{port}', password_file: web-password}}"
        place, url = Place(root, sandbox.url, {"web": web}), f"http://127.0.0.1:{port}"
        daemon = Daemon(place)
        daemon.start()
        try:
            wait_until(lambda: "listening" in daemon.log, within_s=30, why=lambda: daemon.log)
            cookie = _logged_in(url)
            _fetched_s(place, url, cookie)
            free, besieged, answers = [], [], Answers(url)
            answers.ask()
            for _ in range(TURNS):
                free.append(_fetched_s(place, url, cookie))
                with siege(url, cookie), answers.asked():
                    besieged.append(_fetched_s(place, url, cookie))
            loss = 1 - statistics.median(free) / statistics.median(besieged)
            print(
                f"siege: {SIZE_BYTES // 2**20} MiB in {statistics.median(free):.2f} s, "
                f"besieged {statistics.median(besieged):.2f} s: {loss:.1%} slower (aim 5 %), "
                f"{peak_mib(daemon.pid):.0f} MiB resident at most, {resident_mib(daemon.pid):.0f} at the end"
            )
            print(f"siege: a good key of the guesser's address was let in {answers}")
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
