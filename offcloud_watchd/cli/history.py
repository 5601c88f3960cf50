"""``history``: what is in the account, the newest first, whoever asked for it.

``--json`` prints an array of objects: ``request_id``, ``status`` (the service's own word), ``name`` (null
while it is not known), ``created_at`` (UTC seconds, or null). Links are not shown: they may hold a secret.
"""

from __future__ import annotations

import argparse
import threading

from offcloud_watchd.cli import text
from offcloud_watchd.cli.reaching import reached
from offcloud_watchd.core.model import Route


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--route",
        choices=[str(route) for route in Route],
        default=str(Route.CLOUD),
        help="where the bytes went (default: %(default)s)",
    )
    parser.add_argument("--limit", type=_at_least_one, metavar="N", help="only the N newest")
    parser.add_argument("--json", action="store_true", help="an array of objects")


def _at_least_one(word: str) -> int:
    if not (word.isdecimal() and word.isascii() and int(word[:9]) > 0):
        raise argparse.ArgumentTypeError("it must be a number, 1 at the least")
    return int(word[:9])


def main(arguments: argparse.Namespace) -> int:
    """Print the requests; none is no error."""
    with reached(arguments) as client:
        requests = client.service.requests(threading.Event(), Route(arguments.route))[: arguments.limit]
    if arguments.json:
        members = ("request_id", "status", "name", "created_at")
        text.say_json([{name: getattr(one, name) for name in members} for one in requests])
        return 0
    text.say_table(
        ("ID", "STATUS", "SINCE", "NAME"),
        (
            (
                one.request_id,
                one.status,
                "" if one.created_at is None else text.moment(one.created_at),
                one.name or "",
            )
            for one in requests
        ),
        unbroken=3,
    )
    return 0
