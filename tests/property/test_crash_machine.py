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
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offcloud_watchd.core.model import Verb
from tests.fakes import journal_memory, journal_on_disk
from tests.fakes.clock import FakeClock
from tests.fakes.fate import Fate, Manner
from tests.fakes.journal_on_disk import POWER_CUTS, UNRENEWABLE, DiskJournal
from tests.fakes.mortal import POST_TAKES_S
from tests.fakes.world import LAG_S, MakeJournal, SurvivingJournal, World, in_memory

DEAD = "dead"
KEYS = ("one", "two", "three", DEAD)

ACT_DEATHS = tuple(
    f"{act} {moment}"
    for act in ("submit", "find", "status", "files", "publish", "discard", "settle", "tidy")
    for moment in ("before", "done")
)

Step = tuple[object, ...]


@contextmanager
def _memory() -> Iterator[MakeJournal]:
    yield in_memory


@contextmanager
def _disk() -> Iterator[MakeJournal]:
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else None) as name:
        made: list[DiskJournal] = []

        def on_disk(fate: Fate, clock: FakeClock) -> SurvivingJournal:
            made.append(DiskJournal(fate, clock, Path(name)))
            return made[0]

        try:
            yield on_disk
        finally:
            for journal in made:
                journal.close()


@dataclass(frozen=True, repr=False)
class Medium:
    """A journal to live over, the moments at which its writer can die, and how many schedules are cheap."""

    name: str
    journal: Callable[[], AbstractContextManager[MakeJournal]]
    appending: Sequence[str]
    renewing: Sequence[str]
    starting: Sequence[str] = ()
    schedules: int = 100

    def __repr__(self) -> str:
        return self.name

    @property
    def places(self) -> Sequence[str]:
        """Every place where death can strike."""
        return (*ACT_DEATHS, *self.appending, *self.renewing, *self.starting, "dispatch before", "between")


MEDIA = {
    "memory": Medium("memory", _memory, journal_memory.APPENDING, journal_memory.RENEWING, schedules=200),
    "disk": Medium(
        "disk", _disk, journal_on_disk.APPENDING, journal_on_disk.RENEWING, journal_on_disk.STARTING
    ),
}


# --- making schedules --------------------------------------------------------------------------------------


def step_of(dice: random.Random, medium: Medium) -> Step:
    """Throw one step."""
    return dice.choice(MAKERS)(dice, medium)


def _drop(dice: random.Random, _medium: Medium) -> Step:
    return ("drop", [dice.choice(KEYS) for _ in range(dice.randint(1, 2))], dice.choice(["tv", "film"]))


def _command(dice: random.Random, _medium: Medium) -> Step:
    return ("command", dice.choice(list(Verb)), dice.randint(0, 5), dice.choice([False, True]))


def _go_on(dice: random.Random, _medium: Medium) -> Step:
    return ("go on", dice.randint(1, 12))


def _run(dice: random.Random, _medium: Medium) -> Step:
    return ("run", dice.choice([1.0, 10.0, 60.0, 400.0]))


def _out_of_order(dice: random.Random, _medium: Medium) -> Step:
    return ("work", dice.randint(0, 7))


def _time(dice: random.Random, _medium: Medium) -> Step:
    return ("time", dice.choice([0.5, 5.0, 29.0, LAG_S, 3600.0]))


def _clock(dice: random.Random, _medium: Medium) -> Step:
    return ("clock", dice.choice([100.0, -100.0, 3600.0, -3600.0, 100_000.0, -100_000.0]))


def _slow_post(dice: random.Random, _medium: Medium) -> Step:
    return ("slow post", dice.choice(KEYS), dice.uniform(10.0, LAG_S), dice.choice(["lost", "late", "bug"]))


def _die_at(dice: random.Random, medium: Medium) -> Step:
    place = dice.choice([*ACT_DEATHS, *medium.appending, "dispatch before"])
    return ("die at", place, dice.choice([0, 0, 1, 2]), dice.randint(8, 32), _manner(dice, medium))


