"""The v2 half of a torrent: file tree and piece layers."""

from typing import Any

import pytest

from offcloud_watchd.core.links import parse_torrent
from offcloud_watchd.errors import BadDrop
from tests.unit.core.links.makers import BLOCK_BYTES, leaf, merkle_root, piece_layer, torrent, v2_info


def test_walks_the_tree_in_its_own_order() -> None:
    """Directories are gone through depth first; empty files and links have no root."""
    tree = {
        "b": {"z": leaf(5), "a": {"": {"length": 0}}},
        "a": leaf(7, b"q" * 32),
        "l": {"": {"attr": "l", "symlink path": ["a"]}},
    }
    files = parse_torrent(torrent(v2_info(tree))).files
    assert [(file.path, file.size_bytes, file.root) for file in files] == [
        (("b", "z"), 5, b"r" * 32),
        (("b", "a"), 0, b""),
        (("a",), 7, b"q" * 32),
        (("l",), 0, b""),
    ]
    assert [file.symlink for file in files] == [False, False, False, True]


@pytest.mark.parametrize("blocks", [2, 3, 5, 8])
@pytest.mark.parametrize("blocks_per_piece", [1, 2])
def test_takes_a_piece_layer_that_hashes_to_its_root(blocks: int, blocks_per_piece: int) -> None:
    """Layers of any length are proved against the root, whatever has to be filled up."""
    piece_bytes = BLOCK_BYTES * blocks_per_piece
    content = bytes(range(256)) * (BLOCK_BYTES * blocks // 256) + b"rest"
    root, layer = merkle_root(content), piece_layer(content, piece_bytes)
    info = v2_info({"f": leaf(len(content), root)}, piece_length=piece_bytes)
    told = parse_torrent(torrent(info, piece_layers={root: layer}))
    assert told.files[0].layer == layer
    assert parse_torrent(torrent(info)).files[0].layer == b""


BIG = leaf(3 * BLOCK_BYTES, b"r" * 32)


@pytest.mark.parametrize(
    ("tree", "top", "word"),
    [
        ({"f": 5}, {}, "no file"),
        ({"f": {"length": 5}}, {}, "no file"),
        ({"": leaf(5)}, {}, "no file"),
        ({"f": {**leaf(5), "g": leaf(6)}}, {}, "file and a directory"),
        ({"f": {"": {"length": -1}}}, {}, "valid length"),
        ({"f": {"": {"length": 2**50}}}, {}, "no root"),
        ({"f": {"": {}}}, {}, "valid length"),
        ({"f": {"": 5}}, {}, "valid length"),
        ({"f": leaf(5, attr="p")}, {}, "padding"),
        ({"f": leaf(5, b"short")}, {}, "no root"),
        ({"f": leaf(5, bytes(32))}, {}, "no root"),
        ({"f": {"": {"length": 5}}}, {}, "no root"),
        ({"f": leaf(2**50)}, {}, "pieces"),
        ({"f": BIG}, {"piece layers": {b"x" * 32: b"y" * 96}}, "belongs to no file"),
        ({"f": BIG}, {"piece layers": {b"r" * 32: 5}}, "belongs to no file"),
        ({"f": leaf(5)}, {"piece layers": {b"r" * 32: b"y" * 32}}, "belongs to no file"),
        ({"f": BIG}, {"piece layers": {b"r" * 32: b"y" * 64}}, "does not belong"),
        ({"f": BIG}, {"piece layers": {b"r" * 32: b"y" * 96}}, "does not belong"),
        ({"f": BIG, "g": leaf(70_000)}, {"piece layers": {b"r" * 32: b"y" * 96}}, "claim to be the same"),
        ({"f": leaf(0)}, {}, "no bytes"),
        ({}, {}, "no bytes"),
    ],
)
def test_refuses_a_tree_or_layer_that_is_not_sound(tree: Any, top: Any, word: str) -> None:
    """What two programs could read differently, and layers of other files, are refused."""
    with pytest.raises(BadDrop, match=word):
        parse_torrent(torrent(v2_info(tree), **top))


@pytest.mark.parametrize("piece_bytes", [8192, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
def test_refuses_a_piece_length_that_v2_cannot_have(piece_bytes: int) -> None:
    """It is a power of two and at least one block."""
    with pytest.raises(BadDrop, match="power of two"):
        parse_torrent(torrent(v2_info({"f": leaf(5)}, piece_length=piece_bytes)))
