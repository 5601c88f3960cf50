"""Operator commands, from the command line's file to the daemon's wish."""

from __future__ import annotations

import base64
import json
import os
import threading
from itertools import count
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Command, Destination, Intake, Naming, Verb
from offcloud_watchd.core.orders import AddFile, AddLink, JobCommand, NameCategory, add_drop_id
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.watch import WatchSettings
from offcloud_watchd.watch.commands import commands_dir, write_command
from offcloud_watchd.watch.orders import DRAFT_LIFE_S, Orders, ensure_directories
from tests.fakes.clock import FakeClock

MAGNET = "magnet:?xt=urn:btih:" + "0123456789abcdef" * 2 + "01234567"


def destination_for(category: str | None) -> Destination:
    """Know every category but one."""
    if category == "nowhere":
        raise BadDrop("there is no such category")
    return Destination(category or "main", f"/out/{category or 'main'}")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a state directory."""
    return tmp_path / "state"


@pytest.fixture
def clock() -> FakeClock:
    """Give the daemon's clock."""
    return FakeClock()


@pytest.fixture
def orders(state: Path, clock: FakeClock) -> Orders:
    """Give the daemon's side."""
    settings = WatchSettings((), state / "spool", state, destination_for)
    ensure_directories(settings)
    return Orders(settings, clock)


def put(state: Path, name: str, content: object) -> Path:
    """Put a file where commands lie."""
    path = commands_dir(state) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def listed(directory: Path) -> list[str]:
    """Return the names in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir())


def test_job_command_arrives(state: Path, orders: Orders) -> None:
    """What was asked of jobs arrives under the id that was returned, and is gone once it is settled."""
    command_id = write_command(state, JobCommand(Verb.FORGET, ("j1", "j2"), files=True))
    (wish,), more = orders.read(10)
    assert wish.what == Command(command_id, Verb.FORGET, ("j1", "j2"), files=True)
    assert not more
    wish.settled()
    wish.settled()
    assert orders.read(10) == ([], False)
    assert listed(commands_dir(state)) == []


def test_another_category_arrives_with_its_place(state: Path, orders: Orders) -> None:
    """Where a category goes is looked up where the settings are."""
    command_id = write_command(state, JobCommand(Verb.CATEGORIZE, ("j1",), category="films"))
    (wish,), _ = orders.read(10)
    place = Destination("films", "/out/films")
    assert wish.what == Command(command_id, Verb.CATEGORIZE, ("j1",), destination=place)


def test_a_name_arrives(state: Path, orders: Orders) -> None:
    """A category that is to be known, and one that is not any more."""
    write_command(state, NameCategory("films"))
    write_command(state, NameCategory("films", drop=True))
    wishes, _ = orders.read(10)
    assert [wish.what for wish in wishes] == [Naming("films"), Naming("films", drop=True)]


def test_commands_wait_while_the_daemon_is_down(tmp_path: Path) -> None:
    """A command needs no daemon and no prepared directory, and is readable by us alone."""
    command_id = write_command(tmp_path / "new", JobCommand(Verb.CANCEL, ("j1",)))
    path = commands_dir(tmp_path / "new") / f"{command_id}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_commands_come_in_their_order_and_in_parts(state: Path, orders: Orders) -> None:
    """Older commands come first; a look takes a bounded number, and those again that were not settled."""
    ids = [write_command(state, JobCommand(Verb.RETRY, (str(number),))) for number in range(3)]
    wishes, more = orders.read(2)
    assert [wish.what.id for wish in wishes] == ids[:2]
    assert more
    assert [wish.what.id for wish in orders.read(9)[0]] == ids


def test_added_link_is_an_intake(state: Path, orders: Orders) -> None:
    """An added link goes where its category says, under a drop id that follows from the command's."""
    command_id = write_command(state, AddLink(MAGNET + "&dn=Some.Name", category="films"))
    (wish,), _ = orders.read(10)
    assert isinstance(wish.what, Intake)
    assert wish.what.drop.id == add_drop_id(command_id)
    assert (wish.what.drop.folder, wish.what.drop.sha256, wish.what.stem) == ("", "", "Some.Name")
    assert wish.what.destination.category == "films"


