"""One file's bytes and its marks: what a mark says is on the disk, whatever happened around it."""

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.part import MARKS_NAME, Mark, Marks, Part, fitting, punched
from tests.unit.fetch.bench import open_descriptors

NEW = Mark("a", "s")


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
    """Open the part of file ``a``."""
    return Part(os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT), mark, marks)


def write(part: Part, start: int, data: bytes) -> None:
    """Write bytes as a line's thread does, and take note of them."""
    disk.write_at(part.fd, memoryview(data), start)
    part.add((start, start + len(data)))


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
    """Several spans are noted, with what the host said of the whole."""
    part = part_of(tmp_path, marks)
    part.confirm(50, "e")
    write(part, 0, b"x" * 7)
    write(part, 20, b"y" * 5)
    part.close()
    part.close()
    assert read(here).get("a", "s") == Mark("a", "s", ((0, 7), (20, 25)), 50, "e")
    assert (tmp_path / "a").read_bytes()[20:] == b"y" * 5


def test_a_close_may_leave_the_mark_as_it_was(tmp_path: Path, here: int, marks: Marks) -> None:
    """After a write that failed nobody knows what is on the disk."""
    part = part_of(tmp_path, marks)
    write(part, 0, b"x" * 7)
    part.sync()
    write(part, 7, b"x" * 7)
    part.close(mark=False)
    assert read(here).get("a", "s").held == ((0, 7),)


def test_a_sync_marks_what_is_being_written(tmp_path: Path, here: int, marks: Marks) -> None:
    """After a power loss the file goes on from there, although no request has ended."""
    part = part_of(tmp_path, marks)
    disk.write_at(part.fd, memoryview(b"x" * 30), 10)
    part.sync([(10, 40)])
    assert read(here).get("a", "s").held == ((10, 40),)
    assert (part.held, part.held_bytes) == ((), 0)
    part.close()


def test_a_sync_of_nothing_new_writes_no_mark(tmp_path: Path, marks: Marks) -> None:
    """The notes do not grow by looking."""
    part = part_of(tmp_path, marks)
    write(part, 0, b"x")
    part.sync()
    size = (tmp_path / MARKS_NAME).stat().st_size
    part.sync()
    assert (tmp_path / MARKS_NAME).stat().st_size == size
    part.close()


def test_a_part_is_cut_back_to_its_mark(tmp_path: Path, marks: Marks) -> None:
    """What lies behind the mark may never have reached the disk."""
    (tmp_path / "a").write_bytes(b"x" * 20)
    part = part_of(tmp_path, marks, Mark("a", "s", ((0, 3), (5, 12)), 30, "e"))
    assert (part.held, part.total, part.validator) == (((0, 3), (5, 12)), 30, "e")
    part.close()
    assert (tmp_path / "a").stat().st_size == 12


def test_a_file_that_is_shorter_than_its_mark_begins_anew(tmp_path: Path, marks: Marks) -> None:
    """Somebody took bytes away; nothing of the rest is believed."""
    (tmp_path / "a").write_bytes(b"x" * 5)
    part = part_of(tmp_path, marks, Mark("a", "s", ((0, 12),), 30, "e"))
    assert (part.held, part.validator) == ((), "")
    part.close()


@pytest.mark.parametrize("source", ["s", "another"])
def test_a_mark_of_what_is_gone_is_taken_back_first(
    tmp_path: Path, here: int, marks: Marks, source: str
) -> None:
    """The file was lost in a power cut, or is of other content now: bytes that are not synced are not it."""
    marks.put([Mark("a", "s", ((0, 5),), 5, checked=True, done=True)])
    part = part_of(tmp_path, marks, marks.get("a", source))
    write(part, 0, b"x" * 5)
    assert (tmp_path / "a").stat().st_size == 5
    assert read(here).get("a", "s") == Mark("a", "s")
    part.close(mark=False)


def test_beginning_anew_takes_the_mark_back_first(tmp_path: Path, here: int, marks: Marks) -> None:
    """A crash while other bytes come in must not find a mark of the old ones."""
    part = part_of(tmp_path, marks)
    part.confirm(3, "e")
    write(part, 0, b"old")
    part.sync()
    part.begin_anew()
    assert read(here).get("a", "s") == NEW
    assert (part.held, part.total, part.validator) == ((), None, "")
    assert (tmp_path / "a").read_bytes() == b""
    part.close()


