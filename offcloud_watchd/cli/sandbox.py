"""``sandbox``: an Offcloud of one's own on this machine, until it is stopped.

Somebody else's torrent brings files that are made up, and named so. Torrents that come true are had from
``BASE_URL/sandbox/torrents/NAME.torrent``.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading

from offcloud_watchd.cli.exits import USAGE, CommandFailed
from offcloud_watchd.errors import ConfigError
from offcloud_watchd.sandbox import Sandbox, SandboxSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--listen",
        default="127.0.0.1:8698",
        metavar="HOST:PORT",
        help="where the API is (default: %(default)s)",
    )
    parser.add_argument(
        "--files",
        default="127.0.0.2:8699",
        metavar="HOST:PORT",
        help="where the file host is; falls back to the API's address (default: %(default)s)",
    )
    parser.add_argument(
        "--generation",
        choices=["classic", "current", "both"],
        default="both",
        help="which service is imitated (default: %(default)s)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; return 0."""
    settings = SandboxSettings(
        listen=arguments.listen, file_listen=arguments.files, generation=arguments.generation
    )
    sandbox = _made(settings)
    logging.basicConfig(level="INFO", format="%(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        sandbox.start()
    except ConfigError as error:  # no configuration is wrong: somebody else has the address
        raise CommandFailed(str(error)) from error
    print(f"base_url: {sandbox.url}   (generation {settings.generation})")
    print(f"key:      {settings.key}")
    print(f"books:    {sandbox.url}/sandbox")
    print(f"torrents: curl -O {sandbox.url}/sandbox/torrents/Some.Show.S01E01.torrent   (any name)")
    print("made up:  what comes for other people's torrents; its files are named so")
    print("Write base_url below offcloud: in config.yaml, and the key into its api_key_file.", flush=True)
    stop.wait()
    sandbox.stop()
    return 0


def _made(settings: SandboxSettings) -> Sandbox:
    try:
        return Sandbox(settings)
    except ConfigError as error:
        raise CommandFailed(str(error), USAGE) from error
