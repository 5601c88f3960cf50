"""Processes that die at any step of a shelf's work.

The steps are the calls into the operating system that our own code makes. A helper process forks a child for
each; the child ends itself with ``os._exit`` right before or right after that call, which is as sudden as a
kill. Then a new shelf is set on what is left.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_DEATH = """
import os, sys

class Clock:
    def now(self): return 0.0
    def monotonic(self): return 0.0

def dies_at(step):
    seen = 0
    def watch(frame, event, function):
        nonlocal seen
        if not event.startswith("c_") or "/fetch/" not in frame.f_code.co_filename:
            return
        if getattr(function, "__module__", "") in ("posix", "_ctypes") or "Ptr" in type(function).__name__:
            seen += 1
            if seen == step:
                os._exit(9)
    sys.setprofile(watch)
"""


def results_of(helper: str, *arguments: str) -> list[Any]:
    """Run the source of a helper in a process of its own; return the list that it prints as JSON.

    It finds there a ``Clock`` that stands still, and ``dies_at(step)``, which has the process die so.
    """
    command = [sys.executable, "-c", _DEATH + helper, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout)
    return results
