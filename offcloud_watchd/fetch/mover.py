"""Who moves the bytes of a release into staging: what it is given, what it promises, and what it returns.

Rules of this file:

* Names, room, checks and the rename are the shelf's, whoever moves the bytes.
* A mover keeps nothing of its own between two calls: what it began is found again by the name we gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from offcloud_watchd.core.model import Check
from offcloud_watchd.core.ports import Clock, OnProgress, Stop
from offcloud_watchd.fetch.listing import Listing
from offcloud_watchd.fetch.proof import Proof
from offcloud_watchd.fetch.room import Room
from offcloud_watchd.fetch.settings import ShelfSettings
from offcloud_watchd.fetch.staging import Round
from offcloud_watchd.fetch.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Around:
    """What a fetch works with besides its own files."""

    settings: ShelfSettings
    clock: Clock
    room: Room
    traffic: Traffic
    on_progress: OnProgress
    stop: Stop


@dataclass(frozen=True, slots=True)
class Gathered:
    """What lies complete in staging: number of files, bytes, and how they were verified."""

    files: int
    size_bytes: int
    verified: str
    checks: tuple[Check, ...]

    @classmethod
    def of(cls, proof: Proof, sizes: Sequence[int], confirmed: Sequence[bool]) -> Gathered:
        """Sum up files of these sizes in bytes; ``confirmed`` tells of each whether it is the one told."""
        return cls(len(sizes), sum(sizes), proof.words(confirmed), proof.checks(confirmed))


class Mover(Protocol):
    """A program that writes where our staging lies, in our place. Several threads, for different jobs."""

    def check(self, *, anew: bool = False) -> None:
        """Raise ``EngineDown`` while it cannot be given anything; ``anew``: whatever it said before."""
        ...

    def bring(self, staged: Round, listing: Listing, proof: Proof, around: Around) -> Gathered:
        """Bring all files of a round into its staged release, proved; goes on from what is there.

        Raises what ``Gathering`` raises, and ``EngineDown``. A stop leaves the program at work: the next call
        takes over what it has done by then.
        """
        ...

    def recall(self, staging_roots: Collection[str], is_over: Callable[[str, int], bool]) -> None:
        """Take back what it was given for the rounds that ``is_over(job id, round)`` names; repeatable.

        It writes nothing of them afterwards. Raises ``EngineDown``.
        """
        ...
