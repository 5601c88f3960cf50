"""/metrics of a house: read by Prometheus' own library, by whoever may come in."""

from __future__ import annotations

import os

import pytest
import requests

from offcloud_watchd.core.effects import Fetch, Poll, Submit
from offcloud_watchd.core.events import CloudReady, Published, Submitted
from offcloud_watchd.core.model import PAUSING, Lane, Progress, Publication, Submission
from offcloud_watchd.core.orders import AddLink
from offcloud_watchd.errors import Blocked, Transient
from tests.fakes.house import House, wait_until
from tests.unit.metrics.test_exposition import read

NAME = 'Evil "name"\n{} <script>'
MAGNET = f"magnet:?xt=urn:btih:{'ab' * 20}&dn=Some+Show"


def figures(house: House) -> dict[tuple[str, tuple], float]:
    """Read the page."""
    answer = requests.get(f"{house.url}/metrics", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(answer.content)


def figure(house: House, name: str, **labels: str) -> float | None:
    """Read one figure."""
    return figures(house).get((f"offcloud_watchd_{name}", tuple(labels.items())))


def add(house: House) -> str:
    """Add a job; return its id."""
    house.hand_over(AddLink(MAGNET))
    wait_until(lambda: bool(house.jobs))
    return next(iter(house.jobs))


def test_an_idle_daemon(open_house):
    """Every family that does not depend on work is there, and each figure is a number."""
    house = open_house()
    wait_until(lambda: figure(house, "folder_up", folder="/drop") == 1)
    page = figures(house)
    names = {name for name, _ in page}
    assert {"offcloud_watchd_build_info", "process_start_time_seconds", "process_open_fds"} <= names
    assert figure(house, "journal_writable") == 1
    assert figure(house, "disk_promised_bytes", directory=str(house.root)) == 0
    assert [figure(house, "lane_paused", lane=lane) for lane in PAUSING] == [0, 0, 0]
    assert page["process_resident_memory_bytes", ()] > 1_000_000
    free = figure(house, "disk_free_bytes", directory=str(house.root))
    assert free is not None
    assert free <= os.statvfs(house.root).f_frsize * os.statvfs(house.root).f_blocks


def test_the_life_of_a_job(open_house):
    """States, speed, retries, how it was checked; and nothing of its name."""
    house = open_house()
    job_id = add(house)
    assert figure(house, "jobs", state="queued") == 1
    submission = Submission("r1")
    house.outcome(house.effect(job_id, Submit), event=Submitted(job_id, 1.0, submission))
    house.outcome(house.effect(job_id, Poll), error=Transient("no answer"))
    wait_until(lambda: figure(house, "retries_total", state="cloud") == 1)
    assert figure(house, "errors_total", effect="Poll", kind="transient") == 1
    wait_until(lambda: house.jobs[job_id].attempts == 1)
    since = figure(house, "oldest_job_since_timestamp_seconds", state="cloud")
    assert since == house.jobs[job_id].changed_at


def test_a_fetch(open_house):
    """Speed and room while bytes come in; counts when they are here."""
    house = open_house()
    house.received = (5_000_000_000, 3)
    job_id = add(house)
    submission = Submission("r1")
    house.outcome(house.effect(job_id, Submit), event=Submitted(job_id, 1.0, submission))
    house.outcome(house.effect(job_id, Poll), event=CloudReady(job_id, 2.0, submission))
    fetch = house.effect(job_id, Fetch)
    house.advance(job_id, Progress(10, 100, bytes_per_s=2_000_000.0))
    wait_until(lambda: figure(house, "fetch_speed_bytes_per_second") == 2_000_000)
    assert figure(house, "fetches_running") == 1
    publication = Publication(str(house.output / "tv" / NAME), 2, 100, "pieces; size: a.nfo")
    house.outcome(fetch, event=Published(job_id, 3.0, publication))
    assert figure(house, "releases_published_total", verified="pieces", origin="fetched") == 1
    assert figure(house, "published_bytes_total") == 100
    assert figure(house, "fetch_speed_bytes_per_second") == 0
    assert figure(house, "fetch_received_bytes_total") == 5_000_000_000
    assert figure(house, "fetch_bad_pieces_total") == 3
    assert "Evil" not in requests.get(f"{house.url}/metrics", timeout=10).text


def test_a_paused_lane(open_house, tmp_path):
    """A refused key shows as such, with since when."""
    house = House(tmp_path)
    house.trouble[Lane.API] = Blocked("api", "refused", key_refused=True)
    house.start()
    try:
        wait_until(lambda: figure(house, "lane_paused", lane="api") == 1)
        assert figure(house, "api_key_refused") == 1
        assert figure(house, "lane_paused_since_timestamp_seconds", lane="api") is not None
        assert figure(house, "lane_paused_since_timestamp_seconds", lane="disk") is None
    finally:
        house.close()


def test_behind_the_password(open_house, password_file):
    """As a bearer token, which is what Prometheus can send."""
    house = open_house(password_file=password_file)
    url = f"{house.url}/metrics"
    assert requests.get(url, timeout=10).status_code == 401
    wrong = {"authorization": "Bearer wrong"}
    assert requests.get(url, headers=wrong, timeout=10).status_code == 401
    good = {"authorization": "Bearer open sesame"}
    assert requests.get(url, headers=good, timeout=10).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_only_to_be_read(open_house, method):
    """Nothing can be done to figures."""
    assert requests.request(method, f"{open_house().url}/metrics", timeout=10).status_code == 405
