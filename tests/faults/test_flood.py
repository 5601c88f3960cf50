"""Very many drops at once, while the program is stopped and while it runs: all are taken, each once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from offcloud_watchd.sandbox import Sandbox
from tests.e2e.process import Daemon, Place, wait_until


def _dropped(place: Place, numbers: range) -> None:
    for number in numbers:
        text = f"magnet:?xt=urn:btih:{number:040x}&dn=Release.{number}"
        (place.drop / f"{number:06}.magnet").write_text(text)


def _left(place: Place) -> int:
    return sum(entry.name.endswith(".magnet") for entry in os.scandir(place.drop))


def _peak_mib(daemon: Daemon) -> int:
    status = Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:"))


def _taken(place: Place, daemon: Daemon, *, within_s: float) -> float:
    """Wait until no drop is left; return how long that took in seconds."""
    began = monotonic()
    wait_until(lambda: _left(place) == 0, within_s=within_s, why=lambda: daemon.log)
    return monotonic() - began


def _assert_each_once(place: Place, sandbox: Sandbox, count: int) -> None:
    jobs = place.jobs().values()
    assert len({job.link.key for job in jobs}) == len(jobs) == count
    assert {len(job.drops) for job in jobs} == {1}
    assert len(list((place.drop / "processed").iterdir())) == count
    assert not (place.drop / "failed").exists()
    assert sandbox.books().twins == ()


def _flood(
    start_sandbox: Callable[..., Sandbox],
    make_place: Callable[..., Place],
    run_daemon: Callable[..., Daemon],
    *,
    stopped: int,
    running: int,
) -> None:
    # Nothing becomes ready: it is the taking that is measured, beside the posts that the pace allows.
    sandbox = start_sandbox(queued_s=3600.0, generation="classic")
    place = make_place(sandbox.url, auth="query", poll="{min: 1h, max: 1h}", level="warning", rescan="30s")
    daemon = run_daemon(place)
    wait_until((place.state / "status.json").exists, within_s=30, why=lambda: daemon.log)
    idle_mib = _peak_mib(daemon)
    daemon.send(signal.SIGSTOP)
    _dropped(place, range(stopped))
    daemon.send(signal.SIGCONT)
    stopped_s = _taken(place, daemon, within_s=60 + stopped / 100)
    peak_mib = _peak_mib(daemon)
    began = monotonic()
    _dropped(place, range(stopped, stopped + running))
    _taken(place, daemon, within_s=60 + running / 100)
    running_s = monotonic() - began
    print(
        f"\n{stopped:,} while it was stopped: {stopped_s:.1f} s ({stopped / stopped_s:.0f}/s), "
        f"peak {peak_mib} MiB (idle {idle_mib}); {running:,} while it ran: {running_s:.1f} s, "
        f"peak {_peak_mib(daemon)} MiB"
    )
    daemon.kill()
    _assert_each_once(place, sandbox, stopped + running)
    assert peak_mib < 100 + stopped // 200


def test_many_at_once_are_taken_once(start_sandbox, make_place, run_daemon):
    """The short form: a thousand while it is stopped, some hundred while it runs (fault 18)."""
    _flood(start_sandbox, make_place, run_daemon, stopped=1_000, running=300)


@pytest.mark.torture
def test_fifty_thousand_at_once_are_taken_once(start_sandbox, make_place, run_daemon):
    """The long form: 50,000 while it is stopped, then 10,000 while it runs (fault 18)."""
    _flood(start_sandbox, make_place, run_daemon, stopped=50_000, running=10_000)
