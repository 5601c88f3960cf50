"""The crash machine: the process dies at any moment, everything fails in any order, and nothing is lost.

A schedule is a list of steps: drops, commands, faults, which lane works next, how time and the clock go, and
at which moment of which act the process dies. After every step the laws of ``World.check`` hold; at the end,
with all faults mended, every job comes to its end. It is lived through over a journal in memory and over the
real one on real files, where writes end anywhere and the power fails too.

Hypothesis throws the dice, cuts a schedule that breaks a law down, shows it and keeps it. (Its state machines
were tried: they leave most rules out of each run, so that hardly a schedule got as far as a fetch.) Dice that
are thrown from a number are fairer: with them every place where death can strike is reached.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offcloud_watchd.core.model import JobState, RemoteTarget, Removal, Route, Verb
from tests.fakes.fate import Manner
from tests.fakes.mortal import POST_TAKES_S
from tests.fakes.world import LAG_S, RESCAN_S, ROUTES, MakeJournal, World
from tests.property.schedules import (
    ASKED,
    CACHED,
    CATEGORIES,
    DEAD,
    KEYS,
    MEDIA,
    TWINS,
    Medium,
    Step,
    schedules,
    step_of,
)


class Story:
    """One world that lives through steps.

    While a POST or a fetch takes its time everybody else goes on; what they do then is thrown by dice.
    """

    def __init__(self, make_journal: MakeJournal, dice: random.Random) -> None:
        self.dice = dice
        self.calm = False
        remove = dice.choice([Removal.NEVER, Removal.PUBLISHED, Removal.IMPORTED, Removal.IMPORTED])
        dead, cached = frozenset({DEAD}), frozenset({CACHED})
        self.world = World(make_journal, self._meanwhile, dead, cached, remove=remove)

    def live_through(self, steps: Sequence[Step]) -> Counter[str]:
        """Take the steps and come to an end; return how often death struck where."""
        for step in steps:
            self.take(step)
            self.world.check()
        self.calm = True
        self.world.mend()
        self.world.run(100_000.0, until_ended=True)
        self.world.check()
        self.world.check_end()
        return self.world.fate.deaths

    def take(self, step: Step) -> None:
        """Take one step."""
        world = self.world
        match step:
            case ("drop", list(keys), str(category), bool(by_client)):
                world.drop(keys, category, by_client=by_client)
            case ("drop done", int(index), bool(elsewhere), bool(lose)):
                self._drop_done(index, elsewhere=elsewhere, lose=lose)
            case ("command", Verb() as verb, int(index), bool(files)):
                jobs = sorted(world.engine.jobs)
                world.command(verb, [jobs[index % len(jobs)]] if jobs else [], files=files)
            case ("go on", int(steps)):
                self._go_on(steps)
            case ("run", float(seconds)):
                self._live(lambda: world.run(seconds))
            case ("work", int(index)):
                self._live(world.turn)
                self._live(lambda: world.work(index))
            case ("time", float(seconds)):
                world.clock.advance(seconds)
            case ("slow post", str(key), float(wait_s), str(how)):
                self._post_slowly(key, wait_s, how)
            case ("clock", float(seconds)):
                world.clock.time_s += seconds
            case _:
                self._suffer(step)

    def _drop_done(self, index: int, *, elsewhere: bool, lose: bool) -> None:
        """Drop the content of a finished job again; where there is none, drop one for both categories."""
        world = self.world
        done = [job for job in world.engine.jobs.values() if job.publication is not None]
        if not done:
            for category in CATEGORIES[:2]:
                world.drop([KEYS[index % len(KEYS)]], category)
            return
        job = done[index % len(done)]
        if lose and job.publication is not None:
            world.shelf.lost.add(job.publication.path)
        own = job.destination.category
        world.drop([job.link.key], TWINS.get(own, own) if elsewhere else own)

    def _suffer(self, step: Step) -> None:
        world = self.world
        match step:
            case ("die at", str(place), int(skip), int(steps), Manner() as manner):
                self._lead_to(place)
                world.fate.doom(place, skip, manner)
                self._go_on(steps)
                world.fate.doom("")
            case ("die renewing", str(place), int(skip), Manner() as manner):
                world.journal.wants_compaction = True
                world.fate.doom(place, skip, manner)
                self._go_on(1)
                world.fate.doom("")
            case ("die between", float(downtime_s), float(clock_step_s), Manner() as manner):
                world.fate.doom("between", 0, manner)
                world.fate.strike("between")
                world.clock.advance(downtime_s)
                world.clock.time_s += clock_step_s
                world.live()
                world.fate.doom("")
            case ("refuse", str(category)):
                world.refuse(category)
            case ("reconfigure", str(what), value):
                world.reconfigure(what, value)
            case ("categorize", int(index), str(category)):
                jobs = sorted(world.engine.jobs)
                world.command(Verb.CATEGORIZE, [jobs[index % len(jobs)]] if jobs else [], category=category)
            case ("damage", float(where), int(lines)):
                world.damage(where, lines)
            case ("fault", str(fault), amount):
                world.suffer(fault, amount)
            case _:
                raise AssertionError(step)

    def _post_slowly(self, key: str, wait_s: float, how: str) -> None:
        """Bring about the worst for a POST: it waits for long, its answer is lost, and the history lags."""
        world = self.world
        world.drop([key], "tv")
        world.cloud.lag_s = LAG_S
        world.fate.glitches["submit"] = how
        for _ in range(6):
            self._live(world.turn)
            if any(task.word == "submit" for task in world.lanes.tasks):
                world.clock.advance(wait_s)
                break
            self._live(world.work)

    def _lead_to(self, place: str) -> None:
        """Ask for what makes a rare act happen."""
        if place.startswith(("link", "inspect")):
            self.world.mend()
            self._drop_done(0, elsewhere=place.startswith("link"), lose=False)
        if place.startswith("grant"):
            self.world.drop([KEYS[0]], "now")
        if place.startswith(("remove", "vanished", "imported")):
            self.world.mend()
            self.world.drop(KEYS[:3], "tv", by_client=place.startswith("imported"))
        if place.startswith(("upload", "statuses")):
            self.world.drop(KEYS, "tv")
        if place.startswith("cached"):
            self.world.drop([CACHED, *KEYS[:1]], self.dice.choice(["picky", "hasty"]))
        if place.startswith("send"):
            self.world.drop(KEYS[:2], "away")
        if place.startswith("report"):
            self.world.mend()
            self.world.drop([DEAD], "tv")
        if place.startswith("retry"):
            self._fail_and_retry()
        wanted = {"discard": Verb.FORGET, "find": Verb.RETRY}.get(place.partition(" ")[0])
        if wanted is not None:
            self.world.command(wanted, sorted(self.world.engine.jobs)[:1])

    def _fail_and_retry(self) -> None:
        world = self.world
        world.mend()
        world.cloud.retries = True
        world.drop([DEAD], "away")
        self._live(lambda: world.run(60.0))
        failed = [job.id for job in world.engine.jobs.values() if job.failed_request]
        world.command(Verb.RETRY, failed[:1])

    def _go_on(self, steps: int) -> None:
        for _ in range(steps):
            self._live(self.world.step)
            self.world.check()

    def _live(self, act: Callable[[], object]) -> None:
        self.world.survive(act)

    def _meanwhile(self) -> None:
        world, dice = self.world, self.dice
        if self.calm or dice.choice([True, True, True, False, False]):
            return
        left_s = POST_TAKES_S
        for _ in range(dice.randint(1, 8)):
            match dice.choice(["turn", "turn", "work", "time", "command"]):
                case "turn":
                    world.turn()
                case "work":
                    world.work(dice.choice([-1, -1, 0, dice.randint(0, 5)]))
                case "time":
                    passed_s = dice.uniform(0.0, left_s)
                    left_s -= passed_s
                    world.clock.advance(passed_s)
                case "command":
                    world.command(dice.choice(ASKED), sorted(world.engine.jobs)[:1])
                    world.run_disk()


def test_a_job_that_begins_anew_leaves_another_what_it_sent() -> None:
    """Two are unsure at once, and the account does not tell to which folder a transfer goes."""
    world = World()
    sent = world.drop(["one"], "afar")
    world.run(60.0)
    world.drop(["one"], "away")
    world.cloud.lag_s = LAG_S
    world.fate.glitches["submit"] = "lost"
    world.run(RESCAN_S)
    assert world.cloud.posts == 2
    again = next(job for job in world.engine.jobs.values() if job.drops[0].id == sent)
    world.command(Verb.RETRY, [again.id])
    world.run(3600.0, until_ended=True)
    world.check()
    world.check_end()
    for job in world.engine.jobs.values():
        assert job.submission is not None
        assert world.cloud.items[job.submission.request_id].target == job.destination.remote
    assert Counter(item.target for item in world.cloud.items.values()) == {
        ROUTES["afar"][1]: 2,
        ROUTES["away"][1]: 1,
    }


@pytest.mark.parametrize("arrives", [True, False])
def test_a_post_that_was_lost_is_not_taken_for_one_to_another_account(*, arrives: bool) -> None:
    """It is cancelled in doubt, the settings name another account, and it is dropped again."""
    world = World()
    world.cloud.lag_s = LAG_S
    world.fate.glitches["submit"] = "lost"
    world.drop(["one"], "away")
    world.run(1.0)
    if not arrives:
        world.cloud.items.clear()
    [job] = world.engine.jobs.values()
    world.command(Verb.CANCEL, [job.id])
    world.run(RESCAN_S)
    again = world.drop(["one"], "away")
    there = RemoteTarget("box", "f9")
    intake = world.drops[again]
    world.drops[again] = replace(intake, destination=replace(intake.destination, remote=there))
    world.run(3600.0, until_ended=True)
    world.check()
    [job] = world.engine.jobs.values()
    assert (job.state, job.destination.remote) == (JobState.DONE, there)
    assert job.submission is not None
    assert world.cloud.items[job.submission.request_id].target == there
    sent = Counter(item.target for item in world.cloud.items.values())
    assert sent == Counter([there, *([ROUTES["away"][1]] if arrives else [])])


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("way", [ROUTES["away"], ROUTES["now"]])
def test_a_post_that_was_lost_is_found_before_its_job_goes_another_way(
    way: tuple[Route, RemoteTarget | None], *, arrives: bool
) -> None:
    """It is cancelled in doubt, the settings name another route, and it is dropped again, with another."""
    world = World()
    world.cloud.lag_s = LAG_S
    world.fate.glitches["submit"] = "lost"
    world.drop(["one"], "tv")
    world.run(1.0)
    if not arrives:
        world.cloud.items.clear()
    world.command(Verb.CANCEL, list(world.engine.jobs))
    world.run(RESCAN_S)
    world.reconfigure("tv", way)
    again = world.drop(["one", "two"], "tv")
    world.run(RESCAN_S)
    assert again in world.drops, "it waits in its folder"
    assert {job.link.key: job.state for job in world.engine.jobs.values()}["two"] is not JobState.FAILED
    world.run(3600.0, until_ended=True)
    world.check()
    world.check_end()
    assert {job.destination.way for job in world.engine.jobs.values()} == {way}
    sent = Counter(item.target for item in world.cloud.items.values())
    assert sent == Counter([None] * arrives + [way[1]] * 2 * (way[1] is not None))


def test_a_transfer_that_shows_late_is_nobody_elses() -> None:
    """A POST is cancelled on its way, the clock is set, and the same content is to go to another folder.

    The history tells when a transfer was made and not where to; by this clock it may be either's.
    """
    cancelled: list[str] = []

    def meanwhile() -> None:
        if cancelled:
            return
        cancelled.extend(world.engine.jobs)
        world.command(Verb.CANCEL, cancelled)
        world.run_disk()
        world.turn()
        world.clock.time_s += 100.0
        world.clock.advance(10.0)

    world = World(meanwhile=meanwhile)
    world.cloud.lag_s = LAG_S
    world.fate.glitches["submit"] = "lost"
    world.drop(["one"], "afar")
    world.run(1.0)
    world.fate.doom("send before")
    world.drop(["one"], "away")
    for _ in range(30):
        world.survive(world.step)
    world.fate.doom("")
    world.run(3600.0, until_ended=True)
    world.check()
    world.check_end()
    made = sorted((item.created_at, item.target) for item in world.cloud.items.values())
    assert [target for _, target in made] == [ROUTES["afar"][1], ROUTES["away"][1]]


def live_through(medium: Medium, steps: Sequence[Step], dice: random.Random) -> Counter[str]:
    """Live through a schedule in a world of its own; return the deaths by place."""
    with medium.journal() as make_journal:
        return Story(make_journal, dice).live_through(steps)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Thousands of lives would log a lot."""
    log = logging.getLogger("offcloud_watchd")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    yield
    log.setLevel(level)


