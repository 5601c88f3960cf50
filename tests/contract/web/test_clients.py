"""Other clients: one that is installed, and the calls of those that are not, in their order and form."""

from __future__ import annotations

from typing import Any

import pytest
import qbittorrentapi
import requests

from tests.contract.web import flow
from tests.fakes.house import House, wait_until
from tests.golden.record_qbittorrent import TORRENT, TORRENT_HASH

HASH = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
MAGNET = f"magnet:?xt=urn:btih:{HASH}&dn=Some.Film.2020"
GOOD = {"username": "admin", "password": "open sesame"}


@pytest.fixture
def house(open_house, password_file) -> House:
    """A house with a password."""
    return open_house(password_file=password_file)


class Wire:
    """A session of plain calls."""

    def __init__(self, house: House) -> None:
        self._url = f"{house.url}/api/v2"
        self._session = requests.Session()

    def get(self, path: str, **params: Any) -> requests.Response:
        """Read by GET."""
        return self._session.get(f"{self._url}/{path}", params=params, timeout=10)

    def post(self, path: str, files: Any = None, **data: Any) -> requests.Response:
        """Call by POST."""
        return self._session.post(f"{self._url}/{path}", data=data, files=files, timeout=10)

    def login(self) -> None:
        """Log in."""
        assert self.post("auth/login", **GOOD).text == "Ok."


@pytest.fixture
def wire(house) -> Wire:
    """A session that has not logged in."""
    return Wire(house)


def test_qbittorrent_api(house, tmp_path):
    """The library behind SickChill, qBitrr and many scripts goes through a whole life."""
    with qbittorrentapi.Client(host=house.url, **GOOD) as client:
        assert (client.app.version, client.app.web_api_version) == ("v4.6.7", "2.9.3")
        assert client.app.build_info.bitness == 64
        assert client.torrents_add(urls=MAGNET, category="films", tags="one", is_paused=False) == "Ok."
        path = tmp_path / "Another.Film.torrent"
        path.write_bytes(TORRENT)
        assert client.torrents_add(torrent_files=str(path), category="films", rename="Mine") == "Ok."
        names = {torrent.hash: torrent.name for torrent in client.torrents_info(category="films")}
        assert names == {HASH: "Some.Film.2020", TORRENT_HASH: "Mine"}
        torrent = client.torrents_info(torrent_hashes=HASH)[0]
        assert torrent.state_enum.is_downloading
        assert torrent.properties.save_path == str(house.output / "films")
        assert len(torrent.trackers) == 4
        assert torrent.files == []
        torrent.pause()
        torrent.resume()
        torrent.recheck()
        torrent.reannounce()
        torrent.increase_priority()
        torrent.set_share_limits(ratio_limit=1, seeding_time_limit=-2, inactive_seeding_time_limit=-2)
        torrent.add_tags("two")
        torrent.rename("Other")
        client.torrents_create_category("more")
        torrent.set_category("more")
        assert client.torrents_info(torrent_hashes=HASH)[0].category == "more"
        release = flow.finish(house, flow.the_job(house, HASH).id)
        torrent = client.torrents_info(torrent_hashes=HASH)[0]
        assert torrent.state_enum.is_complete
        assert (torrent.content_path, torrent.files[0].size) == (str(release), 1000)
        maindata = client.sync_maindata()
        assert set(maindata.torrents) == {HASH, TORRENT_HASH}
        assert client.transfer_info().connection_status == "connected"
        client.torrents_remove_categories("more")
        torrent.delete(delete_files=True)
        assert [one.hash for one in client.torrents_info()] == [TORRENT_HASH]
        client.auth_log_out()


def test_flexget(wire):
    """Both bodies must be ``Ok.``; the list by hash says whether it is there already."""
    assert wire.get("app/webapiVersion").status_code == 403
    wire.login()
    assert wire.get("torrents/info", hashes=HASH).json() == []
    fields = {"urls": MAGNET, "savepath": "/x", "label": "films", "category": "films", "paused": "false"}
    answer = wire.post("torrents/add", files={name: (None, text) for name, text in fields.items()})
    assert answer.text == "Ok."
    [about] = wire.get("torrents/info", hashes=HASH).json()
    assert about["category"] == "films"
    named = {"magnet_uri", "infohash_v1", "infohash_v2", "num_seeds", "num_leechs", "ratio", "download_path"}
    assert named <= set(about)
    assert wire.post("torrents/files", hash=HASH).json() == []


def test_an_older_name_for_a_category(house, wire):
    """``label`` alone."""
    wire.login()
    assert wire.post("torrents/add", urls=MAGNET, label="films").text == "Ok."
    assert flow.the_job(house, HASH).destination.category == "films"


