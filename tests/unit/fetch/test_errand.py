"""The files of a round in aria2's hands, as far as no aria2 is needed for it."""

import errno
import os

import pytest

from offcloud_watchd.core.model import RemoteFile
from offcloud_watchd.fetch.choice import Choice
from offcloud_watchd.fetch.engines.aria2 import Aria2
from offcloud_watchd.fetch.engines.errand import Errand
from offcloud_watchd.fetch.engines.settings import Aria2Settings
from offcloud_watchd.fetch.listing import Listing
from offcloud_watchd.fetch.mover import Around
from offcloud_watchd.fetch.proof import Proof
from offcloud_watchd.fetch.room import Room
from offcloud_watchd.fetch.staging import Place, Rights, opened
from offcloud_watchd.fetch.traffic import Traffic
from tests.unit.fetch.bench import Bench, open_descriptors


def test_a_disk_that_does_not_sync_costs_no_descriptor(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again and again, for as long as the disk is ill."""
    settings = bench.settings()
    aria = Aria2(Aria2Settings(url="http://127.0.0.1:1"), lambda: "", bench.clock)
    listing = Listing(lambda: [RemoteFile("Root/a", "https://host/a", 1)], Choice())
    around = Around(settings, bench.clock, Room(0), Traffic(settings), bench.progress.append, bench.stop)

    def ill(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    place = Place(str(bench.category), str(bench.staging), "c0ffee", 0)
    with opened(place, Rights(0o644, 0o755, None)) as staged:
        before = open_descriptors()
        monkeypatch.setattr(os, "fsync", ill)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            Errand(aria, staged, listing, Proof.of_nothing(listing.subjects), around)
        assert open_descriptors() == before
