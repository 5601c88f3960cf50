"""The calls that programs make of Transmission, in their order and form, and the conditions they check.

Source: Sonarr, ``NzbDrone.Core/Download/Clients/Transmission``; and transmission-rpc, which is installed.
"""

from __future__ import annotations

import base64
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import transmission_rpc

from offcloud_watchd.core.model import JobState, Lane, Progress
from offcloud_watchd.errors import Blocked
from tests.contract.web import flow
from tests.fakes.house import House, wait_until
from tests.golden.record_qbittorrent import TORRENT, TORRENT_HASH, torrent
from tests.golden.record_transmission import READ_BY_ARR

PASSWORD = "open sesame"
HASH = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
MAGNET = f"magnet:?xt=urn:btih:{HASH}&dn=Some.Show.S01E01.1080p"
HEADER = "X-Transmission-Session-Id"


class Refusal(Exception):  # noqa: N818 - the state of the thing
    """The server said no."""


@dataclass
class Sonarr:
    """A client that behaves as Sonarr does, as far as the wire shows it. ``labels``: as from 4.0 on."""

    url: str
    category: str = "tv-sonarr"
    password: str = PASSWORD
    labels: bool = True
    session: str = ""

    def http(self, method: str, body: object = None) -> requests.Response:
        """Make one request."""
        headers = {"connection": "close", "user-agent": "Sonarr/4.0.17.2953 (debian 12)"}
        if self.session:
            headers[HEADER] = self.session
        return requests.request(
            method,
            f"{self.url}/transmission/rpc",
            json=body,
            headers=headers,
            auth=("sonarr", self.password),
            timeout=10,
            allow_redirects=False,
        )

    def authenticate(self) -> None:
        """Get a session: a GET that is to be answered by 409. Source: TransmissionProxy.cs."""
        self.session = ""
        answer = self.http("GET")
        if answer.status_code != 409:
            raise Refusal(f"Failed to authenticate with Transmission: {answer.status_code}")
        self.session = answer.headers[HEADER]

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Make one call, with a new session when the old one is over."""
        if not self.session:
            self.authenticate()
        given = {name.replace("_", "-"): value for name, value in arguments.items()}
        body = {"method": method, **({"arguments": given} if given else {})}
        answer = self.http("POST", body)
        if answer.status_code == 409:
            self.authenticate()
            answer = self.http("POST", body)
        document = answer.json()
        if document["result"] != "success":
            raise Refusal(document["result"])
        return document["arguments"]

    def test(self) -> None:
        """Do what the Test button does. Source: Transmission.cs, ValidateVersion."""
        version = tuple(map(int, re.search(r"(\d+)\.(\d+)", self.call("session-get")["version"]).groups()))
        assert version >= (2, 40)
        assert self.labels is False or version >= (4, 0)
        self.items()

    def root(self) -> str:
        """Return the output root that the health check looks for, and where what is added goes."""
        return f"{self.call('session-get')['download-dir'].rstrip('/')}/{self.category}"

    def add(self, **what: str) -> None:
        """Add; then limits are set and it is moved to the front."""
        place = {"labels": [self.category]} if self.labels else {}
        self.call("torrent-add", **what, paused=False, download_dir=self.root(), **place)
        self.call("torrent-set", ids=[HASH], seedRatioLimit=2.0, seedRatioMode=1)
        self.call("queue-move-top", ids=[HASH])

    def items(self) -> list[dict[str, Any]]:
        """Poll, and make of the torrents what Sonarr does. Source: TransmissionBase.cs, GetItems."""
        config = self.call("session-get")
        torrents = self.call("torrent-get", fields=list(READ_BY_ARR))["torrents"]
        return [self._item(one, config) for one in torrents if self._is_ours(one)]

    def _is_ours(self, one: dict[str, Any]) -> bool:
        if self.labels:
            return self.category.lower() in [label.lower() for label in one["labels"]]
        return set(self.category.split("/")) <= set(one["downloadDir"].split("/"))

    def _item(self, one: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
        ratio = one["uploadedEver"] / one["downloadedEver"] if one["downloadedEver"] > 0 else 0
        limit = one["seedRatioLimit"] if one["seedRatioMode"] == 1 else None
        if one["seedRatioMode"] == 0 and config["seedRatioLimited"]:
            limit = config["seedRatioLimit"]
        return {
            "id": one["hashString"].upper(),
            "title": one["name"],
            "path": f"{one['downloadDir']}/{one['name'].replace(':', '_')}",
            "size": one["totalSize"],
            "left": one["leftUntilDone"],
            "eta": one["eta"],
            "message": one["errorString"],
            "status": _status(one),
            "removable": one["status"] == 0 and limit is not None and ratio >= limit,
        }


def _status(one: dict[str, Any]) -> str:
    if one["errorString"]:
        return "Warning"
    if one["totalSize"] == 0:
        return "Queued"
    if one["leftUntilDone"] == 0 and one["status"] in (0, 5, 6):
        return "Completed"
    if one["isFinished"] and one["status"] not in (1, 2):
        return "Completed"
    return "Queued" if one["status"] == 3 else "Downloading"


@pytest.fixture
def house(open_house, password_file) -> House:
    """A house with a password and this RPC."""
    return open_house(password_file=password_file, transmission=True)


@pytest.fixture(params=[True, False], ids=["labels", "directories"])
def sonarr(house, request) -> Sonarr:
    """A client of it, of either kind."""
    return Sonarr(house.url, labels=request.param)


def test_it_is_off_unless_it_is_turned_on(open_house):
    """Nobody answers there."""
    assert requests.get(f"{open_house().url}/transmission/rpc", timeout=10).status_code == 404


def test_the_test_button(house, sonarr):
    """The version is new enough, and the category's directory is below the one that is told."""
    sonarr.test()
    assert sonarr.root() == str(house.output / "tv-sonarr")


