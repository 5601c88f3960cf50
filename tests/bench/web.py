"""The daemon with its web on: memory, CPU and answers, idle and with viewers, over 5,000 finished jobs."""

from __future__ import annotations

import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import requests

from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from tests.bench.idle import fill
from tests.bench.machine import cpu_s, resident_mib
from tests.e2e.process import KEY, Daemon, Place, wait_until
from tests.fakes.ports import free_port

WATCHED_S = 20
VIEWERS = 50
JOBS = 5000


def _line(daemon: Daemon, name: str) -> None:
    before, began = cpu_s(daemon.pid), time.monotonic()
    threading.Event().wait(WATCHED_S)
    share = (cpu_s(daemon.pid) - before) / (time.monotonic() - began)
    print(f"web, {name}: {resident_mib(daemon.pid):.1f} MiB resident, {share:.2%} of a core")


def _ask(url: str, path: str) -> None:
    took_s = []
    for _ in range(50):
        began = time.monotonic()
        answer = requests.get(f"{url}{path}", timeout=10)
        took_s.append(time.monotonic() - began)
    median_ms, longest_ms = statistics.median(took_s) * 1000, max(took_s) * 1000
    size_kib = len(answer.content) / 1024
    print(f"web, GET {path}: {median_ms:.0f} ms, {longest_ms:.0f} ms at most, {size_kib:.0f} KiB")


@contextmanager
def _viewers(url: str) -> Iterator[None]:
    """Have many look on, who read what they are sent."""
    host, port = url.removeprefix("http://").split(":")
    with ExitStack() as lines:
        for _ in range(VIEWERS):
            line = lines.enter_context(socket.create_connection((host, int(port))))
            line.sendall(b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            threading.Thread(target=_read, args=[line], daemon=True).start()
            lines.callback(line.shutdown, socket.SHUT_RDWR)
        yield


def _read(line: socket.socket) -> None:
    with suppress(OSError):
        while line.recv(65536):
            pass


def _measure(place: Place, url: str, name: str) -> None:
    daemon = Daemon(place)
    daemon.start()
    try:
        wait_until(lambda: "listening" in daemon.log, within_s=30, why=lambda: daemon.log)
        threading.Event().wait(3)
        _line(daemon, f"{name}, idle (aim 55 MiB)")
        for path in ("/", "/api/v1/jobs?limit=100", "/api/v1/status"):
            _ask(url, path)
        _line(daemon, f"{name}, idle after that")
        with _viewers(url):
            _line(daemon, f"{name}, {VIEWERS} viewers")
    finally:
        daemon.stop()


def main() -> None:
    """Print the figures."""
    with (
        tempfile.TemporaryDirectory(prefix="offcloud-watchd-bench-") as name,
        Sandbox(SandboxSettings(key=KEY)) as sandbox,
    ):
        port = free_port()
        place = Place(Path(name), sandbox.url, {"rescan": "30s", "web": f"{{listen: '127.0.0.1:{port}'}}"})
        _measure(place, f"http://127.0.0.1:{port}", "no job")
        fill(place, JOBS)
        _measure(place, f"http://127.0.0.1:{port}", f"{JOBS:,} jobs")


if __name__ == "__main__":
    main()
