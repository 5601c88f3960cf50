"""Who is let in: sessions that a login begins, and how often a login may go wrong.

Rules of this file:

* A session is a random word in a cookie; it lives in memory and ends with the process: clients log in anew.
* Everything is bounded: sessions, addresses that are remembered, categories a session is known to use.
* Guessing is slowed by address; a session that has begun is never shut out by it, nor is a key that was good
  from the same address before.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.core.ports import Clock

MAX_SESSIONS: Final = 1000
IDLE_S: Final = 3600.0  # qBittorrent's own
MAX_ADDRESSES: Final = 1000
MAX_FAILURES: Final = 5
SHUT_OUT_S: Final = 60.0
"""Short: behind a container's gateway all clients share an address, and five tries a minute guess nothing."""
MAX_USED: Final = 16


@dataclass(slots=True)
class Session:
    """One client. ``used`` holds the categories it asked for, the newest last."""

    seen_s: float
    used: dict[str, None] = field(default_factory=dict)

    def uses(self, category: str) -> None:
        """Remember that the client works with a category."""
        self.used.pop(category, None)
        self.used[category] = None
        if len(self.used) > MAX_USED:
            del self.used[next(iter(self.used))]


class Sessions:
    """All sessions, by the word in the cookie or by what a client without one is known by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_word: OrderedDict[str, Session] = OrderedDict()

    def begin(self) -> str:
        """Begin a session and return its word."""
        word = secrets.token_urlsafe(24)
        self._keep(word)
        return word

    def get(self, word: str) -> Session | None:
        """Return the session of a word, None when there is none or it was idle too long."""
        session = self._by_word.get(word)
        if session is None:
            return None
        if self._clock.monotonic() - session.seen_s > IDLE_S:
            del self._by_word[word]
            return None
        session.seen_s = self._clock.monotonic()
        self._by_word.move_to_end(word)
        return session

    def of_client(self, name: str) -> Session:
        """Return what stands for the session of a client that needs none: it is known by a name it gives."""
        word = f" {name}"  # no word of a cookie begins so
        return self.get(word) or self._keep(word)

    def end(self, word: str) -> None:
        """End a session; an unknown one is ended already."""
        self._by_word.pop(word, None)

    def _keep(self, word: str) -> Session:
        session = self._by_word[word] = Session(self._clock.monotonic())
        if len(self._by_word) > MAX_SESSIONS:
            self._by_word.popitem(last=False)
        return session


class Doorkeeper:
    """Counts logins that went wrong, by address; what goes well takes nothing from that count.

    Otherwise a guesser beside a client that comes in every second could guess as often.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._trusted: OrderedDict[str, None] = OrderedDict()

    def shuts_out(self, address: str) -> bool:
        """Tell whether an address has to wait before its next try."""
        count, last_s = self._failures.get(address, (0, 0.0))
        return count >= MAX_FAILURES and self._clock.monotonic() - last_s < SHUT_OUT_S

    def failed(self, address: str) -> None:
        """Note a login that went wrong; those of long ago do not count."""
        count, last_s = self._failures.pop(address, (0, 0.0))
        now_s = self._clock.monotonic()
        recent = count if now_s - last_s < SHUT_OUT_S else 0
        self._failures[address] = (recent + 1, now_s)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def trust(self, address: str) -> None:
        """Note that a good key came from an address."""
        self._trusted.pop(address, None)
        self._trusted[address] = None
        if len(self._trusted) > MAX_ADDRESSES:
            self._trusted.popitem(last=False)

    def trusts(self, address: str) -> bool:
        """Tell whether a good key has come from an address."""
        return address in self._trusted
