"""The pieces of a dropped torrent, held against what really comes, by the whole program."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from offcloud_watchd.core.links import parse_torrent
from offcloud_watchd.core.model import Job, JobState
from offcloud_watchd.sandbox import Fault, Sandbox
from tests.e2e.process import Daemon, Place, wait_until
from tests.e2e.releases import assert_all_home

FOR_EVER = 1_000_000
SIZE = 3_000_000
PIECE = 16 * 1024


@contextmanager
def observed(output: Path) -> Iterator[set[frozenset[tuple[str, int]]]]:
    """List the output every 5 ms; give every way in which the releases in it have ever looked."""
    seen: set[frozenset[tuple[str, int]]] = set()
    over = threading.Event()

    def observe() -> None:
        while not over.wait(0.005):
            for release in output.glob("tv/*"):
                listed = (path for path in release.rglob("*") if path.is_file())
                seen.add(frozenset((str(path.relative_to(output)), path.stat().st_size) for path in listed))

    thread = threading.Thread(target=observe)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def ended(place: Place, daemon: Daemon, state: JobState) -> Job:
    """Wait until the one job has ended."""
    wait_until(
        lambda: place.all_in(JobState.DONE, JobState.FAILED, count=1), within_s=60, why=lambda: daemon.log
    )
    (job,) = place.jobs().values()
    assert job.state is state, job.reason
    return job


@pytest.mark.parametrize(
    ("generation", "hybrid", "shape", "said"),
    [
        ("classic", False, "", "; not in their folders: English.srt, Français.srt, sample.mkv"),
        ("classic", True, "[single]", ""),
        (
            *("classic", False, "[tree]"),
            "; not in their folders: English.srt, English (2).srt, Episode 1.mkv and 4 more",
        ),
        (
            *("classic", True, "[odd]"),
            "; renamed: blank and #number [tag] 100A why?.mkv; not in their folders: same.txt, same (2).txt",
        ),
        ("current", False, "[tree]", ""),
        ("current", True, "[odd]", ""),
        ("both", True, "", ""),
    ],
)
def test_a_dropped_torrent_is_verified_by_its_pieces(
    start_sandbox, make_place, run_daemon, generation, hybrid, shape, said
):
    """Of either version, however its files are called; the classic service tells no folders."""
    sandbox = start_sandbox(generation=generation)
    place = make_place(sandbox.url, auth="query" if generation == "classic" else "bearer")
    daemon = run_daemon(place)
    (place.drop / "Show.torrent").write_bytes(sandbox.torrent(f"A.Show{shape}", hybrid=hybrid))
    job = ended(place, daemon, JobState.DONE)
    assert job.publication is not None
    assert job.publication.verified == f"pieces{said}"
    assert_all_home(place, sandbox, {job.id: job})
    assert f", pieces{said})" in place.command("show", job.id).stdout
    shown = json.loads(place.command("show", "--json", job.id).stdout)
    assert (shown["verified"], shown["checks"]) == (f"pieces{said}", [])


@pytest.mark.parametrize(("kind", "hybrid"), [("flip", False), ("garble", True), ("swap", False)])
def test_what_is_damaged_on_its_way_is_repaired(start_sandbox, make_place, run_daemon, kind, hybrid):
    """A wrong byte, a wrong file, another file: the pieces tell, and only those that are bad come again."""
    sandbox = start_sandbox(release_bytes=SIZE, release_files=5)
    place = make_place(sandbox.url)
    torrent = sandbox.torrent("A.Show", hybrid=hybrid)
    sandbox.faults.add(Fault(kind, "file", name="A.Show.nfo"))
    daemon = run_daemon(place)
    with observed(place.output) as seen:
        (place.drop / "Show.torrent").write_bytes(torrent)
        job = ended(place, daemon, JobState.DONE)
    assert job.publication is not None
    assert job.publication.verified == "pieces"
    assert_all_home(place, sandbox, {job.id: job})
    assert "not what the torrent says: piece " in daemon.log
    assert "of A.Show.nfo" in daemon.log
    sizes = dict(sandbox.expected_files(job.link.key))
    damaged = PIECE if kind == "flip" else sizes["A.Show/A.Show.nfo"]
    assert sandbox.books().bytes_served <= SIZE + damaged + 2 * PIECE
    assert not sandbox.faults.pending()
    assert len(seen) == 1
    assert sum(size for _, size in next(iter(seen))) == SIZE


@pytest.mark.parametrize("kind", ["flip", "garble", "swap"])
def test_what_stays_damaged_fails_with_its_pieces(start_sandbox, make_place, run_daemon, kind):
    """Nothing of it is published, its pieces are named, and a retry brings it once the service is right."""
    sandbox = start_sandbox(release_bytes=SIZE, release_files=5)
    place = make_place(sandbox.url)
    torrent = sandbox.torrent("A.Show")
    sandbox.faults.add(Fault(kind, "file", name="A.Show.nfo", calls=FOR_EVER))
    daemon = run_daemon(place)
    with observed(place.output) as seen:
        (place.drop / "Show.torrent").write_bytes(torrent)
        failed = ended(place, daemon, JobState.FAILED)
    assert not seen
    assert "piece " in failed.reason
    assert " of A.Show.nfo" in failed.reason
    assert failed.reason in place.command("show", failed.id).stdout
    assert json.loads(place.command("show", "--json", failed.id).stdout)["reason"] == failed.reason
    sandbox.faults.clear()
    before_bytes = sandbox.books().bytes_served
    assert place.command("retry", failed.id).returncode == 0
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=40, why=lambda: daemon.log)
    assert_all_home(place, sandbox, place.jobs())
    bad_bytes = (
        PIECE if kind == "flip" else dict(sandbox.expected_files(failed.link.key))["A.Show/A.Show.nfo"]
    )
    assert sandbox.books().bytes_served - before_bytes <= bad_bytes + 2 * PIECE


def test_the_torrent_is_found_after_a_magnet_of_the_same(start_sandbox, make_place, run_daemon):
    """A magnet came first and a torrent joined it: its pieces are known all the same, after a kill too."""
    sandbox = start_sandbox(release_bytes=SIZE, download_s=4.0)
    place = make_place(sandbox.url)
    torrent = sandbox.torrent("A.Show")
    daemon = run_daemon(place)
    (place.drop / "First.magnet").write_text(f"magnet:?xt=urn:btih:{parse_torrent(torrent).info_hash_v1}")
    wait_until(lambda: place.all_in(JobState.CLOUD, count=1), within_s=30, why=lambda: daemon.log)
    (place.drop / "Second.torrent").write_bytes(torrent)
    wait_until(
        lambda: any(len(one.drops) == 2 for one in place.jobs().values()), within_s=20, why=lambda: daemon.log
    )
    daemon.kill()
    daemon.start()
    job = ended(place, daemon, JobState.DONE)
    assert job.publication is not None
    assert job.publication.verified == "pieces"


def test_somebody_elses_torrent_brings_what_is_made_up(start_sandbox, make_place, run_daemon):
    """The sandbox has not its bytes: strange files are published, and it is said so."""
    sandbox = start_sandbox()
    other = Sandbox()
    place = make_place(sandbox.url)
    daemon = run_daemon(place)
    (place.drop / "Show.torrent").write_bytes(other.torrent("A.Show[tree]"))
    job = ended(place, daemon, JobState.DONE)
    assert job.publication is not None
    assert job.publication.verified.startswith("size; missing: Season 1/Episode 1.mkv, ")
    assert "; not in the torrent: " in job.publication.verified
    assert all(".made-up." in path.name for path in Path(job.publication.path).rglob("*") if path.is_file())
    assert_all_home(place, sandbox, {job.id: job})
