"""How fast and how long: what is made of the pictures."""

from __future__ import annotations

from dataclasses import replace

from offcloud_watchd.core.model import (
    Destination,
    Drop,
    Job,
    JobState,
    Link,
    LinkKind,
    Progress,
    Publication,
)
from offcloud_watchd.core.picture import Overview, Picture
from offcloud_watchd.web.traffic import COARSE_KEPT, COARSE_S, FINE_KEPT, FINE_S, Traffic, left_s, speed

LINK = Link(LinkKind.URL, "url:https://example.org/a", "https://example.org/a")
JOB = Job(
    "0" * 12,
    LINK,
    (Drop("d", "a.url", "/drop"),),
    Destination("tv", "/out/tv"),
    None,
    JobState.FETCHING,
    1.0,
    1.0,
)


def overview(*jobs: tuple[Job, Progress | None], at: float = 100.0) -> Overview:
    """Make a picture."""
    counts: dict[JobState, int] = {}
    for job, _ in jobs:
        counts[job.state] = counts.get(job.state, 0) + 1
    active = [entry for entry in jobs if entry[0].state is not JobState.DONE]
    picture = Picture(at, {}, (), active, counts, "")
    progress = {job.id: progress for job, progress in jobs if progress is not None}
    return Overview(picture, tuple(job for job, _ in jobs), progress, frozenset())


def published(size_bytes: int, verified: str = "size") -> Job:
    """Return the job when it is done."""
    return replace(
        JOB,
        state=JobState.DONE,
        publication=Publication("/out/tv/a", 1, size_bytes, verified),
        published_at=9.0,
    )


def test_what_comes_between_two_samples_counts():
    """Growth of what is fetched, and the rest of what was published meanwhile."""
    traffic = Traffic()
    traffic.note(overview((JOB, Progress(100, 1000))), 0.0)
    assert traffic.hour == ()
    traffic.note(overview((JOB, Progress(300, 1000))), 10.0)
    traffic.note(overview((published(1000), None)), 20.0)
    traffic.note(overview((published(1000), None)), 30.0)
    assert [one.bytes_per_s for one in traffic.hour] == [20.0, 70.0, 0.0]
    assert [one.fetching for one in traffic.hour] == [1, 0, 0]


def test_what_lay_in_staging_does_not_count():
    """A fetch that resumes has not brought what was there already; what is linked came from nowhere."""
    traffic = Traffic()
    traffic.note(overview((replace(JOB, state=JobState.CLOUD), None)), 0.0)
    traffic.note(overview((JOB, Progress(10**9, 2 * 10**9, bytes_per_s=50.0))), 10.0)
    traffic.note(overview((published(2 * 10**9, "linked from 1: size"), None)), 20.0)
    assert [one.bytes_per_s for one in traffic.hour] == [50.0, 0.0]


def test_it_is_bounded():
    """An hour in fine steps, a day in coarse ones; a clock that stands still makes no sample."""
    traffic = Traffic()
    for number in range(10_000):
        traffic.note(overview((JOB, Progress(number))), number * FINE_S)
    traffic.note(overview((JOB, Progress(0))), 0.0)
    assert len(traffic.hour) == FINE_KEPT
    assert len(traffic.day) == COARSE_KEPT
    assert COARSE_S % FINE_S == 0


def test_speed_and_time_left():
    """Of what is fetched now and does not wait; unknown sizes leave the rest known."""
    waiting = replace(JOB, id="1" * 12, retry_at=200.0)
    unknown = replace(JOB, id="2" * 12)
    seen = overview(
        (JOB, Progress(100, 400, bytes_per_s=10.0)),
        (waiting, Progress(0, 400, bytes_per_s=10.0)),
        (unknown, Progress(5, bytes_per_s=20.0)),
    )
    assert speed(seen) == 30.0
    assert left_s(seen) == 10.0
    assert left_s(overview((JOB, Progress(100, 400)))) is None
