"""Laws of the link parsers: nothing but BadDrop is raised, hashes are of the raw bytes, spellings agree."""

import base64
import hashlib
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offcloud_watchd.core.links import info_hashes, parse, parse_link, parse_torrent
from offcloud_watchd.core.links.bencode import ROOT, Document
from offcloud_watchd.core.links.linkfile import shortcut_target
from offcloud_watchd.core.model import Link
from offcloud_watchd.errors import BadDrop
from tests.unit.core.links.makers import bencode, leaf, torrent, v1_files, v1_info, v2_info

EXTENSIONS = ("torrent", "magnet", "txt", "url", "desktop", "webloc", "link", "nzb")
PARTS = (
    *(
        "magnet:?",
        "xt=urn:btih:",
        "xt=urn:btmh:1220",
        "&dn=",
        "&tr=",
        "&amp;",
        "a" * 40,
        "b" * 64,
        "%zz",
        "%41",
    ),
    *(
        "https://",
        "http://",
        "ftp://",
        "javascript:",
        "example.com",
        "[::1]",
        ":80",
        "@",
        "/",
        "?",
        "#",
        " ",
        "\n",
    ),
    *(
        "\r",
        "\0",
        "\u200b",
        "(",
        ")",
        "[url=",
        "]",
        "[/url]",
        '="',
        "<",
        ">",
        ",",
        "é",
        "\ud800",
        "ß",
        "xn--",
        "\\",
    ),
    *(
        "[InternetShortcut]",
        "URL=",
        "[Desktop Entry]",
        "Type=Link",
        "<plist>",
        "<dict>",
        "<html>",
        "bplist00",
    ),
)
texts = st.one_of(st.text(), st.lists(st.sampled_from(PARTS)).map("".join))
bencodable: st.SearchStrategy[Any] = st.recursive(
    st.integers(-(10**19), 10**19) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=12), inner, max_size=4),
    max_leaves=12,
)
# The machine may be busy: no example fails for being slow.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
hashes = st.binary(min_size=20, max_size=20)


def attempt(name: str, data: bytes) -> tuple[Link, ...]:
    """Return the links of a drop, none when it is refused; anything else that is raised fails the test."""
    try:
        return parse(name, data).found
    except BadDrop:
        return ()


@RELAXED
@given(st.sampled_from(EXTENSIONS), st.binary())
def test_any_bytes_raise_nothing_but_a_refusal(extension: str, data: bytes) -> None:
    """Whatever the bytes and the name, a drop is taken or refused."""
    for link in attempt(f"x.{extension}", data):
        assert link.key


@RELAXED
@given(st.sampled_from(EXTENSIONS), texts, st.sampled_from(["utf-8", "utf-16", "utf-32", "cp1252"]))
def test_any_text_raises_nothing_but_a_refusal(extension: str, text: str, encoding: str) -> None:
    """Whatever the text says, what comes out can be written down and read again as the same thing."""
    for link in attempt(f"x.{extension}", text.encode(encoding, "replace")):
        assert parse_link(link.url).key == link.key
        assert link.url.encode()
        assert not set(link.url) & set(" \r\n\t\0")


@RELAXED
@given(texts)
def test_operators_text_raises_nothing_but_a_refusal(text: str) -> None:
    """A typed link is taken or refused; hashes are told or not; a torrent's key is among its own hashes."""
    keys = info_hashes(text)
    try:
        link = parse_link(text)
    except BadDrop:
        return
    assert parse_link(link.url) == link
    if link.key.startswith("bt"):
        assert link.key in info_hashes(link.url)
        assert not keys or link.key in keys


@RELAXED
@given(bencodable.filter(lambda value: not isinstance(value, list)), st.binary(max_size=6))
def test_scan_finds_the_whole_value(value: Any, tail: bytes) -> None:
    """Whatever was encoded is spanned to its last byte, and what follows is not."""
    data = bencode(value)
    assert Document(data + tail).span(ROOT) == data


@RELAXED
@given(st.data())
def test_cut_bencode_is_refused(data: st.DataObject) -> None:
    """No proper beginning of a torrent passes for the whole."""
    whole = torrent(v1_info(), announce="http://t")
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert attempt("x.torrent", whole[:cut]) == ()


@RELAXED
@given(
    st.dictionaries(st.binary(max_size=12).filter(lambda key: key != b"info"), bencodable, max_size=3),
    st.dictionaries(st.binary(min_size=15, max_size=20), bencodable, max_size=3),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
    st.text(min_size=1, max_size=20).filter(lambda name: name.strip("\0")),
    st.randoms(use_true_random=False),
)
def test_v1_hash_is_of_the_raw_info(top: Any, extra: Any, sizes: list[int], name: str, random: Any) -> None:
    """Whatever else a torrent holds and however its keys are ordered, the hash is SHA-1 of the raw info."""
    files = [{"path": ["f", str(number)], "length": size} for number, size in enumerate(sizes)]
    items = [*extra.items(), *v1_files(*files, name=name).items()]
    random.shuffle(items)
    raw = bencode(dict(items))
    reserved = {b"announce", b"announce-list", b"url-list", b"httpseeds", b"piece layers"}
    head = b"".join(bencode(key) + bencode(value) for key, value in top.items() if key not in reserved)
    told = parse_torrent(b"d" + head + b"4:info" + raw + b"e")
    assert told.info_hash_v1 == hashlib.sha1(raw).hexdigest()
    assert (told.name, told.size_bytes) == (name, sum(sizes))


@RELAXED
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(1, 16384), min_size=1, max_size=6))
def test_v2_hash_is_of_the_raw_info(sizes: dict[str, int]) -> None:
    """The v2 hash is SHA-256 of the raw info, and the tree's files are all there."""
    info = v2_info({name.replace("\0", "x"): leaf(size) for name, size in sizes.items()})
    told = parse_torrent(torrent(info))
    assert told.info_hash_v2 == hashlib.sha256(bencode(info)).hexdigest()
    assert [file.path[-1] for file in told.files] == list(info["file tree"])


@RELAXED
@given(hashes, st.text(max_size=20), st.booleans())
def test_spellings_of_one_hash_have_one_key(raw: bytes, name: str, upper: bool) -> None:  # noqa: FBT001 - drawn
    """Hex, base32 and magnets in either case of letters, with any name, are the same thing."""
    spellings = [raw.hex(), base64.b32encode(raw).decode()]
    keys = {f"btih:{raw.hex()}"}
    for spelling in spellings:
        written = spelling.upper() if upper else spelling.lower()
        magnet = f"magnet:?dn={quote(name, safe='')}&xt=urn:btih:{written}"
        assert {parse_link(written).key} == {parse_link(magnet).key} == keys
        assert info_hashes(written) == info_hashes(magnet) == info_hashes(f"{written}.torrent") == keys


@RELAXED
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"\\'), max_size=30))
def test_shortcut_hands_its_address_on_untouched(path: str) -> None:
    """Percent signs, equal signs and brackets in an address survive the file it stands in."""
    url = f"https://example.com/{path}"
    assert shortcut_target(f"[InternetShortcut]\r\nURL={url}\r\n") == (url, 2)
