"""Drops on their way out, where it is not seen through the watcher."""

import errno
from pathlib import Path

from offcloud_watchd.core.model import BadLine, Links
from offcloud_watchd.core.settle import Stamp
from offcloud_watchd.watch.archive import Source
from offcloud_watchd.watch.outgoing import MAX_REMEMBERED, Leaving, Outgoing
from offcloud_watchd.watch.reading import opened_directory, stamp_of
from offcloud_watchd.watch.reasons import MAX_LINES, what_was_left_out


def test_rounds_are_remembered_within_bounds(tmp_path: Path) -> None:
    """How often a drop left is counted, for the latest of many drops."""
    path = tmp_path / "a"
    path.touch()
    outgoing = Outgoing(tmp_path)
    for number in range(MAX_REMEMBERED + 1):
        outgoing.put([Leaving("a", stamp_of(path.stat()), lambda _: None, f"id{number}")])
    assert outgoing.round_of("id0") == 0
    assert outgoing.round_of(f"id{MAX_REMEMBERED}") == 1


def test_drop_taken_away_meanwhile_is_let_go(tmp_path: Path) -> None:
    """A drop that goes while it is put away is no problem, and is not counted."""
    path = tmp_path / "a"
    path.touch()
    outgoing = Outgoing(tmp_path)

    def put(_: object) -> None:
        raise FileNotFoundError

    outgoing.put([Leaving("a", stamp_of(path.stat()), put, "id")])
    assert (outgoing.problem, outgoing.paths(), outgoing.round_of("id")) == ("", set(), 0)


def test_one_that_is_still_held_up_ends_the_attempt(tmp_path: Path) -> None:
    """Of many drops that cannot leave only one is tried at each visit; all stay known."""
    attempts = []

    def put(source: object) -> None:
        attempts.append(source)
        raise PermissionError(13, "Permission denied")

    outgoing = Outgoing(tmp_path)
    files: dict[str, Stamp] = {}
    for name in "ab":
        (tmp_path / name).touch()
        files[name] = stamp_of((tmp_path / name).stat())
        outgoing.put([Leaving(name, files[name], put)])
    with opened_directory(tmp_path) as root:
        assert outgoing.again(root, files) == {}
    assert len(attempts) == 3
    assert outgoing.paths() == {"a", "b"}


def test_one_that_is_held_up_does_not_hold_the_others_up(tmp_path: Path) -> None:
    """Each visit tries another one, the one that is named stays the same, until it has left."""
    closed = {"a", "b"}
    outgoing = Outgoing(tmp_path)

    def put(source: Source) -> None:
        if source.name in closed:
            raise PermissionError(13, "Permission denied")
        (tmp_path / source.name).unlink()

    files: dict[str, Stamp] = {}
    for name in "ab":
        (tmp_path / name).touch()
        files[name] = stamp_of((tmp_path / name).stat())
        outgoing.put([Leaving(name, files[name], put)])
    closed.remove("b")
    with opened_directory(tmp_path) as root:
        outgoing.again(root, files)
        assert outgoing.problem.startswith("a is dealt with")
        outgoing.again(root, files)
        assert outgoing.paths() == {"a"}
        assert outgoing.problem.startswith("a is dealt with")
        closed.clear()
        assert outgoing.again(root, {"a": files["a"]}) == {}
    assert (outgoing.paths(), outgoing.problem) == (set(), "")


def test_another_one_is_named_when_the_named_one_is_gone(tmp_path: Path) -> None:
    """A problem is never told of a drop that is not there any more."""
    outgoing = Outgoing(tmp_path)

    def put(_source: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    files: dict[str, Stamp] = {}
    for name in "ab":
        (tmp_path / name).touch()
        files[name] = stamp_of((tmp_path / name).stat())
        outgoing.put([Leaving(name, files[name], put)])
    assert outgoing.problem.startswith("a is dealt with")
    with opened_directory(tmp_path) as root:
        outgoing.again(root, {"b": files["b"]})
    assert outgoing.problem.startswith("b is dealt with")
    assert "on the folder's own file system" in outgoing.problem


def test_reason_of_a_long_list_is_bounded() -> None:
    """Of very many bad lines the first are named and the rest is counted."""
    bad = tuple(BadLine(number, "wrong") for number in range(1, MAX_LINES + 3))
    text = what_was_left_out("l.txt", Stamp(1, 1, 1, 1), Links((), (BadLine(None, "odd"), *bad)))
    assert "the file: odd" in text
    assert f"line {MAX_LINES - 1}: wrong" in text
    assert "and 3 more" in text
