"""The pictures in the documents: taken of a real daemon that works with a sandbox (``make pictures``).

Three minutes pass, so that there is traffic to be seen; then the pages are what anybody would see.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import requests

from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from tests.browser.webdriver import Browser, driving
from tests.e2e.process import KEY, Daemon, Place, wait_until
from tests.fakes.ports import free_port

MIB = 2**20
MAX_BYTES = 150 * 1024
WORK_S = 180
NAMES = (
    "Debian.13.netinst.[single]",
    "Open.Movie.Sintel.2010.1080p.[tree]",
    "Public.Domain.Radio.S01E01",
    "Public.Domain.Radio.S01E02",
    "Public.Domain.Radio.S01E03",
    "Old.Maps.of.the.World.[tree]",
    "Gone.From.The.Swarm.[fail]",
    "Lectures.on.Physics.Vol.1",
    "Lectures.on.Physics.Vol.2",
    "Lectures.on.Physics.Vol.3",
    "Field.Recordings.Birds",
    "Field.Recordings.Rain",
)


def add(url: str, number: int, name: str) -> None:
    """Add a magnet."""
    link = f"magnet:?xt=urn:btih:{number + 1:040x}&dn={name}"
    body = {"links": [link], "category": "films" if "Movie" in name or "Maps" in name else "tv"}
    requests.post(f"{url}/api/v1/links", json=body, timeout=10).raise_for_status()


def work(url: str, seconds: float) -> None:
    """Have something to do, little by little."""
    ends = time.monotonic() + seconds
    pause = threading.Event()
    for number, name in enumerate(NAMES):
        add(url, number, name)
        left = len(NAMES) - number
        pause.wait(max(0.0, min(20.0, (ends - time.monotonic()) / left)))


def take(browser: Browser, url: str, target: Path) -> None:
    """Take all pictures."""
    browser.resize(1100, 1040)
    browser.open(url)
    browser.wait("document.querySelectorAll('.badge.fetching').length && document.querySelector('.area')")
    job = browser.run("return document.querySelector('.badge.fetching').closest('.job').id.slice(4)")
    threading.Event().wait(1.5)
    browser.picture(target / "page-light.png")
    browser.dark(on=True)
    browser.picture(target / "page-dark.png")
    browser.resize(390, 1040)
    browser.picture(target / "page-phone.png")
    browser.dark(on=False)
    browser.resize(1100, 760)
    browser.open(f"{url}/jobs/{job}")
    browser.wait("document.querySelector('.life')")
    threading.Event().wait(1)
    browser.picture(target / "job.png")
    large = [path.name for path in target.glob("*.png") if path.stat().st_size > MAX_BYTES]
    if large:
        raise ValueError(f"larger than {MAX_BYTES // 1024} KiB: {', '.join(large)}")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--seconds", type=float, default=WORK_S)
    arguments = parser.parse_args()
    arguments.target.mkdir(parents=True, exist_ok=True)
    settings = SandboxSettings(
        key=KEY, queued_s=4, download_s=25, release_bytes=40 * MIB, file_rate_bytes_per_s=600 * 1024
    )
    with tempfile.TemporaryDirectory(prefix="pictures-") as name, Sandbox(settings) as sandbox:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        daemon = Daemon(Place(Path(name), sandbox.url, {"web": f"{{listen: '127.0.0.1:{port}'}}"}))
        daemon.start()
        try:
            wait_until(lambda: "listening" in daemon.log, within_s=30, why=lambda: daemon.log)
            work(url, arguments.seconds)
            with driving() as window:
                take(window(), url, arguments.target)
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
