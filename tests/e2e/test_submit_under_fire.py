"""Submitting while every POST is hit: whatever becomes of the answer, each link is one item there."""

import random
import threading
from collections import Counter

import pytest

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox import Fault
from tests.e2e.process import wait_until

# Lost before it took effect, and after it did; `truncate` always takes effect.
HITS = (
    Fault("reset", "cloud"),
    Fault("reset", "cloud", effect=True),
    Fault("hang", "cloud", seconds=0.2),
    Fault("hang", "cloud", seconds=0.2, effect=True),
    Fault("html", "cloud", status=502),
    Fault("html", "cloud", status=504, effect=True),
    Fault("answer", "cloud", status=500, body='{"error": "oops"}', effect=True),
    Fault("truncate", "cloud"),
    Fault("truncate", "cloud", amount=1),
    Fault("answer", "cloud", status=200, body="", effect=True),
    Fault("html", "cloud", status=200, effect=True),
)


def _submitted_under_fire(
    start_sandbox, make_place, run_daemon, *, links: int, kills: int, generation: str, seed: int
) -> None:
    chance = random.Random(seed)
    sandbox = start_sandbox(
        generation=generation, release_bytes=2_000, release_files=1, queued_s=0.0, download_s=0.0
    )
    # Each is used up by one POST: the first POST of every link is hit, or as many others.
    sandbox.faults.add(*(chance.choice(HITS) for _ in range(links)))
    place = make_place(
        sandbox.url,
        settle="100ms",
        poll="{min: 500ms, max: 2s}",
        requests_per_minute="100000",
        level="warning",
    )
    magnets = [f"magnet:?xt=urn:btih:{number:040x}&dn=Release.{number}" for number in range(1, links + 1)]
    for at in range(0, links, 50):
        (place.drop / f"list-{at}.txt").write_text("\n".join(magnets[at : at + 50]))
    daemon = run_daemon(place)
    for _ in range(kills):
        threading.Event().wait(chance.uniform(0.3, 2.0))
        assert daemon.alive(), daemon.log[-3000:]
        daemon.kill()
        daemon.start()
    wait_until(
        lambda: place.all_in(JobState.DONE, JobState.FAILED, count=links),
        within_s=60 + links * 0.6,
        why=lambda: f"{Counter(job.state for job in place.jobs().values())}\n{daemon.log}",
    )
    books = sandbox.books()
    assert len(books.contents) == links
    assert {content.items_created for content in books.contents.values()} == {1}
    assert books.twins == ()
    assert {job.state for job in place.jobs().values()} == {JobState.DONE}
    posts = sum(content.posts for content in books.contents.values())
    assert posts > links, "nothing was hit"
    assert not sandbox.faults.pending(), "not every POST that should be hit was made"
    assert daemon.stop() == 0


def test_thirty_links_under_fire(start_sandbox, make_place, run_daemon):
    """The short form, on the service that makes a twin of everything that is posted twice."""
    _submitted_under_fire(
        start_sandbox, make_place, run_daemon, links=30, kills=2, generation="classic", seed=1
    )


@pytest.mark.torture
@pytest.mark.parametrize("generation", ["classic", "current"])
def test_a_thousand_links_under_fire(start_sandbox, make_place, run_daemon, generation):
    """The long form: a thousand effective submissions, not one more and not one less."""
    _submitted_under_fire(
        start_sandbox, make_place, run_daemon, links=1000, kills=30, generation=generation, seed=2
    )
