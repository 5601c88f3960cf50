"""The page as a browser without script has it: what is on it, what its forms do, what they refuse."""

from __future__ import annotations

import html
import re
import threading
from dataclasses import replace
from urllib.parse import quote

import pytest
import requests

from offcloud_watchd.core.effects import Fetch, Poll, Submit
from offcloud_watchd.core.events import CloudReady, Delivered, Failed, Published, Submitted
from offcloud_watchd.core.messages import Looked
from offcloud_watchd.core.model import (
    Account,
    BadLine,
    Delivery,
    Destination,
    JobState,
    Lane,
    LinkKind,
    Links,
    Progress,
    Publication,
    RemoteTarget,
    Route,
    Submission,
)
from offcloud_watchd.core.ports import Look, Wish
from offcloud_watchd.errors import Blocked, JournalDamaged
from offcloud_watchd.web import desk, disks, live
from offcloud_watchd.web.page.markup import Html, joined, tag
from tests.fakes.house import HEALTH, House, wait_until
from tests.fakes.jobs import a_link, an_intake

MAGNET = f"magnet:?xt=urn:btih:{'5a' * 20}&dn=Some.Film"
EVIL = "</a><script>alert(1)</script>\"'\u202egnp.exe"


def page(house: House, path: str = "/", status: int = 200, **query: object) -> str:
    """Look at a page."""
    answer = requests.get(f"{house.url}{path}", params=query, timeout=10)
    assert answer.status_code == status, answer.text
    return answer.text


def token(text: str) -> str:
    """Return the token of a page's forms."""
    return re.search(r'name="token" value="([0-9a-f]+)"', text)[1]


def send(house: House, path: str, *, uploads: object = None, **fields: object) -> requests.Response:
    """Send a form with a good token, and do not follow."""
    data = {"token": token(page(house)), **fields}
    return requests.post(
        f"{house.url}{path}",
        data=data,
        files=uploads or {"files": (None, "")},
        timeout=10,
        allow_redirects=False,
    )


def add(house: House, *links: str) -> list[str]:
    """Add links and return the ids of all jobs."""
    assert send(house, "/add", text="\n".join(links)).headers["location"] == "/?said=added"
    return list(house.jobs)


def moved(house: House, job_id: str, *events: type) -> None:
    """Have a job go on."""
    submission = Submission("r1", "created")
    steps = {
        Submitted: (Submit, Submitted(job_id, 1.0, submission)),
        CloudReady: (Poll, CloudReady(job_id, 2.0, submission)),
        Published: (Fetch, Published(job_id, 3.0, Publication("/out/tv/a", 3, 3 * 2**20, "size"))),
        Failed: (Fetch, Failed(job_id, 4.0, "no luck")),
    }
    for event in events:
        effect, outcome = steps[event]
        house.outcome(house.effect(job_id, effect), event=outcome)


def test_an_empty_house(open_house):
    """It is well, there is nothing yet, and how to begin lies open."""
    text = page(open_house())
    assert "All is well" in text
    assert "No jobs yet" in text
    assert '<details id="add" open>' in text
    assert "/drop" in text


def test_what_is_going_on(open_house):
    """Each job with its state, how far it is, how fast and how long; the sums above."""
    house = open_house()
    job_id, *_ = add(house, MAGNET)
    moved(house, job_id, Submitted)
    house.outcome(house.effect(job_id, Poll), progress=Progress(fraction=0.35, note="12 seeds"))
    text = page(house)
    assert 'aria-label="In the cloud: 35%; not fetched yet"' in text
    assert "12 seeds" in text
    moved(house, job_id, CloudReady)
    house.effect(job_id, Fetch)
    house.advance(job_id, Progress(2**20, 4 * 2**20, bytes_per_s=2**20))
    wait_until(lambda: "1.0MiB/s · 0:03 left" in page(house))
    text = page(house)
    assert "1.0MiB of 4.0MiB" in text
    assert 'aria-label="The cloud has it; fetched: 25%"' in text
    moved(house, job_id, Published)
    assert "3.0MiB" in page(house)


