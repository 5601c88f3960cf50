"""How fast it may go by the time of day."""

import pickle
import time

import pytest

from offcloud_watchd.fetch import RateLimit, Slot

NIGHT = Slot.between("22:00", "06:30", None)
OFFICE = Slot.between("09:00", "17:00", 1000.0)


@pytest.mark.parametrize(
    ("clock", "rate"),
    [
        ("21:59", 5.0),
        ("22:00", None),
        ("00:00", None),
        ("06:29", None),
        ("06:30", 5.0),
        ("09:00", 1000.0),
        ("16:59", 1000.0),
        ("17:00", 5.0),
    ],
)
def test_the_time_of_day_decides(clock: str, rate: float | None) -> None:
    """A slot's first minute is in it and its last is not; one may go over midnight."""
    limit = RateLimit(5.0, (NIGHT, OFFICE), lambda: time.strptime(clock, "%H:%M"))
    assert limit() == rate


def test_the_first_slot_that_holds_counts() -> None:
    """One that ends where it begins is the whole day."""
    always = Slot.between("03:00", "03:00", 7.0)
    noon = time.strptime("12:00", "%H:%M")
    assert RateLimit(None, (OFFICE, always), lambda: noon)() == 1000.0
    assert RateLimit(None, (always, OFFICE), lambda: noon)() == 7.0


def test_without_slots_the_ordinary_limit_counts() -> None:
    """And it can be sent to another process, as settings are."""
    assert pickle.loads(pickle.dumps(RateLimit(9.0)))() == 9.0
    assert RateLimit()() is None
