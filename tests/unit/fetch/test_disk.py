"""The file system underneath: real errors from real calls, and who must act on them."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from offcloud_watchd import kernel
from offcloud_watchd.errors import Blocked, OffcloudWatchdError, Permanent, Transient
from offcloud_watchd.fetch import disk
from tests.unit.fetch.bench import open_descriptors


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    """Open the test's directory."""
    fd = disk.open_directory(str(tmp_path))
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, Blocked),
        (errno.EDQUOT, Blocked),
        (errno.EROFS, Blocked),
        (errno.EIO, Blocked),
        (errno.ENOTCONN, Blocked),
        (errno.ENAMETOOLONG, Permanent),
        (errno.EINVAL, Permanent),
        (errno.EFBIG, Permanent),
        (errno.EMFILE, Transient),
    ],
)
def test_an_error_of_the_disk_says_who_must_act(code: int, kind: type[OffcloudWatchdError]) -> None:
    """Fault 87: the operator mends the disk; a name that cannot be is the job's end; a shortage passes."""
    with pytest.raises(kind, match=r"tried to write x: .*"), disk.on_disk("to write x"):
        raise OSError(code, os.strerror(code))


def test_an_error_without_a_number_is_the_operators(tmp_path: Path) -> None:
    """The text is all there is."""
    with pytest.raises(Blocked, match="odd"), disk.on_disk("to write x"):
        raise OSError("odd")


def test_a_new_directory_has_its_mode_and_an_old_one_keeps_its_own(tmp_path: Path, here: int) -> None:
    """Rights are given once, when the directory is made."""
    os.close(disk.make_directory("a", here, 0o2751, os.getgid()))
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o2751
    os.close(disk.make_directory("a", here, 0o700))
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o2751


def test_a_directory_whose_group_cannot_be_set_is_an_error(here: int) -> None:
    """No descriptor is left open; the error is the caller's to explain."""
    before = open_descriptors()
    with pytest.raises((OSError, OverflowError)):
        disk.make_directory("a", here, 0o700, 1 << 40)
    assert open_descriptors() == before


def test_a_file_is_replaced_whole(tmp_path: Path, here: int) -> None:
    """The draft is gone and the content is the new one."""
    disk.write_durably("note", b"one", here)
    disk.write_durably("note", b"two", here)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("note", b"two")]


def test_pieces_are_written_however_few_bytes_the_kernel_takes() -> None:
    """One call takes 2 GiB at the most; the rest follows."""
    piece = bytes(1 << 26)
    fd = os.open("/dev/null", os.O_WRONLY)
    disk.write_all(fd, [piece] * 33 + [b""])
    os.close(fd)


def test_pieces_arrive_in_order(tmp_path: Path) -> None:
    """Empty pieces are no harm."""
    fd = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    disk.write_all(fd, [b"1", b"", b"23", b"4"])
    disk.write_all(fd, [])
    os.close(fd)
    assert (tmp_path / "a").read_bytes() == b"1234"


def test_a_full_device_is_an_error() -> None:
    """Fault 86: /dev/full takes nothing."""
    fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        disk.write_all(fd, [b"x"])
    os.close(fd)


def test_a_small_file_is_read_up_to_its_limit(tmp_path: Path, here: int) -> None:
    """What is missing is None; what is too long is cut."""
    (tmp_path / "a").write_bytes(b"12345")
    assert disk.read_small("a", here, 3) == b"123"
    assert disk.read_small("b", here, 3) is None


def test_what_is_there(tmp_path: Path, here: int) -> None:
    """A dangling link is there and is no directory."""
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "dir").mkdir()
    assert [disk.is_there(name, here) for name in ("link", "dir", "none")] == [True, True, False]
    assert [disk.is_directory(name, here) for name in ("link", "dir", "none")] == [False, True, False]


def test_room_is_reserved_without_changing_the_size(tmp_path: Path, here: int) -> None:
    """The size stays the number of bytes written; nothing to reserve is fine."""
    fd = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    assert disk.allocate(fd, 0, 1 << 20)
    assert disk.allocate(fd, 10, 0)
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_a_device_that_cannot_reserve_says_so() -> None:
    """No room can be reserved on a pipe or a device: an error or a plain no, never a guess."""
    fd = os.open("/dev/null", os.O_WRONLY)
    with pytest.raises(OSError, match="No such device"):
        disk.allocate(fd, 0, 10)
    os.close(fd)


def test_reserving_more_than_a_file_can_be_is_an_error(tmp_path: Path) -> None:
    """The file system's own limit shows at the start."""
    fd = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="too large"):
        disk.allocate(fd, 0, 1 << 62)
    os.close(fd)


def test_a_function_the_library_lacks_is_not_implemented() -> None:
    """So the caller takes its other way."""
    assert kernel.call(("no_such_function",)) == errno.ENOSYS


@pytest.mark.parametrize("rename", [disk.rename_new, disk.rename_checked])
def test_a_rename_never_replaces(
    tmp_path: Path, here: int, rename: Callable[[str, int, str, int], None]
) -> None:
    """Both ways refuse a target of any kind, and do their work where there is none."""
    (tmp_path / "a").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    for taken in ("empty", "file", "link"):
        with pytest.raises(FileExistsError):
            rename("a", here, taken, here)
    rename("a", here, "b", here)
    assert {path.name for path in tmp_path.iterdir()} == {"b", "empty", "file", "link"}


def test_a_rename_the_kernel_refuses_takes_the_other_way(tmp_path: Path, here: int) -> None:
    """EINVAL may mean that the file system does not know the flag; here it is the rename itself."""
    (tmp_path / "a").mkdir()
    inner = disk.open_directory("a", here)
    with pytest.raises(OSError, match="Invalid argument"):
        disk.rename_new("a", here, "b", inner)
    os.close(inner)
    with pytest.raises(FileNotFoundError):
        disk.rename_new("none", here, "b", here)


def test_a_directory_must_take_new_files(tmp_path: Path) -> None:
    """Trying leaves nothing; where files without a name are unknown, nothing is concluded."""
    disk.check_writable(str(tmp_path))
    disk.check_writable("/proc")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        disk.check_writable(str(tmp_path / "none"))


def test_a_tree_goes_and_a_missing_one_is_gone(tmp_path: Path, here: int) -> None:
    """Links in it are not followed."""
    (tmp_path / "keep").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "keep")
    disk.remove_tree("a", here)
    disk.remove_tree("a", here)
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]


def test_what_is_synced_does_not_stay_in_memory(tmp_path: Path) -> None:
    """The pages of a film are of no more use to us."""
    path = tmp_path / "film"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(fd, bytes(4 << 20))
    disk.sync_and_release(fd)
    os.close(fd)
    told = subprocess.run(
        ["fincore", "--bytes", "--noheadings", "--output", "RES", path],
        capture_output=True,
        text=True,
        check=True,
    )
    in_memory = {"tmpfs": 4 << 20}  # it has no other place
    kind = subprocess.run(["stat", "-fc", "%T", path], capture_output=True, text=True, check=True)
    assert int(told.stdout) == in_memory.get(kind.stdout.strip(), 0)
