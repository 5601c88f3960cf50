"""A drop folder, through the watcher's looks: what is taken, what is refused, what stays."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise

import pytest

from offcloud_watchd.core.model import Command, Destination, Intake
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.watch import After, archive
from offcloud_watchd.watch.folder import MAX_CANDIDATES

MAGNET = "magnet:?xt=urn:btih:" + "0123456789abcdef" * 2 + "01234567"
TORRENT = b"d4:infod6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:" + b"p" * 20 + b"ee"
NZB = b"""<?xml version="1.0"?><nzb xmlns="http://www.newzbin.com/DTD/2003/nzb"><file><segments>
<segment bytes="9">one@example</segment></segments></file></nzb>"""

Rights = Callable[[], AbstractContextManager[None]]


def intakes(wishes: object) -> list[Intake]:
    """Return what the wishes ask for."""
    return [wish.what for wish in wishes]


# --- taken ---


def test_drop_is_read_spooled_and_archived(yard) -> None:
    """A settled drop becomes a wish with its bytes safe; settling with it moves it to processed/."""
    (yard.drop / "Show.S01.torrent").write_bytes(TORRENT)
    assert yard.look().wishes == ()
    (wish,) = yard.look(after_s=2.0).wishes
    intake = wish.what
    assert isinstance(intake, Intake)
    assert (intake.stem, intake.destination.category) == ("Show.S01", "tv")
    assert (intake.drop.name, intake.drop.folder) == ("Show.S01.torrent", str(yard.drop))
    assert intake.links.found[0].name == "a"
    assert (yard.state / "spool" / intake.drop.sha256).read_bytes() == TORRENT
    assert yard.names() == ["Show.S01.torrent"]
    wish.settled()
    wish.settled()
    assert yard.names() == ["processed"]
    assert yard.names("processed") == ["Show.S01.torrent"]
    assert yard.look(after_s=60.0).wishes == ()


@pytest.mark.parametrize(
    ("name", "data", "after", "kept"),
    [
        ("a.magnet", MAGNET.encode(), After.ARCHIVE, 0),
        (
            "a.txt",
            b"https://example.org/a\nhttps://example.org/b\nfile:///etc/passwd\n",
            After.ARCHIVE,
            0,
        ),
        ("a.torrent", MAGNET.encode(), After.ARCHIVE, 0),
        ("a.magnet", TORRENT, After.ARCHIVE, 1),
        ("a.nzb", NZB, After.ARCHIVE, 1),
        ("a.magnet", MAGNET.encode(), After.DELETE, 1),
    ],
)
def test_what_links_do_not_say_is_kept(yard, name: str, data: bytes, after: After, kept: int) -> None:
    """The pieces of a torrent, the articles of an NZB, what would lie nowhere else; links are recorded."""
    yard.configure(after=after)
    (yard.drop / name).write_bytes(data)
    (intake,) = yard.accept()
    spooled = [path.read_bytes() for path in (yard.state / "spool").glob("*")]
    assert (spooled, bool(intake.drop.sha256)) == ([data] * kept, kept == 1)
    assert yard.names("processed") == [name] * (after is After.ARCHIVE)


def test_look_says_when_to_come_back(yard) -> None:
    """A look tells when a file may have settled, else when the folder is due anyway."""
    assert yard.look().next_look_s == 30.0
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert yard.look().next_look_s == 2.0
    assert yard.look(after_s=0.5).next_look_s == 1.5
    assert yard.health().waiting == 1


def test_growing_file_is_taken_once_when_it_is_whole(yard) -> None:
    """A file that grows for a minute is one drop, in the end (fault 2)."""
    path = yard.drop / "a.torrent"
    for size in range(1, len(TORRENT), 3):
        path.write_bytes(TORRENT[:size])
        assert yard.look(after_s=1.9).wishes == ()
    path.write_bytes(TORRENT)
    assert len(yard.accept()) == 1
    assert yard.names("failed") == []


@pytest.mark.parametrize("name", ["a.torrent", "a.magnet"])
def test_writer_that_pauses_half_way_is_waited_for(yard, name: str) -> None:
    """A file written in place with a pause of five seconds is not refused, and taken once (fault 3)."""
    whole = TORRENT if name == "a.torrent" else MAGNET.encode()
    (yard.drop / name).write_bytes(whole[: len(whole) // 2])
    for _ in range(5):
        assert yard.look(after_s=1.0).wishes == ()
    (yard.drop / name).write_bytes(whole)
    assert len(yard.accept()) == 1
    assert yard.names() == ["processed"]


def test_half_file_is_refused_after_its_patience(yard) -> None:
    """A torrent that never ends is refused after a minute, and a look is asked for at that time."""
    (yard.drop / "a.torrent").write_bytes(TORRENT[:30])
    yard.take()
    assert yard.look(after_s=40.0).next_look_s == pytest.approx(18.0)
    assert yard.look(after_s=17.9).next_look_s == pytest.approx(0.1)
    assert yard.names("failed") == []
    yard.look(after_s=0.2)
    assert yard.names("failed") == ["a.torrent", "a.torrent.reason.txt"]


def test_empty_file_fails_after_a_minute(yard) -> None:
    """A file of no bytes waits a minute and is refused with a reason (fault 1)."""
    (yard.drop / "a.torrent").touch()
    yard.look()
    yard.look(after_s=59.0)
    assert yard.names() == ["a.torrent"]
    yard.look(after_s=1.0)
    assert "empty" in yard.reason("a.torrent")


def test_rename_into_place_leaves_no_trace_of_the_other_name(yard) -> None:
    """A temporary file is not looked at; its final name is one drop (fault 4)."""
    (yard.drop / "a.torrent.tmp").write_bytes(TORRENT)
    assert yard.accept() == []
    (yard.drop / "a.torrent.tmp").rename(yard.drop / "a.torrent")
    assert [intake.drop.name for intake in yard.accept()] == ["a.torrent"]


def test_same_bytes_under_two_names_are_two_drops_of_one_content(yard) -> None:
    """Equal bytes have one place in the spool, two drop ids, and both leave the folder (fault 5)."""
    for name in ("a.torrent", "b.torrent"):
        (yard.drop / name).write_bytes(TORRENT)
    one, two = yard.accept()
    assert one.drop.sha256 == two.drop.sha256
    assert one.drop.id != two.drop.id
    assert yard.names("processed") == ["a.torrent", "b.torrent"]


def test_replaced_while_it_settles_only_the_last_counts(yard) -> None:
    """Of a file replaced while it settled only the final content is taken (fault 6)."""
    (yard.drop / "a.txt").write_text("http://example.org/old\n")
    yard.look()
    (yard.drop / "b").write_text("http://example.org/new\n")
    (yard.drop / "b").rename(yard.drop / "a.txt")
    assert yard.look(after_s=2.0).wishes == ()
    (wish,) = yard.look(after_s=2.0).wishes
    assert wish.what.links.found[0].url == "http://example.org/new"


def test_replaced_after_it_was_read_is_a_drop_of_its_own(yard) -> None:
    """A file written anew between its reading and its archiving stays and is taken, too."""
    (yard.drop / "a.txt").write_text("http://example.org/old\n")
    (wish,) = yard.take()
    (yard.drop / "a.txt").write_text("http://example.org/other\n")
    wish.settled()
    assert yard.names() == ["a.txt"]
    (second,) = yard.accept()
    assert second.links.found[0].url == "http://example.org/other"
    assert second.drop.id != wish.what.drop.id


def test_removed_by_the_user_after_it_was_read(yard) -> None:
    """A drop whose file was taken away goes on, quietly (fault 8)."""
    (yard.drop / "a.magnet").write_text(MAGNET)
    (wish,) = yard.take()
    (yard.drop / "a.magnet").unlink()
    wish.settled()
    yard.look(after_s=60.0)
    assert yard.health().problem == ""


def test_folder_removed_after_reading(yard) -> None:
    """Settling where the whole folder is gone does nothing."""
    (yard.drop / "a.magnet").write_text(MAGNET)
    (wish,) = yard.take()
    shutil.rmtree(yard.drop)
    wish.settled()
    assert not yard.drop.exists()


@pytest.mark.parametrize("when", [0, 4_070_908_800, 978_307_200])
def test_file_times_do_not_matter(yard, when: int) -> None:
    """Files of 1970, 2099 and copies of old files are drops like any other (faults 9, 10)."""
    path = yard.drop / "a.magnet"
    path.write_text(MAGNET)
    os.utime(path, (when, when))
    assert len(yard.accept()) == 1


def test_taken_again_under_the_same_id_until_it_is_settled(yard) -> None:
    """After a crash between record and archive the drop is known again by its id."""
    (yard.drop / "a.magnet").write_text(MAGNET)
    (first,) = yard.take()
    (again,) = yard.look(after_s=30.0).wishes
    yard.restart()
    (after_restart,) = yard.accept()
    assert first.what.drop == again.what.drop == after_restart.drop
    assert yard.names() == ["processed"]


def test_what_a_crash_left_of_a_deleted_drop_goes_with_the_next_visit(
    open_yard, unprivileged: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of the folder and its subfolders, as soon as they can be written to; nothing else waits for it."""
    yard = open_yard
    yard.configure(after=After.DELETE, subfolder_destination=lambda name: Destination(name, f"/out/{name}"))
    (yard.drop / "tv").mkdir()
    for name in ("a.magnet", "tv/b.magnet"):
        (yard.drop / name).write_text(MAGNET)
    os.utime(yard.drop / "a.magnet", (-9, -9))
    with monkeypatch.context() as dying:
        dying.setattr(archive.os, "unlink", lambda *_, **__: None)  # it does not come to that
        assert len(yard.accept()) == 2
    assert len(list(yard.drop.rglob(".offcloud-watchd-*"))) == 2
    yard.restart()
    yard.configure(after=After.ARCHIVE)
    (yard.drop / "c.magnet").write_text(MAGNET)
    for directory in (yard.drop, yard.drop / "tv"):
        directory.chmod(0o555)
    with unprivileged():
        assert len(yard.take()) == 1
    for directory in (yard.drop, yard.drop / "tv"):
        directory.chmod(0o755)
    yard.look(after_s=30.0)
    assert not list(yard.drop.rglob(".offcloud-watchd-*"))


