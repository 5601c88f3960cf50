"""How things are written on a terminal or into a pipe.

Rules of this file:

* Nothing from outside steers a terminal: whatever is not printable is shown as an escape.
* On a terminal a list is a table; elsewhere it is one line an entry with a tab between the fields.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from offcloud_watchd.core.story import size
from offcloud_watchd.core.views import printable

__all__ = ["complain", "moment", "printable", "say", "say_json", "say_table", "size"]


def say(text: str) -> None:
    """Print one line of the result; what is not printable in it is escaped."""
    print(printable(text))


def complain(text: str) -> None:
    """Print what is no result: errors, and remarks beside the result."""
    for line in text.split("\n"):
        print(f"offcloud-watchd: {printable(line)}", file=sys.stderr)


def say_json(value: Any) -> None:
    """Print JSON in ASCII, so that it steers no terminal either."""
    print(json.dumps(value, indent=2 if sys.stdout.isatty() else None).replace("\x7f", "\\u007f"))


def say_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, unbroken: int = 1) -> None:
    """Print rows: as a table on a terminal, else as lines with tabs and no headings.

    The first ``unbroken`` columns are short and never broken into two lines.
    """
    shown = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in shown:
            print("\t".join(row))
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it; it honours NO_COLOR
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="" if console.no_color else "bold")
    # Names and paths are there to be copied: on a narrow terminal they go on in the next line, uncut.
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=number < unbroken)
    for row in shown:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def moment(at: float) -> str:
    """Write a time of day in this machine's time zone, with its offset: ``2026-03-01 14:05:09 +0100``."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f} s"  # a clock that was never set wrote this