def test_a_wrong_password(house):
    """No 409 and no session: the login has failed. Empty ones are no guesses."""
    for password in ("wrong", *[""] * 9):
        with pytest.raises(Refusal, match="401"):
            Sonarr(house.url, password=password).test()
    Sonarr(house.url).test()


def test_a_session_ends_with_the_process(house, sonarr):
    """The client gets another one and goes on."""
    sonarr.test()
    before = sonarr.session
    house.close()
    house.start()
    sonarr.url = house.url
    sonarr.test()
    assert sonarr.session != before


def test_a_magnet(house, sonarr):
    """It is there at once, in its category, and nothing of it is finished."""
    sonarr.add(filename=MAGNET)
    [item] = sonarr.items()
    assert (item["id"], item["status"], item["title"]) == (HASH.upper(), "Queued", "Some.Show.S01E01.1080p")
    job = flow.the_job(house, HASH)
    assert (job.destination.category, job.destination.directory) == ("tv-sonarr", sonarr.root())


def test_a_torrent_file(house, sonarr):
    """Its own name is that of the release; its bytes are safe."""
    sonarr.add(metainfo=base64.b64encode(TORRENT).decode())
    [item] = sonarr.items()
    assert (item["id"], item["title"], item["size"]) == (TORRENT_HASH.upper(), "Done.Movie.2020.mkv", 65536)
    job = flow.the_job(house, TORRENT_HASH)
    assert (house.root / "spool" / job.drops[0].sha256).read_bytes() == TORRENT


@pytest.mark.parametrize("category", ["tv/4k", "Größe, 4K", "TV Shows"])
def test_categories_are_free_text(house, category):
    """Also one in another, by label and by directory."""
    for labels in (True, False):
        client = Sonarr(house.url, category, labels=labels)
        client.add(filename=MAGNET)
        assert [item["id"] for item in client.items()] == [HASH.upper()]
    assert [job.destination.category for job in house.jobs.values()] == [category]


def test_what_was_taken_is_durable_before_it_is_said(house, sonarr):
    """Killed right after the answer, the daemon knows it at its next start."""
    sonarr.add(filename=MAGNET)
    house.close()
    house.start()
    assert [item["id"] for item in Sonarr(house.url).items()] == [HASH.upper()]