def test_change_of_rights_does_not_start_the_settle_time_anew(yard) -> None:
    """Mending the rights of a drop does not hold it up: its content is as it was."""
    path = yard.drop / "a.magnet"
    path.write_text(MAGNET)
    yard.look()
    path.chmod(0o600)
    assert len(yard.look(after_s=2.0).wishes) == 1


def test_put_back_by_the_user_is_a_new_drop(yard) -> None:
    """A drop moved back from processed/ is wanted once more, and each time anew."""
    path = yard.drop / "a.magnet"
    path.write_text(MAGNET)
    ids = [yard.accept()[0].drop.id]
    for _ in range(2):
        (yard.drop / "processed" / "a.magnet").rename(path)
        ids.append(yard.accept()[0].drop.id)
    assert len(set(ids)) == 3


def test_put_back_after_a_restart_is_a_new_drop(yard) -> None:
    """A drop moved back from processed/ days later, by which time nobody remembers it, is wanted again."""
    path = yard.drop / "a.magnet"
    path.write_text(MAGNET)
    path_changed_ns = path.stat().st_ctime_ns
    (before,) = yard.accept()
    yard.restart()
    while (yard.base / "now").touch() or (yard.base / "now").stat().st_ctime_ns == path_changed_ns:
        pass  # the clock of file times ticks a few hundred times a second only
    (yard.drop / "processed" / "a.magnet").rename(path)
    (after,) = yard.accept()
    assert before.drop.id != after.drop.id


