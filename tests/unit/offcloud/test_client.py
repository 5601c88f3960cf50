"""The account over real HTTP: in which order questions are put, what is repeated, and what never is."""

import threading
import traceback
from collections.abc import Callable, Iterator

import pytest

from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Account, RemoteFile, Submission
from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import (
    Blocked,
    Cancelled,
    ConfigError,
    Gone,
    OffcloudWatchdError,
    Permanent,
    Transient,
)
from offcloud_watchd.offcloud import Client, ClientSettings
from tests.fakes.wire_server import RealClock, Turn, WireServer, http, says

KEY = "Sesame0Open1Sesame2Open3Sesame45"
HEX = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
LINK = parse_link(f"magnet:?xt=urn:btih:{HEX}")
ITEM = Submission("R1", "created", "Show")
PAGE = says("<html>no</html>", 404)
NOAUTH = says({"error": "NOAUTH"}, 401)
FILE = "http://files.invalid/token/a.mkv"
MINE = {"requestId": "R1", "originalLink": f"{HEX}.torrent", "status": "created"}

Play = Callable[..., tuple[Client, WireServer]]


class Keys:
    """A key file whose content changes."""

    def __init__(self, *keys: str | Exception) -> None:
        self.keys = list(keys)
        self.reads = 0

    def __call__(self) -> str:
        """Read the key; the last one stays."""
        key = self.keys[min(self.reads, len(self.keys) - 1)]
        self.reads += 1
        if isinstance(key, Exception):
            raise key
        return key


class SetClock(RealClock):
    """The machine's time on a clock that somebody sets."""

    ahead_s = 0.0

    def now(self) -> float:
        """Return what the clock shows."""
        return super().now() + self.ahead_s


@pytest.fixture
def stop() -> threading.Event:
    """A flag that is not raised."""
    return threading.Event()


@pytest.fixture
def play() -> Iterator[Play]:
    """Start a server with a script, and a client for it that does not wait between its tries."""
    servers: list[WireServer] = []
    clients: list[Client] = []

    def start(*turns: Turn, clock: Clock | None = None, **changes: object) -> tuple[Client, WireServer]:
        server = WireServer(*turns).__enter__()
        servers.append(server)
        quick: dict[str, object] = {
            "read_key": Keys(KEY),
            "base_url": server.url,
            "requests_per_minute": 1_000_000,
            "retry_wait_s": 0.0,
            "read_timeout_s": 2.0,
        }
        client = Client(ClientSettings(**(quick | changes)), clock or RealClock())  # type: ignore[arg-type]
        clients.append(client)
        return client, server

    yield start
    for client in clients:
        client.close()
    for server in servers:
        server.stop()


def _asked(server: WireServer) -> list[str]:
    return [f"{asked.method} {asked.target.removeprefix('/api/')}" for asked in server.asked]


# --- submit ---


def test_a_link_is_posted_once_as_json(play: Play, stop: threading.Event) -> None:
    """The id that comes back is the proof."""
    client, server = play(says({"requestId": "R1", "status": "created", "fileName": "Show"}))
    assert client.submit(LINK, stop) == ITEM
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.json()) == ("POST", "/api/cloud", {"url": LINK.url})


@pytest.mark.parametrize(
    "turn",
    [
        Turn(ending="reset"),
        Turn(http({"requestId": "R1"})[:-2], "close"),
        Turn(http({"requestId": "R1"})[:30], "close"),
        says("<html>", 200),
        says("<html>", 502),
        says({"error": "oops"}, 500),
        says(b""),
        says({"requestId": "../R1"}),
        says("moved", 302, Location="/elsewhere"),
    ],
)
def test_a_submission_is_never_repeated_in_call(play: Play, stop: threading.Event, turn: Turn) -> None:
    """Whatever went wrong, it may have been taken: one POST, and the account is searched (faults 51-53)."""
    client, server = play(turn)
    with pytest.raises(Transient) as raised:
        client.submit(LINK, stop)
    assert raised.value.maybe_sent
    assert len(server.asked) == 1


def test_a_body_that_was_not_read_is_sent_the_other_way(play: Play, stop: threading.Event) -> None:
    """A service that only knows forms says so; nothing was taken, so the other way is safe, and is kept."""
    unread = says({"error": "Missing required parameter: url"}, 400)
    client, server = play(unread, says({"requestId": "R1"}), says({"requestId": "R2"}), unread, unread)
    assert client.submit(LINK, stop).request_id == "R1"
    assert client.submit(LINK, stop).request_id == "R2"
    kinds = [asked.headers["content-type"].rpartition("/")[2] for asked in server.asked]
    assert kinds == ["json", "x-www-form-urlencoded", "x-www-form-urlencoded"]
    with pytest.raises(Transient) as raised:
        client.submit(LINK, stop)
    assert not raised.value.maybe_sent
    assert len(server.asked) == 5


