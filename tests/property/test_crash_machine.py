"""The crash machine: the process dies at any moment, everything fails in any order, and nothing is lost.

A schedule is a list of steps made from a number: drops, commands, faults, which lane works next, how time and
the clock go, and at which moment of which act the process dies. After every step the laws of ``World.check``
hold; at the end, with all faults mended, every job comes to its end. A schedule that breaks a law is cut
down to the steps that are needed before it is shown. (Hypothesis' own state machines were tried: they leave
most rules out of each run, so that hardly a schedule got as far as a fetch.)
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from offcloud_watchd.core.model import Verb
from tests.fakes.world import LAG_S, POST_TAKES_S, World

DEAD = "dead"
KEYS = ("one", "two", "three", DEAD)

ACT_DEATHS = tuple(
    f"{act} {moment}"
    for act in ("submit", "find", "status", "files", "publish", "discard", "settle", "tidy")
    for moment in ("before", "done")
)
JOURNAL_DEATHS = ("journal before", "journal torn", "journal synced", "dispatch before")
RENEWAL_DEATHS = ("journal before renew", "journal renewed")
DEATHS = (*ACT_DEATHS, *JOURNAL_DEATHS, *RENEWAL_DEATHS)

Step = tuple[object, ...]


# --- making schedules --------------------------------------------------------------------------------------


def schedule(number: int, length: int) -> list[Step]:
    """Make the schedule of a number."""
    dice = random.Random(number)
    makers: dict[Callable[[random.Random], Step], int] = {
        _drop: 4,
        _command: 3,
        _go_on: 6,
        _run: 2,
        _out_of_order: 4,
        _time: 3,
        _clock: 1,
        _asides: 2,
        _die_at: 7,
        _die_renewing: 1,
        _die_between: 1,
        _fault: 5,
    }
    return [maker(dice) for maker in dice.choices(list(makers), list(makers.values()), k=length)]


def _drop(dice: random.Random) -> Step:
    return ("drop", dice.choices(KEYS, k=dice.randint(1, 2)), dice.choice(["tv", "film"]))


def _command(dice: random.Random) -> Step:
    return ("command", dice.choice(list(Verb)), dice.randint(0, 5), dice.random() < 0.5)


def _go_on(dice: random.Random) -> Step:
    return ("go on", dice.randint(1, 12))


def _run(dice: random.Random) -> Step:
    return ("run", dice.choice([1.0, 10.0, 60.0, 400.0]))


def _out_of_order(dice: random.Random) -> Step:
    return ("work", dice.randint(0, 7))


def _time(dice: random.Random) -> Step:
    return ("time", dice.choice([0.5, 5.0, 29.0, LAG_S, 3600.0]))


def _clock(dice: random.Random) -> Step:
    return ("clock", dice.choice([-100_000.0, -3600.0, -100.0, 100.0, 3600.0, 100_000.0]))


def _asides(dice: random.Random) -> Step:
    asides: list[Step] = [
        dice.choice([("turn",), ("work", dice.randint(0, 5)), ("time", dice.uniform(0.1, POST_TAKES_S / 4))])
        for _ in range(dice.randint(1, 6))
    ]
    return ("asides", asides[:4])


def _die_at(dice: random.Random) -> Step:
    return (
        "die at",
        dice.choice([*ACT_DEATHS, *JOURNAL_DEATHS]),
        dice.choice([0, 0, 1, 2]),
        dice.randint(8, 32),
    )


def _die_renewing(dice: random.Random) -> Step:
    return ("die renewing", dice.choice(RENEWAL_DEATHS))


def _die_between(dice: random.Random) -> Step:
    return ("die between", dice.choice([0.0, 3.0, 200.0]), dice.choice([0.0, 0.0, 4000.0, -4000.0]))


def _fault(dice: random.Random) -> Step:
    good = dice.random() < 0.6
    faults: list[Step] = [
        ("refuse key", not good),
        ("history down", not good),
        ("disk full", not good),
        ("lag", dice.choice([0.0, 20.0, LAG_S])),
        ("journal torn at", None if good else dice.randint(0, 3)),
        ("renewable", good),
        ("compact", None),
        ("delete in account", dice.randint(0, 5)),
        ("submit", dice.choice(["transient", "lost", "late", "bug"])),
        ("submit", dice.choice(["lost", "late"])),
        (dice.choice(["find", "status", "files", "publish", "discard", "settle", "account"]), "lost"),
        (dice.choice(["find", "status", "files", "publish", "account"]), "bug"),
    ]
    return ("fault", *dice.choice(faults))


# --- living through them -----------------------------------------------------------------------------------


class Story:
    """One world that lives through steps."""

    def __init__(self) -> None:
        self.asides: Sequence[Step] = ()
        self.deaths_between = 0
        self.world = World(self._meanwhile, frozenset({DEAD}))

    def live_through(self, steps: Sequence[Step]) -> Counter[str]:
        """Take the steps and come to an end; return how often death struck where."""
        for step in steps:
            self._take(step)
            self.world.check()
        self.asides = ()
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
            case ("clock", float(seconds)):
                world.clock.time_s += seconds
            case ("asides", list(asides)):
                self.asides = asides
            case _:
                self._suffer(step)

    def _suffer(self, step: Step) -> None:
        world = self.world
        match step:
            case ("die at", str(place), int(skip), int(steps)):
                self._lead_to(place)
                world.fate.doom(place, skip)
                self._go_on(steps)
                world.fate.doom("")
            case ("die renewing", str(place)):
                world.journal.wants_compaction = True
                world.fate.doom(place)
                self._go_on(1)
                world.fate.doom("")
            case ("die between", float(downtime_s), float(clock_step_s)):
                world.fate.deaths["between"] += 1
                world.clock.advance(downtime_s)
                world.clock.time_s += clock_step_s
                self.asides = ()
                world.live()
            case ("fault", str(fault), amount):
                world.suffer(fault, amount)
            case _:
                raise AssertionError(step)

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
        if self.world.survive(act):
            self.asides = ()

    def _meanwhile(self) -> None:
        """A POST or a fetch takes its time: everybody else goes on."""
        asides, self.asides = self.asides, ()
        for aside in asides:
            match aside:
                case ("time", float(seconds)):
                    self.world.clock.advance(seconds)
                case ("turn",):
                    self.world.turn()
                case ("work", int(index)):
                    self.world.work(index)


def problem(steps: Sequence[Step]) -> str:
    """Return the law a schedule breaks; empty when it breaks none."""
    try:
        Story().live_through(steps)
    except AssertionError as error:
        return str(error)
    return ""


def cut_down(steps: Sequence[Step]) -> list[Step]:
    """Leave out of a schedule what is not needed to break a law."""
    needed = list(steps)
    for size in (16, 4, 1):
        for start in range(len(needed) - 1, -1, -size):
            shorter = [*needed[: max(0, start - size + 1)], *needed[start + 1 :]]
            if problem(shorter):
                needed = shorter
    return needed


def tell(numbers: range, length: int) -> Counter[str]:
    """Live through many schedules; return the deaths by place. Show a failing schedule cut down."""
    deaths: Counter[str] = Counter()
    for number in numbers:
        steps = schedule(number, length)
        try:
            deaths += Story().live_through(steps)
        except AssertionError:
            needed = cut_down(steps)
            shown = "\n  ".join(map(str, needed))
            pytest.fail(f"schedule {number} of length {length}: {problem(needed)[:2000]}\n  {shown}")
    print(f"\n{len(numbers)} schedules, {deaths.total()} deaths: {dict(sorted(deaths.items()))}")
    return deaths


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of lives would log a lot."""
    caplog.set_level(logging.CRITICAL, logger="offcloud_watchd")


def test_nothing_is_lost_or_done_twice() -> None:
    """Some hundred schedules of faults and deaths keep every law and come to an end."""
    deaths = tell(range(250), length=50)
    assert not [place for place in (*DEATHS, "between") if not deaths[place]]


@pytest.mark.torture
def test_thousands_of_schedules() -> None:
    """Thousands of longer schedules, with many deaths at every single moment of every act."""
    deaths = tell(range(10_000, 14_000), length=70)
    assert not [place for place in (*DEATHS, "between") if deaths[place] < 20]
