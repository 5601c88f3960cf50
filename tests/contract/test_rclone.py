"""The promises of an engine whose bytes lie on a remote: a real rclone, over a disk and over WebDAV."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from offcloud_watchd.core.links.torrent import parse_torrent
from offcloud_watchd.core.model import JobState, Publication, RemoteFile
from offcloud_watchd.errors import EngineDown, NoRoom, Permanent, Transient
from offcloud_watchd.fetch import DiskShelf
from offcloud_watchd.fetch.engines.remote_shelf import RemoteShelf
from offcloud_watchd.fetch.engines.settings import EngineChoice
from offcloud_watchd.fetch.engines.shelves import Shelves
from offcloud_watchd.fetch.note import Note
from tests.fakes.engines import RcloneServer, SystemTicks
from tests.fakes.file_host import FileHost, Play
from tests.fakes.torrents import Content, torrent
from tests.faults.namespace import mount, with_own_mounts
from tests.unit.fetch.bench import KIB, Bench, blocked_lane, content, job_of

MIB = 1024 * KIB
A, B = content(700 * KIB, 1), content(300 * KIB + 7, 2)


@dataclass(kw_only=True)
class Remote(Bench):
    """A bench whose output directory stands for a place on a remote; ``sole``: it is all there is."""

    server: RcloneServer
    notes_dir: Path
    sole: bool = False

    @property
    def category(self) -> Path:
        """The output directory of the jobs: it is nowhere here."""
        return Path("/out/tv")

    def shelf(self, **changes: object) -> Shelves:
        """Start anew: nothing is remembered but what the remote and the notes hold."""
        others = {} if self.sole else {"/elsewhere": ""}
        choice = EngineChoice(exact={"/out/tv": "rclone", **others})
        settings = replace(self.settings(**changes), outputs=(), engines=choice)
        remote = RemoteShelf(settings, self.server.client(self.clock, self.notes_dir), self.clock)
        return Shelves(DiskShelf(settings, self.clock), remote, choice)

    def begun(self, files: Sequence[RemoteFile]) -> Callable[[], Publication]:
        """Begin to fetch, and wait for the first bytes; return what waits for its end."""
        ended = self.in_background(files)
        for _ in range(1000):
            if self.host.asked:
                break
            threading.Event().wait(0.01)
        return ended

    def visible(self) -> dict[str, bytes]:
        """Return every file of the category on the remote."""
        root = self.server.data / "tv"
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def staged(self) -> list[str]:
        """Return what staging holds on the remote."""
        root = self.server.data / ".offcloud-watchd"
        return [path.name for path in root.rglob("*") if path.is_file()]


def remote_on(server: RcloneServer, host: FileHost, root: Path) -> Remote:
    """Set up a place on a remote."""
    return Remote(root / "downloads", host, SystemTicks(), server=server, notes_dir=root / "notes")


@pytest.fixture(scope="module", params=["disk", "webdav"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RcloneServer]:
    """Run an rclone for the tests that do not kill it."""
    running = RcloneServer(tmp_path_factory.mktemp("rclone"), webdav=request.param == "webdav").start()
    yield running
    running.end()


@pytest.fixture
def remote(server: RcloneServer, host: FileHost, tmp_path: Path) -> Iterator[Remote]:
    """Set up a place on each kind of remote."""
    yield remote_on(server, host, tmp_path)
    for path in server.data.iterdir():
        shutil.rmtree(path)


@pytest.fixture
def own(tmp_path: Path, host: FileHost) -> Iterator[Remote]:
    """Set up a place with an rclone of its own, which may be killed."""
    running = RcloneServer(tmp_path / "rclone").start()
    yield remote_on(running, host, tmp_path)
    running.end()


RELEASE = "Some.Release.2020"


def test_a_release_comes_whole(remote: Remote) -> None:
    """It is recorded under the path by which it is found where the remote is mounted."""
    files = remote.put(("Root/a/../é.bin", A), ("Root/b/c.mkv", B), ("Root/empty", b""))
    publication = remote.fetch(files)
    assert publication.path == f"/out/tv/{RELEASE}"
    assert (publication.files, publication.size_bytes) == (3, len(A) + len(B))
    assert publication.verified == f"size; on {remote.server.remote}"
    assert remote.visible() == {f"{RELEASE}/a/é.bin": A, f"{RELEASE}/b/c.mkv": B, f"{RELEASE}/empty": b""}
    assert remote.shelf().holds(publication)
    assert not remote.shelf().vanished(publication)
    remote.shelf().tidy(remote.job())
    assert remote.staged() == []
    assert list(remote.notes_dir.glob("*.json")) == []
    remote.shelf().discard(remote.job(state=JobState.REMOVED, publication=publication), remote.stop)
    assert list(remote.notes_dir.iterdir()) == []


def test_one_round_publishes_once(remote: Remote) -> None:
    """Also when somebody took the release away: asked again, nothing is fetched; another round is another."""
    files = remote.put(("Root/a", A))
    first = remote.fetch(files)
    shutil.rmtree(remote.server.data / "tv" / RELEASE)
    assert remote.fetch(files) == first
    assert remote.listings == 1
    assert not remote.shelf().holds(first)
    assert remote.shelf().vanished(first)
    remote.fetch(files)
    assert remote.fetch(files, round=1).files == 1


def test_what_is_not_mounted_was_not_taken_away(remote: Remote) -> None:
    """Else a disk of rclone's that is away would count as an import of all that lies there."""
    publication = remote.fetch(remote.put(("Root/a", A)))
    category = remote.server.data / "tv"
    away = category.rename(category.with_name("away"))
    assert not remote.shelf().vanished(publication)
    assert blocked_lane(lambda: remote.shelf().holds(publication)) == "disk"
    shutil.rmtree(away / RELEASE)
    away.rename(category)
    assert remote.shelf().vanished(publication)
    assert not remote.shelf().holds(publication)


