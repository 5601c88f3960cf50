"""A Sonarr beside a daemon that is killed at random: all imported whole, none twice, failures marked once."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox import Sandbox
from tests.e2e.process import Daemon, Place, wait_until
from tests.e2e.releases import assert_no_key
from tests.fakes.arr_importer import Client, Importer, SabClient, WatchFolder
from tests.fakes.arr_tool import KEY, FakeTool
from tests.fakes.ports import held_port

FAIL_EACH = 4
"""Every so many releases never come."""


@pytest.fixture
def tool() -> Iterator[FakeTool]:
    """Start a Sonarr without its importing half."""
    with FakeTool() as fake:
        yield fake


@pytest.fixture
def importer(tool: FakeTool, tmp_path: Path) -> Iterator[Importer]:
    """Its importing half, which is yet to be started."""
    one = Importer(tool, tmp_path / "library")
    yield one
    one.close()


def releases(count: int) -> dict[str, str]:
    """Return titles and info hashes; every fourth has one that the sandbox fails."""
    found = {}
    for number in range(1, count + 1):
        word, digits = ("dead.", "dead0000") if number % FAIL_EACH == 0 else ("", "0" * 8)
        found[f"Show.S01E{number:03}.{word}1080p"] = f"{digits}{number:032x}"
    return found


def magnet(title: str, digits: str) -> str:
    """Return the link of a release."""
    return f"magnet:?xt=urn:btih:{digits}&dn={title}"


class Theatre:
    """A sandbox, a Sonarr and a daemon that is killed now and then."""

    def __init__(
        self, make_place: Callable[..., Place], sandbox: Sandbox, tool: FakeTool, *, kills: int, seed: int
    ) -> None:
        self.chance = random.Random(seed)
        self.sandbox = sandbox
        self.tool = tool
        self.kills = kills
        self.held = held_port()  # nobody else answers while the daemon is down
        self.port = self.held.getsockname()[1]
        entry = f"{{name: sonarr, url: '{tool.url}', api_key_file: arr-key, categories: [tv]}}"
        self.place = make_place(
            sandbox.url,
            settle="100ms",
            poll="{min: 200ms, max: 500ms}",
            web=f"{{listen: '127.0.0.1:{self.port}'}}",
            remove="imported",
            arr=f"[{entry}]",
        )
        self.place.keep_secret("arr-key", KEY)

    def play(
        self, daemon: Daemon, importer: Importer, wanted: dict[str, str], grab: Callable[[str, str], None]
    ) -> None:
        """Grab everything while the daemon is killed; wait for the end; hold what must be true then."""
        waiting = list(wanted.items())
        for number in range(self.kills):
            while waiting and len(waiting) > len(wanted) * (1 - 1.5 * (number + 1) / self.kills):
                grab(*waiting.pop())
            threading.Event().wait(self.chance.uniform(0.3, 1.5))
            assert daemon.alive(), daemon.log[-3000:]
            daemon.kill()
            daemon.start()
        for title, digits in waiting:
            grab(title, digits)
        dead = {title for title in wanted if "dead" in title}
        within_s = 60 + 3 * len(wanted)
        wait_until(
            lambda: importer.imported.keys() == wanted.keys() - dead and set(self.tool.blocklist) == dead,
            within_s=within_s,
            why=lambda: f"{importer.imported} {self.tool.blocklist}\n{daemon.log}",
        )
        wait_until(lambda: self._is_settled(dead), within_s=60, why=lambda: daemon.log)
        threading.Event().wait(3 * importer.scan_s)  # what comes twice comes now
        assert daemon.stop() == 0
        importer.close()
        self._check(importer, wanted, dead)

    def _is_settled(self, dead: set[str]) -> bool:
        """Tell whether every failure is reported, and every entry that was imported has left."""
        jobs = self.place.jobs().values()
        return not any(job.to_report for job in jobs) and {job.release for job in jobs} <= dead

    def _check(self, importer: Importer, wanted: dict[str, str], dead: set[str]) -> None:
        assert importer.strange == []
        assert set(importer.imported.values()) == {1}
        assert sorted(self.tool.blocklist) == sorted(dead)
        for title in wanted.keys() - dead:
            key = f"btih:{wanted[title]}"
            files = [path for path, _ in self.sandbox.expected_files(key)]
            whole = sorted(self.sandbox.expected_sha256(key, path) for path in files)
            assert sorted(importer.found[title].values()) == whole, title
            assert self.sandbox.books().of(key).live_items == 0, f"{title} is still in the account"
        assert list((self.place.output / "tv").iterdir()) == []
        assert "RefreshMonitoredDownloads" in self.tool.commands
        assert_no_key(self.place)
        log = self.place.root / "daemon.log"
        assert KEY not in log.read_text(errors="replace")
        assert KEY not in (self.place.state / "journal.jsonl").read_text()


def through_blackhole(theatre: Theatre, daemon: Daemon, importer: Importer, count: int) -> None:
    """Play it with files that Sonarr writes in place, under the final name."""
    importer.start(WatchFolder(importer, theatre.place.output / "tv").look)

    def grab(title: str, digits: str) -> None:
        with (theatre.place.drop / f"{title}.magnet").open("w") as file:
            file.write(magnet(title, digits))
        theatre.tool.grab(title, digits, client=False)

    theatre.play(daemon, importer, releases(count), grab)


def through_client(theatre: Theatre, daemon: Daemon, importer: Importer, count: int) -> None:
    """Play it with a download client; a grab that is not answered is grabbed again."""
    client = Client(importer, f"http://127.0.0.1:{theatre.port}", "tv")
    theatre.tool.delete = client.delete
    importer.start(client.look)

    def grab(title: str, digits: str) -> None:
        wait_until(lambda: client.add(magnet(title, digits)), within_s=60, why=lambda: daemon.log)
        theatre.tool.grab(title, digits, client=True, queued=False)

    theatre.play(daemon, importer, releases(count), grab)


def test_a_drop_that_is_refused_is_failed_there(start_sandbox, make_place, run_daemon, tool) -> None:
    """By its hash, or by the name of its file; once, though the daemon dies; what may be another's stays."""
    theatre = Theatre(make_place, start_sandbox(), tool, kills=0, seed=0)
    drop, other = theatre.place.drop, "Show.S01E03"
    info = b"d6:lengthi5e6:pieces0:e"
    tool.grab("Show.S01E01", hashlib.sha1(info, usedforsecurity=False).hexdigest(), client=False)
    (drop / "Show.S01E01.torrent").write_bytes(b"d4:info" + info + b"e")
    tool.grab("Show: S01E02", "", client=False)
    (drop / "Show - S01E02.nzb").write_text("<html>log in</html>\n")
    tool.grab(other, "a" * 40, client=True)
    (drop / f"{other}.magnet").write_text("magnet:?dn=no+hash\n")
    tool.refused = 503
    with theatre.held:
        daemon = run_daemon(theatre.place)
        reasons = drop / "failed"
        wait_until(lambda: len(list(reasons.glob("*.reason.txt"))) == 3, within_s=30, why=lambda: daemon.log)
        daemon.kill()
        tool.refused = 0
        daemon.start()
        wait_until(lambda: len(tool.blocklist) == 2, within_s=60, why=lambda: daemon.log)
        assert daemon.stop() == 0
    assert set(tool.blocklist) == {"Show.S01E01", "Show: S01E02"}
    jobs = theatre.place.jobs().values()
    assert {job.state for job in jobs} == {JobState.FAILED}
    assert [job.release for job in jobs if job.to_report] == [other], "its record may come yet"


