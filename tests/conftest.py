"""What holds for every test."""

import signal

import pytest


@pytest.fixture(autouse=True, scope="session")
def _interrupts_reach_children() -> None:
    """Let children hear SIGINT: a run that was started in the background ignores it, and they would too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
