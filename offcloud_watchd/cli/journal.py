"""``journal``: look after the journal.

``verify --json`` prints one object: ``path``, ``generation``, ``records``, ``jobs``, ``size_bytes``,
``torn_bytes`` and ``problems``, an array of ``{line, offset_bytes, what}``. ``torn_bytes`` is a last record
that was being written when the machine stopped; the next start sets it aside and it is no problem.
"""

from __future__ import annotations

import argparse

from offcloud_watchd.cli import known, text
from offcloud_watchd.cli.exits import DAMAGED, CommandFailed
from offcloud_watchd.cli.options import add_config
from offcloud_watchd.journal import Report, verify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    check = what.add_parser("verify", help="check every record; changes nothing")
    add_config(check)
    check.add_argument("--json", action="store_true", help="one object")


def main(arguments: argparse.Namespace) -> int:
    """Check the journal; 65 when it is damaged."""
    state_dir = known.settings(arguments).state_dir
    try:
        report = verify(state_dir)
    except FileNotFoundError:
        raise CommandFailed(f"there is no journal in {state_dir}: no daemon has run there yet") from None
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
