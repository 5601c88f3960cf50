"""The routes past the cloud, by the whole program against each generation of the service."""

from __future__ import annotations

import json

import pytest
import requests

from offcloud_watchd.core.model import Job, JobState
from offcloud_watchd.sandbox import Fault
from offcloud_watchd.sandbox.transfers import PROXIES
from tests.e2e.process import KEY, Daemon, Place, wait_until
from tests.e2e.releases import assert_all_home, assert_home

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


def _refused_check(place: Place) -> str:
    """Have a place checked that cannot work; return what is said of it."""
    checked = place.command("check")
    assert checked.returncode == 1
    return checked.stdout


def _dropped_in_vain(place: Place, daemon: Daemon, name: str, text: str) -> Job:
    """Drop what the service cannot do, as the first thing; return the job that failed."""
    (place.drop / name).write_text(text)
    wait_until(lambda: place.all_in(JobState.FAILED, count=1), within_s=20, why=lambda: daemon.log)
    (failed,) = place.jobs().values()
    return failed


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


def test_what_is_given_at_once_goes_through_the_proxy_of_its_folder(start_sandbox, make_place, run_daemon):
    """Named by its region, also of who starts again; one that is not there fails its jobs and says so."""
    sandbox = start_sandbox(generation="classic", release_bytes=400_000, file_rate_bytes_per_s=150_000)
    place = make_place(sandbox.url, route="instant", proxy="EU", settle="100ms", auth="query")
    daemon = run_daemon(place)
    (place.drop / "One.txt").write_text(f"{WEB}\n")
    wait_until(lambda: place.all_in(JobState.FETCHING, count=1), within_s=20, why=lambda: daemon.log)
    daemon.kill()
    daemon.start()
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=40, why=lambda: daemon.log)
    (job,) = place.jobs().values()
    assert_home(job, sandbox)
    second = PROXIES[1]["id"]
    assert {(one.key, one.proxy_id) for one in sandbox.given()} == {(f"url:{WEB}", second)}
    wait_until(
        lambda: f"proxy EU: Second (Germany) ({second})" in daemon.log, within_s=20, why=lambda: daemon.log
    )
    assert "route:     instant, proxy EU" in _show(place, job.id)
    assert daemon.stop() == 0
    place.write_config(proxy="Mars")
    daemon.start()
    (place.drop / "Two.txt").write_text(f"{OTHER}\n")
    wait_until(
        lambda: place.all_in(JobState.DONE, JobState.FAILED, count=2), within_s=20, why=lambda: daemon.log
    )
    (failed,) = (job for job in place.jobs().values() if job.state is JobState.FAILED)
    assert "there is no proxy 'Mars'; there are: Main (US)" in failed.reason
    assert daemon.stop() == 0


def test_a_service_without_proxies_says_so(start_sandbox, make_place, run_daemon):
    """At the start, in a check and of each job."""
    sandbox = start_sandbox(generation="current")
    place = make_place(sandbox.url, route="instant", proxy="EU", settle="100ms")
    assert "this service has no proxies: leave `proxy` out; see folders[].proxy" in _refused_check(place)
    daemon = run_daemon(place)
    failed = _dropped_in_vain(place, daemon, "One.txt", f"{WEB}\n")
    assert "this service has no proxies: leave `proxy` out" in failed.reason
    wait_until(lambda: "proxy EU: POST " in daemon.log, within_s=20, why=lambda: daemon.log)
    assert daemon.stop() == 0


