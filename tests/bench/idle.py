"""The daemon with nothing to do: memory and CPU with 3 folders, with no job and with 1,000 finished."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

from offcloud_watchd.core.events import CloudReady, Event, Published, Queued, Submitted, Submitting
from offcloud_watchd.core.model import Destination, Drop, Link, LinkKind, Publication, Submission
from offcloud_watchd.journal import lock_state, open_journal
from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from tests.bench.machine import cpu_s, resident_mib
from tests.e2e.process import KEY, Daemon, Place, wait_until
from tests.fakes.clock import FakeClock

WATCHED_S = 60


def life(number: int, directory: Path) -> list[Event]:
    """Return the whole life of one finished job."""
    job, key = f"{number:012x}", f"{number:040x}"
    link = Link(LinkKind.TORRENT, f"btih:{key}", f"magnet:?xt=urn:btih:{key}", f"Release {number}", key)
    submission = Submission(f"{number:024x}", "created", f"Release {number}")
    drop = Drop(f"{number:064x}", f"{number}.magnet", "/drop", f"{number:064x}")
    return [
        Queued(job, number, link, drop, Destination("tv", str(directory)), f"Release {number}"),
        Submitting(job, number + 1),
        Submitted(job, number + 2, submission),
        CloudReady(job, number + 3, submission),
        Published(job, number + 4, Publication(str(directory / f"Release {number}"), 3, 1000, "size")),
    ]


def fill(place: Place, count: int) -> None:
    """Give a place a journal with finished jobs."""
    lock = lock_state(place.state)
    journal, _ = open_journal(place.state, FakeClock())
    journal.append([event for number in range(count) for event in life(number, place.output / "tv")])
    journal.close()
    lock.release()


def _measure(place: Place, name: str) -> None:
    daemon = Daemon(place)
    daemon.start()
    try:
        wait_until(lambda: "ready" in daemon.log, within_s=30, why=lambda: daemon.log)
        threading.Event().wait(3)
        before, began = cpu_s(daemon.pid), time.monotonic()
        threading.Event().wait(WATCHED_S)
        share = (cpu_s(daemon.pid) - before) / (time.monotonic() - began)
        memory = resident_mib(daemon.pid)
        print(f"idle, {name}: {memory:.1f} MiB resident (aim 40), {share:.3%} of a core (aim 0.1 %)")
    finally:
        daemon.stop()


def main() -> None:
    """Print memory and CPU share."""
    with (
        tempfile.TemporaryDirectory(prefix="offcloud-watchd-bench-") as name,
        Sandbox(SandboxSettings(key=KEY)) as sandbox,
    ):
        place = Place(Path(name), sandbox.url, {"rescan": "30s"})
        more = "".join(f"  - path: drop{number}\n" for number in (2, 3))
        for number in (2, 3):
            (place.root / f"drop{number}").mkdir()
        place.config.write_text(place.config.read_text().replace("fetch:\n", f"{more}fetch:\n"))
        _measure(place, "3 folders, no job")
        fill(place, 1000)
        _measure(place, "3 folders, 1,000 finished jobs")


if __name__ == "__main__":
    main()