def test_beginning_anew_without_a_mark_writes_none(tmp_path: Path, marks: Marks) -> None:
    """There is nothing to take back."""
    part = part_of(tmp_path, marks)
    part.begin_anew()
    assert (tmp_path / MARKS_NAME).read_bytes() == b""
    part.close()


def test_a_part_knows_when_it_is_whole(tmp_path: Path, marks: Marks) -> None:
    """Every byte is here; never where nobody said how many there are."""
    part = part_of(tmp_path, marks)
    write(part, 0, b"abc")
    assert not part.is_whole
    part.confirm(4, "")
    assert not part.is_whole
    write(part, 3, b"d")
    assert part.is_whole
    part.close()


def test_room_is_reserved_once_its_size_is_known(tmp_path: Path, marks: Marks) -> None:
    """The whole file's, without making it longer."""
    part = part_of(tmp_path, marks)
    part.reserve()
    assert not part.is_reserved
    part.confirm(50, "")
    part.reserve()
    part.reserve()
    assert part.is_reserved
    assert (tmp_path / "a").stat().st_size == 0
    part.close()


def test_a_finished_file_is_noted_once_it_is_synced(tmp_path: Path, here: int, marks: Marks) -> None:
    """Small files are synced together; their notes come with the flush and not before."""
    part = part_of(tmp_path, marks)
    write(part, 0, b"abc")
    part.finish(checked=True, proved=True)
    part.close()
    assert not read(here).get("a", "s").done
    marks.flush()
    assert read(here).get("a", "s") == Mark("a", "s", ((0, 3),), checked=True, proved=True, done=True)


def test_an_empty_file_is_finished_too(tmp_path: Path, here: int, marks: Marks) -> None:
    """No bytes, and no span of them."""
    part = part_of(tmp_path, marks)
    part.finish(checked=True, proved=False)
    marks.flush()
    assert read(here).get("a", "s") == Mark("a", "s", checked=True, done=True)


def test_many_finished_files_are_flushed(tmp_path: Path, here: int, marks: Marks) -> None:
    """Neither descriptors nor unsynced bytes pile up."""
    before = open_descriptors()
    for number in range(300):
        fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
        marks.finish(fd, Mark(f"f{number}", "s", ((0, 1),), done=True))
    assert open_descriptors() < before + 140
    assert read(here).get("f99", "s").done
    fd = os.open(tmp_path / "a", os.O_RDWR)
    marks.finish(fd, Mark("large", "s", ((0, 5000),), done=True))
    marks.flush()
    assert read(here).get("large", "s").done


def test_a_failed_sync_marks_nothing(tmp_path: Path, here: int, marks: Marks) -> None:
    """Fault 87: after a sync that failed a later one proves nothing, so none is tried."""
    part = part_of(tmp_path, marks)
    write(part, 0, b"x" * 11)
    reader, writer = os.pipe()
    _swap(part, writer)
    with pytest.raises(OSError, match="Invalid argument"):
        part.sync()
    part.close()
    os.close(reader)
    assert read(here).get("a", "s").held == ()


def test_a_failed_sync_of_finished_files_notes_none(here: int) -> None:
    """Fault 87: no file of the group counts as done, and closing does not try again."""
    marks = Marks(here, 1000)
    reader, writer = os.pipe()
    marks.finish(writer, Mark("a", "s", ((0, 1),), done=True))
    with pytest.raises(OSError, match="Invalid argument"):
        marks.flush()
    marks.close()
    os.close(reader)
    assert not read(here).get("a", "s").done


