"""``accounts``: the remote accounts the service can send files to.

``--json`` prints an array of objects: ``account_id``, ``option_id``, ``type``, ``username``, ``status``,
``host``, ``path``, ``used_bytes`` (null where it is not told). A folder's ``remote.account`` names one by
either id, its user name or its type.
"""

from __future__ import annotations

import argparse
import threading
from dataclasses import asdict

from offcloud_watchd.cli import text
from offcloud_watchd.cli.reaching import reached


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--json", action="store_true", help="an array of objects")


def main(arguments: argparse.Namespace) -> int:
    """Print the accounts; none is no error, a service without any is."""
    with reached(arguments) as client:
        accounts = client.remote_accounts(threading.Event())
    if arguments.json:
        text.say_json([asdict(one) for one in accounts])
        return 0
    text.say_table(
        ("ID", "TYPE", "USER", "STATUS", "WHERE", "SENT"),
        (
            (
                one.option_id,
                one.type,
                one.username,
                one.status,
                one.host + one.path,
                "" if one.used_bytes is None else text.size(one.used_bytes),
            )
            for one in accounts
        ),
    )
    return 0
