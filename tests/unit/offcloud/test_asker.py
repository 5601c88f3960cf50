"""Who asks, and how the service wants to see it: key, session, and nothing that leaks."""

import logging
import threading
import traceback

import pytest

from offcloud_watchd.core.links import parse_link
from offcloud_watchd.errors import Blocked, ConfigError, OffcloudWatchdError, Transient
from offcloud_watchd.offcloud import Login
from offcloud_watchd.offcloud.settings import read_no_key
from tests.fakes.wire_server import Turn, WireServer, says
from tests.unit.offcloud.playing import KEY, Keys, Play

LINK = parse_link("magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a")
NOAUTH_200 = says({"error": "NOAUTH"})
NOAUTH_401 = says({"error": "NOAUTH"}, 401)
TAKEN = says({"requestId": "R1"})
COOKIE = "s%3Ab4.c0/ok=1"
SESSION = says({"email": "a@b.c", "userId": "u"}, Set_Cookie=f"connect.sid={COOKIE}; Path=/; HttpOnly")
NO_KEY = says({"email": "a@b.c"})
LOGIN = Login("me@mail.invalid", "correct horse battery")
BY_LOGIN: dict[str, object] = {
    "auth": "login",
    "username": LOGIN.username,
    "read_key": lambda: LOGIN.password,
}


def _shown(server: WireServer) -> list[str]:
    """Tell how each question showed who asks."""
    return [
        "bearer"
        if "authorization" in asked.headers
        else "query"
        if "key" in asked.query
        else "cookie"
        if "cookie" in asked.headers
        else "nothing"
        for asked in server.asked
    ]


# --- Finding out ---


def test_the_classic_service_is_found_out(play: Play, stop: threading.Event) -> None:
    """It knows no header and says so with 200; from then on the key goes into the address."""
    client, server = play(NOAUTH_200, TAKEN, TAKEN)
    assert client.submit(LINK, stop).request_id == "R1"
    client.submit(LINK, stop)
    assert _shown(server) == ["bearer", "query", "query"]
    assert [asked.query["key"] for asked in server.asked[1:]] == [[KEY], [KEY]]
    assert [asked.json() for asked in server.asked] == [{"url": LINK.url}] * 3


def test_a_key_that_is_refused_with_401_is_never_put_into_an_address(
    play: Play, stop: threading.Event
) -> None:
    """That is how the current service speaks of a wrong key, and addresses end up in logs."""
    for refusal in (NOAUTH_401, says({}, 403), says("<html>", 401)):
        client, server = play(refusal)
        with pytest.raises(Blocked) as raised:
            client.submit(LINK, stop)
        assert raised.value.key_refused
        assert _shown(server) == ["bearer"]


def test_a_wrong_key_of_the_classic_service_is_refused_both_ways(play: Play, stop: threading.Event) -> None:
    """Nothing is concluded from that: the next question begins with the header again."""
    keys = Keys("old", "new")
    client, server = play(NOAUTH_200, NOAUTH_200, TAKEN, read_key=keys)
    with pytest.raises(Blocked) as raised:
        client.submit(LINK, stop)
    assert raised.value.key_refused
    client.submit(LINK, stop)
    assert _shown(server) == ["bearer", "query", "bearer"]
    assert server.asked[2].headers["authorization"] == "Bearer new"


def test_a_service_that_was_renewed_is_found_out_too(play: Play, stop: threading.Event) -> None:
    """A refusal in the address begins anew with the header."""
    client, server = play(NOAUTH_200, TAKEN, NOAUTH_401, TAKEN)
    client.submit(LINK, stop)
    with pytest.raises(Blocked):
        client.submit(LINK, stop)
    client.submit(LINK, stop)
    assert _shown(server) == ["bearer", "query", "query", "bearer"]


def test_query_says_it_at_once(play: Play, stop: threading.Event) -> None:
    """Whoever knows that the service is the classic one saves a call."""
    client, server = play(TAKEN, auth="query")
    client.submit(LINK, stop)
    assert _shown(server) == ["query"]


