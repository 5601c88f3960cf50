"""Mounts that only one test sees, and that are gone with it however it ends.

A thread can have a mount namespace of its own, and all threads and processes it starts are in it. That needs
the right to mount, and a root that is a mount itself, which that of a chroot is not: elsewhere the tests say
so and are skipped. Not in CI, which has both.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_MOUNTS = 0x20000
_NEW_NETWORK = 0x40000000
_PRIVATE = 0x40000 | 0x4000
READ_ONLY = 1
REMOUNT = 32
BIND = 4096
_LAZY = 2


def mount(source: str | Path, point: Path, kind: str = "", options: str = "", flags: int = 0) -> None:
    """Mount a file system. Raises ``OSError``."""
    _checked(
        _LIBC.mount(
            os.fsencode(source), os.fsencode(point), kind.encode(), ctypes.c_ulong(flags), options.encode()
        ),
        point,
    )


def unmount(point: Path) -> None:
    """Unmount what is mounted there, at once; whoever has it open keeps it until then. Raises ``OSError``."""
    _checked(_LIBC.umount2(os.fsencode(point), _LAZY), point)


def enter_mounts_of(process_id: int) -> None:
    """Move this thread, and the threads it starts, into the mounts of another process, for good."""
    _checked(_LIBC.unshare(_NEW_MOUNTS), Path("/"))  # what is shared with other threads cannot be moved
    there = Path(f"/proc/{process_id}/ns/mnt")
    with there.open("rb") as mounts:
        _checked(_LIBC.setns(mounts.fileno(), _NEW_MOUNTS), there)


def enter_network_of(process_id: int) -> None:
    """Move this thread, and the threads it starts, into the network of another process, for good."""
    with Path(f"/proc/{process_id}/ns/net").open("rb") as network:
        _checked(_LIBC.setns(network.fileno(), _NEW_NETWORK), Path("/"))


def with_own_mounts(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a thread that has a mount namespace of its own."""

    def run(arguments: dict[str, object]) -> None:
        _checked(_LIBC.unshare(_NEW_MOUNTS), Path("/"))
        mount("none", Path("/"), "", "", _PRIVATE)
        test(**arguments)

    @functools.wraps(test)
    def wrapped(**arguments: object) -> None:
        if not (os.environ.get("CI") or _may_mount()):
            pytest.skip("mounts of its own are not permitted here (not root, or in a chroot or container)")
        with ThreadPoolExecutor(1) as thread:
            thread.submit(run, arguments).result()

    return wrapped


@functools.cache
def _may_mount() -> bool:
    """Tell whether a process here may have mounts that nobody else sees; util-linux tries just that."""
    program = shutil.which("unshare")
    if program is None or os.geteuid() != 0:
        return False
    return subprocess.run([program, "--mount", "true"], capture_output=True, check=False).returncode == 0


def _checked(result: int, what: Path) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(what))
