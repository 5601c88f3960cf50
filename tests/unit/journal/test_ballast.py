"""Room that is kept back: laid when there is enough, given up on a full disk, laid again later."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from offcloud_watchd.core.events import Submitting
from offcloud_watchd.core.lifecycle import fold
from offcloud_watchd.errors import JournalUnwritable, StateLocked
from offcloud_watchd.journal import Journal, lock_state, open_journal, read_jobs
from offcloud_watchd.journal.ballast import BALLAST_BYTES, BALLAST_NAME
from offcloud_watchd.journal.disk import Disk
from tests.fakes.clock import FakeClock
from tests.unit.journal.lives import T0, life, queued


@dataclass
class SmallDisk(Disk):
    """A disk with so many bytes left beside the ballast, a full one when ``full``."""

    ballast: Path
    full: bool = False
    left_bytes: int = 1 << 30
    syncs: bool = True

    def write(self, descriptor: int, chunk: memoryview) -> int:
        """Write what there is room for."""
        room = self.left_bytes if not self.full else 0 if self.ballast.exists() else self.left_bytes
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(descriptor, chunk[:room])

    def sync(self, descriptor: int) -> None:
        """Sync, or fail."""
        if not self.syncs:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)

    def reserve(self, path: Path, size_bytes: int, beside_bytes: int) -> None:
        """Keep room back, unless the disk is full."""
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().reserve(path, size_bytes, beside_bytes)


@pytest.fixture
def disk(tmp_path: Path) -> SmallDisk:
    """Give a disk that can be filled."""
    return SmallDisk(tmp_path / BALLAST_NAME)


@pytest.fixture
def journal(tmp_path: Path, disk: SmallDisk) -> Iterator[Journal]:
    """Give an empty journal on it."""
    opened, _ = open_journal(tmp_path, FakeClock(), disk=disk)
    yield opened
    opened.close()


def test_room_is_kept_back_at_the_start(tmp_path: Path, journal: Journal) -> None:
    """It takes its room for real, for us alone."""
    about = (tmp_path / BALLAST_NAME).stat()
    assert about.st_size == BALLAST_BYTES
    assert about.st_blocks * 512 >= BALLAST_BYTES
    assert about.st_mode & 0o777 == 0o600
    assert journal.strain() == ""


def test_a_full_disk_still_takes_the_end_of_things(tmp_path: Path, disk: SmallDisk, journal: Journal) -> None:
    """The append works, the ballast is gone, and the journal says why nothing new should be begun."""
    journal.append(life("a"))
    disk.full = True
    journal.append([queued("b")])
    assert not disk.ballast.exists()
    assert f"the disk of {tmp_path} is full" in journal.strain()
    journal.append([Submitting("b", T0 + 1)])
    assert read_jobs(tmp_path) == fold([*life("a"), queued("b"), Submitting("b", T0 + 1)])


def test_room_is_kept_back_again_when_there_is_some(disk: SmallDisk, journal: Journal) -> None:
    """Asking finds it out, and so does the next append."""
    for act in (journal.strain, lambda: journal.append([])):
        disk.full = True
        journal.append([Submitting("x", T0)])
        assert journal.strain()
        disk.full = False
        act()
        assert journal.strain() == ""
        assert disk.ballast.exists()


def test_an_append_lays_it_again(disk: SmallDisk, journal: Journal) -> None:
    """Nobody has to ask."""
    disk.full = True
    journal.append([queued("a")])
    disk.full = False
    journal.append([queued("b")])
    assert disk.ballast.exists()


def test_a_disk_that_is_full_without_a_ballast(tmp_path: Path, disk: SmallDisk, journal: Journal) -> None:
    """Then an append fails, and a new generation is what helps once there is room."""
    disk.ballast.unlink()
    disk.full, disk.left_bytes = True, 0
    with pytest.raises(JournalUnwritable, match="No space left"):
        journal.append([queued("a")])
    disk.full, disk.left_bytes = False, 1 << 30
    journal.renew({})
    journal.append([queued("b")])
    assert read_jobs(tmp_path).keys() == {"b"}


def test_a_file_that_cannot_be_cut_back_is_not_written_again(disk: SmallDisk, journal: Journal) -> None:
    """The ballast is for a full disk, not for one that is broken as well."""
    disk.full, disk.syncs = True, False
    with pytest.raises(JournalUnwritable):
        journal.append([queued("a")])
    assert disk.ballast.exists()


def test_a_new_generation_takes_the_room_too(tmp_path: Path, disk: SmallDisk, journal: Journal) -> None:
    """On a full disk it is written into what was kept back."""
    journal.append(life("a"))
    disk.full = True
    journal.renew(fold(life("a")))
    assert read_jobs(tmp_path) == fold(life("a"))
    assert journal.strain()


def test_a_new_generation_on_a_full_disk_without_ballast(disk: SmallDisk, journal: Journal) -> None:
    """It fails, and the file in use stays in use."""
    disk.ballast.unlink()
    disk.full, disk.left_bytes = True, 0
    with pytest.raises(JournalUnwritable, match="No space left"):
        journal.renew({})
    disk.left_bytes = 1 << 30
    journal.append([queued("a")])


def test_a_ballast_that_cannot_be_given_up(tmp_path: Path, disk: SmallDisk, journal: Journal) -> None:
    """An error there is the error of the append, nothing else."""
    disk.ballast.unlink()
    disk.ballast.mkdir()
    disk.full = True
    with pytest.raises(JournalUnwritable, match="No space left"):
        journal.append([queued("a")])


def test_no_room_to_keep_back(tmp_path: Path) -> None:
    """A disk with little room is used without: nothing is left behind."""
    Disk().reserve(tmp_path / "some", 1 << 10, 0)
    with pytest.raises(OSError, match="No space left"):
        Disk().reserve(tmp_path / "much", 1 << 60, 0)
    with pytest.raises(OSError, match="Invalid argument"):
        Disk().reserve(tmp_path / "none", 0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["some"]


def test_a_journal_of_another_process_is_not_replaced(tmp_path: Path) -> None:
    """Where lock and journal were deleted and a second daemon began anew, the first one gives way."""
    first_lock = lock_state(tmp_path)
    first, _ = open_journal(tmp_path, FakeClock())
    for path in (first_lock.path, tmp_path / "journal.jsonl"):
        path.unlink()
    second_lock = lock_state(tmp_path)
    second, _ = open_journal(tmp_path, FakeClock())
    second.append([queued("b")])
    with pytest.raises(StateLocked):
        first_lock.keep()
    for _ in range(2):
        with pytest.raises(JournalUnwritable):
            first.append([queued("a")])
        with pytest.raises(JournalUnwritable, match="another process writes a journal there"):
            first.renew(fold([queued("a")]))
    assert read_jobs(tmp_path).keys() == {"b"}
    second.close()
    first.renew(fold([queued("a")]))  # it was the only one again
    first.close()
    for lock in (first_lock, second_lock):
        lock.release()


def test_a_journal_that_was_only_deleted_is_made_again(tmp_path: Path) -> None:
    """From memory: nothing is lost while the daemon lives."""
    journal, _ = open_journal(tmp_path, FakeClock())
    journal.append([queued("a")])
    (tmp_path / "journal.jsonl").unlink()
    with pytest.raises(JournalUnwritable, match="deleted or replaced"):
        journal.append([queued("b")])
    journal.renew(fold([queued("a")]))
    journal.close()
    assert read_jobs(tmp_path).keys() == {"a"}
