"""The exit codes, and the one error a command raises to end with one of them.

Source: sysexits.h, for the numbers from 64 on.
"""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
"""It did not work; why was said."""
USAGE: Final = 2
DAMAGED: Final = 65
"""The journal is damaged; nothing was touched."""
UNREACHABLE: Final = 69
"""The daemon is not running and the command wanted its answer."""
LOCKED: Final = 75
"""Another daemon holds the state."""
KEY_REFUSED: Final = 77
MISCONFIGURED: Final = 78


class CommandFailed(Exception):  # noqa: N818 - it says what happened
    """Ends a command: a sentence for a person and the exit code."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code
