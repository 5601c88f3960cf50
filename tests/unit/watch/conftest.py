"""A drop folder with everything around it, on real directories and a clock that only moves when told."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Destination, Intake
from offcloud_watchd.core.ports import FolderHealth, Look, Wish
from offcloud_watchd.watch import FolderSettings, Watcher, WatchMode, WatchSettings
from offcloud_watchd.watch.hints import Flag, Hints
from offcloud_watchd.watch.mounts import read_mountinfo
from tests.fakes.clock import FakeClock

NOBODY = 65534


class SilentHints(Hints):
    """Events that never come, as on a network mount; what is asked to be watched is noted."""

    def __init__(self, error: OSError | None = None) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.error = error

    def watches(self, path: str, device: int, inode: int) -> bool:
        """Say no, so that each visit asks anew."""
        return False

    def ensure(self, path: str, device: int, inode: int, flag: Flag) -> bool:
        """Note the wish to watch; fail as the kernel would."""
        self.asked.append(path)
        if self.error is not None:
            raise self.error
        return False


class Yard:
    """One drop folder and a watcher over it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.clock = FakeClock()
        self.drop = base / "drop"
        self.state = base / "state"
        self.drop.mkdir()
        self.folder = FolderSettings(self.drop, Destination("tv", "/out/tv"), watch=WatchMode.POLL)
        self.hints: Hints = SilentHints()
        self.hint: Callable[[], None] = lambda: None
        self.more_folders: tuple[FolderSettings, ...] = ()
        self.answer_within_s = 20.0
        self.mountinfo: str | None = "999999 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        self._watcher: Watcher | None = None

    @property
    def watcher(self) -> Watcher:
        """The watcher, started at its first use."""
        if self._watcher is None:
            settings = WatchSettings(
                folders=self.folders,
                spool_dir=self.state / "spool",
                state_dir=self.state,
                destination_for=lambda category: Destination(
                    category or "main", f"/out/{category or 'main'}"
                ),
                answer_within_s=self.answer_within_s,
            )
            self._watcher = Watcher(settings, self.clock, self.hint, hints=self.hints, mountinfo=self._mounts)
            self._watcher.start()
        return self._watcher

    def _mounts(self) -> str:
        return read_mountinfo() if self.mountinfo is None else self.mountinfo

    @property
    def folders(self) -> tuple[FolderSettings, ...]:
        """All drop folders."""
        return (self.folder, *self.more_folders)

    def configure(self, **changes: object) -> None:
        """Change the folder's settings; before the first look."""
        self.folder = replace(self.folder, **changes)  # type: ignore[arg-type] # names are the fields'

    def restart(self) -> None:
        """Die without a word and begin again, as after ``kill -9``."""
        self.close()

    def close(self) -> None:
        """Stop the watcher, if one was started."""
        if self._watcher is not None:
            self._watcher.stop()
        self._watcher = None

    def look(self, after_s: float = 0.0) -> Look:
        """Let time pass and look."""
        self.clock.advance(after_s)
        return self.watcher.look()

    def take(self) -> list[Wish]:
        """Look until what is there now has settled; return the wishes, not yet settled with."""
        first = self.look()
        return [*first.wishes, *self.look(after_s=2.0).wishes]

    def accept(self) -> list[Intake]:
        """Take what is there and put it away, as when it was recorded."""
        wishes = self.take()
        for wish in wishes:
            wish.settled()
        return [wish.what for wish in wishes if isinstance(wish.what, Intake)]

    def health(self) -> FolderHealth:
        """How the first folder is."""
        return self.watcher.folders[0]

    def names(self, *parts: str) -> list[str]:
        """List a directory of the drop folder; hidden names too."""
        directory = self.drop.joinpath(*parts)
        return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []

    def reason(self, name: str) -> str:
        """Read the reason for a refused drop."""
        return (self.drop / "failed" / f"{name}.reason.txt").read_text(encoding="utf-8")


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """Give a drop folder that is looked at by the clock."""
    made = Yard(tmp_path)
    yield made
    made.close()


@pytest.fixture
def open_yard() -> Iterator[Yard]:
    """Give a drop folder that an unprivileged user can reach and change."""
    base = Path(tempfile.mkdtemp(prefix="watch-yard-"))
    base.chmod(0o777)
    made = Yard(base)
    made.drop.chmod(0o777)
    yield made
    made.close()
    shutil.rmtree(base)


@contextmanager
def _unprivileged() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def unprivileged() -> Callable[[], object]:
    """Give a context in which the rights of files count, even where the tests run as root."""
    return _unprivileged


@contextmanager
def _full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def full_disk() -> Callable[[], object]:
    """Give a context in which no file can grow, as on a full disk; names can still be made."""
    return _full_disk


@pytest.fixture
def silent_hints() -> type[SilentHints]:
    """Give the class of events that never come."""
    return SilentHints
