"""The process is killed at every call by which it changes a file or speaks to the network, or power fails.

After each death a daemon without a fault goes on, and the end is held against the laws (``ordeal.place``).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.ordeal.place import Fault, Ordeal, faultline, in_parallel
from tests.faults.ordeal.scenarios import BASIC, SCENARIOS, Scenario

FEW = 2
WORKERS = 2


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the library that strikes."""
    return faultline(tmp_path_factory.mktemp("faultline"))


@pytest.fixture(scope="module", params=["classic", "current"])
def ordeals(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, library: Path
) -> Iterator[list[Ordeal]]:
    """Give two places, each with an account of its own."""
    made = [
        Ordeal(tmp_path_factory.mktemp("ordeal"), library, generation=request.param, first=index * 10**6)
        for index in range(WORKERS)
    ]
    yield made
    for ordeal in made:
        ordeal.close()


def survives(ordeal: Ordeal, scenario: Scenario, fault: Fault, seed: int, *, twice: bool) -> bool:
    """Let a daemon die once or twice and hold the end against the laws; tell whether it died at all."""
    chance = random.Random(seed)
    enough = scenario.begin(ordeal)
    if not ordeal.dies(fault, chance, enough):
        return False
    if twice:
        ordeal.dies(Fault(chance.randint(1, fault.at + 20), power=fault.power), chance, enough)
    assert ordeal.live() == 0, ordeal.told()
    ordeal.check()
    return True


def at_every_call(
    ordeals: list[Ordeal], name: str, *, power: bool = False, twice: bool = False, few: int | None = None
) -> Counter[str]:
    """Die at every call of a scenario, or at a few that are spread over it; return the deaths by place."""
    scenario = SCENARIOS[name]
    if ordeals[0].generation not in scenario.generations:
        pytest.skip("this generation of the service knows no such way")
    enough = scenario.begin(ordeals[0])
    assert ordeals[0].live(Fault(), enough) == 0
    last = len(ordeals[0].calls())
    stride = 1 if few is None else max(1, last // few)
    numbers = iter(range(1, last + 1 if few else 2 * last, stride))
    deaths: Counter[str] = Counter()

    def runs(ordeal: Ordeal, _index: int) -> None:
        for number in numbers:
            seed = int(os.environ.get("ORDEAL_SEED", "0")) + number
            if survives(ordeal, scenario, Fault(number, power=power), seed, twice=twice):
                deaths[ordeal.died_at] += 1
            elif number > last:  # how many calls there are differs a little from run to run
                return

    in_parallel(ordeals, runs)
    print(f"\n{name}: {last} calls, {deaths.total()} deaths, at {len(deaths)} places: {deaths.most_common()}")
    return deaths


@pytest.mark.parametrize("ordeals", ["classic"], indirect=True)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_death_changes_nothing(ordeals: list[Ordeal], name: str) -> None:
    """Killed at a few calls over the whole of a life, the daemon comes to the same end."""
    assert at_every_call(ordeals, name, few=FEW).total() >= FEW // 2


@pytest.mark.parametrize("ordeals", ["classic"], indirect=True)
@pytest.mark.parametrize("name", BASIC)
def test_a_power_cut_changes_nothing(ordeals: list[Ordeal], name: str) -> None:
    """The same where what was not synced is lost."""
    assert at_every_call(ordeals, name, power=True, few=FEW).total() >= FEW // 2


@pytest.mark.torture
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_death_at_every_call_changes_nothing(ordeals: list[Ordeal], name: str) -> None:
    """Killed at the n-th call for every n, on both generations of the service."""
    at_every_call(ordeals, name)


@pytest.mark.torture
@pytest.mark.parametrize("ordeals", ["classic"], indirect=True)
@pytest.mark.parametrize("name", SCENARIOS)
def test_two_deaths_change_nothing(ordeals: list[Ordeal], name: str) -> None:
    """Killed at the n-th call for every n, and once more while it recovers."""
    at_every_call(ordeals, name, twice=True)


@pytest.mark.torture
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_power_cut_at_every_call_changes_nothing(ordeals: list[Ordeal], name: str) -> None:
    """What was not synced is lost at the n-th call for every n: the old state or the new one."""
    at_every_call(ordeals, name, power=True)


@pytest.mark.torture
@pytest.mark.parametrize("ordeals", ["classic"], indirect=True)
@pytest.mark.parametrize("name", SCENARIOS)
def test_two_power_cuts_change_nothing(ordeals: list[Ordeal], name: str) -> None:
    """The power fails at the n-th call for every n, and once more while the daemon recovers."""
    at_every_call(ordeals, name, power=True, twice=True)