def test_hard_link_is_taken_and_its_source_unharmed(yard) -> None:
    """A hard link is a plain file; the other name of it keeps its content (fault 13)."""
    source = yard.base / "source"
    source.write_text(MAGNET)
    (yard.drop / "a.magnet").hardlink_to(source)
    assert len(yard.accept()) == 1
    assert source.read_text() == MAGNET


@pytest.mark.parametrize(
    "name",
    [os.fsdecode(b"\xff\xfe.magnet"), "new\nline.magnet", "esc\x1b[31m.magnet", "x" * 248 + ".magnet"],
)
def test_awkward_names(yard, name: str, caplog) -> None:
    """Names with control characters, not in UTF-8 or full are processed and shown escaped (fault 19)."""
    (yard.drop / name).write_text(MAGNET)
    (yard.drop / ("bad" + name)[:200]).write_text("no link\n")
    (intake,) = yard.accept()
    assert intake.drop.name == name
    assert yard.names("processed") == [name]
    assert len(yard.names("failed")) == 2
    assert all(line.isprintable() for line in caplog.text.splitlines())


def test_twins_of_case_and_composition(yard) -> None:
    """Names that differ in case or in Unicode composition are drops of their own (fault 20)."""
    names = {"a.magnet", "A.magnet", "\u00e9.magnet", "e\u0301.magnet"}
    for name in names:
        (yard.drop / name).write_text(MAGNET)
    assert {intake.drop.name for intake in yard.accept()} == names


