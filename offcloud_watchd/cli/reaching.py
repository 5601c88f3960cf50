"""Asking the service from a command, with the key and the settings the daemon has."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from offcloud_watchd import app
from offcloud_watchd.cli import known
from offcloud_watchd.key import KeySource
from offcloud_watchd.offcloud import Client
from offcloud_watchd.wiring import client_settings


@contextmanager
def reached(arguments: argparse.Namespace) -> Iterator[Client]:
    """Give a client for the account in the command's configuration; raise ``ConfigError``."""
    config = known.settings(arguments)
    keys = KeySource(config.key_place, os.environ)
    keys.read()  # a key that cannot be read is told with its place, before anything is asked
    client = Client(client_settings(config, keys), app.SystemClock())
    try:
        yield client
    finally:
        client.close()