def test_a_submission_is_not_begun_when_stopped(play: Play) -> None:
    """Before the POST the end of the program comes first."""
    client, server = play(says({"requestId": "R1"}))
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Cancelled):
        client.submit(LINK, stopped)
    assert server.asked == []


def test_a_submission_in_flight_is_not_cut_short(play: Play) -> None:
    """Its answer is worth waiting for, also at the end of the program."""
    client, _ = play(Turn(http({"requestId": "R1"}), drips=True))
    stopping = threading.Event()
    timer = threading.Timer(0.1, stopping.set)
    timer.start()
    assert client.submit(LINK, stopping).request_id == "R1"
    assert stopping.is_set()
    timer.join()


# --- Repeating ---


@pytest.mark.parametrize(
    "accident",
    [
        Turn(ending="reset"),
        Turn(ending="close"),
        says("<html>", 503),
        says(b"["),
        says({"odd": 1}),
        says({}, 500),
    ],
)
def test_a_question_that_is_safe_to_repeat_is_asked_three_times(
    play: Play, stop: threading.Event, accident: Turn
) -> None:
    """A passing fault is not worth a failure; a lasting one is for the journal."""
    client, server = play(accident, accident, says([MINE]))
    assert client.find(LINK, 0.0, stop)[0][0].request_id == "R1"
    assert len(server.asked) == 3
    client, server = play(accident)
    with pytest.raises(Transient):
        client.status(ITEM, stop)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "turn",
    [NOAUTH, says({}, 402), says({"error": "Request not found."}, 404), says({}, 429, Retry_After="1")],
)
def test_a_definite_answer_is_not_asked_for_again(play: Play, stop: threading.Event, turn: Turn) -> None:
    """Asking the same a second later would only add to the trouble."""
    client, server = play(turn)
    with pytest.raises(OffcloudWatchdError):
        client.status(ITEM, stop)
    assert len(server.asked) == 1


def test_repeating_ends_when_stopped(play: Play) -> None:
    """A raised flag ends the pause between two tries and the tries (a trap of tenacity)."""
    client, server = play(Turn(ending="reset"), retry_wait_s=30.0)
    stopping = threading.Event()
    timer = threading.Timer(0.1, stopping.set)
    timer.start()
    with pytest.raises(Cancelled):
        client.status(ITEM, stopping)
    timer.join()
    assert len(server.asked) == 1


def test_a_service_that_asks_for_a_pause_gets_one(play: Play, stop: threading.Event) -> None:
    """After a 429 everybody waits a moment, and the job as long as it was told (fault 61)."""
    client, server = play(says({}, 429, Retry_After="3600"), says({"status": "created"}))
    with pytest.raises(Transient) as raised:
        client.status(ITEM, stop)
    assert raised.value.retry_after_s == 3600.0
    stopping = threading.Event()
    timer = threading.Timer(0.05, stopping.set)
    timer.start()
    with pytest.raises(Cancelled):
        client.status(ITEM, stopping)
    timer.join()
    assert len(server.asked) == 1


# --- The key ---


@pytest.mark.parametrize("refusal", [NOAUTH, says({"error": "NOAUTH"}), says({}, 403)])
def test_a_key_that_was_replaced_is_taken_up(play: Play, stop: threading.Event, refusal: Turn) -> None:
    """After a refusal the key is read again, and otherwise it is not (fault 59)."""
    keys = Keys("old-key", "new-key")
    client, server = play(refusal, says({"requestId": "R1"}), read_key=keys)
    with pytest.raises(Blocked) as raised:
        client.submit(LINK, stop)
    assert raised.value.key_refused
    client.submit(LINK, stop)
    client.submit(LINK, stop)
    assert [asked.headers["authorization"] for asked in server.asked] == [
        "Bearer old-key",
        *["Bearer new-key"] * 2,
    ]
    assert keys.reads == 2


def test_every_probe_reads_the_key_again(play: Play, stop: threading.Event) -> None:
    """The operator may have written it again without our having asked."""
    keys = Keys(" a\n", "b")
    client, server = play(says({"user_id": 1}), read_key=keys)
    client.account(stop)
    client.account(stop)
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer a", "Bearer b"]


