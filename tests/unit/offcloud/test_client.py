"""The account over real HTTP: in which order questions are put, what is repeated, and what never is."""

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Account, RemoteFile, RemoteTarget, Route, Submission
from offcloud_watchd.errors import (
    Blocked,
    Cancelled,
    ConfigError,
    Gone,
    OffcloudWatchdError,
    Permanent,
    Transient,
)
from offcloud_watchd.offcloud import ClientSettings
from tests.fakes.wire_server import RealClock, Turn, WireServer, http, says
from tests.unit.offcloud.playing import KEY, Keys, Play, SetClock

HEX = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
LINK = parse_link(f"magnet:?xt=urn:btih:{HEX}")
ITEM = Submission("R1", "created", "Show")
PAGE = says("<html>no</html>", 404)
NOAUTH = says({"error": "NOAUTH"}, 401)
FILE = "http://files.invalid/token/a.mkv"
MINE = {"requestId": "R1", "originalLink": f"{HEX}.torrent", "status": "created"}


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


@contextmanager
def stopped_when_asked(server: WireServer) -> Iterator[threading.Event]:
    """Give a flag that is raised as soon as a question is at the server, and not before."""
    stopping = threading.Event()

    def stop_when_asked() -> None:
        while not server.asked:
            threading.Event().wait(0.005)
        stopping.set()

    operator = threading.Thread(target=stop_when_asked, daemon=True)
    operator.start()
    yield stopping
    operator.join()


def test_a_submission_in_flight_is_not_cut_short(play: Play) -> None:
    """Its answer is worth waiting for, also at the end of the program."""
    client, server = play(Turn(http({"requestId": "R1"}), drips=True))
    with stopped_when_asked(server) as stopping:
        assert client.submit(LINK, stopping).request_id == "R1"
        assert stopping.is_set()


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
    with stopped_when_asked(server) as stopping, pytest.raises(Cancelled):
        client.status(ITEM, stopping)
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


@pytest.mark.parametrize("refusal", [NOAUTH, says({}, 403)])
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
    client, server = play(bad, bad, status, bad, status, says([FILE]))
    item = Submission("R1", "created", "a.mkv", "http://s1.invalid/cloud/download/R1")
    expected = RemoteFile("b c.mkv", "http://s1.invalid/cloud/download/R1/b%20c.mkv", 7)
    assert client.files(item, stop) == (expected,)
    assert _asked(server) == [DETAILED, PLAIN, STATUS]
    assert client.files(item, stop) == (expected,)
    assert _asked(server)[3:] == [DETAILED, STATUS], "the second list is known to tell no more"
    assert client.files(item, stop) == (RemoteFile("a.mkv", FILE),)


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


# --- Many at once ---


MANY = [Submission(f"R{number}", "created") for number in range(250)]


def _running(*ids: str) -> Turn:
    return says({"requests": [{"requestId": one, "status": "downloading", "amount": 5} for one in ids]})


def test_more_than_a_few_are_asked_for_by_the_hundred(play: Play, stop: threading.Event) -> None:
    """The classic service answers for a batch; what it does not mention is left out."""
    client, server = play(_running("R0", "R99", "R150"), _running("R100"))
    phases = client.statuses(MANY[:150], stop)
    assert sorted(phases) == ["R0", "R100", "R99"]
    assert phases["R0"].outcome == "waiting"
    assert phases["R0"].progress.done_bytes == 5
    assert phases["R0"].detailed
    bodies = [asked.json() for asked in server.asked]
    assert [len(body["requestIds"]) for body in bodies] == [100, 50]  # type: ignore[index,call-overload]


def _rows(*ids: str) -> Turn:
    return says([{"requestId": one, "status": "created"} for one in ids])


def test_for_very_many_the_history_is_read(play: Play, stop: threading.Event) -> None:
    """A hundred of those it does not show yet are asked for together."""
    client, server = play(_rows("R0", "R1"), _running("R2"))
    phases = client.statuses([Submission(f"R{number}") for number in range(999)], stop)
    assert {one: phase.detailed for one, phase in phases.items()} == {"R0": False, "R1": False, "R2": True}
    assert _asked(server) == ["GET cloud/history", "POST cloud/status"]
    bodies = [asked.json() for asked in server.asked[1:]]
    assert bodies[0]["requestIds"][0] == "R2"  # type: ignore[index,call-overload]