def test_added_nameless_link_goes_to_the_default(state: Path, orders: Orders) -> None:
    """A link without a name has an empty stem; no category leaves the place to the settings."""
    write_command(state, AddLink(MAGNET))
    (wish,), _ = orders.read(10)
    assert (wish.what.stem, wish.what.destination.category) == ("", "main")


def test_added_file_is_an_intake_with_its_bytes_safe(state: Path, orders: Orders) -> None:
    """An added file is read as if it had been dropped, and its bytes are in the spool."""
    write_command(state, AddFile("Show.magnet", MAGNET.encode()))
    (wish,), _ = orders.read(10)
    assert (wish.what.drop.name, wish.what.stem) == ("Show.magnet", "Show")
    assert (state / "spool" / wish.what.drop.sha256).read_text() == MAGNET


BAD = [
    b"\xff",
    b"[" * 100_000,
    [],
    {},
    {"verb": "explode", "jobs": []},
    {"verb": ["retry"], "jobs": []},
    {"verb": "retry"},
    {"verb": "retry", "jobs": [1]},
    {"verb": "retry", "jobs": ["x"] * 100_001},
    {"verb": "retry", "jobs": ["x"], "files": "yes"},
    {"verb": "categorize", "jobs": ["x"]},
    {"verb": "categorize", "jobs": ["x"], "category": "nowhere"},
    {"verb": "retry", "jobs": ["x"], "category": "tv"},
    {"verb": "category"},
    {"verb": "category", "category": "nowhere"},
    {"verb": "category", "category": "tv", "drop": "no"},
    {"verb": "add"},
    {"verb": "add", "link": 7},
    {"verb": "add", "link": "x" * 70_000},
    {"verb": "add", "link": "nonsense"},
    {"verb": "add", "link": MAGNET, "category": "nowhere"},
    {"verb": "add", "name": "a.txt", "data": "?"},
    {"verb": "add", "name": "a.txt", "data": "é"},
    {"verb": "add", "name": "a.txt", "data": base64.b64encode(b"# nothing\n").decode()},
    {"verb": "add", "name": "a.txt", "data": base64.b64encode(b"nothing\n").decode()},
]


@pytest.mark.parametrize("content", BAD, ids=range(len(BAD)))
def test_bad_command_is_set_aside_and_stops_no_other(
    state: Path, orders: Orders, caplog, content: object
) -> None:
    """What cannot be understood goes to bad/ with one line in the log that names no link."""
    put(state, "0.json", content)
    good = write_command(state, JobCommand(Verb.RETRY, ("j1",)))
    assert [wish.what.id for wish in orders.read(10)[0]] == [good]
    assert listed(commands_dir(state) / "bad") == ["0.json"]
    assert "0.json was set aside" in caplog.text
    assert MAGNET not in caplog.text
    caplog.clear()
    orders.read(10)
    assert caplog.text == ""


def test_giant_command_is_set_aside_unread(state: Path, orders: Orders) -> None:
    """A command beyond every bound is not read."""
    with put(state, "0.json", b"").open("wb") as file:
        file.truncate(1 << 40)
    assert orders.read(10) == ([], False)
    assert listed(commands_dir(state) / "bad") == ["0.json"]


def test_command_that_is_touched_meanwhile_is_not_set_aside(state: Path, orders: Orders) -> None:
    """By a backup that is put back, say: the command was answered, so the next look reads it."""
    path = put(state, "0.json", {"verb": "retry", "jobs": ["a"]})
    ended = threading.Event()

    def touch() -> None:
        for number in count(1):
            os.utime(path, ns=(number, number))
            if ended.is_set():
                return

    toucher = threading.Thread(target=touch)
    toucher.start()
    for _ in range(2000):
        orders.read(10)
    ended.set()
    toucher.join()
    assert not (commands_dir(state) / "bad").exists()
    [wish], _ = orders.read(10)
    assert wish.what == Command("0", Verb.RETRY, ("a",))


def test_other_names_and_kinds_are_left_alone(state: Path, orders: Orders) -> None:
    """Half files, foreign names, links and pipes are no commands."""
    put(state, ".offcloud-watchd-1.json", {})
    put(state, "README", b"x")
    secret = put(state, "x.txt", {"verb": "retry", "jobs": []})
    (commands_dir(state) / "link.json").symlink_to(secret)
    os.mkfifo(commands_dir(state) / "pipe.json")
    before = listed(commands_dir(state))
    assert orders.read(10) == ([], False)
    assert listed(commands_dir(state)) == before


