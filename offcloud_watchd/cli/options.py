"""The option that every command takes."""

from __future__ import annotations

import argparse
from pathlib import Path

_HELP = "default: $OFFCLOUD_WATCHD_CONFIG, else the user's own, else /etc/offcloud-watchd/config.yaml"


def add_config(parser: argparse.ArgumentParser, *, default: object = argparse.SUPPRESS) -> None:
    """Declare ``--config``: it may stand on either side of the command, and the later one wins."""
    parser.add_argument(
        "--config", type=Path, metavar="PATH", default=default, help=f"the configuration; {_HELP}"
    )
