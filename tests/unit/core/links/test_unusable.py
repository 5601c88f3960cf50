"""What a drop that cannot be taken is known by."""

from __future__ import annotations

import gzip
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.core.links import parse, unusable_link
from offcloud_watchd.core.model import LinkKind
from offcloud_watchd.errors import BadDrop
from tests.fakes.torrents import bencoded

NAME = "Show.S01E01"


def info(**changes: object) -> dict[str, object]:
    """Return what a torrent of one file says of it."""
    return {"length": 5, "name": "a.mkv", "piece length": 16384, "pieces": b"x" * 20, **changes}


def refused(top: dict[str, object]) -> bytes:
    """Return a torrent, which nobody would take."""
    data = bencoded(top)
    with pytest.raises(BadDrop):
        parse(f"{NAME}.torrent", data)
    return data


@pytest.mark.parametrize("packed", [False, True])
def test_a_torrent_that_is_not_sound_has_its_hash_all_the_same(*, packed: bool) -> None:
    """Of its one ``info``; a tool that takes it knows it by that. Whoever retries it hands in its magnet."""
    said = info(pieces=b"x" * 40)
    data = refused({"info": said})
    link = unusable_link(NAME, gzip.compress(data) if packed else data)
    digits = hashlib.sha1(bencoded(said), usedforsecurity=False).hexdigest()
    assert (link.kind, link.key, link.info_hash_v1) == (LinkKind.TORRENT, f"btih:{digits}", digits)
    assert link.url == f"magnet:?xt=urn:btih:{digits}&dn={NAME}"


def test_one_of_the_second_version_has_that_hash() -> None:
    """It has no other."""
    said = {"name": "a", "piece length": 1, "meta version": 2, "file tree": {}}
    digits = hashlib.sha256(bencoded(said)).hexdigest()
    link = unusable_link(NAME, refused({"info": said}))
    assert (link.key, link.info_hash_v1, link.info_hash_v2) == (f"btmh:{digits}", None, digits)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>log in</html>",
        bencoded({"info": info()})[:-9],
        bencoded({"info": "nothing"}),
        bencoded({"info": {"name": "a"}}),
        b"d4:info" + bencoded(info()) + b"4:info" + bencoded(info(length=6)) + b"e",
        gzip.compress(b"x", mtime=0)[:-4],  # the same bytes in each process that collects this
    ],
)
def test_what_tells_no_hash_is_known_by_its_file(data: bytes) -> None:
    """The same only under the same name: for a tool that is all there is to it."""
    link = unusable_link(NAME, data)
    assert (link.kind, link.url, link.name) == (LinkKind.FILE, "", NAME)
    assert link == unusable_link(NAME, data)
    assert link.key != unusable_link("Other", data).key


@given(st.text(), st.binary())
def test_whatever_it_is_it_gets_a_key(name: str, data: bytes) -> None:
    """Nothing is raised."""
    assert unusable_link(name, data).key
