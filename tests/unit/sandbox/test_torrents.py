"""Torrents of the sandbox's own: what they say is what it serves."""

from __future__ import annotations

import pytest

from offcloud_watchd.core.links import parse_torrent
from offcloud_watchd.core.links.torrent import Metainfo, torrent_link
from offcloud_watchd.core.pieces import FilePieces, Pieces, RowPieces
from offcloud_watchd.core.rollcall import Listed, called
from offcloud_watchd.sandbox import GeneratedLibrary, SandboxSettings
from offcloud_watchd.sandbox.content import Release
from offcloud_watchd.sandbox.source import read_source, source_of_name
from offcloud_watchd.sandbox.torrents import bencoded, piece_bytes_for, torrent_of
from tests.fakes.torrents import Content, padded, torrent
from tests.unit.sandbox.driver import Driver, driving

SHAPES = ["A", "A[single]", "A[tree]", "A[odd]"]


def release_of(name: str, size_bytes: int = 300_001) -> Release:
    """Make what stands behind a name."""
    return GeneratedLibrary(size_bytes).release(source_of_name(name))


def bytes_of(release: Release) -> dict[str, bytes]:
    """Make all files of a release, by their path below its folder."""
    return {
        file.path.removeprefix(f"{release.name}/"): b"".join(file.chunks(0, file.size_bytes))
        for file in release.files
    }


def proved(metainfo: Metainfo, pieces: Pieces, contents: dict[str, bytes]) -> None:
    """Hash every piece as a client does."""
    for number in range(pieces.count):
        hasher = pieces.hasher(number)
        for one in pieces.stretches(number):
            hasher.update(
                bytes(one.end - one.start)
                if one.file is None
                else contents["/".join(metainfo.files[one.file].path)][one.start : one.end]
            )
        assert hasher.digest() == pieces.expected(number), number


@pytest.mark.parametrize("hybrid", [False, True], ids=["v1", "hybrid"])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("size_bytes", [1, 16 * 1024, 300_001, 3_000_000])
def test_every_piece_is_that_of_the_content(name: str, size_bytes: int, *, hybrid: bool) -> None:
    """Every hash of each version holds, and the info hash is the one of the file."""
    release = release_of(name, size_bytes)
    made = torrent_of(release, hybrid=hybrid)
    metainfo = parse_torrent(made.data)
    assert (metainfo.info_hash_v1, metainfo.name) == (made.info_hash, release.name)
    assert (metainfo.info_hash_v2 is not None) is hybrid
    assert metainfo.size_bytes == size_bytes
    contents = bytes_of(release)
    proved(metainfo, RowPieces(metainfo.files, metainfo.piece_length_bytes, metainfo.pieces), contents)
    if hybrid:
        proved(metainfo, FilePieces(metainfo.files, metainfo.piece_length_bytes), contents)


@pytest.mark.parametrize("hybrid", [False, True], ids=["v1", "hybrid"])
def test_it_is_what_another_maker_makes(*, hybrid: bool) -> None:
    """The tests have a maker of their own, and it comes to the same info hash."""
    release = release_of("A[tree]")
    contents = [Content(path, data) for path, data in bytes_of(release).items()]
    if hybrid:
        contents = padded(sorted(contents, key=lambda one: one.path.split("/")), 16 * 1024)
    other = torrent(contents, name=release.name, piece_bytes=16 * 1024, v2=hybrid)
    made = torrent_of(release, hybrid=hybrid)
    assert parse_torrent(other).hashes == parse_torrent(made.data).hashes


@pytest.mark.parametrize(
    ("size_bytes", "piece_bytes"),
    [(0, 1 << 14), (16_384_000, 1 << 14), (16_386_000, 1 << 15), (24 << 20, 1 << 15), (1 << 50, 1 << 24)],
)
def test_pieces_are_neither_too_many_nor_too_large(size_bytes: int, piece_bytes: int) -> None:
    """They are a power of two within the usual bounds."""
    assert piece_bytes_for(size_bytes) == piece_bytes


def test_bencode_has_no_fractions() -> None:
    """A mistake of ours is one at once."""
    with pytest.raises(TypeError, match="float"):
        bencoded(1.5)


def test_what_is_seeded_comes(each: Driver) -> None:
    """In every generation: submitted as a client makes a magnet of it, the files are the torrent's own."""
    link = torrent_link(parse_torrent(each.sandbox.torrent("Some.Show[single]")))
    (url,) = (url for url in each.links(each.finished(link.url)) if ".aria2" not in url)
    assert (
        each.file(url).content
        == bytes_of(release_of("Some.Show[single]", 3_000_000))["Some.Show[single].mkv"]
    )


def test_a_bare_info_hash_will_do(both: Driver) -> None:
    """What was seeded is known by its hash, whatever else the magnet tells."""
    metainfo = parse_torrent(both.sandbox.torrent("Plain"))
    assert both.sandbox.expected_files(f"btih:{metainfo.info_hash_v1}") == [
        (file.path, file.size_bytes) for file in release_of("Plain", 3_000_000).files
    ]


@pytest.mark.parametrize("name", [*SHAPES, "Film.mkv"])
def test_nothing_is_taken_for_a_file_of_somebody_elses_torrent(name: str) -> None:
    """Whatever the torrent calls its files, none of those that are made up has the same name."""
    torrents = parse_torrent(torrent_of(release_of(name)).data)
    assert torrents.info_hash_v1
    made_up = GeneratedLibrary(1_000_000).release(
        read_source(f"magnet:?xt=urn:btih:{torrents.info_hash_v1}&dn={name}")
    )
    call = called([Listed(file.path, file.size_bytes) for file in made_up.files], torrents)
    assert set(call.places) == {None}
    assert all(".made-up" in file.path for file in made_up.files)


def test_torrents_by_http(both: Driver) -> None:
    """The desk gives the same torrents, of either kind, and refuses what has no name."""
    answer = both.get("/sandbox/torrents/%C3%9Cber%20%231.torrent", key="")
    assert answer.content == both.sandbox.torrent("Über #1")
    assert answer.headers["Content-Type"] == "application/x-bittorrent"
    hybrid = both.get("/sandbox/torrents/A.torrent?hybrid=1", key="").content
    assert parse_torrent(hybrid).info_hash_v2
    assert both.get("/sandbox/torrents/.torrent", key="").status_code == 400
    assert "/sandbox/torrents/" in both.get("/sandbox", key="").text


def test_torrents_are_bounded() -> None:
    """No more are remembered than items are; those that are known can be had again."""
    with driving(max_items=1, release_bytes=10) as driver:
        assert driver.get("/sandbox/torrents/A.torrent").status_code == 200
        refused = driver.get("/sandbox/torrents/B.torrent")
        assert (refused.status_code, refused.json()) == (400, {"error": "too many torrents"})
        assert driver.get("/sandbox/torrents/A.torrent").status_code == 200


def test_the_same_name_is_the_same_torrent() -> None:
    """On every machine, and whatever came before."""
    with driving() as one, driving() as other:
        other.sandbox.torrent("Other")
        assert one.sandbox.torrent("A") == other.sandbox.torrent("A")
        assert one.sandbox.torrent("A") != one.sandbox.torrent("B")
        assert SandboxSettings().release_bytes == parse_torrent(one.sandbox.torrent("A")).size_bytes
