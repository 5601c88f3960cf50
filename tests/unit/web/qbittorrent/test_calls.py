"""Forms, bounds and what is hostile: each call answers, and nothing of it harms."""

from __future__ import annotations

import pytest
import requests

from offcloud_watchd.web import parameters
from tests.contract.web import flow
from tests.fakes.house import House
from tests.golden.record_qbittorrent import TORRENT, TORRENT_HASH

HASH = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
MAGNET = f"magnet:?xt=urn:btih:{HASH}&dn=Some.Film.2020"
V2 = "ab" * 32


def get(house: House, path: str, **params: str) -> requests.Response:
    """Read."""
    return requests.get(f"{house.url}/api/v2/{path}", params=params, timeout=10)


def post(house: House, path: str, files: object = None, **data: str) -> requests.Response:
    """Change."""
    return requests.post(f"{house.url}/api/v2/{path}", data=data, files=files, timeout=10)


def add_file(house: House, name: str, data: bytes = TORRENT, **more: str) -> requests.Response:
    """Add a .torrent."""
    return post(house, "torrents/add", files={"torrents": (name, data)}, **more)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Name.mkv.torrent", "Name.mkv"),
        ("Some: Film?.TORRENT", "Some: Film?"),
        ("../../etc/passwd.torrent", "passwd"),
        ("C:\\temp\\x.torrent", "x"),
        ("no extension", "no extension"),
        ("x" * 3000 + ".torrent", "x" * 1000),
        ("Größe.torrent", "Größe"),
    ],
)
def test_the_name_of_a_file_names_the_release(open_house, given, name):
    """Its last part, without the extension; the rest is made safe where it is written."""
    house = open_house()
    assert add_file(house, given).text == "Ok."
    assert flow.the_job(house, TORRENT_HASH).release == name


def test_a_name_of_ones_own_is_bounded(open_house):
    """What is answered with Ok. is taken, however long the name that a client wants for it."""
    house = open_house()
    assert post(house, "torrents/add", urls=MAGNET, rename="x" * 3000).text == "Ok."
    assert flow.the_job(house, HASH).release == "x" * 1000


@pytest.mark.parametrize(
    ("named", "release"),
    [
        (b"filename=\"=?utf-8?B?R3LDtsOfZQ==?=\"; filename*=utf-8''Gr%C3%B6%C3%9Fe.torrent", "Größe"),
        (b"filename*=UTF-8''Gr%C3%B6%C3%9Fe.torrent", "Done.Movie.2020.mkv"),
    ],
    ids=["told twice", "told by older clients"],
)
def test_a_name_with_letters_beyond_ascii(open_house, named, release):
    """Whatever way it is written, the file is taken; where its name is lost its own name serves."""
    house = open_house()
    body = b'--x\r\nContent-Disposition: form-data; name="torrents"; ' + named + b"\r\n\r\n" + TORRENT
    answer = requests.post(
        f"{house.url}/api/v2/torrents/add",
        data=body + b"\r\n--x--\r\n",
        headers={"content-type": "multipart/form-data; boundary=x"},
        timeout=10,
    )
    assert answer.text == "Ok."
    job = flow.the_job(house, TORRENT_HASH)
    assert job.release == release
    assert (house.root / "spool" / job.drops[0].sha256).read_bytes() == TORRENT


def test_one_bad_file_among_good_ones(open_house):
    """Nothing is taken, and the bad one is named."""
    house = open_house()
    files = [("torrents", ("good.torrent", TORRENT)), ("torrents", ("bad.torrent", b"junk"))]
    answer = post(house, "torrents/add", files=files, urls=MAGNET)
    assert (answer.status_code, answer.text) == (415, "Error: 'bad.torrent' is not a valid torrent file.")
    assert house.jobs == {}


@pytest.mark.parametrize(
    "data", [b"", b"d4:infod4:name1:xee", b"<html>", b"\x1f\x8b" + b"x" * 100, b"d" * 10_000]
)
def test_what_is_no_torrent(open_house, data):
    """Is refused as qBittorrent does it."""
    assert add_file(open_house(), "x.torrent", data).status_code == 415


@pytest.mark.parametrize("category", ["a/../b", "../up", ".hidden", "a\\b", "a\nb", "/a", "x" * 200])
def test_a_category_that_leads_elsewhere(open_house, category):
    """No name makes a directory outside the output directory."""
    house = open_house()
    assert post(house, "torrents/add", urls=MAGNET, category=category).status_code == 409
    assert post(house, "torrents/createCategory", category=category).status_code == 409
    assert post(house, "torrents/setCategory", category=category, hashes=HASH).status_code == 409
    assert house.jobs == {}


def test_categories_have_a_bound(open_house, monkeypatch):
    """A client that makes categories without end is stopped."""
    monkeypatch.setattr("offcloud_watchd.web.qbittorrent.categories.MAX_CATEGORIES", 2)
    house = open_house()
    answers = [
        post(house, "torrents/createCategory", category=str(number)).status_code for number in range(4)
    ]
    assert answers == [200, 200, 409, 409]


def test_a_category_that_is_dropped(open_house):
    """It is gone unless a job or the configuration holds it."""
    house = open_house()
    for name in ("empty", "used"):
        post(house, "torrents/createCategory", category=name)
    post(house, "torrents/add", urls=MAGNET, category="used")
    assert post(house, "torrents/removeCategories", categories="empty\nused\ntv\nnone").status_code == 200
    assert sorted(get(house, "torrents/categories").json()) == ["tv", "used"]


