"""Metainfo files: hashes over raw bytes, what they name, and what is refused."""

import gzip
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from offcloud_watchd.core.links import MAX_DROP_BYTES, parse, parse_torrent
from offcloud_watchd.core.links.torrent import MAX_ADDRESSES, MAX_NAME_CHARS, MAX_REPEATED_PATHS
from offcloud_watchd.core.model import Link, LinkKind
from offcloud_watchd.errors import BadDrop
from tests.unit.core.links.makers import bencode, leaf, torrent, v1_files, v1_hash, v1_info, v2_hash, v2_info


def link_of(data: bytes) -> Link:
    """Return the one link of a torrent."""
    links = parse("Some.Release.torrent", data)
    assert (len(links.found), links.bad, links.is_list) == (1, (), False)
    return links.found[0]


def sent(link: Link, parameter: str) -> list[str]:
    """Return what the magnet of a link says."""
    return parse_qs(urlsplit(link.url).query).get(parameter, [])


def test_one_file() -> None:
    """A plain v1 torrent: name, size, hash, pieces."""
    info = v1_info()
    told, link = parse_torrent(torrent(info)), link_of(torrent(info))
    assert (told.name, told.size_bytes) == ("hello.bin", 100_000)
    assert (told.piece_length_bytes, told.pieces) == (40_000, b"x" * 60)
    assert (told.single, told.private, [file.path for file in told.files]) == (True, False, [("hello.bin",)])
    assert (link.kind, link.key, link.name) == (LinkKind.TORRENT, f"btih:{v1_hash(info)}", "hello.bin")
    assert (link.info_hash_v1, link.info_hash_v2, link.size_bytes) == (v1_hash(info), None, 100_000)
    assert link.url == f"magnet:?xt=urn:btih:{v1_hash(info)}&dn=hello.bin"


def test_hash_is_over_the_bytes_as_they_stand() -> None:
    """Unsorted and repeated keys, odd numbers and unknown keys are hashed as they are."""
    raw = b"d6:pieces20:xxxxxxxxxxxxxxxxxxxx4:name1:a4:name1:b6:lengthi007e1:zd1:yi-0ee12:piece lengthi9ee"
    link = link_of(b"d7:comment6:4:info4:info" + raw + b"1:zd4:info0:ee\r\n")
    assert link.info_hash_v1 == hashlib.sha1(raw).hexdigest()
    assert (link.name, link.size_bytes) == ("a", 7)


def test_directory_with_padding_and_links() -> None:
    """Padding is known by its attribute or its name and not counted; a link has no size of its own."""
    info = v1_files(
        {"length": 10, "path": ["a", "b.mkv"]},
        {"length": 5, "path": [".pad", "5"], "attr": "p"},
        {"length": 5, "path": ["_____padding_file_0_x"]},
        {"length": 10, "path": ["l"], "attr": "xl", "symlink path": ["a", "b.mkv"]},
        {"attr": "l", "path": ["m"]},
        {"length": 7, "path": ["été".encode("latin-1")], "path.utf-8": ["été"]},
        {"length": 3, "path": ["n"], "path.utf-8": 5},
        {"length": 2, "attr": "p"},
    )
    told = parse_torrent(torrent(info))
    assert [(file.path, file.size_bytes, file.pad, file.symlink) for file in told.files] == [
        (("a", "b.mkv"), 10, False, False),
        ((".pad", "5"), 5, True, False),
        (("_____padding_file_0_x",), 5, True, False),
        (("l",), 0, False, True),
        (("m",), 0, False, True),
        (("été",), 7, False, False),
        (("n",), 3, False, False),
        (("_____padding_file_",), 2, True, False),
    ]
    assert (told.size_bytes, told.single) == (20, False)


def test_files_that_are_no_list_do_not_count() -> None:
    """The length beside them does, as in other programs."""
    told = parse_torrent(torrent(v1_info(files=2)))
    assert (told.single, told.size_bytes) == (True, 100_000)


@pytest.mark.parametrize(
    ("flag", "private"), [(1, True), (2, True), (0, False), ("1", False), (2**64, False), (None, False)]
)
def test_private_flag(flag: int | str | None, private: bool) -> None:  # noqa: FBT001 - a case
    """Any number but 0 makes a torrent private, as in libtorrent; what is no number does not."""
    assert link_of(torrent(v1_info(private=flag))).private is private


def test_names_come_out_unsafe_as_they_are() -> None:
    """A name is text for people: UTF-8 first, never cleaned here, never a reason to fail."""
    assert parse_torrent(torrent(v1_info(name="../../x"))).name == "../../x"
    assert parse_torrent(torrent(v1_info(name=b"\xff\xfe"))).name == "\ufffd\ufffd"
    assert parse_torrent(torrent({**v1_info(name=b"\xff"), "name.utf-8": "音楽"})).name == "音楽"
    nameless = link_of(torrent(v1_info(name="")))
    assert nameless.name is None
    assert "dn=" not in nameless.url


