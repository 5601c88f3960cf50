"""A house full of jobs of every kind, with names that mean no good among them."""

from __future__ import annotations

import time
from urllib.parse import quote

import requests

from offcloud_watchd.core.effects import Fetch, Poll, Submit
from offcloud_watchd.core.events import CloudReady, Event, Failed, Published, Submitted
from offcloud_watchd.core.model import Progress, Publication, Submission
from tests.fakes.house import House

EVIL = "</a><img src=x onerror=alert(1)><script>alert(1)</script>\"'\u202egnp.exe"
MAGNET = f"magnet:?xt=urn:btih:{'5a' * 20}&dn=Some.Film"
MIB = 2**20


def add(house: House, *names: str) -> list[str]:
    """Add magnets with these names; return the jobs' ids in their order."""
    links = [
        f"magnet:?xt=urn:btih:{number:040x}&dn={quote(name)}"
        for number, name in enumerate(names, len(house.jobs))
    ]
    before = set(house.jobs)
    for start in range(0, len(links), 500):
        body = {"links": links[start : start + 500]}
        requests.post(f"{house.url}/api/v1/links", json=body, timeout=60).raise_for_status()
    keys = {f"btih:{link[20:60]}": place for place, link in enumerate(links)}
    found = {job.id: keys[job.link.key] for job in house.jobs.values() if job.id not in before}
    return sorted(found, key=found.__getitem__)


def go(house: House, job_id: str, *steps: str) -> None:
    """Have a job go these steps: ``submitted``, ``ready``, ``published``, ``failed``."""
    now, submission = time.time(), Submission(f"request-{job_id}", "created")
    events: dict[str, tuple[type, Event]] = {
        "submitted": (Submit, Submitted(job_id, now, submission)),
        "ready": (Poll, CloudReady(job_id, now, submission)),
        "published": (Fetch, Published(job_id, now, Publication("/srv/tv/a", 3, 700 * MIB, "pieces"))),
        "failed": (Fetch, Failed(job_id, now, "the service has it no more (404): drop the link again")),
    }
    for step in steps:
        kind, event = events[step]
        house.outcome(house.effect(job_id, kind), event=event)


def every_kind(house: House) -> list[str]:
    """Have jobs of every kind; return their ids: fetching, cloud, done, failed, waiting, waiting."""
    names = [f"Big.Sample.Series.S01E{number:02}.1080p" for number in range(1, 6)]
    ids = add(house, *names, EVIL)
    go(house, ids[2], "submitted", "ready", "published")
    go(house, ids[3], "submitted", "ready", "failed")
    go(house, ids[0], "submitted", "ready")
    house.effect(ids[0], Fetch)
    house.advance(ids[0], Progress(300 * MIB, 1200 * MIB, bytes_per_s=12.0 * MIB, note="file 2 of 3"))
    # The last one: as long as nobody answers its poll, none of the others is asked about.
    go(house, ids[1], "submitted")
    house.outcome(house.effect(ids[1], Poll), progress=Progress(fraction=0.35))
    return ids
