"""What can happen to a world, thrown by dice: the steps of a schedule, and the journals to live over."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from offcloud_watchd.core.model import RemoteTarget, Removal, Route, Verb
from tests.fakes import journal_memory, journal_on_disk
from tests.fakes.clock import FakeClock
from tests.fakes.fate import Fate, Manner
from tests.fakes.journal_on_disk import POWER_CUTS, UNRENEWABLE, DiskJournal
from tests.fakes.world import LAG_S, MakeJournal, SurvivingJournal, in_memory

ASKED = (Verb.RETRY, Verb.CANCEL, Verb.FORGET)
"""What moves a job on; another category moves nothing, and is a step of its own."""
CATEGORIES = ("tv", "film", "now", "soon", "away", "abroad", "afar", "picky", "hasty")
TWINS = {"tv": "film", "film": "tv", "now": "soon", "soon": "now", "picky": "tv", "hasty": "picky"}
"""The other category on the same route."""
USUAL = (*CATEGORIES[:2] * 6, *CATEGORIES[2:])
"""The same, as often as each is dropped into."""
TARGETS = (RemoteTarget("drive", "f1"), RemoteTarget("drive", "f2"))
"""Remote accounts that a category can be sent to."""
DEAD = "dead"
CACHED = "cached"
KEYS = ("one", "two", "three", DEAD, CACHED)

ACT_DEATHS = tuple(
    f"{act} {moment}"
    for act in (
        "submit",
        "upload",
        "send",
        "retry",
        "remove",
        "grant",
        "granted",
        "find",
        "status",
        "statuses",
        "cached",
        "files",
        "publish",
        "link",
        "inspect",
        "vanished",
        "imported",
        "report",
        "discard",
        "settle",
        "tidy",
    )
    for moment in ("before", "done")
)

Step = tuple[object, ...]


@contextmanager
def _memory() -> Iterator[MakeJournal]:
    yield in_memory


@contextmanager
def _disk() -> Iterator[MakeJournal]:
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="crash-machine-", dir=fast if fast.is_dir() else None) as name:
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
        "disk",
        _disk,
        journal_on_disk.APPENDING,
        journal_on_disk.RENEWING,
        journal_on_disk.STARTING,
        schedules=200,
    ),
}


def step_of(dice: random.Random, medium: Medium) -> Step:
    """Throw one step."""
    return dice.choice(MAKERS)(dice, medium)


def _drop(dice: random.Random, _medium: Medium) -> Step:
    keys = [dice.choice(KEYS) for _ in range(dice.randint(1, 2))]
    return ("drop", keys, dice.choice(USUAL), dice.choice([False, False, True]))


def _refuse(dice: random.Random, _medium: Medium) -> Step:
    return ("refuse", dice.choice(CATEGORIES[:2]))


def _drop_done(dice: random.Random, _medium: Medium) -> Step:
    """Drop what is done again, for its own category or the other one; it may have been taken away."""
    return ("drop done", dice.randint(0, 5), dice.choice([False, True]), dice.choice([False, True]))


def _command(dice: random.Random, _medium: Medium) -> Step:
    return ("command", dice.choice(ASKED), dice.randint(0, 5), dice.choice([False, True]))


def _categorize(dice: random.Random, _medium: Medium) -> Step:
    """Put a job into another category, whose settings say another way."""
    return ("categorize", dice.randint(0, 5), dice.choice(CATEGORIES))


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
        ("disk missing", not good),
        ("no links", not good),
        ("lose release", dice.randint(0, 5)),
        ("lose release", dice.randint(0, 5)),
        ("import", dice.randint(0, 5)),
        ("import", dice.randint(0, 5)),
        ("lag", dice.choice([0.0, 20.0, LAG_S, LAG_S])),
        ("lag", LAG_S),
        ("journal torn at", None if good else dice.randint(0, 3)),
        ("unrenewable", "" if good else dice.choice(UNRENEWABLE)),
        ("compact", None),
        ("no retries", not good),
        ("delete in account", dice.randint(0, 5)),
        ("submit", dice.choice(["transient", "lost", "late", "bug"])),
        ("submit", dice.choice(["lost", "late"])),
        ("submit", "late"),
        (
            dice.choice(["find", "status", "statuses", "files", "publish", "discard", "settle", "account"]),
            "lost",
        ),
        (dice.choice(["find", "status", "statuses", "files", "publish", "account"]), "bug"),
        (dice.choice(["grant", "granted", "retry", "remove", "upload"]), dice.choice(["lost", "bug"])),
        ("disk tight", not good),
        ("place gone", dice.choice(["", "/out", "/elsewhere"])),
        ("cached", dice.choice(["lost", "bug"])),
        (dice.choice(["link", "inspect", "report", "vanished", "imported"]), dice.choice(["lost", "bug"])),
    ]
    return ("fault", *dice.choice(faults))


def _reconfigure(dice: random.Random, _medium: Medium) -> Step:
    """Change the settings: what is under way was recorded by the old ones."""
    ways = [None, (Route.INSTANT, None), (Route.REMOTE, TARGETS[0]), (Route.REMOTE, TARGETS[1])]
    changes: list[Step] = [
        ("remove", dice.choice(list(Removal))),
        ("output", dice.choice(["/out", "/elsewhere"])),
        ("account", None),
        *((category, dice.choice(ways)) for category in dice.sample(CATEGORIES[:6], 3)),
    ]
    return ("reconfigure", *dice.choice(changes))


def _damage(dice: random.Random, _medium: Medium) -> Step:
    """Lose lines of the journal, and repair it."""
    return ("damage", dice.choice([dice.random(), 0.9, 0.97]), dice.choice([1, 1, 2, 3, 8, -1]))


Maker = Callable[[random.Random, Medium], Step]

WEIGHTS: dict[Maker, int] = {
    _go_on: 6,
    _drop: 4,
    _refuse: 1,
    _drop_done: 3,
    _command: 3,
    _categorize: 1,
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
    _reconfigure: 1,
    _damage: 1,
}
MAKERS = [maker for maker, weight in WEIGHTS.items() for _ in range(weight)]


@st.composite
def schedules(draw: st.DrawFn, medium: Medium, longest: int) -> list[Step]:
    """Draw a schedule, each step by itself, so that one can be left out."""
    length = draw(st.integers(0, longest))
    step = st.randoms(use_true_random=False).map(lambda dice: step_of(dice, medium))
    return draw(st.lists(step, min_size=length, max_size=length))