def test_bad_command_that_cannot_be_moved_is_said_once(state: Path, orders: Orders, caplog) -> None:
    """Where nothing can be set aside a bad command is not read again."""
    put(state, "0.json", b"x")
    put(state, "bad", b"in the way")
    assert orders.read(10) == ([], False)
    assert "stays where it is" in caplog.text
    caplog.clear()
    assert orders.read(10) == ([], False)
    assert caplog.text == ""


def test_command_that_cannot_be_deleted_is_not_taken_again(state: Path, orders: Orders, caplog) -> None:
    """A recorded command whose file stays is not handed on twice by the same process."""
    path = put(state, "0.json", {"verb": "retry", "jobs": ["j1"]})
    (wish,), _ = orders.read(10)
    path.unlink()
    path.mkdir()
    wish.settled()
    assert "cannot be deleted" in caplog.text
    path.rmdir()
    put(state, "0.json", {"verb": "retry", "jobs": ["j1"]})
    assert orders.read(10) == ([], False)


def test_no_commands_were_ever_given(tmp_path: Path) -> None:
    """A missing directory holds no commands."""
    assert Orders(WatchSettings((), tmp_path, tmp_path, destination_for), FakeClock()).read(10) == ([], False)


def test_commands_that_cannot_be_listed_are_said_once(tmp_path: Path, caplog) -> None:
    """A broken commands directory is an error for the operator, and mends itself."""
    orders = Orders(WatchSettings((), tmp_path, tmp_path, destination_for), FakeClock())
    commands_dir(tmp_path).touch()
    assert orders.read(10) == ([], False)
    assert orders.read(10) == ([], False)
    assert len(caplog.messages) == 1
    commands_dir(tmp_path).unlink()
    write_command(tmp_path, JobCommand(Verb.RETRY, ()))
    assert len(orders.read(10)[0]) == 1


def test_unreadable_command_is_set_aside_and_stops_no_other(open_yard, unprivileged, caplog) -> None:
    """One that somebody else has put there, say."""
    state = open_yard.base / "commands of nobody"
    with unprivileged():
        orders = Orders(WatchSettings((), state, state, destination_for), FakeClock())
        put(state, "0.json", {"verb": "retry", "jobs": ["a"]}).chmod(0)
        put(state, "1.json", {"verb": "retry", "jobs": ["b"]})
        (wish,), _ = orders.read(10)
    assert wish.what == Command("1", Verb.RETRY, ("b",))
    assert listed(commands_dir(state) / "bad") == ["0.json"]
    assert "command 0.json was set aside" in caplog.text
    assert "it cannot be read: Permission denied" in caplog.text


def test_what_is_no_command_takes_no_place(state: Path, orders: Orders) -> None:
    """However many directories of such names there are, a command behind them is read."""
    for number in range(12):
        (commands_dir(state) / f"{number:02}.json").mkdir()
    put(state, "99.json", {"verb": "retry", "jobs": ["a"]})
    wishes, more = orders.read(10)
    assert ([wish.what for wish in wishes], more) == ([Command("99", Verb.RETRY, ("a",))], False)


def test_what_nobody_finishes_is_swept(state: Path, orders: Orders, clock: FakeClock) -> None:
    """Left by a crash of who gave the command; what still grows stays, and so does what is not ours."""
    dead, growing = (put(state, f".offcloud-watchd-{name}", b"{") for name in ("dead", "growing"))
    foreign = put(state, ".somebody", b"x")
    for size in range(3):
        orders.read(10)
        growing.write_bytes(b"{" * (size + 2))
        clock.advance(DRAFT_LIFE_S / 2)
    orders.read(10)
    assert not dead.exists()
    assert growing.exists()
    assert foreign.exists()


def test_full_spool_keeps_the_command(state: Path, orders: Orders, full_disk) -> None:
    """A file that cannot be kept yet waits as a command."""
    write_command(state, AddFile("Show.magnet", MAGNET.encode()))
    with full_disk():
        assert orders.read(10) == ([], False)
    assert len(orders.read(10)[0]) == 1
