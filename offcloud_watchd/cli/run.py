"""``run``: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import os

from offcloud_watchd.signals import hold_back


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes: nothing of its own."""
    del parser


def main(arguments: argparse.Namespace) -> int:
    """Run until it is told to stop; errors of the start are the caller's to print."""
    hold_back()
    from offcloud_watchd import app  # noqa: PLC0415 - loading it takes half a second, in which signals may come

    return app.run(arguments.config, os.environ)
