"""The calls that programs make of SABnzbd, in their order and form, and the conditions they check.

Source: Sonarr, ``NzbDrone.Core/Download/Clients/Sabnzbd``; Medusa, ``medusa/sab.py``; autobrr. The key comes
with each call, changing goes by GET, and a text that is no JSON is an error.
"""

from __future__ import annotations

import posixpath
import re
import urllib.parse
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import requests

from offcloud_watchd.core.model import JobState, Lane, LinkKind, Progress
from offcloud_watchd.errors import Blocked
from offcloud_watchd.web.sabnzbd.api import MAX_STRANGE_BYTES
from tests.contract.web import flow
from tests.fakes.house import House, wait_until

KEY = "open sesame"
TITLE = "Söme.Show.S01E02.1080p-GRP"


def nzb(article: str = "one@example") -> bytes:
    """Return an NZB of one article."""
    text = f'<file><segments><segment bytes="9">{article}</segment></segments></file>'
    return f'<?xml version="1.0"?><nzb xmlns="http://www.newzbin.com/DTD/2003/nzb">{text}</nzb>'.encode()


@dataclass
class Sonarr:
    """A client that behaves as Sonarr does, as far as the wire shows it."""

    url: str
    category: str = "tv"
    key: str = KEY

    def once(self, mode: str, files: Any = None, **params: object) -> requests.Response:
        """Make one call."""
        given = {"mode": mode, **params, "apikey": self.key, "output": "json"}
        headers = {"connection": "close", "user-agent": "Sonarr/4.0.17.2953 (debian 12)", "accept": "*/*"}
        method = "GET" if files is None else "POST"
        return requests.request(
            method, f"{self.url}/sabnzbd/api", params=given, files=files, headers=headers, timeout=10
        )

    def call(self, mode: str, files: Any = None, **params: object) -> dict[str, Any]:
        """Make one call that must not fail. Source: SabnzbdProxy.cs, CheckForError."""
        answer = self.once(mode, files, **params)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert str(document.get("status")).lower() != "false", document
        return document

    def test(self) -> None:
        """Do what the Test button does, with its conditions. Source: Sabnzbd.cs, Test."""
        major, minor = map(
            int, re.match(r"(\d+)\.(\d+)\.(\d+|x)", self.call("version")["version"]).groups()[:2]
        )
        assert (major, minor) >= (0, 7)
        config = self.call("get_config")["config"]
        misc = config["misc"]
        assert not misc["pre_check"]
        assert posixpath.isabs(misc["complete_dir"])
        assert not any(misc[f"enable_{what}_sorting"] for what in ("tv", "movie", "date"))
        assert not any(sorter["is_active"] for sorter in config["sorters"])
        assert (misc["history_retention"], misc["history_retention_option"]) == ("0", "all")
        [category] = [one for one in config["categories"] if one["name"] == self.category]
        assert not category["dir"].endswith("*")
        assert isinstance(category["priority"], int)
        self.items()

    def root(self) -> str:
        """Return the output root that the health check looks for. Source: Sabnzbd.cs, GetStatus."""
        config = self.call("get_config")["config"]
        [category] = [one for one in config["categories"] if one["name"] == self.category]
        return posixpath.join(config["misc"]["complete_dir"], category["dir"])

    def add(self, title: str = TITLE, data: bytes | None = None) -> str:
        """Hand an NZB in; return the id it is followed by."""
        file = (f"{title}.nzb", nzb() if data is None else data, "application/x-nzb")
        document = self.call("addfile", files={"name": file}, cat=self.category, priority=0)
        assert document["status"] is True
        [nzo_id] = document["nzo_ids"]
        return nzo_id

    def items(self) -> list[dict[str, Any]]:
        """Poll, and make of the slots what Sonarr does. Source: Sabnzbd.cs, GetItems."""
        queue = self.call("queue", start=0, limit=0, category=self.category)["queue"]
        history = self.call("history", start=0, limit=60, category=self.category)["history"]
        items = [self._queued(slot, paused=queue["paused"]) for slot in queue["slots"]]
        items += [self._ended(slot) for slot in history["slots"]]
        return [item for item in items if item["category"] == self.category]

    def _queued(self, slot: dict[str, Any], *, paused: bool) -> dict[str, Any]:
        assert re.fullmatch(r"\d+:\d\d:\d\d|\d+:\d\d:\d\d:\d\d", slot["timeleft"])
        assert isinstance(int(slot["percentage"]), int)
        assert slot["priority"] in ("Default", "Paused", "Low", "Normal", "High", "Force")
        words = {"Queued": "Queued", "Grabbing": "Queued", "Propagating": "Queued", "Paused": "Paused"}
        return {
            "id": slot["nzo_id"],
            "category": slot["cat"],
            "title": slot["filename"],
            "size": int(Decimal(slot["mb"]) * 1024 * 1024),
            "left": int(Decimal(slot["mbleft"]) * 1024 * 1024),
            "timeleft": slot["timeleft"],
            "status": "Paused" if paused else words.get(slot["status"], "Downloading"),
        }

    def _ended(self, slot: dict[str, Any]) -> dict[str, Any]:
        assert isinstance(slot["bytes"], int)
        assert isinstance(slot["download_time"], int)
        path, parent = slot["storage"], posixpath.dirname(slot["storage"])
        while parent not in ("", "/"):
            path = parent if posixpath.basename(parent) == slot["name"] else path
            parent = posixpath.dirname(parent)
        return {
            "id": slot["nzo_id"],
            "category": slot["category"],
            "title": slot["name"],
            "size": slot["bytes"],
            "message": slot["fail_message"],
            "path": path,
            "status": slot["status"] if slot["status"] in ("Completed", "Failed") else "Downloading",
        }

    def remove(self, nzo_id: str, *, with_data: bool = True) -> None:
        """Remove an item from where it is. Source: Sabnzbd.cs, RemoveItem."""
        queued = {slot["nzo_id"] for slot in self.call("queue", start=0, limit=0)["queue"]["slots"]}
        mode = "queue" if nzo_id in queued else "history"
        self.call(mode, name="delete", del_files=int(with_data), value=nzo_id, archive=1)


