"""A system that gives no further thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_NO_MACHINE_HAS_BYTES: Final = 1 << 46


@contextmanager
def no_more_threads() -> Iterator[None]:
    """Let every start of a thread fail as it does at a limit: a stack of that size cannot be had."""
    before = threading.stack_size(_NO_MACHINE_HAS_BYTES)
    try:
        yield
    finally:
        threading.stack_size(before)
