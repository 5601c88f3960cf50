"""Magnet links: reading what there is, writing what a service can read."""

import base64
from urllib.parse import parse_qsl

import pytest

from offcloud_watchd.core.links import MAX_MAGNET_CHARS, InfoHashes, info_hashes, parse_link
from offcloud_watchd.core.links.magnet import MAX_PARAMETERS, write_magnet
from offcloud_watchd.core.model import LinkKind
from offcloud_watchd.errors import BadDrop

HEX = "0123456789abcdef0123456789abcdef01234567"
OTHER = "ff" * 20
BASE32 = base64.b32encode(bytes.fromhex(HEX)).decode()
V2 = "ab" * 32
XT = f"xt=urn:btih:{HEX}"


def parameters(magnet: str) -> list[tuple[str, str]]:
    """Read a written magnet with the standard library."""
    return parse_qsl(magnet.removeprefix("magnet:?"), keep_blank_values=True)


@pytest.mark.parametrize(
    "magnet",
    [
        f"magnet:?{XT}",
        f"MAGNET:?XT=URN:BTIH:{HEX.upper()}",
        f"magnet:?xt=urn:btih:{BASE32}",
        f"magnet:?xt=urn:btih:{BASE32.lower()}",
        f"magnet:?xt.1=urn:btih:{HEX}",
        f"magnet:?xt=urn%3Abtih%3A{HEX}",
        f"magnet:?xt=urn%253Abtih%253A{HEX}",
        f"magnet%3A%3Fxt%3Durn%3Abtih%3A{HEX}",
        f"Magnet%3a?xt=urn:btih:{HEX}",
        f"magnet:?xt=urn:btih:{HEX[:-1]}%37",
        f"magnet:?xt=urn:btih:{HEX}/",
        f"magnet:?xt=urn:sha1:{BASE32}&amp;{XT}",
        f"magnet:?xt=urn:sha1:{BASE32}&amp;amp;{XT}",
        f"magnet:?xt=urn:sha1:{BASE32}&#38;{XT}&#x26;xt=urn:x:y",
        f"magnet:?{XT}&xt=urn:btih:{BASE32}",
        f' "magnet:?{XT}", ',
    ],
)
def test_spellings_of_one_hash_give_one_link(magnet: str) -> None:
    """However it is written, the same hash gives the same key and a magnet of one topic."""
    link = parse_link(magnet)
    assert (link.kind, link.key, link.info_hash_v1) == (LinkKind.TORRENT, f"btih:{HEX}", HEX)
    assert link.url == f"magnet:?{XT}"
    assert info_hashes(magnet.strip(' ",')) == {f"btih:{HEX}"}


def test_hybrid_keeps_both_hashes() -> None:
    """v1 leads whatever the order; both are submitted."""
    link = parse_link(f"magnet:?xt=urn:btmh:1220{V2}&{XT}")
    assert (link.key, link.info_hash_v1, link.info_hash_v2) == (f"btih:{HEX}", HEX, V2)
    assert link.url == f"magnet:?{XT}&xt=urn:btmh:1220{V2}"


def test_v2_only_is_known_by_its_v2_hash() -> None:
    """Without a v1 hash the v2 hash names the content."""
    link = parse_link(f"magnet:?xt=urn:btmh:1220{V2.upper()}")
    assert (link.key, link.info_hash_v1, link.info_hash_v2) == (f"btmh:{V2}", None, V2)


def test_parameters_survive_in_order_and_well_formed() -> None:
    """Name, trackers, peers, seeds and sources are kept; junk goes, repeats go, bad escapes are mended."""
    link = parse_link(
        f"magnet:?dn=A+%C3%BC b&{XT}&tr=udp%3A%2F%2Ft%2F%3Fpasskey%3D1&TR.2=http://u/&tr=http://u/"
        "&x.pe=[::1]:80&ws=http://w/&so=0-2,4&xl=123&junk&=&dn=&b@d=1&tr=%zz&dn=zweiter&xs=http://x/é&as=a"
    )
    assert link.name == "A ü b"
    assert link.size_bytes == 123
    assert parameters(link.url) == [
        ("xt", f"urn:btih:{HEX}"),
        ("dn", "A ü b"),
        ("tr", "udp://t/?passkey=1"),
        ("tr", "http://u/"),
        ("x.pe", "[::1]:80"),
        ("ws", "http://w/"),
        ("so", "0-2,4"),
        ("xl", "123"),
        ("tr", "%zz"),
        ("dn", "zweiter"),
        ("xs", "http://x/é"),
        ("as", "a"),
    ]
    assert "tr=udp%3A%2F%2Ft%2F%3Fpasskey%3D1" in link.url  # its own encoding is not touched
    assert link.url.isascii() and " " not in link.url