def test_what_goes_to_a_remote_account(tmp_path):
    """It is sent, not fetched: one way, then where it lies; its life says so, too."""
    target = RemoteTarget("GDrive", "folder-1")
    house = House(tmp_path, {"tv": Destination("tv", "/unused", Route.REMOTE, target)}).start()
    try:
        (job_id,) = add(house, MAGNET)
        assert "remote account GDrive, folder folder-1" in page(house, f"/jobs/{job_id}")
        moved(house, job_id, Submitted)
        house.outcome(house.effect(job_id, Poll), progress=Progress(fraction=0.4))
        text = page(house)
        assert "being sent</span>" in text
        assert 'aria-label="On its way to the remote account: 40%"' in text
        delivery = Delivery("GDrive", "folder-1", "Some.Film", 3 * 2**20)
        house.outcome(house.effect(job_id, Poll), event=Delivered(job_id, 3.0, delivery))
        text = page(house)
        assert "sent to remote account GDrive, folder folder-1" in text
        assert "3.0MiB" in text
        text = page(house, f"/jobs/{job_id}")
        assert text.count("Some.Film to remote account GDrive, folder folder-1, 3.0MiB") == 2
    finally:
        house.close()


def test_refused_drops(tmp_path):
    """They are no jobs: their folder tells how many there were, and where they lie."""
    house = House(tmp_path)
    house.folders = (HEALTH.__class__("/drop", "tv", "events", "", 0, refused=2),)
    house.start()
    try:
        wait_until(lambda: "2 drops refused: see failed/ in it" in page(house))
        metrics = requests.get(f"{house.url}/metrics", timeout=10).text
        assert 'offcloud_watchd_folder_refused_drops_total{folder="/drop"} 2\n' in metrics
        status = requests.get(f"{house.url}/api/v1/status", timeout=10).json()
        assert status["folders"][0]["refused"] == 2
    finally:
        house.close()


def test_the_disks(open_house, monkeypatch):
    """How much is free on each, and how much of that is promised; what hangs is said and holds nothing up."""
    monkeypatch.setattr(disks, "EVERY_S", 0.0)
    house = open_house()
    assert re.search(r"MiB free of|GiB free of|TiB free of", page(house))
    assert "promised" not in page(house)
    house.promised_bytes = 3 * 2**30
    text = page(house)
    assert "3.0GiB of it promised to what is fetched now" in text
    assert f'<span class="path">{house.output}</span>' in text
    going_on = threading.Event()
    monkeypatch.setattr(disks, "PATIENCE_S", 0.05)
    monkeypatch.setattr(desk.Desk, "disks", lambda _: going_on.wait(10) and ())
    try:
        assert "The disks do not answer yet." in page(house)
        assert "The disks do not answer yet." in page(house)
    finally:
        going_on.set()
    wait_until(lambda: "No disk answers." in page(house))


def test_filters_and_pages(open_house):
    """By state, category and words; fifty at a time, what moves first."""
    house = open_house()
    ids = add(house, *(f"https://example.org/{number:03}.iso" for number in range(60)))
    moved(house, ids[59], Submitted)
    text = page(house)
    assert "1 to 50 of 60 jobs" in text
    assert re.findall(r'id="row-([0-9a-f]+)"', text)[0] == ids[59]
    assert 'href="/?page=2" rel="next"' in text
    assert "51 to 60 of 60 jobs" in page(house, page=2)
    assert "none on this page" in page(house, page=9)
    assert "1 job<" in page(house, state="cloud")
    assert "1 job<" in page(house, text="ORG/007.iso")
    assert "60 jobs" in page(house, category="tv")
    assert "No job is like that" in page(house, category="films")
    for wrong in ({"state": "no"}, {"page": "x"}, {"page": "-1"}, {"page": "9" * 30}):
        assert "60 jobs" in page(house, **wrong)


def test_what_needs_the_reader(tmp_path):
    """Paused lanes, folders, failed jobs, each with the reason and what can be done; then the plan."""
    house = House(tmp_path)
    house.trouble[Lane.API] = Blocked("api", "the key was refused")
    house.folders = (HEALTH.__class__("/gone", "tv", "poll", "it is missing", 0),)
    house.account = Account("me@example.org", premium=False, can_download=False, expires="2027-01-01")
    house.start()
    try:
        wait_until(lambda: "2 things need you" in page(house))
        text = page(house)
        assert "the key was refused" in text
        assert "it is missing" in text
        assert "has not told of the account" in text
        del house.trouble[Lane.API]
        asked = page(house, "/act/retry")
        assert "Try what is paused now?" in asked
        assert send(house, "/act/retry", back="/").status_code == 303
        wait_until(lambda: "1 thing needs you" in page(house))
        text = page(house)
        assert "no premium plan, until 2027-01-01" in text
        assert "not allowed by the service" in text
    finally:
        house.close()


