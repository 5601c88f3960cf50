"""What is shown of jobs, lanes and folders, by the command line, ``status.json`` and the web alike.

Rules of this file:

* Documents are plain: what JSON holds and nothing else. Members are only ever added.
* A link is never shown whole: its address, or what stands behind its ``?`` or ``#``, may be a secret.
* What comes from outside stands in a document as it came. Whoever shows it to a person has it ``printable``.

A job as a document::

    id, name, category, route (cloud | instant | remote), cached (any | first | only), state,
    kind (torrent | url | nzb | file), key, size_bytes, release, directory,
    queued_at, changed_at, attempts, retry_at, reason, request_id,
    path, files, published_bytes, verified      (null until published)
    checks: [{how, files, names}]               (how: pieces, pieces in part, size or unverified; names: the
                                                first 100; empty where all files are what verified says first)
    to_clear                                    (true while the request is to be removed from the account)
    to_import                                   (true while it waits for an *arr tool to import it)
    to_report                                   (true while an *arr tool is to be told that it failed)
    remote: {account, folder}                   (null but on the remote route)
    proxy                                       (null but on the instant route, where one was chosen)
    sent: {account, folder, name, size_bytes}   (null until the remote account has it)
    drops: [{name, folder, line}]               (line: of a list, else null)

Times are UTC seconds since the epoch. ``key`` is the info hash as ``btih:HEX`` or ``btmh:HEX``, or ``url:``
and the address up to its ``?`` or ``#``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from offcloud_watchd.core.model import Drop, Job, Lane, Progress
from offcloud_watchd.core.picture import Picture
from offcloud_watchd.core.ports import FolderHealth
from offcloud_watchd.core.story import display_name, shown_key

_UNPRINTABLE: Final = re.compile(r"[^ -~]")


# --- for people --------------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """Escape what could steer a terminal or break a line: controls, directions, invisible signs."""
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0].isprintable() else _escape(found[0]), text)


def _escape(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode() if ord(sign) > 0x7F else f"\\x{ord(sign):02x}"


def clock_time(seconds: float) -> str:
    """Write a span the way a clock does: ``1:02:05``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# --- jobs --------------------------------------------------------------------------------------------------


def described(job: Job) -> dict[str, Any]:
    """Return a job as a document; the module's docstring names the members."""
    publication, submission = job.publication, job.submission
    return {
        "id": job.id,
        "name": display_name(job),
        "category": job.destination.category,
        "route": str(job.destination.route),
        "cached": str(job.destination.cached),
        "state": str(job.state),
        "kind": str(job.link.kind),
        "key": shown_key(job.link.key),
        "size_bytes": job.link.size_bytes,
        "release": job.release,
        "directory": job.destination.directory,
        "queued_at": job.queued_at,
        "changed_at": job.changed_at,
        "attempts": job.attempts,
        "retry_at": job.retry_at,
        "reason": job.reason,
        "request_id": (submission.request_id or None) if submission else None,
        "path": publication.path if publication else None,
        "files": publication.files if publication else None,
        "published_bytes": publication.size_bytes if publication else None,
        "verified": publication.verified if publication else None,
        "checks": [asdict(check) for check in publication.checks] if publication else [],
        "to_clear": job.to_clear,
        "to_import": job.to_import,
        "to_report": job.to_report,
        "remote": None if job.destination.remote is None else asdict(job.destination.remote),
        "proxy": job.destination.proxy,
        "sent": None if job.delivery is None else asdict(job.delivery),
        "drops": [
            {"name": drop.name, "folder": drop.folder, "line": drop_line(job, drop)} for drop in job.drops
        ],
    }


def drop_line(job: Job, drop: Drop) -> int | None:
    """Return the line of a drop that holds the job's link; older journals tell it of the first drop only."""
    return job.link.line if drop.line is None and drop == job.drops[0] else drop.line


def without_links(value: object) -> Any:
    """Return a record of the journal without any address and without the query of a key."""
    if isinstance(value, Mapping):
        return {
            name: shown_key(inner) if name == "key" and isinstance(inner, str) else without_links(inner)
            for name, inner in value.items()
            if name != "url"
        }
    return [without_links(inner) for inner in value] if isinstance(value, list | tuple) else value


# --- progress ----------------------------------------------------------------------------------------------


def progressed(progress: Progress | None) -> dict[str, Any]:
    """Return how far a job is: ``done_bytes, total_bytes, fraction, bytes_per_s, left_s, note``."""
    progress = progress or Progress()
    return {
        "done_bytes": progress.done_bytes,
        "total_bytes": progress.total_bytes,
        "fraction": progress.part,
        "bytes_per_s": _finite(progress.bytes_per_s),
        "left_s": _finite(progress.left_s),
        "note": progress.note,
    }


def _finite(value: float | None) -> float | None:
    """JSON knows no infinity."""
    return value if value is not None and math.isfinite(value) else None


# --- lanes and folders -------------------------------------------------------------------------------------


def lane_view(lane: Lane, picture: Picture) -> dict[str, Any]:
    """Return a lane: ``lane, paused, reason``, and of a paused one ``since, probe_at, key_refused``."""
    pause = picture.pauses.get(lane)
    if pause is None:
        return {"lane": str(lane), "paused": False, "reason": ""}
    return {
        "lane": str(lane),
        "paused": True,
        "reason": pause.reason,
        "since": pause.since,
        "probe_at": pause.probe_at,
        "key_refused": pause.key_refused,
    }


def folder_view(folder: FolderHealth) -> dict[str, Any]:
    """Return a drop folder: ``path, category, watch, problem, waiting, missed_by_events, refused, hosts``.

    ``hosts`` are those that share it and live, this one first.
    """
    return {
        "path": folder.path,
        "category": folder.category,
        "watch": folder.watch,
        "problem": folder.problem,
        "waiting": folder.waiting,
        "missed_by_events": folder.missed,
        "refused": folder.refused,
        "hosts": list(folder.hosts),
    }
