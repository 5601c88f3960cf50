"""Hosts that share a drop folder and an account, what strikes them, and what must be true in the end."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox import Sandbox
from tests.e2e.machine import FileServer
from tests.e2e.process import Daemon, wait_until
from tests.fakes.network import Network, OneNetwork

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
    """Hosts with a network, a state directory and an output each, one drop folder and one sandbox.

    ``drop`` is the folder as it is seen from here, ``file_server`` what the hosts have it from, if it is one.
    """

    def __init__(
        self,
        drop: Path,
        daemons: Sequence[Daemon],
        sandbox: Sandbox,
        network: Network | OneNetwork,
        file_server: FileServer | None = None,
    ) -> None:
        self.drop = drop
        self.file_server = file_server
        self.daemons = daemons
        self.places = [daemon.place for daemon in daemons]
        self.sandbox = sandbox
        self.network = network

    def __enter__(self) -> Self:
        """Start the daemons."""
        for daemon in self.daemons:
            daemon.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Kill whatever runs."""
        for daemon in self.daemons:
            daemon.kill()

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


STRIKES = ("kill", "stop", "cut", "unplug", "outage")
ONE_NETWORKS_STRIKES = ("kill", "stop", "outage")
STRIKES_ON_ALL = frozenset({"outage", "server"})
MACHINES_STRIKES = ("kill", "stop", "cut", "outage", "server")
"""The network card of User Mode Linux does not work again after its wire was down."""


def _struck(fleet: Fleet, number: int, what: str) -> Callable[[], object]:
    """Do to one host what can happen to hosts, or to a server what hits all; return what ends it."""
    daemon, network, sandbox = fleet.daemons[number], fleet.network, fleet.sandbox
    match what:
        case "kill":
            daemon.kill()
            return daemon.start
        case "stop":
            daemon.send(signal.SIGSTOP)
            return lambda: daemon.send(signal.SIGCONT)
        case "cut" if isinstance(network, Network):
            network.cut(number)
            return lambda: network.mend(number)
        case "unplug" if isinstance(network, Network):
            network.unplug(number)
            return lambda: network.mend(number)
        case "server" if fleet.file_server is not None:
            fleet.file_server.kill()
            return fleet.file_server.start
        case _:  # connections end amid an answer, new ones are refused
            sandbox.stop()
            return lambda: network.inside(sandbox.start)


def _strikes(fleet: Fleet, chance: random.Random) -> Iterator[str]:
    """Deal strikes as from a pack of cards: in any order, each as often as the others."""
    if isinstance(fleet.network, OneNetwork):
        pack = ONE_NETWORKS_STRIKES
    else:
        pack = STRIKES if fleet.file_server is None else MACHINES_STRIKES
    while True:
        yield from chance.sample(pack, len(pack))


def _strike(fleet: Fleet, strikes: Iterator[str], chance: random.Random) -> list[str]:
    """Strike one host, or two at once; let them come back, and say what it was."""
    victims = chance.sample(range(len(fleet.daemons)), chance.choice([1, 1, 2]))
    told: list[str] = []
    ends = []
    for victim in victims:
        strike = next(strikes)
        if strike in STRIKES_ON_ALL.intersection(told):
            continue  # what hits all hits the second, too
        told.append(strike)
        ends.append(_struck(fleet, victim, strike))
    threading.Event().wait(chance.choice([0.0, 0.5, LEASE_S * chance.uniform(1.2, 2.5)]))
    for end in ends:
        end()
    return told


def live_under_fire(fleet: Fleet, *, drops: int, links: int, strikes: int, seed: int) -> str:
    """Drop links while hosts are struck; see that each is done once, and return the counts."""
    chance = random.Random(seed)
    waiting = [(f"{number:03d}.magnet", number % links + 1) for number in range(drops)]
    chance.shuffle(waiting)
    pack, told = _strikes(fleet, chance), Counter[str]()
    for strike in range(strikes):
        while waiting and len(waiting) > drops * (1 - 1.5 * (strike + 1) / strikes):
            fleet.put(*waiting.pop())
        threading.Event().wait(chance.uniform(0.1, 1.0))
        assert all(daemon.alive() for daemon in fleet.daemons), fleet.said()
        told.update(_strike(fleet, pack, chance))
    names = {f"{number:03d}.magnet" for number in range(drops)}
    wait_until(lambda: fleet.dropped().keys() == names, within_s=90, why=fleet.said)
    wait_until(
        lambda: fleet.states().keys() <= {JobState.DONE, JobState.FAILED}, within_s=180, why=fleet.said
    )
    wait_until(lambda: not fleet.left(), within_s=30, why=fleet.said)
    books = fleet.sandbox.books()
    assert set(fleet.dropped().values()) == {1}, fleet.dropped().most_common(5)
    assert fleet.states().keys() == {JobState.DONE}
    assert len(list((fleet.drop / "processed").iterdir())) == drops
    assert len(books.contents) == links
    assert {content.items_created for content in books.contents.values()} == {1}, fleet.said()
    assert books.twins == ()
    per_host = [len(place.jobs()) for place in fleet.places]
    # Few drops may all be one host's: who looks first has them.
    assert all(per_host) or drops < 200, "a host had nothing to do"
    return (
        f"{drops} drops of {links} links, {strikes} strikes {dict(told)}: {fleet.dropped().total()} drops "
        f"in journals, jobs per host {per_host}, {len(books.contents)} items in the account, "
        f"{len(books.twins)} twins"
    )


def sandbox_at(address: str, start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """Start the service that is shared."""
    # The generation that makes a twin of everything that is posted twice, and whose history is late.
    return start_sandbox(
        listen=f"{address}:0",
        file_listen=f"{address}:0",
        generation="classic",
        release_bytes=2_000,
        release_files=1,
        queued_s=0.2,
        download_s=0.2,
        history_lag_s=1.0,
    )