@pytest.mark.parametrize("lost", [Turn(ending="reset"), says("<html>", 502)])
def test_an_answer_that_is_lost_on_the_second_way_may_have_been_taken(
    play: Play, stop: threading.Event, lost: Turn
) -> None:
    """The first refusal proves nothing about the second question."""
    client, server = play(NOAUTH_200, lost)
    with pytest.raises(Transient) as raised:
        client.submit(LINK, stop)
    assert raised.value.maybe_sent
    assert len(server.asked) == 2


# --- Login ---


def test_a_login_gives_the_key(play: Play, stop: threading.Event) -> None:
    """Password, cookie, key: the key is then used and nothing else."""
    client, server = play(SESSION, says({"email": "a@b.c", "apiKey": KEY}), TAKEN, TAKEN, **BY_LOGIN)
    client.submit(LINK, stop)
    client.submit(LINK, stop)
    assert [asked.path for asked in server.asked] == ["/api/login", "/api/key", *["/api/cloud"] * 2]
    assert server.asked[0].body == b"username=me%40mail.invalid&password=correct+horse+battery"
    assert server.asked[1].headers["cookie"] == f"connect.sid={COOKIE}"
    assert _shown(server) == ["nothing", "cookie", "query", "query"]


@pytest.mark.parametrize("no_key", [NO_KEY, says("<html>", 404), says({"apiKey": "two words"})])
def test_where_there_is_no_key_the_session_goes_on(play: Play, stop: threading.Event, no_key: Turn) -> None:
    """The cookie shows who asks; a session that ended is opened again."""
    turns = (SESSION, no_key, says({"loggedIn": 1}))
    client, server = play(*turns, TAKEN, NOAUTH_200, *turns, TAKEN, **BY_LOGIN)
    client.submit(LINK, stop)
    client.submit(LINK, stop)
    paths = ["login", "key", "check"]
    asked = [asked.path.removeprefix("/api/") for asked in server.asked]
    assert asked == [*paths, "cloud", "cloud", *paths, "cloud"]
    assert server.asked[3].headers["cookie"] == f"connect.sid={COOKIE}"


@pytest.mark.parametrize("refusal", [NOAUTH_200, says({"error": "NOAUTH"}, 401)])
def test_a_login_is_tried_once_more_and_no_oftener(play: Play, stop: threading.Event, refusal: Turn) -> None:
    """Who is let in and then not known is refused; the next question begins with a new login."""
    turns = (SESSION, says({"apiKey": KEY}))
    client, server = play(*turns, TAKEN, refusal, *turns, refusal, *turns, refusal, **BY_LOGIN)
    client.submit(LINK, stop)
    for _ in range(2):
        with pytest.raises(Blocked) as raised:
            client.submit(LINK, stop)
        assert raised.value.key_refused
    once = ["login", "key", "cloud"]
    asked = [asked.path.removeprefix("/api/") for asked in server.asked]
    assert asked == [*once, "cloud", *once, *once]


def test_a_password_that_was_replaced_is_taken_up(play: Play, stop: threading.Event) -> None:
    """It is read again before each probe."""
    passwords = ["old", "new"]
    settings = {**BY_LOGIN, "read_key": lambda: passwords.pop(0)}
    wrong = says({"error": "The credentials entered are wrong."})
    client, server = play(wrong, SESSION, says({"apiKey": KEY}), says({"user_id": 1}), **settings)
    with pytest.raises(Blocked):
        client.account(stop)
    client.account(stop)
    assert [one.body.rpartition(b"=")[2] for one in server.asked if one.path == "/api/login"] == [
        b"old",
        b"new",
    ]


@pytest.mark.parametrize("broken", [Turn(ending="reset"), says({}, 503, Retry_After="7")])
def test_a_login_that_breaks_leaves_no_doubt(play: Play, stop: threading.Event, broken: Turn) -> None:
    """Whatever happened to the login, the submission that waited for it was not sent."""
    client, server = play(broken, **BY_LOGIN)
    with pytest.raises(Transient) as raised:
        client.submit(LINK, stop)
    assert not raised.value.maybe_sent
    assert [asked.path for asked in server.asked] == ["/api/login"]


