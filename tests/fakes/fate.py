"""Where and how the process dies, and which acts fail: one hand for everything outside the engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.fakes.disk import Died


class Manner(NamedTuple):
    """How a process dies.

    ``share``: how much of a write under way is done. ``power``: None when the machine goes on, else which of
    the states that a power cut can leave on the disk is the one. ``again``: where the next start dies too,
    and ``power_again``: how then.
    """

    share: float = 0.5
    power: int | None = None
    again: str = ""
    power_again: int | None = None


EASY: Final = Manner()
"""The process alone dies, and once."""


@dataclass
class Fate:
    """Where death strikes next, how often it did where and how the last time, and which acts fail how."""

    deaths: Counter[str] = field(default_factory=Counter)
    place: str = ""
    skip: int = 0
    manner: Manner = EASY
    last: Manner = EASY
    glitches: dict[str, str] = field(default_factory=dict)

    def doom(self, place: str, skip: int = 0, manner: Manner = EASY) -> None:
        """Let death strike at the ``skip + 1``-th passing of a place, like ``submit done``."""
        self.place, self.skip, self.manner = place, skip, manner

    def at(self, place: str) -> None:
        """Pass a place; die there when it is the one."""
        if place != self.place:
            return
        if self.skip:
            self.skip -= 1
            return
        self.strike(place)
        raise Died(place)

    def strike(self, place: str) -> None:
        """Count a death; the next one, if it is to be, strikes in the start that follows."""
        self.deaths[place] += 1
        if self.manner.power is not None:
            self.deaths["of a power cut"] += 1
        self.last = self.manner
        self.place, self.skip = self.manner.again, 0
        self.manner = Manner(self.manner.share, self.manner.power_again)

    def glitch(self, act: str) -> str:
        """Return how an act fails this time, and be done with it."""
        return self.glitches.pop(act, "")