def test_what_was_taken_waits_no_more(yard) -> None:
    """What a look has accepted or refused is not said to wait, though nothing may come for half a minute."""
    (yard.drop / "a.magnet").write_text(MAGNET)
    (yard.drop / "b.torrent").write_text("<html>no torrent</html>")
    yard.look()
    assert yard.health().waiting == 2
    (yard.drop / "c.magnet").write_text(MAGNET)
    look = yard.look(after_s=2.0)
    assert yard.health().waiting == 1
    for wish in look.wishes:
        wish.settled()
    yard.look(after_s=2.0)
    assert yard.health().waiting == 0


def test_junk_stays(yard) -> None:
    """Hidden, partial and NAS files are neither taken nor moved (fault 21)."""
    junk = [".a.magnet", "a.magnet.part", "Thumbs.db", "sonarr_write_test.txt", "~a.txt"]
    for name in junk:
        (yard.drop / name).write_text(MAGNET)
    assert yard.accept() == []
    assert yard.names() == sorted(junk)
    assert yard.health().waiting == 0


def test_flood_is_taken_in_bounded_parts(yard) -> None:
    """Many files at once are taken some hundred at a time, none twice, none left (fault 18)."""
    for number in range(600):
        (yard.drop / f"{number}.txt").write_text(f"http://example.org/{number}\n")
    yard.look()
    parts = []
    while (look := yard.look(after_s=2.0 if not parts else 0.0)).wishes:
        for wish in look.wishes:
            wish.settled()
        parts.append((len(look.wishes), look.more, look.next_look_s))
    assert parts == [(500, True, 0.0), (100, False, 30.0)]
    assert len(yard.names("processed")) == 600


def test_memory_of_a_flood_is_bounded(yard) -> None:
    """Of more files than can be minded only a part is noted; the rest comes when these have left."""
    for number in range(MAX_CANDIDATES + 5):
        (yard.drop / f"{number}").touch()
    yard.look()
    assert yard.health().waiting == MAX_CANDIDATES


