"""The calls about the session: version, directories, settings. There is nothing that could be set.

4.0 is told because *arr tools use labels as categories from there on, and others directories, which are the
same here. Source: Sonarr, Transmission.cs (``SupportsLabels``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from offcloud_watchd.core.model import JobState
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.measures import speed_of
from offcloud_watchd.web.transmission.call import Call
from offcloud_watchd.web.transmission.seeing import Seeing

VERSION: Final = "4.0.6 (38c164933e)"
RPC_VERSION: Final = 17
_OFF: Final = (
    *("alt-speed-enabled", "alt-speed-time-enabled", "blocklist-enabled", "idle-seeding-limit-enabled"),
    *("incomplete-dir-enabled", "lpd-enabled", "pex-enabled", "peer-port-random-on-start"),
    *("port-forwarding-enabled", "queue-stalled-enabled", "rename-partial-files", "seed-queue-enabled"),
    *("script-torrent-added-enabled", "script-torrent-done-enabled", "script-torrent-done-seeding-enabled"),
    *("seedRatioLimited", "speed-limit-down-enabled", "speed-limit-up-enabled", "tcp-enabled", "utp-enabled"),
    "trash-original-torrent-files",
)
_NONE: Final = (
    *("alt-speed-down", "alt-speed-time-begin", "alt-speed-time-day", "alt-speed-time-end", "alt-speed-up"),
    *("blocklist-size", "cache-size-mb", "idle-seeding-limit", "peer-limit-global", "peer-limit-per-torrent"),
    *("peer-port", "queue-stalled-minutes", "seed-queue-size", "speed-limit-down", "speed-limit-up"),
)
_EMPTY: Final = (
    *("blocklist-url", "config-dir", "default-trackers", "incomplete-dir"),
    *(
        "script-torrent-added-filename",
        "script-torrent-done-filename",
        "script-torrent-done-seeding-filename",
    ),
)
_MEANT: Final[Mapping[str, Any]] = {
    "dht-enabled": True,  # magnets without trackers are taken
    "download-dir-free-space": -1,  # Transmission's own word for not knowing
    "download-queue-enabled": True,
    "download-queue-size": 5,
    "encryption": "preferred",
    "rpc-version": RPC_VERSION,
    "rpc-version-minimum": 14,
    "rpc-version-semver": "5.3.0",
    "seedRatioLimit": 0,
    "start-added-torrents": True,
    "units": {
        "memory-bytes": 1024,
        "memory-units": ["KiB", "MiB", "GiB", "TiB"],
        "size-bytes": 1000,
        "size-units": ["kB", "MB", "GB", "TB"],
        "speed-bytes": 1000,
        "speed-units": ["kB/s", "MB/s", "GB/s", "TB/s"],
    },
    "version": VERSION,
}


class SessionCalls:
    """The calls."""

    def __init__(self, desk: Desk, seeing: Seeing, output_dir: str) -> None:
        self._desk = desk
        self._seeing = seeing
        self._output_dir = output_dir

    async def get(self, call: Call) -> Mapping[str, object]:
        """Return the settings, or those that are asked for."""
        told = {
            **dict.fromkeys(_OFF, False),
            **dict.fromkeys(_NONE, 0),
            **dict.fromkeys(_EMPTY, ""),
            **_MEANT,
            "download-dir": self._output_dir,
            "session-id": call.word,
        }
        wanted = call.texts("fields")
        return told if wanted is None else {name: told[name] for name in wanted if name in told}

    async def accepted(self, _call: Call) -> Mapping[str, object]:
        """Let settings pass: config.yaml says how things are."""
        return {}

    async def statistics(self, call: Call) -> Mapping[str, object]:
        """Return how many there are, and how fast they come."""
        overview = await self._desk.overview()
        jobs, moving = self._seeing.seen(call, overview), overview.progress
        active = sum(job.state in (JobState.CLOUD, JobState.FETCHING) for job in jobs)
        nothing = dict.fromkeys(
            ("downloadedBytes", "filesAdded", "secondsActive", "sessionCount", "uploadedBytes"), 0
        )
        return {
            "activeTorrentCount": active,
            "cumulative-stats": nothing,
            "current-stats": nothing,
            "downloadSpeed": sum(speed_of(job, moving.get(job.id)) for job in jobs),
            "pausedTorrentCount": sum(job.state in (JobState.DONE, JobState.FAILED) for job in jobs),
            "torrentCount": len(jobs),
            "uploadSpeed": 0,
        }