def test_a_name_that_is_taken_is_not_touched(remote: Remote) -> None:
    """Whatever has it."""
    taken = remote.server.data / "tv" / RELEASE
    taken.mkdir(parents=True)
    (taken / "a").write_bytes(b"theirs")
    publication = remote.fetch(remote.put(("Root/a", A)))
    assert publication.path == f"/out/tv/{RELEASE} (2)"
    assert remote.visible() == {f"{RELEASE}/a": b"theirs", f"{RELEASE} (2)/a": A}


def test_two_that_are_called_the_same(remote: Remote) -> None:
    """Published at one time, by the threads of one daemon: each has a place of its own."""
    files = {"a": remote.put(("Root/a", A)), "b": [RemoteFile("Root/b", remote.host.put("g", B), len(B))]}
    shelf = remote.shelf()

    def fetch(name: str) -> str:
        job = remote.job(id=name)
        return shelf.fetch(job, lambda *_: files[name], remote.progress.append, remote.stop).path

    with ThreadPoolExecutor(2) as pool:
        paths = set(pool.map(fetch, files))
    assert paths == {f"/out/tv/{RELEASE}", f"/out/tv/{RELEASE} (2)"}
    assert sorted(map(len, remote.visible().values())) == [len(B), len(A)]


def test_nothing_half_is_visible(remote: Remote, host: FileHost) -> None:
    """Until all is there and checked, the category is empty."""
    host.block_pause_s = 0.03
    ended = remote.begun(remote.put(("Root/a", A), ("Root/b", B)))
    assert remote.visible() == {}
    host.block_pause_s = 0.0
    assert ended().files == 2


@pytest.mark.parametrize("status", [403, 404, 410, 502])
def test_a_dead_link_is_renewed(remote: Remote, host: FileHost, status: int) -> None:
    """A fresh one is asked for."""
    dead = remote.put(("Root/a", A))
    live = [replace(dead[0], url=host.put("fresh", A))]
    host.always["f0"] = Play(status=status, body=b"no")
    lists = iter([dead])
    remote.fetch(lambda: next(lists, live))
    assert remote.visible() == {f"{RELEASE}/a": A}
    assert remote.listings == 2


def test_links_that_stay_dead_end_the_call(remote: Remote, host: FileHost) -> None:
    """What is complete is kept; the reason names file and status, and no link."""
    files = remote.put(("Root/a", A), ("Root/b", B))
    host.always["f1"] = Play(status=403, body=b"no")
    with pytest.raises(Transient, match="fetching b by rclone: the file host answered 403") as raised:
        remote.fetch(files)
    assert "f1" not in str(raised.value)
    assert remote.visible() == {}
    del host.always["f1"]
    remote.fetch(files)
    assert [one.path for one in host.asked].count("f0") == 1


