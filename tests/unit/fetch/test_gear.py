"""How many connections are used, against lines of many kinds, on a clock that tests own."""

from collections.abc import Callable

import pytest

from offcloud_watchd.fetch.gear import FIRST_BYTES, LEAST_BYTES, Gear, request_bytes

MIB = 1024**2


def run(
    gear: Gear, rate_of: Callable[[int], float], seconds: float, *, begin_s: float = 0.0, most: int = 8
) -> set[int]:
    """Let a gear look at a line that gives ``rate_of(connections)``; return the numbers it used."""
    used, at, received = set(), begin_s, gear._received_bytes
    while at < begin_s + seconds:
        number = gear.look(at, int(received), most=most, wanting=True)
        used.add(number)
        at += 0.1
        received += rate_of(number) * 0.1
    return used


def test_one_connection_is_enough_where_it_is_fast() -> None:
    """Nothing is gained by more."""
    assert run(Gear(0.0, 1), lambda number: 500 * MIB, 60) == {1}


def test_a_host_that_limits_each_connection_gets_all_at_once() -> None:
    """And now and then a trial of fewer, which does not last."""
    gear = Gear(0.0, 1)
    assert run(gear, lambda number: number * 5 * MIB, 4) == {1, 8}
    assert run(gear, lambda number: number * 5 * MIB, 200, begin_s=4.0) == {4, 8}
    assert gear.number == 8


def test_a_narrow_line_comes_down_to_few() -> None:
    """Where fewer give as much, they stay."""
    gear = Gear(0.0, 1)
    run(gear, lambda number: 5 * MIB, 50)
    assert gear.number == 1


def test_a_line_that_becomes_fast_and_slow_again_is_tried_again() -> None:
    """A minute after it was found that more do not help."""
    gear = Gear(0.0, 1)
    run(gear, lambda number: 5 * MIB, 50)
    assert 8 in run(gear, lambda number: number * 5 * MIB, 70, begin_s=50.0)


def test_a_line_that_does_not_wait_for_the_network_is_left_alone() -> None:
    """A slow disk, or a limit, is no reason for more connections, nor for a trial."""
    gear = Gear(0.0, 1)
    for tick in range(1, 200):
        assert gear.look(tick * 0.1, 0, most=8, wanting=False) == 1


def test_looks_that_follow_at_once_change_nothing() -> None:
    """A rate needs time."""
    gear = Gear(0.0, 1)
    assert gear.look(0.01, 5, most=8, wanting=True) == 1


def test_a_share_that_becomes_smaller_is_kept() -> None:
    """Another job came."""
    gear = Gear(0.0, 1)
    run(gear, lambda number: number * MIB, 2)
    assert gear.look(2.01, 5, most=4, wanting=True) == 4
    assert gear.look(3.0, 5, most=2, wanting=True) == 2


@pytest.mark.parametrize("working", [0, 1, 3])
def test_a_host_that_refuses_is_met_with_what_it_gives(working: int) -> None:
    """For a minute; then it is asked again."""
    gear = Gear(0.0, 8)
    gear.refused(1.0, working)
    least = max(1, working)
    assert (gear.number, gear.limit(1.0, 8), gear.limit(1.0, 2)) == (least, least, min(least, 2))
    assert max(run(gear, lambda number: number * MIB, 50, begin_s=1.0)) == least
    assert 8 in run(gear, lambda number: number * MIB, 30, begin_s=51.0)


@pytest.mark.parametrize(
    ("left_mib", "number", "mib_per_s", "asked_mib"),
    [
        (1, 1, 0.0, 1),
        (100, 1, 0.0, FIRST_BYTES // MIB),
        (1000, 1, 20.0, 160),
        (1000, 8, 0.0, FIRST_BYTES // MIB),
        (1600, 8, 1000.0, 100),
        (1000, 8, 1.0, 8),
        (16, 8, 20.0, LEAST_BYTES // MIB),
        (1, 8, 20.0, 1),
    ],
)
def test_how_much_is_asked_for(left_mib: int, number: int, mib_per_s: float, asked_mib: int) -> None:
    """Some seconds' worth, an even share of the rest at the most, and never crumbs."""
    assert request_bytes(left_mib * MIB, number, mib_per_s * MIB) == asked_mib * MIB
