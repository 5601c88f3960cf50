"""Calls a minute for jobs that wait in the cloud: 1, 10, 100, 1,000 of them, in each generation.

The engine, the lanes and the client are the real ones, and so is HTTP to a sandbox; time is not: the clock
goes on whenever somebody waits, so hours take seconds. Every call is in the sandbox's books.
``python -m tests.bench.polling`` prints the figures; the promises are held by
``tests/contract/test_polling_pace.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import (
    Account,
    Destination,
    Drop,
    Intake,
    Job,
    JobState,
    Lane,
    Link,
    Links,
    Phase,
    RemoteFile,
    Route,
    Sought,
    Submission,
)
from offcloud_watchd.core.ports import Look, Stop, Wish
from offcloud_watchd.engine import Engine
from offcloud_watchd.lanes import Ports
from offcloud_watchd.offcloud import Client, ClientSettings
from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from offcloud_watchd.sandbox.settings import Generation
from tests.fakes.clock import FakeClock
from tests.fakes.journal_memory import MemoryJournal
from tests.fakes.lanes import SlowLanes
from tests.fakes.shelf import FakeShelf

KEY: Final = "polling-key"
BUDGET_A_MINUTE: Final = 120
LAG_S: Final = 120.0
TV: Final = Destination("tv", "/out/tv")
GENERATIONS: Final[tuple[Generation, ...]] = ("classic", "current")
NUMBERS: Final = (1, 10, 100, 1000)
WINDOWS: Final = {
    "minute 1": slice(0, 1),
    "minute 2": slice(1, 2),
    "3 to 5": slice(2, 5),
    "6 to 30": slice(5, 30),
    "31 to 60": slice(30, 60),
}
"""Minutes of a job's life. Rounds come minutes apart in the end, so a single minute tells nothing then."""


@dataclass
class Waiter:
    """A flag that nobody raises; where somebody waits for it, time goes on."""

    clock: FakeClock

    def is_set(self) -> bool:
        """Tell that it is not raised."""
        return False

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass at once."""
        self.clock.advance(timeout or 0.0)
        return False


@dataclass
class HurriedCloud:
    """The real client, which waits for its turn by the clock; implements ``core.ports.Cloud``."""

    client: Client
    waiter: Waiter

    def submit(self, link: Link, stop: Stop, file: bytes | None = None) -> Submission:
        """Pass on."""
        return self.client.submit(link, self.waiter, file)

    def find(
        self, link: Link, not_before: float, stop: Stop, route: Route = Route.CLOUD
    ) -> tuple[Sequence[Sought], float]:
        """Pass on."""
        return self.client.find(link, not_before, self.waiter, route)

    def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
        """Pass on."""
        return self.client.status(submission, self.waiter, route)

    def statuses(
        self,
        submissions: Sequence[Submission],
        stop: Stop,
        route: Route = Route.CLOUD,
        *,
        closely: bool = False,
    ) -> Mapping[str, Phase]:
        """Pass on."""
        return self.client.statuses(submissions, self.waiter, route, closely=closely)

    def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Pass on."""
        return self.client.files(submission, self.waiter)

    def account(self, stop: Stop) -> Account:
        """Pass on."""
        return self.client.account(self.waiter)


@dataclass
class Day:
    """A daemon without threads beside a sandbox, in a time of its own; ``intakes`` is what was dropped."""

    clock: FakeClock
    sandbox: Sandbox
    cloud: HurriedCloud
    jobs: dict[str, Job]
    intakes: list[Intake] = field(default_factory=list)

    def __post_init__(self) -> None:
        policy = Policy(requests_per_minute=BUDGET_A_MINUTE)
        self.lanes = SlowLanes(Ports(self.cloud, FakeShelf(), self._look, self.clock, policy))
        self.engine = Engine(
            jobs=dict(self.jobs),
            journal=MemoryJournal(dict(self.jobs)),
            lanes=self.lanes,
            clock=self.clock,
            policy=policy,
            capacity={Lane.API: 8, Lane.FETCH: 0, Lane.DISK: 1},
            rescan_s=30.0,
        )

    def calls_in(self, seconds: float) -> Mapping[str, int]:
        """Let everything go its way for some time; return the calls, by endpoint."""
        before = self.sandbox.books().calls
        end = self.clock.monotonic() + seconds
        while (left_s := end - self.clock.monotonic()) > 0:
            wait_s = self.engine.turn(self.lanes.take())
            if self.lanes.tasks:
                self.lanes.run()
            elif not self.lanes.inbox:
                self.clock.advance(min(max(wait_s, 0.001), left_s))
        after = self.sandbox.books().calls
        made = {name: count - before.get(name, 0) for name, count in after.items()}
        return {name: count for name, count in made.items() if count}

    def _look(self) -> Look:
        intakes, self.intakes = self.intakes, []
        return Look(tuple(Wish(intake, lambda: None) for intake in intakes))


