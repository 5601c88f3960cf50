"""``status``: lanes, folders, what moves and how far it is.

``--json`` prints one object: ``running``; ``counts`` of jobs by state; and, from a running daemon, what
``offcloud_watchd.status.describe`` gives: ``pid``, ``at``, ``lanes``, ``folders``, ``active``. While the
daemon is down, or has not told yet how it is, the counts come from the journal and there is nothing else to
tell; that is no error.

With ``--watch`` a terminal gets a table that is drawn anew each second; a pipe gets the lines again whenever
they change, and with ``--json`` one object a second. It ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from offcloud_watchd import status
from offcloud_watchd.cli import known
from offcloud_watchd.cli.text import printable, say_json, size
from offcloud_watchd.core.model import JobState
from offcloud_watchd.core.views import clock_time
from offcloud_watchd.journal import is_locked, read_jobs

WATCH_EVERY_S: Final = 1.0
LOCK_NAME: Final = "lock"
UNIT: Final = "offcloud-watchd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--watch", action="store_true", help="stay, and show what changes; end with Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON object (with --watch: one a second)")


def main(arguments: argparse.Namespace) -> int:
    """Show how things are, once or until interrupted; return 0."""
    state_dir = known.settings(arguments).state_dir
    if arguments.watch:
        try:
            _watch(state_dir, as_json=arguments.json)
        except KeyboardInterrupt:
            return 0  # that is how a watch ends
    if arguments.json:
        say_json(look(state_dir))
    else:
        print("\n".join(plain(look(state_dir))))
    return 0


def _watch(state_dir: Path, *, as_json: bool) -> None:
    """Show it again and again, until interrupted."""
    if sys.stdout.isatty() and not as_json:
        from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it; it honours NO_COLOR

        from offcloud_watchd.cli import live  # noqa: PLC0415 - the same

        console = Console(highlight=False)
        if not console.is_dumb_terminal:
            live.watch(console, lambda: look(state_dir), WATCH_EVERY_S)
    told: list[str] = []
    while True:
        seen = look(state_dir)
        if as_json:
            say_json(seen)
        elif (lines := plain(seen)) != told:
            print("\n".join(lines if not told else ["", *lines]))
            told = lines
        sys.stdout.flush()
        select.select((), (), (), WATCH_EVERY_S)  # an event's own wait may break where Ctrl-C meets its lock


def look(state_dir: Path) -> dict[str, Any]:
    """Return what can be known now: of the running daemon, else of the journal it left."""
    running = is_locked(state_dir)
    if running and (told := _told_by_the_daemon(state_dir)) is not None:
        return {"running": True, **told}
    counts = Counter(str(job.state) for job in read_jobs(state_dir).values())
    return {"running": running, "counts": {str(state): counts[str(state)] for state in JobState}}


def _told_by_the_daemon(state_dir: Path) -> dict[str, Any] | None:
    """Find the status of the daemon that holds the state; what another one or a dead one left is not it."""
    holder = _holder(state_dir)
    for directory in dict.fromkeys(_places(os.environ, state_dir)):
        told = status.read(directory)
        if told is not None and (told.get("pid") == holder or (holder is None and directory == state_dir)):
            return told
    return None


def _places(env: Mapping[str, str], state_dir: Path) -> Iterator[Path]:
    """Yield where a status may lie: a unit's daemon has a runtime directory that no shell is told of."""
    yield status.directory(env, state_dir)
    yield state_dir
    yield Path("/run", UNIT)
    if runtime := env.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, UNIT)


def _holder(state_dir: Path) -> int | None:
    """Return the process that wrote its number into the lock; None when it could not (a full disk)."""
    try:
        return int((state_dir / LOCK_NAME).read_bytes()[:20])
    except (OSError, ValueError):
        return None


# --- for people --------------------------------------------------------------------------------------------


def plain(seen: Mapping[str, Any]) -> list[str]:
    """Say it in lines that a script or a log can hold; nothing from outside is printed raw."""
    lines = [_headline(seen)]
    paused = [lane for lane in seen.get("lanes", []) if lane["paused"]]
    lines += [f"lane {lane['lane']} is paused: {printable(lane['reason'])}" for lane in paused]
    for folder in seen.get("folders", []):
        missed = folder.get("missed_by_events", 0)
        problem = f", {missed} found by looking that no event told of" if missed else ""
        problem += f", {folder['refused']} refused: see failed/ in it" if folder.get("refused") else ""
        hosts = folder.get("hosts", [])
        problem += f", shared as {hosts[0]} beside {len(hosts) - 1} others that live" if hosts else ""
        problem += f", {printable(folder['problem'])}" if folder["problem"] else ""
        lines.append(
            f"folder {printable(folder['path'])} ({printable(folder['category'])}, {folder['watch']}): "
            f"{folder['waiting']} waiting{problem}"
        )
    if seen.get("to_clear"):
        lines.append(f"{seen['to_clear']} finished requests are still to be removed from the account")
    if seen.get("to_report"):
        lines.append(f"{seen['to_report']} failures are still to be reported to an *arr tool")
    lines += [_job_line(job) for job in seen.get("active", [])]
    more = seen.get("active_total", 0) - len(seen.get("active", []))
    return [*lines, f"and {more} more"] if more > 0 else lines


def _headline(seen: Mapping[str, Any]) -> str:
    counts = seen["counts"]
    shown = [state for state in JobState if state not in (JobState.CHECKING, JobState.REMOVED)]
    numbers = ", ".join(f"{counts.get(str(state), 0)} {state}" for state in shown)
    state = "running" if seen["running"] else "not running"
    state += f" (pid {seen['pid']})" if "pid" in seen else ""
    journal = seen.get("journal_problem")
    return f"{state}: {numbers}" + (f"; the journal takes nothing: {printable(journal)}" if journal else "")


def _job_line(job: Mapping[str, Any]) -> str:
    parts = [f"{job['id']} {job['state']:8} {printable(job['name'])}"]
    if job["fraction"] is not None:
        parts.append(f"{job['fraction']:.0%}")
    if job["bytes_per_s"]:
        parts.append(f"{size(job['bytes_per_s'])}/s")
    if job["left_s"] is not None:
        parts.append(f"{clock_time(job['left_s'])} left")
    if job["reason"] and not job["bytes_per_s"]:
        parts.append(f"({printable(job['reason'])})")
    return " ".join(parts)