def test_what_was_no_drop_is_not_offered_again(open_house):
    """There was nothing in it to submit: it is told with its reason, and can be forgotten."""
    house = open_house()
    unusable = replace(a_link("file"), kind=LinkKind.FILE, url="")
    drop = replace(an_intake(), links=Links((), (BadLine(None, "it is damaged"),)), unusable=unusable)
    house.inbox.put(Looked(Look((Wish(drop, lambda: None),))))
    wait_until(lambda: bool(house.jobs))
    text = page(house)
    assert "it is damaged" in text
    assert "/act/forget" in text
    assert "/act/retry" not in text


def test_many_failures(open_house):
    """The newest are told with their reasons, the rest are counted; all can be retried at once."""
    house = open_house()
    ids = add(house, *(f"https://example.org/{number}.iso" for number in range(5)))
    for job_id in ids:
        moved(house, job_id, Submitted, CloudReady, Failed)
    text = page(house)
    assert "It works; 5 jobs failed" in text
    assert "2 more failed" in text
    asked = page(house, "/act/retry", state="failed")
    assert "Retry 5 jobs?" in asked
    assert send(house, "/act/retry", state="failed").headers["location"] == "/?said=retry"
    assert {job.state for job in house.jobs.values()} == {JobState.QUEUED}


def test_adding(open_house):
    """Links and files in one form; what cannot be taken is named, and the rest is taken."""
    house = open_house()
    files = [("files", ("dir\\list.txt", f"{MAGNET}\nnonsense\n")), ("files", ("a.nzb", b"<nzb/>"))]
    answer = send(house, "/add", uploads=files, text="https://example.org/a.iso", category="films")
    assert answer.status_code == 200
    assert "line 2" in answer.text
    assert "a.nzb" in answer.text
    assert sorted(job.destination.category for job in house.jobs.values()) == ["films", "films"]
    assert {drop.name for job in house.jobs.values() for drop in job.drops} >= {"list.txt"}
    assert "nothing to add" in send(house, "/add", text=" ").text
    assert "nothing taken" in send(house, "/add", text=MAGNET, category="../up").text
    assert "nothing taken" in send(house, "/add", text="nonsense").text
    assert "nothing taken" in send(house, "/add", text="# nothing but a remark").text
    assert len(house.jobs) == 2


@pytest.mark.parametrize("verb", ["cancel", "forget"])
def test_it_is_asked_before_anything_is_done(open_house, verb):
    """The link leads to a question; only its form does it, and leads back where one was."""
    house = open_house()
    (job_id,) = add(house, MAGNET)
    assert f'href="/act/{verb}?job={job_id}"' in page(house)
    asked = page(house, f"/act/{verb}", job=job_id, back="/?state=queued")
    assert f"{verb.capitalize()} 1 job?" in asked
    assert "Some.Film" in asked
    assert house.jobs[job_id].state is JobState.QUEUED
    answer = send(house, f"/act/{verb}", job=job_id, back="/?state=queued", files="true")
    wanted = {"cancel": "/?state=queued&said=cancel", "forget": "/?said=forget"}
    assert answer.headers["location"] == wanted[verb]
    after = house.jobs[job_id]
    assert (after.state, after.remove_files) == (
        (JobState.FAILED, False) if verb == "cancel" else (JobState.REMOVED, True)
    )
    assert {"cancel": "Cancelled.", "forget": "Forgotten."}[verb] in page(house, answer.headers["location"])


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1"]
)
def test_nobody_is_led_elsewhere(open_house, back):
    """What is given as the way back is one of our pages, or the front one."""
    house = open_house()
    (job_id,) = add(house, MAGNET)
    assert "evil" not in page(house, "/act/cancel", job=job_id, back=back)
    assert send(house, "/act/cancel", job=job_id, back=back).headers["location"] == "/?said=cancel"


