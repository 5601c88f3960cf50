"""A service that misbehaves in every way we could think of, on raw sockets, against every question we ask.

Whatever it does: only our own errors come out, within the limits, nothing that makes an item is sent twice,
and no secret is in any text. The numbers are those of the list of faults in docs/offcloud.md.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event

import pytest

from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Route, Submission
from offcloud_watchd.errors import Blocked, Cancelled, Gone, OffcloudWatchdError, Permanent, Transient
from offcloud_watchd.offcloud import Client, ClientSettings, Login
from offcloud_watchd.offcloud.door import Door
from tests.fakes.wire_server import RealClock, Turn, WireServer, http, says

KEY = "Sesame0Open1Sesame2Open3Sesame45"
PASSWORD = "correct-horse-battery"
HEX = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
NAME = "private-name.torrent"
LINK = parse_link(f"magnet:?xt=urn:btih:{HEX}&dn={NAME}")
ITEM = Submission("R1", "created", "Show")
MANY = [Submission(f"R{number}", "created") for number in range(9)]
LOGIN = Login("me@mail.invalid", PASSWORD)

Ask = Callable[[Client, Event], object]
POSTS: dict[str, Ask] = {
    "submit": lambda client, stop: client.submit(LINK, stop),
    "submit_instant": lambda client, stop: client.submit_instant(LINK, None, stop),
    "submit_remote": lambda client, stop: client.submit_remote(LINK, "o1", None, stop),
}
QUESTIONS: dict[str, Ask] = {
    "find": lambda client, stop: client.find(LINK, 0.0, stop),
    "find_remote": lambda client, stop: client.find(LINK, 0.0, stop, Route.REMOTE),
    "status": lambda client, stop: client.status(ITEM, stop),
    "status_remote": lambda client, stop: client.status(ITEM, stop, Route.REMOTE),
    "statuses": lambda client, stop: client.statuses(MANY, stop),
    "files": lambda client, stop: client.files(ITEM, stop),
    "account": lambda client, stop: client.account(stop),
    "remote_accounts": lambda client, stop: client.remote_accounts(stop),
    "retry": lambda client, stop: client.retry(ITEM, stop),
    "remove": lambda client, stop: client.remove(ITEM, stop),
    "upload": lambda client, stop: client.uploads.upload(NAME, b"d", stop),
    "cached": lambda client, stop: client.cached([HEX], stop),
    "cached_files": lambda client, stop: client.cached_files(LINK, stop),
    "cached_releases": lambda client, stop: client.service.cached_releases([LINK.url], stop),
    "proxies": lambda client, stop: client.service.proxies(stop),
    "requests": lambda client, stop: client.service.requests(stop),
    "sites": lambda client, stop: client.service.sites(stop),
}
EVERYTHING = POSTS | QUESTIONS

CUT = http({"requestId": "R1", "status": "downloaded", "files": [], "cachedItems": []})
ECHO = {"error": f"no {KEY} for {LINK.url} at https://files.invalid/signed/{HEX}"}

UNANSWERED = {
    "51 no answer": Turn(ending="hang"),
    "51 a drip of headers": Turn(b"HTTP/1.1 200 OK\r\nX-", "drip"),
    "52 reset in the middle": Turn(CUT[:-9], "reset"),
    "52 closed in the middle": Turn(CUT[:-9], "close"),
    "53 reset before an answer": Turn(ending="reset"),
    "53 bad gateway": says("<html>502</html>", 502),
    "53 unavailable": says({}, 503),
    "53 time-out of a gateway": says("<html>504</html>", 504),
    "62 a portal's page with success": says("<html><body>Please log in to the network</body></html>"),
    "62 a maintenance page with success": says("<!DOCTYPE html><h1>We will be back soon</h1>"),
    "63 empty": says(b""),
    "63 null": says(None),
    "63 half JSON": says(b'{"requestId": "R1"'),
    "63 NaN": says(b'{"requestId": NaN, "status": NaN}'),
    "63 infinite": says(b'{"requestId": 1e999, "status": {"progress": 1e999}}'),
    "63 wrong types": says({"requestId": {"a": 1}, "status": 7, "files": 7, "data": 7, "cachedItems": 7}),
    "63 deep": says(b"[" * 100_000),
    "63 deep and whole": says(b"[" * 5_000 + b"]" * 5_000),
    "63 members twice": says(b'{"requestId": "R1", "requestId": "R2", "error": "a b", "error": "c d"}'),
    "63 no text": says(b"\xff\xfe\x00\x01"),
    "66 an id with slashes": says({"requestId": "../remove/R1"}),
    "66 an id of ten kilobytes": says({"requestId": "R" * 10_000}),
    "68 redirect": says("moved", 302, Location=f"https://elsewhere.invalid/?key={KEY}"),
    "68 redirect that keeps the verb": says("moved", 307, Location="/api/elsewhere"),
    "a bare string with 500": says(f"Something about {KEY} ".encode(), 500),
    "a fault that repeats everything": says(ECHO, 500),
}
REFUSED = {
    "59 NOAUTH with 401": (says({"error": "NOAUTH"}, 401), True),
    "59 NOAUTH with 200": (says({"error": "NOAUTH"}), True),
    "59 a bare NOAUTH": (says(b'"NOAUTH"'), True),
    "59 a page with 403": (says("<html>no</html>", 403), True),
    "58 no plan": (says({"not_available": "premium"}), False),
    "58 an unknown word": (says({"not_available": "moonlight"}), False),
    "60 no quota": (says({"error": "You have exceeded your daily quota for x"}), False),
    "60 payment": (says({}, 402), False),
    "the address is not registered": (says({"error": "Unregistered IP address detected."}), False),
}
WAITS = {
    "61 seconds": ("17", 17.0),
    "61 nothing": ("0", 0.0),
    "61 before now": ("-1", 0.0),
    "61 for ever": ("1000000000000", 1e9),
    "61 a date": ("Fri, 01 Jan 2010 00:00:00 GMT", 0.0),
    "61 garbage": ("soon", 60.0),
    "61 nobody says": ("", 60.0),
}

IMPATIENT = {"read_timeout_s": 0.05, "total_timeout_s": 0.1}
"""For answers that never come; those that do may take their time on a busy machine."""


@contextmanager
def _client(turn: Turn, **changes: object) -> Iterator[tuple[Client, WireServer]]:
    quick: dict[str, object] = {
        "read_key": lambda: KEY,
        "requests_per_minute": 1_000_000,
        "retry_wait_s": 0.0,
        "read_timeout_s": 5.0,
        "total_timeout_s": 10.0,
    }
    with WireServer(turn) as server:
        settings = ClientSettings(base_url=server.url, **(quick | changes))  # type: ignore[arg-type]
        with closing(Client(settings, RealClock())) as client:
            yield client, server


def _error(ask: Callable[[], object]) -> OffcloudWatchdError | None:
    """Ask; return our error, or None when the answer was taken. Anything else fails the test."""
    try:
        ask()
    except OffcloudWatchdError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error)
        for secret in (KEY, PASSWORD, "private-name", "files.invalid", "elsewhere"):
            assert secret not in shown
        return error
    return None


@pytest.mark.parametrize("fault", UNANSWERED)
def test_a_question_that_gets_no_answer_is_asked_again_later(fault: str) -> None:
    """It is never the job's end, and at most three tries are made in a row."""
    for name, ask in QUESTIONS.items():
        with _client(UNANSWERED[fault], **IMPATIENT) as (client, server):
            error = _error(lambda client=client, ask=ask: ask(client, Event()))
            # A hash that is not mentioned is not cached: that is how this one answer is meant.
            assert isinstance(error, Transient) or (error is None and name == "cached"), name
            assert len(server.asked) <= 6, name


