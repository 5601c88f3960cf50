"""From a closed file to its POST: one file at a time, 1,000 at once; beside bare watchdog and a naive chain.

The peers run in the same run: a watchdog handler that only notes the time, and the chain everybody writes
first (watchdog, parse, append and fdatasync, POST with requests). What the daemon waits for a file to settle
is taken off its times; the others do not wait at all.

``python -m tests.bench.intake [singly] [fetching] [flooded] [at-once]`` measures only what is named.
``fetching`` is beside a fetch that saturates a line of 1.3 Gbit/s (160 MB/s in eight connections),
``flooded`` beside one that takes all that loopback and disk give. They write up to 24 GiB each below the
temporary directory and delete them. Files are made dearer by ext4 for some minutes after very many were
deleted beside them, and a drop is made and spooled: a second run at once is no fair one.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

from tests.bench.machine import nginx
from tests.e2e.process import Daemon, Place, wait_until

ONE_AT_A_TIME = 200
IN_A_FLOOD = 60
AT_ONCE = 1000
LINE, FLOOD = "f" * 40, "e" * 40
LINE_RATE = "20m"
BIG_BYTES = 24 * 1024**3
SETTLE_S = 0.3
SETTLE_BURST_S = 1.0

SERVICE = r"""
import json, re, socket, sys, threading, time
HASH = re.compile(rb"btih:([0-9a-f]{40})|btih%3A([0-9a-f]{40})")
big = {name[-24:]: url for name, url in (pair.split("=") for pair in sys.argv[1:-1])}
big_bytes = int(sys.argv[-1])
lock = threading.Lock()

def answer(head, body):
    path = head.split(b" ", 2)[1]
    if head.startswith(b"POST") and (found := HASH.search(body)):
        name = (found[1] or found[2]).decode()
        with lock:
            print(name, time.monotonic(), flush=True)
        return {"requestId": name[-24:], "fileName": name, "status": "created", "originalLink": "x"}
    if b"status" in path:
        asked = re.search(rb"[0-9a-f]{24}", body)[0].decode()
        word = "downloaded" if asked in big else "downloading"
        return {"status": {"status": word, "amount": 1, "requestId": asked, "fileName": "x"}}
    if b"explore" in path:
        asked = re.search(rb"[0-9a-f]{24}", head + body)[0].decode()
        return {"files": [{"name": "big.bin", "size": big_bytes, "path": "big.bin", "url": big[asked]}]}
    if b"history" in path:
        return []
    return {"user_id": "u", "email": "bench", "is_premium": True, "can_download": True}

