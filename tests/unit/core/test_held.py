"""What is held in fewer bytes is shown as it was given, letter for letter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from offcloud_watchd.core import held
from offcloud_watchd.core.links.infohash import InfoHashes
from offcloud_watchd.core.links.magnet import parse_magnet, write_magnet
from offcloud_watchd.core.model import Link, LinkKind, Publication

V1, V2 = "a" * 40, "b" * 64
HEADS = ("magnet:?xt=urn:btih:", "magnet:?xt=urn:btmh:1220", "url:", "https://h/", "")
NAMED = ("&dn=", "&dn", "&tr=udp%3A%2F%2Ft", "btih:", "nzb:", "name", "None", "\ud800")
PARTS = (V1, V2, *NAMED, *"&+-=")
TEXTS = st.one_of(
    st.tuples(st.sampled_from(HEADS), st.lists(st.sampled_from(PARTS), max_size=5)).map(
        lambda told: told[0] + "".join(told[1])
    ),
    st.text(max_size=20),
)
KEYS = st.one_of(
    st.sampled_from([f"btih:{V1}", f"btmh:{V2}", "btih:", "btih:None", "nzb:x", "file:x"]), TEXTS
)


@given(key=KEYS, url=TEXTS, name=st.one_of(st.none(), TEXTS), info_hash=st.one_of(st.none(), TEXTS))
@example(f"btih:{V1}", f"magnet:?xt=urn:btih:{V1}&dn=None", None, "None")
@example(f"btih:{V1}", f"magnet:?xt=urn:btih:{V1}&dn=&tr=x", "", "")
@example("btih:None", "magnet:?xt=urn:btih:None", "None", None)
@example(f"btih:{V1}", f"magnet:?xt=urn:btih:{V1}&dn=name2&tr=x", "name", V1)
def test_a_link_shows_what_it_was_given(key: str, url: str, name: str | None, info_hash: str | None) -> None:
    """Whatever its key and its name are, and when one of them is replaced."""
    link = Link(LinkKind.TORRENT, key, url, name, info_hash)
    assert (link.key, link.url, link.name, link.info_hash_v1) == (key, url, name, info_hash)
    other = replace(link, key="btih:" + "c" * 40, name="another")
    assert (other.url, other.info_hash_v1) == (url, info_hash)


@given(path=st.one_of(st.text(st.sampled_from("/a.\ud800"), max_size=8), TEXTS))
def test_a_publication_shows_the_path_it_was_given(path: str) -> None:
    """Absolute, relative, of slashes alone, or none."""
    assert Publication(path, 1, 2, "size").path == path


@given(TEXTS)
def test_a_text_that_is_held_once_is_equal(text: str) -> None:
    """And the second one is the first."""
    first, second = held.once(text), held.once("".join(list(text)))
    assert first == second == text
    assert second is first


def test_few_texts_are_kept_to_be_found_again() -> None:
    """However many there are; of long ones none."""
    most = held.once.cache_info().maxsize
    assert most is not None
    for number in range(2 * most):
        held.once(f"text {number}")
    assert held.once.cache_info().currsize == most
    known = held.once.cache_info()
    Link(LinkKind.TORRENT, f"btih:{V1}", f"magnet:?xt=urn:btih:{V1}&dn=name&tr={'x' * 5000}", "name")
    Link(LinkKind.TORRENT, f"btih:{V1}", f"magnet:?xt=urn:btih:{V1}&dn=other&tr={'x' * 5000}", "name")
    assert held.once.cache_info() == known


@pytest.mark.parametrize("name", ["Some.Show.S01E0", "Ein Name, und mehr & mehr "])
def test_trackers_that_many_share_are_held_once(name: str) -> None:
    """Of two magnets of one site nothing but hash and name is held twice."""
    trackers = [("tr", f"https://tracker.example/{number}/announce") for number in range(20)]
    magnets = [write_magnet(InfoHashes(digit * 40), [("dn", name + digit), *trackers]) for digit in "ab"]
    links = [parse_magnet(magnet) for magnet in magnets]
    assert [link.url for link in links] == magnets
    held_of = [link.rest_ for link in links]  # type: ignore[attr-defined] # a place, not a member
    one, other = (rest[-1] if isinstance(rest, tuple) else rest for rest in held_of)
    assert one is other
    assert one.count("tracker.example") == len(trackers)