def test_a_form_needs_its_token(open_house):
    """Without, with another one, and with that of another session nothing is done."""
    house = open_house()
    (job_id,) = add(house, MAGNET)
    for wrong in ("", "0" * 64, "é"):
        assert send(house, "/act/cancel", job=job_id, token=wrong).status_code == 403
        assert send(house, "/add", text="https://example.org/b", token=wrong).status_code == 403
    good = token(page(house))
    other = requests.post(
        f"{house.url}/act/cancel",
        data={"job": job_id, "token": good},
        headers={"cookie": "SID=another"},
        timeout=10,
    )
    assert other.status_code == 403
    bad_form = requests.post(
        f"{house.url}/act/cancel",
        data=b"nothing",
        headers={"content-type": "multipart/form-data"},
        timeout=10,
    )
    assert bad_form.status_code == 403
    assert [job.state for job in house.jobs.values()] == [JobState.QUEUED]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"token=&" + b"&".join(b"job=%d" % n for n in range(10_000))),
        ("application/x-www-form-urlencoded", b"text=" + b"x" * (5 * 2**20)),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\ncontent-disposition: form-data\r\n\r\n\r\n--x--"),
        (
            "multipart/form-data; boundary=x",
            b"".join(b'--x\r\ncontent-disposition: form-data; name="j"\r\n\r\n1\r\n' for _ in range(2000))
            + b"--x--",
        ),
        ("application/json", b"{}"),
    ],
)
def test_forms_beyond_the_bounds(open_house, kind, body):
    """They are as good as no form: nothing is done, and the server goes on."""
    house = open_house()
    answer = requests.post(f"{house.url}/add", data=body, headers={"content-type": kind}, timeout=10)
    assert answer.status_code == 403
    assert "All is well" in page(house)


def test_what_is_not_there(open_house):
    """Unknown jobs, verbs and jobs that have moved on are told so."""
    house = open_house()
    (job_id,) = add(house, MAGNET)
    assert "no job 0123" in page(house, "/jobs/0123", 404)
    page(house, "/act/delete", 404, job=job_id)
    page(house, "/act/cancel", 404, job="0123")
    page(house, "/act/cancel", 404)
    assert send(house, "/act/delete", job=job_id).status_code == 403
    assert send(house, "/act/cancel", job="0123").status_code == 404
    for path in (
        "/page/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%252e%252e/etc/passwd",
        "/style.css/..%2fx",
    ):
        assert requests.get(f"{house.url}{path}", timeout=10).status_code == 404


def test_a_full_disk(open_house, monkeypatch):
    """What cannot be recorded is said, and nothing was done."""
    house = open_house()
    (job_id,) = add(house, MAGNET)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tests.fakes.house.write_command", full)
    for answer in (send(house, "/add", text=MAGNET), send(house, "/act/cancel", job=job_id)):
        assert (answer.status_code, "No space left" in answer.text) == (503, True)


def test_a_life(open_house):
    """Everything that is known of a job, and all that happened, without any link."""
    house = open_house()
    (job_id,) = add(house, "https://example.org/a.iso?key=SECRET")
    moved(house, job_id, Submitted, CloudReady, Published)
    text = page(house, f"/jobs/{job_id}")
    for part in (
        "about to be submitted",
        "submitted as request r1",
        "published: /out/tv/a",
        "3 files",
        "size",
    ):
        assert part in text
    assert "SECRET" not in text
    assert f'data-live="/live?job={job_id}&amp;seen=' in text


def test_a_life_that_cannot_be_read(open_house, monkeypatch):
    """The rest of the page is there all the same."""

    def broken(*_: object) -> None:
        raise JournalDamaged("line 7")

    house = open_house()
    (job_id,) = add(house, MAGNET)
    monkeypatch.setattr("offcloud_watchd.web.desk.Desk.history", broken)
    assert "The journal cannot be read" in page(house, f"/jobs/{job_id}")


def test_names_are_inert(open_house):
    """Whatever a name holds is text: no markup, no attribute, no sign that turns the text around."""
    house = open_house()
    (job_id,) = add(house, f"magnet:?xt=urn:btih:{'6b' * 20}&dn={quote(EVIL)}")
    shown = html.escape(EVIL.replace("\u202e", "\\u202e"))
    for path in ("/", f"/jobs/{job_id}", f"/act/cancel?job={job_id}"):
        text = page(house, path)
        assert shown in text
        assert "<script>alert" not in text
        assert "\u202e" not in text
    assert "<b>" not in page(house, text='"><b>').partition("<main")[2].partition("class=")[0]


def test_policy(open_house):
    """The page may load its own style and script and nothing else; nothing is written into it."""
    house = open_house()
    for path in ("/", "/jobs/none", "/login", "/page.js", "/style.css", "/icon.svg"):
        answer = requests.get(f"{house.url}{path}", timeout=10)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        if "html" in answer.headers["content-type"]:
            assert not re.search(r"<style|style=|\son\w+=|<script(?! src=)", answer.text)


