"""A job that is cancelled or forgotten while its submission is in the air."""

from __future__ import annotations

import pytest

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox import Fault
from tests.e2e.process import wait_until
from tests.e2e.releases import assert_home

TORRENT = f"{9:040x}"


@pytest.mark.parametrize("generation", ["classic", "current"])
def test_what_is_cancelled_in_the_air_ends_in_the_books(start_sandbox, make_place, run_daemon, generation):
    """Its answer never comes: it is found, stays in the account as ours, and `retry` brings it home."""
    sandbox = start_sandbox(generation=generation)
    auth = "query" if generation == "classic" else "bearer"
    place = make_place(sandbox.url, settle="100ms", auth=auth)
    sandbox.faults.add(Fault("hang", "cloud", effect=True, seconds=3.0))
    daemon = run_daemon(place)
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{TORRENT}&dn=Film")
    key = f"btih:{TORRENT}"
    wait_until(lambda: sandbox.books().of(key).posts == 1, within_s=20, why=lambda: daemon.log)
    assert place.command("cancel", TORRENT).returncode == 0
    wait_until(lambda: place.all_in(JobState.FAILED, count=1), within_s=20, why=lambda: daemon.log)
    wait_until(
        lambda: all(job.submission for job in place.jobs().values()), within_s=30, why=lambda: daemon.log
    )
    wait_until(lambda: "it stays in the account" in daemon.log, within_s=20, why=lambda: daemon.log)
    assert "\nrequest:   " in place.command("show", TORRENT).stdout
    assert sandbox.books().of(key).live_items == 1
    assert place.command("retry", TORRENT).returncode == 0
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
    (job,) = place.jobs().values()
    assert_home(job, sandbox)
    assert sandbox.books().of(key).posts == 1
    assert daemon.stop() == 0


def test_what_is_forgotten_in_the_air_is_remembered_where_it_was_sent(start_sandbox, make_place, run_daemon):
    """Nobody sees the job any more; what is dropped anew is a transfer of its own."""
    sandbox = start_sandbox(generation="classic", upload_s=0.5)
    place = make_place(sandbox.url, route="remote", remote="{account: ftp}", settle="100ms", auth="query")
    sandbox.faults.add(Fault("hang", "remote", effect=True, seconds=3.0))
    daemon = run_daemon(place)
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{TORRENT}&dn=Film")
    wait_until(lambda: len(sandbox.transfers()) == 1, within_s=20, why=lambda: daemon.log)
    assert place.command("forget", TORRENT).returncode == 0
    wait_until(lambda: "it stays in the account" in daemon.log, within_s=30, why=lambda: daemon.log)
    wait_until(lambda: not place.jobs(), within_s=20, why=lambda: daemon.log)
    daemon.kill()
    daemon.start()
    sandbox.faults.add(Fault("reset", "remote"))
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{TORRENT}&dn=Film")
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
    assert len(sandbox.transfers()) == 2
    assert daemon.stop() == 0
