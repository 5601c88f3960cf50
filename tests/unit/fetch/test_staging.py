"""Staging and the step that makes a release visible, without a network."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from offcloud_watchd.errors import Blocked
from offcloud_watchd.fetch import staging
from offcloud_watchd.fetch.note import Note
from offcloud_watchd.fetch.staging import Place, Rights, Round, opened
from tests.unit.fetch.bench import Bench, open_descriptors

RIGHTS = Rights(0o644, 0o755, None)
NOTE = Note("Name", "", 1, 3, "size")


@pytest.fixture
def place(bench: Bench) -> Place:
    """Name a place of the bench."""
    return Place(str(bench.category), str(bench.staging), "c0ffee", 0)


def fill(staged: staging.Round, *files: str) -> None:
    """Put files with their own name as content into the staged release."""
    for name in files:
        fd = staged.open_file(tuple(name.split("/")))
        os.write(fd, name.encode())
        os.close(fd)


def names(directory: Path) -> set[str]:
    """Return every path below a directory."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_a_release_is_published_under_the_first_free_name(bench: Bench, place: Place) -> None:
    """Two names are taken, by whatever; the third is ours."""
    with opened(place, RIGHTS) as staged:
        fill(staged, "a/b")
        staged.seal()
        (bench.category / "Name").mkdir(parents=True)
        (bench.category / "Name (2)").write_text("x")
        publication = staged.publish(NOTE)
        assert staged.published() == publication
    assert publication.path == str(bench.category / "Name (3)")
    assert names(bench.category) == {"Name", "Name (2)", "Name (3)", "Name (3)/a", "Name (3)/a/b"}


@pytest.mark.parametrize("good_syncs", [0, 1])
def test_a_disk_that_does_not_sync_costs_no_descriptor(
    place: Place, monkeypatch: pytest.MonkeyPatch, good_syncs: int
) -> None:
    """It is tried again and again, for as long as the disk is ill."""
    syncs = iter([True] * good_syncs)

    def ill(_fd: int) -> None:
        if not next(syncs, False):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = open_descriptors()
    monkeypatch.setattr(os, "fsync", ill)
    with pytest.raises(Blocked, match="the disk reports an error"), opened(place, RIGHTS):
        pass
    assert open_descriptors() == before


def test_before_the_note_nothing_counts_as_published(place: Place) -> None:
    """An empty place has no note; a filled one neither."""
    with opened(place, RIGHTS) as staged:
        assert staged.published() is None
        fill(staged, "a")
        staged.seal()
        assert (staged.note(), staged.published()) == (None, None)
        assert staged.size_of(("a",)) == 1
        assert staged.size_of(("a", "b")) is None
        assert staged.size_of(("none",)) is None


def test_what_does_not_belong_goes(bench: Bench, place: Place) -> None:
    """Files, folders, links to folders: all that is no file to keep and no folder of one."""
    with opened(place, RIGHTS) as staged:
        fill(staged, "keep/a", "keep/b", "go/c/d", "file", "x")
        release = bench.staging / "c0ffee-0" / "release"
        (release / "keep" / "link").symlink_to(bench.root)
        (release / "dangling").symlink_to("nowhere")
        staged.prune({("keep", "a"), ("x", "y")})
        assert names(release) == {"keep", "keep/a"}
        staged.prune(set())
        assert names(release) == set()
    assert bench.root.is_dir()


@pytest.mark.parametrize("act", [Round.seal, lambda staged: staged.prune(set())])
def test_a_folder_that_cannot_be_opened_is_not_passed_over(
    place: Place, monkeypatch: pytest.MonkeyPatch, act: Callable[[Round], None]
) -> None:
    """While there are no descriptors left, it would be published unsynced, for nobody to read."""
    with opened(place, RIGHTS) as staged:
        fill(staged, "folder/a")
        open_one = os.open

        def short(path: str, flags: int, *rest: object, **named: int) -> int:
            if path == "folder":
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return open_one(path, flags, *rest, **named)

        monkeypatch.setattr(os, "open", short)
        with pytest.raises(OSError, match="Too many open files"):
            act(staged)


def test_a_file_is_not_opened_through_a_link(bench: Bench, place: Place) -> None:
    """Neither the file nor a folder on its way may be one."""
    with opened(place, RIGHTS) as staged:
        fill(staged, "a")
        release = bench.staging / "c0ffee-0" / "release"
        (release / "folder").symlink_to(bench.root)
        (release / "file").symlink_to(bench.root / "target")
        for parts in (("folder", "x"), ("file",)):
            with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
                staged.open_file(parts)
    assert names(bench.root) & {"x", "target"} == set()


def test_a_file_whose_rights_cannot_be_set_is_closed(place: Place) -> None:
    """No descriptor is left behind."""
    with opened(place, Rights(0o644, 0o755, 1 << 40)) as staged:
        staged.release_fd()
        before = open_descriptors()
        with pytest.raises(OverflowError):
            staged.open_file(("a",))
        assert open_descriptors() == before


def test_rounds_are_told_apart(bench: Bench) -> None:
    """Only directories that are named like rounds are listed, and only of the job."""
    for name in ("c0ffee-0", "c0ffee-12", "other-1", "c0ffee", "c0ffee-x", "c0ffee-1-2"):
        (bench.staging / name).mkdir(parents=True)
    assert staging.rounds(str(bench.staging), "c0ffee") == [0, 12]
    assert staging.rounds(str(bench.root / "none"), "c0ffee") == []


def test_clearing_what_cannot_be_deleted_says_so(bench: Bench) -> None:
    """The operator learns what stands in the way."""
    bench.staging.mkdir()
    (bench.staging / "c0ffee-0").write_text("a file")
    with pytest.raises(Blocked, match="to clear"):
        staging.clear(str(bench.staging), lambda *_: True)
