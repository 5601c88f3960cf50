"""What is said about a link that may not come to anything."""

from offcloud_watchd.core.links import parse, remarks
from offcloud_watchd.core.links.remarks import PRIVATE, V2_ONLY
from tests.unit.core.links.makers import leaf, torrent, v1_info, v2_info


def test_private_and_v2_only_torrents_are_remarked_upon() -> None:
    """Both make a request that may never come to an end; nothing is said about others."""
    private = parse("x.torrent", torrent(v1_info(private=1))).found[0]
    second = parse("x.torrent", torrent(v2_info({"f": leaf(5)}))).found[0]
    plain = parse("x.txt", f"{'a' * 40}\nhttps://example.com/".encode()).found
    assert (remarks(private), remarks(second)) == ((PRIVATE,), (V2_ONLY,))
    assert [remarks(link) for link in plain] == [(), ()]


def test_a_private_torrents_magnet_is_explained() -> None:
    """The words say what to expect and what becomes known to whom."""
    assert "private torrent" in PRIVATE
    assert "passkey" in PRIVATE
