"""Who may call, what is hostile, and pages of lists."""

from __future__ import annotations

import gzip

import pytest
import requests

from offcloud_watchd.core.orders import AddFile, AddLink
from offcloud_watchd.web.sessions import MAX_FAILURES
from tests.contract.web import flow
from tests.contract.web.test_sabnzbd import KEY, nzb
from tests.fakes.house import House, wait_until


def call(house: House, mode: str = "", files: object = None, **params: object) -> requests.Response:
    """Make one call, with the key."""
    method = "GET" if files is None else "POST"
    params = {"mode": mode, "apikey": KEY, "output": "json", **params}
    return requests.request(method, f"{house.url}/sabnzbd/api", params=params, files=files, timeout=10)


def add(house: House, name: str = "A.Show.nzb", article: str = "one", **params: object) -> str:
    """Hand an NZB in and return its id."""
    answer = call(house, "addfile", files={"name": (name, nzb(article))}, **params).json()
    assert answer["status"] is True, answer
    return answer["nzo_ids"][0]


def names(house: House, mode: str, **params: object) -> list[str]:
    """Return the names of a list."""
    member = "filename" if mode == "queue" else "name"
    return [slot[member] for slot in call(house, mode, **params).json()[mode]["slots"]]


@pytest.fixture
def house(open_house, password_file) -> House:
    """A house with a password and this API."""
    return open_house(password_file=password_file, sabnzbd=True)


def test_without_a_password_any_key_will_do(open_house):
    """On loopback nothing is asked for; *arr tools want something to be filled in."""
    house = open_house(sabnzbd=True)
    for key in ("", "anything"):
        assert call(house, "queue", apikey=key).status_code == 200


def test_a_bearer_key_and_a_session_open_too(house):
    """There is one secret, and one way to tell who is in."""
    url = f"{house.url}/sabnzbd/api?mode=queue"
    assert requests.get(url, headers={"authorization": f"Bearer {KEY}"}, timeout=10).status_code == 200
    with requests.Session() as session:
        session.post(f"{house.url}/api/v2/auth/login", data={"password": KEY}, timeout=10)
        assert session.get(url, timeout=10).status_code == 200


def test_a_key_in_the_form(house):
    """Some send it beside the file."""
    url = f"{house.url}/sabnzbd/api"
    files = {"name": ("x.nzb", nzb())}
    for key, status in ((KEY, 200), ("wrong", 403)):
        data = {"mode": "addfile", "apikey": key}
        assert requests.post(url, data=data, files=files, timeout=10).status_code == status


@pytest.mark.parametrize("key", ["", "wrong"])
@pytest.mark.parametrize("mode", ["version", "auth"])
def test_what_wants_no_key_is_no_way_in(house, mode, key):
    """What is said in the form counts, also where the address says something that is open to all."""
    nzo_id = add(house)
    url = f"{house.url}/sabnzbd/api?mode={mode}&apikey={key}"
    data = {"mode": "queue", "name": "delete", "value": nzo_id}
    assert requests.post(url, data=data, timeout=10).status_code == 403
    assert len(call(house, "queue").json()["queue"]["slots"]) == 1


def test_guessing_is_slowed(house):
    """Also by ``auth``; the right key, which nobody has shown before, has to wait as well."""
    assert call(house, "auth", key="guess").json() == {"auth": "badkey"}
    for _ in range(MAX_FAILURES - 1):
        assert call(house, "queue", apikey="guess").text == "API Key Incorrect"
    answer = call(house, "queue")
    assert (answer.status_code, "wait a minute" in answer.text) == (403, True)
    assert call(house, "auth", key=KEY).json() == {"auth": "badkey"}


def test_a_guesser_does_not_shut_out_who_was_in(house):
    """Behind a proxy or a gateway all clients have one address."""
    assert call(house, "queue").status_code == 200
    for _ in range(MAX_FAILURES):
        assert call(house, "queue", apikey="guess").status_code == 403
    assert "wait a minute" in call(house, "queue", apikey="guess").text
    assert call(house, "queue").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}],
)
def test_no_page_of_another_site_may_call(open_house, headers):
    """A picture in it would be enough to delete everything, as changing goes by GET."""
    house = open_house(sabnzbd=True)
    nzo_id = add(house)
    url = f"{house.url}/sabnzbd/api?mode=queue&name=delete&value={nzo_id}"
    assert requests.get(url, headers=headers, timeout=10).status_code == 403
    assert len(call(house, "queue").json()["queue"]["slots"]) == 1


