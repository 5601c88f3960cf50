"""Who may call, what is hostile, and what calls may leave out."""

from __future__ import annotations

import base64
import json

import pytest
import requests

from offcloud_watchd.core.model import JobState
from offcloud_watchd.web.sessions import MAX_FAILURES
from tests.contract.web import flow
from tests.contract.web.test_sabnzbd import nzb
from tests.contract.web.test_transmission import HASH, HEADER, MAGNET, PASSWORD, Refusal, Sonarr
from tests.fakes.house import House
from tests.golden.record_qbittorrent import TORRENT, TORRENT_HASH

URL = "https://files.example/a.torrent?passkey=SECRET"


@pytest.fixture
def house(open_house) -> House:
    """A house without a password, with this RPC."""
    return open_house(transmission=True)


@pytest.fixture
def client(house) -> Sonarr:
    """A client of it."""
    return Sonarr(house.url, "tv", "")


def post(client: Sonarr, body: bytes | str, **headers: str) -> requests.Response:
    """Send any body at all, within a session."""
    client.authenticate()
    url = f"{client.url}/transmission/rpc"
    return requests.post(url, data=body, headers={HEADER: client.session, **headers}, timeout=10)


def hashes(client: Sonarr, **arguments: object) -> list[str]:
    """Return the hashes of a list."""
    return [
        one["hashString"]
        for one in client.call("torrent-get", fields=["hashString"], **arguments)["torrents"]
    ]


# --- who may call ---


def test_guessing_is_slowed(open_house, password_file):
    """After a few wrong tries an address has to wait, also with the right password if it is new there."""
    house = open_house(password_file=password_file, transmission=True)
    for _ in range(MAX_FAILURES):
        assert Sonarr(house.url, password="guess").http("GET").status_code == 401
    answer = Sonarr(house.url).http("GET")
    assert (answer.status_code, "wait a minute" in answer.text) == (403, True)


def test_a_guesser_does_not_shut_out_who_was_in(open_house, password_file):
    """Behind a proxy or a gateway all clients have one address."""
    house = open_house(password_file=password_file, transmission=True)
    client = Sonarr(house.url)
    client.test()
    for _ in range(MAX_FAILURES):
        assert Sonarr(house.url, password="guess").http("GET").status_code == 401
    assert Sonarr(house.url, password="guess").http("GET").status_code == 403
    client.test()


def test_a_session_is_no_key(open_house, password_file):
    """Its id opens nothing, neither here nor as a cookie."""
    house = open_house(password_file=password_file, transmission=True)
    client = Sonarr(house.url)
    client.authenticate()
    thief = Sonarr(house.url, password="", session=client.session)
    assert thief.http("POST", {"method": "session-get"}).status_code == 401
    cookie = {"cookie": f"SID={client.session}"}
    assert requests.get(f"{house.url}/transmission/rpc", headers=cookie, timeout=10).status_code == 401
    assert requests.get(f"{house.url}/api/v2/app/version", headers=cookie, timeout=10).status_code == 403


def test_a_bearer_key_opens_too(open_house, password_file):
    """There is one secret; a session is needed all the same."""
    house = open_house(password_file=password_file, transmission=True)
    headers = {"authorization": f"Bearer {PASSWORD}"}
    assert requests.get(f"{house.url}/transmission/rpc", headers=headers, timeout=10).status_code == 409


@pytest.mark.parametrize("word", ["Basic", "Basic !!!", "Basic AAA", "Basic AAAA", "Digest x", "Basic /w=="])
def test_what_is_no_login(open_house, password_file, word):
    """Nobody is let in for it, and nothing goes wrong."""
    house = open_house(password_file=password_file, transmission=True)
    headers = {"authorization": word}
    assert requests.get(f"{house.url}/transmission/rpc", headers=headers, timeout=10).status_code == 401


def test_no_page_of_another_site_may_call(client):
    """Neither without the header, which it cannot send, nor with it."""
    body = json.dumps({"method": "torrent-remove", "arguments": {"ids": [HASH]}})
    url = f"{client.url}/transmission/rpc"
    assert (
        requests.post(url, data=body, headers={"content-type": "text/plain"}, timeout=10).status_code == 409
    )
    assert post(client, body, origin="http://evil.example").status_code == 403
    assert post(client, body, host="evil.example").status_code == 421