@pytest.mark.parametrize("key", ["", "  ", "a b", "a\nb", "schlüssel", "a\x00"])
def test_what_is_no_key_is_never_sent(play: Play, stop: threading.Event, key: str) -> None:
    """An empty file or one with two lines is for the operator, and is not shown."""
    client, server = play(says([]), read_key=Keys(key))
    with pytest.raises(Blocked) as raised:
        client.submit(LINK, stop)
    assert raised.value.key_refused
    assert server.asked == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConfigError(["key: no such file"]), "key: no such file"),
        (PermissionError(13, "Permission denied", "/secret/path"), "Permission denied"),
        (OSError(), "OSError"),
    ],
)
def test_a_key_that_cannot_be_read_blocks(
    play: Play, stop: threading.Event, error: Exception, words: str
) -> None:
    """The lane waits until the file is back."""
    client, _ = play(says([]), read_key=Keys(error))
    with pytest.raises(Blocked) as raised:
        client.account(stop)
    assert str(raised.value).endswith(words)
    assert not raised.value.key_refused


@pytest.mark.parametrize("auth", ["bearer", "query"])
@pytest.mark.parametrize(
    "turn",
    [
        says(
            {"error": f"Key {KEY} is unknown for https://files.invalid/signed and magnet:?xt=urn:btih:{HEX}"}
        ),
        says(f"bad key {KEY}".encode(), 500),
        Turn(ending="reset"),
        says("moved", 302, Location=f"http://x.invalid/?key={KEY}"),
        Turn(http({}).replace(b"\r\n\r\n", b"\r\nno colon\r\n\r\n")),
        says([f"ftp://files.invalid/{KEY}"]),
    ],
)
def test_no_error_shows_key_or_link(play: Play, stop: threading.Event, turn: Turn, auth: str) -> None:
    """Not even where the service itself repeats them."""
    client, _ = play(turn, auth=auth)
    calls: list[Callable[[], object]] = [
        lambda: client.submit(LINK, stop),
        lambda: client.find(LINK, 0.0, stop),
        lambda: client.status(ITEM, stop),
        lambda: client.files(ITEM, stop),
        lambda: client.account(stop),
    ]
    for call in calls:
        with pytest.raises(OffcloudWatchdError) as raised:
            call()
        shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
        assert KEY not in shown
        assert HEX not in shown
        assert "files.invalid" not in shown


def test_settings_show_neither_key_nor_proxy() -> None:
    """Settings are printed when something is wrong with them."""
    shown = repr(ClientSettings(read_key=Keys(KEY), proxy="http://user:word@proxy.invalid"))
    assert KEY not in shown
    assert "word" not in shown


# --- find ---


def test_one_listing_serves_many_jobs(play: Play, stop: threading.Event) -> None:
    """It is asked for again only when it is older than wanted; its age is that of the question."""
    client, server = play(says([MINE]))
    before = RealClock().now()
    found, as_of = client.find(LINK, before, stop)
    assert [one.request_id for one in found] == ["R1"]
    assert before <= as_of <= RealClock().now()
    assert client.find(parse_link("https://x.invalid/a"), as_of, stop) == ((), as_of)
    assert _asked(server) == ["GET cloud/history"]
    assert client.find(LINK, as_of + 1e-6, stop)[1] > as_of
    assert len(server.asked) == 2


def test_a_listing_dies_with_the_clock_it_was_dated_by(play: Play, stop: threading.Event) -> None:
    """After the clock was set nobody can tell whether a listing is older than a POST (fault 104)."""
    clock = SetClock()
    client, server = play(says([MINE]), clock=clock)
    _, as_of = client.find(LINK, 0.0, stop)
    clock.ahead_s = -3600.0
    assert client.find(LINK, as_of - 3600.0, stop)[1] < as_of
    assert len(server.asked) == 2


def test_a_history_that_cannot_be_read_is_not_an_empty_one(play: Play, stop: threading.Event) -> None:
    """Nothing is concluded from a page or half a listing, and the old one is not used either (fault 55)."""
    client, _ = play(says([MINE]), says("<html>", 404))
    _, as_of = client.find(LINK, 0.0, stop)
    with pytest.raises(Transient):
        client.find(LINK, as_of + 1.0, stop)


def test_a_large_history_is_read(play: Play, stop: threading.Event) -> None:
    """It is not paged: ten megabytes are nothing unusual (fault 56)."""
    others = [{"requestId": f"O{place}", "originalLink": "x" * 1000} for place in range(10_000)]
    client, _ = play(says([*others, MINE]))
    assert [one.request_id for one in client.find(LINK, 0.0, stop)[0]] == ["R1"]


# --- status ---


