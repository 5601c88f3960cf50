"""What holds for every test."""

import os
import signal

import pytest

# Output that is only seen because a machine sets this would hide a missing flush.
os.environ.pop("PYTHONUNBUFFERED", None)


@pytest.fixture(autouse=True, scope="session")
def _interrupts_reach_children() -> None:
    """Let children hear SIGINT: a run that was started in the background ignores it, and they would too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
