"""How far a job is, whichever client asks."""

from __future__ import annotations

from dataclasses import replace

from offcloud_watchd.core.model import JobState, Lane, Progress
from offcloud_watchd.web.measures import is_held, left_s, part_of, save_path, size_of, speed_of
from tests.fakes.jobs import a_job


def test_both_parts_of_the_way_make_one():
    """The cloud's part comes first, and the whole never goes back."""
    parts = [
        part_of(a_job(state), Progress(fraction=fraction))
        for state in (JobState.QUEUED, JobState.CLOUD, JobState.FETCHING)
        for fraction in (0.0, 0.5, 1.0)
    ]
    assert parts == sorted(parts)
    assert part_of(a_job(JobState.DONE), None) == 1.0
    assert part_of(a_job(JobState.DONE, publication=None), None) == 1.0


def test_what_is_held_waits_for_its_own_lane():
    """A lane that does not work holds up what is in its hands and nothing else."""
    assert is_held(a_job(JobState.QUEUED), {Lane.API})
    assert not is_held(a_job(JobState.FETCHING), {Lane.API})
    assert not is_held(a_job(JobState.DONE), set(Lane))


def test_a_published_release_is_measured_itself():
    """Its size is what was published, it has no speed, and it lies in its category's directory."""
    job = a_job(JobState.DONE)
    progress = Progress(5, 10, bytes_per_s=3.0)
    assert (size_of(job, progress), speed_of(job, progress), left_s(job, progress)) == (100, 0, None)
    assert save_path(job) == save_path(a_job()) == "/out/tv"


def test_what_nobody_knows():
    """No size is 0, and nobody can tell how long the cloud will take."""
    job = a_job(JobState.CLOUD)
    assert size_of(replace(job, link=replace(job.link, size_bytes=None)), None) == 0
    assert left_s(job, Progress(5, 10, bytes_per_s=1.0)) is None
    assert left_s(a_job(JobState.FETCHING), Progress(5, 10, bytes_per_s=2.0)) == 3
