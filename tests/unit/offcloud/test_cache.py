"""What the service has already."""

import json

import pytest

from offcloud_watchd.core.model import RemoteFile
from offcloud_watchd.errors import Blocked, OffcloudWatchdError, Transient
from offcloud_watchd.offcloud import cache
from offcloud_watchd.offcloud.answer import Answer
from offcloud_watchd.offcloud.cache import CachedFile, CachedRelease

HEX = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
PAGE = b"<html>"


def _answer(body: object, status: int = 200) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("POST service.invalid/api/cache", status, raw)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"cachedItems": [HEX.upper()]}, {HEX}),
        ({"cached_items": [HEX, "x", 7, None]}, {HEX}),
        ({"cachedItems": []}, set()),
        ({"cachedItems": None}, set()),
        ({"cachedItems": "x"}, set()),
        ({}, set()),
    ],
)
def test_hits_are_what_is_mentioned(body: object, found: set[str]) -> None:
    """In any case of letters; what is no hash is none."""
    assert cache.hits(_answer(body)) == found


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ([], 200, Transient),
        (PAGE, 200, Transient),
        (b"", 200, Transient),
        ({"error": "x y"}, 200, Transient),
        ({"error": "NOAUTH"}, 200, Blocked),
        ({"cachedItems": []}, 500, Transient),
    ],
)
def test_hits_that_are_not_told_raise(body: object, status: int, error: type[Exception]) -> None:
    """Silence about the cache is not an empty cache."""
    with pytest.raises(error):
        cache.hits(_answer(body, status))


def test_releases_go_by_the_order() -> None:
    """Folders come as a list of names; what is odd is left out."""
    files = [{"folder": ["Root", "sub"], "filename": "a.mkv", "size": 3}, {"filename": "b"}, {}, "x"]
    body = [{"cached": True, "files": files}, {"cached": "false"}, None, {"cached": True, "files": "x"}]
    assert cache.releases(_answer(body), 4) == (
        CachedRelease(
            cached=True,
            files=(CachedFile("Root/sub/a.mkv", 3), CachedFile("b", None), CachedFile("?", None)),
        ),
        CachedRelease(cached=False),
        CachedRelease(cached=False),
        CachedRelease(cached=True),
    )


@pytest.mark.parametrize("body", [[], [{}] * 3, {"cached": True}, {"error": "x y"}, PAGE])
def test_a_list_of_another_length_says_nothing(body: object) -> None:
    """Nobody could tell which entry is whose."""
    with pytest.raises(Transient):
        cache.releases(_answer(body), 2)


def test_links_come_with_their_paths() -> None:
    """A bare list or one under ``files``."""
    rows = [{"url": "https://cdn.invalid/t/a.mkv", "filename": "a.mkv", "size": 3, "folder": ["Root"]}]
    found = [RemoteFile("Root/a.mkv", "https://cdn.invalid/t/a.mkv", 3)]
    for body in (rows, {"files": rows}):
        assert list(cache.links(_answer(body), allow_http=False) or ()) == found


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": "Unsupported link for direct download."}, 400),
        ({"error": "Unsupported link for direct download."}, 200),
        (PAGE, 404),
        (PAGE, 405),
        ([], 200),
    ],
)
def test_what_is_not_cached_has_no_links(body: object, status: int) -> None:
    """Nor has a service without the call: the ordinary way is taken."""
    assert cache.links(_answer(body, status), allow_http=False) is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": "NOAUTH"}, 401),
        ({"not_available": "premium"}, 200),
        (PAGE, 502),
        ([{"url": "ftp://x/a"}], 200),
    ],
)
def test_a_refusal_is_not_a_miss(body: object, status: int) -> None:
    """Otherwise a lapsed plan would look like an empty cache."""
    with pytest.raises(OffcloudWatchdError):
        cache.links(_answer(body, status), allow_http=False)
