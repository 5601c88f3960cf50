"""What aria2 is asked for with one file, and what its exit statuses mean for that file. Pure.

Source: the aria2 manual, "OPTIONS" and "EXIT STATUS"; tried with 1.36.0.
"""

from __future__ import annotations

from typing import Final

from offcloud_watchd.fetch.engines.aria2 import Download
from offcloud_watchd.fetch.settings import MIB, ShelfSettings

MOST_CONNECTIONS: Final = 16  # of one file: --max-connection-per-server
_MAX_SPLIT_BYTES: Final = 1024 * MIB  # --min-split-size

_OF_ITS_DISK: Final = {
    9: "its disk is full",
    14: "it could not rename a file",
    15: "it could not open a file",
    16: "it could not make a file",
    17: "it could not read or write a file",
    18: "it could not make a directory",
}
_OF_THE_LINK: Final = (3, 4, 22, 23, 24)
_UNKNOWN: Final = 1
_CANNOT_GO_ON: Final = (8, 10)

_ALWAYS: Final = {
    "max-tries": "2",
    "retry-wait": "1",
    "continue": "true",
    "always-resume": "true",
    "auto-file-renaming": "false",
    "allow-overwrite": "true",
    "remote-time": "false",
    "conditional-get": "false",
    "http-accept-gzip": "false",
    "parameterized-uri": "false",
    "no-netrc": "true",
    # A file that is a torrent or a list of links is a file.
    "follow-torrent": "false",
    "follow-metalink": "false",
    # What has ended is not to stay in its session file, nor is a link.
    "force-save": "false",
    "save-not-found": "false",
}


def options(settings: ShelfSettings, connections: int) -> dict[str, str]:
    """Return how a file is to be fetched over so many connections; the place is not among it."""
    split_bytes = min(max(settings.segment_bytes, MIB), _MAX_SPLIT_BYTES)
    return {
        **_ALWAYS,
        "split": str(connections),
        "max-connection-per-server": str(connections),
        "min-split-size": str(split_bytes),
        "lowest-speed-limit": str(int(settings.min_rate_bytes_per_s)),
        "connect-timeout": str(max(1, int(settings.connect_timeout_s))),
        "timeout": str(max(1, int(settings.read_timeout_s))),
        "user-agent": settings.user_agent,
    }


def disk_trouble(ended: Download) -> str:
    """Say what is the matter with aria2's disk; empty where it is not that."""
    return _OF_ITS_DISK.get(ended.error, "")


def must_begin_anew(ended: Download, breaks: int) -> bool:
    """Tell whether what is there of a file is of no use; ``breaks`` counts failures before this one.

    A size that is not the one in the control file is an error without a number of its own.
    """
    return ended.error in _CANNOT_GO_ON or (ended.error == _UNKNOWN and breaks > 0)


def is_stale(ended: Download) -> bool:
    """Tell whether a fresh link may help."""
    return ended.error in _OF_THE_LINK or ended.http_status >= 400


def words(ended: Download) -> str:
    """Say for people why a download ended."""
    if ended.http_status:
        return f"the file host answered {ended.http_status}"
    return f"aria2 ended with exit status {ended.error}"
