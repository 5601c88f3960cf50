"""``proxies``: the servers of the service that instant downloads can go through.

``--json`` prints an array of objects: ``id``, ``name``, ``region``.
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
    """Print the proxies; a service without any is an error."""
    with reached(arguments) as client:
        proxies = client.service.proxies(threading.Event())
    if arguments.json:
        text.say_json([asdict(one) for one in proxies])
    else:
        text.say_table(("ID", "REGION", "NAME"), ((one.id, one.region, one.name) for one in proxies))
    return 0
