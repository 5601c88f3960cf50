"""Hostile files: nothing hangs, nothing is followed, nothing large is read."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from offcloud_watchd.core.settle import Stamp
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.watch.reading import opened_directory, read_settled, stamp_at, stamp_of


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """Give an open directory."""
    with opened_directory(tmp_path) as descriptor:
        yield descriptor


def stamped(path: Path) -> Stamp:
    """Return the stamp of whatever is there."""
    return stamp_of(path.lstat())


def test_reads_the_whole_file_that_was_expected(directory: int, tmp_path: Path) -> None:
    """A file that did not change comes back byte for byte, up to the limit."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * 3_000_000)
    assert read_settled(directory, "a", stamped(path), 3_000_000) == b"x" * 3_000_000


def test_a_file_that_is_gone_is_quiet(directory: int) -> None:
    """A file deleted between scan and open is no error (fault 7)."""
    assert read_settled(directory, "a", Stamp(1, 1, 1, 1), 10) is None
    assert stamp_at(directory, "a") is None


def test_a_file_that_changed_is_not_read(directory: int, tmp_path: Path) -> None:
    """A file replaced since the scan waits for its own settle time (fault 6)."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    expected = stamped(path)
    path.write_bytes(b"newer")
    assert read_settled(directory, "a", expected, 10) is None


def test_symbolic_link_swapped_in_is_not_followed(directory: int, tmp_path: Path) -> None:
    """A link put in place of a file after the scan is refused by the open (faults 11, 12)."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"key")
    (tmp_path / "a").symlink_to(secret)
    assert read_settled(directory, "a", stamped(secret), 10) is None


def test_named_pipe_does_not_hang(directory: int, tmp_path: Path) -> None:
    """A FIFO swapped in is opened without waiting and not read (fault 14)."""
    os.mkfifo(tmp_path / "a")
    assert read_settled(directory, "a", stamped(tmp_path / "a"), 10) is None
    assert stamp_at(directory, "a") is None


def test_socket_and_directory_are_not_read(directory: int, tmp_path: Path) -> None:
    """Sockets and directories are left alone (fault 15)."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert read_settled(directory, "s", stamped(tmp_path / "s"), 10) is None
    (tmp_path / "d").mkdir()
    assert read_settled(directory, "d", stamped(tmp_path / "d"), 10) is None


def test_sparse_giant_is_refused_by_its_size(directory: int, tmp_path: Path) -> None:
    """A sparse file of 1 TiB is refused without being read (fault 16)."""
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadDrop, match="1,099,511,627,776 bytes"):
        read_settled(directory, "a", stamped(path), 10)


def test_file_that_lies_about_its_size_is_bounded(tmp_path: Path) -> None:
    """Of a file whose size is a lie, as in /proc, not more than the cap is read, and it does not count."""
    path = Path("/proc/self/maps")
    with opened_directory(path.parent) as directory:
        assert read_settled(directory, path.name, stamped(path), 1000) is None


def test_other_errors_are_told(directory: int) -> None:
    """What the operator can mend is raised."""
    with pytest.raises(OSError, match="name too long"):
        read_settled(directory, "x" * 300, Stamp(1, 1, 1, 1), 10)


def test_inner_directory_is_no_link(directory: int, tmp_path: Path) -> None:
    """A directory within another is not reached through a link, the outer one may be."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(NotADirectoryError), opened_directory("link", within=directory):
        pass
    with opened_directory(tmp_path / "link") as descriptor:
        assert os.fstat(descriptor).st_ino == (tmp_path / "real").stat().st_ino