def test_another_host(house):
    """A name that was not allowed is not answered to."""
    url = f"{house.url}/sabnzbd/api?mode=version"
    assert requests.get(url, headers={"host": "evil.example"}, timeout=10).status_code == 421


def test_an_address_may_end_with_a_slash(house):
    """A redirect would repeat the key."""
    url = f"{house.url}/sabnzbd/api/?mode=queue&apikey={KEY}"
    assert requests.get(url, timeout=10, allow_redirects=False).status_code == 200


def test_the_key_is_in_no_log(house, caplog):
    """Not a good one, not a wrong one, whatever goes wrong."""
    caplog.set_level("DEBUG", "offcloud_watchd")

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    call(house, "queue")
    call(house, "queue", apikey="a wrong key")
    object.__setattr__(house.web._ports, "ask", broken)
    assert call(house, "queue").status_code == 500
    assert "went wrong" in caplog.text
    assert KEY not in caplog.text
    assert "a wrong key" not in caplog.text


@pytest.mark.parametrize("mode", ["", "shutdown", "set_config", "addlocalfile", "restart"])
def test_what_there_is_not(house, mode):
    """Said as SABnzbd does."""
    assert call(house, mode).json() == {"status": False, "error": "not implemented"}
    assert call(house, "queue", name="purge").json() == {"status": False, "error": "not implemented"}


@pytest.mark.parametrize("mode", ["pause", "resume"])
def test_what_is_accepted_without_effect(house, mode):
    """A client that asks for it shall not fail."""
    nzo_id = add(house)
    assert call(house, mode).json() == {"status": True}
    answer = call(house, "queue", name=mode, value=nzo_id).json()
    assert answer == {"status": True, "nzo_ids": [nzo_id]}
    assert call(house, "queue", name="priority", value=nzo_id, value2=1).json() == {"position": 0}
    assert call(house, "queue").json()["queue"]["paused"] is False


def test_calls_about_the_application(house):
    """What dashboards ask for."""
    assert call(house, "fullstatus", skip_dashboard=1).json()["status"]["completedir"] == str(house.output)
    assert call(house, "status").json()["status"]["paused"] is False
    assert call(house, "server_stats").json() == {"total": 0, "month": 0, "week": 0, "day": 0, "servers": {}}
    assert call(house, "get_scripts").json() == {"scripts": ["None"]}
    assert call(house, "warnings").json() == {"warnings": []}
    misc = call(house, "get_config", section="misc").json()["config"]
    assert misc["misc"]["complete_dir"] == str(house.output)
    assert call(house, "get_config", section="nothing").json() == {"config": {"nothing": {}}}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Name.mkv.nzb", "Name.mkv"),
        ("Some: Film?.NZB", "Some: Film?"),
        ("../../etc/passwd.nzb", "passwd"),
        ("C:\\temp\\x.nzb", "x"),
        ("no extension", "no extension"),
        ("x" * 3000 + ".nzb", "x" * 1000),
        ("Größe.nzb", "Größe"),
        ("packed.nzb.gz", "packed"),
        (".nzb", "added"),
    ],
)
def test_the_name_of_a_file_names_the_release(house, given, name):
    """Its last part, without the extension; the rest is made safe where it is written."""
    add(house, given)
    assert [job.release for job in house.jobs.values()] == [name]


def test_a_name_of_ones_own(house):
    """``nzbname`` goes before the file's."""
    add(house, nzbname="Mine")
    assert names(house, "queue") == ["Mine"]


def test_a_packed_nzb(house):
    """Gzip is taken, as in a folder."""
    files = {"name": ("x.nzb.gz", gzip.compress(nzb()))}
    assert call(house, "addfile", files=files).json()["status"] is True


def test_one_bad_file_and_nothing_is_taken(house):
    """Who sends several learns that they did not go."""
    files = [("name", ("a.nzb", nzb())), ("nzbfile", ("b.nzb", b"junk"))]
    assert call(house, "addfile", files=files).json() == {"status": False, "nzo_ids": []}
    assert not house.jobs


def test_a_file_that_is_not_marked_as_one(house):
    """Older clients send it as a field."""
    url = f"{house.url}/sabnzbd/api"
    answer = requests.post(url, data={"mode": "addfile", "apikey": KEY, "nzbfile": nzb()}, timeout=10).json()
    assert answer["status"] is True


