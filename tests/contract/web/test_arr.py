"""The calls of Sonarr, Radarr and Lidarr, in their order and form, and the conditions they check.

Source: Sonarr, ``NzbDrone.Core/Download/Clients/QBittorrent``. Basic is sent with every request, the
connection is closed after each, a 403 leads to one login and one more try.
"""

from __future__ import annotations

import base64
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from offcloud_watchd.core.model import JobState, Lane, Progress
from offcloud_watchd.core.orders import AddLink
from offcloud_watchd.errors import Blocked
from tests.contract.web import flow
from tests.fakes.house import House, wait_until
from tests.golden.record_qbittorrent import TORRENT, TORRENT_HASH

HASH = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
MAGNET = f"magnet:?xt=urn:btih:{HASH}&dn=Some.Show.S01E01.1080p"
NAME = "Söme.Show.S01E02.1080p-GRP"


@dataclass
class Sonarr:
    """A client that behaves as Sonarr does, as far as the wire shows it."""

    url: str
    category: str = "tv-Sonarr"
    password: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """Make one call, with one login when it is refused."""
        answer = self.once(method, path, **more)
        if answer.status_code == 403 and self.password and path != "auth/login":
            self.login()
            answer = self.once(method, path, **more)
        return answer

    def once(self, method: str, path: str, **more: Any) -> requests.Response:
        """Make one call."""
        headers = {
            "authorization": "Basic " + base64.b64encode(f":{self.password}".encode()).decode(),
            "connection": "close",
            "user-agent": "Sonarr/4.0.17.2953 (debian 12)",
        }
        return requests.request(
            method, f"{self.url}/api/v2/{path}", headers=headers, cookies=self.cookies, timeout=10, **more
        )

    def login(self) -> None:
        """Log in."""
        answer = self.once("POST", "auth/login", data={"username": "", "password": self.password})
        assert (answer.status_code, answer.text) == (200, "Ok.")
        self.cookies = dict(answer.cookies)

    def test(self) -> None:
        """Do what the Test button does, with its conditions."""
        assert self.once("GET", "app/webapiVersion").status_code in (200, 403)
        assert tuple(map(int, self.call("GET", "app/webapiVersion").text.split("."))) >= (1, 6)
        preferences = self.call("GET", "app/preferences").json()
        assert preferences["max_ratio_act"] not in (1, 3) or not preferences["max_ratio_enabled"]
        assert preferences["queueing_enabled"]
        if self.category not in self.call("GET", "torrents/categories").json():
            made = self.call("POST", "torrents/createCategory", data={"category": self.category})
            assert made.status_code == 200
            assert self.category in self.call("GET", "torrents/categories").json()
        assert self.items() is not None

    def add_magnet(self, magnet: str) -> requests.Response:
        """Add a magnet; beyond 1024 bytes it is a multipart field."""
        assert self.call("GET", "app/preferences").json()["dht"] or "&tr=" in magnet
        fields = {"urls": magnet, "category": self.category, "paused": "False"}
        if len(magnet) > 1024:
            return self.call(
                "POST", "torrents/add", files={key: (None, text) for key, text in fields.items()}
            )
        return self.call("POST", "torrents/add", data=fields)

    def add_file(self, name: str, data: bytes) -> requests.Response:
        """Add a .torrent, its name raw in the header as .NET writes it."""
        boundary = b"----boundary"
        parts = [
            b'Content-Disposition: form-data; name="category"\r\n\r\n' + self.category.encode(),
            b'Content-Disposition: form-data; name="paused"\r\n\r\nFalse',
            b'Content-Disposition: form-data; name="torrents"; filename="' + name.encode() + b'"\r\n'
            b"Content-Type: application/x-bittorrent\r\n\r\n" + data,
        ]
        body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
        headers = {"content-type": f"multipart/form-data; boundary={boundary.decode()}"}
        return requests.post(
            f"{self.url}/api/v2/torrents/add",
            data=body + b"--" + boundary + b"--\r\n",
            headers=headers,
            cookies=self.cookies,
            timeout=10,
        )

    def items(self) -> list[dict[str, Any]]:
        """Poll."""
        self.call("GET", "app/webapiVersion")
        self.call("GET", "app/preferences")
        answer = self.call("GET", "torrents/info", params={"category": self.category})
        assert answer.status_code == 200
        return answer.json()

    def remove(self, digits: str, *, with_data: bool) -> requests.Response:
        """Remove; without data the field is left out."""
        data = {"hashes": digits.lower(), **({"deleteFiles": "true"} if with_data else {})}
        return self.call("POST", "torrents/delete", data=data)