def test_medusa(house, wire):
    """Resume after the add, a category that it knows, and the path it puts together itself."""
    wire.login()
    assert wire.get("app/webapiVersion").text == "2.9.3"
    assert wire.post("torrents/add", urls=MAGNET, savepath="/x", category="series").text == "Ok."
    assert wire.post("torrents/resume", hashes=HASH).status_code == 200
    assert wire.post("torrents/setCategory", hashes=HASH, category="series").status_code == 200
    assert wire.post("torrents/setCategory", hashes=HASH, category="unknown").status_code == 409
    assert wire.post("torrents/increasePrio", hashes=HASH).status_code in (200, 409)
    release = flow.finish(house, flow.the_job(house, HASH).id)
    [about] = wire.get("torrents/info").json()
    assert about["save_path"] + "/" + about["content_path"].rsplit("/", 1)[1] == str(release)
    assert wire.post("torrents/delete", hashes=HASH, deleteFiles="True").status_code == 200
    assert wire.get("torrents/info").json() == []


def test_resume_of_what_failed(house, wire):
    """It begins anew; Medusa has ``error`` for failed until then."""
    wire.login()
    wire.post("torrents/add", urls=MAGNET)
    job = flow.the_job(house, HASH)
    flow.fail(house, job.id)
    assert wire.get("torrents/info", filter="errored").json()[0]["state"] == "error"
    assert wire.post("torrents/recheck", hashes=HASH).status_code == 200
    assert wire.get("torrents/info", filter="errored").json() == []
    assert house.jobs[job.id].round == 1


def test_mylar_and_headphones(wire):
    """Preferences tell whether they are logged in; properties whether the torrent is there."""
    assert wire.get("app/preferences").status_code == 403
    wire.login()
    assert wire.get("torrents/properties", hash=HASH).status_code == 404
    wire.post("torrents/add", urls=MAGNET)
    about = wire.get("torrents/properties", hash=HASH).json()
    assert {"addition_date", "total_size", "save_path"} <= set(about)
    assert wire.post("torrents/setForceStart", hashes=HASH, value="true").status_code == 200


def test_headphones(house, wire):
    """Asks for one hash, reads its files and removes it when its share limit is reached."""
    assert wire.get("app/preferences").status_code == 403
    wire.login()
    assert wire.post("torrents/add", urls=MAGNET, category="music").text == "Ok."
    release = flow.finish(house, flow.the_job(house, HASH).id)
    [about] = wire.get("torrents/info", hashes=HASH).json()
    assert about["ratio"] >= about["ratio_limit"] >= 0
    [file] = wire.get("torrents/files", hash=HASH).json()
    assert file["name"].partition("/")[0] == release.name
    assert wire.post("torrents/delete", hashes=HASH, deleteFiles="true").status_code == 200
    assert wire.get("torrents/info", hashes=HASH).json() == []


def test_prowlarr(wire):
    """Only hands over, each release to a category of its own kind, which it makes first."""
    assert wire.get("app/webapiVersion").status_code == 403
    wire.login()
    for number, category in enumerate(("prowlarr", "Movies/HD", "Audio, Lossless"), 1):
        assert category not in wire.get("torrents/categories").json()
        assert wire.post("torrents/createCategory", category=category).status_code == 200
        assert wire.post("torrents/createCategory", category=category).status_code == 409
        magnet = f"magnet:?xt=urn:btih:{number:040x}"
        assert wire.post("torrents/add", urls=magnet, category=category, paused="False").text == "Ok."
        assert len(wire.get("torrents/info", category=category).json()) == 1


def test_sickchill(house, wire):
    """Goes by qbittorrent-api and adds only: what it sets besides is taken and has no effect."""
    assert requests.head(house.url, timeout=10).status_code == 200
    assert wire.post("app/version").status_code == 403
    wire.login()
    more = {"savepath": "/x", "download_path": "/y", "paused": "false", "stopped": "false", "tags": "a,b"}
    limits = {"ratioLimit": "1.5", "seedingTimeLimit": "60"}
    assert wire.post("torrents/add", urls=MAGNET, category="series", **more, **limits).text == "Ok."
    tracker = "http://tracker.example.org/announce"
    assert wire.post("torrents/addTrackers", hash=HASH, urls=tracker).status_code == 200
    assert wire.post("app/preferences").json()["queueing_enabled"]
    for path in ("increasePrio", "decreasePrio"):
        assert wire.post(f"torrents/{path}", hashes=HASH).status_code == 200
    [about] = wire.get("torrents/info").json()
    assert (about["save_path"], about["tags"]) == (str(house.output / "series"), "")