@pytest.fixture
def house(open_house, password_file) -> House:
    """A house with a password and this API."""
    return open_house(password_file=password_file, sabnzbd=True)


@pytest.fixture
def sonarr(house) -> Sonarr:
    """A client of it."""
    return Sonarr(house.url)


def the_job(house: House, nzo_id: str) -> Any:
    """Return the job that a client knows by an id."""
    return house.jobs[nzo_id.removeprefix("SABnzbd_nzo_")]


def test_it_is_off_unless_it_is_turned_on(open_house):
    """Nobody answers there."""
    assert requests.get(f"{open_house().url}/sabnzbd/api?mode=version", timeout=10).status_code == 404


def test_the_test_button(house, sonarr):
    """It finds a category of the configuration, and the directory where it goes."""
    sonarr.test()
    assert sonarr.root() == str(house.output / "tv")


@pytest.mark.parametrize("category", ["tv/4k", "TV Shows", "Größe, 4K"])
def test_the_test_button_at_an_address_of_one_category(house, category):
    """There the category is known, though nobody has named it yet."""
    client = Sonarr(f"{house.url}/c/{urllib.parse.quote(category)}", category)
    client.test()
    assert client.root() == str(house.output / category)


def test_a_wrong_key(house):
    """The texts by which Sonarr tells a wrong key from a missing one."""
    assert Sonarr(house.url, key="wrong").call("version")["version"]
    for key, text in (("wrong", "API Key Incorrect"), ("", "API Key Required")):
        answer = Sonarr(house.url, key=key).once("get_config")
        assert (answer.status_code, answer.text) == (403, text)


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_large_form_is_not_read_for_a_key(house, sonarr, is_chunked):
    """Strangers would fill the disk with files that nobody has asked for; with a key it is taken."""
    large = nzb() + b"\n" * MAX_STRANGE_BYTES
    given = {"mode": "addfile", "apikey": KEY}
    url, files = f"{house.url}/sabnzbd/api", {"name": ("a.nzb", large)}
    form = requests.Request("POST", url, files=files, data=given).prepare()
    headers = {"content-type": form.headers["content-type"]}
    body = iter([form.body]) if is_chunked else form.body
    answer = requests.post(url, data=body, headers=headers, timeout=10)
    assert (answer.status_code, answer.text) == (403, "API Key Required")
    assert sonarr.add(data=large)


