"""``check``: everything a start needs, one line each, with what to do.

``--json`` prints a list of ``{"what", "ok", "says"}``. ``--offline`` leaves the service alone. The exit code
is 0 when all is well, 77 when the key is refused, 78 when the configuration is wrong, 1 for anything else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from offcloud_watchd import app
from offcloud_watchd.cli.exits import FAILED, KEY_REFUSED
from offcloud_watchd.cli.text import say, say_json, size
from offcloud_watchd.config import Config, find_path
from offcloud_watchd.errors import Blocked, ConfigError, OffcloudWatchdError
from offcloud_watchd.offcloud import Client
from offcloud_watchd.wiring import KeySource, client_settings

EARLIEST_SANE_TIME_AT: Final = 1_767_225_600.0  # 2026-01-01: a clock before this was never set


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``code`` is the exit code it asks for."""

    what: str
    ok: bool
    says: str
    code: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--offline", action="store_true", help="do not ask the service")
    parser.add_argument("--json", action="store_true", help="a list of {what, ok, says}")


def main(arguments: argparse.Namespace) -> int:
    """Print what was found; return the exit code."""
    path = find_path(arguments.config, os.environ)
    config = app.checked_config(path, os.environ)
    findings = [Finding("config", ok=True, says=str(path)), *_found(config, offline=arguments.offline)]
    if arguments.json:
        shown = [{name: value for name, value in asdict(one).items() if name != "code"} for one in findings]
        say_json(shown)
    else:
        for one in findings:
            say(f"{'ok ' if one.ok else 'BAD'} {one.what}: {one.says}")
    return max((one.code for one in findings), default=0)


def _found(config: Config, *, offline: bool) -> Iterator[Finding]:
    yield from _account(config, offline=offline)
    for folder in config.folders:
        yield _folder(folder.path)
    for directory in dict.fromkeys(
        [config.output_dir, *(config.directory_of(one).parent for one in config.folders)]
    ):
        yield _disk(directory, config.fetch.min_free_bytes)
    sane = time.time() >= EARLIEST_SANE_TIME_AT
    yield Finding(
        "clock",
        ok=sane,
        says="set" if sane else "the date lies in the past: set the clock",
        code=0 if sane else FAILED,
    )


def _account(config: Config, *, offline: bool) -> Iterator[Finding]:
    keys = KeySource(config, os.environ)
    try:
        keys.read()
    except ConfigError as error:
        yield Finding("key", ok=False, says=str(error), code=KEY_REFUSED)
        return
    if offline:
        yield Finding("key", ok=True, says="can be read; the service was not asked")
        return
    try:
        account = Client(client_settings(config, keys), app.SystemClock()).account(threading.Event())
    except Blocked as error:
        yield Finding("key", ok=False, says=str(error), code=KEY_REFUSED if error.key_refused else FAILED)
        return
    except OffcloudWatchdError as error:
        yield Finding("service", ok=False, says=str(error), code=FAILED)
        return
    yield Finding(
        "key", ok=True, says=f"accepted by {config.offcloud.base_url} ({account.generation} generation)"
    )
    usable = account.premium is not False and account.can_download is not False
    until = f", until {account.expires}" if account.expires else ""
    says = (
        f"premium{until}" if usable else "no premium plan: the service will refuse to fetch; renew it there"
    )
    yield Finding("plan", ok=usable, says=says, code=0 if usable else FAILED)


def _folder(path: Path) -> Finding:
    what = f"folder {path}"
    if not path.is_dir():
        return Finding(
            what, ok=False, says="is not there: create it, or mount what should hold it", code=FAILED
        )
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Finding(what, ok=False, says="this user may not read, write and enter it", code=FAILED)
    return Finding(what, ok=True, says="can be read and written")


def _disk(directory: Path, min_free_bytes: int) -> Finding:
    what = f"output {directory}"
    if not directory.is_dir():
        return Finding(
            what, ok=False, says="is not there: create it, or mount what should hold it", code=FAILED
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        return Finding(what, ok=False, says="this user may not write there", code=FAILED)
    free = shutil.disk_usage(directory).free
    says = f"{size(free)} free, {size(min_free_bytes)} must stay free (fetch.min_free)"
    return Finding(what, ok=free > min_free_bytes, says=says, code=0 if free > min_free_bytes else FAILED)
