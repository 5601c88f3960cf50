"""Drops that no event told of."""

from __future__ import annotations

from offcloud_watchd.watch.missed import GRACE_S, Missed


def test_file_that_no_event_tells_of_is_counted_once() -> None:
    """A file counts when its event is overdue, not before, and not again."""
    missed = Missed()
    assert missed.looked(["a"], set(), 100.0) == 0
    assert (missed.count, missed.is_deaf) == (0, False)
    assert missed.looked([], set(), 100.0 + GRACE_S / 2) == 0
    assert missed.looked([], set(), 100.0 + GRACE_S) == 1
    assert missed.looked([], set(), 200.0) == 0
    assert (missed.count, missed.is_deaf) == (1, True)


def test_event_before_or_soon_after_is_an_event() -> None:
    """An event may come before the look that finds its file, or a little later; in a subfolder, too."""
    missed = Missed()
    missed.looked(["a", "tv/b"], {"a"}, 100.0)
    missed.looked([], {"b"}, 100.5)
    assert missed.looked([], set(), 200.0) == 0
    assert missed.count == 0


def test_events_are_believed_again_when_one_tells_of_a_drop() -> None:
    """A folder that was deaf hears again with the first drop of which an event told; the count stays."""
    missed = Missed()
    missed.looked(["a"], set(), 100.0)
    missed.looked([], {"something else"}, 102.0)
    assert missed.is_deaf
    missed.looked(["b"], {"b"}, 103.0)
    assert (missed.count, missed.is_deaf) == (1, False)


def test_nothing_is_counted_where_not_every_name_was_kept() -> None:
    """Of more events than can be kept in mind nobody can tell what they did not tell of."""
    missed = Missed()
    missed.looked(["a"], set(), 100.0)
    assert missed.looked(["b"], None, 101.0) == 0
    assert missed.looked([], set(), 200.0) == 0
    assert missed.count == 0
