"""Several hosts on one drop folder: each drop is one host's, whoever dies, hangs or comes back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Destination, Intake, Lane
from offcloud_watchd.core.picture import LanePause, Picture
from offcloud_watchd.watch import FolderSettings, Watcher, WatchMode, WatchSettings
from offcloud_watchd.watch.shared import IN_HAND_MOST
from tests.fakes.clock import FakeClock
from tests.unit.watch.conftest import SilentHints

LEASE_S = 120.0
MAGNET = "magnet:?xt=urn:btih:{:040x}"


class Host:
    """One daemon's watcher, with a state directory of its own."""

    def __init__(self, name: str, base: Path, clock: FakeClock, folder: FolderSettings) -> None:
        self.state = base / name
        self.state.mkdir(exist_ok=True)
        self.clock, self.folder = clock, folder
        self.begin()

    def begin(self) -> None:
        """Start, as after a crash: with nothing in memory."""
        settings = WatchSettings(
            (self.folder,), self.state / "spool", self.state, lambda _: Destination("tv", "/out/tv")
        )
        mounts = "999999 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        self.watcher = Watcher(
            settings, self.clock, lambda: None, hints=SilentHints(), mountinfo=lambda: mounts
        )
        self.watcher.start()
        self.accepted: list[Intake] = []

    @property
    def own(self) -> Path:
        """Its directory in the folder."""
        name = (self.state / "host").read_text().strip()
        return self.folder.path / ".offcloud-watchd" / name

    def look(self, *, settle: bool = True) -> list[str]:
        """Look once; return the names of the drops that it was told are its own."""
        self.watcher.ask()
        wishes = self.watcher.look().wishes
        for wish in wishes:
            assert isinstance(wish.what, Intake)
            self.accepted.append(wish.what)
            if settle:
                wish.settled()
        return sorted(one.what.drop.name for one in wishes if isinstance(one.what, Intake))

    @property
    def problem(self) -> str:
        """What is wrong with the folder."""
        return self.watcher.folders[0].problem


class Site:
    """A drop folder and its hosts, on one clock."""

    def __init__(self, base: Path) -> None:
        self.base, self.clock, self.drop = base, FakeClock(), base / "drop"
        self.drop.mkdir()
        self.folder = FolderSettings(
            self.drop, Destination("tv", "/out/tv"), watch=WatchMode.POLL, lease_s=LEASE_S
        )
        self.hosts: list[Host] = []

    def host(self, name: str) -> Host:
        """Begin a host, and let it look for the first time."""
        self.hosts.append(Host(name, self.base, self.clock, self.folder))
        self.hosts[-1].look()
        return self.hosts[-1]

    def put(self, name: str, number: int = 1) -> None:
        """Drop a magnet."""
        (self.drop / name).write_text(MAGNET.format(number))

    def pass_(self, seconds: float, *living: Host) -> list[str]:
        """Let time pass while some hosts look every few seconds; return what they were told of."""
        told: list[str] = []
        for _ in range(int(seconds / 4)):
            self.clock.advance(4.0)
            told += [name for host in living for name in host.look()]
        return told


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Make a folder that several hosts may share; all of them end with the test."""
    made = Site(tmp_path)
    yield made
    for host in made.hosts:
        host.watcher.stop()


def test_a_drop_goes_through_claimed_and_taken_to_processed(site: Site) -> None:
    """It is claimed, then this host's for good, then put away; nothing else is left."""
    host = site.host("a")
    site.put("x.magnet")
    assert host.look() == []
    site.clock.advance(2.0)
    assert host.look() == []
    assert [path.name for path in (host.own / "claimed").iterdir()] == ["x.magnet"]
    site.clock.advance(2.0)
    assert host.look(settle=False) == ["x.magnet"]
    assert [path.name for path in (host.own / "taken").iterdir()] == ["x.magnet"]
    assert host.look() == ["x.magnet"]
    assert [path.name for path in (site.drop / "processed").iterdir()] == ["x.magnet"]
    assert not [*(host.own / "taken").iterdir(), *(host.own / "claimed").iterdir()]
    assert host.accepted[-1].drop.folder == str(site.drop)


