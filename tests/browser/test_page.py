"""The page in a real browser: what it shows by itself, and every way to act on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from offcloud_watchd.core.effects import Fetch
from offcloud_watchd.core.events import Failed
from offcloud_watchd.core.model import JobState, Lane, Progress
from offcloud_watchd.errors import Blocked
from tests.browser.crowd import EVIL, MAGNET, MIB, add, every_kind, go
from tests.browser.webdriver import Browser
from tests.fakes.house import House, wait_until

LIVE_S = 2.0
TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"


def shown(browser: Browser) -> str:
    """Return what is to be read on the page."""
    return str(browser.run("return document.body.innerText"))


def row(browser: Browser, job_id: str, text: str) -> None:
    """Wait until a row holds a text, as long as a live page may take."""
    browser.wait(
        "document.getElementById('row-' + arguments[0])?.innerText.includes(arguments[1])",
        job_id,
        text,
        within_s=LIVE_S,
    )


def said(browser: Browser, text: str) -> None:
    """Wait until the page that follows a form says so, and is there with its script."""
    browser.wait(
        "document.readyState === 'complete' && document.querySelector('.said')?.innerText === arguments[0]",
        text,
    )


def test_it_is_live(browser: Browser, house: House):
    """What comes, moves, ends and goes is seen within two seconds, without a reload; the title, too."""
    browser.run("window.same = true")
    (job_id,) = add(house, "Some.Film")
    row(browser, job_id, "waiting")
    go(house, job_id, "submitted")
    row(browser, job_id, "in the cloud")
    go(house, job_id, "ready")
    fetch = house.effect(job_id, Fetch)
    house.advance(job_id, Progress(300 * MIB, 1200 * MIB, bytes_per_s=12.0 * MIB))
    row(browser, job_id, "25%")
    browser.wait("document.title.startsWith('1 fetching')", within_s=LIVE_S)
    house.outcome(fetch, event=Failed(job_id, time.time(), "no luck"))
    row(browser, job_id, "no luck")
    browser.wait("document.getElementById('trouble').innerText.includes('no luck')", within_s=LIVE_S)
    body = {"verb": "forget", "jobs": [job_id]}
    requests.post(f"{house.url}/api/v1/commands", json=body, timeout=10).raise_for_status()
    row(browser, job_id, "being removed")
    assert browser.run("return window.same")


def test_links_are_pasted(browser: Browser, house: House):
    """The form takes them, names what it cannot take, and leads back."""
    browser.find("#links").type(f"{MAGNET}\nnonsense")
    browser.find("#add button").click()
    browser.wait("document.body.innerText.includes('line 2')")
    assert len(house.jobs) == 1
    browser.find("main a").click()
    browser.wait("document.querySelector('.job')")
    browser.find("summary").click()
    browser.find("#links").type("https://example.org/a.iso")
    browser.find("#into").type("films")
    browser.find("#add button").click()
    said(browser, "Added.")
    assert {job.destination.category for job in house.jobs.values()} == {"tv", "films"}


def test_files_are_dropped_on_the_page(browser: Browser, house: House, tmp_path: Path):
    """Anywhere; they lie in the form then, and go with it. Chosen files go, too."""
    browser.run(
        """
        const carried = new DataTransfer();
        carried.items.add(new File([arguments[0]], "dropped.magnet"));
        for (const kind of ["dragover", "drop"])
          document.querySelector("h1").dispatchEvent(
            new DragEvent(kind, {dataTransfer: carried, bubbles: true, cancelable: true}));
        """,
        MAGNET,
    )
    assert browser.run("return document.getElementById('files').files[0].name") == "dropped.magnet"
    browser.find("#add button").click()
    said(browser, "Added.")
    (tmp_path / "list.txt").write_text("https://example.org/a.iso\nhttps://example.org/b.iso\n")
    browser.find("summary").click()
    browser.find("#files").type(str(tmp_path / "list.txt"))
    browser.find("#add button").click()
    browser.wait("document.querySelectorAll('.job').length === 3")
    assert {job.drops[0].name for job in house.jobs.values()} == {"dropped.magnet", "list.txt"}


def test_it_is_asked_in_place(browser: Browser, house: House):
    """Cancel, retry and forget ask in a dialog; Escape leaves everything, and the focus where it was."""
    (job_id,) = add(house, "Some.Film")
    row(browser, job_id, "waiting")
    cancel = f"a[href='/act/cancel?job={job_id}']"
    browser.find(cancel).click()
    browser.wait("document.querySelector('dialog[open]')")
    browser.keys(ESCAPE)
    browser.wait("!document.querySelector('dialog')")
    assert browser.run("return document.activeElement.matches(arguments[0])", cancel)
    assert house.jobs[job_id].state is JobState.QUEUED
    browser.keys(ENTER)
    browser.wait("document.querySelector('dialog[open]')")
    browser.find("dialog button").click()
    said(browser, "Cancelled.")
    assert house.jobs[job_id].state is JobState.FAILED
    browser.find(f"#row-{job_id} a[href='/act/retry?job={job_id}']").click()
    browser.wait("document.querySelector('dialog[open]')")
    browser.find("dialog button").click()
    said(browser, "Tried again.")
    assert house.jobs[job_id].state is JobState.QUEUED
    browser.find(f"a[href='/act/forget?job={job_id}']").click()
    browser.wait("document.querySelector('dialog[open]')")
    browser.find("dialog input[name=files]").click()
    browser.find("dialog button").click()
    said(browser, "Forgotten.")
    assert house.jobs[job_id].remove_files


def test_a_lane_is_tried(browser: Browser, house: House):
    """A paused lane is seen with its reason, and tried at once on wish."""
    house.trouble[Lane.API] = Blocked("api", "the key was refused: put a new one into the key file")
    (job_id,) = add(house, "Some.Film")
    effect = house.lanes.open[job_id]
    house.outcome(effect, error=house.trouble[Lane.API])
    browser.wait("document.body.innerText.includes('the key was refused')", within_s=LIVE_S)
    browser.wait("document.getElementById('health').innerText === '1 thing needs you'", within_s=LIVE_S)
    del house.trouble[Lane.API]
    browser.find("#trouble a[href='/act/retry']").click()
    browser.wait("document.querySelector('dialog[open]')")
    browser.find("dialog button").click()
    browser.wait("document.getElementById('health')?.innerText === 'All is well'")


def test_filters(browser: Browser, house: House):
    """As one types, by what one chooses, by the numbers, page by page; the address follows."""
    ids = add(house, *(f"Film.{number:03}.mkv" for number in range(60)))
    go(house, ids[7], "submitted")
    browser.wait("document.querySelectorAll('.job').length === 50", within_s=LIVE_S)
    browser.run("window.same = true")
    browser.find("#pages a").click()
    browser.wait("document.querySelectorAll('.job').length === 10")
    assert browser.url.endswith("/?page=2")
    browser.find("#text").type("film .007.")  # no id holds it
    browser.wait("document.querySelectorAll('.job').length === 1")
    row(browser, ids[7], "in the cloud")
    go(house, ids[7], "ready")
    row(browser, ids[7], "fetching")
    browser.find("#tiles .queued a").click()
    browser.wait("document.getElementById('count').innerText === '1 to 50 of 59 jobs'")
    assert browser.run("return document.getElementById('state').value") == "queued"
    assert browser.run("return document.getElementById('text').value") == ""
    browser.find("#traffic a").click()
    browser.wait("document.getElementById('traffic').innerText.includes('Last day')")
    assert browser.run("return window.same")


def test_a_life(browser: Browser, house: House):
    """A job's page goes on by itself: how far it is, and what happened."""
    (job_id,) = add(house, "Some.Film")
    row(browser, job_id, "waiting")
    browser.find(".job .name").click()
    browser.wait("document.querySelector('.life')")
    go(house, job_id, "submitted")
    browser.wait(
        "document.querySelector('.life').innerText.includes('submitted as request request-')", within_s=LIVE_S
    )
    browser.wait("document.getElementById('head').innerText.includes('in the cloud')", within_s=LIVE_S)


