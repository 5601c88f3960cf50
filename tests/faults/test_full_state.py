"""The real process while the disk of its state is full: what is under way ends, nothing new begins."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from offcloud_watchd.core.model import JobState
from tests.e2e.process import wait_until
from tests.e2e.releases import assert_all_home
from tests.faults.namespace import mount, with_own_mounts

SIZE = "size=28m"  # the ballast is laid beside 16 MiB
MANY = 20  # records for some pages: the last one of the file still takes a few
TOLD = "what is under way is still recorded, nothing new is begun"


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC, os.strerror(error.errno or 0)


@with_own_mounts
def test_a_full_disk_is_waited_for(start_sandbox, make_place, run_daemon):
    """What is answered is recorded in the ballast; a new drop stays where it is until there is room."""
    sandbox = start_sandbox(queued_s=0.5, download_s=3.0, release_bytes=10_000)
    place = make_place(sandbox.url, settle="100ms", rescan="500ms", poll="{min: 200ms, max: 500ms}")
    place.state.mkdir()
    mount("tmpfs", place.state, "tmpfs", SIZE)
    daemon = run_daemon(place)
    links = [f"magnet:?xt=urn:btih:{number:040x}&dn=N{number}" for number in range(1, MANY + 1)]
    (place.drop / "many.txt").write_text("\n".join(links))
    wait_until(lambda: place.all_in(JobState.CLOUD, count=MANY), within_s=30, why=lambda: daemon.log)
    filler = place.state / "filler"
    fill(filler)
    wait_until(lambda: TOLD in daemon.log, within_s=30, why=lambda: daemon.log)
    late = place.drop / "late.magnet"
    late.write_text(f"magnet:?xt=urn:btih:{MANY + 1:040x}&dn=Late")
    assert place.command("journal", "verify").returncode == 0, "the answers that came are recorded"
    assert not (place.state / "journal.ballast").exists()
    assert not place.all_in(JobState.DONE, count=MANY), "what they owe is not begun"
    assert daemon.alive()
    assert late.exists()
    filler.unlink()
    wait_until(lambda: place.all_in(JobState.DONE, count=MANY + 1), within_s=60, why=lambda: daemon.log)
    assert "there is room for the journal again" in daemon.log
    assert daemon.log.count(TOLD) == 1
    assert (place.state / "journal.ballast").exists()
    assert daemon.stop() == 0
    assert_all_home(place, sandbox, place.jobs())
