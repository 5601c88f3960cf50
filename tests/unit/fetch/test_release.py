"""A published release as it lies there: whole or not, and what can be linked of it."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import pytest

from offcloud_watchd.core.model import Publication
from offcloud_watchd.fetch.release import holds, linked, vanished

PUBLISHED_AT = 2_000_000_000.0


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Make a release of two files with 7 bytes, one of them in a folder."""
    path = tmp_path / "tv" / "Name"
    (path / "sub").mkdir(parents=True)
    (path / "a.mkv").write_bytes(b"abcd")
    (path / "sub" / "b.srt").write_bytes(b"xyz")
    return path


def proof(path: Path, files: int = 2, size_bytes: int = 7) -> Publication:
    """Return what was published."""
    return Publication(str(path), files, size_bytes, "size")


def nothing(_release: Path) -> None:
    """Change nothing."""


def add(release: Path) -> None:
    """Put something beside it, as importers do."""
    (release / "extra.nfo").write_bytes(b"1")


def rename(release: Path) -> None:
    """Give a file another name."""
    (release / "a.mkv").rename(release / "c.mkv")


def take(release: Path) -> None:
    """Take a file away."""
    (release / "a.mkv").unlink()


def take_all(release: Path) -> None:
    """Take everything away, as importers do."""
    for path in sorted(release.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    release.rmdir()


def cut(release: Path) -> None:
    """Shorten a file."""
    os.truncate(release / "a.mkv", 3)


def edit(release: Path) -> None:
    """Change a file in its place, later, without changing its size."""
    (release / "a.mkv").write_bytes(b"ABCD")
    os.utime(release / "a.mkv", (PUBLISHED_AT + 60, PUBLISHED_AT + 60))


def point_elsewhere(release: Path) -> None:
    """Put a link in the place of a file."""
    (release / "a.mkv").rename(release.parent / "away")
    (release / "a.mkv").symlink_to(release.parent / "away")


def point_a_folder_elsewhere(release: Path) -> None:
    """Put a link in the place of a folder."""
    (release / "sub").rename(release.parent / "away")
    (release / "sub").symlink_to(release.parent / "away")


def put_a_pipe(release: Path) -> None:
    """Put a FIFO in the place of a file: whoever opens it waits for ever."""
    (release / "a.mkv").unlink()
    os.mkfifo(release / "a.mkv")


def put_a_file(release: Path) -> None:
    """Put a file in the place of the release."""
    take_all(release)
    release.write_bytes(b"abcdxyz")


Change = Callable[[Path], None]


@pytest.mark.parametrize("change", [nothing, add, rename, edit])
def test_what_holds_as_much_is_still_there(release: Path, change: Change) -> None:
    """More files or other names are the user's affair."""
    change(release)
    assert holds(proof(release))


@pytest.mark.parametrize(
    "change",
    [take, take_all, cut, point_elsewhere, point_a_folder_elsewhere, put_a_pipe, put_a_file],
)
def test_what_holds_less_is_gone(release: Path, change: Change) -> None:
    """Files count, and bytes; what a link points at is not in the release."""
    change(release)
    assert not holds(proof(release))


def test_what_vanishes_while_we_look_is_gone(release: Path) -> None:
    """An importer may be at work just now: neither a file nor a folder that goes is an error."""

    def import_now(frame: FrameType, event: str, called: object) -> None:
        if event == "c_call" and called is os.stat and frame.f_code.co_filename.endswith("release.py"):
            sys.setprofile(None)
            take_all(release)

    sys.setprofile(import_now)
    try:
        assert not holds(proof(release))
    finally:
        sys.setprofile(None)
    assert not release.exists()


def test_a_release_that_was_moved_and_linked_to_is_still_there(release: Path) -> None:
    """Whoever opens its path finds it."""
    moved = release.rename(release.parent.parent / "big-disk")
    release.symlink_to(moved)
    assert holds(proof(release))


def test_a_folder_that_cannot_be_read_is_no_answer() -> None:
    """It may hold everything: that is not ours to know."""
    with TemporaryDirectory() as place:
        release = Path(place, "Name")
        (release / "sub").mkdir(parents=True)
        (release / "sub" / "b.srt").write_bytes(b"xyz")
        Path(place).chmod(0o755)
        (release / "sub").chmod(0)
        with as_nobody(), pytest.raises(PermissionError):
            holds(proof(release))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: become somebody else for a moment."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def links_to(release: Path, target: Path, publication: Publication | None = None) -> tuple[str, ...] | None:
    """Link a release into a new directory."""
    target.mkdir()
    fd = os.open(target, os.O_RDONLY)
    try:
        return linked(publication or proof(release), PUBLISHED_AT, fd)
    finally:
        os.close(fd)


def test_links_are_the_same_files(release: Path, tmp_path: Path) -> None:
    """Nothing is copied, folders are made anew, and the release is as it was."""
    paths = links_to(release, tmp_path / "links")
    assert sorted(paths or ()) == ["a.mkv", "sub/b.srt"]
    for path in paths or ():
        assert (tmp_path / "links" / path).samefile(release / path)
    assert not (tmp_path / "links" / "sub").samefile(release / "sub")


@pytest.mark.parametrize(
    "change",
    [
        add,
        take,
        take_all,
        cut,
        edit,
        point_elsewhere,
        point_a_folder_elsewhere,
        put_a_pipe,
        put_a_file,
    ],
)
def test_what_is_not_as_published_is_not_linked(release: Path, tmp_path: Path, change: Change) -> None:
    """Whatever differs from what was published could be something else."""
    change(release)
    assert links_to(release, tmp_path / "links") is None


def test_a_release_that_is_a_link_is_not_linked(release: Path, tmp_path: Path) -> None:
    """What lies elsewhere may be anybody's."""
    moved = release.rename(tmp_path / "moved")
    release.symlink_to(moved)
    assert links_to(release, tmp_path / "links") is None


def test_folders_without_end_are_not_followed(release: Path, tmp_path: Path) -> None:
    """A release is no deeper than names can be."""
    release.joinpath(*["d"] * 80).mkdir(parents=True)
    assert links_to(release, tmp_path / "links") is None


def test_another_file_system_cannot_be_linked_to(release: Path) -> None:
    """That is no error: the files are fetched then."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == release.stat().st_dev:
        pytest.skip("there is no other file system here")
    target = memory / f"links-{os.getpid()}"
    try:
        assert links_to(release, target) is None
    finally:
        target.rmdir()


def test_our_own_disk_that_fails_is_an_error(release: Path) -> None:
    """What is wrong on our side is not passed over in silence."""
    closed_fd = 1_000_000
    with pytest.raises(OSError, match="Bad file descriptor"):
        linked(proof(release), PUBLISHED_AT, closed_fd)


def test_a_release_has_vanished_when_nothing_is_left_of_it(release: Path) -> None:
    """Of one that is just being taken a part is left; without its directory nobody can tell."""
    assert not vanished(proof(release))
    take(release)
    assert not vanished(proof(release))
    take_all(release)
    assert vanished(proof(release))
    release.symlink_to("/nowhere")
    assert not vanished(proof(release)), "something has its name"
    release.unlink()
    release.parent.rmdir()
    with pytest.raises(FileNotFoundError):
        vanished(proof(release))