def test_a_name_and_a_password(house):
    """What those send who fill in no key."""
    params = {"mode": "queue", "ma_username": "any", "ma_password": KEY, "output": "json"}
    assert requests.get(f"{house.url}/sabnzbd/api", params=params, timeout=10).json()["queue"]["slots"] == []


def test_an_nzb(house, sonarr):
    """It is there at once, under its title, and its bytes are safe."""
    nzo_id = sonarr.add()
    [item] = sonarr.items()
    assert (item["id"], item["title"], item["status"]) == (nzo_id, TITLE, "Queued")
    job = the_job(house, nzo_id)
    assert (job.link.kind, job.release, job.destination.category) == (LinkKind.NZB, TITLE, "tv")
    assert (house.root / "spool" / job.drops[0].sha256).read_bytes() == nzb()


def test_what_was_taken_is_durable_before_it_is_said(house, sonarr):
    """Killed right after the answer, the daemon knows it at its next start."""
    nzo_id = sonarr.add()
    house.close()
    house.start()
    assert [item["id"] for item in Sonarr(house.url).items()] == [nzo_id]


def test_the_id_holds_while_the_engine_is_busy(house, sonarr, monkeypatch):
    """It is told before the job shows, and it is the job's."""
    monkeypatch.setattr("offcloud_watchd.web.desk.OBEYED_WITHIN_S", 0.05)
    sonarr.test()
    house.orders.read = lambda _limit: ([], False)  # type: ignore[method-assign] # the disk lane hangs
    nzo_id = sonarr.add()
    assert sonarr.items() == []
    del house.orders.read
    house.close()
    house.start()
    again = Sonarr(house.url)
    wait_until(lambda: [item["id"] for item in again.items()] == [nzo_id])


def test_the_same_nzb_again(house, sonarr):
    """It joins what is there, also while the engine is busy."""
    nzo_id = sonarr.add()
    assert sonarr.add() == nzo_id
    assert len(house.jobs) == 1
    other = Sonarr(house.url, "film").add()
    assert other != nzo_id
    assert len(house.jobs) == 2


def test_the_same_nzb_again_while_the_engine_is_busy(house, sonarr, monkeypatch):
    """The id is that of the job it will join."""
    nzo_id = sonarr.add()
    monkeypatch.setattr("offcloud_watchd.web.desk.OBEYED_WITHIN_S", 0.05)
    house.orders.read = lambda _limit: ([], False)  # type: ignore[method-assign] # the disk lane hangs
    assert sonarr.add() == nzo_id


@pytest.mark.parametrize("data", [b"", b"junk", b"<nzb></nzb>", b"<html>log in</html>", b"d4:infoe"])
def test_junk_is_not_taken(house, sonarr, data):
    """Sonarr reads an error and takes the next release."""
    answer = sonarr.once("addfile", files={"name": ("x.nzb", data)}, cat="tv")
    assert answer.json() == {"status": False, "nzo_ids": []}
    assert not house.jobs


