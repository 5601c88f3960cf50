"""One file's bytes and its marks: what a mark says is on the disk, whatever happened around it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.part import MARKS_NAME, Mark, Marks, Part

NEW = Mark("a", "s", 0)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    """Open the test's directory."""
    fd = disk.open_directory(str(tmp_path))
    yield fd
    os.close(fd)


@pytest.fixture
def marks(here: int) -> Iterator[Marks]:
    """Open the marks of a round."""
    opened = Marks(here, 1000)
    yield opened
    opened.close()


def part_of(tmp_path: Path, marks: Marks, mark: Mark = NEW) -> Part:
    """Open the part of file ``a``; 10 bytes are a write, 100 a sync."""
    fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    return Part(fd, mark, marks, chunk_bytes=10, sync_every_bytes=100)


def read(here: int) -> Marks:
    """Read the marks as a new process would, from a copy: reading makes the file anew."""
    with TemporaryDirectory() as copy:
        shutil.copy(f"/proc/self/fd/{here}/{MARKS_NAME}", copy)
        fd = disk.open_directory(copy)
        again = Marks(fd, 1000)
        again.close()
        os.close(fd)
    return again


def test_a_close_marks_what_is_here(tmp_path: Path, here: int, marks: Marks) -> None:
    """Bytes that were only gathered are written, synced and marked too."""
    part = part_of(tmp_path, marks)
    part.begin(0, total=50, validator="e")
    part.add(b"x" * 7)
    part.close()
    part.close()
    assert read(here).get("a", "s") == Mark("a", "s", 7, 50, "e")
    assert (tmp_path / "a").read_bytes() == b"x" * 7


def test_a_mark_comes_every_so_many_bytes(tmp_path: Path, here: int, marks: Marks) -> None:
    """After a power loss the file goes on from the last sync."""
    part = part_of(tmp_path, marks)
    for _ in range(10):
        part.add(b"x" * 11)
    assert read(here).get("a", "s").offset == 110
    part.close()


def test_a_part_is_cut_back_to_its_mark(tmp_path: Path, marks: Marks) -> None:
    """What lies behind the mark may never have reached the disk."""
    (tmp_path / "a").write_bytes(b"x" * 20)
    part = part_of(tmp_path, marks, Mark("a", "s", 12, 30, "e"))
    assert (part.offset, part.total, part.validator) == (12, 30, "e")
    part.close()
    assert (tmp_path / "a").stat().st_size == 12


def test_a_file_that_is_shorter_than_its_mark_begins_anew(tmp_path: Path, marks: Marks) -> None:
    """Somebody took bytes away; nothing of the rest is believed."""
    (tmp_path / "a").write_bytes(b"x" * 5)
    part = part_of(tmp_path, marks, Mark("a", "s", 12, 30, "e"))
    assert (part.offset, part.validator) == (0, "")
    part.close()


def test_beginning_anew_forgets_the_old_bytes(tmp_path: Path, here: int, marks: Marks) -> None:
    """Neither written nor gathered bytes of the earlier content stay."""
    part = part_of(tmp_path, marks)
    part.add(b"old" * 5)
    part.add(b"old")
    part.begin(0, total=3, validator="f")
    part.add(b"new")
    part.close()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert read(here).get("a", "s") == Mark("a", "s", 3, 3, "f")


def test_the_room_still_to_be_taken(tmp_path: Path, marks: Marks) -> None:
    """The rest of the file, or nothing once its room is reserved."""
    part = part_of(tmp_path, marks)
    assert part.to_come_bytes == 0
    part.begin(0, total=50)
    part.add(b"x" * 10)
    assert part.to_come_bytes == 40
    part.reserve(50)
    assert part.to_come_bytes == 0
    part.close()


def test_a_finished_file_is_noted_once_it_is_synced(tmp_path: Path, here: int, marks: Marks) -> None:
    """Small files are synced together; their notes come with the flush and not before."""
    part = part_of(tmp_path, marks)
    part.add(b"abc")
    part.finish(checked=True)
    part.close()
    assert not read(here).get("a", "s").done
    marks.flush()
    assert read(here).get("a", "s") == Mark("a", "s", 3, checked=True, done=True)


