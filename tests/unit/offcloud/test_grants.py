"""Links that wait for their fetch: each once, few, not for long."""

from offcloud_watchd.core.model import RemoteFile
from offcloud_watchd.offcloud.grants import LIFE_S, MOST, Grants
from tests.fakes.clock import FakeClock

ONE = ("one", None)
FILES = (RemoteFile("a", "https://files.invalid/a", 1),)


def test_links_are_taken_once():
    """Whoever comes later has to have new ones."""
    grants = Grants(FakeClock())
    grants.keep(ONE, FILES)
    assert grants.take(("two", None)) is None
    assert grants.take(("one", "EU")) is None, "what another proxy gave is not what is wanted"
    assert grants.take(ONE) == FILES
    assert grants.take(ONE) is None


def test_old_links_are_not_used():
    """They may be dead, and asking anew is cheaper than finding out."""
    clock = FakeClock()
    grants = Grants(clock)
    grants.keep(ONE, FILES)
    clock.advance(LIFE_S)
    assert grants.take(ONE) is None


def test_few_links_are_kept():
    """Where ten thousand wait for their fetch, the oldest are asked for again when it comes."""
    grants = Grants(FakeClock())
    for number in range(MOST + 1):
        grants.keep((f"{number}", None), FILES)
    grants.keep(("1", None), FILES)
    assert grants.take(("0", None)) is None
    assert all(grants.take((f"{number}", None)) for number in range(1, MOST + 1))
