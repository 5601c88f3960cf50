"""Several daemons on one drop folder and one account: killed, stopped, cut off; each drop is done once."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from offcloud_watchd.core.model import JobState
from tests.e2e.process import Daemon, Place, wait_until
from tests.fakes.cutter import Cutter

LEASE_S = 3.0
SETTINGS = {
    "shared": "true",
    "lease": f"{LEASE_S:g}s",
    "history_lag": "2s",
    "settle": "100ms",
    "poll": "{min: 500ms, max: 2s}",
    "requests_per_minute": "100000",
    "auth": "query",
}


class Fleet:
    """Hosts with a state directory each, one drop folder, and a wire each to one sandbox."""

    def __init__(self, base: Path, url: str, count: int, stack: ExitStack) -> None:
        self.drop = base / "drop"
        self.drop.mkdir()
        at = urlsplit(url)
        assert at.hostname
        assert at.port
        self.wires = [stack.enter_context(Cutter((at.hostname, at.port))) for _ in range(count)]
        self.places = [
            Place(
                base / f"host-{number}", f"http://127.0.0.1:{wire.port}", SETTINGS | {"drop": str(self.drop)}
            )
            for number, wire in enumerate(self.wires)
        ]
        self.daemons = [Daemon(place) for place in self.places]
        for daemon in self.daemons:
            stack.callback(daemon.kill)
            daemon.start()

    def put(self, name: str, number: int) -> None:
        """Drop a link by a rename, as a careful program does."""
        beside = self.drop / f".{name}"
        beside.write_text(f"magnet:?xt=urn:btih:{number:040x}&dn=Release.{number}")
        beside.rename(self.drop / name)

    def dropped(self) -> Counter[str]:
        """Count, over all journals, how often each drop is a job's."""
        return Counter(
            drop.name
            for place in self.places
            if (place.state / "journal.jsonl").exists()
            for job in place.jobs().values()
            for drop in job.drops
        )

    def states(self) -> Counter[JobState]:
        """Count the jobs of all hosts by their states."""
        return Counter(job.state for place in self.places for job in place.jobs().values())

    def left(self) -> list[str]:
        """Return what lies in the folder and has not gone its way."""
        ours = self.drop / ".offcloud-watchd"
        there = [*self.drop.glob("*.magnet"), *ours.glob("*/claimed/*"), *ours.glob("*/taken/*")]
        return [str(path.relative_to(self.drop)) for path in there]

    def said(self) -> str:
        """Say how things are, for a failure."""
        logs = "\n".join(daemon.log[-1500:] for daemon in self.daemons)
        return f"{self.states()} {len(self.dropped())} dropped, left: {self.left()[:20]}\n{logs}"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """End whatever the test began, in reverse order."""
    with ExitStack() as begun:
        yield begun


def _strike(fleet: Fleet, chance: random.Random) -> None:
    """Do to one host what can happen to hosts, and let it come back."""
    number = chance.randrange(len(fleet.daemons))
    daemon, wire = fleet.daemons[number], fleet.wires[number]
    away_s = chance.choice([0.0, 0.5, LEASE_S * chance.uniform(1.2, 2.5)])
    match chance.choice(["kill", "stop", "cut"]):
        case "kill":
            daemon.kill()
            threading.Event().wait(away_s)
            daemon.start()
        case "stop":
            daemon.send(signal.SIGSTOP)
            threading.Event().wait(away_s)
            daemon.send(signal.SIGCONT)
        case "cut":
            wire.cut()
            threading.Event().wait(away_s)
            wire.mend()


def _shared_under_fire(
    base: Path, sandbox, stack: ExitStack, *, hosts: int, drops: int, links: int, strikes: int, seed: int
) -> None:
    chance = random.Random(seed)
    fleet = Fleet(base, sandbox.url, hosts, stack)
    waiting = [(f"{number:03d}.magnet", number % links + 1) for number in range(drops)]
    chance.shuffle(waiting)
    for strike in range(strikes):
        while waiting and len(waiting) > drops * (1 - 1.5 * (strike + 1) / strikes):
            fleet.put(*waiting.pop())
        threading.Event().wait(chance.uniform(0.1, 1.0))
        assert all(daemon.alive() for daemon in fleet.daemons), fleet.said()
        _strike(fleet, chance)
    names = {f"{number:03d}.magnet" for number in range(drops)}
    wait_until(lambda: fleet.dropped().keys() == names, within_s=90, why=fleet.said)
    wait_until(
        lambda: fleet.states().keys() <= {JobState.DONE, JobState.FAILED}, within_s=180, why=fleet.said
    )
    wait_until(lambda: not fleet.left(), within_s=30, why=fleet.said)
    books = sandbox.books()
    assert set(fleet.dropped().values()) == {1}, fleet.dropped().most_common(5)
    assert fleet.states().keys() == {JobState.DONE}
    assert len(list((fleet.drop / "processed").iterdir())) == drops
    assert len(books.contents) == links
    assert {content.items_created for content in books.contents.values()} == {1}, fleet.said()
    assert books.twins == ()
    per_host = [len(place.jobs()) for place in fleet.places]
    print(f"{drops} drops, {links} links, {strikes} strikes: jobs per host {per_host}")
    # Few drops may all be one host's: who looks first has them.
    assert all(per_host) or drops < 200, "a host had nothing to do"


def _sandbox(start_sandbox):
    # The generation that makes a twin of everything that is posted twice, and whose history is late.
    return start_sandbox(
        generation="classic",
        release_bytes=2_000,
        release_files=1,
        queued_s=0.2,
        download_s=0.2,
        history_lag_s=1.0,
    )


def test_two_hosts_share_a_folder_under_fire(start_sandbox, tmp_path, stack):
    """The short form: forty drops, of which half are a link that was dropped before."""
    _shared_under_fire(
        tmp_path, _sandbox(start_sandbox), stack, hosts=2, drops=40, links=20, strikes=6, seed=1
    )


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(3))
def test_three_hosts_share_a_folder_under_much_fire(start_sandbox, tmp_path, stack, seed):
    """The long form: five hundred drops of two hundred links, sixty strikes."""
    _shared_under_fire(
        tmp_path, _sandbox(start_sandbox), stack, hosts=3, drops=500, links=200, strikes=60, seed=seed
    )
