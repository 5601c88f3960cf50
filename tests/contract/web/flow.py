"""One job's way through a house: what the service and the disk would say, said by the test."""

from __future__ import annotations

import time
from pathlib import Path

from offcloud_watchd.core.effects import Fetch, Poll, Submit
from offcloud_watchd.core.events import CloudReady, Failed, Published, Submitted
from offcloud_watchd.core.model import Job, Publication, Submission
from tests.fakes.house import House, wait_until


def the_job(house: House, digits: str, category: str | None = None) -> Job:
    """Return the job of an info hash."""
    [job] = [
        job
        for job in house.jobs.values()
        if job.link.info_hash_v1 == digits and category in (None, job.destination.category)
    ]
    return job


def submit(house: House, job_id: str) -> None:
    """Let the service take it."""
    effect = house.effect(job_id, Submit)
    house.outcome(effect, event=Submitted(job_id, time.time(), Submission("R" + job_id, "created")))


def cloud_ready(house: House, job_id: str) -> None:
    """Let the service have it."""
    effect = house.effect(job_id, Poll)
    assert effect.job.submission is not None
    house.outcome(effect, event=CloudReady(job_id, time.time(), effect.job.submission))


def publish(house: House, job_id: str, content: bytes = b"x" * 1000) -> Path:
    """Publish a release of one file; return its directory."""
    effect = house.effect(job_id, Fetch)
    job = effect.job
    release = Path(job.destination.directory) / (job.release or job.link.name or job.id)
    release.mkdir(parents=True)
    (release / "Film.mkv").write_bytes(content)
    publication = Publication(str(release), 1, len(content), "size")
    house.outcome(effect, event=Published(job_id, time.time(), publication))
    return release


def finish(house: House, job_id: str) -> Path:
    """Go the whole way; return the release."""
    submit(house, job_id)
    cloud_ready(house, job_id)
    return publish(house, job_id)


def fail(house: House, job_id: str, reason: str = "no seeds") -> None:
    """Let the service refuse it for good."""
    house.outcome(house.effect(job_id, Submit), event=Failed(job_id, time.time(), reason))
    wait_until(lambda: house.jobs[job_id].reason == reason)