def test_a_disk_that_takes_nothing(house, sonarr, caplog):
    """What could not be made durable is not promised."""

    def full(_order: object) -> str:
        raise OSError(28, "No space left on device")

    object.__setattr__(house.web._ports, "hand_over", full)
    assert sonarr.once("addfile", files={"name": ("x.nzb", nzb())}, cat="tv").status_code == 503
    assert "No space left" in caplog.text
    assert KEY not in caplog.text


def test_the_walk_of_the_states(house, sonarr):
    """Queued, downloading over both parts of the way, completed when the release is there and not before."""
    nzo_id = sonarr.add()
    job = the_job(house, nzo_id)
    flow.submit(house, job.id)
    house.effect(job.id, flow.Poll)
    house.advance(job.id, Progress(512 * 1024**2, 1024**3, bytes_per_s=1024.0**2))
    wait_until(lambda: sonarr.items()[0]["left"] == 768 * 1024**2)
    assert sonarr.items()[0]["status"] == "Downloading"
    flow.cloud_ready(house, job.id)
    house.effect(job.id, flow.Fetch)
    house.advance(job.id, Progress(512 * 1024**2, 1024**3, bytes_per_s=1024.0**2))
    wait_until(lambda: sonarr.items()[0]["left"] == 256 * 1024**2)
    [item] = sonarr.items()
    assert (item["status"], item["timeleft"]) == ("Downloading", "0:08:32")
    release = flow.publish(house, job.id)
    [item] = sonarr.items()
    assert (item["id"], item["status"], item["size"]) == (nzo_id, "Completed", 1000)
    assert (item["path"], item["title"]) == (str(release), release.name)


def test_a_release_that_is_called_like_its_category(house, sonarr):
    """Sonarr must not take the category's directory for the release: it would delete it."""
    nzo_id = sonarr.add("tv")
    release = flow.finish(house, the_job(house, nzo_id).id)
    [item] = sonarr.items()
    assert release == house.output / "tv" / "tv"
    assert item["path"] == str(release)


def test_a_failure_is_told_with_its_reason(house, sonarr):
    """Failed, so that Sonarr blocks the release and looks for another; then it removes the entry."""
    nzo_id = sonarr.add()
    flow.fail(house, the_job(house, nzo_id).id, "this service takes no NZB files (Usenet)")
    [item] = sonarr.items()
    assert (item["status"], item["path"]) == ("Failed", "")
    assert item["message"] == "this service takes no NZB files (Usenet)"
    sonarr.remove(nzo_id)
    assert sonarr.items() == []


def test_what_failed_can_be_tried_again(house, sonarr):
    """By ``retry``, once."""
    nzo_id = sonarr.add()
    flow.fail(house, the_job(house, nzo_id).id)
    assert sonarr.call("retry", value=nzo_id)["nzo_id"] == nzo_id
    assert [item["status"] for item in sonarr.items()] == ["Queued"]
    assert sonarr.once("retry", value=nzo_id).json() == {"status": False, "error": "item does not exist"}


def test_what_failed_can_be_grabbed_again(house, sonarr):
    """The same job begins anew."""
    nzo_id = sonarr.add()
    flow.fail(house, the_job(house, nzo_id).id)
    assert sonarr.add() == nzo_id
    wait_until(lambda: [item["status"] for item in sonarr.items()] == ["Queued"])


def test_removal_from_the_queue(house, sonarr):
    """It is gone at once; what is not there is told so."""
    nzo_id = sonarr.add()
    answer = sonarr.call("queue", name="delete", del_files=1, value=nzo_id)
    assert answer == {"status": True, "nzo_ids": [nzo_id]}
    assert sonarr.items() == []
    assert the_job(house, nzo_id).state is JobState.REMOVED
    again = sonarr.once("queue", name="delete", del_files=1, value=nzo_id)
    assert again.json() == {"status": False, "nzo_ids": []}


