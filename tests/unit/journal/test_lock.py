"""One daemon for one state directory, between real processes."""

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from offcloud_watchd.errors import JournalUnwritable, StateLocked
from offcloud_watchd.journal import is_locked, lock_state, open_journal
from tests.fakes.clock import FakeClock
from tests.fakes.disk import FaultyDisk

HOLD = """
import sys
from pathlib import Path
from offcloud_watchd.journal import lock_state
lock = lock_state(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""

ANEW = """
import os, sys
from pathlib import Path
from offcloud_watchd.journal import lock_state
lock = lock_state(Path(sys.argv[1]))
if len(sys.argv) == 2:
    os.execv(sys.executable, [sys.executable, "-c", os.environ["SCRIPT"], sys.argv[1], "again"])
print("held again")
"""


@contextmanager
def holder(state_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Run another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(state_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_who_holds_the_state(tmp_path: Path) -> None:
    """The second one gets no lock but the number of the first; when that dies the lock is free."""
    with holder(tmp_path) as process:
        assert is_locked(tmp_path)
        with pytest.raises(StateLocked, match=f"process {process.pid} holds the state directory"):
            lock_state(tmp_path)
    assert not is_locked(tmp_path)
    lock_state(tmp_path).release()


def test_the_lock_file_stays(tmp_path: Path) -> None:
    """Releasing does not delete it: a deleted lock file would let two in."""
    state_dir = tmp_path / "state"
    lock = lock_state(state_dir)
    assert (state_dir / "lock").read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE((state_dir / "lock").stat().st_mode) == 0o600
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    lock.release()
    assert (state_dir / "lock").exists()
    lock_state(state_dir).release()


def test_a_process_that_starts_itself_anew_takes_the_lock_anew(tmp_path: Path) -> None:
    """The lock does not pass over ``exec``, so the new image is neither kept out nor let in for nothing."""
    command = [sys.executable, "-c", ANEW, str(tmp_path)]
    done = subprocess.run(
        command, env={**os.environ, "SCRIPT": ANEW}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "held again\n"


def test_a_deleted_lock_file_is_noticed(tmp_path: Path) -> None:
    """The holder takes it anew; until then the journal itself keeps a second writer out."""
    lock = lock_state(tmp_path)
    journal, _ = open_journal(tmp_path, FakeClock())
    assert not lock.keep()
    (tmp_path / "lock").unlink()
    second = lock_state(tmp_path)
    with pytest.raises(StateLocked, match="the lock file is free"):
        open_journal(tmp_path, FakeClock())
    with pytest.raises(StateLocked):
        lock.keep()
    second.release()
    assert lock.keep()
    assert not lock.keep()
    assert is_locked(tmp_path)
    journal.close()
    lock.release()
    assert not is_locked(tmp_path)


def test_a_lock_file_replaced_while_it_is_locked_is_locked_again(tmp_path: Path) -> None:
    """A lock on a file that lost its name keeps nobody out, so the new file is locked instead."""

    class Swapped(FaultyDisk):
        def lock(self, descriptor: int) -> None:
            if not self.calls:
                (tmp_path / "lock").unlink()
                (tmp_path / "lock").touch()
            super().lock(descriptor)

    disk = Swapped()
    lock = lock_state(tmp_path, disk=disk)
    assert disk.calls == ["lock", "lock"]
    assert not lock.keep()
    lock.release()


def test_looking_at_the_lock_does_not_take_it(tmp_path: Path) -> None:
    """Looking makes no file and keeps nobody out."""
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    lock_state(tmp_path).release()
    assert not is_locked(tmp_path)
    lock = lock_state(tmp_path)
    assert is_locked(tmp_path)
    lock.release()


def test_a_lock_by_an_unknown_hand_is_told(tmp_path: Path) -> None:
    """When the file does not tell who holds it the message says another process."""
    with (tmp_path / "lock").open("wb") as file:
        file.write(b"\xff\xfe not a number")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StateLocked, match="another process holds"):
            lock_state(tmp_path)


@pytest.mark.parametrize("name", ["link", "directory"])
def test_what_cannot_be_a_lock_is_told(tmp_path: Path, name: str) -> None:
    """A symbolic link is not followed, a directory is no file: the error says what was found where."""
    if name == "link":
        (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "lock").mkdir()
    with pytest.raises(JournalUnwritable, match=r"state directory .* cannot be used: .*lock"):
        lock_state(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
