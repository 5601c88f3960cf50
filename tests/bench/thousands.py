"""Thousands of links dropped at once: calls a minute to the end, and who is kept waiting meanwhile.

As in ``polling`` all is real but time and the files: engine, plan, lanes, client, budget, HTTP to a sandbox.
Every call is noted at the moment it is made. ``python -m tests.bench.thousands [links]`` prints the figures
of both generations, in fair weather and through a storm of 429 (10,000 links are a quarter of an hour of hard
work); the promises are held by ``tests/contract/test_thousands.py``.
"""

from __future__ import annotations

import itertools
import logging
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from offcloud_watchd.core.model import Drop, Intake, Job, JobState, Links
from offcloud_watchd.sandbox.faults import Fault
from offcloud_watchd.sandbox.settings import Generation
from tests.bench.polling import BUDGET_A_MINUTE, GENERATIONS, LAG_S, TV, Day, a_day, some_links
from tests.fakes.clock import FakeClock

LINKS: Final = 1_000
READY_S: Final = 300.0
"""So long the service takes for a link."""

FETCHERS: Final = 3
FETCHING: Final = "fetching"
POLLING: Final = "polling"
HANDING_IN: Final = "handing in"
PURPOSES: Final = {"fetch": FETCHING, "poll": POLLING, "submit": HANDING_IN}
FIRST: Final = FakeClock()


@dataclass(frozen=True, slots=True)
class Storm:
    """When calls are turned away, in seconds since the drop: every tenth from ``begins_s``, then all."""

    begins_s: float
    every_from_s: float
    ends_s: float

    @classmethod
    def over(cls, links: int) -> Storm:
        """Come in the middle of the handing in: ten minutes of every tenth, five of all."""
        middle_s = 60.0 * links / (2 * BUDGET_A_MINUTE)
        return cls(middle_s, middle_s + 600.0, middle_s + 900.0)

    def hits(self, at_s: float, number: int) -> bool:
        """Tell whether the call of this number, counted from 1, is turned away."""
        if self.every_from_s <= at_s < self.ends_s:
            return True
        return self.begins_s <= at_s < self.every_from_s and number % 10 == 0


