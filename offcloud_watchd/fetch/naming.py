"""What a release is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from offcloud_watchd.core.model import Job
from offcloud_watchd.core.names import release_name, shared_root


def name_of(job: Job, paths: Sequence[str], *others: str) -> str:
    """Name the release: after the drop, else after what the service, the link or the host calls it."""
    extension = PurePosixPath(paths[0]).suffix if len(paths) == 1 else ""
    submitted = job.submission.name if job.submission else None
    told = [submitted, job.link.name, *others, shared_root(paths), PurePosixPath(paths[0]).name]
    # A single file's name is no directory's name.
    stems = [name.removesuffix(extension) if name else None for name in told]
    return release_name([job.release, *stems], forbidden={job.id})
