"""The commands that ask for something: add, retry, cancel, forget; and explain, which only tells."""

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.cli.exits import CommandFailed
from offcloud_watchd.cli.handing import Expected, follow
from offcloud_watchd.core.events import (
    Attached,
    CloudReady,
    Delivered,
    Discarded,
    DroppedAgain,
    Event,
    Failed,
    Kept,
    Published,
    Queued,
    Removed,
    Requeued,
    Submitted,
    Submitting,
)
from offcloud_watchd.core.model import (
    Delivery,
    Destination,
    Drop,
    Link,
    LinkKind,
    Publication,
    RemoteTarget,
    Route,
    Submission,
)
from offcloud_watchd.core.orders import add_drop_id
from offcloud_watchd.journal import lock_state, open_journal
from tests.fakes.clock import FakeClock
from tests.unit.cli.place import HASH, NOW, OTHER, Place, failed, published, queued

ROOT = Path(__file__).parents[3]
A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
THIRD = "f00d" + "0" * 36
MAGNET = f"magnet:?xt=urn:btih:{HASH}&dn=Some.Film&tr=http%3A%2F%2Ft%2FSECRET"
DOWN = "offcloud-watchd: the daemon is not running; this takes effect at its next start\n"


def orders(place: Place) -> list[dict[str, object]]:
    """Return the commands that wait, as the daemon reads them."""
    return [json.loads(path.read_bytes()) for path in place.commands()]


# --- retry, cancel, forget ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "verb", "files"),
    [
        (["retry", A, "Other.Name"], "retry", False),
        (["cancel", A, B[:3]], "cancel", False),
        (["forget", A, OTHER], "forget", False),
        (["forget", "--files", A, B, A], "forget", True),
    ],
)
def test_a_wish_for_jobs_is_handed_over_while_the_daemon_is_down(
    place: Place, words: list[str], verb: str, *, files: bool
) -> None:
    """One command for all of them, each job once; accepted, said, exit code 0."""
    place.record([queued(A), queued(B, f"btih:{OTHER}", name="Other.Name"), *failed(A)])
    ended = place.run(*words)
    assert (ended.code, ended.err) == (0, DOWN)
    assert ended.out.splitlines() == [f"{verb} {A} A.Name", f"{verb} {B} Other.Name"]
    assert orders(place) == [{"verb": verb, "jobs": [A, B], "files": files}]


def test_nothing_is_said_of_a_daemon_that_runs(place: Place) -> None:
    """A running daemon sees the command at once."""
    place.record([queued(A)])
    lock = lock_state(place.state)
    ended = place.run("retry", A)
    lock.release()
    assert (ended.code, ended.err) == (0, "")


def test_one_unknown_word_stops_the_whole_wish(place: Place) -> None:
    """Nothing is half asked for."""
    place.record([queued(A), queued("aabbbbbbbbbb", f"btih:{OTHER}")])
    ended = place.run("forget", A, "zzz", "aa")
    assert (ended.code, ended.out) == (1, "")
    assert "zzz means no job" in ended.err
    assert "aa means 2 jobs" in ended.err
    assert orders(place) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts for another user")
def test_what_cannot_be_submitted_is_not_tried_again(place: Place) -> None:
    """Why, and what to do; forgetting it is another matter."""
    event = queued(A, "file:0a1b")
    place.record([replace(event, link=replace(event.link, kind=LinkKind.FILE, url="")), *failed(A)])
    ended = place.run("retry", A)
    assert ended.code == 1
    assert "mend the file in failed/ and drop it again" in ended.err
    assert place.commands() == []
    assert place.run("forget", A).code == 0


def test_root_gives_commands_as_the_owner_of_the_state(place: Place) -> None:
    """The daemon runs as a user of its own and must be able to read what root wrote."""
    place.record([queued(A)])
    for path in [place.root, *place.root.rglob("*")]:
        os.chown(path, 65534, 65534)
    for directory in list(place.root.parents)[:2]:
        directory.chmod(0o755)
    assert place.run("retry", A).code == 0
    assert os.geteuid() == 0
    (command,) = place.commands()
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (command, command.parent)} == {
        (65534, 65534)
    }


