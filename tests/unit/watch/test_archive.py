"""What becomes of a drop: nothing overwritten, nothing lost, the right file moved."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from offcloud_watchd import kernel
from offcloud_watchd.watch import archive
from offcloud_watchd.watch.archive import Source
from offcloud_watchd.watch.reading import opened_directory, stamp_of


@contextmanager
def source_of(path: Path) -> Iterator[Source]:
    """Open a file's folder and note the file as it is now."""
    with opened_directory(path.parent) as root:
        yield Source(root, root, path.name, stamp_of(path.lstat()))


def drop(folder: Path, name: str, text: str = "x") -> Path:
    """Make a file."""
    path = folder / name
    path.write_text(text)
    return path


def listed(directory: Path) -> list[str]:
    """Return the names in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir())


def test_archive_numbers_taken_names(tmp_path: Path) -> None:
    """Drops of the same name stand side by side in processed/."""
    for text in ("one", "two", "three"):
        with source_of(drop(tmp_path, "a.torrent", text)) as source:
            archive.archive(source)
    shelf = tmp_path / "processed"
    contents = {path.name: path.read_text() for path in shelf.iterdir()}
    assert contents == {"a.torrent": "one", "a (2).torrent": "two", "a (3).torrent": "three"}
    assert listed(tmp_path) == ["processed"]


def test_delete_leaves_nothing(tmp_path: Path) -> None:
    """A drop that is to go is gone, and nothing is made for it."""
    with source_of(drop(tmp_path, "a")) as source:
        archive.delete(source)
    assert listed(tmp_path) == []


class Killed(BaseException):
    """The process is gone."""


def left_by_a_crash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Die while a drop is being deleted; return what is left of it."""
    with source_of(drop(folder, "a.magnet")) as source, monkeypatch.context() as dying:
        dying.setattr(archive.os, "unlink", _killed)
        with pytest.raises(Killed):
            archive.delete(source)
    (left,) = folder.iterdir()
    return left


def _killed(*_: object, **__: object) -> None:
    raise Killed


def test_a_crash_while_a_drop_is_deleted_leaves_nothing_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a hidden name by then, under which it goes; and what looks like it is left alone."""
    left = left_by_a_crash(tmp_path, monkeypatch)
    others = [tmp_path / ".offcloud-watchd-0123456789abcdef", tmp_path / ".offcloud-watchd-1-1-x"]
    for path in others:
        path.write_text("x")
    with opened_directory(tmp_path) as root:
        for _ in range(2):
            for path in (left, *others):
                archive.deleted_after_all(root, root, path.name)
    assert sorted(tmp_path.iterdir()) == sorted(others)


@pytest.mark.parametrize("dies_at", ["fsync", "rename"])
def test_a_crash_while_a_reason_is_written_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    """Whoever refuses the drop again, as after every crash, uses it up."""
    with source_of(drop(tmp_path, "a.torrent")) as source:
        with monkeypatch.context() as dying, pytest.raises(Killed):
            dying.setattr(archive.os, dies_at, _killed)
            archive.refuse(source, "because")
        assert len(listed(tmp_path / "failed")) == 1
        archive.refuse(source, "because")
    assert listed(tmp_path / "failed") == ["a.torrent", "a.torrent.reason.txt"]


def test_a_crash_deletes_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that took the drop's name at the last moment is a drop of its own: it can be seen again."""
    left = left_by_a_crash(tmp_path, monkeypatch)
    left.write_text("another")
    with opened_directory(tmp_path) as root:
        archive.deleted_after_all(root, root, left.name)
    (back,) = tmp_path.iterdir()
    assert (back.name, back.read_text()) == (left.name.removeprefix(".offcloud-watchd-"), "another")


def test_refuse_puts_the_reason_beside(tmp_path: Path) -> None:
    """A refused drop lies in failed/ with its reason; the same name again gets a number with its own."""
    for text in ("one", "two"):
        with source_of(drop(tmp_path, "a.torrent", text)) as source:
            archive.refuse(source, f"because {text}")
    contents = {path.name: path.read_text() for path in (tmp_path / "failed").iterdir()}
    assert contents == {
        "a.torrent": "one",
        "a.torrent.reason.txt": "because one",
        "a (2).torrent": "two",
        "a (2).torrent.reason.txt": "because two",
    }


def test_refuse_after_a_crash_uses_the_reason_that_is_there(tmp_path: Path) -> None:
    """A crash between the reason and the move leaves one reason and one file in the end."""
    path = drop(tmp_path, "a.torrent")
    with source_of(path) as source:
        archive.report(source.root, "a.torrent", "because")
        archive.refuse(source, "because")
    assert listed(tmp_path / "failed") == ["a.torrent", "a.torrent.reason.txt"]


def test_longest_names_fit(tmp_path: Path) -> None:
    """A name of 255 bytes is archived as it is, and refused with a shorter one that carries its reason."""
    name = "n" * 247 + ".torrent"
    with source_of(drop(tmp_path, name)) as source:
        archive.archive(source)
    assert listed(tmp_path / "processed") == [name]
    with source_of(drop(tmp_path, name)) as source:
        archive.refuse(source, "because")
    short, reason = listed(tmp_path / "failed")
    assert reason == f"{short}.reason.txt"
    assert short.endswith("n.torrent")


def test_report_leaves_other_reasons_alone(tmp_path: Path) -> None:
    """A reason that stands there for another file is not overwritten; the same one is written once."""
    with opened_directory(tmp_path) as root:
        archive.report(root, "a.txt", "one")
        archive.report(root, "a.txt", "one")
        archive.report(root, "a.txt", "two\udcff")
    contents = {path.name: path.read_text() for path in (tmp_path / "failed").iterdir()}
    assert contents == {"a.txt.reason.txt": "one", "a (2).txt.reason.txt": "two\\udcff"}


