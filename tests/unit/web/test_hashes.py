"""By which hash a job is known, and which of several is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from offcloud_watchd.core.model import Job, Link, LinkKind
from offcloud_watchd.web.hashes import Ambiguous, hash_of, magnet_of, named, named_surely, names_of
from tests.fakes.jobs import a_job

V1, V2 = "Ab" * 20, "Cd" * 32


def a_torrent(category: str = "tv", v1: str | None = V1, v2: str | None = None) -> Job:
    """Return a job of a torrent."""
    link = Link(LinkKind.TORRENT, f"btih:{v1 or v2}", "magnet:?x", info_hash_v1=v1, info_hash_v2=v2)
    return replace(a_job(category=category), id=category, link=link)


def test_a_link_without_a_hash_keeps_its_digest():
    """The same link, the same digits, also when its key is no UTF-8."""
    link = Link(LinkKind.URL, "url:https://x/\udcff", "https://x")
    assert hash_of(link) == hash_of(link)
    assert len(hash_of(link)) == 40


def test_every_spelling_names_it():
    """v1 goes before v2, and of v2 the whole and its beginning are good."""
    assert hash_of(a_torrent(v2=V2).link) == V1.lower()
    assert hash_of(a_torrent(v1=None, v2=V2).link) == V2[:40].lower()
    assert names_of(a_torrent(v2=V2).link) == {V1.lower(), V2.lower(), V2[:40].lower()}


def test_a_magnet_tells_hash_and_name_alone():
    """No tracker, and nothing at all of a web link."""
    assert magnet_of(a_torrent(v2=V2)) == f"magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}&dn=release"
    assert magnet_of(a_job()) == ""


def test_a_client_means_the_category_it_has_used():
    """Where that does not tell, all are shown and none is changed."""
    jobs = [a_torrent("tv"), a_torrent("film")]
    wanted = {V1.lower()}
    assert [job.id for job in named(jobs, wanted, {"film"})] == ["film"]
    assert [job.id for job in named_surely(jobs, wanted, {"film"})] == ["film"]
    assert len(named(jobs, wanted, ())) == 2
    with pytest.raises(Ambiguous, match=r"film and tv.*/c/CATEGORY"):
        named_surely(jobs, wanted, ())
    assert named_surely(jobs, {"0" * 40}, ()) == []
