"""A disk that is really full: a small file system where that is permitted, else a limit for files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MOUNT = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs -o size=256k tmpfs "$1" && shift && exec "$@"',
    "sh",
]


def can_mount(state_dir: Path) -> bool:
    """Tell whether we may make a small file system for ourselves alone."""
    try:
        done = subprocess.run([*MOUNT, str(state_dir), "true"], capture_output=True, timeout=60, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.mark.parametrize("kind", ["room", "limit"])
def test_a_full_disk_costs_nothing_that_was_recorded(tmp_path: Path, kind: str) -> None:
    """An append that finds no room leaves no trace, and with room again the journal goes on."""
    mount = [*MOUNT, str(tmp_path)] if kind == "room" and can_mount(tmp_path) else []
    script = [sys.executable, "-m", "tests.unit.journal.fill", "room" if mount else "limit", str(tmp_path)]
    done = subprocess.run([*mount, *script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert "records were not written: " in result.pop("error")
    assert result.pop("recorded") > 0
    assert not result.pop("renews_while_full", False)
    assert result == {
        "kept": True,
        "torn_bytes": 0,
        "appends_while_full": False,
        "reopened": True,
        "files": ["journal.jsonl", "journal.jsonl.1"],
    }
