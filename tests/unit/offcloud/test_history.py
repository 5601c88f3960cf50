"""Finding a link of ours among whatever stands in an account's history."""

import json

import pytest

from offcloud_watchd.core.links import parse_link
from offcloud_watchd.errors import Blocked, Transient
from offcloud_watchd.offcloud.answer import Answer
from offcloud_watchd.offcloud.history import Listing, listing

HEX = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
BASE32 = "YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK"
MAGNET = parse_link(f"magnet:?xt=urn:btih:{HEX}")
URL = parse_link("https://Files.Example.com:443/a b.zip")


def _read(body: object, status: int = 200) -> Listing:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return listing(Answer("GET service.invalid/api/cloud/history", status, raw), as_of=5.0)


def _ids(body: object, link: object = MAGNET) -> list[str]:
    return [one.request_id for one in _read(body).matching(link)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "original",
    [
        f"magnet:?xt=urn:btih:{HEX}&dn=x&tr=udp://t.invalid",
        f"magnet:?xt=urn:btih:{HEX.upper()}",
        f"magnet:?xt=urn:btih:{BASE32}",
        f"{HEX}.torrent",
        f"https://cdn.invalid/t/{HEX.upper()}.torrent",
    ],
)
def test_a_torrent_is_known_by_its_hash_in_every_spelling(original: str) -> None:
    """The service rewrites the link; hex, base32 and a torrent file's name are the same thing."""
    assert _ids([{"requestId": "R1", "originalLink": original, "status": "created"}]) == ["R1"]
    assert _ids([{"requestId": "R1", "fileName": f"{HEX}.torrent"}]) == ["R1"]


def test_a_hybrid_is_known_by_either_hash() -> None:
    """A magnet with two hashes matches an entry that shows only one of them, once."""
    v2 = "d" * 64
    link = parse_link(f"magnet:?xt=urn:btih:{HEX}&xt=urn:btmh:1220{v2}")
    both = f"magnet:?xt=urn:btih:{HEX}&xt=urn:btmh:1220{v2}"
    assert _ids([{"requestId": "R1", "originalLink": f"magnet:?xt=urn:btmh:1220{v2}"}], link) == ["R1"]
    assert _ids([{"requestId": "R1", "originalLink": both}], link) == ["R1"]


def test_an_ftp_link_is_known_too() -> None:
    """It is taken by option only, but found again it must be in any case."""
    link = parse_link("ftp://files.example/a b", ftp=True)
    assert _ids([{"requestId": "R1", "originalLink": "FTP://Files.example:21/a%20b"}], link) == ["R1"]


def test_a_web_link_is_known_exactly_and_then_by_its_one_spelling() -> None:
    """An exact match is preferred; else letter case of the host, default port and escapes do not matter."""
    exact = {"requestId": "E", "originalLink": URL.url}
    alike = {"requestId": "N", "originalLink": "HTTPS://files.example.com/a%20b.zip"}
    other = {"requestId": "O", "originalLink": "https://files.example.com/A%20b.zip"}
    odd = {"requestId": "X", "originalLink": "https://user:pw@[half/"}
    spelled = {"requestId": "S", "originalLink": "https://FILES.example.com/a b.zip"}
    assert _ids([other, spelled, odd], URL) == ["S"]
    assert _ids([spelled, exact, other], URL) == ["E"]
    assert set(_ids([alike], URL)) == {"N"}


def test_failed_foreign_and_broken_entries_are_passed_over() -> None:
    """Only live entries with a usable id count, whatever else other programs left there."""
    link = f"magnet:?xt=urn:btih:{HEX}"
    body = [
        None,
        7,
        [],
        {},
        {"requestId": "../x", "originalLink": link},
        {"requestId": "F1", "originalLink": link, "status": "error"},
        {"requestId": "F2", "originalLink": link, "status": "Canceled"},
        {"requestId": "NO", "originalLink": None, "fileName": None},
        {"requestId": "BIG", "originalLink": link + "&x=" + "y" * 70_000},
        {"requestId": "OTHER", "originalLink": f"magnet:?xt=urn:btih:{'0' * 40}"},
        {
            "requestId": "OK",
            "originalLink": link,
            "status": "downloaded",
            "fileName": "Show",
            "createdOn": "?",
        },
    ]
    found = _read(body).matching(MAGNET)
    assert [(one.request_id, one.status, one.name, one.created_at) for one in found] == [
        ("OK", "downloaded", "Show", None)
    ]


def test_the_oldest_comes_first_and_twins_come_once() -> None:
    """Dates decide, in any form and even from the future; without one the place in the list does."""
    link = f"magnet:?xt=urn:btih:{HEX}"
    dates = {"D": None, "C": "2099-01-01", "B": "2026-01-02T00:00:00Z", "A": "01-01-2026", "A2": None}
    body = [{"requestId": own, "originalLink": link, "createdOn": date} for own, date in dates.items()]
    assert _ids([*body, body[3]]) == ["A", "B", "C", "A2", "D"]


def test_a_listing_in_an_object_and_an_empty_one_are_listings() -> None:
    """An account may be new; some answers wrap the array."""
    assert _ids({"history": [{"requestId": "R1", "originalLink": f"{HEX}.torrent"}], "isEnd": True}) == ["R1"]
    assert _ids([]) == []
    assert _read([]).as_of == 5.0


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (None, 200, Transient),
        ({}, 200, Transient),
        ([1, 2], 200, Transient),
        (b'[{"requestId":"R1"},{"req', 200, Transient),
        (b"<html>", 200, Transient),
        ([], 500, Transient),
        ({"error": "NOAUTH"}, 200, Blocked),
        ({"error": "NOAUTH", "history": []}, 200, Blocked),
    ],
)
def test_what_is_no_listing_proves_nothing(body: object, status: int, error: type[Exception]) -> None:
    """Only a whole listing may tell that something is not there."""
    with pytest.raises(error):
        _read(body, status)


def test_a_hundred_thousand_entries_are_read() -> None:
    """The history is not paged and grows without end."""
    body = [
        {
            "requestId": f"R{place}",
            "originalLink": f"magnet:?xt=urn:btih:{place:040x}&tr=udp://tracker.invalid:1337",
        }
        for place in range(100_000)
    ]
    link = parse_link(f"magnet:?xt=urn:btih:{77_777:040x}")
    assert _ids(body, link) == ["R77777"]
