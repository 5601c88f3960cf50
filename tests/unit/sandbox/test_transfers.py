"""Instant and remote, with their proxies and accounts, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from offcloud_watchd.sandbox.transfers import ACCOUNTS, ONLY_CLOUD, PROXIES
from tests.unit.sandbox.driver import HASH, KEY, MAGNET, Driver, driving, magnet

FILE = "http://files.example/a.bin"
DRIVE = ACCOUNTS[0]["remoteOptionId"]


@pytest.fixture(params=["classic", "both"])
def has_remote(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """A client of each service that has remote accounts."""
    with driving(generation=request.param) as driver:
        yield driver


def _remote(driver: Driver, link: str = MAGNET, **more: str) -> str:
    answer = driver.post("/api/remote", data={"url": link, "remoteOptionId": DRIVE, **more}).json()
    return str(answer["requestId"])


def _word(driver: Driver, request_id: str) -> str:
    answer = driver.post("/api/remote/status", data={"requestId": request_id}).json()
    return str(answer["status"]["status"])


# --- instant ---


@pytest.mark.parametrize("proxy", [{}, {"proxyId": PROXIES[0]["id"]}])
def test_instant_gives_a_link_at_once(each: Driver, proxy: dict[str, str]) -> None:
    """The link in the answer leads to the file, whose status stays ``created``."""
    answer = each.post("/api/instant", data={"url": FILE, **proxy}).json()
    assert (answer["status"], answer["fileName"]) == ("created", "a.bin")
    assert each.file(answer["url"]).content == each.sandbox.expected_bytes(FILE, "a.bin")
    books = each.sandbox.books()
    assert books.of(f"instant:url:{FILE}").items_created == books.of(f"instant:url:{FILE}").posts == 1
    assert books.of(f"url:{FILE}").items_created == 0
    assert each.get("/api/cloud/history").json() == []
    (given,) = each.get("/sandbox/books").json()["given"]
    assert given == {"key": f"url:{FILE}", "proxy_id": proxy.get("proxyId", "")}


def test_instant_refuses_torrents(each: Driver) -> None:
    """They are for the cloud."""
    assert each.post("/api/instant", data={"url": MAGNET}).json() == {"error": ONLY_CLOUD}


def test_instant_refuses_what_the_cloud_refuses(each: Driver) -> None:
    """No plan, no such proxy, no such address."""
    premium = each.post("/api/instant", data={"url": "http://premium.example/x"})
    assert premium.json() == {"not_available": "premium"}
    unknown = each.post("/api/instant", data={"url": FILE, "proxyId": "x"})
    assert unknown.json() == {"not_available": "proxy"}
    assert "requestId" not in each.post("/api/instant", data={"url": "http://bad.example/x"}).text


def test_instant_has_a_history_and_a_cap(classic: Driver) -> None:
    """The classic service lists instant downloads by themselves."""
    each = classic.post("/api/instant/download", data={"url": FILE}).json()
    assert [row["requestId"] for row in classic.get("/api/instant/history").json()] == [each["requestId"]]
    with driving(generation="classic", max_items=0) as driver:
        assert "more than 0" in driver.post("/api/instant", data={"url": FILE}).json()["error"]


# --- proxies and accounts ---


@pytest.mark.parametrize("path", ["/api/proxy", "/api/proxy/list"])
def test_proxies(has_remote: Driver, path: str) -> None:
    """Wrapped in the classic service, bare as the document shows it."""
    wrapped = has_remote.sandbox.settings.generation == "classic"
    answer = has_remote.post(path).json()
    assert (answer["list"] if wrapped else answer) == list(PROXIES)


@pytest.mark.parametrize("path", ["/api/remote/accounts", "/api/remote-account/list"])
def test_accounts(has_remote: Driver, path: str) -> None:
    """Each has two ids, and tells what went there."""
    wrapped = has_remote.sandbox.settings.generation == "classic"
    answer = has_remote.post(path).json()
    assert [{**row, "usage": 0} for row in ACCOUNTS] == (answer["data"] if wrapped else answer)
    _remote(has_remote)
    has_remote.clock.advance(100)
    answer = has_remote.post(path).json()
    assert [row["usage"] for row in (answer["data"] if wrapped else answer)] == [3_000_000, 0]


@pytest.mark.parametrize("path", ["/api/proxy", "/api/remote", "/api/remote/accounts", "/api/remote/status"])
def test_the_current_service_has_none_of_it(current: Driver, path: str) -> None:
    """Remote is off there."""
    assert current.post(path).status_code == 404


# --- remote ---


def test_a_transfer_has_a_course(has_remote: Driver) -> None:
    """Created, downloading, uploading, done; then it is where it was sent."""
    request_id = _remote(has_remote, folderId="folder-1")
    seen = []
    for seconds in (0, 4, 5, 3):
        has_remote.clock.advance(seconds)
        seen.append(_word(has_remote, request_id))
    assert seen == ["created", "downloading", "uploading", "downloaded"]
    (transfer,) = has_remote.sandbox.transfers()
    assert (transfer.key, transfer.account_id, transfer.folder_id, transfer.status) == (
        KEY,
        DRIVE,
        "folder-1",
        "downloaded",
    )
    assert has_remote.get("/sandbox/books").json()["transfers"][0]["folder_id"] == "folder-1"


def test_a_transfer_is_not_in_the_cloud(has_remote: Driver) -> None:
    """It is counted, listed and asked for by itself, and each is a new one."""
    ids = [_remote(has_remote), _remote(has_remote)]
    assert [row["requestId"] for row in has_remote.get("/api/remote/history").json()] == ids[::-1]
    assert has_remote.get("/api/cloud/history").json() == []
    assert has_remote.sandbox.books().twins == (f"remote:{KEY}",)
    assert has_remote.sandbox.books().of(KEY).posts == 0
    answer = has_remote.post("/api/cloud/status", data={"requestId": ids[0]}).json()
    assert answer in ({}, {"error": "Request not found."})
    many = has_remote.post("/api/remote/status", json={"requestIds": ids}).json()
    assert [entry["requestId"] for entry in many["requests"]] == ids


def test_a_transfer_is_answered_without_name_and_link(has_remote: Driver) -> None:
    """Nobody knows either yet."""
    answer = has_remote.post("/api/remote/download", data={"url": MAGNET, "remoteOptionId": DRIVE}).json()
    assert not {"fileName", "url"} & set(answer)


def test_a_failed_transfer_is_tried_again(has_remote: Driver) -> None:
    """It begins anew under its id."""
    request_id = _remote(has_remote, magnet("[flaky]", HASH))
    has_remote.clock.advance(100)
    assert _word(has_remote, request_id) == "error"
    assert has_remote.get(f"/api/remote/retry/{request_id}").json()["status"]["status"] == "created"
    has_remote.clock.advance(100)
    assert _word(has_remote, request_id) == "downloaded"
    assert "not found" in has_remote.get("/api/cloud/retry/" + request_id).json()["error"]


def test_a_transfer_is_refused(has_remote: Driver) -> None:
    """Without an account, with one that is not there, without a plan, and beyond the cap."""
    errors = [
        has_remote.post("/api/remote", data={"url": MAGNET, **account}).json()["error"]
        for account in ({}, {"remoteOptionId": "x"})
    ]
    assert errors == ["Missing remoteOptionId.", "Remote account not found."]
    answer = has_remote.post("/api/remote", data={"url": magnet("[premium]"), "remoteOptionId": DRIVE})
    assert answer.json() == {"not_available": "premium"}
    with driving(generation="both", max_items=0) as driver:
        answer = driver.post("/api/remote", data={"url": MAGNET, "remoteOptionId": DRIVE})
        assert "more than 0" in answer.json()["error"]