# --- add ---------------------------------------------------------------------------------------------------


def test_a_link_is_added_while_the_daemon_is_down(place: Place) -> None:
    """It is durable, its job and its place are named, its secrets are not."""
    ended = place.run("add", MAGNET)
    assert ended.code == 0
    assert ended.err.endswith(DOWN)
    assert ended.out.startswith("added: ")
    assert ended.out.endswith(f" Some.Film -> {place.root}/out/tv\n")
    assert "SECRET" not in ended.out + ended.err
    assert orders(place) == [{"verb": "add", "category": None, "link": MAGNET}]
    (command,) = place.commands()
    assert stat.S_IMODE(command.stat().st_mode) == 0o600


def test_the_first_command_makes_a_private_state_directory(place: Place) -> None:
    """Where no daemon ran yet, the state is nobody else's either."""
    place.run("add", HASH)
    assert stat.S_IMODE(place.state.stat().st_mode) == 0o700


def test_a_file_is_added_with_its_bytes(place: Place) -> None:
    """What was read is handed over, under the file's own name; bad lines are named and make the code 1."""
    path = place.root / "wanted.txt"
    path.write_text(f"{MAGNET}\nnot a link\nhttps://files.example.org/a.bin\n")
    ended = place.run("add", "--category", "films", str(path))
    assert ended.code == 1
    assert f"{path}: line 2: " in ended.err
    assert [line.split(" -> ")[1] for line in ended.out.splitlines()] == [f"{place.root}/out/films"] * 2
    (order,) = orders(place)
    assert (order["name"], order["category"]) == ("wanted.txt", "films")
    assert "link" not in order


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("absent.torrent", ""),
        ("ftp://example.org/x?SECRET", ""),
        ("magnet:?dn=SECRET", ""),
        ("x" * 5000, ""),
        ("a\0b", ""),
        ("empty.txt", "empty"),
        ("page.torrent", "no torrent"),
        ("comments.txt", "holds no link"),
        ("bad.txt", "line 1"),
        ("fifo", "not a regular file"),
        (".", "not a regular file"),
    ],
)
def test_what_cannot_be_added_is_named(
    place: Place, word: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is handed over, the reason is given, no secret is repeated, nothing hangs."""
    monkeypatch.chdir(place.root)
    Path("empty.txt").touch()
    Path("page.torrent").write_text("<html>login</html>")
    Path("comments.txt").write_text("# nothing\n")
    Path("bad.txt").write_text("nothing here\n")
    os.mkfifo("fifo")
    ended = place.run("add", word)
    assert (ended.code, ended.out, orders(place)) == (1, "", [])
    assert reason in ended.err
    assert "SECRET" not in ended.err
    assert "not running" not in ended.err


def test_good_arguments_are_taken_beside_bad_ones(place: Place) -> None:
    """One bad word stops no other."""
    ended = place.run("add", "rubbish", HASH, OTHER)
    assert (ended.code, len(orders(place))) == (1, 2)


def test_what_is_known_already_is_said(place: Place) -> None:
    """An open job is joined, a failed one starts again, a finished one may still be there."""
    place.record(
        [queued(A), queued(B, f"btih:{OTHER}"), *failed(B), queued(C, f"btih:{THIRD}"), *published(C)]
    )
    out = place.run("add", HASH, OTHER, THIRD).out
    assert out.startswith(f"joins an open job: {A} ")
    assert f"\nstarts again: {B} " in out
    assert f"\nis done already, fetched again only if it is gone: {C} " in out
    assert place.run("add", HASH, "--category", "films").out.startswith("added: ")


def test_what_waits_for_a_search_is_said_to_start_again(place: Place) -> None:
    """Its settings name another way now, and nobody knows yet what came of its last submission."""
    away = Destination("tv", "/out/tv", Route.REMOTE, RemoteTarget("drive"))
    place.record([replace(queued(A), destination=away), Submitting(A, NOW), Failed(A, NOW, "cancelled")])
    assert place.run("add", HASH).out.startswith(f"starts again: {A} ")


@pytest.mark.parametrize(
    ("category", "code"), [("a/../b", 1), ("a/", 1), (".x", 1), ("a/b", 0), ("unknown", 0)]
)
def test_a_category_must_name_a_directory(place: Place, category: str, code: int) -> None:
    """What cannot be a directory's name is refused."""
    ended = place.run("add", HASH, "--category", category)
    assert (ended.code, len(orders(place))) == (code, 1 - code)


def test_a_category_no_folder_has_is_remarked(place: Place) -> None:
    """A slip of the pen is seen; where subfolders are categories, any name is as good."""
    place.config.write_text(place.config.read_text().replace(", {path: films, subfolders: category}", ""))
    ended = place.run("add", HASH, "--category", "tvv")
    assert ended.code == 0
    assert (
        f"no drop folder has the category tvv (they have: tv); it goes to {place.root}/out/tvv" in ended.err
    )
    assert "no drop folder" not in place.run("add", HASH, "--category", "tv").err


def test_waiting_for_a_daemon_that_is_down_is_69(place: Place) -> None:
    """The command is accepted all the same."""
    ended = place.run("add", "--wait", HASH)
    assert ended.code == 69
    assert DOWN in ended.err
    assert len(orders(place)) == 1


@contextmanager
def daemon(place: Place, *lives: list[Event]) -> Iterator[None]:
    """Hold the state and give each command the next life, as soon as it is there."""
    lock = lock_state(place.state)
    stop = threading.Event()

    def serve() -> None:
        journal, _ = open_journal(place.state, FakeClock())
        left = list(lives)
        while left and not stop.wait(0.01):
            for command in place.commands():
                if left:
                    drop = Drop(add_drop_id(command.stem), "", "")
                    for event in left.pop(0):
                        journal.append([_with_drop(event, drop)])
                    command.unlink()
        journal.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    stop.set()
    thread.join()
    lock.release()


def _with_drop(event: Event, drop: Drop) -> Event:
    if isinstance(event, Queued):
        link = Link(LinkKind.TORRENT, event.link.key, "magnet:", "N")
        return Queued(event.job_id, NOW, link, drop, Destination("tv", "/o/tv"), "Some.Release")
    return replace(event, drop=drop) if isinstance(event, Attached | DroppedAgain) else event


def lived(job_id: str, key: str, *ending: Event) -> list[Event]:
    """Return a whole life that ends so."""
    return [queued(job_id, key), *(ending or published(job_id, f"/o/tv/{job_id}"))]


def test_waiting_until_all_is_published(place: Place) -> None:
    """Each link is followed to its end."""
    with daemon(place, lived(A, f"btih:{HASH}"), lived(B, f"btih:{OTHER}")):
        ended = place.run("add", "--wait", HASH, OTHER)
    assert ended.code == 0
    assert f"published: {A} Some.Release -> /o/tv/{A}" in ended.out
    assert f"published: {B} Some.Release -> /o/tv/{B}" in ended.out


def test_waiting_for_what_is_there_already(place: Place) -> None:
    """It is found where it was, and that is as good as published; what was gone is published anew."""
    path = f"/o/tv/{A}"
    place.record([*lived(A, f"btih:{HASH}"), *lived(B, f"btih:{OTHER}")])
    drop = Drop("d", "", "")
    kept = [DroppedAgain(A, NOW, drop), Kept(A, NOW, path)]
    anew = [DroppedAgain(B, NOW, drop), Requeued(B, NOW), *published(B, f"/o/tv/{B}")]
    with daemon(place, kept, anew):
        first = place.run("add", "--wait", HASH)
        second = place.run("add", "--wait", OTHER)
    assert (first.code, second.code) == (0, 0)
    assert first.out.endswith(f"is there already: {A} {A} -> {path}\n")
    assert second.out.endswith(f"published: {B} {B} -> /o/tv/{B}\n")


def test_waiting_for_what_is_sent_elsewhere(place: Place) -> None:
    """It is said where it went."""
    taken = Submission("R1")
    life = [Submitting(A, NOW), Submitted(A, NOW, taken), Delivered(A, NOW, Delivery("drive", name="a.mkv"))]
    with daemon(place, lived(A, f"btih:{HASH}", *life)):
        ended = place.run("add", "--wait", HASH)
    assert ended.code == 0
    assert ended.out.endswith(f"sent: {A} a.mkv to remote account drive\n")


def test_waiting_for_one_that_fails(place: Place) -> None:
    """One failure makes the code 1; the reason is shown, without what could steer the terminal."""
    with daemon(place, lived(A, f"btih:{HASH}", Failed(A, NOW, "dead\x1b")), lived(B, f"btih:{OTHER}")):
        ended = place.run("add", "--wait", HASH, OTHER)
    assert ended.code == 1
    assert f"{A} Some.Release: failed: dead\\x1b" in ended.err
    assert f"published: {B}" in ended.out


def test_waiting_for_one_that_joins_another(place: Place) -> None:
    """A job that was open before is the answer, too."""
    place.record([queued(A)])
    done = Submission("r", "downloaded", "N")
    life = [
        Attached(A, NOW, Drop("", "", "")),
        Submitting(A, NOW),
        Submitted(A, NOW, done),
        CloudReady(A, NOW, done),
        Published(A, NOW, Publication("/o/tv/x", 1, 1, "size")),
    ]
    with daemon(place, life):
        ended = place.run("add", "--wait", HASH)
    assert ended.code == 0
    assert "joins an open job" in ended.out


def test_waiting_for_one_that_is_forgotten(place: Place) -> None:
    """A job that leaves the journal meanwhile has not succeeded."""
    with daemon(place, lived(A, f"btih:{HASH}", Removed(A, NOW), Discarded(A, NOW))):
        ended = place.run("add", "--wait", HASH)
    assert ended.code == 1


def test_waiting_for_one_the_daemon_refuses(place: Place) -> None:
    """A command that was taken and left no job will never have one; a daemon that goes away is 69."""
    one = Expected("1-a", f"btih:{HASH}", "N")
    command = place.state / "commands" / "1-a.json"
    command.parent.mkdir(parents=True)
    command.touch()
    with pytest.raises(CommandFailed, match="has stopped") as caught:
        list(follow(place.state, [one], look_every_s=0.001, gone_after_s=0.003))
    assert caught.value.code == 69
    command.unlink()
    assert list(follow(place.state, [one])) == [(one, None)]


def test_waiting_can_be_interrupted(place: Place) -> None:
    """Ctrl-C ends the wait, not the job, and leaves no traceback."""
    lock = lock_state(place.state)
    process = subprocess.Popen(
        [sys.executable, "-m", "offcloud_watchd", "--config", str(place.config), "add", "--wait", HASH],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("added: ")
    process.send_signal(2)
    _, err = process.communicate(timeout=30)
    lock.release()
    assert process.returncode == 130
    assert "Traceback" not in err


# --- explain -----------------------------------------------------------------------------------------------


def test_explain_says_what_and_where_and_why(place: Place) -> None:
    """By the drop folder it lies in; good links, bad lines, repeated ones; nothing is done."""
    path = place.root / "drop" / "wanted.txt"
    path.write_text(f"{MAGNET}\nrubbish\nhttps://files.example.org/a?SECRET\n{MAGNET}\n")
    place.record([queued(A)])
    before = sorted(place.root.rglob("*"))
    ended = place.run("explain", str(path))
    assert ended.code == 0
    assert "SECRET" not in ended.out
    lines = ended.out.splitlines()
    assert lines[:4] == [
        f"{path}: would be taken",
        f"  category tv -> {place.root}/out/tv",
        f"  line 1: Some.Film (torrent, btih:{HASH})",
        f"    is on its way already: would join job {A}",
    ]
    assert lines[5] == "    a new job would be queued"
    assert lines[6].startswith("  line 2: ")
    assert lines[7] == "  lines that repeat an earlier link: 4"
    assert sorted(place.root.rglob("*")) == before


def test_explain_as_json(place: Place) -> None:
    """The members are those the documentation names."""
    path = place.root / "x.magnet"
    path.write_text(MAGNET)
    place.record([queued(A), *published(A)])
    ended = place.run("explain", "--json", str(path))
    assert "SECRET" not in ended.out
    assert json.loads(ended.out) == [
        {
            "file": str(path),
            "accepted": True,
            "reason": "",
            "category": "tv",
            "directory": f"{place.root}/out/tv",
            "to": f"{place.root}/out/tv",
            "links": [
                {
                    "kind": "torrent",
                    "key": f"btih:{HASH}",
                    "name": "Some.Film",
                    "size_bytes": None,
                    "line": 1,
                    "private": False,
                    "remarks": [],
                    "becomes": "checked",
                    "job": A,
                }
            ],
            "bad": [],
            "duplicate_lines": [],
        }
    ]


def test_explain_knows_subfolders(place: Place) -> None:
    """Where subfolders are categories, the subfolder names it."""
    path = place.root / "films" / "new" / "x.magnet"
    path.parent.mkdir(parents=True)
    path.write_text(MAGNET)
    assert f"  category new -> {place.root}/out/new\n" in place.run("explain", str(path)).out
    other = place.root / "drop" / "sub" / "x.magnet"
    other.parent.mkdir()
    other.write_text(MAGNET)
    assert "  category tv -> " in place.run("explain", str(other)).out, "as `add` would take it"


def test_explain_shows_the_size_of_a_torrent(place: Place) -> None:
    """What a torrent tells of itself is shown."""
    path = place.root / "x.torrent"
    path.write_bytes(
        b"d4:infod6:lengthi3145728e4:name3:Big12:piece lengthi1048576e6:pieces60:" + b"p" * 60 + b"ee"
    )
    out = place.run("explain", str(path)).out
    assert "  Big (torrent, btih:" in out
    assert ", 3.0MiB)\n    a new job would be queued\n" in out


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.torrent", "<html>login</html>", "this is no torrent"),
        (
            "x.txt",
            "rubbish\n",
            "would be refused: no line of the file holds a link that can be taken.\n  line 1: ",
        ),
        (".x.magnet", MAGNET, "hidden, unfinished or foreign"),
        ("x.magnet.part", MAGNET, "hidden, unfinished or foreign"),
        ("link", "", "symbolic link"),
    ],
)
def test_explain_of_what_would_be_refused(place: Place, name: str, content: str, reason: str) -> None:
    """The reason is given and the exit code is 1."""
    path = place.root / name
    path.symlink_to("/etc/hostname") if name == "link" else path.write_text(content)
    ended = place.run("explain", str(path))
    assert ended.code == 1
    assert f"{path}: would be refused: " in ended.out
    assert reason in ended.out


def test_explain_of_no_file(place: Place) -> None:
    """What is not there is said, and the files beside it are explained all the same."""
    good = place.root / "good.magnet"
    good.write_text(MAGNET)
    ended = place.run("explain", "--json", str(place.root / "absent"), str(good))
    assert ended.code == 1
    missing, other = json.loads(ended.out)
    assert (missing["accepted"], other["accepted"]) == (False, True)
    assert missing["reason"] == "it cannot be read: No such file or directory"


def test_add_of_neither_file_nor_link(place: Place) -> None:
    """A mistyped path is not taken for a bad link only."""
    ended = place.run("add", "./Filme.torrent")
    assert ended.code == 1
    assert "./Filme.torrent: there is no such file, and this is no link" in ended.err


def test_add_shows_no_password(place: Place) -> None:
    """What is refused for its password is named without it."""
    ended = place.run("add", "https://me:SECRET@host.example/f.iso?token=SECRET")
    assert ended.code == 1
    assert "https://host.example/f.iso: the link carries a user name or password" in ended.err
    assert "SECRET" not in ended.err + ended.out
