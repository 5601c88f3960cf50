"""``status``: lanes, folders, what moves and how far it is.

``--json`` prints one object: ``running``; ``counts`` of jobs by state; and, from a running daemon, what
``offcloud_watchd.status.describe`` gives: ``pid``, ``at``, ``lanes``, ``folders``, ``active``. While the
daemon is down the counts come from the journal and there is nothing else to tell; that is no error.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from offcloud_watchd import status
from offcloud_watchd.cli.text import printable, say_json, size
from offcloud_watchd.config import find_path, load
from offcloud_watchd.core.model import JobState
from offcloud_watchd.journal import is_locked, read_jobs

WATCH_EVERY_S: Final = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--watch", action="store_true", help="stay, and show what changes; end with Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON object (with --watch: one a second)")


def main(arguments: argparse.Namespace) -> int:
    """Show how things are, once or until interrupted; return 0."""
    config = load(find_path(arguments.config, os.environ), os.environ)
    console = Console(highlight=False)
    if arguments.json:
        _print_json(config.state_dir, forever=arguments.watch)
    elif arguments.watch and console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_drawn(look(config.state_dir)), refresh=True)
                threading.Event().wait(WATCH_EVERY_S)
    else:
        print("\n".join(plain(look(config.state_dir))))
    return 0


def look(state_dir: Path) -> dict[str, Any]:
    """Return what can be known now: of the running daemon, else of the journal it left."""
    if is_locked(state_dir):
        running = status.read(status.directory(os.environ, state_dir))
        if running is not None:
            return {"running": True, **running}
    counts = Counter(str(job.state) for job in read_jobs(state_dir).values())
    return {"running": False, "counts": {str(state): counts[str(state)] for state in JobState}}


def _print_json(state_dir: Path, *, forever: bool) -> None:
    say_json(look(state_dir))
    while forever:
        sys.stdout.flush()
        threading.Event().wait(WATCH_EVERY_S)
        say_json(look(state_dir))


# --- for people --------------------------------------------------------------------------------------------


def plain(seen: Mapping[str, Any]) -> list[str]:
    """Say it in lines that a script or a log can hold; nothing from outside is printed raw."""
    lines = [_headline(seen)]
    paused = [lane for lane in seen.get("lanes", []) if lane["paused"]]
    lines += [f"lane {lane['lane']} is paused: {printable(lane['reason'])}" for lane in paused]
    for folder in seen.get("folders", []):
        problem = f", {printable(folder['problem'])}" if folder["problem"] else ""
        lines.append(
            f"folder {printable(folder['path'])} ({printable(folder['category'])}, {folder['watch']}): "
            f"{folder['waiting']} waiting{problem}"
        )
    lines += [_job_line(job) for job in seen.get("active", [])]
    more = seen.get("active_total", 0) - len(seen.get("active", []))
    return [*lines, f"and {more} more"] if more > 0 else lines


def _headline(seen: Mapping[str, Any]) -> str:
    counts = seen["counts"]
    numbers = ", ".join(
        f"{counts.get(str(state), 0)} {state}" for state in JobState if state is not JobState.REMOVED
    )
    state = f"running (pid {seen['pid']})" if seen["running"] else "not running"
    journal = seen.get("journal_problem")
    return f"{state}: {numbers}" + (f"; the journal takes nothing: {printable(journal)}" if journal else "")


def _job_line(job: Mapping[str, Any]) -> str:
    parts = [f"{job['id']} {job['state']:8} {printable(job['name'])}"]
    if job["fraction"] is not None:
        parts.append(f"{job['fraction']:.0%}")
    if job["bytes_per_s"]:
        parts.append(f"{size(job['bytes_per_s'])}/s")
    if job["left_s"] is not None:
        parts.append(f"{_duration(job['left_s'])} left")
    if job["reason"]:
        parts.append(f"({printable(job['reason'])})")
    return " ".join(parts)


def _drawn(seen: Mapping[str, Any]) -> RenderableType:
    table = Table(box=None, pad_edge=False, expand=True)
    for heading, options in (
        ("job", {"width": 12}),
        ("state", {"width": 9}),
        ("name", {"ratio": 2, "no_wrap": True}),
        ("", {"width": 20}),
        ("speed", {"width": 12, "justify": "right"}),
        ("left", {"width": 8, "justify": "right"}),
    ):
        table.add_column(heading, **options)
    for job in seen.get("active", [])[:40]:
        table.add_row(
            job["id"],
            job["state"],
            Text(printable(job["name"])),
            ProgressBar(total=1.0, completed=job["fraction"] or 0.0),
            f"{size(job['bytes_per_s'])}/s" if job["bytes_per_s"] else "",
            _duration(job["left_s"]) if job["left_s"] is not None else "",
        )
    notes = plain({**seen, "active": [], "active_total": 0})
    return Group(*(Text(line) for line in notes), table)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
