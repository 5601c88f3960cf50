"""Calls a minute for jobs that wait in the cloud: 1, 10, 100, 1,000 of them, in each generation.

The engine, the lanes and the client are the real ones, and so is HTTP to a sandbox; time is not: the clock
goes on whenever somebody waits, so hours take seconds. Every call is in the sandbox's books.
``python -m tests.bench.polling`` prints the figures; the promises are held by
``tests/contract/test_polling_pace.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from offcloud_watchd.offcloud.settings import unheard
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
CALLING: Final = ("fetch", "submit", "poll", "adopt", "probe")
"""What asks the service something."""

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
    """A daemon without threads beside a sandbox, in a time of its own.

    ``intakes`` is what was dropped, ``at_work`` the word for the task that is carried out.
    """

    clock: FakeClock
    sandbox: Sandbox
    cloud: HurriedCloud
    jobs: dict[str, Job]
    fetchers: int = 0
    intakes: list[Intake] = field(default_factory=list)
    at_work: str = ""
    _fetched: bool = False

    def __post_init__(self) -> None:
        policy = Policy(requests_per_minute=BUDGET_A_MINUTE)
        self.lanes = SlowLanes(Ports(self.cloud, FakeShelf(), self._look, self.clock, policy))
        self.engine = Engine(
            jobs=dict(self.jobs),
            journal=MemoryJournal(dict(self.jobs)),
            lanes=self.lanes,
            clock=self.clock,
            policy=policy,
            capacity={Lane.API: 8, Lane.FETCH: self.fetchers, Lane.DISK: 1},
            rescan_s=30.0,
        )

    def calls_in(self, seconds: float) -> Mapping[str, int]:
        """Let everything go its way for some time; return the calls, by endpoint."""
        before = self.sandbox.books().calls
        end = self.clock.monotonic() + seconds
        while (left_s := end - self.clock.monotonic()) > 0:
            wait_s = self.engine.turn(self.lanes.take())
            if self.lanes.tasks:
                place = self._next()
                self.at_work = self.lanes.tasks[place].word
                self.lanes.run(place)
            elif not self.lanes.inbox:
                self.clock.advance(min(max(wait_s, 0.001), left_s))
        after = self.sandbox.books().calls
        made = {name: count - before.get(name, 0) for name, count in after.items()}
        return {name: count for name, count in made.items() if count}

    def _next(self) -> int:
        """Choose the task that the lanes would carry out: a fetch asks for links before each other call."""
        words = [task.word for task in self.lanes.tasks]
        aside = [place for place, word in enumerate(words) if word not in CALLING]
        if aside:
            return aside[0]
        self._fetched = not self._fetched
        return next((place for place, word in enumerate(words) if (word == "fetch") is self._fetched), 0)

    def _look(self) -> Look:
        intakes, self.intakes = self.intakes, []
        return Look(tuple(Wish(intake, lambda: None) for intake in intakes))


def some_links(count: int) -> tuple[Link, ...]:
    """Make magnets, each of its own content."""
    return tuple(parse_link(f"magnet:?xt=urn:btih:{number:040x}") for number in range(1, count + 1))


@contextmanager
def a_day(
    generation: Generation,
    *,
    waiting: int = 0,
    lag_s: float = 0.0,
    ready_s: float = 1e9,
    fetchers: int = 0,
    clock: FakeClock | None = None,
    on_answer: Callable[[str, int | None], None] = unheard,
) -> Iterator[Day]:
    """Begin a day at which some links were just handed in, to a service where all takes ``ready_s``.

    ``clock`` is the day's; ``on_answer`` hears of every call of it, as it is made.
    """
    clock = clock or FakeClock()
    settings = SandboxSettings(
        file_listen="127.0.0.1:0",
        key=KEY,
        generation=generation,
        queued_s=ready_s,
        download_s=0.0,
        history_lag_s=lag_s,
        clock=clock,
    )
    with Sandbox(settings) as sandbox:
        with _client(sandbox, clock, 1_000_000) as client:
            jobs = [_job(link, client.submit(link, Waiter(clock)), clock) for link in some_links(waiting)]
        with _client(sandbox, clock, BUDGET_A_MINUTE, on_answer) as client:
            cloud = HurriedCloud(client, Waiter(clock))
            yield Day(clock, sandbox, cloud, {job.id: job for job in jobs}, fetchers)


@contextmanager
def _client(
    sandbox: Sandbox,
    clock: FakeClock,
    budget: int,
    on_answer: Callable[[str, int | None], None] = unheard,
) -> Iterator[Client]:
    settings = ClientSettings(
        read_key=lambda: KEY,
        base_url=sandbox.url,
        auth="query",
        requests_per_minute=budget,
        on_answer=on_answer,
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


if __name__ == "__main__":
    main()