def status(item: dict[str, Any]) -> str:
    """Return what Sonarr makes of a state. Source: QBittorrent.cs, GetItems."""
    match item["state"]:
        case "error" | "missingFiles" | "stalledDL":
            return "Warning"
        case "pausedDL" | "stoppedDL":
            return "Paused"
        case "queuedDL" | "checkingDL" | "checkingUP" | "checkingResumeData" | "metaDL":
            return "Queued"
        case "uploading" | "stalledUP" | "queuedUP" | "forcedUP" | "pausedUP" | "stoppedUP":
            return "Completed"
        case _:
            return "Downloading"


def may_be_removed(item: dict[str, Any]) -> bool:
    """Tell whether Sonarr may move the files and remove the entry."""
    return item["state"] in ("pausedUP", "stoppedUP") and 0 <= item["ratio_limit"] <= item["ratio"] + 0.001


@pytest.fixture
def house(open_house, password_file) -> House:
    """A house with a password."""
    return open_house(password_file=password_file)


@pytest.fixture
def sonarr(house) -> Sonarr:
    """A client of it."""
    return Sonarr(house.url, password="open sesame")


@pytest.mark.parametrize("category", ["tv-Sonarr", "TV Shows", "tv/4k", "Größe, 4K", "tv"])
def test_the_test_button(house, sonarr, category):
    """A category never seen is made and found again, letter by letter, also after a restart."""
    sonarr.category = category
    sonarr.test()
    house.close()
    house.start()
    again = Sonarr(house.url, category, "open sesame")
    assert category in again.call("GET", "torrents/categories").json()
    again.test()


def test_a_wrong_password(house):
    """The probe finds qBittorrent, the login fails as it would there."""
    wrong = Sonarr(house.url, password="wrong")
    assert wrong.once("GET", "app/webapiVersion").status_code == 403
    answer = wrong.once("POST", "auth/login", data={"username": "", "password": "wrong"})
    assert (answer.status_code, answer.text) == (200, "Fails.")


@pytest.mark.parametrize(
    "magnet",
    [
        MAGNET,
        f"magnet:?xt=urn:btih:{HASH.upper()}&dn=Some.Show.S01E01.1080p",
        "magnet:?xt=urn:btih:" + base64.b32encode(bytes.fromhex(HASH)).decode() + "&dn=x",
        MAGNET + "".join(f"&tr=http%3A%2F%2Ftracker{number}.example%2Fannounce" for number in range(40)),
        f"magnet:?xt=urn:btih:{HASH}&xt=urn:btmh:1220{'ab' * 32}&dn=hybrid",
    ],
    ids=["hex", "upper case", "base32", "long", "hybrid"],
)
def test_a_magnet(house, sonarr, magnet):
    """Every spelling is the torrent whose hash the client computes; it is there at once."""
    answer = sonarr.add_magnet(magnet)
    assert (answer.status_code, answer.text, answer.headers["content-type"][:10]) == (
        200,
        "Ok.",
        "text/plain",
    )
    assert sonarr.call("GET", "torrents/properties", params={"hash": HASH}).status_code == 200
    [item] = sonarr.items()
    assert (item["hash"], item["category"], item["progress"]) == (HASH, "tv-Sonarr", 0)


def test_a_torrent_file(house, sonarr):
    """The name of the file is the name of the release, whatever letters it has."""
    sonarr.login()
    assert sonarr.add_file(f"{NAME}.torrent", TORRENT).text == "Ok."
    [item] = sonarr.items()
    assert (item["hash"], item["name"], item["size"]) == (TORRENT_HASH, NAME, 65536)
    job = flow.the_job(house, TORRENT_HASH)
    assert (house.root / "spool" / job.drops[0].sha256).read_bytes() == TORRENT


def test_what_was_taken_is_durable_before_it_is_said(house, sonarr):
    """Killed right after ``Ok.``, the daemon knows it at its next start."""
    assert sonarr.add_magnet(MAGNET).text == "Ok."
    house.close()
    house.start()
    assert [item["hash"] for item in Sonarr(house.url, password="open sesame").items()] == [HASH]


def test_while_the_engine_is_busy_nothing_is_lost(house, sonarr, monkeypatch):
    """An answer that cannot wait for the job to show is true all the same: the order is on the disk."""
    monkeypatch.setattr("offcloud_watchd.web.desk.OBEYED_WITHIN_S", 0.05)
    sonarr.test()
    house.orders.read = lambda _limit: ([], False)  # type: ignore[method-assign] # the disk lane hangs
    assert sonarr.add_magnet(MAGNET).text == "Ok."
    del house.orders.read
    house.close()
    house.start()
    again = Sonarr(house.url, password="open sesame")
    wait_until(lambda: [item["hash"] for item in again.items()] == [HASH])