def test_names_are_inert(browser: Browser, house: House):
    """A name that is markup is read as it is, on the page, in the dialog, in the title; nothing runs."""
    (job_id,) = add(house, EVIL)
    seen = EVIL.replace("\u202e", "\\u202e")
    row(browser, job_id, seen)
    browser.find(f"a[href='/act/cancel?job={job_id}']").click()
    browser.wait("document.querySelector('dialog[open]')?.innerText.includes(arguments[0])", seen)
    browser.open(f"{house.url}/jobs/{job_id}")
    assert seen in shown(browser)
    assert browser.run("return document.title").startswith(seen)
    assert browser.run("return document.querySelectorAll('img, script:not([src])').length") == 0


def test_the_focus_stays(browser: Browser, house: House):
    """What changes around it, and in its own row, does not take the focus away."""
    (job_id,) = add(house, "Some.Film")
    row(browser, job_id, "waiting")
    browser.run("document.querySelector('.job .act').focus()")
    go(house, job_id, "submitted")
    row(browser, job_id, "in the cloud")
    add(house, "Another.Film")
    browser.wait("document.querySelectorAll('.job').length === 2", within_s=LIVE_S)
    assert browser.run("return document.activeElement.matches('.job .act')")


def test_the_first_key_leads_past_the_head(browser: Browser):
    """The first stop is the way past the head; it can be seen there."""
    browser.keys(TAB)
    assert browser.run("return document.activeElement.innerText") == "Skip to the content"
    assert browser.run("return document.activeElement.getBoundingClientRect().width") > 50
    browser.keys(ENTER)
    assert browser.run("return document.activeElement.id") == "main"