def serve(client):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    while client is not None:
        while b"\r\n\r\n" not in data:
            more = client.recv(65536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        wanted = int(length[1]) if length else 0
        while len(data) < wanted:
            data += client.recv(65536)
        body, data = data[:wanted], data[wanted:]
        said = json.dumps(answer(head, body)).encode()
        kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        client.sendall(kind % len(said) + said)

def served(client):
    try:
        serve(client)
    except ConnectionResetError:  # a peer was killed
        pass

listener = socket.create_server(("127.0.0.1", 0), backlog=128)
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=served, args=(listener.accept()[0],), daemon=True).start()
"""

PEER = r"""
import json, os, queue, re, sys, threading, time
import requests
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
folder, url, kind = sys.argv[1:]
session = requests.Session()
journal = os.open(folder + ".jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Handler(FileSystemEventHandler):
    def on_closed(self, event):
        seen = time.monotonic()
        if kind == "bare":
            print(os.path.basename(event.src_path).split(".")[0], seen, flush=True)
            return
        with open(event.src_path, "rb") as file:
            link = file.read().decode().strip()
        key = re.search("btih:([0-9a-f]{40})", link)[1]
        for state in ("submitting", "submitted"):
            os.write(journal, json.dumps({"key": key, "link": link, "state": state}).encode() + b"\n")
            os.fdatasync(journal)
            if state == "submitting":
                session.post(url + "/api/cloud", data={"url": link}).json()

observer = Observer()
observer.schedule(Handler(), folder)
observer.start()
print("ready", flush=True)
threading.Event().wait()
"""


class Times:
    """What a process prints: a name and the moment, by the clock all processes of a machine share."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.first = process.stdout.readline().strip()
        self.at: dict[str, float] = {}
        self.counted = threading.Condition()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            name, moment = line.split()
            with self.counted:
                self.at.setdefault(name, float(moment))
                self.counted.notify_all()

    def wait_for(self, names: set[str], within_s: float) -> None:
        """Wait until every name was told."""
        with self.counted:
            assert self.counted.wait_for(lambda: names <= self.at.keys(), within_s), (
                f"{len(names & self.at.keys())} of {len(names)} arrived"
            )


@contextmanager
def running(source: str, *arguments: str) -> Iterator[Times]:
    """Run a program and listen to it."""
    process = subprocess.Popen([sys.executable, "-c", source, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield Times(process)
    finally:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def _drop(folder: Path, name: str) -> float:
    with (folder / f"{name}.magnet").open("w") as file:
        file.write(f"magnet:?xt=urn:btih:{name}&dn=bench")
    return time.monotonic()


def _singly(
    folder: Path, times: Times, first: int, spare_s: float, count: int = ONE_AT_A_TIME
) -> list[float]:
    """Drop one file after the other; return the milliseconds from each close to what was told of it."""
    took = []
    for number in range(first, first + count):
        name = f"{number:040x}"
        closed = _drop(folder, name)
        times.wait_for({name}, 30)
        took.append(1000 * (times.at[name] - closed - spare_s))
        threading.Event().wait(0.05 * (number % 7 + 1) / 4)  # not in step with anything
    return took


def _at_once(folder: Path, times: Times, first: int, spare_s: float) -> float:
    """Drop many files; return how many a second there were from the first close to the last POST."""
    names = {f"{number:040x}" for number in range(first, first + AT_ONCE)}
    closed = min(_drop(folder, name) for name in sorted(names))
    times.wait_for(names, 120)
    return AT_ONCE / (max(times.at[name] for name in names) - closed - spare_s)


def _say(what: str, took_ms: list[float]) -> None:
    p99 = quantiles(took_ms, n=100)[98]
    print(f"  {what:<34} p50 {median(took_ms):6.1f} ms   p99 {p99:6.1f} ms")


PARTS = ("singly", "fetching", "flooded", "at-once")


def main(parts: Collection[str] = PARTS) -> None:
    """Print the times and the ratio; the load of the machine goes with them."""
    with tempfile.TemporaryDirectory(prefix="offcloud-watchd-bench-") as name:
        root = Path(name)
        served = root / "www"
        served.mkdir()
        with (served / "big.bin").open("wb") as file:
            file.truncate(BIG_BYTES)
        for peer in ("flood", "line"):
            (root / peer).mkdir()
        with (
            nginx(root / "flood", served) as flood,
            nginx(root / "line", served, limit_rate=LINE_RATE) as line,
            running(SERVICE, f"{LINE}={line}/big.bin", f"{FLOOD}={flood}/big.bin", str(BIG_BYTES)) as posts,
        ):
            _compare(root, f"http://127.0.0.1:{posts.first}", posts, parts)


def _compare(root: Path, url: str, posts: Times, parts: Collection[str]) -> None:
    peers = root / "peer"
    peers.mkdir()
    print(f"from close to POST, {ONE_AT_A_TIME} files one at a time, beyond {SETTLE_S:g} s of settling:")
    if "singly" in parts:
        with running(PEER, str(peers), url, "bare") as seen:
            _say("bare watchdog handler (no POST)", _singly(peers, seen, 1, 0))
    with running(PEER, str(peers), url, "chain"):
        if "singly" in parts:
            _say("naive chain", _singly(peers, posts, 10_000, 0))
            threading.Event().wait(1)
        naive = _at_once(peers, posts, 20_000, 0) if "at-once" in parts else math.nan
    if "singly" in parts:
        with _daemon(root / "singly", url, SETTLE_S) as place:
            _say("daemon (aim p99 20 ms)", _singly(place.drop, posts, 30_000, SETTLE_S))
    if "fetching" in parts:
        with _daemon(root / "line-fetch", url, SETTLE_S) as place:
            took_ms = _beside_a_fetch(place, posts, LINE, 50_000, ONE_AT_A_TIME)
            _say("daemon, line saturated (aim 100 ms)", took_ms)
    if "flooded" in parts:
        with _daemon(root / "flood-fetch", url, SETTLE_S) as place:
            _say("daemon, disk flooded", _beside_a_fetch(place, posts, FLOOD, 60_000, IN_A_FLOOD))
    if "at-once" in parts:
        with _daemon(root / "at-once", url, SETTLE_BURST_S) as place:
            ours = _at_once(place.drop, posts, 40_000, SETTLE_BURST_S)
        print(f"{AT_ONCE:,} files at once, first close to last POST:")
        print(
            f"  naive chain {naive:.0f} jobs/s, daemon {ours:.0f} jobs/s (aim 700), ratio {ours / naive:.2f}"
        )
    print(f"  load average of the last minute: {os.getloadavg()[0]:.1f}")


@contextmanager
def _daemon(root: Path, url: str, settle_s: float) -> Iterator[Place]:
    """Run a daemon in a place of its own, which polls as any does, but is not held up by its budget."""
    settings = {"settle": f"{settle_s * 1000:.0f}ms", "requests_per_minute": "600000"}
    place = Place(root, url, {**settings, "poll": "{min: 5s, max: 5m}"})
    daemon = Daemon(place)
    daemon.start()
    try:
        wait_until(lambda: "ready" in daemon.log, within_s=30, why=lambda: daemon.log)
        yield place
    finally:
        daemon.stop()


def _beside_a_fetch(place: Place, posts: Times, big: str, first: int, count: int) -> list[float]:
    """Drop files while a large one is fetched; it must outlast them."""
    _drop(place.drop, big)
    wait_until(lambda: any(place.output.rglob("big.bin")), within_s=60, why=lambda: "nothing is fetched")
    took_ms = _singly(place.drop, posts, first, SETTLE_S, count)
    assert not any((place.output / "tv").rglob("big.bin")), "the fetch ended too soon"
    return took_ms


if __name__ == "__main__":
    main(sys.argv[1:] or PARTS)