def test_a_disk_that_takes_nothing(house, sonarr, caplog):
    """What could not be made durable is not promised."""

    def full(_order: object) -> str:
        raise OSError(28, "No space left on device")

    sonarr.test()
    object.__setattr__(house.web._ports, "hand_over", full)
    assert sonarr.add_magnet(MAGNET).status_code == 503
    assert "No space left" in caplog.text


def test_calls_after_an_add(house, sonarr):
    """Share limits, priority, force start and tags are taken and change nothing."""
    sonarr.add_magnet(MAGNET)
    limits = {"ratioLimit": "2", "seedingTimeLimit": "60", "inactiveSeedingTimeLimit": "-2"}
    for path, data in (
        ("setShareLimits", limits),
        ("topPrio", {}),
        ("setForceStart", {"value": "true"}),
        ("addTags", {"tags": "one"}),
    ):
        assert sonarr.call("POST", f"torrents/{path}", data={"hashes": HASH, **data}).status_code == 200
    [item] = sonarr.items()
    assert item["state"] == "queuedDL"


def test_the_walk_of_the_states(house, sonarr):
    """Queued, downloading over both parts of the way, complete when the release is there and not before."""
    sonarr.add_magnet(MAGNET)
    job = flow.the_job(house, HASH)
    seen = [sonarr.items()[0]]
    flow.submit(house, job.id)
    house.effect(job.id, flow.Poll)
    house.advance(job.id, Progress(500, 1000, bytes_per_s=100.0))
    wait_until(lambda: sonarr.items()[0]["progress"] == 0.25)
    seen.append(sonarr.items()[0])
    flow.cloud_ready(house, job.id)
    house.effect(job.id, flow.Fetch)
    house.advance(job.id, Progress(500, 1000, bytes_per_s=100.0))
    wait_until(lambda: sonarr.items()[0]["progress"] == 0.75)
    seen.append(sonarr.items()[0])
    house.advance(job.id, Progress(1000, 1000))
    wait_until(lambda: sonarr.items()[0]["progress"] > 0.99)
    seen.append(sonarr.items()[0])
    assert [status(item) for item in seen] == ["Queued", "Downloading", "Downloading", "Downloading"]
    assert [(item["size"], item["amount_left"], item["eta"]) for item in seen[1:3]] == [
        (1000, 750, 8640000),
        (1000, 250, 5),
    ]
    assert all(item["progress"] < 1 and item["content_path"] == "" for item in seen)
    release = flow.publish(house, job.id)
    [item] = sonarr.items()
    assert (status(item), item["progress"], item["amount_left"]) == ("Completed", 1, 0)
    assert item["content_path"] == str(release)
    assert item["save_path"] == str(release.parent)
    assert may_be_removed(item)
    assert sonarr.call("GET", "torrents/files", params={"hash": HASH}).json()[0]["name"] == (
        f"{release.name}/Film.mkv"
    )


@pytest.mark.parametrize("with_data", [True, False])
def test_removal(house, sonarr, with_data):
    """The entry is gone at once; whether the files go is what the client says."""
    sonarr.add_magnet(MAGNET)
    job = flow.the_job(house, HASH)
    flow.finish(house, job.id)
    assert sonarr.items()
    assert sonarr.remove(HASH.upper(), with_data=with_data).status_code == 200
    assert sonarr.items() == []
    assert sonarr.call("GET", "torrents/properties", params={"hash": HASH}).status_code == 404
    assert (house.jobs[job.id].state, house.jobs[job.id].remove_files) == (JobState.REMOVED, with_data)
    assert sonarr.remove(HASH, with_data=with_data).status_code == 200


def test_what_was_removed_can_be_grabbed_again(house, sonarr):
    """A new job, from the beginning."""
    sonarr.add_magnet(MAGNET)
    sonarr.remove(HASH, with_data=True)
    assert sonarr.add_magnet(MAGNET).text == "Ok."
    [item] = sonarr.items()
    assert item["progress"] == 0


def test_what_failed_can_be_grabbed_again(house, sonarr):
    """It begins anew."""
    sonarr.add_magnet(MAGNET)
    flow.fail(house, flow.the_job(house, HASH).id)
    [item] = sonarr.items()
    assert (status(item), item["state"]) == ("Warning", "error")
    trackers = sonarr.call("GET", "torrents/trackers", params={"hash": HASH}).json()
    assert (trackers[-1]["status"], trackers[-1]["msg"]) == (4, "no seeds")
    assert sonarr.add_magnet(MAGNET).text == "Ok."
    wait_until(lambda: sonarr.items()[0]["state"] == "queuedDL")


