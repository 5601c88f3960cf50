"""Uploaded files and what they mean."""

from __future__ import annotations

import hashlib

import pytest

from offcloud_watchd.sandbox.uploads import MOST_UPLOADS, Uploads
from tests.unit.sandbox.driver import Driver, driving

INFO = b"d6:lengthi10e4:name8:Show.mkv12:piece lengthi16384e6:pieces20:" + bytes(range(1, 21)) + b"e"
TORRENT = b"d8:announce11:http://x/an4:listli1eli2eee4:info" + INFO + b"e"
HEX = hashlib.sha1(INFO, usedforsecurity=False).hexdigest()
NZB = b'<?xml version="1.0"?>\n<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb"></nzb>'


def _upload(driver: Driver, name: str, data: bytes) -> dict[str, object]:
    answer = driver.post("/torrent/upload", files={"file": (name, data)})
    told: dict[str, object] = answer.json()
    return told


@pytest.mark.parametrize("generation", ["classic", "both"])
def test_an_uploaded_torrent_is_submitted_by_its_address(generation: str) -> None:
    """It is the same content as its magnet, and its bytes arrive as they are."""
    with driving(generation=generation) as driver:
        told = _upload(driver, "a.torrent", TORRENT)
        assert (told["success"], told["fileName"]) == (True, "a.torrent")
        driver.submit(str(told["url"]))
        assert driver.sandbox.books().of(f"btih:{HEX}").items_created == 1
        row = driver.get("/api/cloud/history").json()[0]
        assert HEX in row["originalLink"]
        assert row["site"] == "BitTorrent"


def test_an_nzb_is_called_what_it_was_given(classic: Driver) -> None:
    """Its name comes with the submission, else from its file."""
    url = str(_upload(classic, "Some Show.nzb", NZB)["url"])
    first = classic.post("/api/cloud", data={"url": url}).json()
    url = str(_upload(classic, "Some Show.nzb", NZB + b"\n")["url"])
    second = classic.post("/api/cloud", data={"url": url, "customFileName": "Other"}).json()
    assert (first["fileName"], second["fileName"]) == ("Some Show", "Other")
    assert first["site"] == "HTTP"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.torrent", b""),
        ("a.torrent", b"<html>"),
        ("a.torrent", b"d4:info"),
        ("a.torrent", b"d3:fooi1ee"),
        ("a.torrent", b"de"),
        ("a.torrent", b"d4:infod" * 10),
        ("a.nzb", b"<html>"),
        ("a.txt", TORRENT),
    ],
)
def test_what_is_neither_is_refused(classic: Driver, name: str, data: bytes) -> None:
    """However the file looks, the answer is a plain no."""
    assert _upload(classic, name, data) == {"success": False}


def test_a_torrent_without_a_name_is_taken() -> None:
    """What it is called does not matter to what it is."""
    uploads = Uploads(lambda: "http://x")
    uploaded = uploads.add("a.torrent", b"d4:infod6:lengthi1eee")
    assert uploaded is not None
    source = uploads.source(uploaded.url, "")
    assert source is not None
    assert (source.kind, source.name) == ("torrent", "")
    assert uploads.source("http://x/other", "") is None


def test_what_an_nzb_is_called_tells_how_it_behaves() -> None:
    """It names nothing itself; a torrent does."""
    uploads = Uploads(lambda: "http://x")
    for name, data, markers in (("a.nzb", NZB, {"fail"}), ("a.torrent", TORRENT, set())):
        uploaded = uploads.add(name, data)
        assert uploaded is not None
        source = uploads.source(uploaded.url, "A Show [fail]")
        assert source is not None
        assert (source.name, source.markers) == ("A Show [fail]", markers)


def test_uploads_are_bounded() -> None:
    """Beyond the cap an address means nothing."""
    uploads = Uploads(lambda: "http://x")
    for number in range(MOST_UPLOADS):
        uploads.add("a.nzb", NZB + str(number).encode())
    last = uploads.add("a.nzb", NZB)
    assert last is not None
    assert uploads.source(last.url, "") is None


def test_the_current_service_takes_no_files(current: Driver) -> None:
    """No client of it uploads anything."""
    assert current.post("/torrent/upload", files={"file": ("a.torrent", TORRENT)}).status_code == 404
