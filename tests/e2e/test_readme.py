"""The README's set-up without an account, typed as it stands there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.process import clean_environment, wait_until
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[2]


def blocks(heading: str) -> list[str]:
    """Return the commands below a heading of the README, block by block."""
    section = (ROOT / "README.md").read_text().partition(f"### {heading}\n")[2].partition("\n#")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


class Terminal:
    """A shell that was given some lines, and the process group of what it runs."""

    def __init__(self, text: str, directory: Path) -> None:
        self.log = directory / f"terminal-{len(list(directory.glob('terminal-*')))}"
        with self.log.open("w") as screen:
            self._process = subprocess.Popen(
                ["bash", "-e", "-c", text],
                cwd=directory,
                env=clean_environment(NO_COLOR="1"),
                stdout=screen,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def said(self) -> str:
        """What can be read in it."""
        return self.log.read_text()

    def end(self) -> int:
        """Press Ctrl-C; return the exit code."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(30)

    def close(self) -> None:
        """Close the window."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Make what looks like a clone that `make demo` was called in."""
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    return tmp_path


@pytest.fixture
def terminals(clone: Path) -> Iterator[list[Terminal]]:
    """Open terminals in the clone; all are closed with the test."""
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        one.close()


def test_without_an_account(clone: Path, terminals: list[Terminal]) -> None:
    """Three terminals, what stands in the README and nothing else; only the ports are others."""
    port = free_port()
    sandbox, daemon, dropping = (block.replace("8698", str(port)) for block in blocks("Without an account"))
    sandbox = sandbox.replace(" sandbox ", f" sandbox --listen 127.0.0.1:{port} --files 127.0.0.2:0 ")
    daemon = daemon.replace("END\nexport", f"web: {{listen: '127.0.0.1:{free_port()}'}}\nEND\nexport")
    terminals.append(Terminal(sandbox, clone))
    wait_until(lambda: "base_url" in terminals[0].said, within_s=30, why=lambda: terminals[0].said)
    terminals.append(Terminal(daemon, clone))
    wait_until(lambda: "ready: " in terminals[1].said, within_s=60, why=lambda: terminals[1].said)
    assert "BAD" not in terminals[1].said
    exports = next(line for line in daemon.splitlines() if line.startswith("export"))
    terminals.append(Terminal(f"{exports}\n{dropping}", clone))
    release = clone / "trial" / "releases" / "movies" / "Some.Film"
    wait_until(release.is_dir, within_s=90, why=lambda: terminals[1].said)
    assert terminals[1].end() == 0
    assert "stopped" in terminals[1].said