def test_removal_from_the_history_leaves_the_release(house, sonarr):
    """Sonarr has deleted the directory itself, or wants to keep it; SABnzbd never does."""
    nzo_id = sonarr.add()
    release = flow.finish(house, the_job(house, nzo_id).id)
    sonarr.remove(nzo_id)
    assert sonarr.items() == []
    assert the_job(house, nzo_id).remove_files is False
    assert release.is_dir()
    sonarr.remove(nzo_id)


def test_a_refused_key_is_no_failure(house, sonarr):
    """What concerns all jobs shows as queued, so that nobody clears a download away for it."""
    nzo_id = sonarr.add()
    house.trouble[Lane.API] = Blocked("api", "the key is refused", key_refused=True)
    house.outcome(house.effect(the_job(house, nzo_id).id, flow.Submit), error=house.trouble[Lane.API])
    for _ in range(3):
        assert [item["status"] for item in sonarr.items()] == ["Queued"]


def test_a_category_that_nobody_has_named(house):
    """It is taken, and known from then on, letter by letter."""
    client = Sonarr(house.url, "Größe, 4K")
    nzo_id = client.add()
    assert [item["id"] for item in client.items()] == [nzo_id]
    client.remove(nzo_id)
    client.test()


def test_an_address_of_one_category(house, sonarr):
    """It sees and takes its own alone."""
    nzo_id = sonarr.add()
    client = Sonarr(f"{house.url}/c/film", "film")
    assert client.call("queue")["queue"]["slots"] == []
    assert client.once("queue", name="delete", value=nzo_id).json()["status"] is False
    assert client.once("addfile", files={"name": ("x.nzb", nzb())}, cat="tv").json()["status"] is False
    assert the_job(house, client.add()).destination.category == "film"


def test_each_api_shows_its_own_kind(house, sonarr):
    """An *arr tool with two clients would import a release twice if both showed it."""
    sonarr.add()
    magnet = "magnet:?xt=urn:btih:" + "a" * 40
    headers = {"authorization": f"Bearer {KEY}"}
    url = f"{house.url}/api/v2/torrents"
    added = requests.post(f"{url}/add", data={"urls": magnet, "category": "tv"}, headers=headers, timeout=10)
    assert added.text == "Ok."
    assert [item["title"] for item in sonarr.items()] == [TITLE]
    torrents = requests.get(f"{url}/info", headers=headers, timeout=10).json()
    assert [torrent["hash"] for torrent in torrents] == ["a" * 40]


# --- other clients ---


def test_medusa(house):
    """It asks how to come in, hands a file in under ``nzbfile``, and looks for ``error``."""
    url = f"{house.url}/sabnzbd/api"
    assert requests.get(url, params={"mode": "auth", "output": "json"}, timeout=10).json() == {
        "auth": "apikey"
    }
    params = {"output": "json", "apikey": KEY, "mode": "queue", "ma_username": "", "ma_password": ""}
    assert "error" not in requests.get(url, params=params, timeout=10).json()
    params |= {"mode": "addfile", "cat": "tv", "priority": 1}
    answer = requests.post(url, params=params, files={"nzbfile": ("A.Show.nzb", nzb())}, timeout=10).json()
    assert ("error" in answer, len(answer["nzo_ids"])) == (False, 1)


def test_lazylibrarian_and_mylar(house, sonarr):
    """Which categories there are, and one slot by its id."""
    nzo_id = sonarr.add()
    assert sonarr.call("get_cats")["categories"] == ["*", "tv"]
    assert [slot["nzo_id"] for slot in sonarr.call("queue", nzo_ids=nzo_id)["queue"]["slots"]] == [nzo_id]
    assert sonarr.call("history", nzo_ids=nzo_id, failed_only=1)["history"]["slots"] == []
    flow.fail(house, the_job(house, nzo_id).id)
    [slot] = sonarr.call("history", nzo_ids=nzo_id, failed_only=1)["history"]["slots"]
    assert (slot["nzo_id"], slot["nzb_name"]) == (nzo_id, f"{TITLE}.nzb")
