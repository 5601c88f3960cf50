"""``login``: get the API key and write it into the key file.

Without ``--device`` the e-mail address and the password are asked for: at the terminal, unseen, or as two
lines of standard input. With it a person types a code on the service's page, anywhere.

Rules of this file:

* The password is never an argument, and the key is never printed: both would be seen by others.
* The file is there whole or not at all, mode 0600: written beside, synced, renamed. Its owner stays.
* Where the key can be written is looked at before anybody is asked for a password.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import threading
from pathlib import Path

from offcloud_watchd import app
from offcloud_watchd.cli import known, text
from offcloud_watchd.cli.exits import FAILED, MISCONFIGURED, CommandFailed
from offcloud_watchd.config import Config
from offcloud_watchd.errors import Blocked
from offcloud_watchd.offcloud import ClientSettings, Login
from offcloud_watchd.offcloud.door import Door
from offcloud_watchd.offcloud.settings import read_no_key
from offcloud_watchd.watch.spool import write_durably


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes; a password is no argument."""
    parser.add_argument(
        "--device", action="store_true", help="let this device in on the service's page, without a password"
    )


def main(arguments: argparse.Namespace) -> int:
    """Get a key, write it, say where."""
    config = known.settings(arguments)
    path = _key_file(config)
    stop = threading.Event()
    door = Door(_settings(config), app.SystemClock())
    try:
        key = _let_in(door, stop) if arguments.device else door.key_for(_asked_login(), stop)
    except Blocked as error:
        # Not 77: the key in the file was not asked for, and it is still there.
        raise CommandFailed(str(error), FAILED) from error
    finally:
        door.close()
    _write(path, key)
    text.say(f"the key was written to {path}; a daemon that waits for it goes on by itself")
    return 0


def _settings(config: Config) -> ClientSettings:
    offcloud = config.offcloud
    return ClientSettings(
        read_key=read_no_key,
        base_url=offcloud.base_url,
        requests_per_minute=offcloud.requests_per_minute,
        proxy=offcloud.proxy,
    )


def _key_file(config: Config) -> Path:
    """Return where the key goes, through a symbolic link; raise ``CommandFailed`` when it cannot go there."""
    if config.offcloud.api_key_file is None:
        raise CommandFailed(
            "the configuration names no key file: set offcloud.api_key_file to where the key shall go",
            MISCONFIGURED,
        )
    path = Path(os.path.realpath(config.offcloud.api_key_file))
    if path.exists() and not path.is_file():
        raise CommandFailed(f"{path} is not a regular file: the key cannot be written there")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise CommandFailed(f"this user may not write in {path.parent}: create it, or run this as its owner")
    return path


def _let_in(door: Door, stop: threading.Event) -> str:
    device = door.begin(stop)
    text.say(f"Open {device.page} and type the code {device.user_code}")
    if device.page_with_code != device.page:
        text.say(f"or open {device.page_with_code}")
    text.say(f"Waiting for at most {device.life_s / 60:.0f} min; Ctrl-C gives up.")
    sys.stdout.flush()
    return door.wait(device, stop)


def _asked_login() -> Login:
    if not sys.stdin.isatty():
        username, password = (sys.stdin.readline().rstrip("\r\n") for _ in range(2))
    else:
        print("E-mail: ", end="", file=sys.stderr, flush=True)
        username = sys.stdin.readline().strip()
        password = getpass.getpass("Password: ") if username else ""
    if not username or not password:
        raise CommandFailed("no e-mail address or no password was given")
    return Login(username, password)


def _write(path: Path, key: str) -> None:
    """Write the key durably; whoever could read the file before still can."""
    before = path.stat() if path.exists() else None
    write_durably(path, key.encode("ascii") + b"\n")
    if before is not None and os.geteuid() == 0:
        os.chown(path, before.st_uid, before.st_gid)
