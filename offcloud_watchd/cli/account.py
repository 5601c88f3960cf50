"""``account``: whose account it is, its plan, and what is left.

``--json`` prints one object: ``email``, ``premium``, ``can_download`` (true, false, or null where it is not
told), ``expires`` (as the service writes it), ``generation`` (``classic``, ``current`` or empty), ``limits``
(an object: what is left of each allowance) and, with ``--sites``, ``sites``: ``[{name, status}]``. The exit
code is 77 when the key is refused.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from offcloud_watchd.cli import text
from offcloud_watchd.cli.reaching import reached

_TRUTH = {True: "yes", False: "no", None: "not told"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--sites", action="store_true", help="also the sites whose links are taken")
    parser.add_argument("--json", action="store_true", help="one object")


def main(arguments: argparse.Namespace) -> int:
    """Print what the service says."""
    stop = threading.Event()
    with reached(arguments) as client:
        statement = client.service.statement(stop)
        sites = client.service.sites(stop) if arguments.sites else None
    told: dict[str, Any] = {**asdict(statement.account), "limits": dict(statement.limits)}
    if sites is not None:
        told["sites"] = [asdict(site) for site in sites]
    if arguments.json:
        text.say_json(told)
    else:
        for line in _lines(told):
            text.say(line)
    return 0


def _lines(told: dict[str, Any]) -> Iterator[str]:
    yield f"account: {told['email'] or 'not told'}"
    until = f", until {told['expires']}" if told["expires"] else ""
    yield f"premium: {_TRUTH[told['premium']]}{until}"
    yield f"may download: {_TRUTH[told['can_download']]}"
    yield f"generation: {told['generation'] or 'not known'}"
    for kind, left in told["limits"].items():
        yield f"left of {kind}: {left}"
    for site in told.get("sites", ()):
        yield f"site {site['name']}: {site['status']}"
