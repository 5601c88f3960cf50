"""``status.json``: how far the running daemon is, for readers in other processes.

Rules of this file:

* It is replaced by rename, so a reader sees one whole state. It is not synced: it describes a living process
  and means nothing after a crash.
* The journal says what is true; this file only says what moves. Its size is bounded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from offcloud_watchd.core.model import PAUSING, Job, JobState, Progress
from offcloud_watchd.core.picture import Picture
from offcloud_watchd.core.story import display_name
from offcloud_watchd.core.views import folder_view, lane_view, progressed

FILE_NAME: Final = "status.json"
MAX_ACTIVE: Final = 200
MAX_BYTES: Final = 4 * 1024 * 1024
_ORDER: Final = {JobState.FETCHING: 0, JobState.CLOUD: 1, JobState.QUEUED: 2, JobState.REMOVED: 3}


def directory(env: Mapping[str, str], state_dir: Path) -> Path:
    """Return where the file lies: the runtime directory of the service manager, else the state directory."""
    first = env.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(first) if first else state_dir


def describe(picture: Picture, *, process_id: int, started_at: float) -> dict[str, Any]:
    """Turn the engine's view into what ``status --json`` shows.

    At most ``MAX_ACTIVE`` jobs are listed, those nearest to their end first.
    """
    active = sorted(picture.active, key=lambda entry: (_ORDER.get(entry[0].state, 9), entry[0].queued_at))
    return {
        "version": 1,
        "at": picture.at,
        "pid": process_id,
        "started_at": started_at,
        "journal_problem": picture.journal_problem,
        "lanes": [lane_view(lane, picture) for lane in PAUSING],
        "folders": [folder_view(folder) for folder in picture.folders],
        "counts": {str(state): count for state, count in picture.counts.items()},
        "to_clear": picture.to_clear,
        "to_report": picture.to_report,
        "active": [_active(job, progress) for job, progress in active[:MAX_ACTIVE]],
        "active_total": len(active) + picture.left_out,
    }


def _active(job: Job, progress: Progress | None) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": display_name(job),
        "category": job.destination.category,
        "route": str(job.destination.route),
        "state": str(job.state),
        **progressed(progress),
        "attempts": job.attempts,
        "retry_at": job.retry_at,
        "reason": job.reason,
    }


def write(folder: Path, status: Mapping[str, Any]) -> None:
    """Replace the file. Raise ``OSError`` when that cannot be done; nothing depends on it."""
    temporary = folder / f".{FILE_NAME}.new"
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640
    )
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(json.dumps(status))  # in one piece: the other way is not done by the C encoder
    temporary.replace(folder / FILE_NAME)


def read(folder: Path) -> dict[str, Any] | None:
    """Return the last state that was written, None when there is none that can be read."""
    try:
        with (folder / FILE_NAME).open("rb") as file:
            status = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return status if isinstance(status, dict) and status.get("version") == 1 else None
