"""Days of an engine's life on an injected clock: thousands of jobs, faults and deaths all the time.

Whatever happened, every job comes to its end; and when all jobs are forgotten the engine holds as much as one
that was just made, and what was sent elsewhere.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Iterator

import pytest

from offcloud_watchd.core.model import JobState, Verb
from tests.property.schedules import KEYS, MEDIA, USUAL, Medium, Step, step_of
from tests.property.test_crash_machine import Story

HOUR_S = 3600.0
STEPS_AN_HOUR = 12
MEND_EVERY_HOURS = 3
FEW = 10  # the states of jobs, the lanes: what does not grow with the number of jobs
JUMPS: tuple[Step, ...] = (
    ("clock", 10 * 365.25 * 86_400.0),  # a clock battery that died
    ("clock", -86_400.0),
    ("clock", 8 * HOUR_S),  # a suspend
    ("clock", 1.0),  # a leap second
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Days would log a lot."""
    log = logging.getLogger("offcloud_watchd")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    yield
    log.setLevel(level)


def an_hour(story: Story, medium: Medium, hour: int, drops: int, *, mortal: bool) -> None:
    """Let drops of new contents come in, something break or die every five minutes, and time pass."""
    dice = story.dice
    if hour % MEND_EVERY_HOURS == 0:
        story.world.mend()
    if hour % 8 == 5:
        story.take(dice.choice(JUMPS))
    for part in range(STEPS_AN_HOUR):
        for number in range(drops // STEPS_AN_HOUR):
            key = dice.choice(KEYS) if dice.random() < 0.05 else f"k{hour}-{part}-{number}"
            story.world.drop([key], dice.choice(USUAL))
        step = step_of(dice, medium)
        if mortal or not str(step[0]).startswith(("die", "reconfigure", "damage")):
            story.take(step)
        story.take(("run", HOUR_S / STEPS_AN_HOUR))
    story.world.check()


def held(owner: object) -> dict[str, int]:
    """Return how many items each collection of an object, and of those it is made of, holds."""
    sizes: dict[str, int] = {}
    for name, value in vars(owner).items():
        if isinstance(value, Collection) and not isinstance(value, str):
            sizes[name] = len(value)
        elif type(value).__module__.startswith("offcloud_watchd.engine"):
            sizes |= {f"{name}.{inner}": size for inner, size in held(value).items()}
    return sizes


def soak(medium: Medium, hours: int, drops_an_hour: int, seed: int) -> None:
    """Live so many hours, come to an end, forget everything, and look at what is left."""
    dice = random.Random(seed)
    with medium.journal() as make_journal:
        story = Story(make_journal, dice)
        world = story.world
        fresh = held(world.engine)
        for hour in range(hours):
            # The last life is a long one: what piles up is seen in it.
            an_hour(story, medium, hour, drops_an_hour, mortal=hour < hours * 2 / 3)
        story.calm = True
        world.mend()
        world.run(1_000_000.0, until_ended=True)
        world.check()
        world.check_end()
        states = [job.state for job in world.engine.jobs.values()]
        deaths = world.fate.deaths.total()
        done = states.count(JobState.DONE)
        print(f"\n{medium}: {hours} hours, {len(states)} jobs, {done} of them done, {deaths} deaths")
        assert len(states) > hours * drops_an_hour / 2
        assert deaths
        world.command(Verb.FORGET, sorted(world.engine.jobs), files=True)
        world.run(100_000.0, until_ended=True)
        world.run(2 * HOUR_S)
        # What was sent to a remote account is known for good, so that nobody else takes it for his own.
        known = world.engine.jobs.values()
        assert all(job.remembered and job.sent for job in known)
        most = FEW + len(known)
        left = {name: size for name, size in held(world.engine).items() if size > fresh.get(name, 0) + most}
        assert not left


def test_hours_leave_nothing_behind() -> None:
    """Four hours and some hundred jobs."""
    soak(MEDIA["memory"], 4, 48, seed=1)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)
def test_three_days_leave_nothing_behind(medium: Medium, seed: int) -> None:
    """Seventy-two hours: thousands of jobs in memory, fewer over files, which are looked at at each sync."""
    soak(medium, 72, 60 if medium.name == "memory" else 12, seed)