def test_a_cut_begins_the_file_anew(remote: Remote, host: FileHost) -> None:
    """A part is never taken for the whole."""
    host.plan("f0", Play(cut_after=400 * KIB), Play(cut_after=10))
    remote.fetch(remote.put(("Root/a", A)))
    assert remote.visible() == {f"{RELEASE}/a": A}


@pytest.mark.parametrize("told", [len(A) - 1, len(A) + 1])
def test_another_size_than_was_told_is_not_published(remote: Remote, told: int) -> None:
    """A fresh link is asked for, and then it is waited."""
    files = [replace(remote.put(("Root/a", A))[0], size_bytes=told)]
    with pytest.raises(Transient, match=f"the file host has {len(A)} bytes, the service said {told}"):
        remote.fetch(files)
    assert remote.visible() == {}


def test_a_size_that_nobody_told_is_unverified(remote: Remote) -> None:
    """And said so; the torrent's sizes are as good as the service's."""
    publication = remote.fetch(remote.put(("Root/a", A), told=False))
    assert publication.verified.startswith("unverified; on ")
    made = torrent([Content("a", A)])
    publication = remote.fetch(
        remote.put(("Root/a", A), told=False),
        id="other",
        link=replace(remote.job().link, info_hash_v1=parse_torrent(made).info_hash_v1),
        torrent_of=lambda _: made,
    )
    assert publication.verified.startswith("size; on ")


def test_a_link_that_is_none_is_given_to_nobody(remote: Remote) -> None:
    """Neither another scheme, nor plain http where that is not allowed."""
    for url in ("ftp://127.0.0.1/a", "file:///etc/passwd"):
        with pytest.raises(Transient):
            remote.fetch([RemoteFile("Root/a", url, 10)])
    with pytest.raises(Transient, match="not https"):
        remote.fetch(remote.put(("Root/a", A)), allow_http=False)


def test_what_does_not_fit_waits_alone(own: Remote) -> None:
    """Where the remote tells its room: the service is asked once."""
    files = [replace(own.put(("Root/a", A))[0], size_bytes=1 << 60)]
    shelf = own.shelf()
    for _ in range(2):
        with pytest.raises(NoRoom, match="no room on the remote"):
            shelf.fetch(own.job(), lambda *_: own.listings or files, own.progress.append, own.stop)
        own.listings = 1  # asked again, the list would be no list
    assert own.staged() == []


@with_own_mounts
def test_a_remote_that_is_full(tmp_path: Path, host: FileHost) -> None:
    """Nobody told the size, so nobody could say before; with room again it is right in the end."""
    server = RcloneServer(tmp_path / "rclone")
    mount("none", server.data, "tmpfs", "size=4m")
    ballast = server.data / "ballast"
    ballast.write_bytes(bytes(3 * MIB + 700 * KIB))
    remote = remote_on(server, host, tmp_path)
    files = remote.put(("Root/a", A), told=False)
    try:
        server.start()
        with pytest.raises(EngineDown, match="the remote has no room left"):
            remote.fetch(files)
        assert remote.visible() == {}
        ballast.unlink()
        assert remote.fetch(files).size_bytes == len(A)
    finally:
        server.end()


def test_a_restart_of_the_daemon_takes_over(remote: Remote, host: FileHost) -> None:
    """What goes on meanwhile is waited for, and not begun a second time."""
    host.block_pause_s = 0.02
    files = remote.put(("Root/a", content(2 * MIB)))
    ended = remote.begun(files)
    remote.break_off(ended)
    assert remote.fetch(files).files == 1
    assert len(host.asked) == 1


def test_what_is_cancelled_is_gone(remote: Remote, host: FileHost) -> None:
    """Its staging with it, and nobody goes on fetching."""
    host.block_pause_s = 0.02
    ended = remote.begun(remote.put(("Root/a", content(3 * MIB))))
    remote.break_off(ended)
    shelf = remote.shelf()
    for _ in range(2):
        shelf.discard(remote.job(state=JobState.REMOVED), threading.Event())
    assert remote.staged() == []
    assert remote.server.client(remote.clock, remote.notes_dir).running("offcloud-watchd/") == {}


