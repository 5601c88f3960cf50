"""``status`` on a terminal: a table with bars that fits the screen, drawn anew until Ctrl-C.

Rules of this file:

* On a narrow screen the columns go that say the least; the name stays.
* No more rows than the screen has; how many more there are is said.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from offcloud_watchd.cli.status import plain
from offcloud_watchd.cli.text import printable, size
from offcloud_watchd.core.views import clock_time

WIDE: Final = 100
MIDDLING: Final = 76
NARROW: Final = 52
BESIDE_ROWS: Final = 3  # the headings, the line that says how many more there are, and the cursor's


def watch(console: Console, look: Callable[[], Mapping[str, Any]], every_s: float) -> None:
    """Draw until interrupted."""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(drawn(look(), *console.size), refresh=True)
            select.select((), (), (), every_s)  # an event's own wait may break where Ctrl-C meets its lock


def drawn(seen: Mapping[str, Any], width: int, height: int) -> RenderableType:
    """Return what is shown on a screen of so many columns and lines."""
    notes = [Text(line, overflow="fold") for line in plain({**seen, "active": [], "active_total": 0})]
    above = sum(1 + note.cell_len // width for note in notes)
    active = seen.get("active", [])
    shown = active[: max(1, height - above - BESIDE_ROWS)]
    table = _table(width)
    for job in shown:
        table.add_row(*_row(job, width))
    more = max(seen.get("active_total", 0), len(active)) - len(shown)
    below = [Text(f"and {more} more")] if more > 0 else []
    return Group(*notes, *([table] if shown else []), *below)


def _table(width: int) -> Table:
    table = Table(box=None, pad_edge=False, expand=True, header_style="")
    if width >= WIDE:
        table.add_column("job", width=12, no_wrap=True)
    table.add_column("state", width=8, no_wrap=True)
    table.add_column("name", ratio=1, no_wrap=True, overflow="ellipsis")
    if width >= MIDDLING:
        table.add_column("", width=18)
    table.add_column("", width=4, justify="right", no_wrap=True)
    if width >= NARROW:
        table.add_column("speed", width=11, justify="right", no_wrap=True)
        table.add_column("left", width=8, justify="right", no_wrap=True)
    return table


def _row(job: Mapping[str, Any], width: int) -> list[RenderableType]:
    fraction = job["fraction"]
    bar = Text("") if fraction is None else ProgressBar(total=1.0, completed=fraction)
    pace = [
        Text(f"{size(job['bytes_per_s'])}/s" if job["bytes_per_s"] else ""),
        Text(clock_time(job["left_s"]) if job["left_s"] is not None else ""),
    ]
    return [
        *([Text(job["id"])] if width >= WIDE else []),
        Text(job["state"]),
        Text(printable(job["name"])),
        *([bar] if width >= MIDDLING else []),
        Text("" if fraction is None else f"{fraction:.0%}"),
        *(pace if width >= NARROW else []),
    ]