def test_a_refused_key_is_no_failure_of_a_torrent(house, sonarr):
    """What concerns all jobs shows as queued, so that nobody clears a torrent away for it."""
    sonarr.add_magnet(MAGNET)
    job = flow.the_job(house, HASH)
    house.trouble[Lane.API] = Blocked("api", "the key is refused", key_refused=True)
    house.outcome(house.effect(job.id, flow.Submit), error=house.trouble[Lane.API])
    for _ in range(3):
        assert [status(item) for item in sonarr.items()] == ["Queued"]


def test_the_category_of_what_was_imported(house, sonarr):
    """A finished torrent is moved to it; its release stays where it is."""
    sonarr.test()
    sonarr.call("POST", "torrents/createCategory", data={"category": "tv-imported"})
    sonarr.add_magnet(MAGNET)
    job = flow.the_job(house, HASH)
    release = flow.finish(house, job.id)
    data = {"hashes": HASH, "category": "tv-imported"}
    assert sonarr.call("POST", "torrents/setCategory", data=data).status_code == 200
    assert sonarr.items() == []
    [item] = Sonarr(house.url, "tv-imported", "open sesame").items()
    assert item["content_path"] == str(release)


def test_another_category_before_anything_is_gathered(house, sonarr):
    """The release goes to the place of the new one."""
    sonarr.add_magnet(MAGNET)
    sonarr.call("POST", "torrents/createCategory", data={"category": "other"})
    sonarr.call("POST", "torrents/setCategory", data={"hashes": HASH, "category": "other"})
    release = flow.finish(house, flow.the_job(house, HASH).id)
    assert release.parent == house.output / "other"


def test_status_and_health(house, sonarr):
    """The output root and the category's own directory are told, absolute."""
    sonarr.test()
    assert sonarr.call("GET", "app/preferences").json()["save_path"] == str(house.output)
    place = sonarr.call("GET", "torrents/categories").json()["tv-Sonarr"]
    assert place == {"name": "tv-Sonarr", "savePath": str(house.output / "tv-Sonarr")}


# --- several clients ---


def test_two_programs_hold_the_same_hash_at_their_own_addresses(house):
    """Each sees, changes and deletes its own job alone."""
    one = Sonarr(f"{house.url}/c/tv-hd", "tv-hd", "open sesame")
    other = Sonarr(f"{house.url}/c/{urllib.parse.quote('tv/4k')}", "tv/4k", "open sesame")
    for client in (one, other):
        client.test()
        assert client.add_magnet(MAGNET).text == "Ok."
    assert [item["category"] for item in one.items()] == ["tv-hd"]
    assert [item["category"] for item in other.call("GET", "torrents/info").json()] == ["tv/4k"]
    one.remove(HASH, with_data=True)
    assert one.items() == []
    assert [item["category"] for item in other.items()] == ["tv/4k"]
    assert one.call("GET", "torrents/properties", params={"hash": HASH}).status_code == 404
    one.call("POST", "torrents/delete", data={"hashes": "all", "deleteFiles": "true"})
    assert other.items()


def test_an_address_takes_its_own_category_alone(house):
    """What another category would never see again is refused with a reason."""
    client = Sonarr(f"{house.url}/c/tv-hd", "tv-4k", "open sesame")
    answer = client.add_magnet(MAGNET)
    assert (answer.status_code, "tv-hd" in answer.text) == (409, True)
    client.category = ""
    assert client.add_magnet(MAGNET).text == "Ok."
    assert flow.the_job(house, HASH).destination.category == "tv-hd"


def test_at_a_shared_address_each_session_means_what_it_uses(house):
    """Two programs with sessions of their own do not delete each other's job."""
    one, other = (Sonarr(house.url, name, "open sesame") for name in ("tv", "film"))
    for client in (one, other):
        client.test()
        assert client.add_magnet(MAGNET).text == "Ok."
    one.remove(HASH, with_data=True)
    assert one.items() == []
    assert [item["category"] for item in other.items()] == ["film"]


def test_what_could_be_anothers_is_not_deleted(house):
    """A session that used both, or neither, is told what to do, and nothing happens."""
    for name in ("tv", "film"):
        Sonarr(house.url, name, "open sesame").add_magnet(MAGNET)
    stranger = Sonarr(house.url, "music", "open sesame")
    answer = stranger.remove(HASH, with_data=True)
    assert (answer.status_code, "/c/CATEGORY" in answer.text) == (409, True)
    assert len(house.jobs) == 2
    assert {job.state for job in house.jobs.values()} == {JobState.QUEUED}


def test_what_others_brought_is_seen_too(house, sonarr):
    """One list of all there is: what the folders and the command line brought is in it."""
    house.hand_over(AddLink(MAGNET))
    wait_until(lambda: len(sonarr.call("GET", "torrents/info").json()) == 1)
    assert sonarr.items() == []
