"""The service's list against the torrent's."""

import pytest

from offcloud_watchd.core.links.torrent import parse_torrent
from offcloud_watchd.core.rollcall import Listed, RollCall, called
from tests.fakes.torrents import Content, torrent


def call(listed: list[tuple[str, int | None]], *files: tuple[str, int], **options: object) -> RollCall:
    """Call files of these paths and sizes against a torrent's."""
    contents = [Content(path, b"x" * size, pad=path.startswith(".pad")) for path, size in files]
    return called([Listed(*one) for one in listed], parse_torrent(torrent(contents, **options)))


@pytest.mark.parametrize("root", ["", "Root/", "/Root/", "root/"])
def test_the_torrents_own_folder_may_be_there_or_not(root: str) -> None:
    """Its padding is nobody's loss."""
    answer = call(
        [(f"{root}S1/b.mkv", 20), (f"{root}a.mkv", None), (f"{root}none", 0)],
        ("a.mkv", 10),
        (".pad/6", 6),
        ("S1/b.mkv", 20),
        ("none", 0),
    )
    assert answer == RollCall((2, 0, 3), (), (), (), ())


def test_a_torrent_of_one_file() -> None:
    """It has no folder."""
    assert call([("Root", 5)], ("x", 5), single=True).places == (0,)
    assert call([("Root/Root", 5)], ("x", 5), single=True).places == (0,)


def test_names_that_were_cleaned_are_the_same() -> None:
    """Characters that no file may have do not count, nor does case."""
    assert call([("Root/A_\\b.MKV", 5), ("x", 6)], ("a_b.mkv", 5), ("x", 6)).renamed == ()


def test_case_counts_where_nothing_else_differs() -> None:
    """Whether the list tells folders and sizes or not."""
    assert call([("Root/A", 5), ("Root/a", 5), ("root/B", 5)], ("a", 5), ("A", 5), ("b", 5)).places == (
        1,
        0,
        2,
    )
    answer = call([("A", None), ("a", None)], ("s/a", 5), ("s/A", 5))
    assert (answer.places, answer.moved) == ((1, 0), (0, 1))


def test_a_flat_list_is_found_by_names() -> None:
    """The service may tell no folders; that the paths are others is said."""
    answer = call([("e1.mkv", 5), ("e2.mkv", None)], ("S1/e1.mkv", 5), ("S1/e2.mkv", 6))
    assert (answer.places, answer.renamed, answer.moved) == ((0, 1), (), (0, 1))
    assert answer.of_first(1).moved == (0,)


def test_a_file_of_another_name_is_known_by_its_size() -> None:
    """Where only one on each side has it; two of one size prove nothing."""
    answer = call([("Root/other", 5), ("Root/b", 7)], ("a", 5), ("b", 7))
    assert (answer.places, answer.renamed) == ((0, 1), (0,))
    answer = call([("o1", 5), ("o2", 5), ("b", 7)], ("a1", 5), ("a2", 5), ("b", 7))
    assert answer == RollCall((None, None, 2), (0, 1), (0, 1), (), ())


def test_missing_and_strange_files_are_told() -> None:
    """An empty one that is missing is no loss."""
    answer = call([("a", 5), ("extra", 9)], ("a", 5), ("b", 7), ("empty", 0))
    assert answer == RollCall((0, None), (1,), (1,), (), ())


def test_a_file_of_the_same_name_and_another_size_is_a_contradiction() -> None:
    """One of them lies; a size of nothing is what a service says that does not know."""
    answer = call([("a", 6), ("b", 0)], ("a", 5), ("b", 7))
    assert (answer.places, answer.contradicted) == ((0, 1), ((0, 0),))


def test_files_of_one_name_are_told_apart_by_their_size() -> None:
    """And left alone where that does not help."""
    assert call([("a", 5), ("a", 7)], ("a", 7), ("a", 5)).places == (1, 0)
    assert call([("a", 5), ("a", 5)], ("a", 5), ("a", 5)).places == (None, None)


def test_one_archive_of_everything_is_a_stranger() -> None:
    """Nothing of it can be held against the torrent."""
    answer = call([("Root.zip", 99)], ("a", 5), ("b", 7))
    assert answer == RollCall((None,), (0, 1), (0,), (), ())
