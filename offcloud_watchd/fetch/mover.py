"""Who moves the bytes of a release into staging: what the shelf asks of a program that does it in our place.

Rules of this file:

* Names, room, checks and the rename are the shelf's, whoever moves the bytes.
* A mover keeps nothing of its own between two calls: what it began is found again by the name we gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from offcloud_watchd.fetch.download import Around, Gathered
from offcloud_watchd.fetch.listing import Listing
from offcloud_watchd.fetch.proof import Proof
from offcloud_watchd.fetch.staging import Round


class Mover(Protocol):
    """A program that writes where our staging lies. Several threads, for different jobs."""

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