def test_tools_that_clear_away(wire):
    """decluttarr, Cleanuparr and qBitrr mark what they suspect, look at its page and trackers, delete it."""
    wire.login()
    assert wire.post("torrents/add", urls=MAGNET, category="films").text == "Ok."
    assert wire.post("torrents/createTags", tags="suspect").status_code == 200
    for path in ("addTags", "setTags", "removeTags"):
        assert wire.post(f"torrents/{path}", hashes=HASH, tags="suspect").status_code == 200
    assert wire.get("torrents/info", tag="suspect").json() == []
    assert wire.get("torrents/properties", hash=HASH).json()["share_ratio"] == 0
    assert len(wire.get("torrents/trackers", hash=HASH).json()) == 4
    assert wire.post("torrents/delete", hashes=HASH, deleteFiles="true").status_code == 200
    assert wire.get("torrents/info").json() == []


def test_lazylibrarian(house, wire):
    """Compares with lower case; finished is ``pausedUP``."""
    wire.login()
    wire.post("torrents/add", urls=MAGNET.replace(HASH, HASH.upper()), category="books")
    flow.finish(house, flow.the_job(house, HASH).id)
    [about] = wire.get("torrents/info", category="books").json()
    assert (about["hash"], about["state"], about["progress"]) == (HASH, "pausedUP", 1)


def test_autobrr(wire):
    """Wants text/plain, and one tracker that works, or it deletes the torrent."""
    wire.login()
    assert wire.get("torrents/info", filter="all").json() == []
    answer = wire.post("torrents/add", files={"torrents": ("x.torrent", TORRENT)}, category="race")
    assert answer.headers["content-type"].startswith("text/plain")
    assert isinstance(wire.get("transfer/info").json()["dl_info_speed"], int)
    trackers = wire.get("torrents/trackers", hash=TORRENT_HASH).json()
    assert [tracker["status"] for tracker in trackers].count(2) == 1


def test_cross_seed(house):
    """Everything by POST, and the whole Set-Cookie line for a cookie."""
    url = f"{house.url}/api/v2"
    cookie = requests.post(f"{url}/auth/login", data=GOOD, timeout=10).headers["set-cookie"]

    def post(path: str, **data: str) -> requests.Response:
        return requests.post(f"{url}/{path}", data=data, headers={"cookie": cookie}, timeout=10)

    assert post("app/version").text == "v4.6.7"
    assert post("app/preferences").json()["save_path"]
    assert post("torrents/createTags", tags="cross-seed").status_code == 200
    assert post("torrents/info", includeFiles="true", includeTrackers="true").json() == []
    assert post("torrents/add", urls=MAGNET).text == "Ok."
    for path in ("torrents/files", "torrents/trackers"):
        assert post(path, hash=HASH).status_code == 200
    assert post("torrents/categories").json()


def test_many_at_once(house, wire):
    """A page of links, some of them no links: the good ones are taken."""
    wire.login()
    links = [f"magnet:?xt=urn:btih:{number:040x}&dn=Film.{number}" for number in range(1, 31)]
    text = "\r\n".join([*links, "", "not a link", "https://files.example.org/a.bin?token=SECRET"])
    assert wire.post("torrents/add", urls=text, category="films").text == "Ok."
    listed = wire.get("torrents/info", category="films")
    assert len(listed.json()) == 31
    assert "SECRET" not in listed.text
    hashes = "|".join(about["hash"] for about in listed.json())
    assert wire.post("torrents/delete", hashes=hashes, deleteFiles="false").status_code == 200
    assert wire.get("torrents/info").json() == []


def test_too_many_at_once(house, wire):
    """Nothing is taken then, and the answer says so; empty lines do not count."""
    wire.login()
    links = [f"magnet:?xt=urn:btih:{number:040x}" for number in range(1, 2002)]
    answer = wire.post("torrents/add", urls="\n".join(links))
    assert (answer.status_code, answer.text[:6]) == (413, "Fails.")
    assert "2000 at the most" in answer.text
    assert wire.get("torrents/info").json() == []
    answer = wire.post("torrents/add", urls="\n" * 5000 + links[0])
    assert answer.text == "Ok."
    assert len(house.jobs) == 1


def test_the_same_again_joins(house, wire):
    """One job comes of it."""
    wire.login()
    for _ in range(3):
        assert wire.post("torrents/add", urls=MAGNET, category="films").text == "Ok."
    wait_until(lambda: len(house.jobs) == 1)
    assert len(flow.the_job(house, HASH).drops) == 3
