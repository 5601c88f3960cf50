"""A journal of a gigabyte: the start takes its time, says so, and is not ended for it."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import pytest

from offcloud_watchd.journal import open_journal
from tests.bench.journal_fold import life
from tests.e2e.process import Place
from tests.fakes.clock import FakeClock

BATCH = 1000
START_S = 90.0  # what a service manager gives by default
WATCHDOG_S = 60.0  # as in our unit


def write_journal(state_dir: Path, size_bytes: int) -> int:
    """Write the events of finished jobs until the file is so large; return how many jobs there are."""
    journal, _ = open_journal(state_dir, FakeClock())
    jobs = 0
    while (state_dir / "journal.jsonl").stat().st_size < size_bytes:
        journal.append([event for number in range(jobs, jobs + BATCH) for event in life(number)])
        jobs += BATCH
    journal.close()
    return jobs


def heard_until_ready(manager: socket.socket) -> list[tuple[float, str]]:
    """Return what the service manager heard, and when, up to READY=1."""
    began, heard = time.monotonic(), [(0.0, "")]
    while "READY=1" not in heard[-1][1]:
        heard.append((time.monotonic() - began, manager.recv(4096).decode()))
    return heard


def longest_wait_beyond(heard: list[tuple[float, str]]) -> float:
    """Return by how much the manager would have run out of patience; less than 0: it never would."""
    allowed_until, worst = START_S, float("-inf")
    for at, message in heard:
        worst = max(worst, at - allowed_until)
        asked = re.search(r"EXTEND_TIMEOUT_USEC=(\d+)", message)
        if asked:
            allowed_until = max(allowed_until, at + int(asked[1]) / 1e6)
    return worst


def starts_in_time(place: Place, run_daemon, size_bytes: int) -> None:
    """Start on a journal of that size, and stop again."""
    jobs = write_journal(place.state, size_bytes)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place.root / "notify"))
        manager.settimeout(WATCHDOG_S)
        watchdog = {"WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
        daemon = run_daemon(place, NOTIFY_SOCKET=str(place.root / "notify"), **watchdog)
        heard = heard_until_ready(manager)
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    peak_kib = int(re.findall(r"VmHWM:\s+(\d+)", status)[0])
    took_s, size_mb = heard[-1][0], size_bytes / 1e6
    print(f"\n{size_mb:.0f} MB, {jobs} jobs: ready after {took_s:.1f} s, peak {peak_kib >> 10} MiB")
    assert longest_wait_beyond(heard) < 0
    assert daemon.stop() == 0
    assert f"journal read: {jobs} jobs" in daemon.log


def test_a_large_journal_is_read_in_time(make_place, run_daemon):
    """Twenty megabytes, ten thousand jobs."""
    starts_in_time(make_place("http://127.0.0.1:9"), run_daemon, 20_000_000)


@pytest.mark.torture
def test_a_journal_of_a_gigabyte_is_read_in_time(make_place, run_daemon):
    """Half a million jobs; a daemon makes such a file smaller long before (103)."""
    starts_in_time(make_place("http://127.0.0.1:9"), run_daemon, 1_000_000_000)
