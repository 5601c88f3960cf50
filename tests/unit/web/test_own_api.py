"""The program's own API: what it takes, what it gives, and that both are as its definitions say."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest
import requests

from offcloud_watchd.core.effects import Fetch, Poll, Submit
from offcloud_watchd.core.events import CloudReady, Failed, Submitted
from offcloud_watchd.core.model import Account, Lane, Progress, Submission
from offcloud_watchd.errors import Blocked, JournalDamaged
from offcloud_watchd.web import live, protocol, stream
from offcloud_watchd.web.api import documents
from offcloud_watchd.web.api import request as reading
from tests.fakes.house import House, wait_until

MAGNET = f"magnet:?xt=urn:btih:{'5a' * 20}&dn=Some.Film"
EVIL = "<script>alert(1)</script>\u202egnp"


def get(house: House, path: str, **query: object) -> dict:
    """Ask for something that is there."""
    answer = requests.get(f"{house.url}/api/v1/{path}", params=query, timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def post(house: House, path: str, body: object, **headers: str) -> requests.Response:
    """Ask for something to be done."""
    return requests.post(f"{house.url}/api/v1/{path}", json=body, headers=headers, timeout=10)


def add(house: House, *links: str, category: str = "tv") -> list[dict]:
    """Add links and return the jobs."""
    answer = post(house, "links", {"links": list(links), "category": category})
    assert answer.status_code == 200, answer.text
    documents.ADDED.check(answer.json(), "it")
    return answer.json()["jobs"]


def fetching(house: House, job_id: str) -> Fetch:
    """Have a job fetched; return the effect."""
    submission = Submission("r1", "created", "Some.Film")
    house.outcome(house.effect(job_id, Submit), event=Submitted(job_id, 1.0, submission))
    house.outcome(house.effect(job_id, Poll), event=CloudReady(job_id, 2.0, submission))
    return house.effect(job_id, Fetch)


def test_links_become_jobs(open_house):
    """What can be taken is, what cannot is told by its number, and the jobs come with the answer."""
    house = open_house()
    answer = post(house, "links", {"links": ["nonsense", MAGNET, "https://example.org/a.iso?key=SECRET"]})
    documents.ADDED.check(answer.json(), "it")
    assert [one["number"] for one in answer.json()["refused"]] == [1]
    assert {job["name"] for job in answer.json()["jobs"]} == {"Some.Film", "a.iso"}
    assert "SECRET" not in answer.text
    assert len(house.jobs) == 2


def test_what_cannot_be_taken_leaves_nothing(open_house):
    """No link that can be used, or a category that names no directory: 422 and the reason."""
    house = open_house()
    for body in ({"links": ["nonsense"]}, {"links": [MAGNET], "category": "../etc"}):
        answer = post(house, "links", body)
        documents.ADDED.check(answer.json(), "it")
        assert (answer.status_code, answer.json()["command"]) == (422, None)
    assert not house.jobs


def test_a_file_is_taken_as_a_drop_is(open_house):
    """A list in a file: its good lines are jobs, the others are named; what is no link file is refused."""
    house = open_house()

    def send(data: bytes, **query: str) -> requests.Response:
        return requests.post(
            f"{house.url}/api/v1/files",
            data=data,
            params={"name": "list.txt", **query},
            headers={"content-type": "application/octet-stream"},
            timeout=10,
        )

    answer = send(f"{MAGNET}\nnonsense\n".encode(), category="films")
    documents.ADDED.check(answer.json(), "it")
    assert [one["number"] for one in answer.json()["refused"]] == [2]
    (job,) = answer.json()["jobs"]
    assert (job["category"], job["drops"][0]["name"]) == ("films", "list.txt")
    for refused in (send(b""), send(b"# nothing\n"), send(MAGNET.encode(), category=".hidden")):
        assert refused.status_code == 422
        assert refused.json()["refused"][0]["reason"]


def test_jobs_are_filtered_and_paged(open_house):
    """By state, category and words; a page of them, the oldest first."""
    house = open_house()
    first = add(house, *(f"https://example.org/{number}.iso" for number in range(5)))
    add(house, MAGNET, category="films")
    found = get(house, "jobs", limit=2, offset=1)
    documents.JOBS.check(found, "it")
    assert (found["total"], found["offset"], len(found["jobs"])) == (6, 1, 2)
    assert [job["name"] for job in get(house, "jobs", category="films")["jobs"]] == ["Some.Film"]
    assert get(house, "jobs", text="SOME film")["total"] == 1
    assert get(house, "jobs", text="5a5a")["total"] == 1
    assert get(house, "jobs", state="done")["total"] == 0
    assert get(house, "jobs", text=first[0]["id"])["jobs"][0]["name"] == "0.iso"


def test_a_job_and_its_life(open_house):
    """How far it is, what can be asked of it, and all that happened, without any link."""
    house = open_house()
    (job,) = add(house, "https://example.org/a.iso?key=SECRET")
    fetching(house, job["id"])
    house.advance(job["id"], Progress(10, 40, bytes_per_s=5.0, note="2 files"))
    wait_until(lambda: get(house, f"jobs/{job['id']}")["progress"] is not None)
    answer = requests.get(f"{house.url}/api/v1/jobs/{job['id']}", timeout=10)
    life = answer.json()
    documents.LIFE.check(life, "it")
    assert (life["progress"]["fraction"], life["progress"]["left_s"]) == (0.25, 6.0)
    assert life["can"] == ["retry", "cancel", "forget"]
    assert [one["event"] for one in life["history"]][:2] == ["queued", "submitting"]
    assert "SECRET" not in answer.text
    assert get(house, "status")["bytes_per_s"] == 5.0
    assert get(house, "status")["left_s"] == 6.0


@pytest.mark.parametrize("job_id", ["0123456789ab", "nonsense", "..%2f..%2fetc", "%252e%252e"])
def test_no_such_job(open_house, job_id):
    """404 for an id that is none and for one that nothing has."""
    assert requests.get(f"{open_house().url}/api/v1/jobs/{job_id}", timeout=10).status_code == 404


@pytest.mark.parametrize("error", [PermissionError(13, "no"), JournalDamaged("line 7")])
def test_a_journal_that_cannot_be_read(open_house, monkeypatch, error):
    """The life cannot be told now; that is no fault of the request."""

    def broken(*_: object) -> None:
        raise error

    house = open_house()
    (job,) = add(house, MAGNET)
    monkeypatch.setattr("offcloud_watchd.web.desk.Desk.history", broken)
    assert requests.get(f"{house.url}/api/v1/jobs/{job['id']}", timeout=10).status_code == 503


def test_commands(open_house):
    """Cancel, retry and forget, seen in the answer; unknown jobs stop it all."""
    house = open_house()
    (job,) = add(house, MAGNET)
    wrong = post(house, "commands", {"verb": "cancel", "jobs": [job["id"], "0" * 12]})
    assert (wrong.status_code, house.jobs[job["id"]].state) == (404, "queued")
    cancelled = post(house, "commands", {"verb": "cancel", "jobs": [job["id"]]}).json()
    documents.COMMANDED.check(cancelled, "it")
    assert [(one["state"], one["can"]) for one in cancelled["jobs"]] == [("failed", ["retry", "forget"])]
    again = post(house, "commands", {"verb": "cancel", "jobs": [job["id"]]}).json()
    assert again["jobs"][0]["state"] == "failed"
    retried = post(house, "commands", {"verb": "retry", "jobs": [job["id"]]}).json()
    assert retried["jobs"][0]["state"] == "queued"
    post(house, "commands", {"verb": "forget", "jobs": [job["id"]], "files": True})
    assert house.jobs[job["id"]].remove_files


def test_what_cannot_be_recorded_is_said(open_house, monkeypatch):
    """A full disk takes no order: 503, and nothing was done."""
    house = open_house()
    (job,) = add(house, MAGNET)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tests.fakes.house.write_command", full)
    answers = [
        post(house, "links", {"links": [MAGNET]}),
        post(house, "commands", {"verb": "cancel", "jobs": [job["id"]]}),
        requests.post(
            f"{house.url}/api/v1/files?name=a.txt",
            data=MAGNET,
            headers={"content-type": "application/octet-stream"},
            timeout=10,
        ),
    ]
    assert [(one.status_code, "No space left" in one.text) for one in answers] == [(503, True)] * 3


def test_lanes_that_pause(tmp_path):
    """The reason is told; retrying nothing has the lane tried at once; the account is told once known."""
    house = House(tmp_path)
    house.trouble[Lane.API] = Blocked("api", "the key was refused", key_refused=True)
    house.account = Account("me@example.org", premium=True, expires="2027-01-01")
    house.start()
    try:
        wait_until(lambda: not get(house, "status")["well"])
        found = get(house, "status")
        documents.STATUS.check(found, "it")
        assert found["lanes"][0]["key_refused"] is True
        assert "the key was refused" in found["problems"][0]
        assert found["account"] is None
        del house.trouble[Lane.API]
        assert post(house, "commands", {"verb": "retry", "jobs": []}).status_code == 200
        wait_until(lambda: get(house, "status")["well"])
        found = get(house, "status")
        documents.STATUS.check(found, "it")
        assert found["account"]["email"] == "me@example.org"
    finally:
        house.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("links", "{", 400),
        ("links", "[]", 400),
        ("links", '{"links": []}', 400),
        ("links", '{"links": [1]}', 400),
        ("links", '{"links": ["x"], "more": 1}', 400),
        ("links", "[" * 100_000, 400),
        ("links", '{"links": ["' + "x" * 2_000_000 + '"]}', 413),
        ("commands", '{"verb": "delete", "jobs": []}', 400),
        ("commands", '{"verb": "categorize", "jobs": []}', 400),
        ("commands", '{"verb": "retry", "jobs": ["' + "g" * 12 + '"]}', 400),
        ("commands", '{"verb": "retry", "jobs": [], "files": 1}', 400),
        ("commands", '{"verb": "retry", "jobs": NaN}', 400),
        ("commands", '{"jobs": []}', 400),
    ],
)
def test_bad_bodies(open_house, path, body, status):
    """What is not as described is refused with a sentence."""
    answer = requests.post(
        f"{open_house().url}/api/v1/{path}",
        data=body,
        headers={"content-type": "application/json; charset=utf-8"},
        timeout=10,
    )
    assert answer.status_code == status
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=1.0", "offset=-1", "state=no", "x=1", "limit=1&limit=2"],
)
def test_bad_queries(open_house, query):
    """Neither wrong nor unknown nor doubled parameters are passed over."""
    answer = requests.get(f"{open_house().url}/api/v1/jobs?{query}", timeout=10)
    assert answer.status_code == 400


def test_no_form_of_another_page_adds_anything(open_house):
    """What a browser sends without asking first (form, text, no type) is not taken; nor another origin."""
    house = open_house()
    body = json.dumps({"links": [MAGNET]})
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""):
        answer = requests.post(
            f"{house.url}/api/v1/links", data=body, headers={"content-type": kind}, timeout=10
        )
        assert answer.status_code == 415
    foreign = post(house, "links", {"links": [MAGNET]}, origin="http://evil.example")
    assert foreign.status_code == 403
    assert not house.jobs


def test_methods(open_house):
    """Reading is GET and asking is POST; anything else is told so."""
    house = open_house()
    for method, path in (("GET", "links"), ("POST", "jobs"), ("PUT", "jobs"), ("DELETE", "commands")):
        answer = requests.request(method, f"{house.url}/api/v1/{path}", timeout=10)
        assert (answer.status_code, "allow" in answer.headers) == (405, True)


def test_behind_a_password(open_house, password_file):
    """Nothing is told without it, and the document says how to come in."""
    house = open_house(password_file=password_file)
    for path in ("status", "jobs", "events", "openapi.json", "traffic"):
        answer = requests.get(f"{house.url}/api/v1/{path}", timeout=10)
        assert (answer.status_code, list(answer.json())) == (403, ["error"])
    key = {"authorization": "Bearer open sesame"}
    document = requests.get(f"{house.url}/api/v1/openapi.json", headers=key, timeout=10).json()
    assert document["security"] == [{"key": []}, {"session": []}]
    assert "security" not in get(open_house(), "openapi.json")


def test_names_are_inert(open_house):
    """Whatever a name holds, what is sent is ASCII, and it comes out of it as it went in."""
    house = open_house()
    (job,) = add(house, f"magnet:?xt=urn:btih:{'6b' * 20}&dn=" + requests.utils.quote(EVIL + "\x7f"))
    answer = requests.get(f"{house.url}/api/v1/jobs", timeout=10)
    assert answer.content.isascii()
    assert b"\x7f" not in answer.content
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert job["name"].startswith(EVIL)


def test_traffic(open_house, monkeypatch):
    """What came home is sampled as long as the web is there."""
    monkeypatch.setattr(live, "FINE_S", 0.02)
    house = open_house()
    wait_until(lambda: len(get(house, "traffic")["hour"]) > 2)
    documents.TRAFFIC.check(get(house, "traffic"), "it")


# --- events ------------------------------------------------------------------------------------------------


def events(house: House) -> Iterator[tuple[str, dict]]:
    """Yield events as they come."""
    with requests.get(f"{house.url}/api/v1/events", stream=True, timeout=10) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        name = ""
        for line in answer.iter_lines():
            field, _, value = line.decode("ascii").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


def test_events(open_house, monkeypatch):
    """First how things are and what is open; then what changes: progress, states, what is forgotten."""
    monkeypatch.setattr(live, "TICK_S", 0.02)
    house = open_house()
    (job,) = add(house, MAGNET)
    told = events(house)
    assert next(told)[0] == "status"
    name, document = next(told)
    documents.JOB.check(document, "it")
    assert (name, document["id"], document["state"]) == ("job", job["id"], "queued")
    fetch = fetching(house, job["id"])
    house.advance(job["id"], Progress(10, 40, bytes_per_s=5.0))
    document = next(one for name, one in told if name == "job" and one["progress"])
    assert document["progress"]["done_bytes"] == 10
    house.outcome(fetch, event=Failed(job["id"], 5.0, "no luck"))
    document = next(one for name, one in told if name == "job" and one["state"] == "failed")
    assert document["reason"] == "no luck"
    told.close()


def test_the_disks(open_house):
    """Each file system once, with our directories on it."""
    house = open_house()
    house.promised_bytes = 7
    (disk,) = get(house, "status")["disks"]
    assert disk["directories"] == [str(house.root), str(house.output)]
    assert disk["promised_bytes"] == 7
    assert 0 < disk["free_bytes"] <= disk["size_bytes"]


def test_a_stream_ends_by_itself(open_house, monkeypatch):
    """It is a request like any other: after a while it is over, whole."""
    monkeypatch.setattr(live, "TICK_S", 0.02)
    monkeypatch.setattr(stream, "STREAM_S", 0.5)
    monkeypatch.setattr(stream, "QUIET_S", 0.03)
    house = open_house()
    answer = requests.get(f"{house.url}/api/v1/events", timeout=10)
    assert answer.text.startswith("retry: 1000\n\nevent: status\n")
    assert "\n: \n" in answer.text  # a sign of life while nothing changes


def test_the_end_lets_viewers_go(open_house):
    """They are told the end of the stream at once, and do not hold it up."""
    house = open_house()
    with requests.get(f"{house.url}/api/v1/events", stream=True, timeout=10) as answer:
        lines = answer.iter_lines()
        next(lines)
        ended: list[bytes] = []
        reading = threading.Thread(target=lambda: ended.extend(lines))
        reading.start()
        house.web.stop(5)
        reading.join(5)
        assert not reading.is_alive()


def test_no_more_viewers_than_may(open_house, monkeypatch):
    """The rest is told to come later; who goes makes room, and with nobody there nothing turns."""
    monkeypatch.setattr(live, "MAX_VIEWERS", 2)
    monkeypatch.setattr(live, "TICK_S", 0.02)
    house = open_house()
    lines = [requests.get(f"{house.url}/api/v1/events", stream=True, timeout=10) for _ in range(2)]
    assert requests.get(f"{house.url}/api/v1/events", timeout=10).status_code == 503
    for line in lines:
        line.close()

    def let_in() -> bool:
        with requests.get(f"{house.url}/api/v1/events", stream=True, timeout=10) as answer:
            return answer.status_code == 200

    wait_until(let_in)


def test_a_viewer_that_never_reads_is_cut_off(open_house, monkeypatch):
    """Nothing is kept for it beyond what lies on its line, and its place is given to another."""
    monkeypatch.setattr(live, "TICK_S", 0.005)
    monkeypatch.setattr(live, "MAX_VIEWERS", 1)
    monkeypatch.setattr(protocol, "READ_WITHIN_S", 0.2)
    house = open_house()
    jobs = add(house, *(f"https://example.org/{number}.iso" for number in range(300)))
    host, port = house.url.removeprefix("http://").rsplit(":", 1)
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((host, int(port)))
        line.sendall(b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        notes = iter(range(10**6))

        def cut_off() -> bool:
            for job in jobs:
                house.advance(job["id"], Progress(note=f"{next(notes)}" + "x" * 1000))
            with requests.get(f"{house.url}/api/v1/events", stream=True, timeout=10) as answer:
                return answer.status_code == 200

        assert not cut_off()
        wait_until(cut_off, within_s=20)


def test_a_body_has_a_bound(open_house, monkeypatch):
    """A file larger than any torrent is not taken in."""
    monkeypatch.setattr(reading, "MAX_DROP_BYTES", 1000)
    answer = requests.post(
        f"{open_house().url}/api/v1/files?name=a",
        data=b"x" * 1001,
        headers={"content-type": "application/octet-stream"},
        timeout=10,
    )
    assert answer.status_code == 413
