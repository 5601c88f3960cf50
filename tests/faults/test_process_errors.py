"""The disk of the real process fails, or it gets no descriptor or thread; once, for a while, or for good.

Once or for a while: the daemon stays up, begins nothing it could not record, and goes on by itself as soon as
the disk does. For good: it can be stopped, and a start on a sound disk goes on.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.faults.ordeal.place import (
    DESCRIPTOR,
    NAME,
    SPACE,
    SYNC,
    TAG,
    THREAD,
    Fault,
    Ordeal,
    faultline,
    in_parallel,
    watched,
)
from tests.faults.ordeal.scenarios import BASIC, SCENARIOS

FEW = 3
HURT_S = 0.4
"""How long the disk stays broken: long enough to be met, short enough to be tried a hundred times."""

CLASSES = {
    "no room": (SPACE | NAME, errno.ENOSPC),
    "failed sync": (SYNC, errno.EIO),
    "broken": (SYNC | SPACE | NAME | TAG, errno.EIO),
    "read-only": (SPACE | NAME | TAG, errno.EROFS),
    "no descriptor": (DESCRIPTOR, errno.EMFILE),
    "no thread": (THREAD, errno.EAGAIN),
}
EXITS = (0, 1)
"""0: it was stopped in order; 1: it could not start, and said why."""


@pytest.fixture(scope="module")
def ordeals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ordeal]]:
    """Give two places, each with an account of its own."""
    library = faultline(tmp_path_factory.mktemp("faultline"))
    made = [
        Ordeal(tmp_path_factory.mktemp("ordeal"), library, first=index * 10**6 + 5 * 10**7)
        for index in range(2)
    ]
    yield made
    for ordeal in made:
        ordeal.close()


def fails_once(ordeal: Ordeal, name: str, fault: Fault) -> bool:
    """Let one call fail; the daemon comes to the same end by itself. Tell whether there was such a call.

    A lane that was paused is asked to look again, as an operator would: the daemon itself waits for half a
    minute.
    """
    enough = SCENARIOS[name].begin(ordeal)
    code = ordeal.ended(ordeal.start(fault), ordeal.impatiently(enough))
    assert code in EXITS, ordeal.told()
    struck = len(ordeal.calls()) >= fault.at
    assert ordeal.live() == 0, ordeal.told()
    ordeal.check()
    return struck


def fails_until_mended(ordeal: Ordeal, name: str, fault: Fault) -> bool:
    """Let all calls fail from one on, for a while; the daemon goes on by itself, or a new one does."""
    enough = SCENARIOS[name].begin(ordeal)
    pid = ordeal.start(fault)
    with watched(pid) as has_ended:
        has_ended(HURT_S)
        (ordeal.root / "healed").touch()
    assert ordeal.ended(pid, ordeal.impatiently(enough)) in EXITS, ordeal.told()
    struck = len(ordeal.calls()) >= fault.at
    assert ordeal.live() == 0, ordeal.told()
    ordeal.check()
    return struck


def fails_for_good(ordeal: Ordeal, name: str, fault: Fault) -> bool:
    """Let all calls fail from one on, and stop the daemon; the next one, on a sound disk, goes on."""
    SCENARIOS[name].begin(ordeal)
    pid = ordeal.start(fault)
    with watched(pid) as has_ended:
        if not has_ended(HURT_S):
            os.kill(pid, signal.SIGTERM)
        assert has_ended(25), "a daemon on a broken disk does not stop"
    assert ordeal.nursery.wait(pid) in (*EXITS, -signal.SIGTERM), ordeal.told()
    struck = len(ordeal.calls()) >= fault.at
    assert ordeal.live() == 0, ordeal.told()
    ordeal.check()
    return struck


Manner = Callable[[Ordeal, str, Fault], bool]


def at_every_call(
    ordeals: list[Ordeal], name: str, what: str, manner: Manner, *, lasting: bool, few: int | None = None
) -> int:
    """Fail at every call of a kind, or at a few spread over them; return how often."""
    classes, code = CLASSES[what]
    enough = SCENARIOS[name].begin(ordeals[0])
    assert ordeals[0].live(Fault(classes=classes), enough) == 0
    last = len(ordeals[0].calls())
    numbers = iter(range(1, last + 1, 1 if few is None else max(1, last // few)))
    struck: list[int] = []

    def runs(ordeal: Ordeal, _index: int) -> None:
        struck.extend(
            number
            for number in numbers
            if manner(ordeal, name, Fault(number, code, classes, lasting=lasting))
        )

    in_parallel(ordeals, runs)
    print(f"\n{name}, {what}, {manner.__name__}: {len(struck)} of {last} calls")
    return len(struck)


@pytest.mark.parametrize("what", ["no room", "failed sync", "no descriptor", "no thread"])
def test_one_error_is_got_over(ordeals: list[Ordeal], what: str) -> None:
    """A few writes and syncs over the whole of a life."""
    assert at_every_call(ordeals, "one magnet", what, fails_once, lasting=False, few=FEW)


@pytest.mark.parametrize("what", ["no room", "no descriptor", "no thread"])
def test_what_is_short_is_waited_for(ordeals: list[Ordeal], what: str) -> None:
    """Calls fail for a while; the same daemon comes to the end, or a new one does."""
    assert at_every_call(ordeals, "one magnet", what, fails_until_mended, lasting=True, few=FEW)


@pytest.mark.torture
@pytest.mark.parametrize("what", CLASSES)
@pytest.mark.parametrize("name", BASIC)
def test_every_single_error_is_got_over(ordeals: list[Ordeal], name: str, what: str) -> None:
    """The n-th call of each kind, for every n."""
    at_every_call(ordeals, name, what, fails_once, lasting=False)


@pytest.mark.torture
@pytest.mark.parametrize("what", CLASSES)
@pytest.mark.parametrize("manner", [fails_until_mended, fails_for_good])
def test_a_lasting_error_from_any_call_on(ordeals: list[Ordeal], what: str, manner: Manner) -> None:
    """From the n-th call of each kind on, for every n."""
    at_every_call(ordeals, "one magnet", what, manner, lasting=True)
