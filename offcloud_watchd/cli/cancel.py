"""``cancel``: stop jobs; they end as failed, keep their history and can be retried."""

from __future__ import annotations

import argparse

from offcloud_watchd.cli.asking import add_jobs, ask
from offcloud_watchd.core.model import Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_jobs(parser)


def main(arguments: argparse.Namespace) -> int:
    """Ask for it."""
    return ask(arguments, Verb.CANCEL)
