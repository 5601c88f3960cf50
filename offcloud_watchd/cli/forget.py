"""``forget``: remove jobs from the journal, with ``--files`` also what they published."""

from __future__ import annotations

import argparse

from offcloud_watchd.cli.asking import add_jobs, ask
from offcloud_watchd.core.model import Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_jobs(parser)
    parser.add_argument("--files", action="store_true", help="delete the published files, too")


def main(arguments: argparse.Namespace) -> int:
    """Ask for it."""
    return ask(arguments, Verb.FORGET, files=arguments.files)