def test_a_script_cuts_the_session_out_of_the_page(client):
    """It stands there as it is to be sent."""
    text = client.http("GET").text
    name, _, word = text.partition("<code>")[2].partition("</code>")[0].partition(": ")
    answer = requests.post(
        f"{client.url}/transmission/rpc", json={"method": "session-get"}, headers={name: word}, timeout=10
    )
    assert answer.json()["arguments"]["session-id"] == word


@pytest.mark.parametrize("path", ["/transmission/rpc/", "/c/a/b/transmission/rpc/"])
def test_an_address_may_end_with_a_slash(house, path):
    """transmission-remote writes it so, and follows no redirect."""
    answer = requests.get(f"{house.url}{path}", timeout=10, allow_redirects=False)
    assert answer.status_code == 409


# --- what is hostile ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"nothing",
        b"null",
        b'{"method": 5}',
        b'{"method": {"a": 1}}',
        b"1e999",
    ],
)
def test_what_is_no_call(client, body):
    """Said as Transmission does."""
    answer = post(client, body)
    assert (answer.status_code, answer.json()["result"]) == (200, "no method name")


@pytest.mark.parametrize("arguments", [None, [], "x", 5, {"ids": {}}, {"ids": [None, [], 1.5, True]}])
def test_arguments_of_any_kind(client, arguments):
    """What cannot be read names nothing, and changes nothing."""
    client.call("torrent-add", filename=MAGNET)
    for method in (
        "torrent-remove",
        "torrent-set",
        "torrent-start",
        "torrent-get",
        "torrent-add",
        "session-get",
    ):
        answer = post(client, json.dumps({"method": method, "arguments": arguments}))
        assert answer.status_code == 200
    assert hashes(client) == [HASH]


@pytest.mark.parametrize("tag", ["x", 1.5, None, True, {"a": 1}, 10**30])
def test_tags(client, tag):
    """Whole numbers come back, nothing else does."""
    answer = post(client, json.dumps({"method": "session-set", "tag": tag})).json()
    assert answer.get("tag") == (tag if tag == 10**30 else None)


@pytest.mark.parametrize(
    "what",
    [
        {"metainfo": "%%%"},
        {"metainfo": base64.b64encode(nzb()).decode()},
        {"metainfo": base64.b64encode(b"d4:infod4:name1:xee").decode()},
        {"metainfo": "öä"},
        {"filename": "magnet:?xt=urn:btih:nothing"},
        {"filename": "file:///etc/passwd"},
        {"filename": "/etc/passwd"},
    ],
)
def test_junk_is_not_taken(house, client, what):
    """No file of this machine is ever read for a client."""
    with pytest.raises(Refusal, match="invalid or corrupt torrent file"):
        client.call("torrent-add", **what)
    assert not house.jobs


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"download_dir": "tv"}, "not absolute"),
        ({"download_dir": "/etc"}, "goes below"),
        ({"download_dir": "{out}/../etc"}, "goes below"),
        ({"download_dir": "{out}-other/tv"}, "goes below"),
        ({"download_dir": "{out}/.hidden"}, "category"),
        ({"labels": ["../x"]}, "category"),
        ({"labels": ["x" * 300]}, "category"),
    ],
)
def test_places_where_nothing_goes(house, client, place, words):
    """They are refused with a reason, and nothing is made."""
    place = {
        name: value.replace("{out}", str(house.output)) if isinstance(value, str) else value
        for name, value in place.items()
    }
    with pytest.raises(Refusal, match=words):
        client.call("torrent-add", filename=MAGNET, **place)
    assert not house.jobs