def test_of_very_many_a_batch_tells_the_progress_of_the_first(play: Play, stop: threading.Event) -> None:
    """Where that is wanted, or some have to be asked for anyway; those that are ready are not asked for."""
    ids = [f"R{number}" for number in range(250)]
    rows = [{"requestId": one, "status": "downloaded" if one == "R0" else "created"} for one in ids]
    client, server = play(says(rows), says(rows), _running(*ids[1:101]), says(rows[:200]), _running("R249"))
    assert not any(phase.detailed for phase in client.statuses(MANY, stop).values())
    phases = client.statuses(MANY, stop, closely=True)
    assert [one for one in ids if phases[one].detailed] == ids[1:101]
    client.statuses(MANY, stop)
    look, closer = "GET cloud/history", "POST cloud/status"
    assert _asked(server) == [look, look, closer, look, closer]
    asked_for = [asked.json()["requestIds"] for asked in server.asked if asked.method == "POST"]  # type: ignore[index,call-overload]
    assert asked_for == [ids[1:101], [*ids[200:], *ids[1:51]]]


def test_a_history_that_is_down_is_made_up_for(play: Play, stop: threading.Event) -> None:
    """Where there are batches; and what the history told counts when those are down."""
    client, server = play(*[says("<html>", 503)] * 3, _running("R0"))
    assert set(client.statuses(MANY, stop)) == {"R0"}
    assert _asked(server)[3:] == ["POST cloud/status"]
    client, _ = play(_rows("R0", "R1"), *[says("<html>", 503)] * 3)
    assert set(client.statuses(MANY, stop)) == {"R0", "R1"}


def test_of_two_entries_with_one_id_the_ready_one_counts(play: Play, stop: threading.Event) -> None:
    """In either order, in a batch and in the history: its files can be asked for."""
    twins = [{"requestId": "R1", "status": word} for word in ("downloaded", "created")]
    for rows in (twins, twins[::-1]):
        for turns in ([says({"requests": rows})], [says({}), says(rows)]):
            client, _ = play(*turns)
            assert client.statuses(MANY[:9], stop)["R1"].outcome == "ready"


@pytest.mark.parametrize(
    "refused",
    [says({"error": "Missing required parameter: requestId"}, 400), says({}), says("<html>", 405)],
)
def test_where_one_is_asked_for_at_a_time_the_history_tells_all(
    play: Play, stop: threading.Event, refused: Turn
) -> None:
    """It is found out once; a failed one is left out, so that it is asked for its reason."""
    rows = [
        {"requestId": "R1", "status": "downloaded", "fileName": "Show"},
        {"requestId": "R2", "status": "error"},
        {"requestId": "R3", "status": "created"},
        {"requestId": "R4"},
        {"requestId": "foreign", "status": "downloaded"},
    ]
    client, server = play(refused, says(rows), says(rows), says(rows))
    for count in (9, 9, 250):
        phases = client.statuses(MANY[:count], stop)
        assert {one: phase.outcome for one, phase in phases.items()} == {"R1": "ready", "R3": "waiting"}
        assert phases["R1"].submission.name == "Show"
        assert not phases["R3"].detailed
    assert _asked(server) == ["POST cloud/status", *["GET cloud/history"] * 3]
    client.find(LINK, 0.0, stop)
    assert len(server.asked) == 4  # the listing that told all serves a search as well


def test_few_are_not_worth_a_history(play: Play, stop: threading.Event) -> None:
    """Each of them is one small question."""
    client, server = play(says([]))
    assert client.statuses(MANY[:4], stop) == {}
    assert server.asked == []


def test_a_refusal_of_many_is_a_refusal(play: Play, stop: threading.Event) -> None:
    """Neither a bad key nor an outage is taken for a service that answers for one at a time."""
    for turn, error in ((NOAUTH, Blocked), (says("<html>", 503), Transient), (says({}, 429), Transient)):
        client, server = play(turn)
        with pytest.raises(error):
            client.statuses(MANY[:9], stop)
        assert {asked.path for asked in server.asked} == {"/api/cloud/status"}


