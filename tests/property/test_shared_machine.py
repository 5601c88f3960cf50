"""Hosts that share a folder, each of which dies at any moment, stands still, or has its clock set.

A schedule is a list of steps: drops, who works next, deaths at each act of the folder, the journal, the
engine and the account, hosts that stand still for longer than a lease, clocks that are set, answers that are
lost. After every step the laws of ``SharedWorld`` hold; in the end, with all hosts back, every drop is done
once.

What ``docs/sharing.md`` says to remain is not tried: nobody stands still between the last look at the clock
and the first byte of a POST, only right before that look.
"""

from __future__ import annotations

import logging
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from offcloud_watchd.watch import turns
from tests.fakes.fate import Manner
from tests.fakes.journal_memory import APPENDING
from tests.fakes.mortal import POST_TAKES_S
from tests.fakes.shared_world import LAG_S, LEASE_S, Host, SharedWorld
from tests.fakes.syscalls import PLACES, mortal

KEYS = 4
ACTS = ("submit", "find", "status", "files", "publish", "settle")
DEATHS = (
    *PLACES,
    *(f"{act} {moment}" for act in ACTS for moment in ("before", "done")),
    *APPENDING,
    "dispatch before",
)
STILL_S = (LEASE_S / 3, LEASE_S + 5, LEASE_S + LAG_S + 60)
DOWN_S = (0.0, 5.0, LEASE_S / 2, LEASE_S + 20, LEASE_S + LAG_S, 3 * (LEASE_S + LAG_S))
WAIT_AT_MOST = 240
"""Minutes until the end: what failed often is tried again after an hour."""
WEIGHTS = {"put": 2, "go": 2, "wait": 1, "die": 4, "still": 1, "clock": 1, "fault": 2}

Step = tuple[object, ...]


