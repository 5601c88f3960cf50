"""``journal``: look after the journal. How to use it, and when: ``docs/journal.md``.

With ``--json`` each prints one object, members are only ever added:

* ``verify``: ``path``, ``generation``, ``records``, ``jobs``, ``size_bytes``, ``torn_bytes`` and
  ``problems``, an array of ``{line, offset_bytes, what}``. ``torn_bytes`` is a last record that was being
  written when the machine stopped; the next start sets it aside and it is no problem.
* ``repair``: ``path``, ``damaged`` (false: nothing was touched), ``aside`` (paths of the copies), ``kept``,
  ``lost``, ``mended`` (records), ``cut`` (nobody knows how much more was there), ``jobs``, and ids of jobs:
  ``begun_anew``, ``searched``, ``unknown``; ``listed_jobs_lost``, a number; ``spool_aside``, paths.
* ``compact``: ``path``, ``jobs``, ``before_bytes``, ``after_bytes``.
* ``export``, always: one object a line, ``seq``, ``at``, ``job``, ``kind``, ``data``. Links are cut at their
  ``?`` unless ``--links`` is given: what stands behind it may be a secret.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from offcloud_watchd.app import SystemClock
from offcloud_watchd.cli import known, text
from offcloud_watchd.cli.exits import DAMAGED, CommandFailed
from offcloud_watchd.cli.options import add_config
from offcloud_watchd.core.story import shown_key
from offcloud_watchd.journal import Repair, Report, compact, export, repair, verify

MOST_NAMED: Final = 20
"""So many jobs are named in a sentence; ``--json`` names all."""

_TO_DROP_AGAIN: Final = (
    "what `offcloud-watchd jobs` misses now can be dropped again: the files lie in the drop folders' "
    "processed/, or, where drops are deleted (`after: delete`), their bytes lie in the spool"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name, about in (
        ("verify", "check every record; changes nothing"),
        (
            "repair",
            "keep what can be proven of a damaged journal, set the damaged one aside, say what was lost",
        ),
        ("compact", "write the jobs into a new, smaller file"),
        ("export", "print every record, one JSON object a line"),
    ):
        command = what.add_parser(name, help=about)
        add_config(command)
        if name == "export":
            command.add_argument(
                "--links", action="store_true", help="show links whole; they may hold secrets"
            )
        else:
            command.add_argument("--json", action="store_true", help="one object")


def main(arguments: argparse.Namespace) -> int:
    """Do it. 65 when the journal is damaged, 75 when a daemon runs that would have to be stopped first."""
    state_dir = known.settings(arguments).state_dir
    commands: dict[str, Callable[[argparse.Namespace, Path], int]] = {
        "verify": _verify,
        "repair": _repair,
        "compact": _compact,
        "export": _export,
    }
    try:
        return commands[arguments.what](arguments, state_dir)
    except FileNotFoundError:
        raise CommandFailed(f"there is no journal in {state_dir}: no daemon has run there yet") from None


# --- verify ---


def _verify(arguments: argparse.Namespace, state_dir: Path) -> int:
    report = verify(state_dir)
    if arguments.json:
        text.say_json(_described(report))
    else:
        text.say(
            f"{report.path}: generation {report.generation}, {report.records} records, {report.jobs} jobs, "
            f"{text.size(report.size_bytes)}"
        )
        if report.torn_bytes:
            text.say(f"{report.torn_bytes} bytes of an unfinished record at the end; harmless")
        for flaw in report.problems:
            text.say(f"line {flaw.line}, byte {flaw.offset_bytes}: {flaw.what}")
        text.say("damaged" if report.problems else "sound")
    if report.problems:
        text.complain("nothing was changed; `offcloud-watchd journal repair` keeps all that can be proven")
    return DAMAGED if report.problems else 0


def _described(report: Report) -> dict[str, object]:
    return {
        "path": str(report.path),
        "generation": report.generation,
        "records": report.records,
        "jobs": report.jobs,
        "size_bytes": report.size_bytes,
        "torn_bytes": report.torn_bytes,
        "problems": [
            {"line": flaw.line, "offset_bytes": flaw.offset_bytes, "what": flaw.what}
            for flaw in report.problems
        ],
    }


# --- repair ---


def _repair(arguments: argparse.Namespace, state_dir: Path) -> int:
    report = repair(state_dir, SystemClock())
    if arguments.json:
        text.say_json(_repaired(report))
    else:
        for line in _told(report):
            text.say(line)
    return 0


def _repaired(report: Repair) -> dict[str, object]:
    members = asdict(report)
    del members["flaw"]
    return {
        **members,
        "path": str(report.path),
        "damaged": report.flaw is not None,
        "aside": [str(path) for path in report.aside],
        "spool_aside": [str(path) for path in report.spool_aside],
    }


def _told(report: Repair) -> list[str]:
    if report.flaw is None:
        return [f"{report.path} is sound: nothing to repair, nothing was touched"]
    aside = " and ".join(map(str, report.aside))
    lines = [
        f"line {report.flaw.line}, byte {report.flaw.offset_bytes}: {report.flaw.what}",
        f"the damaged journal is kept as it was: {aside}",
        (
            f"{report.kept} records kept ({report.mended} of them by putting one flipped bit right), "
            f"{report.lost} lost; {report.jobs} jobs"
        ),
    ]
    if report.cut:
        lines.append("the file ends early: nobody knows how much stood behind its end")
    for ids, what in (
        (report.unknown, "of these jobs nothing is left but the id; drop their files again"),
        (report.begun_anew, "how these jobs ended is lost; they begin anew"),
        (report.searched, "the account is searched for these jobs before they are submitted again"),
    ):
        if ids:
            more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
            lines.append(f"{what}: {', '.join(ids[:MOST_NAMED])}{more}")
    if report.listed_jobs_lost:
        lines.append(f"jobs that are lost without a trace: {report.listed_jobs_lost} at the most")
    if report.lost or report.cut or report.listed_jobs_lost:
        lines.append(_TO_DROP_AGAIN)
    if report.spool_aside:
        lines.append(
            f"{len(report.spool_aside)} accepted drops belong to no job any more; they are kept in "
            f"{report.spool_aside[0].parent}: drop again what is missing"
        )
    return lines


# --- compact, export ---


def _compact(arguments: argparse.Namespace, state_dir: Path) -> int:
    done = compact(state_dir, SystemClock())
    if arguments.json:
        text.say_json({**asdict(done), "path": str(done.path)})
    else:
        before, after = text.size(done.before_bytes), text.size(done.after_bytes)
        text.say(f"{done.path}: {done.jobs} jobs, {before} before, {after} now")
    return 0


def _export(arguments: argparse.Namespace, state_dir: Path) -> int:
    export(
        state_dir, lambda record: text.say(json.dumps(record if arguments.links else _without_links(record)))
    )
    return 0


_SHOWN: Final[dict[str, Callable[[str], str]]] = {"url": known.short, "key": shown_key}


def _without_links(value: Any) -> Any:
    """Cut every link at its question mark, however deep it stands."""
    if isinstance(value, dict):
        return {
            name: _SHOWN[name](inner) if name in _SHOWN and isinstance(inner, str) else _without_links(inner)
            for name, inner in value.items()
        }
    return [_without_links(inner) for inner in value] if isinstance(value, list) else value
