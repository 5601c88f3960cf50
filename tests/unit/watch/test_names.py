"""Which names are drops, and what is made of them."""

import os

import pytest

from offcloud_watchd.watch.names import (
    alternatives,
    fitted,
    inside,
    is_ignored,
    is_plain_category,
    looks_like_drop,
    parted,
    shown,
    stem,
)

JUNK = [
    ".hidden.torrent",
    "~lock.torrent",
    "a.torrent~",
    "a.torrent.part",
    "a.TMP",
    "a.crdownload",
    "a.partial",
    "a.filepart",
    "a.torrent.!qB",
    "a.syncthing.b.torrent",
    "a.sync-conflict-20260101.torrent",
    ".nfs0001",
    "@eaDir",
    "#recycle",
    "Thumbs.db",
    "desktop.ini",
    "lost+found",
    "sonarr_write_test.txt",
    "a.torrent.reason.txt",
]


@pytest.mark.parametrize("name", JUNK)
def test_junk_and_half_files_are_ignored(name: str) -> None:
    """Names of hidden, partial, foreign and own files are no drops (fault 21)."""
    assert is_ignored(name)


@pytest.mark.parametrize(
    "name", ["a.torrent", "b.magnet", "write_test.txt", "tmp", "part.txt", "a.!q.url", "x"]
)
def test_ordinary_names_are_not_ignored(name: str) -> None:
    """Names that merely remind of junk are drops."""
    assert not is_ignored(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Show.S01.torrent", "Show.S01"),
        ("Show.S01.mkv.torrent", "Show.S01.mkv"),
        ("Show.MAGNET", "Show"),
        ("Show.magnet.txt", "Show"),
        ("notes.txt.torrent", "notes.txt"),
        ("Show.link", "Show"),
        ("Show.S01E01", "Show.S01E01"),
        ("torrent", "torrent"),
    ],
)
def test_stem_is_the_release(name: str, expected: str) -> None:
    """Only a link extension is taken off: *arr tools look for exactly what is left."""
    assert stem(name) == expected


@pytest.mark.parametrize("name", ["tv", "Filme (HD)", "größe"])
def test_plain_categories(name: str) -> None:
    """Printable names can be categories."""
    assert is_plain_category(name)


@pytest.mark.parametrize("name", ["processed", "Failed", ".x", "a\nb", "\udcff", "@eaDir", "x\x1b[1m"])
def test_names_that_are_no_category(name: str) -> None:
    """Hidden, unprintable and our own names never become a directory elsewhere."""
    assert not is_plain_category(name)


def test_alternatives_number_before_the_extension() -> None:
    """A taken name gets a number that leaves the extension alone."""
    names = alternatives("a.b.torrent")
    assert [next(names) for _ in range(3)] == ["a.b.torrent", "a.b (2).torrent", "a.b (3).torrent"]


@pytest.mark.parametrize(
    "name",
    [
        "x" * 247 + ".torrent",
        "ä" * 123 + ".torrent",
        "\udcff" * 247 + ".torrent",
        "€" * 85,
        "😀" * 63 + ".x",
        "x" * 255,
    ],
)
def test_marks_fit_into_a_full_name(name: str) -> None:
    """A name of 255 bytes still takes a number, without a half character (fault 19)."""
    marked = fitted(name, 255, " (2)")
    assert len(os.fsencode(marked)) <= 255
    assert " (2)" in marked
    assert marked.partition(".")[2] == name.partition(".")[2]
    head = marked.partition(" (2)")[0]
    assert name.startswith(head)
    assert len(os.fsencode(name)) - len(os.fsencode(head)) <= 16


def test_short_name_stays_whole() -> None:
    """What fits is not changed, and an endless extension counts as name."""
    assert fitted("a.torrent", 255) == "a.torrent"
    assert fitted("a." + "e" * 253, 100, " (2)") == "a." + "e" * 94 + " (2)"
    assert fitted("\udc80" * 200, 100) == "\udc80" * 100


def test_shown_is_printable() -> None:
    """Control characters and half bytes are written out."""
    assert shown("a b.torrent") == "a b.torrent"
    assert shown("a\nb\x1b\udcff") == r"'a\nb\x1b\udcff'"


def test_paths_within_the_folder() -> None:
    """A path is a name, or a subfolder and a name."""
    assert inside("", "a") == "a"
    assert parted(inside("tv", "a")) == ("tv", "a")
    assert parted("a") == ("", "a")
    assert looks_like_drop("a.torrent")
    assert not looks_like_drop("a.mkv")