def test_reason_is_not_written_through_a_link(tmp_path: Path) -> None:
    """A link planted under a reason's name is neither read nor written through."""
    victim = drop(tmp_path, "victim", "because")
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed" / "a.reason.txt").symlink_to(victim)
    with opened_directory(tmp_path) as root:
        archive.report(root, "a", "because")
    assert victim.read_text() == "because"
    assert (tmp_path / "failed" / "a (2).reason.txt").read_text() == "because"


def test_archive_directory_is_no_link(tmp_path: Path) -> None:
    """A link planted as processed/ does not lead our hand elsewhere (fault 23)."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "processed").symlink_to("elsewhere")
    with source_of(drop(tmp_path, "a")) as source, pytest.raises(NotADirectoryError):
        archive.archive(source)
    assert (tmp_path / "a").exists()
    assert listed(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("act", [archive.archive, archive.delete])
def test_file_that_took_the_name_goes_back(tmp_path: Path, act: Callable[[Source], None]) -> None:
    """A drop that replaced the one that was read, at the last moment, is not archived or deleted with it."""
    path = drop(tmp_path, "a", "the one that was read")
    with source_of(path) as source:
        path.write_text("another, unread")
        assert not source.is_there()
        act(source)
    assert path.read_text() == "another, unread"


def test_failed_move_leaves_no_empty_name(tmp_path: Path) -> None:
    """A move that fails takes its reservation back."""
    with source_of(drop(tmp_path, "a")) as source:
        (tmp_path / "a").unlink()
        with pytest.raises(FileNotFoundError):
            archive.archive(source)
    assert listed(tmp_path / "processed") == []


def test_full_disk_leaves_drop_and_archive_as_they_were(
    tmp_path: Path, full_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    """A reason that cannot be written keeps the drop where it is and leaves no half file (fault 23)."""
    with source_of(drop(tmp_path, "a")) as source, full_disk(), pytest.raises(OSError, match="too large"):
        archive.refuse(source, "because")
    assert listed(tmp_path / "failed") == []
    assert (tmp_path / "a").exists()


def test_what_is_no_reason_is_left_alone(tmp_path: Path) -> None:
    """A directory or a giant under a reason's name is not read as one."""
    shelf = tmp_path / "failed"
    (shelf / "a.reason.txt").mkdir(parents=True)
    with (shelf / "a (2).reason.txt").open("wb") as file:
        file.truncate(1 << 40)
    with opened_directory(tmp_path) as root:
        archive.report(root, "a", "because")
    assert (shelf / "a (3).reason.txt").read_text() == "because"


def test_a_file_system_that_knows_no_better_way_gets_a_placeholder(tmp_path: Path) -> None:
    """NFS and some of FUSE cannot rename without replacing."""
    file, shelf = drop(tmp_path, "a.magnet", "new"), tmp_path / "processed"
    shelf.mkdir()
    (shelf / "taken").write_text("old")
    with source_of(file) as source, opened_directory(shelf) as directory:
        with pytest.raises(FileExistsError):
            archive.renamed_onto_a_placeholder(source, directory, "taken")
        assert file.exists()
        archive.renamed_onto_a_placeholder(source, directory, "free")
        with pytest.raises(FileNotFoundError):
            archive.renamed_onto_a_placeholder(source, directory, "gone")
    assert {path.name: path.read_text() for path in shelf.iterdir()} == {"taken": "old", "free": "new"}


@pytest.fixture
def no_better_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a file system that cannot rename without replacing, as NFS."""
    monkeypatch.setattr(kernel, "renamed_new", lambda *_: False)


class Died(BaseException):
    """The process is gone."""


@pytest.mark.usefixtures("no_better_way")
@pytest.mark.parametrize("put_away", [archive.archive, lambda source: archive.refuse(source, "junk")])
def test_the_placeholder_of_a_crash_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put_away: Callable[[Source], None]
) -> None:
    """Whoever dies between the placeholder and the move leaves nothing but the drop, once it is put away."""
    with source_of(drop(tmp_path, "a.magnet")) as source:
        with monkeypatch.context() as dying, pytest.raises(Died):
            rename = os.rename
            dying.setattr(os, "rename", lambda old, *more, **at: _dies(old, rename, *more, **at))
            put_away(source)
        put_away(source)
    [kept] = tmp_path.rglob("a*.magnet")
    assert (kept.name, kept.read_text()) == ("a.magnet", "x")


def _dies(old: str, rename: Callable[..., None], *more: object, **at: object) -> None:
    if old == "a.magnet":
        raise Died
    rename(old, *more, **at)


@pytest.mark.usefixtures("no_better_way")
def test_the_placeholder_of_another_drop_is_left_alone(tmp_path: Path) -> None:
    """Another host may be just about to move its own drop there."""
    shelf = tmp_path / "processed"
    shelf.mkdir()
    (shelf / "a.magnet").symlink_to(".offcloud-watchd-1-1-1")
    with source_of(drop(tmp_path, "a.magnet")) as source:
        archive.archive(source)
    assert listed(shelf) == ["a (2).magnet", "a.magnet"]
    assert (shelf / "a.magnet").is_symlink()


@pytest.mark.usefixtures("no_better_way")
def test_where_there_are_no_links_the_placeholder_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SMB and some of FUSE have none."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "symlink", refused)
    for text in ("one", "two"):
        with source_of(drop(tmp_path, "a.magnet", text)) as source:
            archive.archive(source)
    shelf = tmp_path / "processed"
    assert {path.name: path.read_text() for path in shelf.iterdir()} == {
        "a.magnet": "one",
        "a (2).magnet": "two",
    }
