"""``config``: the commented example, and the JSON Schema that makes an editor help."""

from __future__ import annotations

import argparse

from offcloud_watchd.cli import text
from offcloud_watchd.cli.options import add_config
from offcloud_watchd.config import example, json_schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name, tells in (
        ("example", "every key with its default and one line of why"),
        ("schema", "JSON Schema of config.yaml"),
    ):
        add_config(what.add_parser(name, help=tells, description=tells))


def main(arguments: argparse.Namespace) -> int:
    """Print what was asked for."""
    if arguments.what == "example":
        print(example(), end="")
    else:
        text.say_json(json_schema())
    return 0
