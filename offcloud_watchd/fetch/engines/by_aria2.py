"""aria2 as a mover of bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path, PurePosixPath

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.fetch.engines.aria2 import Aria2
from offcloud_watchd.fetch.engines.errand import Errand
from offcloud_watchd.fetch.engines.settings import Aria2Settings
from offcloud_watchd.fetch.engines.workplace import WORK_NAME
from offcloud_watchd.fetch.listing import Listing
from offcloud_watchd.fetch.mover import Around, Gathered
from offcloud_watchd.fetch.owners import owner_of
from offcloud_watchd.fetch.proof import Proof
from offcloud_watchd.fetch.staging import Round


def aria2_client(
    settings: Aria2Settings, read_secret: Callable[[Path, str, str], str], clock: Clock
) -> Aria2:
    """Return our side of an aria2; its secret is read again for each question."""
    read = partial(read_secret, settings.secret_file or Path(), settings.secret_setting, "RPC secret")
    return Aria2(settings, read, clock)


class Aria2Mover:
    """Has aria2 move the bytes; implements ``fetch.mover.Mover``."""

    def __init__(self, aria: Aria2) -> None:
        self._aria = aria

    def check(self, *, anew: bool = False) -> None:
        """Raise ``EngineDown`` while it cannot be given anything."""
        if anew:
            self._aria.forget_trouble()
        self._aria.version()

    def bring(self, staged: Round, listing: Listing, proof: Proof, around: Around) -> Gathered:
        """Bring all files of a round into its staged release, proved."""
        return Errand(self._aria, staged, listing, proof, around).run()

    def recall(self, staging_roots: Collection[str], is_over: Callable[[str, int], bool]) -> None:
        """End what it still fetches for the rounds that are over, and have it forgotten."""
        roots = {PurePosixPath(self._aria.theirs(root)) for root in staging_roots}
        for download in list(self._aria.all()):
            work = PurePosixPath(download.directory)
            owner = owner_of(work.parent.name)
            ours = work.name == WORK_NAME and work.parent.parent in roots
            if ours and owner is not None and is_over(*owner):
                self._aria.drop(download.gid, threading.Event())
