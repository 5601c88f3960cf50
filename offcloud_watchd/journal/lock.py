"""One daemon for one state directory: an flock on a file that is never deleted.

Rules of this file:

* The lock is the kernel's and dies with the process, also over ``exec``: a daemon that starts itself anew
  takes it anew. The number in the file is for people and decides nothing.
* A lock on a file that lost its name protects nothing, so name and file are compared after locking.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offcloud_watchd.errors import JournalUnwritable, StateLocked
from offcloud_watchd.journal.disk import FILE_MODE, GUARDED, Disk, make_directory, same_file

LOCK_NAME: Final = "lock"
_PATIENCE: Final = 5  # how often somebody else may be in the way: a look of ``is_locked`` is short
_WAIT_S: Final = 0.02


@dataclass(slots=True)
class StateLock:
    """The proof that this process owns the state directory. One thread."""

    path: Path
    descriptor: int

    def keep(self) -> bool:
        """Take it anew where somebody deleted or exchanged its file; tell whether that was so.

        Until then others are kept out by the lock on the journal itself, but whoever asks whether a daemon
        runs is told that none does. Raises what ``lock_state`` raises: somebody else may have been faster.
        """
        if same_file(self.descriptor, self.path):
            return False
        anew = lock_state(self.path.parent)
        os.close(self.descriptor)
        self.descriptor = anew.descriptor
        return True

    def release(self) -> None:
        """Let another process have the state; call it once. The end of the process does the same."""
        os.close(self.descriptor)


def lock_state(state_dir: Path, *, disk: Disk | None = None) -> StateLock:
    """Take the state directory for this process, making it when it is missing; waits for a tenth of a second.

    Raises ``StateLocked`` when another process holds it, ``JournalUnwritable`` when it cannot be used.
    """
    path = state_dir / LOCK_NAME
    try:
        make_directory(state_dir)
        for _ in range(_PATIENCE):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | GUARDED, FILE_MODE)
            if _taken(descriptor, path, disk or Disk()):
                _sign(descriptor)
                return StateLock(path, descriptor)
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            threading.Event().wait(_WAIT_S)
    except OSError as error:
        raise unusable(state_dir, error) from error
    who = f"process {holder}" if holder.isdigit() else "another process"
    raise StateLocked(
        f"{who} holds the state directory {state_dir}; stop it first, "
        "or give this daemon a state_dir of its own"
    )


def is_locked(state_dir: Path) -> bool:
    """Tell whether a daemon holds the state directory; for everybody, changes nothing. Raises ``OSError``."""
    try:
        descriptor = os.open(state_dir / LOCK_NAME, os.O_RDONLY | GUARDED)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who look do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _taken(descriptor: int, path: Path, disk: Disk) -> bool:
    try:
        disk.lock(descriptor)
    except BlockingIOError:
        return False
    return same_file(descriptor, path)


def _sign(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # on a full disk the daemon starts all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def unusable(state_dir: Path, error: OSError) -> JournalUnwritable:
    """Say that a state directory does not let us work in it."""
    at = f" ({error.filename})" if error.filename else ""
    return JournalUnwritable(
        f"the state directory {state_dir} cannot be used: {error.strerror}{at}; "
        "it must be a directory on a local disk that belongs to the daemon's user"
    )
