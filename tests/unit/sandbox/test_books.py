"""The counts."""

from __future__ import annotations

from offcloud_watchd.sandbox.books import MOST_CONTENTS, OTHERS, ContentBooks, Tally


def test_everything_is_counted_by_content() -> None:
    """Items, posts and bytes are counted for the content they belong to."""
    tally = Tally()
    for key in ("a", "a", "b"):
        tally.posted(key)
        tally.created(key)
    tally.removed("a")
    tally.served("b", 10)
    tally.called("cloud")
    tally.refused()
    books = tally.books()
    assert books.of("a") == ContentBooks(items_created=2, live_items=1, posts=2)
    assert books.of("b") == ContentBooks(1, 1, 1, 10)
    assert books.of("c") == ContentBooks()
    assert (books.twins, books.bytes_served, books.calls, books.auth_failures) == (
        ("a",),
        10,
        {"cloud": 1},
        1,
    )


def test_a_picture_does_not_change() -> None:
    """What is counted later does not show in an earlier picture."""
    tally = Tally()
    books = tally.books()
    tally.posted("a")
    tally.called("cloud")
    assert not books.contents
    assert not books.calls


def test_contents_are_bounded() -> None:
    """Beyond the cap, contents are counted together."""
    tally = Tally()
    for number in range(MOST_CONTENTS + 2):
        tally.posted(str(number))
    assert len(tally.books().contents) == MOST_CONTENTS + 1
    assert tally.books().of(OTHERS).posts == 2