@pytest.mark.parametrize("fault", UNANSWERED)
def test_a_submission_that_gets_no_answer_is_sent_once(fault: str) -> None:
    """And the account is searched before another one is (faults 51 to 53)."""
    for name, ask in POSTS.items():
        with _client(UNANSWERED[fault], **IMPATIENT) as (client, server):
            error = _error(lambda client=client, ask=ask: ask(client, Event()))
            assert isinstance(error, Transient), name
            assert error.maybe_sent, name
            assert len(server.asked) == 1, name


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_blocks_and_fails_nobody(fault: str) -> None:
    """Key, plan, quota: the operator acts, no job is charged, and it is not asked again in a row."""
    turn, key_refused = REFUSED[fault]
    for name, ask in EVERYTHING.items():
        with _client(turn) as (client, server):
            error = _error(lambda client=client, ask=ask: ask(client, Event()))
            assert isinstance(error, Blocked), name
            assert error.key_refused == key_refused, name
            assert len(server.asked) <= 2, name  # a refused key may be shown the other way once


@pytest.mark.parametrize("fault", WAITS)
def test_a_service_that_asks_for_time_gets_it(fault: str) -> None:
    """Whatever stands in Retry-After; nothing is asked again in a row."""
    header, wait_s = WAITS[fault]
    for name, ask in EVERYTHING.items():
        answer = says({"error": "slow down"}, 429, Retry_After=header)
        with _client(answer) as (client, server):
            error = _error(lambda client=client, ask=ask: ask(client, Event()))
            assert isinstance(error, Transient), name
            assert error.retry_after_s == wait_s, name
            assert not error.maybe_sent, name
            assert len(server.asked) == 1, name


