"""What must lie in an output directory when a sandbox's content came home."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from offcloud_watchd.core.model import Job
from offcloud_watchd.sandbox import Sandbox
from tests.e2e.process import KEY, Place


def digests(directory: Path) -> list[str]:
    """Return the checksums of all files below a directory, in order of the checksums."""
    return sorted(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.rglob("*") if path.is_file()
    )


def assert_home(job: Job, sandbox: Sandbox) -> None:
    """Hold one release against the sandbox: every file, every byte."""
    assert job.publication is not None, f"{job.id} is {job.state}: {job.reason}"
    wanted = sorted(
        sandbox.expected_sha256(job.link.key, path) for path, _ in sandbox.expected_files(job.link.key)
    )
    assert digests(Path(job.publication.path)) == wanted, job.publication.path


def assert_visible(place: Place, sandbox: Sandbox, jobs: Mapping[str, Job]) -> None:
    """Hold the output directory against the sandbox: each job's release, nothing else, nothing half."""
    for job in jobs.values():
        assert_home(job, sandbox)
    paths = sorted(job.publication.path for job in jobs.values() if job.publication is not None)
    visible = [
        path
        for category in place.output.iterdir()
        if not category.name.startswith(".")
        for path in category.iterdir()
    ]
    assert sorted(map(str, visible)) == paths
    assert len(set(paths)) == len(jobs)


def assert_all_home(place: Place, sandbox: Sandbox, jobs: Mapping[str, Job]) -> None:
    """Hold everything against the sandbox: each job's release, nothing else, nothing half, nothing twice."""
    assert_visible(place, sandbox, jobs)
    books = sandbox.books()
    assert {job.link.key: books.of(job.link.key).items_created for job in jobs.values()} == {
        job.link.key: 1 for job in jobs.values()
    }


def assert_no_key(place: Place) -> None:
    """Search everything the program wrote for the key; only its own file holds it."""
    for path in place.root.rglob("*"):
        if path.is_file() and path.name != "api-key":
            assert KEY.encode() not in path.read_bytes(), path
