"""The kernel's own limits of inotify, met for real: number of watches, of instances, length of the queue."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


def _unshare() -> list[str]:
    """Return the command that gives a child limits of its own, empty where the system has none."""
    program = shutil.which("unshare")
    command = [program or "", "--user", "--map-root-user"]
    if program is None or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        return []
    return command


@pytest.mark.parametrize("what", ["watches", "instances"])
def test_limit_of_the_kernel_costs_no_drop(tmp_path: Path, what: str) -> None:
    """Who has a watch keeps it, the rest is polled, and goes back to events when there is room (fault 29)."""
    command = _unshare()
    if not command:
        pytest.skip("this user may not make a namespace of its own")
    ended = subprocess.run(
        [*command, sys.executable, "-m", "tests.faults.limited", what, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("no more file-system events") == 1


def test_overflow_of_the_queue_costs_no_drop(tmp_path: Path) -> None:
    """A drop whose event the kernel lost is found at once, and counted as missed (fault 28).

    The events that filled the queue are those of another folder: none tells of the folder of the drop.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.limited", "overflow", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "stop me\n"
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        for number in range(int(QUEUE.read_text()) + 10):  # two names in turn: equal events are merged
            (tmp_path / "drop" / f"{number % 2}.magnet").write_bytes(b"")
        (tmp_path / "films" / "lost.magnet").write_text("magnet:?xt=urn:btih:" + "5" * 40)
        child.send_signal(signal.SIGCONT)
        _, stderr = child.communicate("go on\n", timeout=60)
    assert child.returncode == 0, stderr
    assert "every folder is looked at" in stderr
