"""The list of the service, and what the torrent says of it, when the two agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from offcloud_watchd.core.model import Job, RemoteFile
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import Cancelled, Contradicted
from offcloud_watchd.fetch.choice import Choice
from offcloud_watchd.fetch.listing import Listing
from offcloud_watchd.fetch.proof import Proof, proof_for
from offcloud_watchd.fetch.settings import ShelfSettings


def agreed(
    job: Job, ask: Callable[[], Sequence[RemoteFile]], settings: ShelfSettings, stop: Stop
) -> tuple[Listing, Proof]:
    """Ask for the list, and again where it contradicts the torrent: the next one may not."""
    torrent = settings.torrent_of(job)
    waits_s = (settings.pause_s(again) for again in range(1, settings.reconnects + 1))
    while True:
        listing = Listing(ask, Choice(settings.include, settings.exclude))
        try:
            return listing, proof_for(job.link, torrent, listing.subjects, listing.left_out)
        except Contradicted:
            wait_s = next(waits_s, None)
            if wait_s is None:
                raise
        if stop.wait(wait_s):
            raise Cancelled("stopped before the list was asked for again")
