"""The sandbox as a whole: start and stop, the desk, what must arrive."""

from __future__ import annotations

import hashlib
import logging
import threading

import pytest
import requests

from offcloud_watchd.errors import ConfigError
from offcloud_watchd.sandbox import (
    Fault,
    GeneratedLibrary,
    Release,
    Sandbox,
    SandboxSettings,
)
from offcloud_watchd.sandbox.settings import SystemClock
from offcloud_watchd.sandbox.source import Source, read_source
from tests.unit.sandbox.driver import HASH, KEY, MAGNET, Driver, driving, magnet, until


def test_the_file_host_is_another_address(both: Driver) -> None:
    """Files come from another host than the API's, as with the service."""
    assert both.sandbox.url.startswith("http://127.0.0.1:")
    assert both.sandbox.file_url.startswith("http://127.0.0.2:")


def test_a_file_host_whose_address_cannot_be_had() -> None:
    """The file host falls back to the API's address."""
    with Sandbox(SandboxSettings(file_listen="192.0.2.1:0")) as sandbox:
        assert sandbox.file_url.startswith("http://127.0.0.1:")
        assert sandbox.file_url != sandbox.url


def test_an_address_that_is_taken() -> None:
    """A port in use is a mistake to be told, and nothing is left listening."""
    with Sandbox() as first:
        taken = first.url.removeprefix("http://")
        for settings in (SandboxSettings(listen=taken), SandboxSettings(file_listen=taken)):
            with pytest.raises(ConfigError, match="cannot listen on"):
                Sandbox(settings).start()


def test_stop_and_start_again(both: Driver) -> None:
    """After an outage the service is back at the same addresses with the same account and links."""
    link = both.links(both.finished(magnet("A[single]")))[0]
    url = both.sandbox.url
    both.sandbox.stop()
    both.sandbox.stop()
    with pytest.raises(requests.ConnectionError):
        both.get("/api/cloud/history")
    assert both.sandbox.start().start().url == url
    assert len(both.get("/api/cloud/history").json()) == 1
    assert both.file(link, "HEAD").status_code == 200


def test_no_thread_stays() -> None:
    """Stopping ends every thread, hanging calls too."""
    before = threading.active_count()
    with driving() as driver:
        driver.sandbox.faults.add(Fault("hang", "cloud/history", seconds=300))
        failed: list[Exception] = []

        def ask() -> None:
            try:
                driver.get("/api/cloud/history")
            except requests.ConnectionError as error:
                failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: "cloud/history" in driver.sandbox.books().calls)
        driver.sandbox.stop()
        thread.join()
        assert failed
    assert threading.active_count() == before


def test_works_without_any_setting() -> None:
    """The defaults are a whole sandbox, on the machine's own clock."""
    with Sandbox() as sandbox:
        answer = requests.get(f"{sandbox.url}/api/account/info", params={"key": "sandbox-key"}, timeout=10)
    assert answer.json()["is_premium"] is True


def test_the_system_clock() -> None:
    """Both clocks run forward."""
    clock = SystemClock()
    assert clock.now() > 1_700_000_000
    assert clock.monotonic() <= clock.monotonic()


# --- what must arrive ---------------------------------------------------------------------------------------


def test_expected_before_and_after(both: Driver) -> None:
    """What must arrive is known before anything is submitted, by link; afterwards by key too."""
    link = magnet("A[tree]")
    before = both.sandbox.expected_files(link)
    both.submit(link)
    assert both.sandbox.expected_files(link) == both.sandbox.expected_files(KEY) == before
    path, size = before[0]
    content = both.sandbox.expected_bytes(KEY, path)
    assert len(content) == size
    assert both.sandbox.expected_sha256(link, path) == hashlib.sha256(content).hexdigest()
    assert both.sandbox.expected_bytes(KEY, path, 10, 20) == content[10:20]
    assert both.sandbox.expected_bytes(KEY, path, size - 5, size + 5) == content[-5:]
    with pytest.raises(KeyError):
        both.sandbox.expected_sha256(link, "other")


def test_another_library() -> None:
    """Content can come from elsewhere."""

    class Fixed:
        """A library of one release."""

        def release(self, source: Source) -> Release:
            return GeneratedLibrary(10).release(read_source("http://x.org/fixed.bin"))

    with Sandbox(SandboxSettings(library=Fixed())) as sandbox:
        assert sandbox.expected_files(MAGNET) == [("fixed.bin", 10)]


# --- the desk -----------------------------------------------------------------------------------------------


def test_books_as_json(both: Driver) -> None:
    """The books are served without a key, and looking does not count."""
    both.submit()
    answer = both.get("/sandbox/books", key="").json()
    assert answer == {
        "contents": {KEY: {"items_created": 1, "live_items": 1, "posts": 1, "bytes_served": 0}},
        "calls": {"cloud": 1},
        "auth_failures": 0,
        "transfers": [],
        "given": [],
    }


@pytest.mark.parametrize("path", ["/sandbox", "/sandbox/"])
def test_page(both: Driver, path: str) -> None:
    """The page shows the books, and nothing from outside gets into its markup."""
    both.post("/api/cloud", data={"url": "http://x.org/<script>alert(1)</script>"})
    answer = both.get(path, key="")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_faults_by_http(both: Driver) -> None:
    """Faults can be set, looked at and cleared over HTTP."""
    fault = {"kind": "html", "endpoint": "cloud/history", "status": 404}
    pending = both.post("/sandbox/faults", key="", json=[fault, fault]).json()
    assert [entry["kind"] for entry in pending] == ["html", "html"]
    assert both.get("/api/cloud/history").status_code == 404
    assert len(both.get("/sandbox/faults").json()) == 1
    assert both.call("DELETE", "/sandbox/faults").json() == []
    assert both.get("/api/cloud/history").status_code == 200


def test_faults_that_are_refused(both: Driver) -> None:
    """Nonsense is refused with words; a web page's form cannot set a fault."""
    answer = both.post("/sandbox/faults", json={"kind": "explode"})
    assert (answer.status_code, "unknown kind" in answer.json()["error"]) == (400, True)
    assert both.post("/sandbox/faults", data={"kind": "hang"}).status_code == 415
    assert both.call("PUT", "/sandbox/faults").status_code == 405
    assert not both.sandbox.faults.pending()


def test_no_secret_is_logged(both: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the key nor a link nor what was submitted is in the log."""
    with caplog.at_level(logging.DEBUG, logger="offcloud_watchd"):
        link = both.links(both.finished())[0]
        both.file(link)
    assert caplog.text
    for secret in ("sandbox-key", HASH, link, "Some.Show"):
        assert secret not in caplog.text