def test_every_tracker_and_web_seed_goes_into_the_magnet() -> None:
    """Tiers, flat lists and the single tracker are brought together, trimmed, once each; so are seeds."""
    link = link_of(
        torrent(
            v1_info(private=1),
            announce=" http://a/?passkey=1&x=2 ",
            announce_list=[],
            **{
                "announce-list": [["http://b", "http://c"], "udp://d", [b"\xff", "", 5], 7, ["http://b"]],
                "url-list": "http://seed/a b",
                "httpseeds": ["http://old", "http://seed/a b"],
            },
        )
    )
    assert sent(link, "tr") == ["http://b", "http://c", "udp://d", "http://a/?passkey=1&x=2"]
    assert sent(link, "ws") == ["http://seed/a b", "http://old"]
    assert link.private


def test_seeds_and_name_survive_beside_too_many_trackers() -> None:
    """Where not all fit into a magnet, each kind gets its turn, and a name of megabytes is cut."""
    link = link_of(
        torrent(
            v1_info(name="n" * 100_000),
            **{
                "announce-list": [[f"http://tracker-{number}.example/announce"] for number in range(9_000)],
                "url-list": [f"http://seed-{number}.example/" for number in range(3)],
            },
        )
    )
    assert len(sent(link, "dn")[0]) == MAX_NAME_CHARS
    assert sent(link, "ws") == [f"http://seed-{number}.example/" for number in range(3)]
    trackers = sent(link, "tr")
    assert len(trackers) > 1_000
    assert trackers == [f"http://tracker-{number}.example/announce" for number in range(len(trackers))]


def test_addresses_are_bounded() -> None:
    """No more addresses are read than the bound, so a torrent of nothing else is cheap."""
    many = torrent(v1_info(), **{"announce-list": [[f"t{number}" for number in range(MAX_ADDRESSES + 50)]]})
    assert 0 < len(parse_torrent(many).trackers) <= MAX_ADDRESSES


def test_v2_only() -> None:
    """A v2 torrent is known by its v2 hash, and a lone file of the torrent's name is one file."""
    info = v2_info({"second": leaf(70)})
    told, link = parse_torrent(torrent(info)), link_of(torrent(info))
    assert (told.single, told.pieces, told.info_hash_v1) == (True, b"", None)
    assert (link.key, link.info_hash_v2) == (f"btmh:{v2_hash(info)}", v2_hash(info))
    assert sent(link, "xt") == [f"urn:btmh:1220{v2_hash(info)}"]
    assert not parse_torrent(torrent(v2_info({"other": leaf(70)}))).single