@pytest.mark.parametrize("waiting", [10, 1000])
def test_the_calls_do_not_grow_with_the_number_that_waits(
    play: Play, stop: threading.Event, waiting: int
) -> None:
    """One question a round, for ten as for a thousand."""
    submissions = [Submission(f"R{number}", "created") for number in range(waiting)]
    rows = says([{"requestId": one.request_id, "status": "created"} for one in submissions])
    refused = says({"error": "Missing required parameter: requestId"}, 400)
    client, server = play(refused, rows)
    client.statuses(submissions[:9], stop)
    for _ in range(3):
        assert len(client.statuses(submissions, stop)) == waiting
    assert len(server.asked) == 2 + 3


# --- Instant ---


FILE_LINK = parse_link("https://site.invalid/a%20b.bin")
GIVEN = {
    "requestId": "R1",
    "fileName": "a b.bin",
    "status": "created",
    "url": "http://files.invalid/t/a b.bin",
}


@pytest.mark.parametrize(("proxy", "body"), [(None, {}), ("p1", {"proxyId": "p1"})])
def test_an_instant_link_is_asked_for_once(
    play: Play, stop: threading.Event, proxy: str | None, body: dict[str, str]
) -> None:
    """It comes with the answer."""
    client, server = play(says(GIVEN))
    taken = client.submit_instant(FILE_LINK, proxy, stop)
    assert server.asked[0].json() == {"url": FILE_LINK.url, **body}
    assert (taken.request_id, taken.url) == ("R1", GIVEN["url"])
    assert len(server.asked) == 1


def test_a_link_that_was_given_is_fetched_once_and_then_asked_for_anew(
    play: Play, stop: threading.Event
) -> None:
    """It stands in no answer, so that it is never recorded; and one that is old is not used."""
    client, server = play(*(says({**GIVEN, "url": f"http://files.invalid/{number}"}) for number in range(4)))
    assert client.grant(FILE_LINK, stop) == Submission("R1", "created", "a b.bin")
    urls = [client.granted(FILE_LINK, stop)[0].url for _ in range(3)]
    assert urls == ["http://files.invalid/0", "http://files.invalid/1", "http://files.invalid/2"]
    assert len(server.asked) == 3


def test_a_link_is_given_through_the_proxy_that_is_meant(play: Play, stop: threading.Event) -> None:
    """They are listed once, and again when the service does not take one any more."""
    proxies = says({"list": [{"id": "p1", "name": "Main", "region": "EU"}]})
    client, server = play(proxies, says(GIVEN), says(GIVEN), says({"not_available": "proxy"}), proxies)
    client.grant(FILE_LINK, stop, "EU")
    assert client.granted(FILE_LINK, stop, "eu")[0].url.startswith("http://files.invalid/t/a")
    with pytest.raises(Permanent):
        client.grant(FILE_LINK, stop, "main")
    with pytest.raises(Permanent, match="there is no proxy 'Mars'; there are: Main"):
        client.grant(FILE_LINK, stop, "Mars")
    bodies = [asked.json().get("proxyId") for asked in server.asked if asked.path == "/api/instant"]
    assert bodies == ["p1", "p1", "p1"]
    assert len(server.asked) == 5


CACHED = [{"url": "http://files.invalid/t/a", "filename": "a", "size": 3, "folder": ["Root"]}]


def test_what_is_cached_is_given_without_a_request(play: Play, stop: threading.Event) -> None:
    """Where the service can; what is not cached goes the other way."""
    client, server = play(says(CACHED), says({"error": "Unsupported link for direct download."}), says(GIVEN))
    assert client.grant(LINK, stop) == Submission("", "cached", LINK.name)
    assert client.granted(LINK, stop) == (RemoteFile("Root/a", "http://files.invalid/t/a", 3),)
    assert client.grant(LINK, stop).request_id == "R1"
    assert [asked.path for asked in server.asked] == [
        "/api/cache/download",
        "/api/cache/download",
        "/api/instant",
    ]


@pytest.mark.parametrize(
    ("turn", "error"),
    [
        (
            says({"error": "We are sorry but torrent links are supported only via Cloud downloading."}),
            Permanent,
        ),
        (says({"not_available": "proxy"}), Permanent),
        (says({"not_available": "premium"}), Blocked),
        (says({"error": "The file is not available on the server."}), Permanent),
        (says({"requestId": "R1"}), Transient),
        (says({"requestId": "R1", "url": "ftp://x.invalid/a"}), Transient),
        (says({"error": "There is a networking issue"}), Transient),
    ],
)
def test_an_instant_link_that_is_not_given(
    play: Play, stop: threading.Event, turn: Turn, error: type[OffcloudWatchdError]
) -> None:
    """Each refusal has its meaning, and a request without a link is no success."""
    client, server = play(turn)
    with pytest.raises(error) as raised:
        client.submit_instant(FILE_LINK, None, stop)
    assert len(server.asked) == 1
    assert "site.invalid" not in str(raised.value)


