"""Handing a link in while other hosts could: looked for first, posted in one's turn alone."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from offcloud_watchd.core.effects import Submit
from offcloud_watchd.core.events import Deferred, Submitted
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Outcome
from offcloud_watchd.core.model import Job
from offcloud_watchd.core.ports import Turn
from offcloud_watchd.core.verdicts import judge
from offcloud_watchd.errors import Held
from offcloud_watchd.lanes import Ports, perform
from offcloud_watchd.lanes.turns import Fenced
from offcloud_watchd.watch.settings import WatchSettings
from tests.fakes.clock import FakeClock
from tests.fakes.cloud import FakeCloud
from tests.fakes.jobs import NOW, a_job
from tests.fakes.shelf import FakeShelf


class Rig:
    """An account, a clock, and the turn that is given out."""

    def __init__(self, turn: Turn | None) -> None:
        self.clock = FakeClock()
        self.cloud = FakeCloud(self.clock)
        self.turn = turn

    def submit(self, job: Job) -> Outcome:
        """Carry the submission out."""
        ports = Ports(self.cloud, FakeShelf(), lambda: None, self.clock, Policy())  # type: ignore[arg-type,return-value] # nobody looks
        ports = replace(ports, turn=lambda _job: self.turn)
        return perform(Submit(job), ports, lambda *_: [], lambda _: None, threading.Event())

    def posted_by_another(self) -> None:
        """Let another host hand the link in."""
        self.cloud.submit(a_job().link, threading.Event())


def _ours(clock_from: float = NOW - 30) -> Turn:
    return Turn("", 1e9, clock_from)


def test_in_its_turn_a_host_posts_what_nobody_has() -> None:
    """The history was looked at first."""
    rig = Rig(_ours())
    assert isinstance(rig.submit(a_job()).event, Submitted)
    assert rig.cloud.posts == 1


@pytest.mark.parametrize("turn", [_ours(), _ours(NOW + 150), Turn("other-1", 0.0, NOW)])
def test_what_the_account_has_is_adopted_whosever_turn_it_is(turn: Turn) -> None:
    """There is one request for the content, and it is used."""
    rig = Rig(turn)
    rig.posted_by_another()
    event = rig.submit(a_job()).event
    assert isinstance(event, Submitted)
    assert (event.submission.request_id, event.adopted, rig.cloud.posts) == ("R1", True, 1)


def test_what_did_its_work_in_an_earlier_round_is_not_adopted() -> None:
    """It is the job's own, from before."""
    rig = Rig(_ours())
    rig.posted_by_another()
    rig.submit(a_job(spent=("R1",)))
    assert rig.cloud.posts == 2


def test_in_anothers_turn_nothing_is_posted() -> None:
    """It waits, and is told for whom."""
    rig = Rig(Turn("other-1", 0.0, NOW))
    with pytest.raises(Held, match="other-1 hands this link in"):
        rig.submit(a_job())
    assert rig.cloud.posts == 0


def test_after_a_dead_host_the_history_must_have_had_its_lag() -> None:
    """An earlier listing proves nothing."""
    rig = Rig(_ours(NOW + 150))
    with pytest.raises(Held):
        rig.submit(a_job())
    rig.clock.advance(151)
    assert isinstance(rig.submit(a_job()).event, Submitted)


def test_a_turn_that_is_over_stops_a_post() -> None:
    """However long this host stood still."""
    clock, flag = FakeClock(), threading.Event()
    fence = Fenced(flag, clock, clock.monotonic() + 60)
    assert not fence.is_set()
    clock.advance(60)
    assert fence.is_set()
    assert fence.wait(10)
    early = Fenced(flag, clock, clock.monotonic() + 60)
    flag.set()
    assert early.wait()


def test_who_is_held_up_waits_uncharged_with_the_intent_closed() -> None:
    """Nothing was posted, and the job is tried again when it was said to be."""
    job = a_job(attempts=3)
    event = judge(Submit(job), Held("other-1 hands it in", 15.0), NOW, Policy())
    assert event == Deferred(
        job.id, NOW, "other-1 hands it in", NOW + 15.0, charged=False, intent_closed=True
    )


def test_the_lag_of_the_history_is_that_of_the_policy_unless_said_otherwise() -> None:
    """The turns and the engine count on the same."""
    assert WatchSettings.__dataclass_fields__["history_lag_s"].default == Policy().history_lag_s