def test_behind_a_password(open_house, password_file):
    """Whoever is not in sees where to log in and nothing else, logs in, and out again."""
    house = open_house(password_file=password_file)
    for path in ("/jobs/x", "/act/retry", "/add"):
        answer = requests.request(
            "POST" if path == "/add" else "GET", f"{house.url}{path}", timeout=10, allow_redirects=False
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert requests.get(f"{house.url}/live", timeout=10).status_code == 403
    with requests.Session() as session:
        first = session.get(house.url, timeout=10).text
        assert "/drop" not in first
        good = token(first)

        def login(password: str, with_token: str = good) -> requests.Response:
            form = {"password": password, "token": with_token}
            return session.post(f"{house.url}/login", data=form, timeout=10)

        assert "too old" in login("open sesame", "0").text
        assert "not the password" in login("guess").text
        assert "/drop" in login("open sesame").text
        inside = session.get(house.url, timeout=10).text
        assert "Log out" in inside
        assert "Log out" in session.post(f"{house.url}/logout", data={"token": good}, timeout=10).text
        out = session.post(f"{house.url}/logout", data={"token": token(inside)}, timeout=10)
        assert out.url.endswith("/login")
        assert "/drop" not in session.get(house.url, timeout=10).text
        for _ in range(5):
            login("guess")
        assert "wait a minute" in login("open sesame").text


def test_traffic(open_house, monkeypatch):
    """What came home is drawn, over an hour or a day, and said in words."""
    monkeypatch.setattr(live, "FINE_S", 0.02)
    house = open_house()
    (job_id,) = add(house, MAGNET)
    moved(house, job_id, Submitted, CloudReady)
    house.effect(job_id, Fetch)
    for done in range(1, 20):
        house.advance(job_id, Progress(done * 2**20, 2**30, bytes_per_s=1.0))
    wait_until(lambda: "on average" in page(house))
    assert re.search(r'<path d="M[0-9.]+ 100 L', page(house))
    assert "Last day: nothing to show yet" in page(house, span="day")
    assert 'name="span" value="day"' in page(house, span="day")


# --- live --------------------------------------------------------------------------------------------------


def heard(house: House, path: str) -> requests.Response:
    """Open a stream."""
    return requests.get(f"{house.url}{path}", stream=True, timeout=10)


def test_the_front_page_is_told(open_house, monkeypatch):
    """What is new is sent as parts and rows, each whole; what was sent is not sent again."""
    monkeypatch.setattr(live, "TICK_S", 0.02)
    house = open_house()
    with heard(house, "/live?state=queued") as stream:
        lines = stream.iter_lines(decode_unicode=True)
        first = next(line for line in lines if line.startswith("data"))
        assert '"tiles"' in first
        (job_id,) = add(house, MAGNET)
        second = next(line for line in lines if f"row-{job_id}" in line)
        assert f'"rows":["row-{job_id}"]' in second
        assert '"folders"' not in second
        moved(house, job_id, Submitted)
        assert next(line for line in lines if '"rows":[]' in line)


def test_the_page_of_a_job_is_told(open_house, monkeypatch):
    """Its head as it changes, that its life is to be read anew, and that it is gone."""
    monkeypatch.setattr(live, "TICK_S", 0.02)
    house = open_house()
    (job_id,) = add(house, MAGNET)
    with heard(house, f"/live?job={job_id}") as stream:
        lines = stream.iter_lines(decode_unicode=True)
        assert next(line for line in lines if '"head"' in line)
        moved(house, job_id, Submitted)
        assert next(line for line in lines if line == "event: stale")
    with heard(house, "/live?job=0123") as stream:
        assert next(line for line in stream.iter_lines(decode_unicode=True) if "There is no job 0123" in line)


# --- markup ------------------------------------------------------------------------------------------------


def test_markup():
    """Text is escaped, once; markup stays; attributes are left out, bare or escaped."""
    made = tag(
        "a", "<b>", None, 1, tag("i", "x"), ["&", None], href='"', class_="c", aria_label=1.5, off=False
    )
    assert made == '<a href="&quot;" class="c" aria-label="1.5">&lt;b&gt;1<i>x</i>&amp;</a>'
    assert tag("input", required=True, value=None) == "<input required>"
    assert joined("\x1b\u202e\x00") == r"\x1b\u202e\x00"
    assert isinstance(made, Html)