def test_what_a_host_had_of_a_folder_is_not_left_there_when_it_is_shared_no_more(site: Site) -> None:
    """The setting goes while one drop is claimed, one taken, and one not even seen."""
    host = site.host("a")
    site.put("taken.magnet", 1)
    for _ in range(2):
        assert host.look() == []
        site.clock.advance(2.0)
    assert host.look(settle=False) == ["taken.magnet"]
    [recorded] = host.accepted
    site.put("claimed.magnet", 2)
    host.look(settle=False)
    site.clock.advance(2.0)
    assert host.look(settle=False) == ["taken.magnet"]
    assert [path.name for path in (host.own / "claimed").iterdir()] == ["claimed.magnet"]
    site.put("new.magnet", 3)
    host.watcher.stop()
    host.folder = replace(site.folder, lease_s=None)
    host.begin()
    told = site.pass_(12, host)
    assert sorted(told) == ["claimed.magnet", "new.magnet", "taken.magnet"]
    assert recorded.drop.id in {one.drop.id for one in host.accepted}, "it is known by its id"
    left = [path.name for path in (site.drop / "processed").iterdir()]
    assert sorted(left) == sorted(told)
    assert not [*(host.own / "taken").iterdir(), *(host.own / "claimed").iterdir()]
    assert not host.problem
    assert host.watcher.folders[0].hosts == ()


def test_each_drop_is_told_to_one_host_alone(site: Site) -> None:
    """Three hosts over two hundred drops: each is one host's, none is lost."""
    hosts = [site.host(name) for name in "abc"]
    for number in range(200):
        site.put(f"{number}.magnet", number + 1)
    told = site.pass_(40, *hosts)
    assert sorted(told) == sorted(f"{number}.magnet" for number in range(200))
    assert len(list((site.drop / "processed").iterdir())) == 200


def test_a_host_leaves_to_others_what_it_has_no_hands_for(site: Site) -> None:
    """It claims a hundred at the most; who looks next gets the rest."""
    first, second = site.host("a"), site.host("b")
    for number in range(IN_HAND_MOST + 5):
        site.put(f"{number}.magnet", number + 1)
    first.look()
    site.clock.advance(2.0)
    first.look()
    assert len(list((first.own / "claimed").iterdir())) == IN_HAND_MOST
    second.look()
    site.clock.advance(2.0)
    second.look()
    assert len(list((second.own / "claimed").iterdir())) == 5


def test_a_host_that_cannot_work_leaves_drops_to_the_others(site: Site) -> None:
    """Its key is refused, its disk is full, its journal takes nothing; it claims again when that is over."""
    one, two = site.host("a"), site.host("b")
    pause = {Lane.API: LanePause("the key was refused", 0.0, 0.0)}
    well = Picture(0.0, {}, (), (), {}, "")
    for ill in (replace(well, pauses=pause), replace(well, journal_problem="no space left")):
        one.watcher.heed(ill)
        two.watcher.heed(ill)
        site.put("x.magnet", 1)
        assert site.pass_(12, one, two) == []
        assert (site.drop / "x.magnet").exists()
        two.watcher.heed(well)
        assert site.pass_(12, one, two) == ["x.magnet"]
        assert not one.accepted


def test_what_was_for_good_is_told_again_after_a_crash_under_the_same_id(site: Site) -> None:
    """Between the commit and the record: the same drop, the same id, and nobody else's."""
    host, other = site.host("a"), site.host("b")
    site.put("x.magnet")
    for _ in range(3):
        host.look(settle=False)
        site.clock.advance(2.0)
    drop = host.accepted[0].drop
    host.begin()
    assert site.pass_(2 * LEASE_S, other) == []
    assert host.look() == ["x.magnet"]
    assert host.accepted[0].drop == drop


def _claimed(site: Site, host: Host) -> None:
    site.put("x.magnet")
    host.look()
    site.clock.advance(2.0)
    host.look()
    assert list((host.own / "claimed").iterdir())


def test_the_claims_of_a_living_host_stay_its_own(site: Site) -> None:
    """However long it takes: as long as its lease changes."""
    slow, other = site.host("a"), site.host("b")
    (site.drop / "half.torrent").write_bytes(b"d8:announce")
    _claimed(site, slow)
    for _ in range(10):
        site.clock.advance(4.0)
        slow.look()
        other.look()
    assert [path.name for path in (slow.own / "claimed").iterdir()] == ["half.torrent"]


def test_the_claims_of_a_dead_host_are_taken_over_once(site: Site) -> None:
    """After the lease, and by one of the others."""
    dead, *others = (site.host(name) for name in "abc")
    _claimed(site, dead)
    assert site.pass_(LEASE_S - 8, *others) == []
    assert site.pass_(16, *others) == ["x.magnet"]


