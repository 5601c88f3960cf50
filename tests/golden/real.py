"""The real program beside which ours is held: started on loopback, recorded, stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import requests


def keep_answers(
    command: Sequence[str], url: str, record: Callable[[], object], answers: Path, root: Path
) -> None:
    """Run a program, record what it answers and write that down without a trace of ``root``, its place."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(url, command[0])
            text = json.dumps(record(), indent=1, sort_keys=True, ensure_ascii=True)
            answers.write_text(text.replace(str(root), "/srv") + "\n")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _wait_for(url: str, program: str) -> None:
    for _ in range(100):
        try:
            requests.get(url, timeout=1)
        except requests.ConnectionError:
            threading.Event().wait(0.1)
        else:
            return
    raise SystemExit(f"{program} did not come up")