def test_a_flood_is_cut() -> None:
    """A hundred megabytes are not read (fault 63)."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n["
    flood = Turn(head + b"0," * 5_000_000, "close")
    for name in ("status", "submit", "cached"):
        with _client(flood, read_timeout_s=5.0, total_timeout_s=10.0) as (client, _):
            error = _error(lambda client=client, name=name: EVERYTHING[name](client, Event()))
            assert isinstance(error, Transient), name
            assert "larger than 8388608 bytes" in str(error)


def test_a_request_that_exists_already_is_looked_up() -> None:
    """The id in such an answer is adopted; without one the account is searched (fault 57)."""
    exists = {"error": "This link already exists in your account"}
    for name, ask in POSTS.items():
        with _client(says(exists)) as (client, _):
            error = _error(lambda client=client, ask=ask: ask(client, Event()))
            assert isinstance(error, Transient), name
            assert error.maybe_sent, name
        given = {**exists, "requestId": "R1", "url": "http://up.invalid/a.bin"}
        with _client(says(given)) as (client, _):
            assert ask(client, Event()).request_id == "R1", name  # type: ignore[attr-defined]


@pytest.mark.parametrize("word", ["teleporting", "QUEUED ", "7", "fraud"])
def test_an_unknown_word_means_waiting(word: str) -> None:
    """And is shown as it is (fault 64)."""
    with _client(says({"status": {"requestId": "R1", "status": word}})) as (client, _):
        phase = client.status(ITEM, Event())
    assert (phase.outcome, phase.word) == ("waiting", word.strip().lower())


def test_a_request_that_vanished_is_gone() -> None:
    """For each question about it; a page that says 404 proves nothing (fault 65)."""
    for name in ("status", "status_remote", "files", "retry"):
        for turn in (
            says({"error": "Request not found."}, 404),
            says({"error": "Transfer not found"}),
            says({"error": "Request not found."}),
        ):
            with _client(turn) as (client, _):
                error = _error(lambda client=client, name=name: EVERYTHING[name](client, Event()))
                assert isinstance(error, Gone), name
        with _client(says("<html>404</html>", 404)) as (client, _):
            if name != "retry":  # for that one a page means that there is no such call
                error = _error(lambda client=client, name=name: EVERYTHING[name](client, Event()))
                assert isinstance(error, Transient), name


def test_an_id_that_is_none_goes_into_no_question() -> None:
    """Whatever the journal holds (fault 66)."""
    for own_id in ("", "../R1", "R1/x", "R1?key=", "R" * 129, "R1\n", "ä"):
        item = Submission(own_id)
        with _client(says({"success": True})) as (client, server):
            for ask in (client.status, client.files, client.retry, client.remove):
                error = _error(lambda ask=ask, item=item: ask(item, Event()))
                assert isinstance(error, Permanent)
            assert client.statuses([item] * 9, Event()) == {}  # so that it fails alone
            assert server.asked == []


def test_a_history_may_hold_anything() -> None:
    """Twice the same, members missing, dates to come: what can be read is (fault 56)."""
    rows = [
        {"requestId": "R3", "originalLink": LINK.url, "createdOn": "2999-01-01T00:00:00Z"},
        {
            "requestId": "R1",
            "originalLink": LINK.url,
            "createdOn": "2026-01-01T00:00:00Z",
            "status": "created",
        },
        {
            "requestId": "R1",
            "originalLink": LINK.url,
            "createdOn": "2026-01-01T00:00:00Z",
            "status": "created",
        },
        {"requestId": "../x", "originalLink": LINK.url},
        {"originalLink": LINK.url},
        {"requestId": "R2"},
        None,
        7,
    ]
    with _client(says(rows)) as (client, _):
        found, _ = client.find(LINK, 0.0, Event())
    assert [one.request_id for one in found] == ["R1", "R3"]


def test_raising_the_flag_ends_everything() -> None:
    """Also in the middle of silence."""
    raised = Event()
    raised.set()
    for name, ask in EVERYTHING.items():
        with _client(Turn(ending="hang"), read_timeout_s=30.0, total_timeout_s=60.0) as (client, server):
            error = _error(lambda client=client, ask=ask: ask(client, raised))
            assert isinstance(error, Cancelled), name
            assert server.asked == [], name


@pytest.mark.parametrize("fault", [*UNANSWERED, *REFUSED])
def test_nobody_is_let_in_by_nonsense(fault: str) -> None:
    """A door whose answers mean nothing gives no key, and shows no password."""
    turn = UNANSWERED[fault] if fault in UNANSWERED else REFUSED[fault][0]
    with WireServer(turn) as server:
        settings = ClientSettings(
            read_key=lambda: "",
            base_url=server.url,
            requests_per_minute=1_000_000,
            read_timeout_s=0.05,
            total_timeout_s=0.1,
        )
        with closing(Door(settings, RealClock())) as door:
            assert _error(lambda: door.key_for(LOGIN, Event())) is not None
            assert _error(lambda: door.begin(Event())) is not None