def test_a_host_back_from_the_dead_has_lost_its_claims(site: Site) -> None:
    """It stood still between reading the drop and making it its own: nothing is told of, nothing is lost."""
    away, other = site.host("a"), site.host("b")
    _claimed(site, away)
    site.clock.advance(2.0)

    def stand_still(*_: object) -> None:
        assert site.pass_(2 * LEASE_S, other) == ["x.magnet"]

    # Between the reading and the commit: there it is held up.
    folder = away.watcher._posts[0].folder
    commit = folder._parts._claimed._commit
    folder._parts._claimed._commit = replace(
        commit, ours=lambda paths: (stand_still(), commit.ours(paths))[1]
    )
    assert away.look() == []
    assert (site.drop / "processed" / "x.magnet").exists()


def test_a_name_in_use_waits(site: Site) -> None:
    """The same name again, while the first is still in hand: it comes when that is put away."""
    host = site.host("a")
    site.put("x.magnet", 1)
    for _ in range(2):
        host.look(settle=False)
        site.clock.advance(2.0)
    site.put("x.magnet", 2)
    for _ in range(3):
        host.look(settle=False)
        site.clock.advance(2.0)
    assert {one.links.found[0].info_hash_v1 for one in host.accepted} == {f"{1:040x}"}
    assert (site.drop / "x.magnet").exists()
    site.pass_(12, host)
    assert {one.links.found[0].info_hash_v1 for one in host.accepted} == {f"{1:040x}", f"{2:040x}"}
    assert len(list((site.drop / "processed").iterdir())) == 2


def test_a_bad_drop_goes_to_failed_of_the_folder(site: Site) -> None:
    """It is refused by whoever claimed it, once, with its reason."""
    hosts = [site.host(name) for name in "ab"]
    (site.drop / "bad.txt").write_text("nothing here\n")
    assert site.pass_(16, *hosts) == []
    assert sorted(path.name for path in (site.drop / "failed").iterdir()) == [
        "bad.txt",
        "bad.txt.reason.txt",
    ]


def test_subfolders_are_categories_here_too(site: Site) -> None:
    """The claim keeps the subfolder."""
    site.folder = replace(site.folder, subfolder_destination=lambda name: Destination(name, f"/out/{name}"))
    host = site.host("a")
    (site.drop / "films").mkdir()
    site.put("films/x.magnet")
    assert site.pass_(12, host) == ["x.magnet"]
    assert host.accepted[0].destination.category == "films"


def test_a_rename_whose_answer_was_lost_counts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system renames, loses the answer, asks again and is told "no such file"."""
    host = site.host("a")
    honest: Callable[..., None] = os.rename

    def answered_badly(*names: str, **where: int) -> None:
        honest(*names, **where)
        if where:
            raise FileNotFoundError(2, "No such file or directory")

    # The system call is the outside world here: no file system on this machine forgets its answers.
    monkeypatch.setattr("offcloud_watchd.kernel.renamed_new", lambda *_: False)
    monkeypatch.setattr(os, "rename", answered_badly)
    site.put("x.magnet")
    told = site.pass_(12, host)
    assert told[:1] == ["x.magnet"]
    assert (site.drop / "processed" / "x.magnet").read_text() == MAGNET.format(1)


def test_of_two_daemons_with_one_name_one_stands_still(site: Site) -> None:
    """A state directory was copied: it is seen in the lease, and what to do is said."""
    one = site.host("a")
    shutil.copytree(one.state, site.base / "copy")
    two = site.host("copy")
    site.pass_(8, one, two)
    assert "another daemon" in one.problem
    site.put("x.magnet")
    assert site.pass_(16, one, two) == ["x.magnet"]
    assert [len(host.accepted) for host in (one, two)] == [0, 1]
    site.pass_(LEASE_S + 8, one)
    assert one.problem == ""


def test_hosts_are_told_by_name(site: Site) -> None:
    """The host itself first, the living others after it; the dead are not told."""
    one, two = site.host("a"), site.host("b")
    one.look()
    assert one.watcher.folders[0].hosts == (one.own.name, two.own.name)
    site.pass_(LEASE_S + 8, one)
    assert one.watcher.folders[0].hosts == (one.own.name,)
    two.begin()
    two.look()
    assert two.own.name in two.watcher.folders[0].hosts


def test_a_folder_whose_mount_is_gone_gets_no_directory(site: Site) -> None:
    """Nothing is made on a bare mount point."""
    (site.base / "a" / "mounts").mkdir(parents=True)
    shutil.rmtree(site.drop)
    host = site.host("a")
    assert "cannot be shared" in host.problem
    site.drop.mkdir()
    host.look()
    assert host.problem == ""