WAYS = pytest.mark.parametrize("way", [through_blackhole, through_client], ids=["blackhole", "client"])


def _played(way, start_sandbox, make_place, run_daemon, tool, importer, *, count: int, kills: int) -> None:
    sandbox = start_sandbox(release_bytes=200_000, queued_s=0.3, download_s=0.7)
    theatre = Theatre(make_place, sandbox, tool, kills=kills, seed=7)
    with theatre.held:
        way(theatre, run_daemon(theatre.place), importer, count)


@WAYS
def test_twelve_releases(way, start_sandbox, make_place, run_daemon, tool, importer) -> None:
    """The short form."""
    _played(way, start_sandbox, make_place, run_daemon, tool, importer, count=12, kills=4)


@pytest.mark.torture
@WAYS
def test_two_hundred_releases(way, start_sandbox, make_place, run_daemon, tool, importer) -> None:
    """The long form."""
    _played(way, start_sandbox, make_place, run_daemon, tool, importer, count=200, kills=60)


def test_nzbs_through_a_client(start_sandbox, make_place, run_daemon, tool, importer) -> None:
    """As to SABnzbd, killed at random: imported whole and once, failures marked once, and no id is lost."""
    sandbox = start_sandbox(generation="classic", release_bytes=200_000, queued_s=0.3, download_s=0.7)
    with held_port() as held:
        port = held.getsockname()[1]
        place = make_place(
            sandbox.url,
            auth="query",
            settle="100ms",
            poll="{min: 200ms, max: 500ms}",
            history_lag="1s",
            web=f"{{listen: '127.0.0.1:{port}', sabnzbd: true, password_file: web-password}}",
        )
        password = place.keep_web_password()
        daemon = run_daemon(place)
        client = SabClient(importer, f"http://127.0.0.1:{port}", "tv", password)
        importer.start(client.look)
        titles = [
            f"Show.S01E{number:02}.1080p" + ("[fail]" if number % 4 == 0 else "") for number in range(8)
        ]
        chance = random.Random(7)
        for number, title in enumerate(titles):
            wait_until(lambda title=title: client.add(title), within_s=60, why=lambda: daemon.log)
            if number % 3 == 1:
                threading.Event().wait(chance.uniform(0.2, 1.0))
                daemon.kill()
                daemon.start()
        dead = {title for title in titles if "fail" in title}
        wait_until(
            lambda: importer.imported.keys() == set(titles) - dead and set(tool.blocklist) == dead,
            within_s=90,
            why=lambda: f"{importer.imported} {tool.blocklist}\n{daemon.log}",
        )
        wait_until(lambda: not client.slots("history"), within_s=20, why=lambda: daemon.log)
        assert client.slots("queue") == []
        assert daemon.stop() == 0
    importer.close()
    assert importer.strange == []
    assert set(importer.imported.values()) == {1}
    assert sorted(tool.blocklist) == sorted(dead)
    assert all(len(ids) == 1 for ids in client.ids.values())
    assert list((place.output / "tv").iterdir()) == []


@pytest.mark.torture
@WAYS
def test_two_hundred_releases_in_real_time(
    way, start_sandbox, make_place, run_daemon, tool, importer
) -> None:
    """The same with a look a minute, at what was unchanged for half a minute: some ten minutes."""
    importer.scan_s, importer.still_s = 60.0, 30.0
    _played(way, start_sandbox, make_place, run_daemon, tool, importer, count=200, kills=60)
