"""A drop of any kind: what its name and its bytes make of it."""

import gzip

import pytest

from offcloud_watchd.core.links import MAX_DROP_BYTES, MAX_TEXT_BYTES, parse
from offcloud_watchd.core.model import LinkKind
from offcloud_watchd.errors import BadDrop
from tests.unit.core.links.makers import torrent, v1_hash, v1_info

A, B = "a" * 40, "b" * 40
MAGNET = f"magnet:?xt=urn:btih:{A}&dn=x".encode()
TORRENT = torrent(v1_info())


@pytest.mark.parametrize(
    "name", ["x.magnet", "x.link", "x.url", "x", "x.TORRENT", "x.webloc", ".magnet", "\ud800"]
)
@pytest.mark.parametrize(
    "data", [MAGNET, b"\xef\xbb\xbf" + MAGNET + b"\r\n", MAGNET.decode().encode("utf-16")]
)
def test_a_magnet_is_a_magnet_under_any_name(name: str, data: bytes) -> None:
    """*arr lets people choose the extension, and indexers redirect to magnets; none of these is a list."""
    links = parse(name, data)
    assert ([link.key for link in links.found], links.is_list) == ([f"btih:{A}"], False)


@pytest.mark.parametrize("name", ["x.torrent", "x", "x.txt", "x.magnet", "x.bin"])
def test_a_torrent_is_a_torrent_under_any_name(name: str) -> None:
    """Its bytes say what it is."""
    assert parse(name, TORRENT).found[0].key == f"btih:{v1_hash(v1_info())}"


def test_only_a_list_need_not_name_a_release() -> None:
    """A .txt is a list even with one link; another file becomes one when it holds several."""
    assert parse("x.txt", MAGNET).is_list
    assert parse("x.magnet", MAGNET + b"\n" + B.encode()).is_list
    links = parse("x.magnet", MAGNET + b"\nmagnet:?xt=urn:btih:short\n")
    assert (links.is_list, [bad.line for bad in links.bad]) == (False, [2])


def test_unknown_extension_is_looked_into() -> None:
    """Links come out of a file whose name says nothing."""
    assert parse("x.link", b"https://example.com/a").found[0].kind is LinkKind.URL


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("x.torrent", b"", "empty"),
        ("x.magnet", b" \r\n\0", "empty"),
        ("x.txt", b"\0" * 512, "empty"),
        ("x.torrent", b"d" * (MAX_DROP_BYTES + 1), "32MiB"),
        ("x.txt", b"x" * (MAX_TEXT_BYTES + 1), "16MiB"),
        ("x.nzb", b"<nzb/>", "NZB"),
        ("x.NZB", b"anything", "NZB"),
        ("x", b'<?xml version="1.0"?>\n<!DOCTYPE nzb PUBLIC "x">\n<nzb>', "NZB"),
        ("x.torrent", b"<!-- a --><nzb>", "NZB"),
        ("x.torrent", b"\n<!DOCTYPE html><html>", "web page"),
        ("x.torrent", b'<?xml version="1.0"?><!-- a --> <!-- b --><HTML>', "web page"),
        ("x.magnet", b"<html><a href='https://example.com/'>", "web page"),
        ("x.txt", b"<?xml version='1.0'?><rss xmlns='http://example.com/'>", "XML"),
        ("x.torrent", b'<?xml version="1.0"?><error code="100"/>', "XML"),
        ("x.torrent", b'{"error": "no"}', "JSON"),
        ("x.torrent", b"PK\x03\x04abc", "ZIP"),
        ("x.torrent", b"hello", "plain text and no bencoded data"),
        ("x.torrent", b"\x89PNG\r\n\x1a\n\0\0", "it is no bencoded data"),
        ("x.torrent", b"\x28\xb5\x2f\xfd\0", "zstd"),
        ("x.torrent", b"<br />\n<b>Fatal error</b>", "web page"),
        ("x.torrent", b"<script>location='/login'</script>", "web page"),
        ("x.torrent", gzip.compress(b"<html>"), "web page"),
        ("x.torrent", "\ufeff<!DOCTYPE html>".encode("utf-16"), "web page"),
        ("x.nzb", b"<!DOCTYPE html><html>", "no NZB file .* web page"),
        ("x.nzb.gz", gzip.compress(b"<nzb/>"), "NZB"),
        ("x.torrent", b"https://example.com/", "a web link"),
        ("x.torrent", MAGNET[:40], "20 characters"),
        ("x.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no text"),
        ("x.torrent", b"<!---->" * 100_000, "XML"),
    ],
    ids=range(29),
)
def test_refuses_what_holds_no_link(name: str, data: bytes, word: str) -> None:
    """Empty, oversized and foreign files are named as what they are."""
    with pytest.raises(BadDrop, match=word):
        parse(name, data)
