"""``config``: the commented example, the JSON Schema that makes an editor help, the hash of a password."""

from __future__ import annotations

import argparse
import getpass
import sys

from offcloud_watchd.cli import text
from offcloud_watchd.cli.exits import FAILED, CommandFailed
from offcloud_watchd.cli.options import add_config
from offcloud_watchd.config import example, json_schema
from offcloud_watchd.web.password import MAX_PASSWORD_BYTES, hashed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name, tells in (
        ("example", "every key with its default and one line of why"),
        ("schema", "JSON Schema of config.yaml"),
        ("hash-password", "what may stand in web.password_file; asks for the password, or reads one line"),
    ):
        add_config(what.add_parser(name, help=tells, description=tells))


def main(arguments: argparse.Namespace) -> int:
    """Print what was asked for."""
    if arguments.what == "example":
        print(example(), end="")
    elif arguments.what == "schema":
        text.say_json(json_schema())
    else:
        print(hashed(_password()))
    return 0


def _password() -> str:
    if not sys.stdin.isatty():
        password = sys.stdin.readline(MAX_PASSWORD_BYTES + 2).rstrip("\r\n")
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise CommandFailed("the two differ; nothing was hashed", FAILED)
    if not password or len(password.encode("utf-8", "surrogateescape")) > MAX_PASSWORD_BYTES:
        raise CommandFailed(f"a password has 1 to {MAX_PASSWORD_BYTES} bytes", FAILED)
    return password
