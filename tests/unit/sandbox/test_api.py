"""Each endpoint, in each generation, over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.unit.sandbox.driver import HASH, KEY, MAGNET, Driver, driving, magnet

HTML = "text/html; charset=UTF-8"
JSON = {"Content-Type": "application/json"}
NOAUTH = {"error": "NOAUTH"}


# --- who may ask --------------------------------------------------------------------------------------------


def ways_in(driver: Driver) -> dict[str, bool]:
    """Return which ways of showing the key are accepted."""
    key = "sandbox-key"
    asks: dict[str, dict[str, Any]] = {
        "bearer": {"headers": {"Authorization": f"Bearer {key}"}},
        "key": {"params": {"key": key}},
        "apikey": {"params": {"apikey": key}},
        "apiKey": {"params": {"apiKey": key}},
        "form": {"data": {"key": key}},
        "wrong": {"params": {"key": "other"}, "headers": {"Authorization": "Bearer é", "Cookie": "a/b=1"}},
        "no session": {"headers": {"Cookie": "connect.sid=guess"}},
        "none": {},
    }
    return {name: driver.post("/api/cache", key="", **ask).json() != NOAUTH for name, ask in asks.items()}


def test_ways_in_classic(classic: Driver) -> None:
    """The classic service takes the key in the query or the form, and no header."""
    assert [name for name, good in ways_in(classic).items() if good] == ["key", "apikey", "apiKey", "form"]


def test_ways_in_current(current: Driver) -> None:
    """The current service takes a Bearer header and ``key`` in the query."""
    assert [name for name, good in ways_in(current).items() if good] == ["bearer", "key"]


def test_ways_in_both(both: Driver) -> None:
    """Both take everything; what is refused is counted."""
    ways = ways_in(both)
    assert [name for name, good in ways.items() if not good] == ["wrong", "no session", "none"]
    assert both.sandbox.books().auth_failures == 3


def test_refusal(each: Driver) -> None:
    """NOAUTH comes with 200 in the classic service and with 401 in the current one."""
    answer = each.get("/api/cloud/history", key="")
    assert answer.json() == NOAUTH
    assert answer.status_code == (200 if each.sandbox.settings.generation == "classic" else 401)


def test_login_session_and_key(classic: Driver) -> None:
    """A login gives a cookie, which tells who is logged in and gives the key."""
    assert classic.get("/api/check", key="").json() == {"loggedIn": 0}
    answer = classic.post(
        "/api/login", key="", data={"username": "sandbox@example.org", "password": "sandbox"}
    )
    assert answer.json()["email"] == "sandbox@example.org"
    assert set(answer.json()) == {"email", "userId"}
    assert classic.get("/api/check", key="").json() == {"loggedIn": 1}
    assert classic.post("/api/key", key="").json() == {
        "email": "sandbox@example.org",
        "apiKey": "sandbox-key",
    }


@pytest.mark.parametrize(
    ("username", "error"),
    [("nobody", "Please enter a valid email address."), ("a@b.c", "The credentials entered are wrong.")],
)
def test_login_refused(classic: Driver, username: str, error: str) -> None:
    """A wrong login is told in words."""
    assert classic.post("/api/login", json={"username": username, "password": ""}).json() == {"error": error}


def test_paths_and_verbs(each: Driver) -> None:
    """An unknown path and a wrong verb are answered in HTML."""
    for method, path, status in (
        ("GET", "/api/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/api/cloud/list/bad%2Fid", 404),
        ("GET", "/api/cloud/list/", 404),
        ("GET", "/api/cloud/retry/" + "x" * 129, 404),
        ("GET", "/api/cloud", 405),
        ("OPTIONS", "/api/cloud/status", 405),
        ("HEAD", "/api/cloud/history", 405),
    ):
        answer = each.call(method, path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=UTF-8")


@pytest.mark.parametrize(
    ("generation", "absent"),
    [
        ("classic", ["GET /api/account/info"]),
        ("current", ["GET /api/account/stats", "POST /api/login", "GET /api/check", "POST /api/key"]),
        ("both", []),
    ],
)
def test_endpoints_of_the_other_generation(generation: str, absent: list[str]) -> None:
    """What a generation does not have is not found."""
    asked = ["/api/account/info", "/api/account/stats", "/api/check"], ["/api/login", "/api/key"]
    with driving(generation=generation) as driver:
        calls = [("GET", path) for path in asked[0]] + [("POST", path) for path in asked[1]]
        missing = [f"{verb} {path}" for verb, path in calls if driver.call(verb, path).status_code == 404]
    assert missing == sorted(absent, key=[f"{verb} {path}" for verb, path in calls].index)


# --- submitting ---------------------------------------------------------------------------------------------


def test_submit_classic(classic: Driver) -> None:
    """The classic answer has a site, a date and an address without a file name."""
    answer = classic.post("/api/cloud", data={"url": MAGNET}).json()
    request_id = answer["requestId"]
    assert answer == {
        "requestId": request_id,
        "fileName": classic.sandbox.expected_files(KEY)[0][0].partition("/")[0],
        "site": "BitTorrent",
        "status": "created",
        "originalLink": MAGNET,
        "createdOn": "2027-01-15T08:00:00.000Z",
        "url": f"{classic.sandbox.file_url}/cloud/download/{request_id}",
    }


def test_submit_current(current: Driver) -> None:
    """The current answer is short, names nothing yet, and tells the link it made of ours."""
    answer = current.post("/api/cloud", json={"url": MAGNET + "&tr=udp%3A%2F%2Fours"}).json()
    assert set(answer) == {"requestId", "fileName", "status", "originalLink"}
    assert (answer["fileName"], answer["status"]) == ("Loading...", "created")
    for part in (HASH, "udp%3A%2F%2Fours", "udp%3A%2F%2Ftracker.example.org", "ws="):
        assert part in answer["originalLink"]


def test_submit_both(both: Driver) -> None:
    """Both at once answer with the members of both."""
    answer = both.post("/api/cloud", json={"url": MAGNET}).json()
    assert set(answer) == {"requestId", "fileName", "status", "originalLink", "createdOn", "site", "url"}


def test_submit_in_every_encoding(each: Driver) -> None:
    """A form, JSON and a multipart form all work, and each takes effect once."""
    each.post("/api/cloud", data={"url": magnet("A", "1" * 40)})
    each.post("/api/cloud", json={"url": magnet("B", "2" * 40)})
    each.post("/api/cloud", files={"url": (None, magnet("C", "3" * 40))})
    contents = each.sandbox.books().contents
    assert list(contents) == [f"btih:{digit * 40}" for digit in "123"]
    assert {(content.items_created, content.posts) for content in contents.values()} == {(1, 1)}


def test_submit_by_the_old_name(classic: Driver) -> None:
    """The long path of 2014 is an alias."""
    assert classic.post("/api/cloud/download", data={"url": MAGNET}).json()["status"] == "created"


def test_submit_cached(each: Driver) -> None:
    """What the service has already is downloaded at once."""
    assert each.post("/api/cloud", data={"url": magnet("[cached]")}).json()["status"] == "downloaded"


def test_submit_again(each: Driver) -> None:
    """The same magnet gives the same id in the current service, a twin in the classic one."""
    same = each.submit() == each.submit()
    books = each.sandbox.books()
    assert books.of(KEY).posts == 2
    classic = each.sandbox.settings.generation == "classic"
    assert (same, books.twins) == ((False, (KEY,)) if classic else (True, ()))


def test_submit_spelled_otherwise_is_the_same(current: Driver) -> None:
    """Base32 and hex are one content."""
    letters = base64.b32encode(bytes.fromhex(HASH)).decode()
    assert current.submit() == current.submit(f"magnet:?xt=urn:btih:{letters}")


def test_original_link_of_a_file(current: Driver) -> None:
    """The address of a file comes back as it is, and its name is known at once."""
    answer = current.post("/api/cloud", data={"url": "http://x.org/a.tar.gz"}).json()
    assert (answer["originalLink"], answer["fileName"]) == ("http://x.org/a.tar.gz", "a.tar.gz")


def test_original_link_of_a_torrent(current: Driver) -> None:
    """The address of a torrent comes back as its hash."""
    answer = current.post("/api/cloud", data={"url": "http://x.org/a.torrent"}).json()
    stem, _, suffix = answer["originalLink"].partition(".")
    assert (len(bytes.fromhex(stem)), suffix) == (20, "torrent")


def test_zombie(current: Driver) -> None:
    """A nonsense hash is taken and stays ``Loading...`` for ever."""
    request_id = current.finished("magnet:?xt=urn:btih:zzzz")
    status = current.status(request_id)
    assert (status["status"], status["fileName"], status["message"]) == (
        "created",
        "Loading...",
        "Loading...",
    )
    link = current.get("/api/cloud/history").json()[0]["originalLink"]
    assert link == "magnet:?xt=urn:btih:zzzz"


def test_unreadable_link(each: Driver) -> None:
    """A link that cannot be read is a bare string with 500, or an error in the classic service."""
    answer = each.post("/api/cloud", data={"url": "http://bad.example/a"})
    if each.sandbox.settings.generation == "classic":
        assert (answer.status_code, list(answer.json())) == (200, ["error"])
    else:
        assert (answer.status_code, answer.json()) == (500, "Error parsing url - HTTP code: 404 ")
    assert each.sandbox.books().of("url:http://bad.example/a").items_created == 0


def test_no_link(each: Driver) -> None:
    """A submission without a link is an error, 400 in the current service."""
    answer = each.post("/api/cloud")
    if each.sandbox.settings.generation == "classic":
        assert (answer.status_code, answer.json()) == (200, {"error": "Incorrect url"})
    else:
        assert (answer.status_code, answer.json()) == (400, {"error": "Missing required parameter: url"})


def test_no_plan(each: Driver) -> None:
    """A missing plan is told with 200, for one link by its marker."""
    answer = each.post("/api/cloud", data={"url": magnet("[premium]")})
    assert (answer.status_code, answer.json()) == (200, {"not_available": "premium"})
    with driving(premium=False) as driver:
        assert driver.post("/api/cloud", data={"url": MAGNET}).json() == {"not_available": "premium"}


def test_full_account() -> None:
    """An account has a cap."""
    with driving(max_items=1) as driver:
        driver.submit()
        answer = driver.post("/api/cloud", data={"url": "http://x.org/a"})
    assert "more than 1 downloads" in answer.json()["error"]


# --- following ----------------------------------------------------------------------------------------------


def test_status_classic(classic: Driver) -> None:
    """The classic status counts bytes, and its numbers may be strings."""
    request_id = classic.submit(magnet("A[tree]"))
    assert classic.status(request_id)["status"] == "created"
    classic.clock.advance(5)
    status = classic.status(request_id)
    assert (status["status"], status["amount"], status["isCompleted"]) == ("downloading", 1_500_000, False)
    assert (status["fileSize"], status["downloadingSpeed"], status["downloadingTime"]) == (
        "3000000",
        "500000 ",
        5000,
    )
    assert "isDirectory" not in status
    classic.clock.advance(5)
    status = classic.status(request_id)
    assert (status["status"], status["isDirectory"], status["server"]) == ("downloaded", True, "")
    assert "progress" not in status


def test_status_current(current: Driver) -> None:
    """The current status has a fraction and a message, and no sizes."""
    request_id = current.submit()
    assert current.status(request_id) == {
        "requestId": request_id,
        "status": "created",
        "fileName": "Loading...",
        "progress": None,
        "message": "Loading...",
    }
    current.clock.advance(5)
    status = current.status(request_id)
    assert (status["status"], status["progress"]) == ("downloading", 0.5)
    assert status["fileName"].startswith("Some.Show")
    assert "0.5 MB/s from 8 peers, 1.5 MB of 3.0 MB, 1 minutes left" in status["message"]
    current.clock.advance(5)
    status = current.status(request_id)
    assert (status["status"], status["progress"], status["message"]) == ("downloaded", None, None)


def test_status_both(both: Driver) -> None:
    """Both at once tell the members of both, with numbers that are numbers."""
    request_id = both.submit()
    both.clock.advance(5)
    status = both.status(request_id)
    assert (status["progress"], status["amount"], status["fileSize"]) == (0.5, 1_500_000, 3_000_000)
    assert status["downloadingSpeed"] == 500_000


def test_status_of_a_failure(each: Driver) -> None:
    """The reason stands in ``errorMessage`` or in ``message``."""
    status = each.status(each.finished(magnet("[fail]")))
    assert status["status"] == "error"
    reasons = {status[name] for name in ("errorMessage", "message") if name in status}
    assert reasons == {"Cannot download torrent. Timeout."}


def test_status_in_batches(each: Driver) -> None:
    """Many ids at once are classic; the current service misses the single one."""
    ids = [each.submit(magnet("A", digit * 40)) for digit in "12"]
    answer = each.post("/api/cloud/status", json={"requestIds": [*ids, "unknown"]})
    if each.sandbox.settings.generation == "current":
        assert (answer.status_code, answer.json()) == (
            400,
            {"error": "Missing required parameter: requestId"},
        )
    else:
        assert [entry["requestId"] for entry in answer.json()["requests"]] == ids


def test_status_of_the_unknown(each: Driver) -> None:
    """The classic service tells nothing of an unknown id."""
    answer = each.post("/api/cloud/status", data={"requestId": "unknown"})
    if each.sandbox.settings.generation == "classic":
        assert (answer.status_code, answer.json()) == (200, {})
    else:
        assert (answer.status_code, answer.json()) == (404, {"error": "Request not found."})


def test_history(each: Driver) -> None:
    """A bare array, newest first, with what each generation tells."""
    first = each.finished(magnet("A[tree]", "1" * 40))
    second = each.submit("http://x.org/a.bin")
    rows = each.get("/api/cloud/history").json()
    assert [row["requestId"] for row in rows] == [second, first]
    assert [row["status"] for row in rows] == ["created", "downloaded"]
    assert rows[0]["fileName"] == "a.bin"
    assert rows[1]["createdOn"] == "2027-01-15T08:00:00.000Z"
    if each.sandbox.settings.generation == "current":
        assert set(rows[1]) == {"requestId", "fileName", "status", "originalLink", "createdOn"}
    else:
        assert (rows[0]["site"], rows[1]["site"], rows[1]["isDirectory"]) == ("HTTP", "BitTorrent", True)
        assert "isDirectory" not in rows[0]


def test_history_hides_what_is_too_new() -> None:
    """An item may show late in the history although its status is known."""
    with driving(history_lag_s=30.0) as driver:
        request_id = driver.submit()
        assert driver.status(request_id)["status"] == "created"
        assert driver.get("/api/cloud/history").json() == []
        driver.clock.advance(30)
        assert len(driver.get("/api/cloud/history").json()) == 1


# --- files --------------------------------------------------------------------------------------------------


def test_explore_a_folder(each: Driver) -> None:
    """A bare array of links, one for each file."""
    request_id = each.finished(magnet("A[tree]"))
    links = each.get(f"/api/cloud/explore/{request_id}").json()
    assert len(links) == len(set(links)) == len(each.sandbox.expected_files(KEY))


def test_explore_in_detail(each: Driver) -> None:
    """The current service tells paths and sizes; the classic one does not know the word."""
    request_id = each.finished(magnet("A[tree]"))
    answer = each.get(f"/api/cloud/explore/{request_id}", params={"format": "detailed"}).json()
    if each.sandbox.settings.generation == "classic":
        assert isinstance(answer, list)
        return
    files = answer["files"]
    assert [(file["path"], file["size"]) for file in files] == each.sandbox.expected_files(KEY)
    assert all(file["path"].endswith(file["name"]) and file["id"] for file in files)
    content = each.file(files[3]["url"]).content
    assert content == each.sandbox.expected_bytes(KEY, files[3]["path"])


def test_explore_a_single_file(each: Driver) -> None:
    """The classic service calls a single file a bad archive."""
    request_id = each.finished(magnet("A[single]"))
    answer = each.get(f"/api/cloud/explore/{request_id}")
    if each.sandbox.settings.generation == "classic":
        assert (answer.status_code, answer.json()) == (200, {"error": "Bad archive"})
    else:
        assert len(answer.json()) == 1


def test_explore_by_form(classic: Driver) -> None:
    """The classic service also took the id in a form."""
    request_id = classic.finished(magnet("A[tree]"))
    assert len(classic.post("/api/cloud/explore", data={"requestId": request_id}).json()) == 7


@pytest.mark.parametrize("what", ["explore", "list"])
def test_files_too_early_and_too_late(each: Driver, what: str) -> None:
    """An unfinished request has no files yet, a removed one is not found."""
    classic = each.sandbox.settings.generation == "classic"
    request_id = each.submit()
    answer = each.get(f"/api/cloud/{what}/{request_id}")
    assert answer.status_code == (200 if classic else 400)
    assert "downloaded yet" in answer.json()["error"]
    each.remove(request_id)
    answer = each.get(f"/api/cloud/{what}/{request_id}")
    assert answer.json() == {"error": "Request not found."}
    assert answer.status_code == (200 if classic else 404)


@pytest.mark.parametrize("shape", ["[single]", "[tree]", "[odd]"])
def test_list(each: Driver, shape: str) -> None:
    """Text, one link a line, for single files too."""
    request_id = each.finished(magnet("A" + shape))
    answer = each.get(f"/api/cloud/list/{request_id}")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert len(answer.text.splitlines()) == len(each.sandbox.expected_files(KEY))


def test_junk(classic: Driver) -> None:
    """The classic list holds entries that are no files."""
    links = classic.links(classic.finished(magnet("A[junk]")))
    junk = links[len(classic.sandbox.expected_files(KEY)) :]
    assert [link.rpartition("/")[2] for link in junk] == [
        "A[junk].aria2",
        "A[junk].aria2__temp",
        "A[junk].torrent",
        "",
    ]
    assert {classic.file(link).status_code for link in junk} == {404}


# --- removing, retrying, cached -----------------------------------------------------------------------------


@pytest.mark.parametrize("generation", ["current", "both"])
def test_remove(generation: str) -> None:
    """By GET and by POST; what is removed is gone, and the unknown is not found."""
    with driving(generation=generation) as driver:
        ids = [driver.submit(magnet("A", digit * 40)) for digit in "123"]
        assert driver.get(f"/api/cloud/remove/{ids[0]}").json() == {"success": True}
        assert driver.post("/api/cloud/remove", json={"requests": ids[1:]}).json() == {"success": True}
        assert driver.get("/api/cloud/history").json() == []
        assert "not found" in driver.get(f"/api/cloud/remove/{ids[0]}").json()["error"]
        assert "requests" in driver.post("/api/cloud/remove", json={"requestIds": ids}).json()["error"]
        assert driver.sandbox.books().of(f"btih:{'1' * 40}").live_items == 0


def test_remove_by_the_web_address(each: Driver) -> None:
    """The address of removal that is not under ``/api`` is the only one the classic service has."""
    request_id = each.submit()
    assert each.remove(request_id).json() == {"success": True}
    classic = each.sandbox.settings.generation == "classic"
    assert (each.get(f"/api/cloud/remove/{request_id}").headers["Content-Type"] == HTML) == classic


def test_retry_is_unknown_to_the_current_service(current: Driver) -> None:
    """No client of it uses such a call, so nobody may count on it."""
    assert current.get(f"/api/cloud/retry/{current.submit()}").status_code == 404


@pytest.mark.parametrize("generation", ["classic", "both"])
def test_retry(generation: str) -> None:
    """A failed item begins anew; an unknown one is not found."""
    with driving(generation=generation) as driver:
        _retried(driver)


def _retried(each: Driver) -> None:
    request_id = each.finished(magnet("[flaky]"))
    assert each.status(request_id)["status"] == "error"
    assert each.get(f"/api/cloud/retry/{request_id}").json() == {"status": {"status": "created"}}
    each.clock.advance(100)
    assert each.status(request_id)["status"] == "downloaded"
    assert "not found" in each.get("/api/cloud/retry/unknown").json()["error"]


def test_cache(each: Driver) -> None:
    """Only the hits come back, in any case of letters, whatever spelling they were asked in."""
    hit = "cac4ed00" + HASH[8:]
    for body in (
        {"json": {"hashes": [hit, HASH]}},
        {"data": {"hashes[]": [hit, HASH]}},
        {"data": {"hashes[0]": hit}},
    ):
        answer = each.post("/api/cache", **body).json()
        assert [text.lower() for text in answer["cachedItems"]] == [hit]
    assert each.post("/api/cache").json() == {"cachedItems": []}


# --- the account --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("premium", [True, False])
def test_account_current(premium: bool) -> None:  # noqa: FBT001 - a pytest parameter
    """Who we are, and until when."""
    with driving(generation="current", premium=premium) as driver:
        answer = driver.get("/api/account/info").json()
    assert (answer["is_premium"], answer["can_download"]) == (premium, premium)
    assert answer["email"] == "sandbox@example.org"
    assert answer.get("expiration_date") == ("2028-01-15" if premium else None)


@pytest.mark.parametrize("premium", [True, False])
def test_account_classic(premium: bool) -> None:  # noqa: FBT001 - a pytest parameter
    """The classic dates begin with the day."""
    with driving(generation="classic", premium=premium) as driver:
        answer = driver.get("/api/account/stats").json()
    assert (answer["isPremium"], bool(answer["limits"]["cloud"])) == (premium, premium)
    assert answer["expirationDate"] == ("15-01-2028" if premium else "15-01-2026")


def test_calls_are_counted_by_endpoint(both: Driver) -> None:
    """The books count every call of a route, refused ones too, and nothing else."""
    request_id = both.submit()
    both.status(request_id)
    both.get("/api/cloud/history", key="")
    both.get("/api/nothing")
    assert both.sandbox.books().calls == {"cloud": 1, "cloud/status": 1, "cloud/history": 1}