def test_discard_with_files_takes_the_release_away(remote: Remote) -> None:
    """And nothing else; repeating it is harmless."""
    first = remote.fetch(remote.put(("Root/a", A)))
    remote.fetch(remote.put(("Root/a", A)), id="other")
    removed = remote.job(state=JobState.REMOVED, publication=first, remove_files=True)
    for _ in range(2):
        remote.shelf().discard(removed, threading.Event())
    assert remote.visible() == {f"{RELEASE} (2)/a": A}


def test_discard_leaves_what_has_come_in_its_place(remote: Remote) -> None:
    """Its own release was taken away since, and another job has published under that name."""
    first = remote.fetch(remote.put(("Root/a", A)))
    remote.shelf().tidy(remote.job())
    shutil.rmtree(remote.server.data / "tv" / RELEASE)
    second = remote.fetch(remote.put(("Root/b", B)), id="other")
    assert second.path == first.path
    removed = remote.job(state=JobState.REMOVED, publication=first, remove_files=True)
    remote.shelf().discard(removed, threading.Event())
    assert remote.visible() == {f"{RELEASE}/b": B}
    later = remote.job(id="other", state=JobState.REMOVED, publication=second, remove_files=True)
    remote.shelf().discard(later, threading.Event())
    assert remote.visible() == {}


def test_what_nobody_owns_is_cleared_at_the_start(remote: Remote) -> None:
    """The rounds of jobs that are fetched stay."""
    for name in ("c0ffee-0", "c0ffee-1", "gone-0"):
        path = remote.server.data / ".offcloud-watchd" / name / "release" / "a"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    remote.shelf().recall({"c0ffee": remote.job(round=1)}, remote.stop)
    assert [path.name for path in (remote.server.data / ".offcloud-watchd").iterdir()] == ["c0ffee-1"]


def test_what_lies_in_staging_and_is_not_wanted_goes(remote: Remote) -> None:
    """As a file of a list that has changed since."""
    stray = remote.server.data / ".offcloud-watchd" / "c0ffee-0" / "release" / "stray"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"x")
    remote.fetch(remote.put(("Root/a", A)))
    assert remote.visible() == {f"{RELEASE}/a": A}


def test_a_move_that_was_cut_short_goes_on(remote: Remote) -> None:
    """A part was moved already: the rest follows, into the same place."""
    files = remote.put(("Root/a", A), ("Root/b", B))
    publication = remote.fetch(files)
    staged = remote.server.data / ".offcloud-watchd" / "c0ffee-0" / "release"
    staged.mkdir(parents=True)
    (remote.server.data / "tv" / RELEASE / "b").rename(staged / "b")
    assert remote.fetch(files) == publication
    assert remote.visible() == {f"{RELEASE}/a": A, f"{RELEASE}/b": B}
    assert remote.listings == 1


def test_a_name_that_was_taken_since_it_was_noted(remote: Remote) -> None:
    """We died before the move, and somebody else has put something there."""
    files = remote.put(("Root/a", A))
    publication = remote.fetch(files)
    staged = remote.server.data / ".offcloud-watchd" / "c0ffee-0" / "release"
    taken = remote.server.data / "tv" / RELEASE
    taken.rename(staged)
    taken.mkdir()
    (taken / "theirs").write_bytes(b"x")
    again = remote.fetch(files)
    assert again.path == f"{publication.path} (2)"
    assert remote.visible() == {f"{RELEASE}/theirs": b"x", f"{RELEASE} (2)/a": A}


def test_rclone_may_be_killed(own: Remote, host: FileHost) -> None:
    """The job waits; what is complete is kept, what was under way begins anew."""
    host.block_pause_s = 0.02
    files = own.put(("Root/a", b"small"), ("Root/b", content(2 * MIB)))
    ended = own.begun(files)
    threading.Event().wait(0.5)
    own.server.end()
    with pytest.raises(EngineDown):
        ended()
    with pytest.raises(EngineDown):
        own.fetch(files)
    host.block_pause_s = 0.0
    own.server.start()
    own.fetch(files)
    assert own.visible() == {f"{RELEASE}/a": b"small", f"{RELEASE}/b": content(2 * MIB)}
    assert [one.path for one in host.asked].count("f0") == 1