def test_many_finished_files_are_flushed(tmp_path: Path, here: int, marks: Marks) -> None:
    """Neither descriptors nor unsynced bytes pile up."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(100):
        fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
        marks.finish(fd, Mark(f"f{number}", "s", 1, done=True))
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 40
    assert read(here).get("f31", "s").done
    fd = os.open(tmp_path / "a", os.O_RDWR)
    marks.finish(fd, Mark("large", "s", 5000, done=True))
    assert read(here).get("large", "s").done


def test_a_failed_write_marks_nothing(tmp_path: Path, here: int, marks: Marks) -> None:
    """Fault 86: the disk is full mid-file; the part stays, and no mark speaks of what was not written."""
    part = part_of(tmp_path, marks)
    for _ in range(10):
        part.add(b"x" * 11)
    _swap(part, os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(OSError, match="No space left"):
        part.add(b"y" * 11)
    part.close()
    assert read(here).get("a", "s").offset == 110


def test_a_failed_sync_marks_nothing(tmp_path: Path, here: int, marks: Marks) -> None:
    """Fault 87: after a sync that failed a later one proves nothing, so none is tried."""
    part = part_of(tmp_path, marks)
    part.add(b"x" * 11)
    reader, writer = os.pipe()
    _swap(part, writer)
    part.add(b"y" * 20)
    with pytest.raises(OSError, match="Invalid argument"):
        part.sync()
    part.close()
    os.close(reader)
    assert read(here).get("a", "s").offset == 0


def test_a_failed_sync_of_finished_files_notes_none(here: int) -> None:
    """Fault 87: no file of the group counts as done, and closing does not try again."""
    marks = Marks(here, 1000)
    reader, writer = os.pipe()
    marks.finish(writer, Mark("a", "s", 1, done=True))
    with pytest.raises(OSError, match="Invalid argument"):
        marks.flush()
    marks.close()
    os.close(reader)
    assert not read(here).get("a", "s").done


def test_a_part_that_cannot_be_cut_back_is_closed(marks: Marks) -> None:
    """An error at the start leaves no descriptor behind."""
    reader, writer = os.pipe()
    with pytest.raises(OSError, match="Invalid argument"):
        Part(writer, NEW, marks, chunk_bytes=1, sync_every_bytes=1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writer)
    os.close(reader)


def _swap(part: Part, fd: int) -> None:
    """Put another open file behind the part's descriptor, so that the kernel gives real errors."""
    os.dup2(fd, part._fd)
    os.close(fd)


def test_a_mark_of_other_content_is_not_used(here: int, marks: Marks) -> None:
    """The same name with another source begins anew."""
    marks.put(Mark("a", "s", 5))
    assert read(here).get("a", "other") == Mark("a", "other", 0)


@pytest.mark.parametrize(
    "damage", [b"", b"\0" * 40, b"0000", b"00000000 {}\n", b"ffffffff {\n", b"\xff" * 20]
)
def test_a_damaged_end_costs_only_itself(tmp_path: Path, here: int, marks: Marks, damage: bytes) -> None:
    """After a power loss the tail may be torn, zero or nonsense; the lines before it count."""
    marks.put(Mark("a", "s", 5))
    marks.put(Mark("a", "s", 9))
    whole = (tmp_path / MARKS_NAME).read_bytes()
    for keep in range(whole.index(b"\n") + 1, len(whole) - 1, 9):
        (tmp_path / MARKS_NAME).write_bytes(whole[:keep] + damage)
        assert read(here).get("a", "s").offset == 5
    (tmp_path / MARKS_NAME).write_bytes(whole + damage)
    assert read(here).get("a", "s").offset == 9


def test_reading_makes_the_marks_small_again(tmp_path: Path, here: int, marks: Marks) -> None:
    """One line a file stays, so that nothing grows with the number of restarts."""
    for offset in range(50):
        marks.put(Mark("a", "s", offset))
    Marks(here, 1000).close()
    assert (tmp_path / MARKS_NAME).read_bytes().count(b"\n") == 1