def test_a_status_is_asked_for_by_id(play: Play, stop: threading.Event) -> None:
    """One id a question is the only way both generations know."""
    client, server = play(says({"status": {"requestId": "R1", "status": "downloaded"}}))
    assert client.status(ITEM, stop).outcome == "ready"
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.json()) == ("POST", "/api/cloud/status", {"requestId": "R1"})


def test_only_words_prove_that_a_request_is_gone(play: Play, stop: threading.Event) -> None:
    """A page that says 404 does not (fault 65)."""
    client, _ = play(says({"error": "Request not found."}, 404))
    with pytest.raises(Gone):
        client.status(ITEM, stop)
    client, _ = play(PAGE)
    with pytest.raises(Transient):
        client.status(ITEM, stop)


def test_an_unsafe_id_goes_into_no_path(play: Play, stop: threading.Event) -> None:
    """Whoever wrote into the journal cannot make us ask for something else (fault 66)."""
    client, server = play(says([]))
    for ask in (client.status, client.files):
        with pytest.raises(Permanent):
            ask(Submission("../remove/R1"), stop)
    assert server.asked == []


# --- files ---


DETAILED, PLAIN, LIST, STATUS = (
    "GET cloud/explore/R1?format=detailed",
    "GET cloud/explore/R1",
    "GET cloud/list/R1",
    "POST cloud/status",
)


def test_a_detailed_list_is_enough(play: Play, stop: threading.Event) -> None:
    """The current generation answers the first question."""
    client, server = play(says({"files": [{"path": "Show/a.mkv", "size": 5, "url": FILE}]}))
    assert client.files(ITEM, stop) == (RemoteFile("Show/a.mkv", FILE, 5),)
    assert _asked(server) == [DETAILED]


def test_a_plain_list_in_answer_to_the_detailed_question_is_taken(play: Play, stop: threading.Event) -> None:
    """The classic generation does not look at the format."""
    client, server = play(says([FILE]))
    assert client.files(ITEM, stop) == (RemoteFile("a.mkv", FILE),)
    assert _asked(server) == [DETAILED]


@pytest.mark.parametrize(
    "first", [PAGE, says("<html>", 405), says({"error": "Bad archive"}), says({"files": []})]
)
def test_the_plain_list_comes_second(play: Play, stop: threading.Event, first: Turn) -> None:
    """Where there is no detailed list, whatever the reason told, the plain one may be there."""
    client, server = play(first, says([FILE]))
    assert client.files(ITEM, stop) == (RemoteFile("a.mkv", FILE),)
    assert _asked(server) == [DETAILED, PLAIN]


def test_a_single_file_is_built_from_submission_and_status(play: Play, stop: threading.Event) -> None:
    """The name may have changed and the size is told only there."""
    bad = says({"error": "Bad archive"})
    status = says({"status": {"status": "downloaded", "fileName": "b c.mkv", "fileSize": "7", "server": ""}})
    client, server = play(bad, bad, status)
    item = Submission("R1", "created", "a.mkv", "http://s1.invalid/cloud/download/R1")
    expected = RemoteFile("b c.mkv", "http://s1.invalid/cloud/download/R1/b%20c.mkv", 7)
    assert client.files(item, stop) == (expected,)
    assert _asked(server) == [DETAILED, PLAIN, STATUS]


def test_a_single_file_of_which_too_little_is_known_is_looked_up_in_the_text_list(
    play: Play, stop: threading.Event
) -> None:
    """The last resort serves single files too."""
    bad = says({"error": "Bad archive"})
    client, server = play(bad, PAGE, says({"status": {"status": "downloaded"}}), says(f"{FILE}\n".encode()))
    assert client.files(ITEM, stop) == (RemoteFile("a.mkv", FILE),)
    assert _asked(server) == [DETAILED, PLAIN, STATUS, LIST]


@pytest.mark.parametrize("page", [PAGE, says("<html>", 405)])
def test_the_text_list_alone_carries_a_fetch(play: Play, stop: threading.Event, page: Turn) -> None:
    """A service without explore still tells one link a line."""
    client, server = play(page, page, says(f"{FILE}\r\nhttp://files.invalid/t/b.srt\r\n".encode()))
    assert [file.path for file in client.files(ITEM, stop)] == ["a.mkv", "b.srt"]
    assert _asked(server) == [DETAILED, PLAIN, LIST]


def test_no_list_at_all_is_asked_for_again_later(play: Play, stop: threading.Event) -> None:
    """A finished request without files is a riddle time may solve."""
    client, _ = play(PAGE, PAGE, PAGE, says({"status": {"status": "downloaded"}}))
    with pytest.raises(Transient) as raised:
        client.files(ITEM, stop)
    assert raised.value.retry_after_s == 60.0


