"""Which jobs a client may follow."""

from __future__ import annotations

from dataclasses import replace

from offcloud_watchd.core.model import JobState, LinkKind
from offcloud_watchd.core.picture import Overview, Picture
from offcloud_watchd.web.selection import at_address
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
