"""What every engine promises of the bytes it moves, held by our own and by a real aria2c on loopback."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from offcloud_watchd.core.model import JobState, RemoteFile
from offcloud_watchd.errors import Cancelled, EngineDown, NoRoom, Permanent, Transient
from offcloud_watchd.fetch import DiskShelf
from offcloud_watchd.fetch.choice import Choice
from offcloud_watchd.fetch.engines.by_aria2 import Aria2Mover
from offcloud_watchd.fetch.engines.handed import gid_of
from offcloud_watchd.fetch.engines.settings import EngineChoice
from offcloud_watchd.fetch.listing import Listing
from tests.fakes.engines import Aria2Server, SystemTicks
from tests.fakes.file_host import FileHost, Play
from tests.fakes.torrents import Content, torrent
from tests.faults.namespace import mount, with_own_mounts
from tests.unit.fetch.bench import KIB, Bench, blocked_lane, content
from tests.unit.fetch.test_proof import link_of

MIB = 1024 * KIB
A, B = content(700 * KIB, 1), content(300 * KIB + 7, 2)


@dataclass
class EngineBench(Bench):
    """A bench whose output directory belongs to an engine; ``sole``: it has every folder there is."""

    engine: str = ""
    aria2: Aria2Server | None = None
    sole: bool = False
    of_aria2: dict[str, object] = field(default_factory=dict)

    def shelf(self, **changes: object) -> DiskShelf:
        """Start anew, as after a restart."""
        others = {} if self.sole else {"/elsewhere": ""}
        choice = EngineChoice(exact={str(self.category): self.engine, **others})
        movers = {}
        if self.aria2 is not None:
            movers = {"aria2": Aria2Mover(self.aria2.client(self.clock, **self.of_aria2))}
        return DiskShelf(replace(self.settings(**changes), engines=choice), self.clock, movers)

    def wait_for_bytes(self, count: int) -> None:
        """Wait until so many bytes are on their way."""
        for _ in range(2000):
            if any((one.done_bytes or 0) >= count for one in self.progress):
                return
            threading.Event().wait(0.01)
        raise AssertionError("no progress")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aria2Server]:
    """Run one aria2c for the tests that do not end it."""
    running = Aria2Server(tmp_path_factory.mktemp("aria2")).start()
    yield running
    running.end()


@pytest.fixture(params=["local", "aria2"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, host: FileHost) -> EngineBench:
    """Set up a place to fetch in, for each engine."""
    aria2 = request.getfixturevalue("server") if request.param == "aria2" else None
    return EngineBench(
        tmp_path / "downloads", host, SystemTicks(), engine=request.param * bool(aria2), aria2=aria2
    )


@pytest.fixture
def own(tmp_path: Path, host: FileHost) -> Iterator[EngineBench]:
    """Set up a place with an aria2c of its own, which may be killed."""
    aria2 = Aria2Server(tmp_path / "aria2", session=True).start()
    yield EngineBench(tmp_path / "downloads", host, SystemTicks(), engine="aria2", aria2=aria2)
    aria2.end()


def test_a_release_comes_whole(bench: EngineBench) -> None:
    """Folders, names from outside, an empty file; and the rights that published files have."""
    files = bench.put(("Root/a/../é\n.bin", A), ("Root/b/c.mkv", B), ("Root/empty", b""))
    publication = bench.fetch(files, file_mode=0o640, dir_mode=0o750)
    assert (publication.files, publication.size_bytes) == (3, len(A) + len(B))
    assert publication.verified == "size"
    release = "Some.Release.2020"
    assert bench.visible() == {f"{release}/a/é.bin": A, f"{release}/b/c.mkv": B, f"{release}/empty": b""}
    assert (bench.category / release / "b" / "c.mkv").stat().st_mode & 0o7777 == 0o640
    assert bench.progress[-1].done_bytes == bench.progress[-1].total_bytes == len(A) + len(B)


def test_many_small_files(bench: EngineBench) -> None:
    """They do not wait for each other."""
    files = bench.put(*((f"Root/{number:03}", content(number + 1, number)) for number in range(60)))
    assert bench.fetch(files).files == 60


def resumed_at(host: FileHost) -> int:
    """Return where the last request began: aria2 asks for all, and hangs up, before it goes on."""
    return int(str(host.ranges()[-1]).removeprefix("bytes=").partition("-")[0])


def test_nothing_half_is_visible(bench: EngineBench, host: FileHost) -> None:
    """Until all is there and checked, the category is empty."""
    host.block_pause_s = 0.05
    ended = bench.in_background(bench.put(("Root/a", A), ("Root/b", B)))
    bench.wait_for_bytes(64 * KIB)
    assert bench.visible() == {}
    host.block_pause_s = 0.0
    assert ended().files == 2


def test_a_cut_is_resumed(bench: EngineBench, host: FileHost) -> None:
    """The file goes on from there."""
    files = bench.put(("Root/a", A))
    host.plan("f0", Play(cut_after=400 * KIB))
    assert bench.fetch(files).verified == "size"
    assert bench.visible() == {"Some.Release.2020/a": A}
    assert resumed_at(host) == 400 * KIB


@pytest.mark.parametrize("status", [401, 403, 404, 410, 502])
def test_a_dead_link_is_renewed(bench: EngineBench, host: FileHost, status: int) -> None:
    """A fresh one is asked for, and what is here of the file is kept."""
    dead = bench.put(("Root/a", A))
    live = [replace(dead[0], url=host.put("fresh", A))]
    host.plan("f0", Play(cut_after=400 * KIB))
    host.always["f0"] = Play(status=status, body=b"no")
    lists = iter([dead])
    assert bench.fetch(lambda: next(lists, live)).verified == "size"
    assert bench.visible() == {"Some.Release.2020/a": A}
    assert bench.listings >= 2
    assert resumed_at(host) == 400 * KIB


def test_links_that_stay_dead_end_the_call(bench: EngineBench, host: FileHost) -> None:
    """Nothing is visible; the reason names the file and the status, and no link."""
    files = bench.put(("Root/a", A))
    host.always["f0"] = Play(status=403, body=b"no")
    with pytest.raises(Transient) as raised:
        bench.fetch(files)
    assert "fetching a" in str(raised.value)
    assert "403" in str(raised.value)
    assert "f0" not in str(raised.value)
    assert bench.visible() == {}


def test_what_is_complete_is_kept(bench: EngineBench, host: FileHost) -> None:
    """Another file fails: this one does not come again, and what its pieces proved still counts."""
    made = torrent([Content("a", A), Content("b", B)], piece_bytes=64 * KIB)
    files = bench.put(("Root/a", A), ("Root/b", B))
    torrent_of = {"link": link_of(bench, made), "torrent_of": lambda _: made, "connections": 1}
    host.always["f1"] = Play(status=404, body=b"no")
    with pytest.raises(Transient, match="fetching b"):
        bench.fetch(files, **torrent_of)
    del host.always["f1"]
    asked = [one.path for one in host.asked].count("f0")
    assert bench.fetch(files, **torrent_of).verified == "pieces"
    assert [one.path for one in host.asked].count("f0") == asked


def test_what_came_before_the_torrent_was_known_is_held_against_its_size(
    bench: EngineBench, host: FileHost
) -> None:
    """More bytes than the torrent knows, of which all its pieces are right, are not the file."""
    files = bench.put(("Root/a", A + B), ("Root/b", B), told=False)
    host.always["f1"] = Play(status=404)
    with pytest.raises(Transient):
        bench.fetch(files, reconnects=0)
    host.put("f0", A)
    del host.always["f1"]
    made = torrent([Content("a", A), Content("b", B)])
    bench.fetch(files, link=link_of(bench, made), torrent_of=lambda _: made)
    assert bench.visible() == {"Some.Release.2020/a": A, "Some.Release.2020/b": B}


@pytest.mark.parametrize("told", [len(A) - 1, len(A) + 1])
def test_another_size_than_was_told_is_not_published(bench: EngineBench, told: int) -> None:
    """A fresh link is asked for, and then it is waited."""
    files = [replace(bench.put(("Root/a", A))[0], size_bytes=told)]
    with pytest.raises(Transient) as raised:
        bench.fetch(files)
    assert str(len(A)) in str(raised.value)
    assert bench.visible() == {}


def test_nothing_in_place_of_the_file_is_not_published(bench: EngineBench) -> None:
    """An empty answer is no file that should have some bytes."""
    files = [replace(bench.put(("Root/a", b""))[0], size_bytes=len(A))]
    with pytest.raises(Transient):
        bench.fetch(files)
    assert bench.visible() == {}


def test_a_size_of_nothing_is_no_size(bench: EngineBench) -> None:
    """It is what a service says that does not know."""
    files = [replace(bench.put(("Root/a", A))[0], size_bytes=0)]
    assert bench.fetch(files).size_bytes == len(A)


def test_a_page_in_place_of_the_file_is_not_published(bench: EngineBench, host: FileHost) -> None:
    """Also where nobody told the size."""
    files = bench.put(("Root/a.mkv", A), told=False)
    page = Play(body=b"<!DOCTYPE html><title>Gone</title>", headers={"Content-Type": "text/html"})
    host.plan("f0", *[page] * 40)
    with pytest.raises(Transient):
        bench.fetch(files)
    assert bench.visible() == {}


def test_a_link_that_is_none_is_given_to_nobody(bench: EngineBench) -> None:
    """Neither another scheme, nor plain http where that is not allowed."""
    for url in ("ftp://127.0.0.1/a", "magnet:?xt=urn:btih:" + "a" * 40, "file:///etc/passwd"):
        with pytest.raises(Transient):
            bench.fetch([RemoteFile("Root/a", url, 10)])
    with pytest.raises(Transient, match="not https"):
        bench.fetch(bench.put(("Root/a", A)), allow_http=False)


def test_a_torrent_that_comes_as_a_file_is_a_file(bench: EngineBench) -> None:
    """It is not looked into, and nothing of it is fetched."""
    made = torrent([Content("x", B)])
    files = bench.put(("Root/list.torrent", made), ("Root/list.meta4", b"<metalink/>"))
    assert bench.fetch(files).files == 2
    assert bench.visible()["Some.Release.2020/list.torrent"] == made


def test_pieces_prove_and_what_is_bad_comes_again(bench: EngineBench, host: FileHost) -> None:
    """One damaged answer costs another fetch; the release is good."""
    made = torrent([Content("a", A), Content("b", B)])
    files = bench.put(("Root/a", A), ("Root/b", B))
    host.plan("f0", Play(body=A[:1000] + b"!" + A[1001:]))
    publication = bench.fetch(files, link=link_of(bench, made), torrent_of=lambda _: made)
    assert publication.verified == "pieces"
    assert bench.visible() == {"Some.Release.2020/a": A, "Some.Release.2020/b": B}


def test_pieces_that_stay_bad_fail(bench: EngineBench, host: FileHost) -> None:
    """By their number and their file; nothing is published."""
    made = torrent([Content("a", A), Content("b", B)])
    files = bench.put(("Root/a", A[:1000] + b"!" + A[1001:]), ("Root/b", B))
    with pytest.raises(Permanent, match="piece 0 of a"):
        bench.fetch(files, link=link_of(bench, made), torrent_of=lambda _: made, refetches=1)
    assert bench.visible() == {}


def test_a_restart_of_the_daemon_goes_on(bench: EngineBench, host: FileHost) -> None:
    """What is here, or came meanwhile, does not come again."""
    files = bench.put(("Root/a", content(3 * MIB)), ("Root/b", B))
    host.block_pause_s = 0.05
    ended = bench.in_background(files, connections=1)
    bench.wait_for_bytes(512 * KIB)
    bench.break_off(ended)
    assert bench.visible() == {}
    host.block_pause_s = 0.0
    assert bench.fetch(files).verified == "size"
    assert host.bytes_served < 4 * MIB
    assert bench.visible()["Some.Release.2020/a"] == content(3 * MIB)


def test_what_is_cancelled_is_gone(bench: EngineBench, host: FileHost) -> None:
    """Its staging with it; and nobody goes on fetching."""
    host.block_pause_s = 0.05
    ended = bench.in_background(bench.put(("Root/a", content(3 * MIB))), connections=1)
    bench.wait_for_bytes(64 * KIB)
    bench.break_off(ended)
    bench.shelf().discard(bench.job(state=JobState.REMOVED), threading.Event())
    assert not any(bench.staging.iterdir())
    if bench.aria2 is not None:
        assert not of_ours(bench)
    bench.shelf().discard(bench.job(state=JobState.REMOVED), threading.Event())


def of_ours(bench: EngineBench) -> list[str]:
    """Return what aria2 knows of downloads of this place."""
    assert bench.aria2 is not None
    downloads = bench.aria2.client(bench.clock).all()
    return [one.status for one in downloads if one.directory.startswith(str(bench.root))]


def wait_until_complete(bench: EngineBench) -> None:
    """Wait until aria2 has brought the one file that it was given."""
    for _ in range(500):
        if of_ours(bench) == ["complete"]:
            return
        threading.Event().wait(0.02)
    raise AssertionError(of_ours(bench))


def test_a_link_to_a_release_of_an_engine(bench: EngineBench) -> None:
    """A second category is given the same files, whoever moved them."""
    first = bench.fetch(bench.put(("Root/a", A)))
    donor = bench.job(state=JobState.DONE, publication=first, published_at=2e9)
    linked = bench.shelf().link(bench.job(id="other"), [donor], bench.stop)
    assert linked is not None
    assert linked.verified == "linked from c0ffee: size"


def test_a_rate_limit_is_passed_on(bench: EngineBench) -> None:
    """It holds for all that is fetched, whoever fetches."""
    files = bench.put(("Root/a", A))
    ended = bench.in_background(files, rate_limit=lambda: 10_000.0)
    bench.wait_for_bytes(1)
    threading.Event().wait(0.5)  # without a limit it would be here by now
    bench.break_off(ended)
    assert (bench.progress[-1].done_bytes or 0) < len(A)


# --- What only happens to a program of its own -------------------------------------------------------------


def test_what_is_done_is_forgotten_there(own: EngineBench) -> None:
    """Neither the list of aria2 nor its session file keeps a link."""
    own.fetch(own.put(("Root/a", A), ("Root/b", B)))
    assert own.aria2 is not None
    assert of_ours(own) == []
    own.aria2.end(signal.SIGTERM)
    assert own.aria2.session_file.read_text() == ""
    assert "f0" not in own.aria2.log.read_text()


@pytest.mark.parametrize("session", [True, False])
def test_aria2_may_be_killed(own: EngineBench, host: FileHost, *, session: bool) -> None:
    """The job waits, and goes on from what is there, also where aria2 has forgotten it."""
    assert own.aria2 is not None
    own.aria2.session = session
    files = own.put(("Root/a", content(4 * MIB)))
    host.block_pause_s = 0.05
    ended = own.in_background(files, connections=1)
    own.wait_for_bytes(MIB)
    threading.Event().wait(1.5)  # so that aria2 has saved how far it is
    own.aria2.end(signal.SIGKILL)
    with pytest.raises(EngineDown):
        ended()
    with pytest.raises(EngineDown):
        own.fetch(files)
    host.block_pause_s = 0.0
    own.aria2.start()
    assert own.fetch(files).verified == "size"
    assert own.visible() == {"Some.Release.2020/a": content(4 * MIB)}
    assert resumed_at(host) >= MIB


def test_what_ended_while_nobody_looked_is_taken_over(own: EngineBench, host: FileHost) -> None:
    """The daemon was away; not one byte comes twice."""
    files = own.put(("Root/a", content(MIB)))
    host.block_pause_s = 0.02
    ended = own.in_background(files)
    own.wait_for_bytes(128 * KIB)
    own.break_off(ended)
    wait_until_complete(own)
    assert own.fetch(files).verified == "size"
    assert host.bytes_served == MIB


def test_while_it_is_away_nothing_is_asked_of_the_service(own: EngineBench) -> None:
    """The job alone waits; where every folder is its, the lane does."""
    assert own.aria2 is not None
    files = own.put(("Root/a", A))
    own.aria2.end()
    with pytest.raises(EngineDown, match=r"aria2 \(127.0.0.1\): gave no answer"):
        own.fetch(files)
    own.shelf().probe()
    own.sole = True
    for act in (lambda: own.fetch(files), own.shelf().probe):
        assert blocked_lane(act) == "fetch"
    assert own.listings == 0
    own.aria2.start()
    own.shelf().probe()
    assert own.fetch(files).files == 1


def test_a_removed_job_waits_for_who_may_still_write(own: EngineBench, host: FileHost) -> None:
    """Its staging is deleted only when aria2 has let go of it; clearing up after a failure does not wait."""
    assert own.aria2 is not None
    host.block_pause_s = 0.05
    ended = own.in_background(own.put(("Root/a", content(3 * MIB))))
    own.wait_for_bytes(64 * KIB)
    own.aria2.end()
    with pytest.raises(EngineDown):
        ended()
    removed = own.job(state=JobState.REMOVED)
    with pytest.raises(Transient):
        own.shelf().discard(removed, own.stop)
    assert any(own.staging.iterdir())
    own.shelf().tidy(own.job())
    own.aria2.start()
    own.shelf().discard(removed, own.stop)
    assert not any(own.staging.iterdir())
    assert of_ours(own) == []


def test_what_nobody_owns_is_called_back_at_the_start(own: EngineBench, host: FileHost) -> None:
    """A job that went while aria2 was away; what is another program's stays."""
    assert own.aria2 is not None
    host.block_pause_s = 0.05
    files = own.put(("Root/a", content(3 * MIB)))
    ended = own.in_background(files)
    own.wait_for_bytes(64 * KIB)
    own.break_off(ended)
    client = own.aria2.client(own.clock)
    client.add("00000000000000aa", files[0].url, {"dir": str(own.aria2.root)})
    shelf = own.shelf()
    shelf.recall({"c0ffee": own.job()}, own.stop)
    assert len(of_ours(own)) == 1
    shelf.recall({}, own.stop)
    assert of_ours(own) == []
    assert client.find("00000000000000aa") is not None