def test_a_part_that_cannot_be_cut_back_is_closed(tmp_path: Path, marks: Marks) -> None:
    """An error at the start leaves no descriptor behind."""
    (tmp_path / "a").write_bytes(b"x")
    fd = os.open(tmp_path / "a", os.O_RDONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        Part(fd, NEW, marks)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def _swap(part: Part, fd: int) -> None:
    """Put another open file behind the part's descriptor, so that the kernel gives real errors."""
    os.dup2(fd, part.fd)
    os.close(fd)


def test_a_mark_of_other_content_is_not_used(here: int, marks: Marks) -> None:
    """The same name with another source begins anew."""
    marks.put([Mark("a", "s", ((0, 5),))])
    assert read(here).get("a", "other") == Mark("a", "other")


@pytest.mark.parametrize(
    "damage", [b"", b"\0" * 40, b"0000", b"00000000 {}\n", b"ffffffff {\n", b"\xff" * 20]
)
def test_a_damaged_end_costs_only_itself(tmp_path: Path, here: int, marks: Marks, damage: bytes) -> None:
    """After a power loss the tail may be torn, zero or nonsense; the lines before it count."""
    marks.put([Mark("a", "s", ((0, 5),))])
    marks.put([Mark("a", "s", ((0, 9),))])
    whole = (tmp_path / MARKS_NAME).read_bytes()
    for keep in range(whole.index(b"\n") + 1, len(whole) - 1, 9):
        (tmp_path / MARKS_NAME).write_bytes(whole[:keep] + damage)
        assert read(here).get("a", "s").end == 5
    (tmp_path / MARKS_NAME).write_bytes(whole + damage)
    assert read(here).get("a", "s").end == 9


def test_reading_makes_the_marks_small_again(tmp_path: Path, here: int, marks: Marks) -> None:
    """One line a file stays, so that nothing grows with the number of restarts."""
    for offset in range(1, 50):
        marks.put([Mark("a", "s", ((0, offset),))])
    Marks(here, 1000).close()
    assert (tmp_path / MARKS_NAME).read_bytes().count(b"\n") == 1


def test_growing_makes_the_marks_small_again(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a file begins anew, what is noted last is within what is read."""
    monkeypatch.setattr("offcloud_watchd.fetch.part._SMALL_MARKS_BYTES", 1000)
    grown = Marks(here, 1000)
    for total in range(100):
        grown.put([Mark("b", "s", ((0, 5),), total)])
        assert (tmp_path / MARKS_NAME).stat().st_size <= 1000
    grown.put([NEW])
    grown.close()
    assert read(here).get("b", "s") == Mark("b", "s", ((0, 5),), 99)
    assert read(here).get("a", "s") == NEW


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "a", "source": "s", "offset": 5},
        {"path": "a", "source": "s", "held": [[0, 5]], "colour": "red"},
        {"path": "a", "source": "s", "held": 5},
        {"path": "a", "source": "s", "held": [5]},
        {"path": "a", "source": "s", "held": [[1, 2, 3]]},
        {"held": []},
    ],
)
def test_a_mark_of_another_version_is_no_mark(tmp_path: Path, here: int, fields: dict[str, object]) -> None:
    """What is not understood is fetched again."""
    text = json.dumps(fields).encode()
    (tmp_path / MARKS_NAME).write_bytes(b"%08x %s\n" % (zlib.crc32(text), text))
    assert read(here).get("a", "s") == NEW


def test_what_is_taken_out_of_a_mark_comes_again() -> None:
    """A piece that does not match leaves a gap, and the file is not done any more."""
    mark = Mark("a", "s", ((0, 100),), 100, "e", checked=True, proved=True, done=True)
    again = Mark("a", "s", ((0, 10), (20, 90)), 100, "e", checked=True)
    assert punched(mark, [(10, 20), (90, 100)]) == again


@pytest.mark.parametrize(
    ("mark", "size_bytes", "fits"),
    [
        (Mark("a", "s", ((0, 5),)), None, True),
        (Mark("a", "s", ((0, 5),)), 0, False),
        (Mark("a", "s", done=True), 0, True),
        (Mark("a", "s", ((0, 5),)), 5, True),
        (Mark("a", "s", ((0, 5),)), 9, True),
        (Mark("a", "s", ((0, 2), (4, 7))), 6, False),
        (Mark("a", "s", ((0, 5),), 9), 9, True),
        (Mark("a", "s", ((0, 5),), 9), 8, False),
        (Mark("a", "s", ((0, 5),), done=True), 5, True),
        (Mark("a", "s", ((0, 5),), done=True), 6, False),
        (Mark("a", "s", done=True), 6, False),
    ],
)
def test_a_mark_of_another_size_is_none(mark: Mark, size_bytes: int | None, *, fits: bool) -> None:
    """What is here for a file that is told to be of another size is of another file."""
    assert fitting(mark, size_bytes) == (mark if fits else NEW)