class _Here:
    """In place of the thread that may hang: the call itself, so that death comes to who made it."""

    def __init__(self, *_: object) -> None:
        pass

    def call(self, work):
        """Do it."""
        return work()

    def close(self) -> None:
        """End."""


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Thousands of lives would log a lot; and each would leave a thread."""
    monkeypatch.setattr(turns, "Parking", _Here)
    log = logging.getLogger("offcloud_watchd")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    yield
    log.setLevel(level)


def step_of(dice: random.Random, hosts: int) -> Step:
    """Throw one step."""
    host = dice.randrange(hosts)
    steps: dict[str, Step] = {
        "put": ("put", dice.randrange(KEYS)),
        "go": ("go", host, dice.randint(1, 12)),
        "wait": ("wait", dice.choice([1.0, 10.0, 30.0, LEASE_S + 5, 400.0])),
        "die": ("die", host, dice.choice(DEATHS), dice.choice([0, 0, 1, 2]), dice.choice(DOWN_S)),
        "still": ("still", host, dice.choice(STILL_S)),
        "clock": ("clock", host, dice.choice([100.0, -100.0, 3600.0, -3600.0, 100_000.0, -100_000.0])),
        "fault": ("fault", host, *_fault(dice)),
    }
    return steps[dice.choice([what for what, weight in WEIGHTS.items() for _ in range(weight)])]


def _fault(dice: random.Random) -> Step:
    good = dice.choice([True, True, False])
    faults: list[Step] = [
        ("submit", dice.choice(["transient", "lost", "late", "bug"])),
        ("submit", dice.choice(["lost", "late"])),
        (dice.choice(["find", "status", "files", "publish"]), dice.choice(["lost", "bug"])),
        ("lag", dice.choice([0.0, 20.0, LAG_S, LAG_S])),
        ("history down", not good),
        ("torn", None if good else dice.randint(0, 2)),
    ]
    return dice.choice(faults)


class Story:
    """Hosts that live through steps; what goes on while a call takes its time is thrown by dice."""

    def __init__(self, base: Path, hosts: int, dice: random.Random) -> None:
        self.dice = dice
        self.calm = False
        self.world = SharedWorld(base, hosts, dice.randrange, self._meanwhile, self._stands_still_s)

    def live_through(self, steps: Sequence[Step]) -> None:
        """Take the steps and come to an end."""
        world = self.world
        with mortal(world.fate):
            for step in steps:
                self.take(step)
                world.check()
            self.calm = True
            world.mend()
            for _ in range(WAIT_AT_MOST):
                world.pass_time(60.0)
                world.check()
                if world.is_done():
                    break
            world.check_end()

    def take(self, step: Step) -> None:
        """Take one step."""
        world = self.world
        match step:
            case ("put", int(key)):
                world.lay(key)
            case ("go", int(number), int(steps)):
                for _ in range(steps):
                    world.hosts[number].survive(world.hosts[number].step)
                    world.check()
            case ("wait", float(seconds)):
                world.pass_time(seconds)
            case ("still", int(number), float(seconds)):
                world.pass_time(seconds, [host for host in world.hosts if host.number != number])
            case ("clock", int(number), float(seconds)):
                world.hosts[number].clock.ahead_s += seconds
            case ("die", int(number), str(place), int(skip), float(down_s)):
                self._die(number, place, skip, down_s)
            case ("fault", int(number), str(fault), amount):
                self._suffer(world.hosts[number], fault, amount)
            case _:
                raise AssertionError(step)

    def _die(self, number: int, place: str, skip: int, down_s: float) -> None:
        """Let a host work until it comes by a place, and die there; the others go on while it is down."""
        world, host = self.world, self.world.hosts[number]
        self._lead_to(place, number)
        world.fate.doom(place, skip, Manner())
        for _ in range(12):
            world.truth.advance(5.0)
            for _ in range(8):
                host.survive(host.step)
                world.check()
            if not host.is_up:
                break
        world.fate.doom("")
        world.pass_time(down_s)
        for one in world.hosts:
            if not one.is_up:
                one.live()

    def _lead_to(self, place: str, number: int) -> None:
        """Ask for what makes a rare act happen."""
        world = self.world
        others = [host for host in world.hosts if host.number != number]
        if place.startswith(("take over", "take link", "name beside")):
            act = "commit before" if place.startswith("take over") else "submit before"
            world.lay(len(world.put) + KEYS)
            world.fate.doom(act)
            for _ in range(20):
                world.pass_time(5.0, others)
                if not world.fate.place:
                    break
            world.fate.doom("")
            world.lay(len(world.put) + KEYS - 1)  # the same link, for whoever is left
            world.pass_time(LEASE_S / 2, [world.hosts[number]])
        elif place.startswith("give link"):
            world.lay(len(world.put) + KEYS)
            world.pass_time(LEASE_S + LAG_S)
        elif place.startswith(("claim", "commit", "archive", "make", *ACTS)):
            world.lay(len(world.put) + KEYS)

    def _suffer(self, host: Host, fault: str, amount: object) -> None:
        match fault, amount:
            case "lag", float(lag_s):
                for one in self.world.hosts:
                    one.cloud.lag_s = lag_s
            case "history down", bool(down):
                host.cloud.history_down = down
            case "torn", None | int() as torn:
                host.journal.tears = lambda count: None if torn is None else min(torn, count)
            case act, str(how):
                self.world.fate.glitches[act] = how

    def _stands_still_s(self) -> float:
        return 0.0 if self.calm else self.dice.choice([*(0.0,) * 9, *STILL_S])

    def _meanwhile(self, waiting: Host) -> None:
        world, dice = self.world, self.dice
        if self.calm or dice.choice([True, True, False]):
            return
        left_s = POST_TAKES_S / 2
        for _ in range(dice.randint(1, 6)):
            passed_s = dice.uniform(0.0, left_s)
            left_s -= passed_s
            world.truth.advance(passed_s)
            for host in world.hosts:
                if host is not waiting:
                    host.survive(host.step)


def live_through(steps: Sequence[Step], hosts: int, dice: random.Random) -> Counter[str]:
    """Live through a schedule in a world of its own; return the deaths by place."""
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="shared-", dir=fast if fast.is_dir() else None) as name:
        story = Story(Path(name), hosts, dice)
        story.live_through(steps)
        return story.world.fate.deaths


def tell(number: int, length: int, place: str = "") -> Counter[str]:
    """Live through the schedule of a number, half way through which somebody dies at a place.

    Of the numbers every other one is lived through by three hosts.
    """
    dice, hosts = random.Random(number), 2 + number % 2
    steps = [step_of(dice, hosts) for _ in range(length)]
    if place:
        steps.insert(length // 2, ("die", dice.randrange(hosts), place, 0, dice.choice(DOWN_S)))
    try:
        return live_through(steps, hosts, dice)
    except BaseException as error:
        error.add_note(f"schedule {number} of length {length}, {place or 'nowhere in particular'}")
        raise


@pytest.mark.parametrize("place", DEATHS)
def test_whoever_dies_there_each_drop_is_done_once(place: str) -> None:
    """For every place where death can strike, schedules by dice until it has struck there."""
    assert any(tell(number, 12, place)[place] for number in range(10))


@pytest.mark.torture
def test_whoever_dies_wherever_each_drop_is_done_once() -> None:
    """A thousand longer ones reach every place many times."""
    deaths: Counter[str] = Counter()
    for number in range(10_000, 11_000):
        deaths += tell(number, 50)
    print(f"\n1,000 schedules, {deaths.total()} deaths: {dict(sorted(deaths.items()))}")
    assert not [place for place in DEATHS if deaths[place] < 20]