def test_its_disk_takes_nothing(own: EngineBench, host: FileHost) -> None:
    """The job waits, nothing is charged; with room again it goes on."""
    assert own.aria2 is not None
    own.aria2.end()
    own.aria2.largest_file_bytes = 256 * KIB
    own.aria2.start()
    files = own.put(("Root/a", A))
    with pytest.raises(EngineDown, match="could not read or write a file"):
        own.fetch(files)
    assert own.visible() == {}
    own.aria2.end()
    own.aria2.largest_file_bytes = None
    own.aria2.start()
    assert own.fetch(files).verified == "size"
    assert own.visible() == {"Some.Release.2020/a": A}


def test_a_limit_may_change_meanwhile(own: EngineBench, host: FileHost) -> None:
    """What is under way is told so."""
    limits = iter([10_000.0] * 20)
    ended = own.in_background(own.put(("Root/a", A)), rate_limit=lambda: next(limits, None))
    assert ended().verified == "size"


def test_what_was_taken_over_is_not_fetched_again(own: EngineBench, host: FileHost) -> None:
    """We died when a file was in its place and not yet noted; aria2 still tells that it finished it."""
    files = own.put(("Root/d/a", A))
    (round_dir, work) = (own.staging / "c0ffee-0", own.staging / "c0ffee-0" / "engine")
    assert own.aria2 is not None
    client, source = own.aria2.client(own.clock), named(files)
    client.add(gid_of(str(round_dir), source), files[0].url, {"dir": str(work), "out": source})
    wait_until_complete(own)
    (round_dir / "release" / "d").mkdir(parents=True)
    (work / source).rename(round_dir / "release" / "d" / "a")
    assert own.fetch(files).verified == "size"
    assert len(host.asked) == 1
    assert own.visible() == {"Some.Release.2020/d/a": A}