@pytest.mark.parametrize("body", [{"error": "Not found"}, {"detail": "Not Found"}])
def test_a_bare_not_found_may_mean_the_call(play: Play, stop: threading.Event, body: object) -> None:
    """A service without explore may say so in JSON; a request that is really gone is told by its status."""
    absent = says(body, 404)
    client, server = play(absent, absent, says(f"{FILE}\n".encode()))
    assert client.files(ITEM, stop) == (RemoteFile("a.mkv", FILE),)
    assert _asked(server) == [DETAILED, PLAIN, LIST]
    client, server = play(absent)
    with pytest.raises(Gone):
        client.files(ITEM, stop)
    assert _asked(server) == [DETAILED, PLAIN, LIST, STATUS]


def _endless(*links: str) -> Turn:
    """Answer with a text list that only the end of the connection ends."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    return Turn(head + "\n".join(links).encode(), ending="close")


def test_a_text_list_that_may_be_cut_must_come_alike_twice(play: Play, stop: threading.Event) -> None:
    """Neither a length nor a line end shows that it is whole; one that was cut is not taken."""
    fresh, second = FILE.replace("token", "fresh"), FILE.replace("a.mkv", "b.mkv")
    client, server = play(PAGE, PAGE, _endless(FILE, second), _endless(fresh, second))
    assert [file.path for file in client.files(ITEM, stop)] == ["a.mkv", "b.mkv"]
    assert _asked(server) == [DETAILED, PLAIN, LIST, LIST]
    client, _ = play(PAGE, PAGE, *[_endless(FILE, second[:-2]), _endless(FILE, second)] * 3)
    with pytest.raises(Transient, match="cut"):
        client.files(ITEM, stop)


@pytest.mark.parametrize(
    "fault", [says("<html>", 502), Turn(ending="reset"), says(b"["), says("<html>", 200)]
)
def test_a_fault_is_never_taken_for_a_single_file(play: Play, stop: threading.Event, fault: Turn) -> None:
    """The next question would only hide what is wrong."""
    client, server = play(fault)
    item = Submission("R1", "created", "a.mkv", "http://s1.invalid/cloud/download/R1")
    with pytest.raises(Transient):
        client.files(item, stop)
    assert set(_asked(server)) == {DETAILED}


def test_a_list_with_a_link_of_another_kind_is_not_asked_for_again_at_once(
    play: Play, stop: threading.Event
) -> None:
    """Its answer names a time, so neither a second try nor another question follows."""
    client, server = play(says(["ftp://files.invalid/a"]))
    with pytest.raises(Transient):
        client.files(ITEM, stop)
    assert len(server.asked) == 1


# --- account ---


CURRENT = says({"user_id": "u", "email": "a@mail.invalid", "is_premium": True, "can_download": True})
STATS = says({"userId": "u", "email": "a@mail.invalid", "isPremium": False})


def test_the_generation_that_answers_is_remembered(play: Play, stop: threading.Event) -> None:
    """The first call finds out; the second asks the right one at once, and a change is noticed."""
    client, server = play(PAGE, STATS, STATS, PAGE, CURRENT)
    assert client.account(stop) == Account("a@mail.invalid", False, None, "", "classic")
    client.account(stop)
    assert _asked(server) == ["GET account/info", "GET account/stats", "GET account/stats"]
    assert client.account(stop).generation == "current"


@pytest.mark.parametrize("page", [PAGE, says("<html>", 405), says("<html>login</html>", 200)])
def test_a_page_in_place_of_an_account_means_another_generation(
    play: Play, stop: threading.Event, page: Turn
) -> None:
    """Not found, wrong verb, or a login page with success."""
    client, _ = play(page, STATS)
    assert client.account(stop).generation == "classic"


def test_without_any_account_call_a_question_about_nothing_proves_the_key(
    play: Play, stop: threading.Event
) -> None:
    """What the service says of a request that does not exist is enough, and so is its refusal."""
    client, server = play(PAGE, PAGE, says({"error": "Request not found."}, 404))
    assert client.account(stop) == Account()
    assert _asked(server) == ["GET account/info", "GET account/stats", STATUS]
    client, _ = play(PAGE, PAGE, NOAUTH)
    with pytest.raises(Blocked):
        client.account(stop)


def test_a_refused_key_is_told_by_the_probe(play: Play, stop: threading.Event) -> None:
    """A fault is not a refusal."""
    client, _ = play(NOAUTH)
    with pytest.raises(Blocked) as raised:
        client.account(stop)
    assert raised.value.key_refused
    client, _ = play(says("<html>", 503))
    with pytest.raises(Transient):
        client.account(stop)
