"""Which jobs a client may follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from offcloud_watchd.core.model import Job, JobState, Link, LinkKind
from offcloud_watchd.core.picture import Overview, Picture
from offcloud_watchd.web.selection import Wanted, at_address
from tests.fakes.jobs import NOW, a_job, a_link


def test_a_client_follows_what_is_there() -> None:
    """Of its address's category or of all; not what is being removed, nor a drop that could not be used."""
    unusable = replace(a_link("file"), kind=LinkKind.FILE, url="")
    jobs = (
        a_job(JobState.DONE, id="a"),
        a_job(JobState.CLOUD, id="b", category="film"),
        a_job(JobState.REMOVED, id="c"),
        a_job(JobState.FAILED, id="d", link=unusable),
    )
    overview = Overview(Picture(NOW, {}, (), (), {}, ""), jobs, {}, frozenset())
    assert [job.id for job in at_address(overview, None)] == ["a", "b"]
    assert [job.id for job in at_address(overview, "film")] == ["b"]


PAGE = a_job(
    id="a1b007", release="", link=Link(LinkKind.URL, "url:https://example.org/Film.iso?key=007", "", "Page")
)
TORRENT = a_job(
    id="b00700", release="Film.12", link=Link(LinkKind.TORRENT, f"btih:{'C007':0<40}".lower(), "")
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("film", [PAGE, TORRENT]),
        ("FILM 12", [TORRENT]),
        ("example.org film", [PAGE]),
        ("007", []),  # within an id, an info hash, and what may be secret
        ("c007", [TORRENT]),
        ("btih:c007", [TORRENT]),
        ("film a1b0", [PAGE]),
        ("film nothing", []),
    ],
)
def test_every_word_is_met(text: str, found: list[Job]) -> None:
    """Anywhere in a name or an address, at the beginning of an id or a hash."""
    assert Wanted(text=text).chosen([PAGE, TORRENT]) == found
