"""``addurl``: an NZB out of the net, and what else an address may hold."""

from __future__ import annotations

import gzip

import pytest

from offcloud_watchd.web.sabnzbd import grabbing
from tests.contract.web.test_sabnzbd import nzb
from tests.fakes.house import House, wait_until
from tests.fakes.wire_server import Turn, WireServer, http, says
from tests.unit.web.sabnzbd.test_calls import call

SECRET = "the-indexers-key"


@pytest.fixture
def house(open_house, password_file) -> House:
    """A house with a password and this API."""
    return open_house(password_file=password_file, sabnzbd=True)


def add(house: House, address: str, **params: object) -> dict[str, object]:
    """Hand an address in."""
    return call(house, "addurl", name=address, **params).json()


def served(house: House, *turns: Turn, path: str = "/api", **params: object) -> tuple[dict, WireServer]:
    """Hand in an address at which turns are played; return the answer and who was asked."""
    with WireServer(*turns) as server:
        return add(house, f"{server.url}{path}?t=get&apikey={SECRET}", **params), server


def test_an_nzb_is_fetched_and_taken(house):
    """Autobrr and Medusa hand in nothing else; the job is that of the file."""
    turn = says(nzb(), Content_Disposition='attachment; filename="A.Show.S01E01.nzb"')
    answer, server = served(house, turn, cat="tv")
    assert answer["status"] is True
    [job] = house.jobs.values()
    assert answer["nzo_ids"] == [f"SABnzbd_nzo_{job.id}"]
    assert (job.release, job.link.key[:4]) == ("A.Show.S01E01", "nzb:")
    assert server.asked[0].query["apikey"] == [SECRET]
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    ("header", "path", "name"),
    [
        ("attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe.nzb", "/api", "Größe"),
        ("attachment; filename=Größe.nzb", "/api", "Größe"),
        ("", "/get/A%20Show.nzb", "A Show"),
        ('attachment; filename="../../x/passwd.nzb"', "/api", "passwd"),
        ("", "/", "added"),
        ("\\x00;;;filename", "/a.nzb", "a"),
    ],
)
def test_what_it_is_called(house, header, path, name):
    """By the header, else by the path."""
    head = header.encode().decode("latin-1")
    assert served(house, says(nzb(), Content_Disposition=head), path=path)[0]["status"] is True
    assert [job.release for job in house.jobs.values()] == [name]


def test_a_name_of_ones_own(house):
    """``nzbname`` goes before what the other side says."""
    served(house, says(nzb(), Content_Disposition="attachment; filename=x.nzb"), nzbname="Mine")
    assert [job.release for job in house.jobs.values()] == ["Mine"]


def test_a_packed_answer(house):
    """Not asked for, and taken."""
    assert served(house, says(gzip.compress(nzb())))[0]["status"] is True


def test_a_redirect_is_followed(house):
    """To where it leads, a few times."""
    with WireServer(says(nzb())) as end:
        answer, _ = served(house, says(status=302, Location=f"{end.url}/x.nzb"))
    assert answer["status"] is True


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://host/x", "http://user:word@host/x", "magnet:?xt=urn:btih:" + "a" * 40],
)
def test_a_redirect_to_what_is_not_fetched(house, location):
    """Each address on the way is held against the same rule."""
    answer, _ = served(house, says(status=302, Location=location))
    assert answer["status"] is False


def test_redirects_in_a_ring(house):
    """They end."""
    answer, server = served(house, says(status=302, Location="/again"))
    assert (answer["status"], "no end" in answer["error"]) == (False, True)
    assert len(server.asked) == grabbing.MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (says("<html>log in</html>"), "no NZB"),
        (says(b"<nzb></nzb>"), "no NZB"),
        (says(b""), "no NZB"),
        (says({"error": "limit"}, 429), "status 429"),
        (says("not found", 404), "status 404"),
        (Turn(ending="reset"), "gave no answer"),
        (Turn(b"SSH-2.0-OpenSSH\r\n", "close"), "gave no answer"),
        (Turn(http(b"x" * 10, Content_Length="100"), "close"), "gave no answer"),
        (says(gzip.compress(b"no nzb")), "no NZB"),
    ],
)
def test_what_is_no_nzb(house, caplog, turn, words):
    """It is told at once, without the address, and nothing is made of it."""
    caplog.set_level("DEBUG", "offcloud_watchd")
    answer, _ = served(house, turn)
    assert (answer["status"], words in answer["error"]) == (False, True)
    assert SECRET not in answer["error"] + caplog.text
    assert not house.jobs


@pytest.mark.parametrize("address", ["x", "file:///etc/passwd", "magnet:?xt=urn:btih:" + "a" * 40, "http://"])
def test_what_is_no_address(house, address):
    """Nothing is asked of anybody."""
    answer = add(house, address)
    assert (answer["status"], "address" in answer["error"]) == (False, True)
    assert add(house, " ") == {"status": False, "error": "expects one parameter"}


def test_a_file_beyond_all_bounds(house, monkeypatch):
    """It is not read to its end."""
    monkeypatch.setattr("offcloud_watchd.inquiry.MAX_ANSWER_BYTES", 2**20)
    answer, _ = served(house, Turn(http(b" " * 2**21)))
    assert "more than 1 MiB" in answer["error"]


@pytest.mark.parametrize(
    "turn", [Turn(http(b" " * 10_000), drips=True), Turn(ending="hang"), Turn(b"HTTP/1.1 ", "drip")]
)
def test_a_host_that_takes_its_time(house, monkeypatch, turn):
    """All of it has its time, however small the pieces come; and nobody waits for it for ever."""
    monkeypatch.setattr(grabbing, "WITHIN_S", 0.2)
    monkeypatch.setattr(grabbing, "MAX_AT_ONCE", 1)
    answer, _ = served(house, turn)
    assert (answer["status"], "in time" in answer["error"]) == (False, True)
    monkeypatch.setattr(grabbing, "WITHIN_S", 20)
    wait_until(lambda: served(house, says(nzb()))[0]["status"] is True)


def test_too_many_at_once(house, monkeypatch):
    """One more is told to come again."""
    monkeypatch.setattr(grabbing, "MAX_AT_ONCE", 0)
    assert "try again" in add(house, "http://127.0.0.1:1/x.nzb")["error"]


def test_nothing_listens_there(house):
    """The text names no address."""
    answer = add(house, f"http://127.0.0.1:1/x?apikey={SECRET}")
    assert answer == {"status": False, "error": "the address gave no answer (Connection refused)"}