def test_while_the_engine_is_busy_nothing_is_lost(house, sonarr, monkeypatch):
    """An answer that cannot wait for the job to show is true all the same."""
    monkeypatch.setattr("offcloud_watchd.web.desk.OBEYED_WITHIN_S", 0.05)
    house.orders.read = lambda _limit: ([], False)  # type: ignore[method-assign] # the disk lane hangs
    sonarr.add(filename=MAGNET)
    del house.orders.read
    house.close()
    house.start()
    again = Sonarr(house.url)
    wait_until(lambda: [item["id"] for item in again.items()] == [HASH.upper()])


def test_a_disk_that_takes_nothing(house, sonarr, caplog):
    """What could not be made durable is not promised."""

    def full(_order: object) -> str:
        raise OSError(28, "No space left on device")

    sonarr.test()
    object.__setattr__(house.web._ports, "hand_over", full)
    assert (
        sonarr.http("POST", {"method": "torrent-add", "arguments": {"filename": MAGNET}}).status_code == 503
    )
    assert "No space left" in caplog.text


def test_the_walk_of_the_states(house, sonarr):
    """Queued, downloading over both parts of the way, completed when the release is there and not before."""
    sonarr.add(filename=MAGNET)
    job = flow.the_job(house, HASH)
    flow.submit(house, job.id)
    house.effect(job.id, flow.Poll)
    house.advance(job.id, Progress(500, 1000, bytes_per_s=100.0))
    wait_until(lambda: sonarr.items()[0]["left"] == 750)
    [item] = sonarr.items()
    assert (item["status"], item["eta"], item["removable"]) == ("Downloading", -2, False)
    flow.cloud_ready(house, job.id)
    house.effect(job.id, flow.Fetch)
    house.advance(job.id, Progress(500, 1000, bytes_per_s=100.0))
    wait_until(lambda: sonarr.items()[0]["left"] == 250)
    [item] = sonarr.items()
    assert (item["status"], item["eta"]) == ("Downloading", 5)
    house.advance(job.id, Progress(1000, 1000))
    wait_until(lambda: sonarr.items()[0]["left"] == 1)
    assert sonarr.items()[0]["status"] == "Downloading"
    release = flow.publish(house, job.id)
    [item] = sonarr.items()
    assert (item["status"], item["left"], item["removable"]) == ("Completed", 0, True)
    assert item["path"] == str(release)


def test_a_colon_in_the_name(house, sonarr):
    """Clients look for an underscore on the disk, and it lies there."""
    data, digits = torrent("Some: Show")
    sonarr.add(metainfo=base64.b64encode(data).decode())
    release = flow.finish(house, flow.the_job(house, digits).id)
    [item] = sonarr.items()
    assert (item["path"], release.name) == (str(release), "Some_ Show")


@pytest.mark.parametrize("with_data", [True, False])
def test_removal(house, sonarr, with_data):
    """The entry is gone at once; whether the files go is what the client says."""
    sonarr.add(filename=MAGNET)
    job = flow.the_job(house, HASH)
    flow.finish(house, job.id)
    sonarr.call("torrent-remove", ids=[HASH], delete_local_data=with_data)
    assert sonarr.items() == []
    assert (house.jobs[job.id].state, house.jobs[job.id].remove_files) == (JobState.REMOVED, with_data)
    sonarr.call("torrent-remove", ids=[HASH], delete_local_data=with_data)


def test_a_failure_is_a_warning_with_its_reason(house, sonarr):
    """Sonarr shows it; that it looks for another release takes ``arr``."""
    sonarr.add(filename=MAGNET)
    flow.fail(house, flow.the_job(house, HASH).id)
    [item] = sonarr.items()
    assert (item["status"], item["message"]) == ("Warning", "no seeds")
    sonarr.add(filename=MAGNET)
    wait_until(lambda: [item["status"] for item in sonarr.items()] == ["Queued"])


def test_a_refused_key_is_no_failure_of_a_torrent(house, sonarr):
    """What concerns all jobs shows as queued."""
    sonarr.add(metainfo=base64.b64encode(TORRENT).decode())
    house.trouble[Lane.API] = Blocked("api", "the key is refused", key_refused=True)
    job = flow.the_job(house, TORRENT_HASH)
    house.outcome(house.effect(job.id, flow.Submit), error=house.trouble[Lane.API])
    for _ in range(3):
        assert [item["status"] for item in sonarr.items()] == ["Queued"]