def _show(place: Place, job_id: str) -> str:
    shown = place.command("show", job_id)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_what_goes_to_a_remote_account_is_sent_once_and_fetched_never(start_sandbox, make_place, run_daemon):
    """Through a lost answer and a crash; on demand a failed one begins anew and a good one is sent again."""
    sandbox = start_sandbox(generation="classic", upload_s=0.5)
    target = "{account: googledrive, folder: folder-1}"
    settings = {"settle": "100ms", "poll": "{min: 200ms, max: 500ms}", "auth": "query"}
    place = make_place(sandbox.url, route="remote", remote=target, **settings)
    sandbox.faults.add(Fault("reset", "remote", effect=True))
    daemon = run_daemon(place)
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{TORRENT}&dn=Film")
    wait_until(lambda: "not now:" in daemon.log, within_s=20, why=lambda: daemon.log)
    daemon.kill()
    daemon.start()
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
    (job,) = place.jobs().values()
    (transfer,) = sandbox.transfers()
    assert (transfer.key, transfer.folder_id) == (f"btih:{TORRENT}", "folder-1")
    sent = "sent:      Film.made-up.mkv to remote account googledrive, folder folder-1"
    assert sent in _show(place, job.id)
    assert "remote account googledrive: googledrive sandbox@example.org" in daemon.log

    again = place.command("add", "--wait", f"magnet:?xt=urn:btih:{TORRENT}")
    assert "\nsent: " in again.stdout, again.stdout
    assert len(sandbox.transfers()) == 1
    assert "it was sent there already" in daemon.log
    assert place.command("retry", job.id).returncode == 0
    wait_until(lambda: len(sandbox.transfers()) == 2, within_s=20, why=lambda: daemon.log)
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)

    flaky = place.command("add", "--wait", f"magnet:?xt=urn:btih:{8:040x}&dn=F[flaky]")
    assert "failed: the service reports 'error'" in flaky.stderr
    failed = next(job for job in place.jobs().values() if job.state is JobState.FAILED)
    assert place.command("retry", failed.id).returncode == 0
    wait_until(lambda: place.all_in(JobState.DONE, count=2), within_s=30, why=lambda: daemon.log)
    assert sandbox.books().calls["remote/retry"] == 1
    assert len(sandbox.transfers()) == 3
    assert place.command("forget", "--files", failed.id).returncode == 0
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=20, why=lambda: daemon.log)
    assert "file" not in sandbox.books().calls
    assert not [path for path in place.output.rglob("*") if path.is_file()]
    assert daemon.stop() == 0


def test_a_service_without_remote_accounts_says_so(start_sandbox, make_place, run_daemon):
    """At the start, in a check and of each job; and the job goes another way when the settings do."""
    sandbox = start_sandbox(generation="current")
    place = make_place(sandbox.url, route="remote", remote="{account: googledrive}", settle="100ms")
    checked = _refused_check(place)
    assert "BAD remote account googledrive: " in checked
    assert "this service has no remote accounts" in checked
    daemon = run_daemon(place)
    failed = _dropped_in_vain(place, daemon, "Film.magnet", f"magnet:?xt=urn:btih:{TORRENT}&dn=Film")
    assert "this service has no remote accounts: use `route: cloud`" in failed.reason
    assert " remote account googledrive: POST " in daemon.log
    place.write_config(route="cloud", remote="null")
    assert daemon.stop() == 0
    daemon.start()
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{TORRENT}&dn=Film")
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
    (job,) = place.jobs().values()
    assert_home(job, sandbox)
    assert daemon.stop() == 0


@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_is_safe_here_is_removed_there(start_sandbox, make_place, run_daemon, generation):
    """When both categories have it, through an outage and a crash; what others put there stays."""
    sandbox = start_sandbox(generation=generation, release_bytes=400_000)
    settings = {"settle": "100ms", "poll": "{min: 200ms, max: 500ms}", "auth": _auth(generation)}
    place = make_place(sandbox.url, remove="published", **settings)
    foreign = f"magnet:?xt=urn:btih:{5:040x}"
    key = {"params": {"key": KEY}}
    assert requests.post(f"{sandbox.url}/api/cloud", json={"url": foreign}, timeout=10, **key).ok
    sandbox.faults.add(Fault("answer", "cloud/remove", status=503, body="{}", calls=1_000_000))
    daemon = run_daemon(place)
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{TORRENT}&dn=Film")
    assert place.command("add", TORRENT, "--category", "film").returncode == 0
    wait_until(lambda: place.all_in(JobState.DONE, count=2), within_s=30, why=lambda: daemon.log)
    wait_until(lambda: "cloud/remove" in sandbox.books().calls, within_s=20, why=lambda: daemon.log)
    daemon.kill()
    (job, *_) = place.jobs().values()
    assert sandbox.books().of(job.link.key).live_items == 1
    sandbox.faults.clear()
    daemon.start()
    wait_until(
        lambda: not any(job.to_clear for job in place.jobs().values()), within_s=40, why=lambda: daemon.log
    )
    assert_all_home(place, sandbox, place.jobs())
    assert sandbox.books().of(job.link.key).live_items == 0
    assert sandbox.books().of(f"btih:{5:040x}").live_items == 1
    assert "cleared" in _show(place, job.id)
    assert "removed from the account" in daemon.log
    assert daemon.stop() == 0
