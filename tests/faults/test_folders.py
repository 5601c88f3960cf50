"""Folders that are unmounted, swapped, full, read-only, hung or silent: on real mounts, with real events."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Destination
from offcloud_watchd.watch import FolderSettings, WatchMode
from offcloud_watchd.watch.hints import Hints
from tests.faults.fuse import RELEASEDIR, Fuse
from tests.faults.namespace import READ_ONLY, REMOUNT, mount, unmount, with_own_mounts

MAGNET = "magnet:?xt=urn:btih:" + "0123456789abcdef" * 2 + "01234567"
WITHIN_S = 10.0


class Bell:
    """Rings when a hint comes."""

    def __init__(self, yard) -> None:
        self._rung = threading.Event()
        yard.hint = self._rung.set

    def heard(self) -> bool:
        """Wait for a ring, and be ready for the next."""
        heard = self._rung.wait(WITHIN_S)
        self._rung.clear()
        return heard


def another(yard, name: str, **changes: object) -> Path:
    """Give the yard a further drop folder."""
    path = yard.base / name
    path.mkdir()
    folder = FolderSettings(path, Destination(name, f"/out/{name}"))
    yard.more_folders = (*yard.more_folders, replace(folder, **changes))
    return path


def watched_by_events(yard) -> Bell:
    """Watch the yard by events of the kernel, and wait until they are there."""
    bell = Bell(yard)
    yard.hints = Hints()
    yard.configure(watch=WatchMode.AUTO)
    yard.look()
    yard.look()
    return bell


# --- silent file systems ---


@with_own_mounts
def test_fuse_and_overlay_are_polled_and_local_ones_watched(yard) -> None:
    """A folder is looked at by the clock where its own file system is silent, whatever lies above it."""
    yard.hints = Hints()
    over, local = another(yard, "over"), another(yard, "local")
    for layer in ("lower", "upper", "work"):
        (yard.base / layer).mkdir()
    mount("none", yard.base / "upper", "tmpfs")
    for layer in ("files", "work"):
        (yard.base / "upper" / layer).mkdir()
    layers = f"lowerdir={yard.base}/lower,upperdir={yard.base}/upper/files,workdir={yard.base}/upper/work"
    mount("none", over, "overlay", layers)
    mount("none", local, "tmpfs")
    yard.configure(watch=WatchMode.AUTO)
    with Fuse(yard.drop):
        yard.look()
        assert [folder.watch for folder in yard.watcher.folders] == ["poll", "poll", "events"]


@with_own_mounts
def test_subfolder_on_a_silent_file_system_is_polled(yard) -> None:
    """A category that is mounted from elsewhere tells of nothing, though its parent does."""
    yard.hints = Hints()
    yard.configure(watch=WatchMode.AUTO, subfolder_destination=lambda name: Destination(name, "/o"))
    yard.look()
    assert yard.health().watch == "events"
    (yard.drop / "tv").mkdir()
    with Fuse(yard.drop / "tv") as nas:
        nas.files["a.magnet"] = MAGNET.encode()
        assert [intake.destination.category for intake in yard.accept()] == ["tv"]
        assert yard.health().watch == "poll"


# --- read-only ---


@with_own_mounts
def test_read_only_share_is_taken_once_however_often_it_is_mounted(yard) -> None:
    """A drop that cannot leave has one id, though the share gives new inodes and a new device (fault 22)."""
    ids = []
    for first_inode in (100, 7000):
        with Fuse(yard.drop, first_inode=first_inode) as nas:
            nas.files["a.magnet"] = MAGNET.encode()
            ids += [intake.drop.id for intake in yard.accept()]
            assert [yard.look(after_s=30.0).wishes for _ in range(2)] == [(), ()]
            assert "cannot be moved away: Read-only file system" in yard.health().problem
        yard.restart()
    assert len(ids) == 2
    assert len(set(ids)) == 1


@with_own_mounts
def test_folder_that_turns_read_only_and_back(yard) -> None:
    """A drop is taken once while its disk is read-only, and leaves when it is not any more (fault 22)."""
    mount("none", yard.drop, "tmpfs")
    (yard.drop / "a.magnet").write_text(MAGNET)
    mount("none", yard.drop, "tmpfs", "", REMOUNT | READ_ONLY)
    assert len(yard.accept()) == 1
    assert yard.look(after_s=30.0).wishes == ()
    assert "Read-only file system" in yard.health().problem
    mount("none", yard.drop, "tmpfs", "", REMOUNT)
    yard.look(after_s=30.0)
    assert (yard.health().problem, yard.names("processed")) == ("", ["a.magnet"])


# --- the archive ---


@with_own_mounts
@pytest.mark.parametrize("shelf", ["processed", "failed"])
def test_archive_on_another_device_makes_no_loop(yard, shelf: str) -> None:
    """Where a drop cannot be renamed to it stays, is not taken again, and the remedy is told (fault 23)."""
    (yard.drop / shelf).mkdir()
    mount("none", yard.drop / shelf, "tmpfs")
    (yard.drop / "a.txt").write_text(MAGNET if shelf == "processed" else "no link\n")
    yard.accept()
    assert [yard.look(after_s=30.0).wishes for _ in range(3)] == [(), (), ()]
    assert "must lie on the folder's own file system" in yard.health().problem
    assert "a.txt" in yard.names()
    unmount(yard.drop / shelf)
    yard.look(after_s=30.0)
    assert yard.health().problem == ""
    assert "a.txt" in yard.names(shelf)


@with_own_mounts
def test_full_disk_keeps_a_refused_drop_until_its_reason_has_room(yard) -> None:
    """Without room for a reason the drop stays; good drops leave, and so does it in the end (fault 23)."""
    mount("none", yard.drop, "tmpfs", "size=64k,nr_inodes=40")
    (yard.drop / "bad.txt").write_text("no link\n")
    (yard.drop / "good.magnet").write_text(MAGNET)
    filler = yard.drop / ".filler"
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)), filler.open("wb") as file:
        file.write(bytes(1 << 20))
    assert len(yard.accept()) == 1
    assert yard.look(after_s=30.0).wishes == ()
    assert "No space left on device" in yard.health().problem
    assert yard.names() == [".filler", "bad.txt", "failed", "processed"]
    assert yard.names("failed") == []
    filler.unlink()
    yard.look(after_s=30.0)
    assert yard.health().problem == ""
    assert yard.names("failed") == ["bad.txt", "bad.txt.reason.txt"]


# --- the folder itself ---


@with_own_mounts
def test_bare_mount_point_is_not_the_folder(yard) -> None:
    """What lies under a mount is not taken while it is gone, nor after a restart (fault 26)."""
    (yard.drop / "bare.magnet").write_text(MAGNET)
    mount("none", yard.drop, "tmpfs")
    yard.look()
    unmount(yard.drop)
    assert yard.accept() == []
    yard.restart()
    assert yard.accept() == []
    assert f"what was mounted on {yard.drop} is not there" in yard.health().problem
    assert yard.names() == ["bare.magnet"]
    mount("none", yard.drop, "tmpfs")
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert [intake.drop.name for intake in yard.accept()] == ["a.magnet"]
    assert yard.health().problem == ""


@with_own_mounts
def test_folder_within_a_mount_waits_for_it(yard) -> None:
    """A directory of the same name under the mount point is not the folder either."""
    (yard.drop / "inner").mkdir()
    (yard.drop / "inner" / "bare.magnet").write_text(MAGNET)
    mount("none", yard.drop, "tmpfs")
    (yard.drop / "inner").mkdir()
    yard.configure(path=yard.drop / "inner")
    yard.look()
    unmount(yard.drop)
    assert yard.accept() == []
    assert "is not there, nothing is taken" in yard.health().problem


@with_own_mounts
def test_remount_between_two_looks_does_not_end_the_events(yard) -> None:
    """The kernel drops a watch with its file system and tells nobody; it is made anew (fault 26)."""
    mount("none", yard.drop, "tmpfs")
    bell = watched_by_events(yard)
    assert yard.health().watch == "events"
    unmount(yard.drop)
    mount("none", yard.drop, "tmpfs")
    yard.look(after_s=30.0)
    yard.look()
    bell._rung.clear()
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert bell.heard()
    assert len(yard.accept()) == 1


@pytest.mark.parametrize("how", ["deleted", "renamed", "replaced by a link"])
def test_folder_that_is_swapped_is_found_within_a_rescan(yard, how: str) -> None:
    """A root that is deleted, renamed or replaced is watched anew, by events, within one rescan (24, 25)."""
    bell = watched_by_events(yard)
    if how == "deleted":
        yard.drop.rmdir()
    else:
        yard.drop.rename(yard.base / "old")
    if how == "replaced by a link":
        (yard.base / "other").mkdir()
        yard.drop.symlink_to(yard.base / "other")
    else:
        yard.drop.mkdir()
    yard.look(after_s=30.0)
    yard.look()
    bell._rung.clear()
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert bell.heard()
    assert len(yard.accept()) == 1
    assert yard.health().missed == 0


def test_folder_moved_in_with_its_drops_is_found_whole(yard) -> None:
    """A subfolder that comes with files, before any watch could be on it, loses none (fault 31)."""
    yard.configure(subfolder_destination=lambda name: Destination(name, "/o"))
    bell = watched_by_events(yard)
    bell._rung.clear()
    (yard.base / "tv").mkdir()
    for number in range(50):
        (yard.base / "tv" / f"{number}.magnet").write_text(MAGNET)
    (yard.base / "tv").rename(yard.drop / "tv")
    assert bell.heard()
    assert len(yard.accept()) == 50
    bell._rung.clear()
    (yard.drop / "tv" / "later.magnet").write_text(MAGNET)
    assert bell.heard()
    assert len(yard.accept()) == 1
    assert yard.health().missed == 0


# --- hung ---


@with_own_mounts
def test_hung_share_does_not_stop_the_others(yard) -> None:
    """While a mount does not answer the rest goes on; when it does its drops are taken (fault 27)."""
    yard.answer_within_s = 0.5
    nas_folder = another(yard, "nas", watch=WatchMode.AUTO)
    bell = Bell(yard)
    with Fuse(nas_folder) as nas:
        nas.files["far.magnet"] = MAGNET.encode()
        yard.look()
        nas.hang()
        (yard.drop / "near.magnet").write_text(MAGNET)
        yard.look(after_s=30.0)
        (wish,) = yard.look(after_s=2.0).wishes
        assert wish.what.drop.name == "near.magnet"
        wish.settled()
        assert "does not answer" in yard.watcher.folders[1].problem
        bell._rung.clear()
        nas.resume()
        assert bell.heard()
        names = [wish.what.drop.name for _ in range(3) for wish in yard.look(after_s=2.0).wishes]
        assert set(names) == {"far.magnet"}
        yard.close()


@with_own_mounts
def test_share_that_hangs_while_it_is_put_under_watch(yard) -> None:
    """A watch that is never set hangs no look: the rest is polled, and the end comes in time (fault 27)."""
    yard.answer_within_s = 0.5
    yard.hints = Hints()
    nas_folder = another(yard, "nas", watch=WatchMode.EVENTS)
    yard.configure(watch=WatchMode.AUTO)
    with Fuse(nas_folder) as nas:

        def after(operation: int) -> None:
            if operation == RELEASEDIR:  # the visit is over: what is asked next is for the watch
                nas.hang()

        nas.after = after
        yard.look()
        assert [folder.watch for folder in yard.watcher.folders] == ["events", "poll"]
        (yard.drop / "a.magnet").write_text(MAGNET)
        assert len(yard.accept()) == 1
        assert yard.health().watch == "poll"
        yard.close()


# --- races ---


def test_link_swapped_in_at_any_moment_is_never_followed(yard) -> None:
    """However a name changes between a file and a link to a secret, the secret is not read (fault 12)."""
    secret = "http://secret.example.org/key\n"
    (yard.base / "key").write_text(secret)
    yard.configure(settle_s=0.0)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            (yard.base / "link").symlink_to(yard.base / "key")
            (yard.base / "link").replace(yard.drop / "a.txt")
            (yard.base / "file").write_text("http://example.org/a\n")
            (yard.base / "file").replace(yard.drop / "a.txt")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        wishes = [wish for _ in range(300) for wish in yard.look().wishes]
        for wish in wishes:
            wish.settled()
    finally:
        over.set()
        swapper.join()
    assert wishes
    assert all("secret" not in link.url for wish in wishes for link in wish.what.links.found)
    assert (yard.base / "key").read_text() == secret
