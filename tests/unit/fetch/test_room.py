"""Room on the disks: who is let in, who waits, and who is put out."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.errors import Blocked, NoRoom
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.room import Room

TIB = 1024**4


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    """Open a directory whose file system has a little more than nothing free."""
    descriptor = disk.open_directory(str(tmp_path))
    yield descriptor
    os.close(descriptor)


def room_for(needed_bytes: int, fd: int) -> Room:
    """Make a disk on which about so much fits; what others do on it meanwhile is far less than a TiB."""
    return Room(disk.free_bytes(fd) - needed_bytes - TIB // 2)


def test_what_fits_is_let_in_and_what_does_not_waits(fd: int) -> None:
    """What the first is still going to write counts as taken, until it has ended."""
    room = room_for(10 * TIB, fd)
    room.claim("a", fd, 6 * TIB)
    with pytest.raises(NoRoom, match=r"needs 6144\.00GiB more .* must stay free \(fetch\.min_free\)"):
        room.claim("b", fd, 6 * TIB)
    room.claim("c", fd, 4 * TIB)
    room.release("a")
    room.claim("b", fd, 6 * TIB)


def test_who_writes_needs_less_and_makes_room(fd: int) -> None:
    """Each word replaces the one before."""
    room = room_for(10 * TIB, fd)
    room.claim("a", fd, 9 * TIB)
    room.claim("a", fd, 1 * TIB)
    room.claim("b", fd, 9 * TIB)


def test_who_was_let_in_may_not_grow_over_others(fd: int) -> None:
    """A size that was not told turns out to be too much: it stops and waits, the others go on."""
    room = room_for(10 * TIB, fd)
    room.claim("a", fd, 0)
    room.claim("b", fd, 9 * TIB)
    with pytest.raises(NoRoom):
        room.claim("a", fd, 5 * TIB)
    room.claim("b", fd, 9 * TIB)


def test_who_asks_does_not_put_out_who_is_in(fd: int) -> None:
    """While one that is too large asks and asks, one that is in says again what it needs."""
    room = room_for(10 * TIB, fd)
    room.claim("in", fd, 6 * TIB)
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with pytest.raises(NoRoom):
                room.claim("large", fd, 20 * TIB)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(5_000):
            room.claim("in", fd, 6 * TIB)
    finally:
        over.set()
        thread.join()


def test_what_is_promised(fd: int) -> None:
    """What those that are in are still going to write, by device; nothing of those that wait."""
    room, device = room_for(10 * TIB, fd), os.fstat(fd).st_dev
    room.claim("a", fd, 6 * TIB)
    room.claim("b", fd, 1 * TIB)
    with pytest.raises(NoRoom):
        room.claim("c", fd, 6 * TIB)
    assert (room.promised_bytes(device), room.promised_bytes(device + 1)) == (7 * TIB, 0)
    room.release("a")
    assert room.promised_bytes(device) == TIB


def test_asking_again_needs_no_size(fd: int) -> None:
    """What was refused is remembered until there is room for it, or until it is not wanted any more."""
    room = room_for(10 * TIB, fd)
    room.claim_again("b", fd)
    room.claim("a", fd, 6 * TIB)
    for _ in range(2):
        with pytest.raises(NoRoom):
            room.claim("b", fd, 5 * TIB)
        with pytest.raises(NoRoom, match=r"needs 5120\.00GiB"):
            room.claim_again("b", fd)
    room.release("a")
    room.claim_again("b", fd)
    with pytest.raises(NoRoom):
        room.claim("c", fd, 6 * TIB)
    room.forget("c")
    room.claim_again("c", fd)


def test_other_disks_do_not_count(fd: int) -> None:
    """Each file system for itself."""
    other = disk.open_directory("/proc")
    try:
        room = Room(0)
        with pytest.raises(NoRoom):
            room.claim("a", other, 1)
        room.claim("b", other, 0)
        room.claim("c", fd, 1)
    finally:
        os.close(other)


def test_only_where_nothing_fits_at_all_somebody_must_act(tmp_path: Path) -> None:
    """One disk with room is enough to go on."""
    Room(0).check([str(tmp_path)])
    Room(1).check(["/proc", str(tmp_path)])
    Room(1 << 60).check([])
    with pytest.raises(Blocked, match=r"/proc: 0\.00KiB free, and 0\.00KiB must stay free") as raised:
        Room(1).check(["/proc"])
    assert raised.value.lane == "fetch"


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 12), st.booleans()), max_size=30))
def test_never_more_than_there_is(steps: list[tuple[str, int, bool]]) -> None:
    """Whoever claims, grows, ends and comes again: those that are in fit together."""
    descriptor = disk.open_directory("/proc")  # it has no room, so what is free is the claims' own affair
    inside: dict[str, int] = {}

    class Ten(Room):
        """A room whose least is less than nothing: ten are free."""

        def __init__(self) -> None:
            super().__init__(-10)

    room = Ten()
    try:
        for fetch, needed, ends in steps:
            try:
                room.claim(fetch, descriptor, needed)
            except NoRoom:
                inside.pop(fetch, None)
                others = sum(size for name, size in inside.items() if name != fetch)
                assert needed + others > 10
            else:
                inside[fetch] = needed
            if ends:
                room.release(fetch)
                inside.pop(fetch, None)
            assert sum(inside.values()) <= 10
    finally:
        os.close(descriptor)
