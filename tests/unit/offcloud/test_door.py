"""Getting a key, with a password or by letting a device in."""

import threading
import traceback
from collections.abc import Callable, Iterator

import pytest

from offcloud_watchd.errors import Blocked, Cancelled, OffcloudWatchdError, Permanent
from offcloud_watchd.offcloud import ClientSettings, Login
from offcloud_watchd.offcloud.door import Door
from offcloud_watchd.offcloud.settings import read_no_key
from tests.fakes.clock import FakeClock
from tests.fakes.wire_server import RealClock, Turn, WireServer, says

CODES = {
    "device_code": "SECRETCODE",
    "user_code": "BCDF-GHJK",
    "verification_uri": "https://offcloud.invalid/activate",
    "interval": 2,
    "expires_in": 20,
}
PENDING = says({"error": "authorization_pending"}, 400)
SESSION = says({"userId": "u"}, Set_Cookie="connect.sid=c00kie; Path=/")
LOGIN = Login("me@mail.invalid", "correct horse")


class Patience:
    """A flag whose waits only move a clock; it is raised after ``gives_up_after`` of them."""

    def __init__(self, clock: FakeClock, gives_up_after: int = 1000) -> None:
        self.clock = clock
        self.waits: list[float] = []
        self.gives_up_after = gives_up_after

    def is_set(self) -> bool:
        """Tell whether it is raised."""
        return len(self.waits) >= self.gives_up_after

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass."""
        self.waits.append(timeout or 0.0)
        self.clock.advance(timeout or 0.0)
        return self.is_set()


At = Callable[..., tuple[Door, WireServer]]


@pytest.fixture
def at() -> Iterator[At]:
    """Start a server with a script and stand at its door."""
    opened: list[tuple[Door, WireServer]] = []

    def stand(*turns: Turn, clock: object = None) -> tuple[Door, WireServer]:
        server = WireServer(*turns).__enter__()
        settings = ClientSettings(
            read_key=read_no_key, base_url=server.url, requests_per_minute=1_000_000, read_timeout_s=2.0
        )
        opened.append((Door(settings, clock or RealClock()), server))  # type: ignore[arg-type]
        return opened[-1]

    yield stand
    for door, server in opened:
        door.close()
        server.stop()


def test_a_password_gives_the_key(at: At) -> None:
    """And a wrong one does not."""
    door, server = at(SESSION, says({"apiKey": "k3y"}))
    assert door.key_for(LOGIN, threading.Event()) == "k3y"
    assert [asked.target for asked in server.asked] == ["/api/login", "/api/key"]
    door, _ = at(says({"error": "The credentials entered are wrong."}))
    with pytest.raises(Blocked, match="credentials"):
        door.key_for(LOGIN, threading.Event())


def test_an_account_without_a_key_cannot_write_one(at: At) -> None:
    """A session's cookie is no key: it would not live."""
    door, _ = at(SESSION, says({}), says({"loggedIn": 1}))
    with pytest.raises(Permanent, match="no API key"):
        door.key_for(LOGIN, threading.Event())


def test_a_device_waits_until_it_is_let_in(at: At) -> None:
    """As often as it may, more seldom when told so; a fault in between is waited out."""
    clock = FakeClock()
    slow = says({"error": "slow_down"}, 400)
    door, server = at(
        says(CODES), PENDING, slow, says("<html>", 502), says({"access_token": "t0ken"}), clock=clock
    )
    patience = Patience(clock)
    device = door.begin(patience)
    assert device.user_code == "BCDF-GHJK"
    assert door.wait(device, patience) == "t0ken"
    assert patience.waits == [2.0, 2.0, 7.0, 7.0]
    assert [asked.target for asked in server.asked] == ["/oauth/device/code", *["/oauth/token"] * 4]
    assert server.asked[1].json() == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "SECRETCODE",
    }


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (says({"error": "access_denied"}, 400), "was not let in"),
        (says({"error": "expired_token"}, 400), "in time"),
        (PENDING, "in time"),
    ],
)
def test_a_device_that_is_not_let_in_ends(at: At, turn: Turn, words: str) -> None:
    """Refused, told so, or for as long as the codes live."""
    clock = FakeClock()
    door, server = at(says(CODES), turn, clock=clock)
    patience = Patience(clock)
    with pytest.raises(Permanent, match=words) as raised:
        door.wait(door.begin(patience), patience)
    assert len(server.asked) <= 1 + 10
    assert "SECRETCODE" not in "".join(traceback.format_exception(raised.value))


def test_waiting_can_be_given_up(at: At) -> None:
    """The flag ends it."""
    clock = FakeClock()
    door, _ = at(says(CODES), PENDING, clock=clock)
    device = door.begin(Patience(clock))
    with pytest.raises(Cancelled):
        door.wait(device, Patience(clock, gives_up_after=1))


def test_an_odd_refusal_ends_the_waiting(at: At) -> None:
    """A word nobody knows is not waited for."""
    clock = FakeClock()
    door, _ = at(says(CODES), says({"error": "Invalid token SECRETCODE"}, 400), clock=clock)
    patience = Patience(clock)
    with pytest.raises(OffcloudWatchdError) as raised:
        door.wait(door.begin(patience), patience)
    assert "SECRETCODE" not in str(raised.value)