# --- Remote ---


@pytest.mark.parametrize(("folder", "body"), [(None, {}), ("f1", {"folderId": "f1"})])
def test_a_transfer_is_submitted_followed_and_found(
    play: Play, stop: threading.Event, folder: str | None, body: dict[str, str]
) -> None:
    """By calls of its own; a name that is missing at first is no fault."""
    rows = [{"requestId": "R1", "originalLink": LINK.url, "status": "uploading"}]
    client, server = play(
        says({"requestId": "R1", "status": "created"}),
        says({"status": {"status": "uploading", "fileSize": 7}}),
        says({"status": {"status": "downloaded"}}),
        says(rows),
        says([]),
    )
    taken = client.submit_remote(LINK, "o1", folder, stop)
    assert server.asked[0].json() == {"url": LINK.url, "remoteOptionId": "o1", **body}
    outcomes = [client.status(taken, stop, Route.REMOTE).outcome for _ in range(2)]
    assert outcomes == ["waiting", "ready"]
    (found,), _ = client.find(LINK, 0.0, stop, Route.REMOTE)
    assert found.request_id == "R1"
    assert client.find(LINK, 0.0, stop)[0] == ()  # the cloud has a listing of its own
    assert _asked(server) == [
        "POST remote",
        *["POST remote/status"] * 2,
        "GET remote/history",
        "GET cloud/history",
    ]


ROWS = [{"remoteOptionId": "o1", "type": "ftp", "username": "me"}, {"remoteOptionId": "o2", "type": "drive"}]


def test_an_account_is_asked_for_when_it_is_not_known(play: Play, stop: threading.Event) -> None:
    """By id, user name or type; once for all, and again when there is none of that name or it is refused."""
    taken = says({"requestId": "R1"})
    gone = says({"error": "Remote account not found."})
    client, server = play(says(ROWS), taken, taken, says(ROWS), gone, says(ROWS), taken)
    for account in ("FTP", "me"):
        assert client.send(LINK, RemoteTarget(account), stop).request_id == "R1"
    with pytest.raises(Permanent, match=r"there is no remote account 'x'; there are: ftp me \(o1\)"):
        client.send(LINK, RemoteTarget("x"), stop)
    with pytest.raises(Permanent, match="offcloud-watchd accounts"):
        client.send(LINK, RemoteTarget("drive"), stop)
    client.send(LINK, RemoteTarget("o2", "f1"), stop)
    assert server.asked[-1].json() == {"url": LINK.url, "remoteOptionId": "o2", "folderId": "f1"}
    assert _asked(server) == [
        f"POST {path}"
        for path in ("remote/accounts", "remote", "remote", "remote/accounts", "remote", "remote/accounts")
    ] + ["POST remote"]


def test_a_transfer_to_nowhere_ends(play: Play, stop: threading.Event) -> None:
    """The account was removed; a person is told where to look."""
    client, _ = play(says({"error": "Remote account not found."}))
    with pytest.raises(Permanent, match="offcloud-watchd accounts"):
        client.submit_remote(LINK, "o1", None, stop)


# --- Removing and trying again ---


GONE = says({"error": "Request not found."}, 404)
DONE = says({"success": True})


def test_removal_finds_its_spelling_and_keeps_it(play: Play, stop: threading.Event) -> None:
    """The one that is no GET comes first; a service that lacks it is not asked so again."""
    client, server = play(PAGE, says("<html>", 405), DONE, DONE)
    client.remove(ITEM, stop)
    client.remove(ITEM, stop)
    assert [f"{asked.method} {asked.target}" for asked in server.asked] == [
        "POST /api/cloud/remove",
        "GET /api/cloud/remove/R1",
        "GET /cloud/remove/R1",
        "GET /cloud/remove/R1",
    ]
    assert server.asked[0].json() == {"requests": ["R1"]}