over_both = pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)
meanwhile = st.randoms(use_true_random=False, note_method_calls=True)
thorough = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@over_both
@settings(thorough, max_examples=100)
@given(data=st.data(), dice=meanwhile)
def test_nothing_is_lost_or_done_twice(medium: Medium, data: st.DataObject, dice: random.Random) -> None:
    """No schedule of faults and deaths breaks a law, and each comes to an end."""
    live_through(medium, data.draw(schedules(medium, 60)), dice)


@pytest.mark.torture
@over_both
@settings(thorough, max_examples=4000)
@given(data=st.data(), dice=meanwhile)
def test_no_schedule_is_found(medium: Medium, data: st.DataObject, dice: random.Random) -> None:
    """The same, searched for as long as it is worth."""
    live_through(medium, data.draw(schedules(medium, 100)), dice)


def tell(medium: Medium, numbers: range, length: int) -> Counter[str]:
    """Live through the schedules of some numbers; return the deaths by place."""
    deaths: Counter[str] = Counter()
    for number in numbers:
        dice = random.Random(number)
        steps = [step_of(dice, medium) for _ in range(length)]
        try:
            deaths += live_through(medium, steps, dice)
        except BaseException as error:
            error.add_note(f"schedule {number} of length {length}")
            raise
    print(f"\n{len(numbers)} schedules, {deaths.total()} deaths: {dict(sorted(deaths.items()))}")
    return deaths


@over_both
def test_death_strikes_everywhere(medium: Medium) -> None:
    """Thrown by fair dice, few schedules reach every place where death can strike."""
    deaths = tell(medium, range(medium.schedules), length=50)
    assert not [place for place in medium.places if not deaths[place]]


@pytest.mark.torture
@over_both
def test_death_strikes_everywhere_often(medium: Medium) -> None:
    """Thousands of longer ones reach every place many times."""
    deaths = tell(medium, range(10_000, 14_000), length=70)
    assert not [place for place in medium.places if deaths[place] < 20]
