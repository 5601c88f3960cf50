"""``systemd``: what a unit must be told about this configuration.

``paths`` prints a drop-in. The units let the service write to nothing but its state; what this configuration
takes from and publishes to is opened here, and nothing else. Put it beside the unit, and print it again when
a path in the configuration is new::

    offcloud-watchd systemd paths > /etc/systemd/system/offcloud-watchd.service.d/paths.conf
    systemctl daemon-reload

A directory that is not there when the service starts is left out until it is started again. Nothing is read
but the configuration, and nothing is written.

Rules of this file:

* Of directories that lie in one another only the outermost is named: each one is a mount of its own in the
  service, and a release is published by a rename, which does not cross mounts.
* What the units hide (homes, temporary directories) is bound in, one directory at a time.
  Source: systemd.exec(5), "ProtectHome=", "BindPaths=".
* What a unit file cannot say (a line end in a name) is refused, never guessed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from offcloud_watchd.cli import known
from offcloud_watchd.cli.exits import CommandFailed
from offcloud_watchd.cli.options import add_config
from offcloud_watchd.cli.text import printable
from offcloud_watchd.config import Config
from offcloud_watchd.key import API_KEY, KeyPlace

STATE: Final = Path("/var/lib/offcloud-watchd")
"""``StateDirectory=`` of the units; those of single accounts lie below it."""

SETTINGS: Final = Path("/etc/offcloud-watchd")
KEY_NAME: Final = "api-key"
"""The units' ``LoadCredential=`` name a file of this name in or below ``SETTINGS``."""

HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
TEMPORARY: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - named, not used

_HEAD: Final = """\
# What the service may write to. Made by `offcloud-watchd systemd paths`: make it anew when a path is new.
[Service]
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    tells = "the drop-in that opens the drop folders and the outputs to the service"
    add_config(what.add_parser("paths", help=tells, description=tells))


def main(arguments: argparse.Namespace) -> int:
    """Print the drop-in; raise ``CommandFailed`` when a path cannot stand in a unit file."""
    config = known.settings(arguments)
    lines = [*_openings(outermost(_written_to(config))), *_credential(config.key_place)]
    print(_HEAD + "".join(f"{line}\n" for line in lines), end="")
    return 0


def _written_to(config: Config) -> Iterator[Path]:
    yield config.output_dir
    for folder in config.folders:
        yield folder.path
        if folder.given_output is not None:
            yield folder.given_output.parent  # its releases are gathered beside it
    if "state_dir" in config.model_fields_set and not config.state_dir.is_relative_to(STATE):
        yield config.state_dir


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Return the paths as the kernel sees them, in order, without those that lie in another."""
    found: list[Path] = []
    for path in sorted({Path(os.path.realpath(path)) for path in paths}):
        if not any(path.is_relative_to(around) for around in found):
            found.append(path)
    return found


def _openings(paths: Iterable[Path]) -> Iterator[str]:
    hidden = [path for path in paths if _is_below(path, (*HOMES, *TEMPORARY))]
    if any(_is_below(path, HOMES) for path in hidden):
        yield "ProtectHome=tmpfs"
    for path in paths:
        setting = "BindPaths" if path in hidden else "ReadWritePaths"
        yield f"{setting}={_quoted(f'-{_plain(path)}')}"


def _is_below(path: Path, places: Iterable[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _credential(place: KeyPlace) -> Iterator[str]:
    """Name the secret where the units do not look for it. No quotes: the rest of the line is the path."""
    file, is_key = place.file, place.secret == API_KEY
    if not is_key:
        yield "LoadCredential="  # no key is needed then, and a unit does not start without a file it names
    if file is not None and not (is_key and file.is_relative_to(SETTINGS) and file.name == KEY_NAME):
        yield f"LoadCredential={place.secret.credential}:{_plain(file)}"


def _plain(path: Path) -> str:
    """Return a path as a unit file's text; ``%`` begins a specifier there. Source: systemd.unit(5)."""
    text = str(path)
    if printable(text) != text:
        raise CommandFailed(
            f"{printable(text)}: a unit file cannot hold this name; choose one without control characters"
        )
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Quote one word of a list, where it must be. Source: systemd.syntax(7), "Quoting"."""
    if not set(text) & set(" \t\"'\\:"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
