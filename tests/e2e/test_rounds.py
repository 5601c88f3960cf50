"""Many jobs in the cloud at once, and one that the account loses, by the whole program."""

import threading
import time

import pytest

from offcloud_watchd.app import SystemClock
from offcloud_watchd.core.model import JobState
from offcloud_watchd.offcloud import Client, ClientSettings
from tests.e2e.process import KEY, wait_until
from tests.e2e.releases import assert_all_home, assert_home

JOBS = 24
EACH_ROUND = 6
"""Calls, at the most: five, and one that finds out whether the service answers for several."""

generations = pytest.mark.parametrize("generation", ["classic", "current"])


@generations
def test_many_jobs_are_asked_about_together(start_sandbox, make_place, run_daemon, generation):
    """All come home, and the calls follow the time and not the number of jobs."""
    sandbox = start_sandbox(generation=generation, queued_s=3.0, download_s=3.0, release_bytes=2_000)
    place = make_place(sandbox.url, settle="100ms")
    (place.drop / "list.txt").write_text(
        "\n".join(f"magnet:?xt=urn:btih:{number:040x}&dn=R{number}" for number in range(1, JOBS + 1))
    )
    began = time.monotonic()
    daemon = run_daemon(place)
    wait_until(lambda: place.all_in(JobState.DONE, count=JOBS), within_s=60, why=lambda: daemon.log)
    rounds = time.monotonic() - began + 2  # the poll's least interval is a second
    assert_all_home(place, sandbox, place.jobs())
    calls = sandbox.books().calls
    assert calls["cloud/history"] if generation == "current" else calls["cloud/status"]
    assert calls.get("cloud/status", 0) + calls.get("cloud/history", 0) <= EACH_ROUND * rounds
    assert daemon.stop() == 0


@generations
def test_a_request_that_vanishes_is_submitted_once_more(start_sandbox, make_place, run_daemon, generation):
    """Somebody deletes it in the account while it is on its way: the release comes home all the same."""
    sandbox = start_sandbox(generation=generation, queued_s=6.0)
    place = make_place(sandbox.url, settle="100ms")
    (place.drop / "One.magnet").write_text(f"magnet:?xt=urn:btih:{1:040x}")
    daemon = run_daemon(place)
    wait_until(lambda: place.all_in(JobState.CLOUD, count=1), within_s=20, why=lambda: daemon.log)
    [job] = place.jobs().values()
    client = Client(ClientSettings(read_key=lambda: KEY, base_url=sandbox.url, auth="query"), SystemClock())
    client.remove(job.submission, threading.Event())
    client.close()
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=60, why=lambda: daemon.log)
    [job] = place.jobs().values()
    assert_home(job, sandbox)
    assert job.vanished
    assert sandbox.books().of(job.link.key).items_created == 2
    assert "looking for it, then submitting it once more" in daemon.log
    assert daemon.stop() == 0