@pytest.mark.parametrize("name", [HASH, HASH.upper(), V2, V2[:40], V2.upper()])
def test_every_spelling_of_a_hybrid(open_house, name):
    """v1, v2 and the beginning of v2, in any case."""
    house = open_house()
    post(house, "torrents/add", urls=f"magnet:?xt=urn:btih:{HASH}&xt=urn:btmh:1220{V2}")
    assert get(house, "torrents/properties", hash=name).json()["hash"] == HASH
    assert len(get(house, "torrents/info", hashes=f"x|{name}").json()) == 1


def test_a_v2_torrent(open_house):
    """Its hash is the first 40 digits, as qBittorrent has it; the whole is told beside it."""
    house = open_house()
    post(house, "torrents/add", urls=f"magnet:?xt=urn:btmh:1220{V2}&dn=New")
    [about] = get(house, "torrents/info").json()
    assert (about["hash"], about["infohash_v1"], about["infohash_v2"]) == (V2[:40], "", V2)
    assert about["magnet_uri"] == f"magnet:?xt=urn:btmh:1220{V2}&dn=New"


def test_a_web_link(open_house):
    """It has a hash of its own, by which it can be deleted, and no magnet."""
    house = open_house()
    post(house, "torrents/add", urls="https://files.example.org/film.mkv?token=SECRET")
    [about] = get(house, "torrents/info").json()
    assert (len(about["hash"]), about["infohash_v1"], about["magnet_uri"]) == (40, "", "")
    post(house, "torrents/delete", hashes=about["hash"])
    assert get(house, "torrents/info").json() == []


def test_a_trackers_key_is_not_shown(open_house):
    """The address of a tracker may hold a person's key."""
    house = open_house()
    post(house, "torrents/add", urls=MAGNET + "&tr=https%3A%2F%2Ft.example%2FPASSKEY%2Fannounce")
    for path in ("torrents/info", "sync/maindata"):
        assert "PASSKEY" not in get(house, path).text
    for path in ("torrents/properties", "torrents/trackers"):
        assert "PASSKEY" not in get(house, path, hash=HASH).text


def test_a_bare_hash_is_a_link(open_house):
    """As in qBittorrent's own field."""
    house = open_house()
    assert post(house, "torrents/add", urls=HASH).text == "Ok."
    assert get(house, "torrents/info").json()[0]["hash"] == HASH


def test_paging_and_order(open_house):
    """``sort``, ``reverse``, ``limit``, ``offset``; nonsense changes nothing."""
    house = open_house()
    links = [f"magnet:?xt=urn:btih:{number:040x}&dn={name}" for number, name in enumerate("dbca")]
    post(house, "torrents/add", urls="\n".join(links))

    def names(**params: str) -> str:
        return "".join(about["name"] for about in get(house, "torrents/info", **params).json())

    assert names(sort="name") == "abcd"
    assert names(sort="name", reverse="true", limit="2") == "dc"
    assert names(sort="name", limit="2", offset="1") == "bc"
    assert names(sort="name", offset="-1") == "d"
    assert names(sort="name", offset="99", limit="x") == "abcd"
    assert sorted(names(sort="nothing", limit="-5", filter="nothing")) == list("abcd")
    assert names(tag="any") == ""
    assert names(filter="completed") == names(filter="seeding") == ""
    assert sorted(names(filter="downloading", hashes="all")) == list("abcd")


def test_too_many_fields(open_house, monkeypatch):
    """A form has a bound."""
    monkeypatch.setattr(parameters, "MAX_FIELDS", 3)
    fields = {str(number): (None, "x") for number in range(10)}
    assert post(open_house(), "torrents/add", files=fields).status_code == 400


def test_a_large_field(open_house, monkeypatch):
    """So has a field."""
    monkeypatch.setattr(parameters, "MAX_FIELD_BYTES", 100)
    assert post(open_house(), "torrents/add", files={"urls": (None, "x" * 1000)}).status_code == 400


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"garbage"),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        ("application/x-www-form-urlencoded", b"%ff%fe=%00&&&=;" * 100),
        ("application/x-www-form-urlencoded; charset=nonsense", b"urls=x"),
        ("text/plain", b"urls=x"),
    ],
)
def test_forms_that_are_none(open_house, kind, body):
    """Garbage is answered, and by no 500."""
    url = f"{open_house().url}/api/v2/torrents/add"
    answer = requests.post(url, data=body, headers={"content-type": kind}, timeout=10)
    assert (answer.status_code, answer.text) in {(400, "Bad Request"), (200, "Fails.")}


def test_a_release_that_was_taken_away(open_house):
    """Files that an importer took are not listed any more, and nothing fails."""
    house = open_house()
    post(house, "torrents/add", urls=MAGNET)
    release = flow.finish(house, flow.the_job(house, HASH).id)
    assert len(get(house, "torrents/files", hash=HASH).json()) == 1
    (release / "Film.mkv").unlink()
    (release / "link").symlink_to("/nowhere")
    assert [file["name"] for file in get(house, "torrents/files", hash=HASH).json()] == [
        f"{release.name}/link"
    ]
    (release / "link").unlink()
    release.rmdir()
    assert get(house, "torrents/files", hash=HASH).json() == []
    assert get(house, "torrents/info").json()[0]["state"] == "pausedUP"


def test_a_hash_that_has_to_be_there(open_house):
    """Calls without it are bad requests; of one that is unknown, nothing is said but that."""
    house = open_house()
    for path in ("properties", "files", "trackers"):
        assert get(house, f"torrents/{path}").status_code == 400
    for path in ("delete", "pause", "resume", "setCategory"):
        assert post(house, f"torrents/{path}").status_code == 400
    assert post(house, "torrents/rename", hash="x").status_code == 404
