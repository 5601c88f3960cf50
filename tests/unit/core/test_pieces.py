"""The pieces of a torrent, held against torrents that are made byte by byte."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.core.links.torrent import TorrentFile, parse_torrent
from offcloud_watchd.core.pieces import FilePieces, MerkleTree, Pieces, RowPieces, Stretch, pieces_of
from tests.fakes.torrents import BLOCK_BYTES, Content, padded, root, torrent

KIB = 1024


def data_of(size: int, seed: int = 0) -> bytes:
    """Make bytes that differ from block to block."""
    return b"".join(hashlib.sha256(b"%d %d" % (seed, at)).digest() for at in range(0, size, 32))[:size]


def check(pieces: Pieces, contents: list[Content]) -> None:
    """Hash every piece from the contents, and find every byte's piece."""
    files = [content.data for content in contents]
    covered = 0
    for number in range(pieces.count):
        hasher = pieces.hasher(number)
        stretches = list(pieces.stretches(number))
        sole = stretches[0].file is not None and all(one.file is None for one in stretches[1:])
        zeros = sum(one.end - one.start for one in stretches[1:])
        assert pieces.solo(number) == ((stretches[0], zeros) if sole else None)
        for one in stretches:
            if one.file is None:
                hasher.update(bytes(one.end - one.start))
            else:
                hasher.update(files[one.file][one.start : one.end])
                covered += one.end - one.start
                assert pieces.at(one.file, one.start) == pieces.at(one.file, one.end - 1) == number
                assert pieces.part(one.file, one.start) == pieces.part(one.file, one.end - 1) == one
        assert hasher.digest() == pieces.expected(number)
    assert covered == sum(len(content.data) for content in contents if not content.pad)


CONTENTS = st.lists(
    st.tuples(st.integers(0, 70 * KIB), st.booleans()).filter(lambda one: one[0] > 0 or not one[1]),
    min_size=1,
    max_size=6,
)


@given(CONTENTS, st.sampled_from([BLOCK_BYTES, 2 * BLOCK_BYTES, 5_000]))
def test_a_v1_torrent_is_one_row(files: list[tuple[int, bool]], piece_bytes: int) -> None:
    """Every piece hashes to what the torrent says, across files, empty ones and padding."""
    contents = [
        Content(f"f{at}", bytes(size) if pad else data_of(size, at), pad)
        for at, (size, pad) in enumerate(files)
    ]
    if not any(content.data for content in contents if not content.pad):
        return
    pieces = pieces_of(parse_torrent(torrent(contents, piece_bytes=piece_bytes)))
    assert isinstance(pieces, RowPieces)
    check(pieces, contents)


@given(st.lists(st.integers(0, 200 * KIB), min_size=1, max_size=4), st.sampled_from([1, 2, 8]), st.booleans())
def test_a_v2_torrent_is_file_by_file(sizes: list[int], blocks: int, hybrid: bool) -> None:  # noqa: FBT001
    """Every piece hashes to what the file's layer or its root says; a hybrid is checked the same way."""
    contents = [Content(f"f{at}", data_of(size, at)) for at, size in enumerate(sizes)]
    if not any(sizes):
        return
    contents = padded(contents, blocks * BLOCK_BYTES) if hybrid else contents
    made = torrent(contents, piece_bytes=blocks * BLOCK_BYTES, v1=hybrid, v2=True)
    pieces = pieces_of(parse_torrent(made))
    assert isinstance(pieces, FilePieces)
    check(pieces, contents)


class Counted(tuple[TorrentFile, ...]):
    """Files that count how often they are looked at."""

    __slots__ = ()
    looks = 0

    def __getitem__(self, place: int) -> TorrentFile:
        """Give a file."""
        Counted.looks += 1
        return super().__getitem__(place)


def test_many_files_in_one_piece_cost_no_more_each() -> None:
    """A question about one file does not look at its neighbours: 100,000 would be looked at 100,000 times."""
    files = Counted(
        TorrentFile((str(number),), number % 2, pad=number % 7 == 0 or 1000 < number < 3000)
        for number in range(20_000)
    )
    pieces = RowPieces(files, 1 << 20, bytes(20))
    Counted.looks = 0
    for place in range(1, 6000, 2):
        assert pieces.part(place, 0) == Stretch(place, 0, 1)
        assert pieces.solo(0) is None
    assert Counted.looks < 3000 * 30


def test_a_piece_of_one_file_and_padding_stands_alone() -> None:
    """With so many zeros behind it; not so where zeros come first or in an unreasonable number of pads."""

    def solo(*sizes: int) -> tuple[Stretch, int] | None:
        files = tuple(TorrentFile((), abs(size), pad=size < 0) for size in sizes)
        return RowPieces(files, 64, bytes(20)).solo(0)

    assert solo(100) == (Stretch(0, 0, 64), 0)
    assert solo(10, -20, -34) == (Stretch(0, 0, 10), 54)
    assert solo(10, -20, 1) is None
    assert solo(-20, 10) is None
    assert solo(10, *[-1] * 7) == (Stretch(0, 0, 10), 7)
    assert solo(10, *[-1] * 8) is None


def test_a_file_without_its_layer_is_one_piece() -> None:
    """The root alone proves it, all or nothing."""
    contents = [Content("a", data_of(100 * KIB)), Content("b", b"1")]
    pieces = pieces_of(parse_torrent(torrent(contents, v1=False, v2=True, layers=False)))
    assert pieces.count == 2
    assert list(pieces.stretches(0)) == [Stretch(0, 0, 100 * KIB)]
    check(pieces, contents)


def test_a_hybrid_without_its_layers_is_checked_by_its_row() -> None:
    """Smaller pieces are fewer bytes to fetch again."""
    contents = [Content("a", data_of(100 * KIB))]
    made = torrent(contents, v2=True, layers=False)
    assert isinstance(pieces_of(parse_torrent(made)), RowPieces)


@pytest.mark.parametrize("size", [1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 9 * BLOCK_BYTES - 5])
@pytest.mark.parametrize("step", [1000, BLOCK_BYTES, 3 * BLOCK_BYTES])
def test_a_tree_takes_bytes_in_any_portions(size: int, step: int) -> None:
    """How they come does not change the root."""
    data = data_of(size)
    tree = MerkleTree(-(-size // BLOCK_BYTES))
    for at in range(0, size, step):
        tree.update(data[at : at + step])
    assert tree.digest() == root(data)


def test_a_tree_of_nothing_is_zeros() -> None:
    """A tree without a block is as all missing ones."""
    assert MerkleTree(1).digest() == bytes(32)
    assert MerkleTree(2).digest() == hashlib.sha256(bytes(64)).digest()
