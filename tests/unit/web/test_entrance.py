"""Who is let in."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from starlette.requests import Request

from offcloud_watchd.errors import ConfigError
from offcloud_watchd.web import entrance, password
from offcloud_watchd.web.password import hashed, matches, read_password
from offcloud_watchd.web.sessions import MAX_ADDRESSES, MAX_FAILURES, MAX_SESSIONS, Doorkeeper, Sessions
from tests.fakes.clock import FakeClock
from tests.fakes.house import wait_until

GOOD = {"username": "anybody", "password": "open sesame"}


def login(session: requests.Session, url: str, **data: str) -> str:
    """Log in and return what was answered."""
    return session.post(f"{url}/api/v2/auth/login", data={**GOOD, **data}, timeout=10).text


def login_page(url: str, password: str) -> str:
    """Send the form of the page; return what comes."""
    with requests.Session() as session:
        token = re.search(r'name="token" value="([0-9a-f]+)"', session.get(url, timeout=10).text)[1]
        return session.post(f"{url}/login", data={"token": token, "password": password}, timeout=10).text


def version(url: str, **headers: str) -> int:
    """Ask for what needs a session and return the status."""
    return requests.get(f"{url}/api/v2/app/version", headers=headers, timeout=10).status_code


@pytest.fixture
def slow_looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[str]]:
    """Have each look at a password take its time; return the list of what was looked at."""

    def slowed(pause_s: float) -> list[str]:
        looked_at: list[str] = []

        def slow(stored: str, given: str) -> bool:
            looked_at.append(given)
            threading.Event().wait(pause_s)
            return stored == given

        monkeypatch.setattr(password, "matches", slow)
        return looked_at

    return slowed


def test_without_a_session_nobody_is_told_anything(open_house, password_file):
    """403 for what is there and for what is not; Basic, empty or not, changes nothing."""
    house = open_house(password_file=password_file)
    for path in ("app/version", "app/preferences", "torrents/info", "nothing/at"):
        for auth in (None, ("", ""), ("admin", "open sesame")):
            answer = requests.get(f"{house.url}/api/v2/{path}", auth=auth, timeout=10)
            assert (answer.status_code, answer.text) == (403, "Forbidden")


def test_login_and_logout(open_house, password_file):
    """The cookie opens, also when it comes back with its attributes, until it is given back."""
    house = open_house(password_file=password_file)
    with requests.Session() as session:
        assert login(session, house.url, password="wrong") == "Fails."
        answer = session.post(f"{house.url}/api/v2/auth/login", data=GOOD, timeout=10)
        assert answer.text == "Ok."
        cookie = answer.headers["set-cookie"]
        assert cookie.endswith("; HttpOnly; path=/; SameSite=Strict")
        assert session.get(f"{house.url}/api/v2/app/version", timeout=10).text == "v4.6.7"
        assert version(house.url, cookie=cookie) == 200
        again = session.post(f"{house.url}/api/v2/auth/login", data={}, timeout=10)
        assert (again.text, "set-cookie" in again.headers) == ("Ok.", False)
        session.post(f"{house.url}/api/v2/auth/logout", timeout=10)
        assert version(house.url, cookie=cookie) == 403


def test_a_key_needs_no_login(open_house, password_file):
    """The password as a bearer key opens; a wrong one gets a 403."""
    house = open_house(password_file=password_file)
    assert version(house.url, authorization="Bearer open sesame") == 200
    assert version(house.url, authorization="Bearer wrong") == 403


def test_guessing_is_slowed(open_house, password_file):
    """After a few wrong tries an address has to wait; a session that has begun does not."""
    house = open_house(password_file=password_file)
    with requests.Session() as session:
        assert login(session, house.url) == "Ok."
        with requests.Session() as guesser:
            for _ in range(MAX_FAILURES):
                assert login(guesser, house.url, password="guess") == "Fails."
            answer = guesser.post(f"{house.url}/api/v2/auth/login", data=GOOD, timeout=10)
            assert (answer.status_code, "banned" in answer.text) == (403, True)
        assert session.get(f"{house.url}/api/v2/app/version", timeout=10).status_code == 200


def test_a_guesser_shuts_nobody_else_out(open_house, password_file):
    """A key that was good from the same address before is let in, among any number of guesses."""
    password_file.write_text(hashed("open sesame"))
    house = open_house(password_file=password_file)
    good, guess = "Bearer open sesame", "Bearer guess"
    assert version(house.url, authorization=good) == 200
    for _ in range(3 * MAX_FAILURES):
        assert version(house.url, authorization=guess) == 403
        assert version(house.url, authorization=good) == 200
    with requests.Session() as guesser:
        answer = guesser.post(f"{house.url}/api/v2/auth/login", data=GOOD, timeout=10)
        assert (answer.status_code, "banned" in answer.text) == (403, True)


def test_a_key_that_was_never_good_waits_like_any_guess(open_house, password_file):
    """From an address that has only guessed, even the right one: else guesses would go on for ever."""
    house = open_house(password_file=password_file)
    for _ in range(MAX_FAILURES):
        assert version(house.url, authorization="Bearer guess") == 403
    assert version(house.url, authorization="Bearer open sesame") == 403


def test_a_thousand_guesses_at_once_are_a_few(open_house, password_file, slow_looks):
    """However many come together, no more of them are looked at than one after the other (fault 117)."""
    looked_at = slow_looks(0.01)
    house = open_house(password_file=password_file)
    with ThreadPoolExecutor(50) as many:
        answers = list(many.map(lambda n: version(house.url, authorization=f"Bearer guess-{n}"), range(1000)))
    assert answers == [403] * 1000
    assert len(looked_at) == MAX_FAILURES


def test_no_more_guesses_wait_than_are_looked_at(open_house, password_file, monkeypatch):
    """The rest is refused while the first ones are still looked at, and holds no connection."""
    going_on, asked = threading.Event(), threading.Semaphore(0)

    def slow(_stored: str, _given: str) -> bool:
        asked.release()
        return going_on.wait(10) and False

    monkeypatch.setattr(password, "matches", slow)
    house = open_house(password_file=password_file)
    with ThreadPoolExecutor(MAX_FAILURES + 1) as many:
        waiting = [
            many.submit(version, house.url, authorization=f"Bearer {n}") for n in range(MAX_FAILURES + 1)
        ]
        assert asked.acquire(timeout=10)
        wait_until(lambda: any(one.done() for one in waiting))
        assert [one.result() for one in waiting if one.done()] == [403]
        assert "Too many" in login_page(house.url, "open sesame")
        going_on.set()
        assert [one.result() for one in waiting] == [403] * (MAX_FAILURES + 1)


def test_a_good_key_that_comes_many_times_at_once_is_looked_at_once(open_house, password_file, slow_looks):
    """A dashboard asks with all its panels together, before anything is known."""
    looked_at = slow_looks(0.1)
    house = open_house(password_file=password_file)
    with ThreadPoolExecutor(20) as many:
        answers = list(many.map(lambda _: version(house.url, authorization="Bearer open sesame"), range(20)))
    assert (answers, looked_at) == ([200] * 20, ["open sesame"])


def test_without_a_password_the_way_is_open(open_house):
    """On loopback nothing is asked for, and who logs in is let in."""
    house = open_house()
    assert version(house.url) == 200
    with requests.Session() as session:
        assert login(session, house.url, password="anything") == "Ok."


def test_a_new_password_counts_at_once(open_house, password_file):
    """The file is read again; while it cannot be read nobody gets in."""
    house = open_house(password_file=password_file)
    password_file.write_text("another\n")
    assert version(house.url, authorization="Bearer another") == 200
    assert version(house.url, authorization="Bearer open sesame") == 403
    password_file.chmod(0o644)
    assert version(house.url, authorization="Bearer another") == 403


def test_hash(password_file):
    """A hash stands in the password's place, tells nothing of it, and differs each time."""
    one, other = hashed("öpen sesame"), hashed("öpen sesame")
    assert one != other
    assert "sesame" not in one
    assert matches(one, "öpen sesame")
    assert not matches(one, "open sesame")
    password_file.write_text(one)
    assert read_password(password_file) == one


