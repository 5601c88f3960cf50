"""What is worth a message, and when: one for one trouble, not a hundred. Pure; times are seconds of a clock.

Rules of this file:

* What happens within a few seconds is one message. What goes on happening is told less and less often, with
  how much it was since; after a calm it is told at once again.
* A trouble is told when it begins, and once more when it has been over for a while. One that comes and goes
  is one trouble: its reason may change its figures meanwhile, and that is no news.
* Memory is bounded: facts beyond what a message can hold are only counted.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.notify.message import MAX_FACTS, Fact, Message, composed

GATHER_S: Final = 3.0
GAP_MIN_S: Final = 30.0
GAP_MAX_S: Final = 900.0
OVER_S: Final = 60.0


@dataclass(slots=True)
class _Pile:
    """What is to be told of one kind; ``due_at`` is when, ``gap_s`` how long the next is held back."""

    facts: list[Fact] = field(default_factory=list)
    count: int = 0
    due_at: float = math.inf
    told_at: float = -math.inf
    gap_s: float = 0.0


@dataclass(slots=True)
class _Trouble:
    """One that was told; ``gone_at`` is since when it has been over, infinity while it is not."""

    fact: Fact
    gone_at: float = math.inf


class Digest:
    """Takes news in and gives messages out. ``on`` is what is worth one."""

    def __init__(self, on: Collection[str]) -> None:
        self._on = on
        self._piles = {event: _Pile() for event in ("published", "failed", "blocked", "recovered")}
        self._troubles: dict[str, _Trouble] = {}

    def happened(self, event: str, fact: Fact, now: float) -> None:
        """Take in that something happened to a job."""
        if event in self._on:
            self._add(event, fact, now)

    def troubled(self, troubles: Mapping[str, str], now: float) -> None:
        """Take in which troubles there are now, each with its reason."""
        if "blocked" not in self._on:
            return
        for name, reason in troubles.items():
            known = self._troubles.get(name)
            fact = Fact(trouble=name, reason=reason)
            if known is None:
                self._troubles[name] = _Trouble(fact)
                self._add("blocked", fact, now)
            else:
                known.gone_at = math.inf
        for name, trouble in self._troubles.items():
            if name not in troubles:
                trouble.gone_at = min(trouble.gone_at, now)

    def due(self, now: float, *, all_of_it: bool = False) -> list[Message]:
        """Return the messages that are due; ``all_of_it``: also what would still be gathered."""
        for name, trouble in list(self._troubles.items()):
            if trouble.gone_at + OVER_S <= now:
                del self._troubles[name]
                self._add("recovered", Fact(trouble=name), now)
        piles = self._piles.items()
        return [
            self._message(event, pile, now)
            for event, pile in piles
            if pile.count and (all_of_it or pile.due_at <= now)
        ]

    def wait_s(self, now: float) -> float:
        """Return how long it is until something may be due; infinity when nothing is waiting."""
        times = [pile.due_at for pile in self._piles.values() if pile.count]
        times += [trouble.gone_at + OVER_S for trouble in self._troubles.values()]
        return max(0.0, min(times, default=math.inf) - now)

    def _add(self, event: str, fact: Fact, now: float) -> None:
        pile = self._piles[event]
        if not pile.count:
            if now - pile.told_at > 2 * pile.gap_s:  # a calm
                pile.gap_s = 0.0
            pile.due_at = max(now + GATHER_S, pile.told_at + pile.gap_s)
        pile.count += 1
        if len(pile.facts) < MAX_FACTS:
            pile.facts.append(fact)

    def _message(self, event: str, pile: _Pile, now: float) -> Message:
        message = composed(event, pile.facts, pile.count)
        pile.facts, pile.count, pile.due_at, pile.told_at = [], 0, math.inf, now
        pile.gap_s = min(max(GAP_MIN_S, 2 * pile.gap_s), GAP_MAX_S)
        return message