@pytest.mark.parametrize("category", ["a/../b", "/a", "a\\b", ".hidden", "x" * 300])
def test_a_category_that_no_directory_can_carry(house, category):
    """It is refused, with the reason, and nothing is made."""
    file = call(house, "addfile", files={"name": ("x.nzb", nzb())}, cat=category).json()
    address = call(house, "addurl", name="http://127.0.0.1:1/x.nzb", cat=category).json()
    for answer in (file, address):
        assert (answer["status"], "category" in answer["error"]) == (False, True)
    assert not house.jobs


@pytest.mark.parametrize("category", ["", "*", "Default", "None"])
def test_no_category_is_the_default_one(house, category):
    """By every word clients have for it, and by ``*`` in lists."""
    add(house, cat=category)
    [slot] = call(house, "queue", category="*").json()["queue"]["slots"]
    assert slot["cat"] == "tv"


def test_calls_without_what_they_need(house):
    """They are told so and change nothing."""
    lacking = {"status": False, "error": "expects one parameter"}
    assert call(house, "addfile").json() == lacking
    assert call(house, "queue", name="delete").json() == lacking
    assert call(house, "history", name="delete").json() == lacking
    assert call(house, "retry").json() == lacking


def test_pages_and_filters(house):
    """By place, name, id, state and category; the queue by age, the history from the newest on."""
    ids = [add(house, f"Show.{number}.nzb", str(number), cat="a,b") for number in range(4)]
    add(house, "Other.nzb", "other", cat="film")
    shows = [f"Show.{number}" for number in range(4)]
    assert names(house, "queue", category="a,b") == shows
    assert names(house, "queue", cat="film,tv") == ["Other"]
    assert names(house, "queue", start=1, limit=2) == shows[1:3]
    assert names(house, "queue", start="-1", limit="x") == [*shows, "Other"]
    assert names(house, "queue", search="OTHER") == ["Other"]
    assert names(house, "queue", nzo_ids=",".join(ids[:2])) == shows[:2]
    assert names(house, "queue", status="Checking") == []
    queue = call(house, "queue", category="film").json()["queue"]
    assert (queue["noofslots"], queue["noofslots_total"]) == (1, 5)
    for nzo_id in ids[:2]:
        flow.fail(house, nzo_id.removeprefix("SABnzbd_nzo_"), f"because of {nzo_id}")
    assert names(house, "history", limit=60) == ["Show.1", "Show.0"]
    assert names(house, "history", status="Completed") == []
    assert names(house, "history", failed_only=1, start=1) == ["Show.0"]


@pytest.mark.parametrize(("mode", "left"), [("queue", ["done", "failed"]), ("history", ["open"])])
def test_all_of_one_list(house, mode, left):
    """``all`` means those of the list, and the other one stays."""
    for name in ("done", "failed", "open"):
        add(house, f"{name}.nzb", name)
    jobs = {job.release: job.id for job in house.jobs.values()}
    flow.finish(house, jobs["done"])
    flow.fail(house, jobs["failed"])
    assert call(house, mode, name="delete", value="all").json()["status"] is True
    assert sorted([*names(house, "queue"), *names(house, "history")]) == left


def test_a_group_of_the_history(house):
    """What failed, and nothing else."""
    for name in ("done", "failed"):
        add(house, f"{name}.nzb", name)
    jobs = {job.release: job.id for job in house.jobs.values()}
    flow.finish(house, jobs["done"])
    flow.fail(house, jobs["failed"])
    call(house, "history", name="delete", value="failed", del_files=1)
    assert names(house, "history") == ["done"]


def test_what_a_folder_brought_is_seen_and_a_web_link_is_not(house):
    """One list of all NZBs there are."""
    house.hand_over(AddFile("From.A.Folder.nzb", nzb(), "tv"))
    house.hand_over(AddLink("https://files.example/a.bin?token=SECRET"))
    wait_until(lambda: len(house.jobs) == 2)
    assert names(house, "queue") == ["From.A.Folder"]


def test_a_form_over_its_bounds(house, monkeypatch):
    """It is refused as a whole."""
    monkeypatch.setattr("offcloud_watchd.web.parameters.MAX_FILES", 1)
    files = [("name", ("a.nzb", nzb())), ("name", ("b.nzb", nzb("two")))]
    answer = call(house, "addfile", files=files)
    assert (answer.status_code, answer.text) == (400, "the form cannot be read")
