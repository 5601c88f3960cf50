"""What very many jobs cost: memory, journal, turns, plans, readers, calls, folders; for one job each.

``python -m tests.bench.scale [jobs...]`` prints the figures that ``docs/scale.md`` reckons with. What grows
with the number of jobs shows as a figure that is no constant from one column to the next. Times are the
processor's: the machine may be shared.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import requests

from offcloud_watchd import status
from offcloud_watchd.core.agenda import Agenda
from offcloud_watchd.core.cachelooks import Knowledge
from offcloud_watchd.core.effects import Consult, Poll, Solo, Trace
from offcloud_watchd.core.events import CloudReady, Queued
from offcloud_watchd.core.lifecycle import Policy, evolve
from offcloud_watchd.core.messages import Asked, Heard, Looked, Message, Outcome
from offcloud_watchd.core.model import Destination, Drop, Intake, Job, JobState, Lane, Links
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.core.planning import plan
from offcloud_watchd.core.ports import Look, Stop, Wish
from offcloud_watchd.core.rounds import Rhythm
from offcloud_watchd.engine import Engine
from offcloud_watchd.journal import open_journal, read_jobs
from offcloud_watchd.loop import MESSAGES_A_TURN
from offcloud_watchd.watch import FolderSettings, Watcher, WatchMode, WatchSettings
from offcloud_watchd.watch.scan import scan
from offcloud_watchd.web.page.front import shown
from offcloud_watchd.web.page.wanted import Front
from offcloud_watchd.web.qbittorrent.rows import row
from offcloud_watchd.web.traffic import Traffic
from tests.bench import polling
from tests.bench.journal_fold import life
from tests.fakes.clock import FakeClock

SIZES: Final = (1_000, 10_000, 100_000)
FILES: Final = 50_000
FOLDERS: Final = 100
BORN_AT: Final = 1_800_000_000.25
LIVED: Final = {JobState.QUEUED: 1, JobState.CLOUD: 3, JobState.FETCHING: 4, JobState.DONE: 5}
"""How many events of ``life`` bring a job to a state."""

Figures = dict[str, float]


def jobs_in(state: JobState, count: int) -> dict[str, Job]:
    """Make jobs that have come as far as a state, all of their own content."""
    jobs: dict[str, Job] = {}
    for number in range(count):
        job: Job | None = None
        for event in islice(life(number), LIVED[state]):
            job = evolve(job, event)
        assert job is not None
        jobs[job.id] = job
    return jobs


def spent_s(act: Callable[[], object]) -> float:
    """Time an act, once."""
    gc.collect()
    began = time.process_time()
    act()
    return time.process_time() - began


def best_s(act: Callable[[], object]) -> float:
    """Time the best of three runs of an act that may be repeated."""
    return min(spent_s(act) for _ in range(3))


# --- the journal and the memory ----------------------------------------------------------------------------


def journal_figures(count: int) -> Figures:
    """Write the whole lives of jobs, make a new generation of them, and start from either."""
    with tempfile.TemporaryDirectory(prefix="offcloud-watchd-bench-") as name:
        state_dir = Path(name)
        path = state_dir / "journal.jsonl"
        journal, _ = open_journal(state_dir, FakeClock())
        for start in range(0, count, 1000):
            numbers = range(start, min(start + 1000, count))
            journal.append([event for number in numbers for event in life(number)])
        events_bytes = path.stat().st_size
        started_s = spent_s(lambda: read_jobs(state_dir))
        jobs = read_jobs(state_dir)
        compaction_s = spent_s(lambda: journal.renew(jobs))
        journal.close()
        return {
            "journal, five events, bytes a job": events_bytes / count,
            "journal, a generation, bytes a job": path.stat().st_size / count,
            "start from events, µs a job": started_s / count * 1e6,
            "start from a generation, µs a job": spent_s(lambda: read_jobs(state_dir)) / count * 1e6,
            "compaction, µs a job": compaction_s / count * 1e6,
            "memory, a finished job, bytes": _bytes_each(lambda: _engine(state_dir, {})[0], count),
        }


def _bytes_each(build: Callable[[], object], count: int) -> float:
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = build()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return (after - before) / count


# --- the engine --------------------------------------------------------------------------------------------


class _Lanes:
    """Lanes that do nothing but remember the round that was begun."""

    def __init__(self) -> None:
        self.round: Sequence[Poll] = ()

    def dispatch(self, effect: Solo, stop: Stop) -> None:
        """Leave it in the air."""

    def poll(self, polls: Sequence[Poll], stop: Stop) -> None:
        """Remember a round."""
        self.round = polls

    def consult(self, consults: Sequence[Consult], stop: Stop) -> None:
        """Leave it in the air."""

    def trace(self, traces: Sequence[Trace], stop: Stop) -> None:
        """Leave it in the air."""

    def probe(self, lane: Lane) -> None:
        """Leave it in the air."""

    def look(self) -> None:
        """Leave it in the air."""

    def settle(self, wishes: Sequence[Wish]) -> None:
        """All is settled."""

    def tidy(self, job: Job) -> None:
        """Nothing is staged."""


def _engine(state_dir: Path, born: dict[str, Job]) -> tuple[Engine, _Lanes, FakeClock]:
    """Start an engine from what is recorded there, and the jobs that are ``born`` besides."""
    journal, jobs = open_journal(state_dir, FakeClock())
    if born:
        jobs |= born
        journal.renew(jobs)
    lanes, clock = _Lanes(), FakeClock(BORN_AT + 10 * len(jobs))
    engine = Engine(
        jobs=jobs,
        journal=journal,
        lanes=lanes,
        clock=clock,
        policy=Policy(),
        capacity={Lane.API: 8, Lane.FETCH: 3, Lane.DISK: 1, Lane.ARR: 1},
        rescan_s=30.0,
    )
    return engine, lanes, clock


def _turns(engine: Engine, messages: Sequence[Message], size: int = MESSAGES_A_TURN) -> None:
    for start in range(0, len(messages), size):
        engine.turn(messages[start : start + size])


def engine_figures(count: int) -> Figures:
    """Drop a list, ask a round about as many jobs, hear of them, and show them."""
    with tempfile.TemporaryDirectory(prefix="offcloud-watchd-bench-") as name:
        dropped, waiting = Path(name) / "dropped", Path(name) / "waiting"
        dropped.mkdir()
        waiting.mkdir()
        return {**_dropped(dropped, count), **_round_trip(waiting, count)}


def _dropped(state_dir: Path, count: int) -> Figures:
    links = tuple(_queued(number).link for number in range(count))
    intake = Intake(
        Drop("l", "links.txt", "/drop"), Links(links, is_list=True), Destination("tv", "/tv"), "l"
    )
    engine, _, _ = _engine(state_dir, {})
    took_s = spent_s(lambda: engine.turn([Looked(Look((Wish(intake, lambda: None),)))]))
    assert len(engine.jobs) == count
    return {"a list dropped, µs a link": took_s / count * 1e6}


def _round_trip(state_dir: Path, count: int) -> Figures:
    engine, lanes, clock = _engine(state_dir, jobs_in(JobState.CLOUD, count))
    begun_s = spent_s(lambda: engine.turn([]))
    assert len(lanes.round) == count
    unheard = lanes.round[: count // 2]
    waiting_s = spent_s(lambda: _turns(engine, [Outcome(one, heard=Heard.TOGETHER) for one in unheard], 10))
    ready = [_ready(one, clock.now()) for one in lanes.round[count // 2 :]]
    ready_s = spent_s(lambda: _turns(engine, ready))
    overviews: list[Overview] = []
    asked_s = spent_s(lambda: engine.turn([Asked(overviews.append)]))
    status_s = best_s(
        lambda: status.describe(engine.picture(status.MAX_ACTIVE), process_id=1, started_at=0.0)
    )
    return {
        "a round begun, µs a job": begun_s / count * 1e6,
        "a round heard, ten answers a turn, µs a job": waiting_s / len(unheard) * 1e6,
        "a round heard, all ready, µs a job": ready_s / len(ready) * 1e6,
        "status.json, ms": status_s * 1e3,
        "an overview for the web, µs a job": asked_s / count * 1e6,
        **_seen(overviews[0], count),
    }


def _queued(number: int) -> Queued:
    queued = next(iter(life(number)))
    assert isinstance(queued, Queued)
    return queued


def _ready(poll: Poll, now: float) -> Outcome:
    assert poll.job.submission is not None
    return Outcome(poll, CloudReady(poll.job.id, now, poll.job.submission), heard=Heard.TOGETHER)


def _seen(overview: Overview, count: int) -> Figures:
    """Show it to a reader of the dashboard, and to an *arr tool that asks for its whole list."""
    front_s = best_s(lambda: shown(Front(), overview, Traffic(), None))
    rows_s = best_s(lambda: [row(job, None, (), overview.picture.at) for job in overview.jobs])
    return {
        "dashboard made anew, µs a job": front_s / count * 1e6,
        "list for an *arr tool, µs a job": rows_s / count * 1e6,
    }


# --- the plan ----------------------------------------------------------------------------------------------


def plan_figures(count: int) -> Figures:
    """Plan once, while all jobs wait for this or that."""
    queued, cloud = jobs_in(JobState.QUEUED, count), jobs_in(JobState.CLOUD, count)
    fetching = jobs_in(JobState.FETCHING, count)
    later = dict.fromkeys(queued, BORN_AT + 1000000000.0)
    half = [*islice(queued.values(), count // 2)]
    films = [replace(job, id=f"film{job.id}", destination=Destination("film", "/film")) for job in half]
    return {
        "plan, all queued, µs": _plan_s(queued.values()) * 1e6,
        "plan, all wanted twice, µs": _plan_s([*half, *films]) * 1e6,
        "plan, a round in the air, µs": _plan_s(cloud.values(), busy=cloud.keys(), round_at=1e12) * 1e6,
        "plan, all wait for room, µs": _plan_s(fetching.values(), resting=fetching) * 1e6,
        "plan, all deferred, µs a job": _plan_s(queued.values(), not_before=later) * 1e6 / count,
        "plan, all due in the cloud, µs a job": _plan_s(cloud.values()) * 1e6 / count,
    }


def _plan_s(
    jobs: Iterable[Job],
    *,
    busy: Iterable[str] = (),
    round_at: float = 0.0,
    not_before: Mapping[str, float] | None = None,
    resting: Iterable[str] = (),
) -> float:
    agenda, in_the_air, who_rests = Agenda(jobs), frozenset(busy), set(resting)
    return best_s(
        lambda: plan(
            agenda,
            BORN_AT + 1e8,
            busy=in_the_air,
            free={Lane.API: 8, Lane.FETCH: 3, Lane.DISK: 1},
            not_before=not_before or {},
            vain={},
            rhythm=Rhythm(Policy(), round_at),
            cache=Knowledge(),
            tracing=False,
            resting=who_rests,
        )
    )


# --- calls -------------------------------------------------------------------------------------------------


def call_figures(count: int) -> Figures:
    """Count the calls of the first minutes in the cloud, and how large the account's history is.

    Each request is a POST to the sandbox: 100,000 take some four minutes.
    """
    with polling.a_day("current", waiting=count, lag_s=polling.LAG_S) as day:
        minutes = [day.calls_in(60) for _ in range(10)]
        address = f"{day.sandbox.url}/api/cloud/history"
        history = requests.get(address, params={"key": polling.KEY}, timeout=600)
        history.raise_for_status()
    calls = [sum(minute.values()) for minute in minutes]
    return {
        **{f"calls in minute {number}": calls[number - 1] for number in range(1, 6)},
        "calls a minute, 6 to 10": sum(calls[5:10]) / 5,
        "history, bytes a request": len(history.content) / count,
    }


# --- the folders -------------------------------------------------------------------------------------------


def folder_figures(files: int, folders: int) -> Figures:
    """Look into a folder that is full, until all is taken; then at many that are empty."""
    with tempfile.TemporaryDirectory(prefix="offcloud-watchd-bench-") as name:
        root = Path(name)
        drop = root / "drop0"
        drop.mkdir()
        for number in range(files):
            (drop / f"{number:06}.magnet").write_text(f"magnet:?xt=urn:btih:{number + 1:040x}&dn=Some.Show")
        descriptor = os.open(drop, os.O_RDONLY)
        scan_s = best_s(lambda: scan(descriptor, with_subfolders=False, limit=5_000))
        os.close(descriptor)
        with _watching(root, 1) as (watcher, clock):
            taken_s = spent_s(lambda: _take_all(watcher, clock, files))
        with _watching(root, folders) as (watcher, clock):
            watcher.look()
            clock.advance(60)
            quiet_s = spent_s(watcher.look)
    return {
        f"{files:,} files, one look, µs a file": scan_s / files * 1e6,
        f"{files:,} files, all taken, µs a file": taken_s / files * 1e6,
        f"{folders} quiet folders, a look, µs a folder": quiet_s / folders * 1e6,
    }


@contextmanager
def _watching(root: Path, count: int) -> Iterator[tuple[Watcher, FakeClock]]:
    clock = FakeClock()
    folders = []
    for number in range(count):
        (root / f"drop{number}").mkdir(exist_ok=True)
        folders.append(
            FolderSettings(root / f"drop{number}", Destination("tv", "/out/tv"), watch=WatchMode.POLL)
        )
    settings = WatchSettings(tuple(folders), root / "state" / "spool", root / "state", _nowhere)
    watcher = Watcher(settings, clock, lambda: None)
    watcher.start()
    try:
        yield watcher, clock
    finally:
        watcher.stop()


def _nowhere(category: str | None) -> Destination:
    return Destination(category or "main", "/out")


def _take_all(watcher: Watcher, clock: FakeClock, files: int) -> None:
    taken = 0
    while taken < files:
        look = watcher.look()
        watcher.settle(look.wishes)
        taken += len(look.wishes)
        clock.advance(10)


# --- all of it ---------------------------------------------------------------------------------------------


def figures_of(count: int) -> Figures:
    """Measure everything at one number of jobs."""
    return {
        **journal_figures(count),
        **engine_figures(count),
        **plan_figures(count),
        **call_figures(count),
    }


def main(*counts: int) -> None:
    """Print the figures, a column for each number of jobs."""
    columns = [figures_of(count) for count in counts or SIZES]
    print("scale:" + f"{'jobs':>48}" + "".join(f"{count:>12,}" for count in counts or SIZES))
    for name in columns[0]:
        print(f"{name:<54}" + "".join(f"{column[name]:12,.1f}" for column in columns))
    for name, value in folder_figures(FILES, FOLDERS).items():
        print(f"{name:<54}{value:12,.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
