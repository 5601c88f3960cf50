"""The container's way in: who it runs as, what it refuses, where the key goes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENTRYPOINT = ROOT / "packaging" / "container" / "entrypoint"


@pytest.fixture
def enter(tmp_path: Path):
    """Run the entry point with stand-ins for what it calls; return its end. ``uid`` is who it starts as."""
    stand_ins = {
        "id": "echo $UID_SEEN",
        "chown": 'echo "chown $*"',
        "setpriv": 'echo "setpriv $*"',
        "offcloud-watchd": 'echo "offcloud-watchd $* umask=$(umask)"\n[ "$1" != status ] || echo "$STATUS"',
    }
    for name, script in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    def run(*words: str, uid: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(ENTRYPOINT), *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "UID_SEEN": str(uid), **environment},
        )

    return run


def test_root_is_given_up(enter):
    """As root it becomes PUID:PGID, without other groups, capabilities or a way back."""
    ended = enter("run", PUID="1001", PGID="1002")
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "chown 1001:1002 /state",
        (
            "setpriv --reuid=1001 --regid=1002 --clear-groups --bounding-set=-all --inh-caps=-all "
            "--no-new-privs offcloud-watchd run"
        ),
    ]


def test_it_never_runs_as_root_by_default(enter):
    """Without PUID and PGID it is 1000:1000, as the image says."""
    assert "--reuid=1000 --regid=1000" in enter("run").stdout


@pytest.mark.parametrize(
    "ids", [{"PUID": "0"}, {"PUID": "root"}, {"PGID": "users"}, {"PUID": "-1"}, {"PUID": "00"}]
)
def test_what_would_be_root_or_nobody_is_refused(enter, ids):
    """A name, or root, is a wrong configuration: said in a sentence, and nothing is begun."""
    ended = enter("run", **ids)
    assert (ended.returncode, ended.stdout) == (78, "")
    assert "PUID" in ended.stderr


def test_whoever_was_named_to_the_engine_is_kept(enter):
    """With ``user:`` there is nothing to give up: the program runs as that user, with the umask wanted."""
    ended = enter("jobs", "--json", uid=1234, UMASK="027")
    assert ended.stdout == "offcloud-watchd jobs --json umask=0027\n"


@pytest.mark.parametrize(
    ("status", "code"), [('{"running": true, "counts": {}}', 0), ('{"running": false, "counts": {}}', 1)]
)
def test_healthy_is_a_daemon_that_runs(enter, status, code):
    """The health check asks the program itself, as whoever the engine runs it."""
    assert enter("healthy", STATUS=status).returncode == code
