"""What is counted while the program runs; every count begins with the process, as Prometheus expects.

Rules of this file:

* No lock: each count has one writer. ``recorded`` and ``heard`` are the engine's thread, ``asked`` is the one
  that owns the service's client, ``sent`` has two threads for different keys. Readers take a copy, which is
  one step of the interpreter.
* Labels are words of ours, so there are never more than a few hundred figures, whatever comes from outside.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from offcloud_watchd.core.events import Deferred, Event, Published
from offcloud_watchd.core.lifecycle import OWES
from offcloud_watchd.core.messages import Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import Job, Publication
from offcloud_watchd.errors import Blocked, Cancelled, Permanent, Transient

DEGREES: Final = ("pieces in part", "pieces", "size", "unverified")
"""How a release can be verified, the longer word before its beginning."""
ORIGINS: Final = ("fetched", "linked")
_KINDS: Final = (
    (Transient, "transient"),
    (Permanent, "permanent"),
    (Blocked, "blocked"),
)
_CALLS: Final = frozenset({"cloud", "instant", "remote", "cache", "torrent", "oauth"})
_VERBS: Final = frozenset(
    {"device", "download", "explore", "history", "list", "remove", "retry", "status", "token", "upload"}
)


class Tally:
    """The counts. Implements ``core.ports.Subscriber``."""

    def __init__(self) -> None:
        # From zero on: Prometheus takes the first figure it sees of a counter for no growth.
        self._events = Counter({kind.__name__: 0 for kind in get_args(Event)})
        self._retries = Counter({str(state): 0 for state in OWES})
        self._verified = Counter(dict.fromkeys(itertools.product(DEGREES, ORIGINS), 0))
        self._errors: Counter[tuple[str, str]] = Counter()
        self._calls: Counter[tuple[str, str]] = Counter()
        self._messages: Counter[tuple[str, str]] = Counter()
        self._published_files = 0
        self._published_bytes = 0

    # --- what happens ---

    def recorded(self, event: Event, job: Job) -> None:
        """Count an event of a job that has become durable."""
        self._events[type(event).__name__] += 1
        if isinstance(event, Deferred) and event.charged:
            self._retries[job.state] += 1
        if isinstance(event, Published):
            self._published(event.publication)

    def heard(self, messages: Sequence[Message]) -> None:
        """Count what went wrong, out of what the lanes say to the engine."""
        for message in messages:
            match message:
                case Outcome(effect=effect, error=BaseException() as error):
                    self._went_wrong(type(effect).__name__, error)
                case Probed(error=BaseException() as error):
                    self._went_wrong("Probe", error)
                case Looked(error=BaseException() as error):
                    self._went_wrong("Look", error)
                case _:
                    pass

    def asked(self, path: str, status: int | None) -> None:
        """Count a question to the service, and what came back: a status, or None for no answer."""
        self._calls[call_of(path), _answer(status)] += 1

    def sent(self, way: str, outcome: str, number: int = 1) -> None:
        """Count messages: by a way, ``sent`` or ``failed``; by ``none``, ``dropped``."""
        self._messages[way, outcome] += number

    # --- what was counted ---

    @property
    def events(self) -> Mapping[str, int]:
        """How often each event was recorded, by its name."""
        return dict(self._events)

    @property
    def retries(self) -> Mapping[str, int]:
        """How often something was put off after a failure, by the job's state."""
        return dict(self._retries)

    @property
    def verified(self) -> Mapping[tuple[str, str], int]:
        """How many releases were published, by how they were verified and how they came."""
        return dict(self._verified)

    @property
    def errors(self) -> Mapping[tuple[str, str], int]:
        """How often an effect went wrong, by its name and who must act."""
        return dict(self._errors)

    @property
    def calls(self) -> Mapping[tuple[str, str], int]:
        """How often the service was asked, by the call and the answer."""
        return dict(self._calls)

    @property
    def messages(self) -> Mapping[tuple[str, str], int]:
        """How many messages there were, by their way and what became of them."""
        return dict(self._messages)

    @property
    def published(self) -> tuple[int, int]:
        """Files and bytes of all that was published."""
        return self._published_files, self._published_bytes

    # --- inside ---

    def _published(self, publication: Publication) -> None:
        self._published_files += publication.files
        self._published_bytes += publication.size_bytes
        linked, _, rest = publication.verified.partition(": ")
        is_linked = linked.startswith("linked from ")
        how = rest if is_linked else publication.verified
        degree = next((degree for degree in DEGREES if how.startswith(degree)), "other")
        self._verified[degree, "linked" if is_linked else "fetched"] += 1

    def _went_wrong(self, effect: str, error: BaseException) -> None:
        if not isinstance(error, Cancelled):
            kind = next((word for one, word in _KINDS if isinstance(error, one)), "internal")
            self._errors[effect, kind] += 1


def call_of(path: str) -> str:
    """Name a call by the words of its path that are ours to know: never an id, never an address."""
    first, _, rest = path.strip("/").partition("/")
    verb = rest.partition("/")[0]
    if first not in _CALLS:
        return "account"
    return f"{first}/{verb}" if verb in _VERBS else first


def _answer(status: int | None) -> str:
    if status is None:
        return "none"
    # Too many requests is the one refusal that says something about ourselves.
    return "429" if status == 429 else f"{min(max(status // 100, 1), 5)}xx"
