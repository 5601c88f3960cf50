"""When a file has stopped changing, and how long a half one may stay."""

from dataclasses import replace

import pytest

from offcloud_watchd.core.settle import (
    CUT_OFF_S,
    EMPTY_SETTLE_S,
    MAX_TOKENS,
    TRUNCATED_S,
    Sighting,
    Stamp,
    patience_s,
    settle,
)

STAMP = Stamp(size_bytes=10, mtime_ns=5, inode=7, device=1)
TORRENT = b"d4:infod6:lengthi1e4:name1:aee"


def test_first_sight_is_never_enough() -> None:
    """A file seen for the first time waits for the whole settle time, however old it says it is."""
    settled = settle({}, {"a": STAMP}, 100.0, 2.0)
    assert settled.ready == ()
    assert settled.seen == {"a": Sighting(STAMP, 100.0)}
    assert settled.next_look_s == 2.0


def test_ready_when_unchanged_for_the_settle_time() -> None:
    """Two equal looks, far enough apart, make a file ready; nearer ones do not."""
    seen = {"a": Sighting(STAMP, 100.0)}
    assert settle(seen, {"a": STAMP}, 101.5, 2.0).ready == ()
    assert settle(seen, {"a": STAMP}, 101.5, 2.0).next_look_s == 0.5
    settled = settle(seen, {"a": STAMP}, 102.0, 2.0)
    assert settled.ready == ("a",)
    assert settled.next_look_s is None


@pytest.mark.parametrize("field", ["size_bytes", "mtime_ns", "inode", "device"])
def test_any_change_begins_anew(field: str) -> None:
    """A change of whichever of the four starts the settle time again (faults 2 and 6)."""
    changed = replace(STAMP, **{field: 99})
    settled = settle({"a": Sighting(STAMP, 100.0)}, {"a": changed}, 150.0, 2.0)
    assert settled.ready == ()
    assert settled.seen == {"a": Sighting(changed, 150.0)}


def test_empty_file_needs_a_minute() -> None:
    """An empty file is one that a writer has just opened, until it stays so for long (fault 1)."""
    empty = replace(STAMP, size_bytes=0)
    seen = {"a": Sighting(empty, 100.0)}
    assert settle(seen, {"a": empty}, 100.0 + EMPTY_SETTLE_S - 1, 2.0).next_look_s == 1.0
    assert settle(seen, {"a": empty}, 100.0 + EMPTY_SETTLE_S, 2.0).ready == ("a",)


def test_zero_settle_time_takes_at_once() -> None:
    """Who sets the settle time to nothing gets a file at first sight."""
    assert settle({}, {"a": STAMP}, 1.0, 0.0).ready == ("a",)


def test_longest_unchanged_comes_first() -> None:
    """What waited longest is first in line, so that a flood starves nobody."""
    seen = {"new": Sighting(STAMP, 20.0), "old": Sighting(STAMP, 10.0)}
    assert settle(seen, {"new": STAMP, "old": STAMP}, 50.0, 2.0).ready == ("old", "new")


def test_gone_file_is_forgotten() -> None:
    """A file that is gone leaves nothing behind, and its successor starts anew."""
    assert settle({"a": Sighting(STAMP, 1.0)}, {}, 50.0, 2.0).seen == {}


@pytest.mark.parametrize("cut", range(1, len(TORRENT)))
def test_every_beginning_of_a_torrent_gets_a_minute(cut: int) -> None:
    """Wherever a writer pauses within a torrent, what is there looks unfinished (fault 3)."""
    assert patience_s(TORRENT[:cut]) == TRUNCATED_S


@pytest.mark.parametrize(
    "data",
    [TORRENT, TORRENT + b"\n", b"d4:infox" + b"e" * 30, b"d1:a1:b-", b"no torrent\n", b"<html>", b"hello"],
)
def test_plainly_wrong_is_wrong_now(data: bytes) -> None:
    """What is complete or wrong in its middle will not get better by waiting."""
    assert patience_s(data) == 0.0


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\x1f\x8b\x08\x00"])
def test_nothing_written_yet_gets_a_minute(data: bytes) -> None:
    """Preallocated zeros and a compressed file may be half written."""
    assert patience_s(data) == TRUNCATED_S


@pytest.mark.parametrize(
    "data",
    [b"mag", b"magnet:?xt=urn:btih:0123456789", b"# list\nhttps://exam", b"[InternetShortcut]\nURL=ht"],
)
def test_text_that_stops_within_a_link_gets_a_while(data: bytes) -> None:
    """A text that ends in the midst of a link may be going on."""
    assert patience_s(data) == CUT_OFF_S


def test_hostile_torrent_is_judged_by_its_last_byte() -> None:
    """A torrent of more parts than anybody makes costs a bounded time."""
    assert patience_s(b"d1:a" + b"l" * MAX_TOKENS) == TRUNCATED_S
    assert patience_s(b"d1:a" + b"l" * MAX_TOKENS + b"e") == 0.0
