"""What links mean to the sandbox."""

from __future__ import annotations

import base64

import pytest

from offcloud_watchd.sandbox.source import MARKERS, read_source, source_of_key
from tests.unit.sandbox.driver import HASH, KEY, magnet


def test_magnet() -> None:
    """A magnet gives its key, name and trackers, whatever stands around them."""
    source = read_source(f"  MAGNET:?dn=A+b%20c&xt=urn:btih:{HASH.upper()}&tr=udp://a:1&tr=udp://b:2\n")
    assert (source.kind, source.key, source.info_hash, source.name) == ("torrent", KEY, HASH, "A b c")
    assert source.trackers == ("udp://a:1", "udp://b:2")


def test_base32_and_numbered_topics() -> None:
    """The base32 spelling and numbered topics name the same content."""
    letters = base64.b32encode(bytes.fromhex(HASH)).decode()
    assert read_source(f"magnet:?xt=urn:btih:{letters}").key == KEY
    assert read_source(f"magnet:?xt.1=urn:ed2k:x&xt.2=urn:btih:{letters.lower()}").key == KEY


@pytest.mark.parametrize(
    "link", ["magnet:?xt=urn:btih:zzzz", "magnet:?dn=x", f"magnet:?xt=urn:btmh:1220{'ab' * 32}"]
)
def test_zombies(link: str) -> None:
    """A magnet without a good v1 hash is taken and never finishes."""
    source = read_source(link)
    assert (source.kind, source.info_hash) == ("zombie", "")
    assert "zombie" in source.markers


def test_address() -> None:
    """An address is its own key; its name is the last part of its path, else its host."""
    source = read_source("https://example.org/a/b%20c.bin?x=1")
    assert (source.kind, source.key, source.name) == (
        "url",
        "url:https://example.org/a/b%20c.bin?x=1",
        "b c.bin",
    )
    assert read_source("http://example.org").name == "example.org"


@pytest.mark.parametrize("link", ["", "x", HASH, "file:///etc/passwd", "http://", "http://[::1", "ftp:"])
def test_bad(link: str) -> None:
    """What is no link is bad, and nothing raises."""
    assert read_source(link).kind == "bad"


def test_markers_in_names_hosts_and_hashes() -> None:
    """A marker is found in brackets, as the host's first label and as the start of an info hash."""
    assert read_source(magnet("A.[fail].[nonsense].[SLOW]")).markers == {"fail", "slow"}
    assert read_source("http://x.org/a%5Bfail%5D.bin").markers == {"fail"}
    assert read_source("http://slow.example/a.bin").markers == {"slow"}
    assert read_source("http://bad.example/a.bin").kind == "bad"
    assert read_source(magnet("x", "dead0000" + HASH[8:])).markers == {"fail"}
    assert read_source(magnet("[zombie]")).kind == "zombie"
    assert "zombie" in MARKERS


def test_names_stay_in_one_line_and_one_segment() -> None:
    """Slashes and control characters cannot leave the name, and it is bounded."""
    assert read_source(magnet("../a%0A%00b")).name == ".._a__b"
    assert len(read_source(magnet("n" * 5000)).name) == 200


def test_lone_surrogates_are_replaced() -> None:
    """A link out of JSON may hold half a character; it becomes one that can be encoded."""
    assert read_source("http://x.org/\ud800").link == "http://x.org/?"


def test_source_of_key() -> None:
    """A key stands for its plainest link, and a link for itself."""
    assert source_of_key(KEY).key == KEY
    assert source_of_key("url:http://x.org/a").key == "url:http://x.org/a"
    assert source_of_key(magnet("x")).name == "x"
