"""Disks that fail or lose power: the real one, with a fault before a chosen call."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations
from pathlib import Path

from offcloud_watchd.journal.disk import Disk


class Died(BaseException):
    """The process ended here; nothing may catch it."""


@dataclass
class FaultyDisk(Disk):
    """Calls ``fault`` before each call, with its number (from 1) and its name; what it raises is the fault.

    ``calls`` are the names so far. ``part`` makes a write that fails write some bytes first. ``syncing``
    False leaves the syncs out, for tests that open thousands of journals.
    """

    fault: Callable[[int, str], None] = lambda _number, _name: None
    part: int = 0
    syncing: bool = True
    calls: list[str] = field(default_factory=list)

    def _before(self, name: str) -> None:
        self.calls.append(name)
        self.fault(len(self.calls), name)

    def create(self, path: Path) -> int:
        """Make a file, or fail."""
        self._before("create")
        return super().create(path)

    def open(self, path: Path) -> int:
        """Open a file, or fail."""
        self._before("open")
        return super().open(path)

    def lock(self, descriptor: int) -> None:
        """Lock a file, or fail."""
        self._before("lock")
        super().lock(descriptor)

    def write(self, descriptor: int, chunk: memoryview) -> int:
        """Write, or write a part and fail."""
        try:
            self._before("write")
        except (OSError, Died):
            os.write(descriptor, chunk[: self.part])
            raise
        return super().write(descriptor, chunk)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cut, or fail."""
        self._before("truncate")
        super().truncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        """Sync a file, or fail."""
        self._before("sync")
        if self.syncing:
            super().sync(descriptor)

    def link(self, old: Path, new: Path) -> None:
        """Link, or fail."""
        self._before("link")
        super().link(old, new)

    def rename(self, old: Path, new: Path) -> None:
        """Rename, or fail."""
        self._before("rename")
        super().rename(old, new)

    def unlink(self, path: Path) -> None:
        """Unlink, or fail."""
        self._before("unlink")
        super().unlink(path)

    def free_bytes(self, path: Path) -> int:
        """Tell the room, or fail."""
        self._before("free_bytes")
        return super().free_bytes(path)

    def reserve(self, path: Path, size_bytes: int, beside_bytes: int) -> None:
        """Have no room to keep back."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync_directory(self, path: Path) -> None:
        """Sync a directory, or fail."""
        self._before("sync_directory")
        if self.syncing:
            super().sync_directory(path)


def quick() -> FaultyDisk:
    """Return a disk that works and does not wait for the hardware."""
    return FaultyDisk(syncing=False)


def fails_at(number: int, code: int, *, lasting: bool = False) -> Callable[[int, str], None]:
    """Return a fault: an ``OSError`` at one call, or at this and every later one."""

    def fault(call: int, _name: str) -> None:
        if call == number or (lasting and call > number):
            raise OSError(code, os.strerror(code))

    return fault


def fails_in(name: str, code: int = errno.EIO) -> Callable[[int, str], None]:
    """Return a fault: an ``OSError`` at every call of one name."""

    def fault(_call: int, called: str) -> None:
        if called == name:
            raise OSError(code, os.strerror(code))

    return fault


def dies_at(number: int) -> Callable[[int, str], None]:
    """Return a fault: the process ends before a call."""

    def fault(call: int, _name: str) -> None:
        if call == number:
            raise Died

    return fault


Names = dict[str, int]
"""A directory: which name stands for which file."""


@dataclass
class PowerDisk(FaultyDisk):
    """Remembers what was synced, and tells every state a directory can be in after the power failed.

    Content that was not synced may be there, be cut or be zeros. Each change of a name since the last sync of
    the directory may have reached the disk or not, independent of the others.
    Source: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
    """

    syncing: bool = False
    _files: dict[int, int] = field(default_factory=dict)
    _synced: dict[int, bytes] = field(default_factory=dict)
    _names: Names = field(default_factory=dict)
    _pending: list[Callable[[Names], object]] = field(default_factory=list)

    def create(self, path: Path) -> int:
        """Make a file whose name is not durable yet."""
        descriptor = super().create(path)
        file = self._known(descriptor)
        self._synced[file] = b""
        self._pending.append(lambda names: names.update({path.name: file}))
        return descriptor

    def sync(self, descriptor: int) -> None:
        """Make the present content durable."""
        super().sync(descriptor)
        self._synced[self._known(descriptor)] = _content(descriptor)

    def link(self, old: Path, new: Path) -> None:
        """Give a name that is not durable yet."""
        super().link(old, new)
        file = new.stat().st_ino
        self._pending.append(lambda names: names.update({new.name: file}))

    def rename(self, old: Path, new: Path) -> None:
        """Change a name, not durably yet."""
        super().rename(old, new)
        file = new.stat().st_ino

        def renamed(names: Names) -> None:
            names.pop(old.name, None)
            names[new.name] = file

        self._pending.append(renamed)

    def unlink(self, path: Path) -> None:
        """Take a name away, not durably yet."""
        super().unlink(path)
        self._pending.append(lambda names: names.pop(path.name, None))

    def sync_directory(self, path: Path) -> None:
        """Make all names durable."""
        super().sync_directory(path)
        for change in self._pending:
            change(self._names)
        self._pending.clear()

    def close(self, descriptor: int) -> None:
        """Keep the file itself, so that its number is not given to another and its content can be seen."""
        self._known(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        super().close(descriptor)

    def aftermaths(self) -> Iterator[dict[str, bytes]]:
        """Give every state the directory can be in now, as names and contents."""
        seen: set[tuple[tuple[str, bytes], ...]] = set()
        count = len(self._pending)
        subsets = chain.from_iterable(combinations(range(count), size) for size in range(count + 1))
        for subset in subsets:
            names = dict(self._names)
            for index in subset:
                self._pending[index](names)
            for kept in (_synced_only, _all, _half, _zeros):
                state = {
                    name: kept(self._synced[file], _content(self._files[file]))
                    for name, file in names.items()
                }
                key = tuple(sorted(state.items()))
                if key not in seen:
                    seen.add(key)
                    yield state

    def forget(self) -> None:
        """Give all descriptors back."""
        for descriptor in self._files.values():
            os.close(descriptor)

    def _known(self, descriptor: int) -> int:
        file = os.fstat(descriptor).st_ino
        if file not in self._files:
            self._files[file] = os.dup(descriptor)
        return file


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _synced_only(synced: bytes, _written: bytes) -> bytes:
    return synced


def _all(_synced: bytes, written: bytes) -> bytes:
    return written


def _half(synced: bytes, written: bytes) -> bytes:
    return written[: (len(synced) + len(written)) // 2]


def _zeros(synced: bytes, written: bytes) -> bytes:
    return synced + bytes(max(0, len(written) - len(synced)))
