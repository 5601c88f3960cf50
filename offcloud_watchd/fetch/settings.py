"""What the operator decides about fetching. Sizes in bytes, times in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offcloud_watchd.core.model import Job
from offcloud_watchd.fetch.engines.settings import EngineChoice

STAGING_NAME: Final = ".offcloud-watchd"

MIB: Final = 1024**2

_LONGEST_PAUSE_S: Final = 30.0


def unlimited() -> float | None:
    """Return that there is no limit."""
    return None


def no_torrent(_job: Job) -> bytes | None:
    """Return that nothing is known of a torrent."""
    return None


@dataclass(frozen=True, slots=True)
class ShelfSettings:
    """How releases are fetched and published.

    ``outputs`` are the categories' output directories known at start, absolute; ``probe`` and ``sweep`` look
    at them. Staging is ``.offcloud-watchd`` in the nearest of the ``roots`` around an output directory, and
    beside it where none is. The parent of a staging directory is an output root: it must exist, the category
    below it is made when it is missing.

    ``allow_http`` lets file links be plain http: only where the service itself is reached over it (sandbox).
    A line slower than ``min_rate_bytes_per_s`` for ``rate_window_s`` is cut and the file resumed.
    ``reconnects`` is how often in a row a file may be resumed within one call without progress to speak of:
    few, because a fetch that waits keeps others from their turn.

    ``connections`` is how many there may be in all, shared evenly by the jobs that are fetched, and
    ``connections_per_job`` what one of them gets at the most. ``rate_limit`` tells how many bytes a second
    all of them together may take now, None for all there are; it is asked again and again, from several
    threads, and may answer differently. ``torrent_of`` gives the .torrent a job came from, None where there
    is none; what it gives is not trusted. ``refetches`` is how often a piece that does not match is asked
    for again. A file of more than ``segment_bytes`` is fetched in parallel ranges; 0 turns that off.

    ``include`` and ``exclude`` are globs on the path inside the job (see ``choice``). ``extract``: zip files
    are unpacked in staging, and go. ``engines`` tells who moves the bytes of which output directory.
    """

    outputs: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    min_free_bytes: int = 5 * 1024**3
    min_rate_bytes_per_s: float = 1024.0
    rate_window_s: float = 60.0
    file_mode: int = 0o664
    dir_mode: int = 0o2775
    group: int | None = None
    allow_http: bool = False
    chunk_bytes: int = MIB // 2
    sync_every_bytes: int = 32 * MIB
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    reconnects: int = 3
    reconnect_wait_s: float = 1.0
    user_agent: str = "offcloud-watchd"
    connections: int = 16
    connections_per_job: int = 8
    rate_limit: Callable[[], float | None] = unlimited
    torrent_of: Callable[[Job], bytes | None] = no_torrent
    refetches: int = 3
    segment_bytes: int = 8 * MIB
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    extract: bool = False
    engines: EngineChoice = field(default_factory=EngineChoice)

    def pause_s(self, breaks: int) -> float:
        """Return how long to wait after what went wrong so often in a row, without getting on."""
        return min(self.reconnect_wait_s * 2.0 ** (breaks - 1), _LONGEST_PAUSE_S)

    def staging_root(self, directory: str) -> str:
        """Return the staging directory that serves an output directory."""
        path = Path(directory)
        around = (parent for parent in path.parents if str(parent) in self.roots)
        return str(next(around, path.parent) / STAGING_NAME)