def test_when_the_daemon_is_away(window: Callable[..., Browser], tmp_path: Path):
    """The page says that it does not know; back again it goes on, with what was asked meanwhile."""
    house = House(tmp_path).start()
    listen = house.url.removeprefix("http://")
    opened = window()
    opened.open(house.url)
    house.close()
    opened.wait("!document.getElementById('offline').hidden", within_s=15)
    opened.find("#text").type("film.")
    opened.wait("performance.getEntriesByName(location.origin + '/?text=film.').length")
    again = House(tmp_path, listen=listen).start()
    try:
        opened.wait("document.getElementById('offline').hidden", within_s=15)
        opened.wait("location.search === '?text=film.'", within_s=15)
        job_id, other = add(again, "Some.Film.1", "Something.Else")
        row(opened, job_id, "waiting")
        assert not opened.run("return document.getElementById('row-' + arguments[0])", other)
    finally:
        again.close()
        opened.open("about:blank")


def test_behind_a_password(window: Callable[..., Browser], tmp_path: Path):
    """In with the password, out again; a page that lies open then shows the way in."""
    secret = tmp_path / "password"
    secret.write_text("open sesame")
    secret.chmod(0o600)
    house = House(tmp_path, password_file=secret).start()
    opened = window()
    try:
        opened.open(house.url)
        opened.find("#password").type("guess" + ENTER)
        opened.wait("document.body.innerText.includes('not the password')")
        opened.find("#password").type("open sesame" + ENTER)
        opened.wait("document.getElementById('tiles')")
        (job_id,) = _added_by_form(opened, house)
        row(opened, job_id, "waiting")
        opened.find("header form button").click()
        opened.wait("document.getElementById('password')")
        opened.open(f"{house.url}/jobs/{job_id}")
        assert opened.url.endswith("/login")
    finally:
        house.close()
        opened.open("about:blank")


def _added_by_form(opened: Browser, house: House) -> list[str]:
    opened.find("#links").type(MAGNET)
    opened.find("#add button").click()
    wait_until(lambda: len(house.jobs) == 1)
    opened.wait("document.querySelector('.job')")
    return list(house.jobs)


def test_without_script(window: Callable[..., Browser], house: House):
    """Everything can be seen and done: adding, filtering, asking, cancelling."""
    opened = window(script=False)
    opened.open(house.url)
    opened.find("#links").type(MAGNET)
    opened.find("#add button").click()
    assert "Added." in opened.find(".said").text
    (job_id,) = house.jobs
    opened.find("#text").type("film" + ENTER)
    wait_until(lambda: "text=film" in opened.url)
    opened.find(f"a[href='/act/cancel?job={job_id}']").click()
    assert "Cancel 1 job?" in opened.find("#confirm").text
    opened.find("#confirm button").click()
    assert "Cancelled." in opened.find(".said").text
    opened.find(".job .name").click()
    assert "cancelled by the operator" in opened.find(".life").text
    opened.open("about:blank")


def test_five_thousand_jobs(browser: Browser, house: House):
    """The page stays quick: its first paint, an update, and a filter over all of them."""
    ids = add(house, *(f"Film.{number:04}.1080p" for number in range(5000)))
    browser.open(house.url)
    paint_s = browser.wait("performance.getEntriesByName('first-contentful-paint')[0]?.startTime") / 1000
    go(house, ids[0], "submitted")
    began = time.monotonic()
    row(browser, ids[0], "in the cloud")
    update_s = time.monotonic() - began
    began = time.monotonic()
    browser.find("#text").type("Film.4321.1080p")
    browser.wait("document.getElementById('count').innerText === '1 job'")
    filter_s = time.monotonic() - began
    print(f"5,000 jobs: first paint {paint_s:.2f} s, update {update_s:.2f} s, filter {filter_s:.2f} s")
    assert paint_s < 2
    assert filter_s < 2


@pytest.mark.torture  # axe-core comes from another registry
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(browser: Browser, house: House, axe: str, *, dark: bool, width: int):
    """For screen readers, keyboards and weak eyes: no violation on any page, in any look."""
    house.folders = (*house.folders, house.folders[0].__class__("/gone", "films", "poll", "it is missing", 2))
    ids = every_kind(house)
    browser.dark(on=dark)
    browser.resize(width, 900)
    found: list[str] = []
    for path in ("/", "/?state=done", f"/jobs/{ids[0]}", f"/act/forget?job={ids[0]}", "/login", "/jobs/none"):
        browser.open(f"{house.url}{path}")
        if path == "/":
            browser.run("document.getElementById('add').open = true")
        found += _violations(browser, axe, path)
    browser.open(house.url)
    browser.find("a[data-ask]").click()
    browser.wait("document.querySelector('dialog[open]')")
    found += _violations(browser, axe, "dialog")
    overflows = browser.run("return document.documentElement.scrollWidth > innerWidth")
    browser.complaints()  # one of the pages is a 404
    assert found == []
    assert not overflows


def _violations(browser: Browser, axe: str, where: str) -> list[str]:
    browser.run(axe)
    found = browser.run_and_wait("axe.run(document).then(r => arguments[0](JSON.stringify(r.violations)))")
    return [
        f"{where}: {one['id']}: {node['html'][:200]}" for one in json.loads(found) for node in one["nodes"]
    ]
