"""Folders for which it matters what is cached, by the whole program against each generation."""

from __future__ import annotations

import json
import threading

import pytest

from offcloud_watchd.app import SystemClock
from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import JobState
from offcloud_watchd.offcloud import Client, ClientSettings
from offcloud_watchd.sandbox import Fault
from tests.e2e.process import KEY, wait_until
from tests.e2e.releases import assert_all_home, assert_home

WEB = "https://host.example/files/one.bin"

generations = pytest.mark.parametrize("generation", ["classic", "current"])


def _magnet(info_hash: str) -> str:
    return f"magnet:?xt=urn:btih:{info_hash}&dn=R{info_hash[-2:]}"


@generations
def test_what_is_cached_jumps_the_queue(start_sandbox, make_place, run_daemon, generation):
    """It stands at the end of the list and is handed in before all others, after one question."""
    sandbox = start_sandbox(generation=generation, release_bytes=2_000)
    place = make_place(sandbox.url, settle="100ms", cached="first")
    usual = [f"{number:040x}" for number in range(1, 13)]
    cached = [f"cac4ed00{number:032x}" for number in range(3)]
    (place.drop / "list.txt").write_text("\n".join(map(_magnet, [*usual, *cached])))
    daemon = run_daemon(place)
    wait_until(lambda: place.all_in(JobState.DONE, count=15), within_s=30, why=lambda: daemon.log)
    assert_all_home(place, sandbox, place.jobs())
    in_order = list(sandbox.books().contents)  # as they were first handed in
    assert in_order[:3] == [f"btih:{info_hash}" for info_hash in cached]
    assert sandbox.books().calls["cache"] == 1
    assert daemon.stop() == 0


@generations
def test_what_is_not_cached_is_refused(start_sandbox, make_place, run_daemon, generation):
    """No item is made of it, the reason is shown, and a retry looks again."""
    sandbox = start_sandbox(generation=generation, release_bytes=2_000)
    sandbox.faults.add(Fault("answer", "cache", status=502, body="no", calls=4))  # who is not told waits
    place = make_place(sandbox.url, settle="100ms", cached="only")
    had, lacking = f"cac4ed00{7:032x}", f"{9:040x}"
    (place.drop / "list.txt").write_text("\n".join([_magnet(had), _magnet(lacking), WEB]))
    daemon = run_daemon(place)
    wait_until(
        lambda: place.all_in(JobState.DONE, JobState.FAILED, count=3), within_s=30, why=lambda: daemon.log
    )
    jobs = {job.link.key: job for job in place.jobs().values()}
    assert_home(jobs[f"btih:{had}"], sandbox)
    refused = jobs[f"btih:{lacking}"]
    assert "does not have it yet" in refused.reason
    assert "torrents" in jobs[f"url:{WEB}"].reason
    for key in (refused.link.key, f"url:{WEB}"):
        assert sandbox.books().of(key).items_created == 0
    assert "cached:    only" in place.command("show", refused.id).stdout
    assert json.loads(place.command("show", "--json", refused.id).stdout)["cached"] == "only"
    client = Client(ClientSettings(read_key=lambda: KEY, base_url=sandbox.url, auth="query"), SystemClock())
    client.submit(parse_link(_magnet(lacking)), threading.Event())  # somebody else has it fetched
    wait_until(lambda: client.cached([lacking], threading.Event()), within_s=20, why=lambda: daemon.log)
    client.close()
    assert place.command("retry", refused.id).returncode == 0
    wait_until(lambda: place.jobs()[refused.id].state is JobState.DONE, within_s=20, why=lambda: daemon.log)
    assert_home(place.jobs()[refused.id], sandbox)
    assert daemon.stop() == 0