def _links(count: int) -> tuple[Link, ...]:
    return tuple(parse_link(f"magnet:?xt=urn:btih:{number:040x}") for number in range(1, count + 1))


@contextmanager
def a_day(generation: Generation, *, waiting: int = 0, lag_s: float = 0.0) -> Iterator[Day]:
    """Begin a day at which some links were just handed in, to a service where all takes for ever."""
    clock = FakeClock()
    settings = SandboxSettings(
        file_listen="127.0.0.1:0",
        key=KEY,
        generation=generation,
        queued_s=1e9,
        history_lag_s=lag_s,
        clock=clock,
    )
    with Sandbox(settings) as sandbox:
        with _client(sandbox, clock, 1_000_000) as client:
            jobs = [_job(link, client.submit(link, Waiter(clock)), clock) for link in _links(waiting)]
        with _client(sandbox, clock, BUDGET_A_MINUTE) as client:
            yield Day(clock, sandbox, HurriedCloud(client, Waiter(clock)), {job.id: job for job in jobs})


@contextmanager
def _client(sandbox: Sandbox, clock: FakeClock, budget: int) -> Iterator[Client]:
    settings = ClientSettings(
        read_key=lambda: KEY, base_url=sandbox.url, auth="query", requests_per_minute=budget
    )
    client = Client(settings, clock)
    try:
        yield client
    finally:
        client.close()


def _job(link: Link, submission: Submission, clock: FakeClock) -> Job:
    now = clock.now()
    drop = Drop(link.key, "links.txt", "/drop")
    waits = JobState.CLOUD
    return Job(
        link.key,
        link,
        (drop,),
        TV,
        None,
        waits,
        now,
        now,
        posted_at=now,
        doubted_at=now,
        submission=submission,
    )


def calls_a_minute(generation: Generation, waiting: int, minutes: int, *, lag_s: float = 0.0) -> list[int]:
    """Return the calls in each of the first minutes of the life of jobs that were handed in together."""
    with a_day(generation, waiting=waiting, lag_s=lag_s) as day:
        return [sum(day.calls_in(60).values()) for _ in range(minutes)]


def burst(generation: Generation, count: int) -> tuple[list[Mapping[str, int]], float]:
    """Drop links at once; return the calls of each minute until all are handed in, and how long it took."""
    with a_day(generation, lag_s=LAG_S) as day:
        began = day.clock.monotonic()
        drop = Drop("burst", "links.txt", "/drop")
        day.intakes.append(Intake(drop, Links(_links(count), is_list=True), TV, "links"))
        minutes: list[Mapping[str, int]] = []
        while sum(minute.get("cloud", 0) for minute in minutes) < count:
            assert len(minutes) * BUDGET_A_MINUTE < 10 * count, "what is dropped is not handed in"
            minutes.append(day.calls_in(60))
        posted = max(job.posted_at or 0.0 for job in day.engine.jobs.values()) - FakeClock().time_s
        return minutes, posted - (began - FakeClock().tick_s)


def main() -> None:
    """Print the figures."""
    print(f"polls: calls in some minutes, of a budget of {BUDGET_A_MINUTE} a minute")
    print(f"{'':9}{'waiting':>9}{'history':>15}" + "".join(f"{window:>11}" for window in WINDOWS))
    for generation in GENERATIONS:
        for lag_s in (0.0, LAG_S):
            for waiting in NUMBERS:
                calls = calls_a_minute(generation, waiting, 60, lag_s=lag_s)
                made = [sum(calls[minutes]) for minutes in WINDOWS.values()]
                lag = f"lags {lag_s:.0f} s" if lag_s else "at once"
                print(f"{generation:9}{waiting:9}{lag:>15}" + "".join(f"{count:11}" for count in made))
    for generation in GENERATIONS:
        minutes, took_s = burst(generation, 1000)
        polls = [sum(minute.values()) - minute.get("cloud", 0) for minute in minutes]
        print(f"1,000 links dropped at once, {generation}: all handed in after {took_s:.0f} s")
        print(f"  calls a minute {[sum(minute.values()) for minute in minutes]}, polls among them {polls}")


if __name__ == "__main__":
    main()
