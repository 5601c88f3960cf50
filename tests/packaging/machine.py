"""A machine that serves offcloud-watchd: what its service is told, and what is done in it again and again."""

from __future__ import annotations

import json
import shlex
from typing import Final

from tests.packaging.box import Box

KEY: Final = "sandbox-key"
UNIT: Final = "offcloud-watchd.service"
DROP_IN: Final = f"/etc/systemd/system/{UNIT}.d"
JOURNAL: Final = "/var/lib/offcloud-watchd/journal.jsonl"
FOLDERS: Final = {
    "/srv/drop/movies": "/srv/downloads/movies",
    "/srv/my drop/100%": "/srv/downloads/odd",
    "/home/anna/drop": "/home/anna/releases/home",
    "/tmp/d:rop": "/srv/downloads/tmp",
}
"""Drop folder -> where its releases land. One is in a home, one in /tmp, one name must be quoted."""

CONFIG: Final = """
offcloud:
  api_key_file: /etc/offcloud-watchd/api-key
  base_url: http://127.0.0.1:8698
  poll: {min: 1s, max: 2s}
  history_lag: 5s
output_dir: /srv/downloads
state_dir: /var/lib/offcloud-watchd
folders:
  - {path: /srv/drop/movies, category: movies, settle: 1s}
  - {path: "/srv/my drop/100%", category: odd, settle: 1s}
  - {path: /home/anna/drop, category: home, output: /home/anna/releases/home, settle: 1s}
  - {path: "/tmp/d:rop", category: tmp, settle: 1s}
fetch: {min_free: 1MiB}
web: {listen: null}
"""


def configure(box: Box, text: str) -> None:
    """Write the configuration the way an editor does: its owner and mode stay."""
    with (box.root / "etc" / "offcloud-watchd" / "config.yaml").open("w") as file:
        file.write(text)


def drop(box: Box, name: str, folder: str = "/srv/drop/movies") -> None:
    """Put a magnet of its own content into a drop folder."""
    info_hash = name.encode().hex().rjust(40, "a")[:40]
    magnet = f"magnet:?xt=urn:btih:{info_hash}&dn={name}"
    box.run(f"echo '{magnet}' > '{folder}/.{name}' && mv '{folder}/.{name}' '{folder}/{name}.magnet'")


def published(box: Box, name: str, target: str = "/srv/downloads/movies", within_s: float = 60) -> None:
    """Wait until a release is there."""
    box.wait(f"test -d '{target}/{name}'", within_s=within_s)


def active(box: Box, unit: str = UNIT, within_s: float = 40) -> None:
    """Wait until a service is ready."""
    box.wait(f"test $(systemctl is-active {unit}) = active", within_s=within_s)


def fault(box: Box, **what: object) -> None:
    """Have the sandbox do something wrong; ``sandbox.faults`` tells what there is."""
    posted(box, "http://127.0.0.1:8698/sandbox/faults", json.dumps(what))


def posted(box: Box, url: str, body: str) -> None:
    """POST a JSON document in the machine, which has no other program for that than Python."""
    asked = f"Request({url!r}, {body.encode()!r}, {{'content-type': 'application/json'}})"
    box.run(f"python3 -c {shlex.quote(f'from urllib.request import *; urlopen({asked})')}")
