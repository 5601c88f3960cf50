"""Files handed over in place of links, by the whole program against each generation of the service."""

from __future__ import annotations

import pytest
import requests

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox import Fault
from offcloud_watchd.sandbox.torrents import TRACKER
from tests.e2e.process import wait_until
from tests.e2e.releases import assert_all_home
from tests.fakes.ports import held_port

ANNOUNCE = f"8:announce{len(TRACKER)}:{TRACKER}".encode()
GENERATIONS = ["classic", "current", "both"]


def _auth(generation: str) -> str:
    return "query" if generation == "classic" else "bearer"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_torrent_is_handed_over_once_through_a_lost_answer_and_a_crash(
    start_sandbox, make_place, run_daemon, generation
):
    """The one that names no tracker; the other goes as its magnet, as both do where no files are taken."""
    sandbox = start_sandbox(generation=generation)
    place = make_place(
        sandbox.url, auth=_auth(generation), torrent_upload="auto", settle="100ms", history_lag="1s"
    )
    bare = sandbox.torrent("Bare.Show")
    assert ANNOUNCE in bare
    sandbox.faults.add(Fault("reset", "cloud", effect=True))
    daemon = run_daemon(place)
    (place.drop / "Bare.torrent").write_bytes(bare.replace(ANNOUNCE, b""))
    wait_until(lambda: "not now:" in daemon.log, within_s=20, why=lambda: daemon.log)
    daemon.kill()
    daemon.start()
    (place.drop / "Show.torrent").write_bytes(sandbox.torrent("A.Show"))
    wait_until(lambda: place.all_in(JobState.DONE, count=2), within_s=60, why=lambda: daemon.log)
    assert_all_home(place, sandbox, place.jobs())
    if generation != "current":
        assert sandbox.books().calls["torrent/upload"] == 1
    else:
        assert "this service has no uploads; the torrent is sent as a magnet" in daemon.log
    assert daemon.stop() == 0


NZB = b"<nzb><file><segments><segment>a@b</segment></segments></file></nzb>"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_nzb_comes_home_where_it_is_taken(start_sandbox, make_place, run_daemon, generation):
    """One item through a lost answer and a crash; where it is not taken the job says so."""
    sandbox = start_sandbox(generation=generation)
    place = make_place(sandbox.url, auth=_auth(generation), settle="100ms", history_lag="1s")
    sandbox.faults.add(Fault("reset", "cloud", effect=True))
    daemon = run_daemon(place)
    (place.drop / "A Show.nzb").write_bytes(NZB)
    if generation == "current":
        wait_until(lambda: place.all_in(JobState.FAILED, count=1), within_s=20, why=lambda: daemon.log)
        (job,) = place.jobs().values()
        assert "takes no NZB files (Usenet): drop a torrent" in job.reason
        assert "cloud" not in sandbox.books().calls
        return
    wait_until(lambda: "not now:" in daemon.log, within_s=20, why=lambda: daemon.log)
    daemon.kill()
    daemon.start()
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=60, why=lambda: daemon.log)
    (job,) = place.jobs().values()
    assert job.publication is not None
    assert job.publication.path == str(place.output / "tv" / "A Show")
    (content,) = sandbox.books().contents.values()
    assert content.items_created == 1
    assert daemon.stop() == 0


@pytest.mark.parametrize("generation", ["classic", "current"])
def test_an_nzb_handed_in_as_to_sabnzbd(start_sandbox, make_place, run_daemon, generation):
    """Completed where the service takes it; else failed with the reason, and the *arr tool moves on."""
    sandbox = start_sandbox(generation=generation)
    with held_port() as held:
        port = held.getsockname()[1]
        web = f"{{listen: '127.0.0.1:{port}', sabnzbd: true, password_file: web-password}}"
        place = make_place(sandbox.url, auth=_auth(generation), settle="100ms", web=web)
        key = {"apikey": place.keep_web_password()}
        daemon = run_daemon(place)
        wait_until(lambda: "listening at" in daemon.log, within_s=20, why=lambda: daemon.log)
        url = f"http://127.0.0.1:{port}/sabnzbd/api"
        files = {"name": ("A Show.nzb", NZB, "application/x-nzb")}
        answer = requests.post(
            url, params={"mode": "addfile", "cat": "tv", **key}, files=files, timeout=20
        ).json()

        def ended() -> list[dict]:
            history = requests.get(
                url, params={"mode": "history", "category": "tv", **key}, timeout=20
            ).json()
            return history["history"]["slots"]

        wait_until(ended, within_s=60, why=lambda: daemon.log)
        [slot] = ended()
        assert [slot["nzo_id"]] == answer["nzo_ids"]
        if generation == "current":
            assert (slot["status"], slot["storage"]) == ("Failed", "")
            assert "takes no NZB files (Usenet)" in slot["fail_message"]
        else:
            release = place.output / "tv" / "A Show"
            assert (slot["status"], slot["storage"]) == ("Completed", str(release))
            assert sum(path.stat().st_size for path in release.iterdir()) == slot["bytes"]
        assert daemon.stop() == 0
