"""The demo and the sandbox as commands: what a newcomer types first."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import requests

from tests.e2e.process import clean_environment, wait_until


def test_demo_shows_the_whole_way_and_leaves_nothing(tmp_path: Path):
    """It ends with 0, says that every byte arrived, and takes its place away."""
    done = subprocess.run(
        [sys.executable, "-m", "offcloud_watchd", "demo"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=clean_environment(TMPDIR=str(tmp_path)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 of 5 releases published; submitted twice: 0" in done.stdout
    assert "An.Album.[single]" in done.stdout
    assert not list(tmp_path.iterdir())


def test_sandbox_serves_until_it_is_stopped(tmp_path: Path):
    """It says where it is and which key it takes, and a signal ends it with 0."""
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "offcloud_watchd",
                "sandbox",
                "--listen",
                "127.0.0.1:0",
                "--files",
                "127.0.0.2:0",
            ],
            stdout=file,
            env=clean_environment(),
        )
    try:
        wait_until(lambda: "books:" in output.read_text(), within_s=20, why=output.read_text)
        told = dict(line.split(":", 1) for line in output.read_text().splitlines())
        url, key = told["base_url"].split()[0], told["key"].strip()
        answer = requests.get(
            f"{url}/api/account/info", headers={"Authorization": f"Bearer {key}"}, timeout=10
        )
        assert answer.json()["is_premium"] is True
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