@pytest.mark.parametrize("said", [{"loggedIn": 0}, {}, [], "x"])
def test_a_session_that_does_not_hold_is_refused(play: Play, stop: threading.Event, said: object) -> None:
    """A cookie that shows nobody must not be believed."""
    client, _ = play(SESSION, NO_KEY, says(said), **BY_LOGIN)
    with pytest.raises(Blocked) as raised:
        client.submit(LINK, stop)
    assert raised.value.key_refused


def test_a_login_that_is_refused_blocks(play: Play, stop: threading.Event) -> None:
    """With the service's own words, and nothing was submitted."""
    client, server = play(says({"error": "The credentials entered are wrong."}), **BY_LOGIN)
    with pytest.raises(Blocked, match="The credentials entered are wrong") as raised:
        client.submit(LINK, stop)
    assert raised.value.key_refused
    assert [asked.path for asked in server.asked] == ["/api/login"]


def _unreadable() -> str:
    raise ConfigError(["password_file: no such file"])


def test_a_login_that_cannot_be_read_blocks(play: Play, stop: threading.Event) -> None:
    """Nothing is asked."""
    client, server = play(TAKEN, **{**BY_LOGIN, "read_key": _unreadable})
    with pytest.raises(Blocked, match="the password cannot be read: password_file: no such file"):
        client.submit(LINK, stop)
    assert server.asked == []


def test_who_has_no_key_yet_is_not_let_in(play: Play, stop: threading.Event) -> None:
    """What stands in for a key is none."""
    client, server = play(TAKEN, read_key=read_no_key)
    with pytest.raises(Blocked, match="the API key is empty"):
        client.submit(LINK, stop)
    assert server.asked == []


# --- Secrets ---


@pytest.mark.parametrize(
    "turns",
    [
        (says({"error": f"no user with {LOGIN.password}"}),),
        (says(f"{LOGIN.password}".encode(), 500),),
        (Turn(ending="reset"),),
        (SESSION, says({"error": f"who is {COOKIE}"})),
        (SESSION, NO_KEY, says({"loggedIn": 1}), says({"error": f"who is {COOKIE}"}, 500)),
        (SESSION, says({"apiKey": KEY}), says({"error": f"who is {KEY}"}, 500)),
    ],
)
def test_no_error_and_no_log_shows_a_secret(
    play: Play, stop: threading.Event, caplog: pytest.LogCaptureFixture, turns: tuple[Turn, ...]
) -> None:
    """Neither password nor cookie nor key, not even where the service repeats them."""
    kept: list[str] = []
    with caplog.at_level(logging.INFO, "offcloud_watchd"):
        client, _ = play(*turns, **BY_LOGIN, on_secret=kept.append)
        with pytest.raises(OffcloudWatchdError) as raised:
            client.submit(LINK, stop)
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + caplog.text + repr(LOGIN)
    for secret in (LOGIN.password, COOKIE, KEY):
        assert secret not in shown
    assert kept == [COOKIE, KEY][: len(kept)]  # what the service gave, so that the log hides it too


def test_no_redirect_gets_the_key_or_the_cookie(play: Play, stop: threading.Event) -> None:
    """Whatever the answer points to is not asked."""
    with WireServer(TAKEN) as elsewhere:
        moved = says({}, 302, Location=f"{elsewhere.url}/api/cloud")
        for turns in ((moved,), (SESSION, moved)):
            client, _ = play(*turns, **(BY_LOGIN if len(turns) > 1 else {}))
            with pytest.raises(OffcloudWatchdError):
                client.submit(LINK, stop)
        assert elsewhere.asked == []


# --- Who listens ---


def test_every_question_is_counted_with_what_came_back(play: Play, stop: threading.Event) -> None:
    """By its path and the status, refusals and silences among them; no id of ours is asked for."""
    heard: list[tuple[str, int | None]] = []
    listener = {"on_answer": lambda path, status: heard.append((path, status))}
    client, _ = play(says({}, 500), Turn(ending="close"), TAKEN, **listener)
    for _ in range(2):
        with pytest.raises(Transient):
            client.submit(LINK, stop)
    client.submit(LINK, stop)
    assert heard == [("cloud", 500), ("cloud", None), ("cloud", 200)]