CALM: Final = Storm(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when it was made, in seconds since the drop, what came back, and for which task it was."""

    at_s: float
    path: str
    status: int | None
    task: str

    @property
    def request_id(self) -> str:
        """Return whose files were asked for; empty for any other call."""
        return self.path.partition("?")[0].rpartition("/")[2] if "/explore/" in self.path else ""

    @property
    def purpose(self) -> str:
        """Tell what it was for."""
        return PURPOSES.get(self.task, self.task)


@dataclass(frozen=True)
class Burst:
    """What came of a drop: each call, the jobs in the end, and the most attempts a job was ever charged."""

    calls: Sequence[Call]
    jobs: Sequence[Job]
    twins: Sequence[str]
    most_attempts: int
    ready_s: float

    def a_minute(self, *purposes: str) -> list[int]:
        """Count the calls for some purposes, or all, in each minute since the drop."""
        counted = Counter(int(c.at_s // 60) for c in self.calls if not purposes or c.purpose in purposes)
        return [counted[minute] for minute in range(int(self.calls[-1].at_s // 60) + 1)]

    @property
    def most_in_a_minute(self) -> int:
        """Count the calls in the fullest minute, whenever it begins."""
        times = [call.at_s for call in self.calls]
        ends = (bisect_left(times, at_s + 60 - 1e-3) for at_s in times)
        return max(end - begin for begin, end in enumerate(ends))

    @cached_property
    def handed_in_s(self) -> float:
        """Tell when the last link was handed in."""
        return max(call.at_s for call in self.calls if call.purpose == HANDING_IN)

    def longest_pause_s(self, purpose: str) -> float:
        """Tell how long no call for a purpose was made, at the longest, until the last link was handed in."""
        times = [c.at_s for c in self.calls if c.purpose == purpose and c.at_s <= self.handed_in_s]
        return max(after - before for before, after in itertools.pairwise(times))

    @cached_property
    def waits_s(self) -> Mapping[float, float]:
        """Tell, by when it was handed in, how long each ready link waited until its files were asked for."""
        asked = {call.request_id: call.at_s for call in reversed(self.calls) if call.request_id}
        posted = {
            job.submission.request_id: job.posted_at - FIRST.time_s
            for job in self.jobs
            if job.submission is not None and job.posted_at is not None
        }
        return {posted[one]: asked[one] - posted[one] - self.ready_s for one in posted.keys() & asked.keys()}


@dataclass
class _Weather:
    """What the calls of a day meet; stands in the place of the sandbox's table of faults."""

    storm: Storm
    clock: FakeClock
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def take(self, endpoint: str, _name: str = "") -> Fault | None:
        """Return what a call suffers."""
        turned_away = self.storm.hits(self.clock.monotonic() - FIRST.tick_s, next(self.numbers))
        return Fault("refuse", endpoint, word="rate", retry_after="60") if turned_away else None


def drop(
    generation: Generation,
    links: int,
    storm: Storm = CALM,
    *,
    ready_s: float = READY_S,
    lag_s: float = LAG_S,
) -> Burst:
    """Drop links at once and let everything go its way until all are home.

    The service takes ``ready_s`` for a link, and its history lags ``lag_s`` behind.
    """
    calls: list[Call] = []
    clock, most_attempts = FakeClock(), 0

    def note(path: str, status: int | None) -> None:
        calls.append(Call(clock.monotonic() - FIRST.tick_s, path, status, day.at_work))

    with a_day(
        generation, clock=clock, lag_s=lag_s, ready_s=ready_s, fetchers=FETCHERS, on_answer=note
    ) as day:
        day.sandbox.faults.take = _Weather(storm, clock).take  # type: ignore[method-assign]
        found = Links(some_links(links), is_list=True)
        day.intakes.append(Intake(Drop("burst", "links.txt", "/drop"), found, TV, "links"))
        while not _is_over(day):
            assert len(calls) < 5 * links + 1000, "they do not come home"
            day.calls_in(60)
            most_attempts = max(most_attempts, *(job.attempts for job in day.engine.jobs.values()))
        jobs = list(day.engine.jobs.values())
        return Burst(calls, jobs, day.sandbox.books().twins, most_attempts, ready_s)


def _is_over(day: Day) -> bool:
    ended = (JobState.DONE, JobState.FAILED)
    jobs = day.engine.jobs.values()
    return bool(jobs) and all(job.state in ended for job in jobs)


def _show(generation: Generation, storm: Storm, burst: Burst) -> None:
    done = sum(job.state is JobState.DONE for job in burst.jobs)
    waits_s = burst.waits_s
    first_s, longest_s = waits_s[min(waits_s)], max(waits_s.values())
    refused = [call for call in burst.calls if call.status == 429]
    pauses = [(purpose, burst.longest_pause_s(purpose)) for purpose in (HANDING_IN, POLLING)]
    print(
        f"{generation}, {'calm' if storm is CALM else 'a storm'}: {done} of {len(burst.jobs)} links come home"
    )
    print(f"  handed in within {burst.handed_in_s / 60:.0f} min, home in {burst.calls[-1].at_s / 60:.0f} min")
    print(
        f"  {len(burst.calls)} calls, {len(refused)} turned away; the fullest minute {burst.most_in_a_minute}"
    )
    print(f"  {len(burst.twins)} handed in twice; attempts charged {burst.most_attempts} at the most")
    print(f"  ready until asked for: the first {first_s:.0f} s, the longest {longest_s:.0f} s")
    print("  the longest without " + ", ".join(f"{purpose} {pause_s:.0f} s" for purpose, pause_s in pauses))
    for purpose in (None, HANDING_IN, POLLING, FETCHING):
        minutes = burst.a_minute(*filter(None, [purpose]))
        print(f"  {purpose or 'calls a minute':15}{' '.join(map(str, minutes))}")


def main() -> None:
    """Print the figures."""
    logging.disable(logging.CRITICAL)
    links = int(sys.argv[1]) if len(sys.argv) > 1 else LINKS
    for generation in GENERATIONS:
        for storm in (CALM, Storm.over(links)):
            _show(generation, storm, drop(generation, links, storm))


if __name__ == "__main__":
    main()
