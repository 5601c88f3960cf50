"""What fetches share: connections and the rate."""

import pytest

from offcloud_watchd.fetch.settings import ShelfSettings
from offcloud_watchd.fetch.traffic import Traffic, Use, even_share


def test_connections_are_shared_evenly() -> None:
    """A job alone has no more than its most; each has one at the least."""
    traffic = Traffic(ShelfSettings(connections=12, connections_per_job=8))
    got = []
    for number in range(14):
        traffic.join(str(number))
        got.append(traffic.connections())
    assert got == [8, 6, 4, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    traffic.leave("0")
    for number in range(14):
        traffic.leave(str(number))
    assert traffic.connections() == 8


@pytest.mark.parametrize(
    ("others", "share"),
    [
        ([], 120.0),
        ([Use()], 60.0),
        ([Use(), Use()], 40.0),
        ([Use(8.0, hungry=False)], 110.0),
        ([Use(8.0, hungry=False), Use()], 55.0),
        ([Use(80.0, hungry=False), Use()], 40.0),
        ([Use(80.0, hungry=False), Use(8.0, hungry=False)], 55.0),
        ([Use(0.0, hungry=False)] * 5, 120.0),
    ],
)
def test_the_rate_is_shared_by_those_who_want_it(others: list[Use], share: float) -> None:
    """What one does not want, with a little more, is for the others; nobody gets more than an even part."""
    assert even_share(120.0, others) == pytest.approx(share)


def test_an_allowance_follows_the_limit_and_the_others() -> None:
    """It is asked for anew each time, and is never nothing."""
    limit: float | None = None
    traffic = Traffic(ShelfSettings(rate_limit=lambda: limit))
    traffic.join("a")
    traffic.join("b")
    assert traffic.allowance("a", 500.0, None) is None
    limit = 100_000.0
    assert traffic.allowance("a", 500.0, None) == 50_000.0
    traffic.allowance("b", 8_000.0, 50_000.0)
    assert traffic.allowance("a", 50_000.0, 50_000.0) == 90_000.0
    limit = 0.0
    assert traffic.allowance("a", 0.0, None) == 1024.0
