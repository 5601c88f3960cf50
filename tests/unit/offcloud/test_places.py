"""Remote accounts, proxies and sites, and which account a person means."""

import json

import pytest

from offcloud_watchd.errors import Blocked, Permanent, Transient
from offcloud_watchd.offcloud import places
from offcloud_watchd.offcloud.answer import Answer
from offcloud_watchd.offcloud.places import Proxy, RemoteAccount, Site, chosen, chosen_proxy

DRIVE = RemoteAccount("a1", "o1", "googledrive", "Me@Mail.invalid", "active")
FTP = RemoteAccount("a2", "o2", "ftp", "me")
SECOND = RemoteAccount("a3", "o3", "ftp", "other")


def _answer(body: object, status: int = 200) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("POST service.invalid/x", status, raw)


ROW = {
    "accountId": "a2",
    "remoteOptionId": "o2",
    "type": "ftp",
    "username": "me\x1b",
    "status": "active",
    "host": "ftp.invalid",
    "port": "21",
    "path": "/in",
    "usage": "12",
}


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"data": rows}])
def test_accounts_come_bare_or_wrapped(wrap) -> None:
    """Only the second id is what a submission wants; where it is missing the first one is."""
    rows = [ROW, {"accountId": 7}, {"type": "x"}, None, {"accountId": True}, {"accountId": -1}]
    assert places.remote_accounts(_answer(wrap(rows))) == (
        RemoteAccount("a2", "o2", "ftp", "me", "active", "ftp.invalid", "/in", 12),
        RemoteAccount("7", "7"),
    )


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"list": rows}])
def test_proxies_come_bare_or_wrapped(wrap) -> None:
    """One without an id is of no use."""
    rows = [{"id": "p1", "name": "Main (US)", "region": "US"}, {"name": "x"}]
    assert places.proxies(_answer(wrap(rows))) == (Proxy("p1", "Main (US)", "US"),)


def test_sites_say_how_they_are() -> None:
    """A word in the current service, a truth in the classic one."""
    assert places.sites(_answer([{"name": "a.invalid", "status": "up"}, {"status": "up"}])) == (
        Site("a.invalid", "up"),
    )
    wrapped = {"fs": [{"displayName": "b", "isActive": True}, {"displayName": "c", "isActive": False}]}
    assert [site.status for site in places.sites(_answer(wrapped))] == ["up", "down"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": "NOAUTH"}, Blocked),
        ({"not_available": "premium"}, Blocked),
        ({}, Transient),
        ("x", Transient),
        ([1, 2], Transient),
        (b"<html>", Transient),
        (b"", Transient),
    ],
)
def test_a_list_that_cannot_be_read_raises(body: object, error: type[Exception]) -> None:
    """It is not an empty one."""
    with pytest.raises(error):
        places.remote_accounts(_answer(body))
    assert places.remote_accounts(_answer([])) == ()


@pytest.mark.parametrize(
    ("wanted", "account"),
    [
        ("o1", DRIVE),
        ("a1", DRIVE),
        ("me@mail.INVALID", DRIVE),
        ("GoogleDrive", DRIVE),
        ("me", FTP),
        ("other", SECOND),
    ],
)
def test_an_account_is_meant_by_id_user_or_type(wanted: str, account: RemoteAccount) -> None:
    """In this order, and whatever the case of names."""
    assert chosen([DRIVE, FTP, SECOND], wanted) == account


def test_an_account_that_is_not_meant_is_told_with_what_there_is() -> None:
    """A person can then write the right one."""
    with pytest.raises(Permanent, match=r"may be ftp me \(o2\), ftp other \(o3\)"):
        chosen([DRIVE, FTP, SECOND], "ftp")
    with pytest.raises(Permanent, match=r"there are: googledrive Me@Mail.invalid \(o1\)"):
        chosen([DRIVE], "dropbox")
    with pytest.raises(Permanent, match="there are: none"):
        chosen([], "x")
    assert RemoteAccount("a", "o").title == "account a"


def test_a_proxy_is_meant_by_id_name_or_region() -> None:
    """A region of several is none."""
    main, second = Proxy("p1", "Main (US)", "US"), Proxy("p2", "Second (Germany)", "EU")
    for wanted, proxy in (("p1", main), ("second (germany)", second), ("eu", second)):
        assert chosen_proxy([main, second], wanted) == proxy
    with pytest.raises(Permanent, match=r"the proxy 'US' may be Main \(US\) \(p1\), US \(p3\): name it by"):
        chosen_proxy([main, Proxy("p3", "", "US")], "US")
    with pytest.raises(Permanent, match=r"there is no proxy 'Mars'; there are: Main \(US\) \(p1\)"):
        chosen_proxy([main], "Mars")
