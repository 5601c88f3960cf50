"""Jobs, drops and links for tests, each in one line."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from offcloud_watchd.core.model import (
    Cached,
    Destination,
    Drop,
    Intake,
    Job,
    JobState,
    Link,
    LinkKind,
    Links,
    Publication,
    RemoteTarget,
    Route,
    Submission,
)

NOW = 1_800_000_000.0
DRIVE = RemoteTarget("googledrive", "f1")


def hash_of(key: str) -> str:
    """Return an info hash for a key."""
    return hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()


def a_link(key: str = "one") -> Link:
    """Return a link with a key."""
    return Link(LinkKind.URL, key, f"https://example.invalid/{key}", key)


def a_drop(drop_id: str = "d1", folder: str = "/drop/tv") -> Drop:
    """Return a drop with an id."""
    return Drop(drop_id, f"{drop_id}.txt", folder)


def an_intake(*keys: str, drop_id: str = "d1", category: str = "tv", is_list: bool = True) -> Intake:
    """Return a drop that was read and holds links with these keys."""
    links = Links(tuple(map(a_link, keys)), is_list=is_list)
    return Intake(
        a_drop(drop_id, f"/drop/{category}"), links, Destination(category, f"/out/{category}"), "stem"
    )


def a_job(state: JobState = JobState.QUEUED, /, **changes: object) -> Job:
    """Return a job as it is in a state, with some members changed.

    Besides: ``key``, ``category``, ``route``; ``cached`` of a destination, with it the link has an info hash.
    """
    key, category = str(changes.pop("key", "one")), str(changes.pop("category", "tv"))
    route = Route(str(changes.pop("route", Route.CLOUD)))
    cached = Cached(str(changes.pop("cached", Cached.ANY)))
    link = a_link(key)
    if cached is not Cached.ANY:
        link = replace(link, info_hash_v1=hash_of(key))
    remote = DRIVE if route is Route.REMOTE else None
    job = Job(
        id="job",
        link=link,
        drops=(a_drop(),),
        destination=Destination(category, f"/out/{category}", route, remote, cached),
        release="release",
        state=state,
        queued_at=NOW - 1000,
        changed_at=NOW - 1000,
    )
    done = (JobState.DONE, JobState.CHECKING)
    if state in (JobState.CLOUD, JobState.FETCHING, *done):
        job = replace(job, submission=Submission("R1", "created"), posted_at=NOW - 1000, doubted_at=NOW - 990)
    if state in done:
        job = replace(
            job, publication=Publication("/out/tv/release", 1, 100, "size"), published_at=NOW - 1000
        )
    return replace(job, **changes)  # type: ignore[arg-type] # the test names members of Job
