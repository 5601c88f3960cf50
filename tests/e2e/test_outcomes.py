"""The same content wanted again and for two categories, by the whole program."""

import json
import shutil
from pathlib import Path

from offcloud_watchd.core.model import JobState
from tests.e2e.process import wait_until
from tests.e2e.releases import assert_all_home

INFO_HASH = f"{2:040x}"


def test_what_is_wanted_again_is_submitted_and_transferred_once(start_sandbox, make_place, run_daemon):
    """Two categories cost one transfer; what is there is kept; what was taken away comes from the other."""
    sandbox = start_sandbox()
    place = make_place(sandbox.url)
    daemon = run_daemon(place)
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{INFO_HASH}&dn=[tree]")
    assert place.command("add", INFO_HASH, "--category", "film").returncode == 0
    wait_until(lambda: place.all_in(JobState.DONE, count=2), within_s=40, why=lambda: daemon.log)
    jobs = place.jobs()
    assert_all_home(place, sandbox, jobs)
    served = sandbox.books().bytes_served
    assert served == sum(size for _, size in sandbox.expected_files(f"btih:{INFO_HASH}"))
    first, second = sorted(jobs.values(), key=lambda job: job.published_at)
    assert first.publication is not None
    assert second.publication is not None
    assert second.publication.verified == f"linked from {first.id}: size"

    ended = place.command("add", "--wait", INFO_HASH, "--category", "film")
    assert ended.returncode == 0, ended.stderr
    assert "\nis there already: " in ended.stdout
    assert "dropped again; it is still there: " in daemon.log

    shutil.rmtree(first.publication.path)
    (place.drop / "Again.magnet").write_text(f"magnet:?xt=urn:btih:{INFO_HASH}")
    other = place.command("add", "--wait", INFO_HASH, "--category", first.destination.category)
    assert other.returncode == 0, other.stderr
    wait_until(lambda: "Again.magnet" in daemon.log, within_s=20, why=lambda: daemon.log)
    wait_until(lambda: place.all_in(JobState.DONE, count=2), within_s=40, why=lambda: daemon.log)
    jobs = place.jobs()
    assert_all_home(place, sandbox, jobs)
    assert sandbox.books().bytes_served == served, "the other category has it still"
    anew = jobs[first.id]
    assert anew.publication is not None
    assert (anew.round, anew.publication.verified) == (1, f"linked from {second.id}: size")
    assert Path(anew.publication.path).is_dir()
    told = json.loads(place.command("show", "--json", anew.id).stdout)
    assert {"dropped_again", "requeued"} <= {entry["event"] for entry in told["history"]}
    assert daemon.stop() == 0
