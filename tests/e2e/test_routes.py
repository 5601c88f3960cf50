"""The routes past the cloud, by the whole program against each generation of the service."""

from __future__ import annotations

import json

import pytest

from offcloud_watchd.core.model import JobState
from tests.e2e.process import Place, wait_until
from tests.e2e.releases import assert_home, assert_no_key

GENERATIONS = ["classic", "current"]
WEB = "https://host.example/files/one.bin"
OTHER = "https://host.example/files/two.bin"
CACHED = f"cac4ed00{7:032x}"
TORRENT = f"{9:040x}"


def _auth(generation: str) -> str:
    return "query" if generation == "classic" else "bearer"


def _assert_no_link(place: Place, file_url: str) -> None:
    """Search everything the program wrote for a link to a file: only what was dropped may be kept."""
    host = file_url.partition("://")[2].encode()
    for path in place.root.rglob("*"):
        if path.is_file():
            assert host not in path.read_bytes(), path


@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_is_given_at_once_is_fetched_at_once(start_sandbox, make_place, run_daemon, generation):
    """No poll, no item in the cloud, no link on the disk; a torrent only where it is cached."""
    sandbox = start_sandbox(generation=generation, release_bytes=400_000, file_rate_bytes_per_s=150_000)
    place = make_place(sandbox.url, route="instant", settle="100ms", auth=_auth(generation))
    daemon = run_daemon(place)
    (place.drop / "One.txt").write_text(f"{WEB}\n{OTHER}\n")
    (place.drop / "Had.magnet").write_text(f"magnet:?xt=urn:btih:{CACHED}&dn=Had")
    wait_until(
        lambda: place.all_in(JobState.FETCHING, JobState.FAILED, count=3),
        within_s=20,
        why=lambda: daemon.log,
    )
    daemon.kill()  # whoever starts again has lost the links, and has new ones given
    daemon.start()
    wait_until(
        lambda: place.all_in(JobState.DONE, JobState.FAILED, count=3), within_s=40, why=lambda: daemon.log
    )
    jobs = {job.link.key: job for job in place.jobs().values()}
    for key in (f"url:{WEB}", f"url:{OTHER}"):
        assert_home(jobs[key], sandbox)
    torrent = jobs[f"btih:{CACHED}"]
    if generation == "current":
        assert_home(torrent, sandbox)
        assert torrent.submission is not None
        assert torrent.submission.request_id == ""
    else:
        assert "route: cloud" in torrent.reason
    calls = sandbox.books().calls
    assert calls["instant"] >= 3
    assert not {"cloud", "cloud/status", "cloud/explore"} & set(calls)
    shown = place.command("show", torrent.id)
    assert "route:     instant" in shown.stdout
    told = json.loads(place.command("show", "--json", jobs[f"url:{WEB}"].id).stdout)
    assert "granted" in {entry["event"] for entry in told["history"]}
    assert daemon.stop() == 0
    _assert_no_link(place, sandbox.file_url)
    assert_no_key(place)