@pytest.mark.parametrize(
    "stored",
    [
        "scrypt$x$8$3$AAAA$AAAA",
        "scrypt$0$8$3$AAAA$AAAA",
        "scrypt$-2$8$-3$AAAA$AAAA",
        "scrypt$3$8$3$AAAA$AAAA",
        "scrypt$1048576$8$1$AAAA$AAAA",
        "scrypt$2$8$999999999$AAAA$AAAA",
        "scrypt$2$8$1$!$AAAA",
    ],
)
def test_a_damaged_hash_opens_nothing(stored):
    """Nor does it take for ever."""
    assert not matches(stored, "")
    assert not matches(stored, "anything")


def test_a_long_password_is_not_hashed():
    """A megabyte of password is no password."""
    assert not matches("x" * 2000, "x" * 2000)


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"\xff\xfe", b"x" * 5000])
def test_a_file_without_a_password(password_file, content):
    """What is wrong with it is said, and none of it shown."""
    password_file.write_bytes(content)
    with pytest.raises(ConfigError, match=str(password_file)):
        read_password(password_file)


def test_a_missing_file(tmp_path):
    """It is named."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_password(tmp_path / "none")


def test_sessions_end():
    """By idling, and the oldest when there are too many."""
    clock = FakeClock()
    sessions = Sessions(clock)
    word = sessions.begin()
    clock.advance(3000)
    assert sessions.get(word) is not None
    clock.advance(3700)
    assert sessions.get(word) is None
    first = sessions.begin()
    for _ in range(MAX_SESSIONS):
        sessions.begin()
    assert sessions.get(first) is None


def test_a_session_remembers_a_few_categories():
    """The newest, and no more than a bound."""
    session = Sessions(FakeClock()).of_client("one")
    for number in range(100):
        session.uses(str(number))
    assert list(session.used)[-1] == "99"
    assert len(session.used) < 50


def test_the_doorkeeper_forgets():
    """Tries of long ago do not count, nor does an address that many others pushed out."""
    clock = FakeClock()
    doorkeeper = Doorkeeper(clock)
    for _ in range(MAX_FAILURES):
        doorkeeper.failed("a")
    assert doorkeeper.shuts_out("a")
    clock.advance(61)
    assert not doorkeeper.shuts_out("a")
    doorkeeper.failed("a")
    assert not doorkeeper.shuts_out("a")
    doorkeeper.trust("a")
    assert doorkeeper.trusts("a")
    for number in range(MAX_ADDRESSES + 1):
        doorkeeper.failed(str(number))
        doorkeeper.trust(str(number))
    assert not doorkeeper.shuts_out("0")
    assert not doorkeeper.trusts("a")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_guesses_are_counted_by_network(host, name):
    """One machine has many addresses of IPv6, and all of them guess together."""
    scope = {"type": "http", "client": (host, 1), "headers": []}
    assert entrance._address(Request(scope)) == name