def test_a_link_in_place_of_a_file_is_not_followed(own: EngineBench, tmp_path: Path) -> None:
    """Whoever may write there could have us publish what they may not read."""
    files = own.put(("Root/a", A))
    work, source = own.staging / "c0ffee-0" / "engine", named(files)
    assert own.aria2 is not None
    client = own.aria2.client(own.clock)
    client.add(gid_of(str(work.parent), source), files[0].url, {"dir": str(work), "out": source})
    wait_until_complete(own)
    (work / source).unlink()
    (work / source).symlink_to("/etc/passwd")
    with pytest.raises(EngineDown, match="is another user's"):
        own.fetch(files)


@with_own_mounts
def test_what_turns_out_too_large_is_called_off(tmp_path: Path, host: FileHost) -> None:
    """aria2 would go on to the end of the disk."""
    aria2 = Aria2Server(tmp_path / "aria2")
    bench = EngineBench(tmp_path / "downloads", host, SystemTicks(), engine="aria2", aria2=aria2)
    mount("none", bench.root, "tmpfs", "size=4m")
    host.block_pause_s = 0.05
    try:
        aria2.start()
        with pytest.raises(NoRoom):
            bench.fetch(bench.put(("Root/a", content(3 * MIB)), told=False), min_free_bytes=2 * MIB)
        assert of_ours(bench) == []
    finally:
        aria2.end()


