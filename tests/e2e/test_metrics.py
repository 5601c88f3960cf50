"""The figures of a real process, held against what the sandbox has served."""

from __future__ import annotations

from collections.abc import Callable

import requests

from offcloud_watchd.core.model import JobState
from tests.e2e.process import wait_until
from tests.fakes.ports import free_port
from tests.unit.metrics.test_exposition import read


def test_the_figures_are_those_of_the_sandbox(
    start_sandbox: Callable, make_place: Callable, run_daemon: Callable
) -> None:
    """What came in, what was asked and what was published agrees with the other side's books."""
    port = free_port()
    sandbox = start_sandbox()
    place = make_place(sandbox.url, web=f"{{listen: '127.0.0.1:{port}'}}")
    daemon = run_daemon(place)
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{1:040x}&dn=[tree]")
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=40, why=lambda: daemon.log)
    figures = read(requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).content)

    def figure(name: str, **labels: str) -> float:
        return figures[f"offcloud_watchd_{name}", tuple(labels.items())]

    served = sandbox.books().bytes_served
    assert figure("fetch_received_bytes_total") == served == figure("published_bytes_total")
    assert figure("job_events_total", event="Published") == 1
    assert figure("releases_published_total", verified="size", origin="fetched") == 1
    assert figure("jobs", state="done") == 1
    assert figure("api_requests_total", call="cloud", answer="2xx") == 1
    assert figure("api_requests_total", call="cloud/status", answer="2xx") >= 1
    assert figure("journal_size_bytes") == (place.state / "journal.jsonl").stat().st_size
    assert figure("folder_up", folder=str(place.drop)) == 1
    assert daemon.stop() == 0