@pytest.mark.parametrize(
    ("place", "category"),
    [
        ({}, "tv"),
        ({"download_dir": "{out}"}, "tv"),
        ({"download_dir": "{out}/"}, "tv"),
        ({"download_dir": "/{out}/film/"}, "film"),
        ({"download_dir": "{out}/a/b"}, "a/b"),
        ({"labels": ["", "one", "two"], "download_dir": "{out}/film"}, "one"),
        ({"labels": [5, None]}, "tv"),
    ],
)
def test_places_and_their_categories(house, client, place, category):
    """A label goes before a directory, and none is the default."""
    place = {
        name: value.replace("{out}", str(house.output)) if isinstance(value, str) else value
        for name, value in place.items()
    }
    client.call("torrent-add", filename=MAGNET, **place)
    assert [job.destination.category for job in house.jobs.values()] == [category]


def test_a_web_link_is_a_link(house, client):
    """It is submitted as such; its hash is a digest, and the answers tell nothing of its address."""
    added = client.call("torrent-add", filename=URL)["torrent-added"]
    assert hashes(client, ids=[added["hashString"]]) == [added["hashString"]]
    client.authenticate()
    body = {"method": "torrent-get", "arguments": {"fields": ["name", "magnetLink", "comment", "trackers"]}}
    assert "SECRET" not in client.http("POST", body).text


@pytest.mark.parametrize(
    ("path", "name"), [("a.torrent?key=secret", "a.torrent"), ("secret#secret", "a link to indexer.example")]
)
def test_what_is_secret_in_a_link_stands_in_no_answer(client, path, name):
    """Clients write the name into their logs."""
    added = client.call("torrent-add", filename=f"https://indexer.example/{path}")["torrent-added"]
    assert added["name"] == name


def test_an_nzb_is_no_torrent(house, client):
    """Whoever follows it does so by another API."""
    client.call("torrent-add", filename=MAGNET)
    headers = {"content-type": "application/octet-stream"}
    url = f"{house.url}/api/v1/files?name=A.nzb"
    assert requests.post(url, data=nzb(), headers=headers, timeout=10).status_code == 200
    assert len(house.jobs) == 2
    assert hashes(client) == [HASH]


# --- what calls may leave out ---


def test_a_removal_that_names_none_removes_none(client):
    """Transmission would remove them all."""
    client.call("torrent-add", filename=MAGNET)
    client.call("torrent-remove", delete_local_data=True)
    assert hashes(client) == [HASH]


def test_labels_for_all_are_passed_over(client):
    """And so are no labels at all."""
    client.call("torrent-add", filename=MAGNET)
    client.call("torrent-set", labels=["film"])
    client.call("torrent-set", ids=[HASH], labels=[])
    client.call("torrent-set", ids=[HASH], labels=["tv"])
    with pytest.raises(Refusal, match="category"):
        client.call("torrent-set", ids=[HASH], labels=["/"])
    [one] = client.call("torrent-get", fields=["labels"])["torrents"]
    assert one["labels"] == ["tv"]


def test_numbers_name_torrents_too(house, client):
    """A number belongs to one torrent for good."""
    client.call("torrent-add", filename=MAGNET)
    client.call("torrent-add", metainfo=base64.b64encode(TORRENT).decode())
    client.call("torrent-remove", ids=[1])
    assert hashes(client) == [TORRENT_HASH]
    assert hashes(client, ids=2) == [TORRENT_HASH]
    assert client.call("torrent-add", filename=MAGNET)["torrent-added"]["id"] == 3


def test_start_lets_what_failed_begin_anew(house, client):
    """All of them, where none is named."""
    client.call("torrent-add", filename=MAGNET)
    flow.fail(house, flow.the_job(house, HASH).id)
    client.call("torrent-start")
    assert flow.the_job(house, HASH).state is JobState.QUEUED


def test_files_of_many_releases_are_bounded(house, client, monkeypatch):
    """A list of all files of all releases has an end."""
    monkeypatch.setattr("offcloud_watchd.web.transmission.listing.MAX_FILES", 1)
    for number in (1, 2):
        client.call("torrent-add", filename=f"magnet:?xt=urn:btih:{number:040x}&dn=Film.{number}")
        flow.finish(house, flow.the_job(house, f"{number:040x}").id)
    told = client.call("torrent-get", fields=["files", "fileCount"])["torrents"]
    assert [(len(one["files"]), one["fileCount"]) for one in told] == [(1, 1), (0, 1)]