@pytest.mark.parametrize(
    "turn",
    [DONE, says({"removed": ["R1"]}), says({"success": "true"}), GONE, says({"error": "Transfer not found"})],
)
def test_what_is_gone_is_removed(play: Play, stop: threading.Event, turn: Turn) -> None:
    """Whoever removed it: the end is the same, so doing it twice is harmless."""
    client, server = play(turn)
    client.remove(ITEM, stop)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("turn", "error"),
    [
        (NOAUTH, Blocked),
        (says("<html>", 502), Transient),
        (says("<html>", 200), Transient),
        (says({"success": False}), Transient),
        (says({}), Transient),
        (PAGE, Permanent),
    ],
)
def test_a_removal_that_is_not_said_is_none(
    play: Play, stop: threading.Event, turn: Turn, error: type[OffcloudWatchdError]
) -> None:
    """And a service that has no spelling at all is told to a person."""
    client, _ = play(turn)
    with pytest.raises(error):
        client.remove(ITEM, stop)


@pytest.mark.parametrize("route", [Route.CLOUD, Route.REMOTE])
def test_a_failed_request_is_tried_again_where_that_is_known(
    play: Play, stop: threading.Event, route: Route
) -> None:
    """Elsewhere it is to be submitted again, and one that is gone is gone."""
    client, server = play(says({"status": {"status": "created"}}), PAGE, says("<html>", 405), GONE)
    assert [client.retry(ITEM, stop, route) for _ in range(3)] == [True, False, False]
    with pytest.raises(Gone):
        client.retry(ITEM, stop, route)
    assert {asked.path for asked in server.asked} == {f"/api/{route}/retry/R1"}
    for said in ({"status": "created"}, {"success": True}):
        client, _ = play(says(said))
        assert client.retry(ITEM, stop, route)
    for turn in (says("<html>", 200), says(None), says({"status": {"progress": 1}}), says([])):
        client, _ = play(turn)
        with pytest.raises(Transient):
            client.retry(ITEM, stop, route)


def test_an_unsafe_id_is_neither_removed_nor_tried_again(play: Play, stop: threading.Event) -> None:
    """A GET that destroys must not be steered by the journal (fault 66)."""
    client, server = play(DONE)
    for ask in (client.remove, client.retry):
        with pytest.raises(Permanent):
            ask(Submission("R1/../R2"), stop)
    assert server.asked == []


# --- The cache ---


def test_the_cache_is_asked_in_batches(play: Play, stop: threading.Event) -> None:
    """Each hash once, in small letters."""
    hashes = [f"{number:040X}" for number in range(0xA00, 0xA00 + 1500)]
    client, server = play(says({"cachedItems": [hashes[0]]}), says({"cachedItems": [hashes[-1].lower()]}))
    assert client.cached([*hashes, hashes[0]], stop) == {hashes[0].lower(), hashes[-1].lower()}
    sizes = [len(asked.json()["hashes"]) for asked in server.asked]  # type: ignore[index,call-overload]
    assert sizes == [1000, 500]
    assert client.cached([], stop) == frozenset()
    assert len(server.asked) == 2


def test_a_form_spells_lists_with_brackets(play: Play, stop: threading.Event) -> None:
    """A service that reads no JSON reads that."""
    unread = says({"error": "Missing required parameter: hashes"}, 400)
    client, server = play(unread, says({"cachedItems": []}), says([{"cached": False}]))
    client.cached(["a" * 40, "b" * 40], stop)
    assert server.asked[1].body == f"hashes%5B%5D={'a' * 40}&hashes%5B%5D={'b' * 40}".encode()
    client.service.cached_releases(["m"], stop)
    assert server.asked[2].body == b"urls%5B%5D=m&includeFiles=true"


def test_cached_files_come_without_an_item(play: Play, stop: threading.Event) -> None:
    """None when it is not cached."""
    rows = [{"url": FILE, "filename": "a.mkv", "size": 3, "folder": ["Root"]}]
    client, server = play(says(rows), says({"error": "Unsupported link for direct download."}, 400))
    assert client.cached_files(LINK, stop) == (RemoteFile("Root/a.mkv", FILE, 3),)
    assert client.cached_files(LINK, stop) is None
    assert {asked.path for asked in server.asked} == {"/api/cache/download"}