def test_visit_stops_at_its_byte_limit(yard) -> None:
    """Large drops fill a visit by their bytes, too."""
    for number in range(4):
        with (yard.drop / f"{number}.torrent").open("wb") as file:
            file.truncate(31 << 20)
    yard.look()
    put_away = [0]
    while yard.look(after_s=60.0).more:  # where others are busy the limit of time may come first
        put_away.append(len(yard.names("failed")) // 2)
    put_away.append(len(yard.names("failed")) // 2)
    assert put_away[-1] == 4
    assert len(put_away) > 2
    assert all(0 < after - before <= 3 for before, after in pairwise(put_away))


def test_list_with_bad_lines_goes_on_with_its_good_ones(yard, caplog) -> None:
    """Good links of a list are taken, the bad lines are told by number, a copy stays (fault 44)."""
    yard.configure(after=After.DELETE)
    (yard.drop / "l.txt").write_text("http://example.org/a\nfile:///etc/passwd\nhttp://example.org/b\n")
    (intake,) = yard.accept()
    assert [link.url for link in intake.links.found] == ["http://example.org/a", "http://example.org/b"]
    assert "line 2:" in yard.reason("l.txt")
    assert "2 good links" in yard.reason("l.txt")
    assert yard.names("processed") == ["l.txt"]
    assert yard.names("failed") == ["l.txt.reason.txt"]
    assert ": 1 of 3 links in l.txt refused, the others go on: line 2: " in caplog.text
    assert "passwd" not in caplog.text


def test_ftp_only_by_option(yard) -> None:
    """A list with ftp links loses these and is told of the option that takes them."""
    (yard.drop / "l.txt").write_text("ftp://example.org/a;http://example.org/b\nftp://example.org/c\n")
    (intake,) = yard.accept()
    assert [link.url for link in intake.links.found] == ["http://example.org/b"]
    assert "line 2: links of the kind ftp: are not taken" in yard.reason("l.txt")
    assert "`ftp: true`" in yard.reason("l.txt")


def test_ftp_where_it_is_wanted(yard) -> None:
    """Each link of a line counts, of whatever kind."""
    yard.configure(ftp=True)
    (yard.drop / "m.txt").write_text("ftp://example.org/a;http://example.org/b\nftp://example.org/c\n")
    (intake,) = yard.accept()
    kinds = [link.url for link in intake.links.found]
    assert kinds == ["ftp://example.org/a", "http://example.org/b", "ftp://example.org/c"]


def test_delete_after_acceptance(yard) -> None:
    """Where drops are to be deleted nothing is left of an accepted one."""
    yard.configure(after=After.DELETE)
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert len(yard.accept()) == 1
    assert yard.names() == []


# --- refused ---


def test_refused_drop_does_not_stop_others(yard) -> None:
    """A drop without links ends in failed/ with what is wrong and what to do, at once."""
    (yard.drop / "bad.txt").write_text("nothing here\n")
    (yard.drop / "good.magnet").write_text(MAGNET)
    assert [intake.drop.name for intake in yard.accept()] == ["good.magnet"]
    assert yard.names("failed") == ["bad.txt", "bad.txt.reason.txt"]
    assert "What to do:" in yard.reason("bad.txt")


def test_what_was_refused_is_told_once(yard) -> None:
    """A look tells the name and what is wrong; the next one tells nothing, as it is no news."""
    (yard.drop / "a.txt").write_text("no link\n")
    yard.look()
    (refused,) = yard.look(after_s=61.0).refused
    assert (refused.name, refused.folder, refused.category) == ("a.txt", str(yard.drop), "tv")
    assert "line 1" in refused.reason
    assert yard.look(after_s=61.0).refused == ()
    assert yard.health().refused == 1


def test_list_of_comments_alone_is_refused(yard) -> None:
    """A list that holds nothing is told to its owner rather than silently taken."""
    (yard.drop / "l.txt").write_text("# only\n# comments\n")
    assert yard.accept() == []
    assert "no link" in yard.reason("l.txt")


def test_giant_is_refused_unread(yard) -> None:
    """A sparse file of 1 TiB is refused by its size (fault 16)."""
    with (yard.drop / "a.torrent").open("wb") as file:
        file.truncate(1 << 40)
    assert yard.accept() == []
    assert "was not read" in yard.reason("a.torrent")


def test_what_a_tool_may_wait_for_is_told_of_before_it_is_put_away(yard) -> None:
    """Of that category alone: what it is known by and what is wrong; told again until it is settled."""
    yard.configure(awaited=frozenset({"tv"}))
    info = b"d6:lengthi5e6:pieces0:e"
    (yard.drop / "Show.S01E01.torrent").write_bytes(b"d4:info" + info + b"e")
    (yard.drop / "Show.S01E02.magnet").write_text("magnet:?dn=no+hash\n")
    with (yard.drop / "Show.S01E03.torrent").open("wb") as file:
        file.truncate(1 << 40)
    wishes = yard.take()
    assert yard.names("failed") == []
    known = {wish.what.stem: wish.what.unusable for wish in wishes}
    assert known["Show.S01E01"].info_hash_v1 == hashlib.sha1(info, usedforsecurity=False).hexdigest()
    assert [known[name].kind for name in sorted(known)] == ["torrent", "file", "file"]
    assert all(wish.what.links.bad and not wish.what.links.found for wish in wishes)
    again = yard.look().wishes
    assert [wish.what.drop.id for wish in again] == [wish.what.drop.id for wish in wishes]
    for wish in again:
        wish.settled()
    assert yard.names("failed") == sorted(
        name for number in (1, 2, 3) for name in _with_reason(f"Show.S01E0{number}", number)
    )
    assert yard.look().wishes == ()


def _with_reason(stem: str, number: int) -> tuple[str, str]:
    name = f"{stem}.magnet" if number == 2 else f"{stem}.torrent"
    return name, f"{name}.reason.txt"


def test_a_subfolder_that_no_tool_waits_for(yard) -> None:
    """Its refused drops are put away at once."""
    yard.configure(
        awaited=frozenset({"tv"}), subfolder_destination=lambda name: Destination(name, f"/out/{name}")
    )
    for name in ("tv", "film"):
        (yard.drop / name).mkdir()
        (yard.drop / name / "bad.txt").write_text("nothing here\n")
    assert [wish.what.destination.category for wish in yard.take()] == ["tv"]
    assert yard.names("failed") == ["bad.txt", "bad.txt.reason.txt"]


def test_things_that_are_no_files_are_left_and_said_once(yard, caplog) -> None:
    """Links, pipes, sockets, devices and directories with a drop's name stay unread (faults 11, 14, 15)."""
    secret = yard.base / "key"
    secret.write_text(MAGNET)
    (yard.drop / "link.torrent").symlink_to(secret)
    os.mkfifo(yard.drop / "pipe.torrent")
    (yard.drop / "dir.torrent").mkdir()
    (yard.drop / "plain-dir").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(yard.drop)
        server.bind("sock.torrent")
        os.chdir("/")
        if os.geteuid() == 0:
            os.mknod(yard.drop / "dev.torrent", 0o20600, os.makedev(1, 3))
        before = yard.names()
        assert yard.accept() == []
        assert yard.accept() == []
    assert yard.names() == before
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == len(before) - 1
    assert any("link.torrent is a symbolic link" in line for line in said)
    assert not any("plain-dir" in line for line in said)


# --- stuck ---


def test_unreadable_file_waits_and_others_proceed(open_yard, unprivileged: Rights) -> None:
    """A file of mode 000 is tried ever less often, with its reason, and taken once it can be (fault 17)."""
    yard = open_yard
    locked = yard.drop / "locked.magnet"
    for path in (locked, yard.drop / "also.magnet"):
        path.write_text(MAGNET)
        path.chmod(0)
    (yard.drop / "open.magnet").write_text(MAGNET)
    with unprivileged():
        assert [intake.drop.name for intake in yard.accept()] == ["open.magnet"]
        assert "cannot be read: Permission denied" in yard.health().problem
        assert "(and 1 more)" in yard.health().problem
        waits = [yard.look(after_s=wait_s).next_look_s for wait_s in (5.0, 10.0, 15.0)]
        assert waits == [10.0, 10.0, 5.0]
        assert yard.health().waiting == 2
    for path in (locked, yard.drop / "also.magnet"):
        path.chmod(0o644)
    with unprivileged():
        assert len(yard.look(after_s=300.0).wishes) == 2
    assert yard.health().problem == ""


def test_read_only_folder_is_processed_once(open_yard, unprivileged: Rights, caplog) -> None:
    """Drops of a read-only folder are taken once, warned of, and moved when they can be (fault 22)."""
    yard = open_yard
    for name in ("a.magnet", "b.magnet"):
        (yard.drop / name).write_text(MAGNET)
    yard.drop.chmod(0o555)
    with unprivileged():
        assert len(yard.accept()) == 2
        assert [yard.look(after_s=30.0).wishes for _ in range(3)] == [(), (), ()]
        assert "cannot be moved away: Permission denied" in yard.health().problem
        assert yard.health().waiting == 0
        warned = [record for record in caplog.records if "cannot be moved" in record.getMessage()]
        assert len(warned) <= 2  # once for each of the two that was named
    yard.drop.chmod(0o777)
    with unprivileged():
        assert yard.look(after_s=30.0).wishes == ()
    assert yard.health().problem == ""
    assert yard.names("processed") == ["a.magnet", "b.magnet"]


@pytest.mark.parametrize("shelf", ["processed", "failed"])
def test_archive_that_cannot_be_used_makes_no_loop(yard, shelf: str) -> None:
    """With no usable archive directory drops stay, are not taken again, and a new one still is (fault 23)."""
    (yard.drop / shelf).write_text("in the way")
    (yard.drop / "a.txt").write_text("http://example.org/a\n" if shelf == "processed" else "nothing\n")
    yard.accept()
    assert yard.look(after_s=30.0).wishes == ()
    assert "cannot be moved away" in yard.health().problem
    (yard.drop / "a.txt").write_text("http://example.org/new\n")
    assert len(yard.accept()) == 1


def test_taken_in_vain_is_taken_again_after_a_restart(yard) -> None:
    """A drop that could not be moved comes under the same id after a restart."""
    (yard.drop / "processed").write_text("in the way")
    (yard.drop / "a.magnet").write_text(MAGNET)
    (before,) = yard.accept()
    yard.restart()
    (after,) = yard.accept()
    assert before.drop.id == after.drop.id


def test_full_disk_of_the_spool_consumes_nothing(yard, full_disk: Rights) -> None:
    """Where no copy can be kept no drop is taken or refused, and it goes on by itself."""
    for name in ("a.torrent", "b.torrent"):
        (yard.drop / name).write_bytes(TORRENT)
    yard.look()
    with full_disk():
        assert yard.look(after_s=2.0).wishes == ()
    assert "no copy can be kept" in yard.health().problem
    assert yard.names() == ["a.torrent", "b.torrent"]
    assert len(yard.look(after_s=10.0).wishes) == 2
    assert yard.health().problem == ""


def test_visit_stops_at_its_time_limit(yard) -> None:
    """A folder whose files take long to read hands over what it has, and goes on at the next look."""
    yard.configure(subfolder_destination=lambda name: (yard.clock.advance(6.0), Destination(name, "/o"))[1])
    (yard.drop / "sub").mkdir()
    for name in ("a.magnet", "b.magnet"):
        (yard.drop / "sub" / name).write_text(MAGNET)
    yard.look()
    look = yard.look(after_s=2.0)
    assert (len(look.wishes), look.more) == (1, True)


# --- the folder itself ---


def test_missing_folder_is_unhealthy_and_comes_back(yard, caplog) -> None:
    """A missing folder is not created; the reason is said once, and it works again by itself (fault 24)."""
    yard.drop.rmdir()
    for _ in range(3):
        look = yard.look(after_s=30.0)
    assert look.next_look_s == 10.0
    assert "No such file or directory" in yard.health().problem
    assert not yard.drop.exists()
    yard.drop.mkdir()
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert len(yard.accept()) == 1
    assert yard.health().problem == ""
    assert len([line for line in caplog.messages if "No such file" in line]) == 1
    assert len([line for line in caplog.messages if "works again" in line]) == 1


def test_replaced_folder_is_looked_into(yard) -> None:
    """A folder renamed and replaced by another is the new one (fault 25)."""
    yard.look()
    yard.drop.rename(yard.base / "old")
    yard.drop.mkdir()
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert len(yard.accept()) == 1


def test_bare_mount_point_is_left_alone(yard, caplog) -> None:
    """Where a folder was mounted nothing is taken while it is not, also after a restart (fault 26)."""
    mounted = f"999998 1 0:99 / {yard.drop} rw - ext4 /dev/sdb1 rw\n"
    root = yard.mountinfo
    yard.mountinfo = root + mounted
    yard.look()
    yard.mountinfo = root
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert yard.accept() == []
    yard.restart()
    assert yard.accept() == []
    assert "is not there, nothing is taken" in yard.health().problem
    assert yard.names() == ["a.magnet"]
    yard.mountinfo = root + mounted
    assert len(yard.accept()) == 1
    assert yard.health().problem == ""


# --- subfolders ---


def test_subfolders_are_categories(yard) -> None:
    """Each plain subfolder is a category, one level deep; the archive is the folder's own (fault 31)."""
    yard.configure(subfolder_destination=lambda name: Destination(name, f"/out/{name}"))
    for name in ("films", "bad\nname", ".hidden", "processed"):
        (yard.drop / name).mkdir()
        (yard.drop / name / "a.magnet").write_text(MAGNET)
    (yard.drop / "films" / "deeper").mkdir()
    (yard.drop / "films" / "deeper" / "a.magnet").write_text(MAGNET)
    (yard.drop / "top.magnet").write_text(MAGNET)
    taken = {intake.drop.name: intake.destination for intake in yard.accept()}
    assert taken == {
        "a.magnet": Destination("films", "/out/films"),
        "top.magnet": Destination("tv", "/out/tv"),
    }
    assert yard.names("processed") == ["a (2).magnet", "a.magnet", "top.magnet"]
    assert yard.names("films") == ["deeper"]


def test_subfolder_that_is_no_category_refuses_its_drops(yard) -> None:
    """A category that cannot be placed is told beside each drop that asked for it."""

    def destination(name: str) -> Destination:
        raise BadDrop(f"there is no place for {name}")

    yard.configure(subfolder_destination=destination)
    (yard.drop / "films").mkdir()
    (yard.drop / "films" / "a.magnet").write_text(MAGNET)
    assert yard.accept() == []
    assert "no place for films" in yard.reason("a.magnet")


def test_subfolders_are_ignored_by_default(yard) -> None:
    """Without that wish a subfolder is nobody's business."""
    (yard.drop / "films").mkdir()
    (yard.drop / "films" / "a.magnet").write_text(MAGNET)
    assert yard.accept() == []


def test_subfolder_that_cannot_be_listed_is_left(open_yard, unprivileged: Rights, caplog) -> None:
    """A closed subfolder is said once; its siblings go on."""
    yard = open_yard
    yard.configure(subfolder_destination=lambda name: Destination(name, f"/out/{name}"))
    (yard.drop / "closed").mkdir(mode=0)
    (yard.drop / "open").mkdir()
    (yard.drop / "open").chmod(0o777)
    (yard.drop / "open" / "a.magnet").write_text(MAGNET)
    with unprivileged():
        assert len(yard.accept()) == 1
    assert any("closed is a directory that cannot be listed" in line for line in caplog.messages)


def test_too_many_subfolders_are_bounded(yard) -> None:
    """Beyond a thousand subfolders the rest is left alone."""
    yard.configure(subfolder_destination=lambda name: Destination(name, f"/out/{name}"))
    for number in range(1001):
        (yard.drop / str(number)).mkdir()
        (yard.drop / str(number) / "a").touch()
    yard.look()
    assert yard.health().waiting == 1000


def test_file_gone_between_scan_and_read(yard) -> None:
    """A file or a whole subfolder that vanishes in the middle of a visit is quiet (fault 7)."""

    def destination(name: str) -> Destination:
        (yard.drop / "one" / "b.magnet").unlink(missing_ok=True)
        shutil.rmtree(yard.drop / "two", ignore_errors=True)
        return Destination(name, "/out")

    yard.configure(subfolder_destination=destination)
    for subfolder, names in (("one", "ab"), ("two", "c")):
        (yard.drop / subfolder).mkdir()
        for name in names:
            (yard.drop / subfolder / f"{name}.magnet").write_text(MAGNET)
    assert [intake.drop.name for intake in yard.accept()] == ["a.magnet"]
    assert yard.health().problem == ""
    assert not [wish for wish in yard.look(after_s=9.0).wishes if isinstance(wish.what, Command)]