def test_name_is_none_when_there_is_none() -> None:
    """Empty names count as none, and bytes that are no text do no harm."""
    assert parse_link(f"magnet:?{XT}&dn=&xl=many").name is None
    assert "raw" in str(parse_link(f"magnet:?{XT}&dn=%FF%FEraw").name)


@pytest.mark.parametrize(
    ("magnet", "word"),
    [
        ("magnet:", "does not begin"),
        (f"magnet?{XT}", "does not begin"),
        (f"magnet://?{XT}", "does not begin"),
        ("magnet:?", "names no"),
        ("magnet:?dn=x&tr=udp://t", "names no"),
        (f"magnet:?xt=urn:sha1:{BASE32}", "names no"),
        (f"magnet:?xt=urn=:btih:{HEX}", "names no"),
        ("magnet:?xt=urn%%3A", "names no"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}", "39 characters"),
        (f"magnet:?xt=urn:btih:{HEX}0", "41 characters"),
        ("magnet:?xt=urn:btih:" + "z" * 40, "does not belong"),
        (f"magnet:?{XT}&xt=urn:btih:short", "5 characters"),
        (f"magnet:?xt=urn:btmh:{V2}", "multihash"),
        (f"magnet:?{XT}&xt=urn:btih:{OTHER}", "two different"),
        (f"magnet:?xt=urn:btmh:1220{V2}&xt=urn:btmh:1220{OTHER}{OTHER[:24]}", "two different"),
        (f"magnet:?{XT}&dn=" + "x" * MAX_MAGNET_CHARS, "characters"),
        (f"magnet:?{XT}" + "&tr=x" * MAX_PARAMETERS, "parameters"),
        (f"magnet:?{XT}&dn=a\nmagnet:?{XT}", "more than one line"),
    ],
)
def test_refuses_what_names_no_one_torrent(magnet: str, word: str) -> None:
    """No hash, a broken hash, two hashes, too long: each has its reason, and none repeats the hash."""
    with pytest.raises(BadDrop, match=word) as refusal:
        parse_link(magnet)
    assert HEX not in str(refusal.value)


def test_written_magnet_can_be_read_and_is_bounded() -> None:
    """Parameters are encoded; those beyond the length or the number allowed are left out."""
    link = parse_link(write_magnet(InfoHashes(HEX), [("dn", "a&b=c #1%"), ("tr", "udp://t:80")]))
    assert parameters(link.url)[1:] == [("dn", "a&b=c #1%"), ("tr", "udp://t:80")]
    many = write_magnet(InfoHashes(HEX, V2), [("tr", f"t{number}") for number in range(10_000)])
    assert len(parameters(parse_link(many).url)) == MAX_PARAMETERS
    mixed = write_magnet(InfoHashes(HEX), [*[("tr", f"t{number}") for number in range(10_000)], ("ws", "w")])
    assert parameters(mixed)[-1] == ("ws", "w"), "one of a kind is not pushed out"
    long = write_magnet(InfoHashes(HEX), [("tr", "t" * 1000 + str(number)) for number in range(1000)])
    assert MAX_MAGNET_CHARS - 1100 < len(parse_link(long).url) <= MAX_MAGNET_CHARS


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (f"magnet:?{XT}&xt=urn:btih:{OTHER}", {f"btih:{HEX}", f"btih:{OTHER}"}),
        (f"magnet:?{XT}&xt=urn:btih:broken", {f"btih:{HEX}"}),
        (f"magnet:?xt=urn:btmh:1220{V2}&{XT}", {f"btih:{HEX}", f"btmh:{V2}"}),
        (f"{HEX.upper()}.torrent", {f"btih:{HEX}"}),
        (f"https://example.com/get/{HEX}.TORRENT?x=1#y", {f"btih:{HEX}"}),
        (f" {BASE32}\n", {f"btih:{HEX}"}),
        (V2, {f"btmh:{V2}"}),
        (f"https://example.com/{HEX}", set()),
        ("https://example.com/file.torrent", set()),
        ("magnet:?" + "&" * MAX_PARAMETERS, set()),
        ("magnet:?dn=" + "x" * MAX_MAGNET_CHARS, set()),
        ("\ud800", set()),
        ("", set()),
    ],
)
def test_info_hashes_of_what_a_history_shows(text: str, keys: set[str]) -> None:
    """Magnets, bare hashes and names of torrents tell their keys; anything else tells none, quietly."""
    assert info_hashes(text) == keys