def test_while_it_is_away_nothing_is_asked_of_the_service(own: Remote) -> None:
    """The job alone waits; where every folder is its, the lane does."""
    publication = own.fetch(own.put(("Root/a", A)), id="before")
    files = own.put(("Root/a", A))
    own.server.end()
    with pytest.raises(EngineDown, match=r"rclone \(127.0.0.1\): gave no answer"):
        own.fetch(files)
    own.shelf().probe()
    own.sole = True
    for act in (lambda: own.fetch(files), own.shelf().probe):
        assert blocked_lane(act) == "fetch"
    assert own.listings == 1
    assert blocked_lane(lambda: own.shelf().holds(publication)) == "disk"
    assert not own.shelf().vanished(publication)
    own.shelf().tidy(own.job())
    own.shelf().recall({}, own.stop)
    with pytest.raises(Transient):
        own.shelf().discard(own.job(state=JobState.REMOVED), own.stop)
    own.server.start()
    own.shelf().probe()
    assert own.fetch(files).files == 1


def test_a_remote_that_moves_no_directories(own: Remote) -> None:
    """As a bucket: file by file, and whole in the end."""
    own.server.end()
    own.server.has_directories = False
    own.server.start()
    client = own.server.client(own.clock, own.notes_dir)
    assert not client.is_one_step()
    assert own.fetch(own.put(("Root/a", A), ("Root/d/b", B))).files == 2
    assert own.visible() == {f"{RELEASE}/a": A, f"{RELEASE}/d/b": B}
    assert own.fetch(own.put(("Root/a", A)), id="other").path.endswith(" (2)")
    own.shelf().tidy(own.job())
    assert client.directories(".offcloud-watchd") == ["other-0"]


def test_whoever_empties_a_bucket_takes_its_directories(own: Remote) -> None:
    """There that says nothing about a disk: the release was taken away, and may be fetched again."""
    own.server.end()
    own.server.has_directories = False
    own.server.start()
    publication = own.fetch(own.put(("Root/a", A)))
    assert own.shelf().holds(publication)
    shutil.rmtree(own.server.data / "tv")
    assert not own.shelf().holds(publication)
    assert own.shelf().vanished(publication)


def test_a_staging_that_was_lost_is_fetched_again(own: Remote) -> None:
    """Somebody deleted it between the note and the move."""
    own.notes_dir.mkdir()
    note = Note("Name", "", 1, len(A), "size")
    (own.notes_dir / "c0ffee-0.json").write_bytes(note.written())
    files = own.put(("Root/a", A))
    with pytest.raises(Transient, match="is gone"):
        own.fetch(files)
    assert own.fetch(files).files == 1


def test_a_job_without_a_request_cannot_be_fetched(own: Remote) -> None:
    """As on the disk."""
    with pytest.raises(Permanent, match="no request id"):
        own.fetch([], submission=None)


def test_a_refused_password_is_said(own: Remote) -> None:
    """With where to put the right one."""
    own.server.password = "another-password"
    with pytest.raises(EngineDown, match="put its --rc-pass into /password"):
        own.fetch(own.put(("Root/a", A)))
    own.server.password = "an-rpc-secret-0123456789"
    own.server.remote = "nope:"
    with pytest.raises(EngineDown, match=r"engines\.rclone\.remote"):
        own.server.client(own.clock, own.notes_dir).is_one_step()


def test_each_shelf_has_its_own_jobs(own: Remote, tmp_path: Path) -> None:
    """What lies on the disk is not looked for on the remote, and no link leads from one to the other."""
    shelf, here = own.shelf(), tmp_path / "here"
    here.mkdir()
    files = own.put(("Root/a", A))
    on_disk = shelf.fetch(job_of(here / "tv"), lambda *_: files, own.progress.append, own.stop)
    assert shelf.holds(on_disk)
    assert not shelf.vanished(on_disk)
    donor = job_of(here / "tv", state=JobState.DONE, publication=on_disk, published_at=2e9)
    assert shelf.link(own.job(id="other"), [donor], own.stop) is None
    linked = shelf.link(job_of(here / "film", id="third"), [donor], own.stop)
    assert linked is not None
    away = own.job(state=JobState.DONE, publication=own.fetch(files), published_at=2e9)
    assert shelf.link(job_of(here / "film", id="fourth"), [away], own.stop) is None
