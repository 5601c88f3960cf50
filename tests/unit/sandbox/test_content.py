"""The bytes the sandbox serves."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.sandbox.content import (
    BLOCK_BYTES,
    GeneratedFile,
    GeneratedLibrary,
    sha256_of,
)
from offcloud_watchd.sandbox.source import read_source
from tests.unit.sandbox.driver import HASH, magnet

FILE = GeneratedFile("a", 40 * BLOCK_BYTES + 777, b"seed")
WHOLE = b"".join(FILE.chunks(0, FILE.size_bytes))


@given(st.tuples(*[st.integers(0, FILE.size_bytes)] * 2))
def test_any_range_is_the_same_part_of_the_whole(ends: tuple[int, int]) -> None:
    """A range read alone equals the same range of the whole file."""
    start, stop = sorted(ends)
    assert b"".join(FILE.chunks(start, stop)) == WHOLE[start:stop]


def test_the_whole_has_its_size_and_checksum() -> None:
    """The length is as told and the checksum is the one of the bytes."""
    assert len(WHOLE) == FILE.size_bytes
    assert sha256_of(FILE) == hashlib.sha256(WHOLE).hexdigest()


def test_no_two_blocks_are_equal() -> None:
    """A block in a wrong place would change the checksum, and no block is empty."""
    blocks = {WHOLE[start : start + BLOCK_BYTES] for start in range(0, 40 * BLOCK_BYTES, BLOCK_BYTES)}
    assert len(blocks) == 40
    assert all(any(block) for block in blocks)


def test_etag_follows_the_bytes() -> None:
    """Other bytes or another size give another validator."""
    assert FILE.etag == GeneratedFile("b", FILE.size_bytes, b"seed").etag
    assert FILE.etag != GeneratedFile("a", FILE.size_bytes, b"other").etag
    assert FILE.etag != GeneratedFile("a", 1, b"seed").etag


@pytest.mark.parametrize("size", [0, 1, 17, 3_000_000])
@pytest.mark.parametrize("name", ["A", "A[single]", "A[tree]", "A[odd]", "A[junk]"])
def test_every_release_has_the_size_it_should(name: str, size: int) -> None:
    """The files share out all bytes, have different paths, and stand under the release's folder."""
    release = GeneratedLibrary(release_bytes=size).release(read_source(magnet(name)))
    assert release.size_bytes == size
    paths = [file.path for file in release.files]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith(f"{release.name}/") for path in paths) is release.is_directory


def test_shapes() -> None:
    """Markers and settings choose the shape."""
    library = GeneratedLibrary(release_files=4)
    assert len(library.release(read_source(magnet("A"))).files) == 4
    assert [file.path for file in library.release(read_source(magnet("A[single]"))).files] == [
        "A[single].made-up.mkv"
    ]
    assert [file.path for file in library.release(read_source(magnet("A[single].iso"))).files] == [
        "A[single].made-up.iso"
    ]
    names = [file.path.rpartition("/")[2] for file in library.release(read_source(magnet("[tree]"))).files]
    assert len(set(names)) < len(names)
    assert library.release(read_source(magnet("[junk]"))).junk
    assert len(GeneratedLibrary(release_files=0).release(read_source(magnet("A"))).files) == 1


def test_the_default_shape_follows_from_the_key() -> None:
    """Different torrents have different numbers of files; an http link has one."""
    library = GeneratedLibrary()
    counts = {len(library.release(read_source(magnet("A", f"{n:040x}"))).files) for n in range(40)}
    assert counts == {1, 2, 3, 4, 5}
    assert len(library.release(read_source("http://x.org/a.bin")).files) == 1


def test_a_nameless_release_is_named_after_its_key() -> None:
    """Without a name a release still has one, and it is not its info hash."""
    name = GeneratedLibrary().release(read_source(f"magnet:?xt=urn:btih:{HASH}")).name
    assert name.startswith("Release.")
    assert HASH not in name


def test_equal_links_give_equal_bytes_and_seeds_change_them() -> None:
    """Content is the same on every machine, and another seed gives other content."""
    source = read_source(magnet("A[single]"))
    first, again = (GeneratedLibrary(1000).release(source).files[0] for _ in range(2))
    other = GeneratedLibrary(1000, seed=1).release(source).files[0]
    assert sha256_of(first) == sha256_of(again) != sha256_of(other)
