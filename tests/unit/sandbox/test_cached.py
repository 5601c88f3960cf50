"""What is there already, over HTTP."""

from __future__ import annotations

from tests.unit.sandbox.driver import HASH, MAGNET, Driver, driving

HIT = "cac4ed00" + HASH[8:]
CACHED = f"magnet:?xt=urn:btih:{HIT}"


def _info(driver: Driver, *urls: str, files: bool = True) -> list[dict[str, object]]:
    answer = driver.post("/api/cache/info", json={"urls": list(urls), "includeFiles": files})
    rows: list[dict[str, object]] = answer.json()
    return rows


def test_info_goes_by_the_order_of_what_was_asked(current: Driver) -> None:
    """A bare hash is silently not cached; folders come as a list."""
    rows = _info(current, MAGNET, CACHED, HIT)
    assert [row["cached"] for row in rows] == [False, True, False]
    files = rows[1]["files"]
    assert isinstance(files, list)
    assert {"/".join([*file["folder"], file["filename"]]): file["size"] for file in files} == dict(
        current.sandbox.expected_files(CACHED)
    )


def test_info_without_files(current: Driver) -> None:
    """They are told only when they are asked for."""
    assert _info(current, CACHED, files=False) == [{"cached": True}]


def test_download_leaves_nothing_behind(current: Driver) -> None:
    """The links work, and the account stays empty."""
    files = current.post("/api/cache/download", json={"url": CACHED}).json()
    for file in files:
        path = "/".join([*file["folder"], file["filename"]])
        assert current.file(file["url"]).content == current.sandbox.expected_bytes(CACHED, path)
    assert current.get("/api/cloud/history").json() == []
    assert current.sandbox.books().of(f"btih:{HIT}").items_created == 0


def test_download_refuses_what_is_not_cached(current: Driver) -> None:
    """Neither a torrent nobody had nor an address."""
    for link in (MAGNET, "http://x.example/a"):
        answer = current.post("/api/cache/download", json={"url": link})
        assert answer.json() == {"error": "Unsupported link for direct download."}
    with driving(generation="current", premium=False) as driver:
        answer = driver.post("/api/cache/download", json={"url": CACHED})
        assert answer.json() == {"not_available": "premium"}


def test_the_classic_service_only_tells_hits(classic: Driver) -> None:
    """And it has an older name for that."""
    for path in ("info", "download"):
        assert classic.post(f"/api/cache/{path}").status_code == 404
    assert classic.post("/api/torrent/check", json={"hashes": [HIT]}).json() == {"cachedItems": [HIT]}
