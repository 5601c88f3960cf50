"""What is counted, and that nothing from outside makes a new figure."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.core.effects import Fetch, Poll
from offcloud_watchd.core.events import Deferred, Failed, Published
from offcloud_watchd.core.messages import LookAgain, Looked, Outcome, Probed
from offcloud_watchd.core.model import JobState, Lane, Publication
from offcloud_watchd.errors import Blocked, Cancelled, Gone, Permanent, Transient
from offcloud_watchd.metrics.tally import Tally, call_of
from tests.fakes.jobs import a_job


def published(verified: str) -> Published:
    """Make the record of a release of 2 files and 10 bytes."""
    return Published("j1", 1.0, Publication("/out/tv/X", 2, 10, verified))


def test_every_event_is_there_from_the_start():
    """An alert on what has never happened works the first time it happens."""
    tally = Tally()
    assert tally.events["Failed"] == 0
    assert tally.retries["queued"] == 0
    assert tally.verified["pieces", "fetched"] == 0


def test_events():
    """Events are counted by their name, retries by the state they were met in."""
    tally = Tally()
    job = a_job(JobState.CLOUD)
    tally.recorded(Deferred("j1", 1.0, "no", 2.0), job)
    tally.recorded(Deferred("j1", 1.0, "too early", 2.0, charged=False), job)
    tally.recorded(Failed("j1", 1.0, "never"), job)
    assert (tally.events["Deferred"], tally.events["Failed"]) == (2, 1)
    assert tally.retries["cloud"] == 1


@pytest.mark.parametrize(
    ("verified", "counted"),
    [
        ("pieces", ("pieces", "fetched")),
        ("pieces in part; size: a.nfo", ("pieces in part", "fetched")),
        ("size; missing: b.mkv", ("size", "fetched")),
        ("unverified", ("unverified", "fetched")),
        ("linked from 0123456789ab: pieces; renamed: x", ("pieces", "linked")),
        ("a new word: of a later version", ("other", "fetched")),
    ],
)
def test_how_releases_were_checked(verified, counted):
    """The words for people become one of a few labels."""
    tally = Tally()
    tally.recorded(published(verified), a_job())
    assert {key for key, count in tally.verified.items() if count} == {counted}
    assert tally.published == (2, 10)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Transient("x"), "transient"),
        (Gone("x"), "permanent"),
        (Permanent("x"), "permanent"),
        (Blocked("api", "x"), "blocked"),
        (ValueError("x"), "internal"),
    ],
)
def test_errors_by_who_must_act(error, kind):
    """Each error is counted once, by what was tried."""
    tally = Tally()
    tally.heard([Outcome(Poll(a_job()), error=error), LookAgain()])
    assert tally.errors == {("Poll", kind): 1}


def test_probes_and_looks_are_tried_as_well():
    """What belongs to no job counts too; what we stopped ourselves does not, nor what went well."""
    tally = Tally()
    stopped = Outcome(Fetch(a_job()), error=Cancelled("stopped"))
    tally.heard([Probed(Lane.API, Blocked("api", "x")), Looked(None, OSError(5, "x")), stopped])
    tally.heard([Probed(Lane.API), Outcome(Poll(a_job()))])
    assert tally.errors == {("Probe", "blocked"): 1, ("Look", "internal"): 1}


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("cloud", "cloud"),
        ("cloud/status", "cloud/status"),
        ("/cloud/remove/0123456789abcdef", "cloud/remove"),
        ("cloud/0123456789abcdef", "cloud"),
        ("/torrent/upload", "torrent/upload"),
        ("account/stats", "account"),
    ],
)
def test_calls_without_ids(path, call):
    """A call is named by our own words."""
    assert call_of(path) == call


@given(st.text(string.printable, max_size=60), st.integers(-1, 10_000))
def test_whatever_is_asked_makes_few_figures(path, status):
    """No path and no status makes a label of its own."""
    tally = Tally()
    tally.asked(f"cloud/{path}", status)
    ((call, answer),) = tally.calls
    assert call.partition("/")[0] == "cloud"
    assert set(call) <= set(string.ascii_lowercase + "/")
    assert answer in {"1xx", "2xx", "3xx", "4xx", "429", "5xx"}
