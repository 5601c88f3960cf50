"""The search for secrets that ends each test: in all that was written, printed, served and passed on.

Files are searched where they lie: journal and its generations, spool, status, reason files, staging,
releases, log. What does not lie anywhere is gathered while it is there: the arguments of the daemons and of
the processes they started, their pages, what commands printed (``Place.seen``).
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from tests.e2e.process import Place

PAGES = (
    "/",
    "/metrics",
    "/healthz",
    "/readyz",
    "/api/v1/openapi.json",
    "/api/v1/status",
    "/api/v1/jobs",
    "/api/v2/torrents/info",
    "/api/v2/app/preferences",
    "/api/v2/sync/maindata",
)


def arguments(pid: int) -> dict[str, str]:
    """Return what the process list tells of a process and its children; nothing of those that have ended."""
    told: dict[str, str] = {}
    with suppress(OSError):
        place = Path("/proc", str(pid))
        told[f"/proc/{pid}/cmdline"] = (place / "cmdline").read_text(errors="replace")
        for children in place.glob("task/*/children"):
            for child in children.read_text().split():
                told |= arguments(int(child))
    return told


def pages(config: str) -> dict[str, str]:
    """Return what the web of a configuration serves, headers and all; nothing where it is off or silent."""
    told: dict[str, str] = {}
    found = re.search(r"listen: '(127\.0\.0\.1:[1-9]\d*)'", config)
    for page in PAGES if found is not None else ():
        with suppress(requests.RequestException):
            answer = requests.get(f"http://{found[1]}{page}", timeout=2)
            told[page] = f"{answer.headers}\n{answer.text}"
    return told


def assert_no_secret(place: Place) -> None:
    """Hold that no secret of a place stands anywhere but alone in a file of its own."""
    secrets = [one.encode() for one in place.secrets]
    seen = {what: text.encode("utf-8", "replace") for what, text in place.seen}
    for path in place.root.rglob("*"):
        if path.is_file() and (data := path.read_bytes()).strip() not in secrets:
            seen[str(path)] = data
    shown = [what for what, data in seen.items() if any(secret in data for secret in secrets)]
    assert not shown, f"a secret stands in {shown}"
