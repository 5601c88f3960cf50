"""One 2 GiB file over plain HTTP from nginx on loopback: the whole daemon beside curl, in the same run.

CPU is user and system time of the whole daemon from the drop to the published release, polls, journal and
syncs included; wall is the fetch alone, sync included. curl does not sync.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from offcloud_watchd.core.model import JobState
from offcloud_watchd.journal import read_history
from tests.bench.machine import cpu_s, nginx
from tests.e2e.process import Daemon, Place

SIZE_BYTES = 2 * 1024**3
ROUNDS = 5


class _Service(BaseHTTPRequestHandler):
    """The least of an Offcloud: every request is finished at once and holds the one file."""

    protocol_version = "HTTP/1.1"
    file_url = ""

    def do_GET(self) -> None:
        if "explore" in self.path:
            self._answer(
                {"files": [{"name": "big.bin", "size": SIZE_BYTES, "path": "big.bin", "url": self.file_url}]}
            )
        elif "history" in self.path:
            self._answer([])
        else:
            self._answer({"user_id": "u", "email": "bench", "is_premium": True, "can_download": True})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        request = {"requestId": "bench", "fileName": "big.bin", "status": "downloaded", "originalLink": "x"}
        self._answer({"status": request} if self.path.split("?")[0].endswith("/status") else request)

    def _answer(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


def _curl(url: str, target: Path) -> tuple[float, float]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(["curl", "-s", "-o", str(target), url], check=True)
    wall_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert target.stat().st_size == SIZE_BYTES
    target.unlink()
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _ours(daemon: Daemon, number: int) -> tuple[float, float]:
    place = daemon.place
    before = cpu_s(daemon.pid)
    (place.drop / f"{number}.magnet").write_text(f"magnet:?xt=urn:btih:{number:040x}")
    for _ in range(120):  # looking more often would take the machine's second core away from both sides
        threading.Event().wait(1.0)
        if place.all_in(JobState.DONE, count=number):
            break
    used_s = cpu_s(daemon.pid) - before
    job = next(job for job in place.jobs().values() if job.link.key.endswith(f"{number:040x}"))
    at = {entry.event: entry.at for entry in read_history(place.state, job.id)}
    assert job.publication is not None
    release = Path(job.publication.path)
    assert (release / "big.bin").stat().st_size == SIZE_BYTES
    (release / "big.bin").unlink()
    return at["published"] - at["cloud_ready"], used_s


def main() -> None:
    """Print medians and ratios."""
    with tempfile.TemporaryDirectory(prefix="offcloud-watchd-bench-") as name:
        root = Path(name)
        served = root / "www"
        served.mkdir()
        with (served / "big.bin").open("wb") as file:
            block = bytes(range(256)) * 4096
            for _ in range(SIZE_BYTES // len(block)):
                file.write(block)
            # As a server finds it: read from the disk once, not still in the pages it was written through.
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with nginx(root, served) as url:
            service = ThreadingHTTPServer(
                ("127.0.0.1", 0), type("Bound", (_Service,), {"file_url": f"{url}/big.bin"})
            )
            threading.Thread(target=service.serve_forever, daemon=True).start()
            try:
                _compare(root, url, f"http://127.0.0.1:{service.server_port}")
            finally:
                service.shutdown()
                service.server_close()


def _compare(root: Path, url: str, api: str) -> None:
    daemon = Daemon(Place(root / "place", api))
    daemon.start()
    curl, ours = [], []
    try:
        for number in range(1, ROUNDS + 2):
            os.sync()  # what is still on its way to the disk would be paid for by whoever comes next
            curl.append(_curl(f"{url}/big.bin", root / "curl.bin"))
            os.sync()
            ours.append(_ours(daemon, number))
    finally:
        daemon.stop()
    # The first round warms caches up and is not counted.
    peer_wall, peer_cpu = (median(one[place] for one in curl[1:]) for place in (0, 1))
    our_wall, our_cpu = (median(one[place] for one in ours[1:]) for place in (0, 1))
    print(f"2 GiB over plain HTTP, medians of {ROUNDS} rounds:")
    print(f"  curl    {peer_cpu:.2f} s CPU, {peer_wall:.2f} s wall")
    print(f"  daemon  {our_cpu:.2f} s CPU, {our_wall:.2f} s wall, synced")
    print(f"  ratio   {our_cpu / peer_cpu:.2f} CPU (aim 0.50), {our_wall / peer_wall:.2f} wall (aim 0.90)")


if __name__ == "__main__":
    main()
