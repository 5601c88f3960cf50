"""The service behind the account: what it tells of itself, and calls it does not have."""

import threading

import pytest

from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Route
from offcloud_watchd.errors import Blocked, OffcloudWatchdError, Permanent, Transient
from tests.fakes.wire_server import Turn, WireServer, says
from tests.unit.offcloud.playing import Play

LINK = parse_link("https://files.invalid/a.bin")
PAGE = says("<html>no</html>", 404)
ACCOUNT = says({"user_id": "u", "email": "a@mail.invalid", "is_premium": True})


def _paths(server: WireServer) -> list[str]:
    return [asked.path.removeprefix("/api/") for asked in server.asked]


def test_a_statement_tells_what_is_left(play: Play, stop: threading.Event) -> None:
    """Odd amounts are left out."""
    limits = {"links": 3, "premium": "x", "cloud": "7", "proxy": None}
    client, _ = play(PAGE, says({"userId": "u", "limits": limits}))
    assert client.service.statement(stop).limits == {"links": 3, "cloud": 7}


@pytest.mark.parametrize(
    ("body", "ids"),
    [([{"accountId": "a", "remoteOptionId": "o"}], ["o"]), ({"data": [{"accountId": "a"}]}, ["a"]), ([], [])],
)
def test_remote_accounts_are_listed(play: Play, stop: threading.Event, body: object, ids: list[str]) -> None:
    """By the id that a submission wants."""
    client, server = play(says(body))
    assert [one.option_id for one in client.remote_accounts(stop)] == ids
    assert _paths(server) == ["remote/accounts"]


def test_proxies_and_sites_are_listed(play: Play, stop: threading.Event) -> None:
    """Each by its own call."""
    client, server = play(says({"list": [{"id": "p"}]}), says([{"name": "s"}]))
    assert [one.id for one in client.service.proxies(stop)] == ["p"]
    assert [one.name for one in client.service.sites(stop)] == ["s"]
    assert [(asked.method, asked.path) for asked in server.asked] == [
        ("POST", "/api/proxy"),
        ("GET", "/api/sites"),
    ]


@pytest.mark.parametrize("route", list(Route))
def test_requests_are_listed_by_route(play: Play, stop: threading.Event, route: Route) -> None:
    """The newest first, also those that failed."""
    rows = [{"requestId": "R2", "status": "error"}, {"requestId": "../x"}, {"requestId": "R1"}]
    client, server = play(says(rows))
    assert [one.request_id for one in client.service.requests(stop, route)] == ["R2", "R1"]
    assert _paths(server) == [f"{route}/history"]


def test_cached_releases_are_asked_for_by_magnet(play: Play, stop: threading.Event) -> None:
    """None where the service has no such call."""
    client, server = play(says([{"cached": True}, {"cached": False}]), PAGE)
    found = client.service.cached_releases(["magnet:?a", "magnet:?b"], stop)
    assert found is not None
    assert [one.cached for one in found] == [True, False]
    assert server.asked[0].json() == {"urls": ["magnet:?a", "magnet:?b"], "includeFiles": True}
    assert client.service.cached_releases(["magnet:?a"], stop) is None


# --- Calls that are not there ---


def _asks(stop: threading.Event):
    return {
        "remote/accounts": lambda client: client.remote_accounts(stop),
        "proxy": lambda client: client.service.proxies(stop),
        "sites": lambda client: client.service.sites(stop),
        "remote/history": lambda client: client.service.requests(stop, Route.REMOTE),
        "instant": lambda client: client.submit_instant(LINK, None, stop),
        "remote": lambda client: client.submit_remote(LINK, "o", None, stop),
        "cache": lambda client: client.cached(["a" * 40], stop),
        "/torrent/upload": lambda client: client.uploads.upload("a.torrent", b"d", stop),
    }


NAMES = list(_asks(threading.Event()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("absent", [PAGE, says("<html>", 405), says({}, 501)])
def test_a_call_that_is_not_there_is_told_for_good(
    play: Play, stop: threading.Event, name: str, absent: Turn
) -> None:
    """The service knows us and has no such call: waiting would not help."""
    client, server = play(absent, ACCOUNT)
    with pytest.raises(Permanent, match="is not there: this service has no"):
        _asks(stop)[name](client)
    assert _paths(server) == [name, "account/info"]


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_address_has_no_calls_at_all(play: Play, stop: threading.Event, name: str) -> None:
    """A portal that answers everything with a page must not fail a job."""
    client, _ = play(PAGE)
    with pytest.raises(Transient) as raised:
        _asks(stop)[name](client)
    assert raised.value.maybe_sent == (name in ("instant", "remote"))


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_key_is_no_absence(play: Play, stop: threading.Event, name: str) -> None:
    """Nothing is concluded from a service that does not know us."""
    for turns in ((PAGE, says({"error": "NOAUTH"}, 401)), (says({"error": "NOAUTH"}, 401),)):
        client, _ = play(*turns)
        with pytest.raises(Blocked) as raised:
            _asks(stop)[name](client)
        assert raised.value.key_refused


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_is_no_absence(play: Play, stop: threading.Event, name: str) -> None:
    """It passes."""
    client, _ = play(says("<html>", 503))
    with pytest.raises(OffcloudWatchdError) as raised:
        _asks(stop)[name](client)
    assert isinstance(raised.value, Transient)
