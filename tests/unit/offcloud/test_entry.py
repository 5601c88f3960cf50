"""The answers that let somebody in."""

import json

import pytest

from offcloud_watchd.errors import Blocked, OffcloudWatchdError, Permanent, Transient
from offcloud_watchd.offcloud import entry
from offcloud_watchd.offcloud.answer import Answer
from offcloud_watchd.offcloud.entry import Device, Verdict

CODES = {
    "device_code": "D",
    "user_code": "BCDF-GHJK",
    "verification_uri": "https://offcloud.invalid/activate",
}


def _answer(body: object, status: int = 200, cookie: str = "") -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("POST service.invalid/x", status, raw, set_cookie=cookie)


@pytest.mark.parametrize(
    ("cookie", "value"),
    [
        ("connect.sid=abc; Path=/", "abc"),
        ("other=1; Path=/, connect.sid=s%3Aabc.def; HttpOnly", "s%3Aabc.def"),
        ('connect.sid="abc"', "abc"),
    ],
)
def test_a_session_is_its_cookie(cookie: str, value: str) -> None:
    """Among others too."""
    assert entry.session(_answer({"userId": "u"}, cookie=cookie)) == value


@pytest.mark.parametrize("cookie", ["", "connect.sid=", "xconnect.sid=abc", "connect.sid=ä"])
def test_a_success_without_a_session_is_none(cookie: str) -> None:
    """Nothing is made up."""
    with pytest.raises(Transient):
        entry.session(_answer({"userId": "u"}, cookie=cookie))


def test_a_login_is_refused_in_the_service_s_words() -> None:
    """A fault is no refusal, and a service without passwords says what to do."""
    with pytest.raises(Blocked, match="valid email") as raised:
        entry.session(_answer({"error": "Please enter a valid email address."}))
    assert raised.value.key_refused
    with pytest.raises(Blocked, match="--device"):
        entry.session(_answer(b"<html>", 404))
    for status in (500, 503):
        with pytest.raises(Transient):
            entry.session(_answer({"error": "oops"}, status))
    with pytest.raises(Blocked, match=r"'\?'"):
        entry.session(_answer({"error": True}))


@pytest.mark.parametrize("name", ["apiKey", "api_key", "key"])
def test_a_key_has_several_names(name: str) -> None:
    """Descriptions differ."""
    assert entry.api_key(_answer({"email": "a@b.c", name: "k" * 32})) == "k" * 32


@pytest.mark.parametrize("key", [None, "", "a b", "ä", "k" * 5000, 7])
def test_what_is_no_key_is_none(key: object) -> None:
    """It would be written into a file and put into headers."""
    assert entry.api_key(_answer({"apiKey": key})) is None


def test_a_key_that_is_not_told_is_an_error() -> None:
    """A refusal and an odd answer are told apart from an account without a key."""
    with pytest.raises(Blocked):
        entry.api_key(_answer({"error": "NOAUTH"}))
    with pytest.raises(Transient):
        entry.api_key(_answer([]))
    assert entry.api_key(_answer(b"<html>", 405)) is None


@pytest.mark.parametrize(
    ("body", "known"), [({"loggedIn": 1}, True), ({"loggedIn": "1"}, True), ({"loggedIn": 0}, False)]
)
def test_being_logged_in(body: object, known: bool) -> None:  # noqa: FBT001 - a parameter
    """A number, also as a string."""
    assert entry.is_logged_in(_answer(body)) is known


def test_a_device_gets_its_codes() -> None:
    """Times that are odd are those of the standard."""
    told = {
        **CODES,
        "verification_uri_complete": "https://offcloud.invalid/x",
        "interval": 2,
        "expires_in": "60",
    }
    assert entry.device(_answer(told)) == Device(
        "D", "BCDF-GHJK", CODES["verification_uri"], "https://offcloud.invalid/x", 2.0, 60.0
    )
    plain = entry.device(_answer({**CODES, "interval": -1, "expires_in": "soon"}))
    assert (plain.page_with_code, plain.interval_s, plain.life_s) == (plain.page, 5.0, 600.0)
    endless = entry.device(_answer({**CODES, "verification_uri_complete": "javascript:x", "expires_in": 1e9}))
    assert (endless.page_with_code, endless.life_s) == (endless.page, 3600.0)
    assert "'D'" not in repr(plain)


def test_what_is_no_device_is_refused() -> None:
    """No call, a fault, half the codes, and a page that is none."""
    with pytest.raises(Permanent, match="e-mail and password"):
        entry.device(_answer(b"<html>", 404))
    for answer in (
        _answer({"error": "slow"}, 503),
        _answer([]),
        _answer({**CODES, "user_code": ""}),
        _answer({**CODES, "verification_uri": "javascript:x"}),
    ):
        with pytest.raises(Transient):
            entry.device(answer)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_device_is_told_to_wait_or_to_go(verdict: Verdict) -> None:
    """The words of RFC 8628."""
    assert entry.token(_answer({"error": str(verdict), "error_description": "x"}, 400)) is verdict


def test_a_token_is_a_key() -> None:
    """Anything else is none, and other errors are what they are."""
    assert entry.token(_answer({"access_token": "t0ken", "token_type": "Bearer"})) == "t0ken"
    for body, status in (({}, 200), ({"access_token": "a b"}, 200), ([], 200), (b"<html>", 502)):
        with pytest.raises(OffcloudWatchdError):
            entry.token(_answer(body, status))