@with_own_mounts
def test_its_disk_is_full(tmp_path: Path, host: FileHost) -> None:
    """Nobody told the size, so nobody could say before; what is here is kept, and goes on with room again."""
    root = tmp_path / "downloads"
    aria2 = Aria2Server(tmp_path / "aria2")
    bench = EngineBench(root, host, SystemTicks(), engine="aria2", aria2=aria2)
    mount("none", root, "tmpfs", "size=4m")
    ballast = root / "ballast"
    ballast.write_bytes(bytes(3 * MIB + 700 * KIB))
    files = bench.put(("Root/a", A), told=False)
    try:
        aria2.start()
        with pytest.raises((EngineDown, NoRoom)) as raised:
            bench.fetch(files)
        assert "its disk is full" in str(raised.value) or isinstance(raised.value, NoRoom)
        assert bench.visible() == {}
        ballast.unlink()
        assert bench.fetch(files).size_bytes == len(A)
    finally:
        aria2.end()


def test_paths_that_are_not_ours_are_said(own: EngineBench, tmp_path: Path) -> None:
    """What it wrote elsewhere is not found, and the reason names the setting; mended, it goes on."""
    own.of_aria2 = {"paths": ((str(own.root), str(tmp_path / "nowhere")),)}
    files = own.put(("Root/a", A))
    with pytest.raises(EngineDown, match=r"engines\.aria2\.paths"):
        own.fetch(files)
    (tmp_path / "seen").symlink_to(own.root)
    own.of_aria2 = {"paths": ((str(own.root), str(tmp_path / "seen") + "/"),)}
    assert own.fetch(files).verified == "size"


def test_a_refused_secret_is_said(own: EngineBench) -> None:
    """With where to put the right one, and without what was tried."""
    assert own.aria2 is not None
    own.aria2.secret = "another-secret-0123456789"
    with pytest.raises(EngineDown, match="the secret was refused: put its rpc-secret into /secret") as raised:
        own.fetch(own.put(("Root/a", A)))
    assert "another" not in str(raised.value)


def test_a_file_without_a_control_file_is_not_believed(own: EngineBench) -> None:
    """Room that was reserved for a file, or holes in it, look like the file itself."""
    files = own.put(("Root/a", A))
    own.stop.set()
    with pytest.raises(Cancelled):
        own.fetch(files)
    own.stop.clear()
    (work,) = own.staging.glob("*/engine")
    assert own.aria2 is not None
    own.shelf().recall({}, own.stop)
    for path in work.iterdir():
        path.unlink()
    (work / named(files)).write_bytes(bytes(len(A)))
    assert own.fetch(files).verified == "size"
    assert own.visible() == {"Some.Release.2020/a": A}


def named(files: Sequence[RemoteFile]) -> str:
    """Return what a file is called where aria2 writes it."""
    return Listing(lambda: files, Choice()).items[0].source