def _die_appending(dice: random.Random, medium: Medium) -> Step:
    """Die with a record half written, and again while the next start mends that."""
    manner = _manner(dice, medium)._replace(power=None, again=dice.choice(["", *medium.starting]))
    return ("die at", dice.choice(medium.appending[1:3]), 0, 32, manner)


def _die_renewing(dice: random.Random, medium: Medium) -> Step:
    return ("die renewing", dice.choice(medium.renewing), dice.choice([0, 0, 1]), _manner(dice, medium))


def _die_between(dice: random.Random, medium: Medium) -> Step:
    clock_step_s = dice.choice([0.0, 0.0, 4000.0, -4000.0])
    return ("die between", dice.choice([0.0, 3.0, 200.0]), clock_step_s, _manner(dice, medium))


def _manner(dice: random.Random, medium: Medium) -> Manner:
    power, power_again = (dice.choice([None, dice.randrange(POWER_CUTS)]) for _ in range(2))
    again = dice.choice([*("",) * 8, *medium.starting])
    return Manner(dice.choice([0.0, 0.3, 0.9, 1.0]), power, again, power_again)


def _fault(dice: random.Random, _medium: Medium) -> Step:
    good = dice.choice([True, True, True, False, False])
    faults: list[Step] = [
        ("refuse key", not good),
        ("history down", not good),
        ("disk full", not good),
        ("lag", dice.choice([0.0, 20.0, LAG_S, LAG_S])),
        ("lag", LAG_S),
        ("journal torn at", None if good else dice.randint(0, 3)),
        ("unrenewable", "" if good else dice.choice(UNRENEWABLE)),
        ("compact", None),
        ("delete in account", dice.randint(0, 5)),
        ("submit", dice.choice(["transient", "lost", "late", "bug"])),
        ("submit", dice.choice(["lost", "late"])),
        ("submit", "late"),
        (dice.choice(["find", "status", "files", "publish", "discard", "settle", "account"]), "lost"),
        (dice.choice(["find", "status", "files", "publish", "account"]), "bug"),
    ]
    return ("fault", *dice.choice(faults))


Maker = Callable[[random.Random, Medium], Step]

WEIGHTS: dict[Maker, int] = {
    _go_on: 6,
    _drop: 4,
    _command: 3,
    _run: 2,
    _out_of_order: 4,
    _time: 3,
    _clock: 2,
    _slow_post: 2,
    _die_at: 7,
    _die_appending: 1,
    _die_renewing: 1,
    _die_between: 1,
    _fault: 5,
}
MAKERS = [maker for maker, weight in WEIGHTS.items() for _ in range(weight)]


@st.composite
def schedules(draw: st.DrawFn, medium: Medium, longest: int) -> list[Step]:
    """Draw a schedule, each step by itself, so that one can be left out."""
    length = draw(st.integers(0, longest))
    step = st.randoms(use_true_random=False).map(lambda dice: step_of(dice, medium))
    return draw(st.lists(step, min_size=length, max_size=length))


# --- living through them -----------------------------------------------------------------------------------


class Story:
    """One world that lives through steps.

    While a POST or a fetch takes its time everybody else goes on; what they do then is thrown by dice.
    """

    def __init__(self, make_journal: MakeJournal, dice: random.Random) -> None:
        self.dice = dice
        self.calm = False
        self.world = World(make_journal, self._meanwhile, frozenset({DEAD}))

    def live_through(self, steps: Sequence[Step]) -> Counter[str]:
        """Take the steps and come to an end; return how often death struck where."""
        for step in steps:
            self._take(step)
            self.world.check()
        self.calm = True
        self.world.mend()
        self.world.run(100_000.0, until_ended=True)
        self.world.check()
        self.world.check_end()
        return self.world.fate.deaths

    def _take(self, step: Step) -> None:
        world = self.world
        match step:
            case ("drop", list(keys), str(category)):
                world.drop(keys, category)
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
        wanted = {"discard": Verb.FORGET, "find": Verb.RETRY}.get(place.partition(" ")[0])
        if wanted is not None:
            self.world.command(wanted, sorted(self.world.engine.jobs)[:1])

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
                    world.command(dice.choice(list(Verb)), sorted(world.engine.jobs)[:1])
                    world.run_disk()


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
