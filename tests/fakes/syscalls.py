"""The calls by which hosts share a folder, each of them a place where the process can die.

The calls are told apart by what they are about; all others pass. A file that is written is there, and empty,
before it has what it should say.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from offcloud_watchd import kernel
from tests.fakes.fate import Fate

_WRITTEN: Final = ("beat", "make link", "name beside")
_MOVED: Final = ("claim", "take over", "commit", "archive", "take link")
PLACES: Final = (
    *(f"{act} {moment}" for act in _WRITTEN for moment in ("before", "empty", "done")),
    *(f"{act} {moment}" for act in (*_MOVED, "give link") for moment in ("before", "done")),
)


class _Calls:
    """The calls as they are, with the places of death before and after."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self._acts: dict[int, str] = {}
        self._open, self._write, self._close = os.open, os.write, os.close
        self._rename, self._unlink, self._renamed_new = os.rename, os.unlink, kernel.renamed_new

    def open(self, path: Any, flags: int, *more: Any, **named: Any) -> int:
        """Open a file."""
        act = _written(str(path)) if flags & os.O_CREAT and named.get("dir_fd") is not None else ""
        if not act:
            return self._open(path, flags, *more, **named)
        self._fate.at(f"{act} before")
        descriptor = self._open(path, flags, *more, **named)
        self._acts[descriptor] = act
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        """Write to a file."""
        if descriptor in self._acts:
            self._fate.at(f"{self._acts[descriptor]} empty")
        return self._write(descriptor, data)

    def close(self, descriptor: int) -> None:
        """Close a file."""
        act = self._acts.pop(descriptor, "")
        self._close(descriptor)
        if act:
            self._fate.at(f"{act} done")

    def rename(self, source: Any, target: Any, **named: Any) -> None:
        """Rename over whatever is there."""
        with _passing(self._fate, "take link" if str(target).startswith("links/") else ""):
            self._rename(source, target, **named)

    def renamed_new(self, source: str, source_fd: int, target: str, target_fd: int) -> bool:
        """Rename where nothing is."""
        with _passing(self._fate, _moved(source_fd, target_fd)):
            return self._renamed_new(source, source_fd, target, target_fd)

    def unlink(self, path: Any, **named: Any) -> None:
        """Delete a file."""
        with _passing(self._fate, "give link" if str(path).startswith("links/") else ""):
            self._unlink(path, **named)


@contextmanager
def mortal(fate: Fate) -> Iterator[None]:
    """Let everybody who makes such a call pass its places."""
    calls = _Calls(fate)
    with ExitStack() as patches:
        for name in ("open", "write", "close", "rename", "unlink"):
            patches.enter_context(patch.object(os, name, getattr(calls, name)))
        patches.enter_context(patch.object(kernel, "renamed_new", calls.renamed_new))
        yield


@contextmanager
def _passing(fate: Fate, act: str) -> Iterator[None]:
    if act:
        fate.at(f"{act} before")
    yield
    if act:
        fate.at(f"{act} done")


def _written(path: str) -> str:
    if path.endswith("/lease"):
        return "beat"
    if path.startswith("links/"):
        return "make link"
    return "name beside" if path.count("/") == 1 else ""


def _moved(source_fd: int, target_fd: int) -> str:
    source, target = (Path(f"/proc/self/fd/{fd}").readlink() for fd in (source_fd, target_fd))
    if target.name == "claimed":
        return "take over" if source.name == "claimed" else "claim"
    return {"taken": "commit", "processed": "archive"}.get(target.name, "")
