"""The command line: which commands there are, and how every one of them ends.

Rules of this package:

* A command is a module with ``add_arguments(parser)`` and ``main(arguments) -> int``. It is imported when it
  is called, not before: ``jobs`` does not pay for the HTTP client.
* Only this package prints. Results go to standard output, everything else to standard error.
* What came from outside is printed through ``text.printable``; a link is never printed: it may hold a secret.
* Errors become one sentence and an exit code here, in ``carry_out``, and nowhere else.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from offcloud_watchd import __version__
from offcloud_watchd.cli.exits import DAMAGED, FAILED, KEY_REFUSED, LOCKED, MISCONFIGURED, CommandFailed
from offcloud_watchd.cli.options import add_config
from offcloud_watchd.cli.text import complain, printable
from offcloud_watchd.errors import (
    Blocked,
    ConfigError,
    JournalDamaged,
    OffcloudWatchdError,
    StateLocked,
)


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command lives and the line that describes it."""

    module: str
    help: str


COMMANDS: Final[Mapping[str, Command]] = {
    name: Command(f"offcloud_watchd.cli.{module}", text)
    for name, module, text in (
        ("run", "run", "the daemon, in the foreground"),
        ("check", "check", "configuration, key, plan, folders, disk: one line each, with what to do"),
        ("status", "status", "lanes, folders, active jobs with their progress"),
        ("jobs", "jobs", "list the jobs"),
        ("show", "show", "one job and its whole history"),
        ("add", "add", "hand in links or files, as if dropped"),
        ("retry", "retry", "try jobs again: at once, or from the beginning when they ended"),
        ("cancel", "cancel", "stop jobs; they end as failed and can be retried"),
        ("forget", "forget", "remove jobs, with --files also what they published"),
        ("explain", "explain", "what would be done with a file, and why, without doing it"),
        ("cached", "cached", "whether the service has torrents already"),
        ("accounts", "accounts", "the remote accounts the service can send files to"),
        ("proxies", "proxies", "the servers instant downloads can go through"),
        ("history", "history", "what is in the account, the newest first"),
        ("account", "account", "whose account it is, its plan, what is left"),
        ("login", "login", "get the API key and write it into the key file"),
        ("config", "settings", "the commented example; JSON Schema for editors; the hash of a password"),
        ("journal", "journal", "check the journal"),
        ("systemd", "systemd", "what a unit must be told about this configuration"),
        ("sandbox", "sandbox", "an Offcloud of one's own on this machine"),
        ("demo", "demo", "the whole way on a sandbox, in a temporary place"),
    )
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises for what a user or the world does."""
    words = list(sys.argv[1:] if argv is None else argv)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who called (`>&-`), and so not wanted
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - open as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 gets escapes
    try:
        arguments = _parsed(words)
    except SystemExit as end:  # argparse printed help, the version or what is wrong
        return end.code if isinstance(end.code, int) else 2
    return carry_out(arguments)


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """Parse; what is left over is the business of the command it was given to, and its usage is shown."""
    arguments, left = parser_for(words).parse_known_args(words)
    if left:
        arguments.command_parser.error(f"this is not taken here: {' '.join(map(printable, left))}")
    return arguments


class _Parser(argparse.ArgumentParser):
    """Argparse, but a misspelt command is answered with the nearest one, and nothing is printed raw."""

    def error(self, message: str) -> NoReturn:
        """Print usage and what is wrong; exit with 2."""
        # "invalid choice: 'x' (choose from 'a', 'b')", the names with or without quotes.
        given, _, _, *choices = re.findall(r"[\w-]+", message.partition("invalid choice: ")[2]) or [""] * 3
        near = difflib.get_close_matches(given, choices, n=1)
        super().error(printable(message + (f"; did you mean {near[0]}?" if near else "")))


def parser_for(words: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only commands that were named are imported to declare their arguments.

    The man pages and the completions are made from it, with every name of ``COMMANDS``.
    """
    parser = _Parser(
        prog="offcloud-watchd",
        description="Offcloud drop folder service",
        epilog="offcloud-watchd COMMAND --help tells what a command takes.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"offcloud-watchd {__version__}")
    add_config(parser, default=None)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        child = commands.add_parser(name, help=command.help, description=command.help, allow_abbrev=False)
        if name not in words:
            continue
        module = importlib.import_module(command.module)
        add_config(child)
        module.add_arguments(child)
        child.set_defaults(command_main=module.main, command_parser=child)
    return parser


def carry_out(arguments: argparse.Namespace) -> int:
    """Call ``command_main`` and turn whatever it raises into a sentence and an exit code."""
    try:
        code: int = arguments.command_main(arguments)
        sys.stdout.flush()
    except CommandFailed as error:
        complain(str(error))
        return error.code
    except OffcloudWatchdError as error:
        return _explain(error)
    except BrokenPipeError:
        _let_go_of_output()  # the reader has seen enough
        return 0
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        complain(f"{error.strerror or 'the system refused'}{where}{_who(error)}")
        try:
            sys.stdout.flush()
        except OSError:
            _let_go_of_output()
        return FAILED
    except KeyboardInterrupt:
        return 130
    return code


def _let_go_of_output() -> None:
    """See to it that nothing is written at exit, when the interpreter flushes once more and ends with 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _who(error: OSError) -> str:
    return "; run this as the daemon's user" if isinstance(error, PermissionError) else ""


def _explain(error: OffcloudWatchdError) -> int:
    match error:
        case ConfigError():
            for line in (*error.problems, *getattr(error, "__notes__", ())):
                complain(line)
            return MISCONFIGURED
        case StateLocked():
            code = LOCKED
        case JournalDamaged():
            code = DAMAGED
        case Blocked(key_refused=True):
            code = KEY_REFUSED
        case _:
            code = FAILED
    complain(str(error))
    return code
