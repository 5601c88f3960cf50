"""``explain``: what it says about a link that may not come to anything."""

import json

import pytest

from offcloud_watchd.core.links.remarks import PRIVATE, V2_ONLY
from tests.unit.cli.place import Place
from tests.unit.core.links.makers import leaf, torrent, v1_info, v2_info


@pytest.mark.parametrize(
    ("data", "remarks"),
    [
        (torrent(v1_info(private=1)), [PRIVATE]),
        (torrent(v2_info({"f": leaf(7)})), [V2_ONLY]),
        (torrent(v2_info({"f": leaf(7)}, private=1)), [PRIVATE, V2_ONLY]),
        (torrent(v1_info()), []),
    ],
)
def test_what_may_be_in_the_way_is_told(place: Place, data: bytes, remarks: list[str]) -> None:
    """A private torrent's magnet may find no peers, and a v2 torrent may not be taken: both are said."""
    path = place.root / "x.torrent"
    path.write_bytes(data)
    said = place.run("explain", str(path)).out
    assert [line for line in said.splitlines() if "note:" in line] == [f"    note: {one}" for one in remarks]
    (told,) = json.loads(place.run("explain", "--json", str(path)).out)
    assert told["links"][0]["remarks"] == remarks
    assert told["links"][0]["private"] == (PRIVATE in remarks)


def test_an_nzb_is_named(place: Place) -> None:
    """What it is, who takes it, and what is wrong with a damaged one."""
    path = place.root / "x.nzb"
    path.write_text("<nzb><file><segments><segment>a@b</segment></segments></file></nzb>")
    ended = place.run("explain", str(path))
    assert ended.code == 0
    assert "x (nzb, nzb:" in ended.out
    assert "note: it is an NZB file (Usenet): the classic service takes it" in ended.out
    path.write_text("<nzb><file>")
    ended = place.run("explain", str(path))
    assert ended.code == 1
    assert "would be refused: this is an NZB file (Usenet) that is damaged: line 1" in ended.out