def hybrid(*files: dict[str, Any], tree: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Make a hybrid info out of both halves."""
    return {**v2_info(tree), **v1_files(*files, name="both"), "piece length": 16384, **changes}


def test_hybrid_brings_both_halves_together() -> None:
    """Both hashes come out, and each v1 file knows its v2 root; padding stands between them."""
    info = hybrid(
        {"length": 5, "path": ["a"]},
        {"length": 16379, "path": [".pad", "16379"], "attr": "p"},
        {"length": 6, "path": ["d", "b"]},
        tree={"a": leaf(5, b"1" * 32), "d": {"b": leaf(6, b"2" * 32)}},
        pieces=b"x" * 40,
    )
    told, link = parse_torrent(torrent(info)), link_of(torrent(info))
    assert [file.root for file in told.files] == [b"1" * 32, b"", b"2" * 32]
    assert link.key == f"btih:{v1_hash(info)}"
    assert (link.info_hash_v1, link.info_hash_v2) == (v1_hash(info), v2_hash(info))
    assert len(sent(link, "xt")) == 2


@pytest.mark.parametrize(
    ("tree", "word"),
    [
        ({"a": leaf(16384)}, "different files"),
        ({"a": leaf(16384), "b": leaf(7)}, "different files"),
        ({"a": leaf(16384), "c": leaf(6)}, "different files"),
        ({"b": leaf(6), "a": leaf(16384)}, "different files"),
        ({"a": leaf(16384), "b": leaf(6), "c": leaf(7)}, "more files"),
        ({"a": leaf(16384), "b": leaf(6), "c": {"": {"length": 0}}}, "more files"),
    ],
)
def test_refuses_a_hybrid_whose_halves_differ(tree: dict[str, Any], word: str) -> None:
    """Fewer, more, other, larger or reordered files in one half are refused."""
    files = {"length": 16384, "path": ["a"]}, {"length": 6, "path": ["b"]}
    with pytest.raises(BadDrop, match=word):
        parse_torrent(torrent(hybrid(*files, tree=tree, pieces=b"x" * 40)))


def test_refuses_a_hybrid_whose_halves_cut_pieces_differently() -> None:
    """Each file of v2 begins a piece; where v1's padding does not see to that, the pieces differ."""
    info = hybrid(
        {"length": 5, "path": ["a"]},
        {"length": 16380, "path": [".pad"], "attr": "p"},
        {"length": 6, "path": ["b"]},
        tree={"a": leaf(5), "b": leaf(6)},
        pieces=b"x" * 40,
    )
    with pytest.raises(BadDrop, match="other pieces"):
        parse_torrent(torrent(info))


def test_meta_version_decides_over_v2() -> None:
    """A file tree without meta version 2 is no v2 torrent."""
    info = {**v1_info(), "file tree": {"x": 5}, "meta version": 3}
    assert link_of(torrent(info)).info_hash_v2 is None
    with pytest.raises(BadDrop, match="neither"):
        parse_torrent(torrent({**v2_info({"f": leaf(5)}), "meta version": 1}))
    with pytest.raises(BadDrop, match="neither"):
        parse_torrent(torrent({**v2_info({}), "file tree": []}))


@pytest.mark.parametrize(
    ("info", "word"),
    [
        ({}, "no name"),
        (v1_info(name=None), "no name"),
        (v1_info(name=5), "no name"),
        (v1_info(name="\0\0"), "no name"),
        (v1_info(piece_length=None), "piece length"),
        (v1_info(piece_length=0), "piece length"),
        (v1_info(piece_length=-1), "piece length"),
        (v1_info(piece_length="x"), "piece length"),
        (v1_info(piece_length=2**31), "piece length"),
        (v1_info(pieces=None), "neither"),
        (v1_info(pieces=-23), "neither"),
        (v1_info(length=None), "neither"),
        (v1_info(pieces=b"x" * 59), "59 bytes of piece hashes instead of 60"),
        (v1_info(pieces=b"x" * 40), "piece hashes"),
        (v1_info(pieces=b"x" * 80), "piece hashes"),
        (v1_info(length="x"), "valid length"),
        (v1_info(length=-5), "valid length"),
        (v1_info(length=2**60), "valid length"),
        (v1_info(length=0, pieces=b""), "no bytes"),
        (v1_files(), "no bytes"),
        (v1_info(length=None, files=5), "neither"),
        (v1_files({"length": 5}), "no path"),
        (v1_files({"length": 5, "path": []}), "no path"),
        (v1_files({"length": 5, "path": "x"}), "no path"),
        (v1_files({"length": 5, "path": ["x", 5]}), "no path"),
        (v1_files({"path": ["x"]}), "valid length"),
        (v1_files({"length": 5, "path": ["x"], "attr": "l", "symlink path": [5]}), "leads nowhere"),
        (v1_info(length=2**64), "valid length"),
        (v1_info(piece_length=2**30), "piece length"),
        (v1_files({"length": 0, "path": ["x"]}, {"length": 5, "path": ["y"], "attr": "p"}), "no bytes"),
        (v2_info({"f": leaf(5)}, pieces=b"x" * 20), "parts of a v1 half"),
        (v2_info({"f": leaf(5)}, length=5), "parts of a v1 half"),
        (v2_info({"f": {"": {"attr": "l", "symlink path": [5]}}, "g": leaf(5)}), "leads nowhere"),
        (v1_files(*[{"length": 5, "path": ["x"]}] * (MAX_REPEATED_PATHS + 2)), "overwrite"),
    ],
)
def test_refuses_an_info_that_is_not_sound(info: dict[str, Any], word: str) -> None:
    """Missing, mistyped and contradicting parts each have their reason."""
    with pytest.raises(BadDrop, match=word):
        parse_torrent(torrent(info))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"le", "bencoded dictionary"),
        (bencode({"announce": "http://a"}), "no info dictionary"),
        (bencode({"info": [1]}), "no info dictionary"),
        (torrent(v1_info())[:-1] + bencode("info") + bencode(v1_info(name="other")) + b"e", "two info"),
        (torrent(v1_info())[:120], "too early"),
        (gzip.compress(torrent(v1_info()))[:-1] + b"x", "damaged"),
        (gzip.compress(torrent(v1_info()))[:-9], "too early"),
        (gzip.compress(bytes(MAX_DROP_BYTES + 1), compresslevel=1), "unpacks to more"),
    ],
    ids=range(8),
)
def test_refuses_what_is_no_sound_torrent(data: bytes, word: str) -> None:
    """Wrong shapes, two infos, cut copies and packed bombs are refused with the reason."""
    with pytest.raises(BadDrop, match=word):
        parse_torrent(data)


def test_packed_torrent_is_unpacked() -> None:
    """gzip, which some sites leave on, is undone within the bound."""
    assert link_of(gzip.compress(torrent(v1_info()))) == link_of(torrent(v1_info()))