def test_the_category_of_what_was_imported(house):
    """A finished torrent is moved to it; its release stays where it is."""
    sonarr = Sonarr(house.url)
    sonarr.add(filename=MAGNET)
    release = flow.finish(house, flow.the_job(house, HASH).id)
    sonarr.call("torrent-set", ids=[HASH], labels=["tv-imported"])
    assert sonarr.items() == []
    [item] = Sonarr(house.url, "tv-imported").items()
    assert item["path"] == str(release)


# --- several clients ---


def test_two_programs_hold_the_same_hash_at_their_own_addresses(house):
    """Each sees, changes and deletes its own job alone."""
    one = Sonarr(f"{house.url}/c/tv-hd", "tv-hd")
    other = Sonarr(f"{house.url}/c/{urllib.parse.quote('tv/4k')}", "tv/4k", labels=False)
    for client in (one, other):
        client.test()
        client.add(filename=MAGNET)
        assert len(client.call("torrent-get", fields=["id"])["torrents"]) == 1
    one.call("torrent-remove", ids=[HASH], delete_local_data=True)
    assert one.items() == []
    assert len(other.items()) == 1
    with pytest.raises(Refusal, match="serves the category tv-hd alone"):
        one.call("torrent-add", filename=MAGNET, labels=["tv/4k"])


def test_at_a_shared_address_each_session_means_what_it_uses(house):
    """Two programs do not delete each other's job; a third one deletes none."""
    one, other, third = (Sonarr(house.url, name) for name in ("tv", "film", "music"))
    for client in (one, other):
        client.add(filename=MAGNET)
    with pytest.raises(Refusal, match="/c/CATEGORY"):
        third.call("torrent-remove", ids=[HASH])
    one.call("torrent-remove", ids=[HASH])
    assert one.items() == []
    assert len(other.items()) == 1


def test_transmission_rpc(house):
    """The library behind many scripts goes through a whole life."""
    host, port = house.url.removeprefix("http://").rsplit(":", 1)
    client = transmission_rpc.Client(host=host, port=int(port), username="any", password=PASSWORD)
    session = client.get_session()
    assert (session.version[:3], session.rpc_version, session.download_dir) == ("4.0", 17, str(house.output))
    added = client.add_torrent(MAGNET, labels=["films"])
    assert (added.hash_string, added.id) == (HASH, 1)
    assert client.add_torrent(MAGNET, labels=["films"]).id == 1
    assert client.add_torrent(TORRENT, download_dir=str(house.output / "films")).name == "Done.Movie.2020.mkv"
    names = {one.hash_string: (one.name, one.labels, one.download_dir) for one in client.get_torrents()}
    films = str(house.output / "films")
    assert names == {
        HASH: ("Some.Show.S01E01.1080p", ["films"], films),
        TORRENT_HASH: ("Done.Movie.2020.mkv", ["films"], films),
    }
    one = client.get_torrent(HASH)
    assert (one.status.download_pending, one.get_files(), one.is_finished) == (True, [], False)
    for call in (client.stop_torrent, client.start_torrent, client.verify_torrent, client.reannounce_torrent):
        call(HASH)
    client.queue_top(HASH)
    client.change_torrent(HASH, labels=["more"], seed_ratio_limit=1.0)
    assert client.get_torrent(1).labels == ["more"]
    release = flow.finish(house, flow.the_job(house, HASH).id)
    one = client.get_torrent(HASH)
    assert (one.status.stopped, one.progress, one.error_string) == (True, 100.0, "")
    [file] = one.get_files()
    assert (file.name, file.size, file.selected) == (f"{release.name}/Film.mkv", 1000, True)
    active, removed = client.get_recently_active_torrents()
    assert ([each.hash_string for each in active], removed) == ([HASH, TORRENT_HASH], [])
    assert client.session_stats().torrent_count == 2
    client.remove_torrent(HASH, delete_data=True)
    assert [each.hash_string for each in client.get_torrents()] == [TORRENT_HASH]
