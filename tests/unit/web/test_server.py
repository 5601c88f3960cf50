"""The server's thread, its bounds and its end."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from offcloud_watchd.web import guard, protocol, server
from tests.fakes.house import HEALTH, House, wait_until
from tests.fakes.threads import no_more_threads


def connect(house: House) -> socket.socket:
    """Open a connection."""
    host, port = house.url.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def exchange(house: House, data: bytes) -> bytes:
    """Send bytes and return all that comes back until the other side closes."""
    with connect(house) as line:
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        parts = []
        while part := line.recv(65536):
            parts.append(part)
        return b"".join(parts)


def test_alive_and_ready(open_house):
    """A supervisor is told both, without a password."""
    house = open_house()
    assert requests.get(f"{house.url}/healthz", timeout=10).text == "alive\n"
    wait_until(lambda: requests.get(f"{house.url}/readyz", timeout=10).status_code == 200)


def test_not_ready(open_house, tmp_path):
    """A folder with a problem makes the daemon unready, and says which and why."""
    house = House(tmp_path)
    house.folders = (HEALTH, HEALTH.__class__("/gone", "tv", "poll", "it is missing", 0))
    house.start()
    try:
        wait_until(lambda: "/gone" in requests.get(f"{house.url}/readyz", timeout=10).text)
        answer = requests.get(f"{house.url}/readyz", timeout=10)
        assert (answer.status_code, answer.text) == (503, "/gone: it is missing\n")
    finally:
        house.close()


def test_a_silent_engine_is_not_alive(open_house, monkeypatch):
    """When the main thread does not answer the web says so, and does not hang."""
    monkeypatch.setattr("offcloud_watchd.web.desk.ANSWER_WITHIN_S", 0.1)
    house = open_house()
    house.deaf.set()
    assert requests.get(f"{house.url}/healthz", timeout=10).status_code == 503


def test_front(open_house):
    """Clients look at the root to see whether anybody is there."""
    house = open_house()
    assert requests.get(house.url, timeout=10).status_code == 200
    assert requests.head(house.url, timeout=10).status_code == 200


def test_a_port_that_is_taken_is_tried_again(tmp_path, monkeypatch, caplog):
    """The daemon goes on without the web, says so once, and the web comes when the port is free."""
    monkeypatch.setattr(server, "RETRY_S", 0.05)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        house = House(tmp_path, listen=f"127.0.0.1:{port}")
        starting = threading.Thread(target=house.start)
        starting.start()
        wait_until(lambda: "cannot listen" in caplog.text)
        threading.Event().wait(0.2)
    starting.join(10)
    try:
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10).status_code == 200
        assert caplog.text.count("cannot listen") == 1
    finally:
        house.close()


def test_a_web_that_gets_no_thread_is_not_served(tmp_path, caplog):
    """The daemon goes on without it, says so, and ends like any other (fault 106)."""
    house = House(tmp_path)
    web = server.WebServer(house.settings, house.ports())
    with no_more_threads():
        web.start()
    assert "the web is not served: no further thread" in caplog.text
    web.stop(1)


def test_unix_socket(tmp_path: Path):
    """A socket in the file system is for the owner and the group; what a crash left is taken over."""
    path = tmp_path / "web.sock"
    for _ in range(2):
        house = House(tmp_path, listen=f"unix:{path}").start()
        try:
            assert path.stat().st_mode & 0o777 == 0o660
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(10)
                line.connect(str(path))
                line.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                assert line.recv(1000).startswith(b"HTTP/1.1 200")
        finally:
            house.close()
        assert path.exists()


def test_nothing_is_taken_away_from_others(tmp_path: Path, monkeypatch, caplog):
    """A file in the socket's place stays."""
    monkeypatch.setattr(server, "RETRY_S", 0.05)
    path = tmp_path / "web.sock"
    path.write_text("a file")
    house = House(tmp_path, listen=f"unix:{path}")
    starting = threading.Thread(target=house.start, daemon=True)
    starting.start()
    wait_until(lambda: "something else" in caplog.text)
    path.unlink()
    starting.join(10)
    house.close()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8697", "", "localhost.", "127.0.0.1.evil.example"]
)
def test_foreign_hosts_are_refused(open_house, host):
    """A name that leads here without our knowledge is not answered to, and never with a 401."""
    house = open_house()
    answer = requests.get(f"{house.url}/api/v2/app/version", headers={"host": host}, timeout=10)
    assert answer.status_code == 421
    assert "web.allowed_hosts" in answer.text


def test_a_request_that_names_no_host(open_house):
    """It may be old, but is not answered to either."""
    assert exchange(open_house(), b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421")


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80", "192.168.1.9", "NAS.lan:80"])
def test_good_hosts(open_house, host):
    """Our own names, allowed ones in any case, and addresses in figures are good."""
    house = open_house(allowed_hosts=("nas.lan",))
    answer = requests.get(f"{house.url}/api/v2/app/version", headers={"host": host}, timeout=10)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
)
def test_another_sites_page_changes_nothing(open_house, headers):
    """A page elsewhere cannot have a browser on this machine add a link."""
    house = open_house()
    url = f"{house.url}/api/v2/app/setPreferences"
    assert requests.post(url, headers=headers, timeout=10).status_code == 403
    assert requests.post(url, headers={"origin": house.url}, timeout=10).status_code == 200


def test_a_large_body_is_refused(open_house, monkeypatch):
    """By the length it claims, and by what really comes."""
    monkeypatch.setattr(guard, "MAX_BODY_BYTES", 1000)
    house = open_house()
    url = f"{house.url}/api/v2/app/setPreferences"
    assert requests.post(url, data=b"x" * 2000, timeout=10).status_code == 413
    parts = (b"x" * 600 for _ in range(3))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert requests.post(url, data=parts, headers=form, timeout=10).status_code == 413


@pytest.mark.parametrize("path", ["/login", "/api/v2/auth/login", "/c/tv/api/v2/auth/login"])
@pytest.mark.parametrize("in_parts", [False, True])
def test_a_login_is_small(open_house, password_file, monkeypatch, path, in_parts):
    """Anybody may send one, so no file that comes with it is written anywhere."""
    monkeypatch.setattr(guard, "MAX_LOGIN_BYTES", 1000)
    house = open_house(password_file=password_file)
    body = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n' + b"a" * 2000
    form = {"content-type": "multipart/form-data; boundary=x"}
    data = (body[at : at + 600] for at in range(0, len(body), 600)) if in_parts else body
    assert requests.post(f"{house.url}{path}", data=data, headers=form, timeout=10).status_code == 413


def test_a_slow_body_is_given_up(open_house, monkeypatch):
    """A body that does not come does not keep anything."""
    monkeypatch.setattr(guard, "REQUEST_S", 0.2)
    house = open_house()
    with connect(house) as line:
        line.sendall(
            b"POST /api/v2/app/setPreferences HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/x-www-form-urlencoded\r\ncontent-length: 10\r\n\r\nx"
        )
        assert line.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_slow_head_is_given_up(open_house, monkeypatch):
    """A client that sends a byte now and then does not hold a connection for ever."""
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.2)
    house = open_house()
    with connect(house) as silent, connect(house) as slow:
        slow.sendall(b"GET / HT")
        for line in (silent, slow):
            with contextlib.suppress(ConnectionResetError):
                assert line.recv(1) == b""
    assert requests.get(house.url, timeout=10).status_code == 200


def test_a_large_head_is_refused(open_house):
    """Headers have a bound."""
    answer = exchange(open_house(), b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 50_000)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


CHUNKED = b"HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("call", [b"POST /api/v2/auth/login ", b"GET /healthz ", b"GET /api/v1/events "])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_body_that_is_no_http(open_house, caplog, call, at_once):
    """Before the call is answered, while it is, and after that: nobody can fill the log by it."""
    house = open_house()
    with connect(house) as line:
        line.sendall(call + CHUNKED + (b"ZZ\r\n" if at_once else b""))
        came = b""
        while not at_once and call.startswith(b"GET") and b"\r\n\r\n" not in came:
            came += line.recv(65536)  # it is answered, or begins to be
        if not at_once:
            line.sendall(b"ZZ\r\n")
        while part := line.recv(65536):
            came += part
    assert came.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 200 "))
    assert requests.get(f"{house.url}/healthz", timeout=10).text == "alive\n"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("length", [b"ten", b"-1", b"9" * 30])
def test_a_length_that_is_none(open_house, length):
    """A claim that is no length is refused."""
    head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: " + length + b"\r\n\r\n"
    assert exchange(open_house(), head).startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


def test_who_asks_gets_in(open_house, monkeypatch):
    """Beyond the bound the connection goes that owes a request for the longest (fault 115)."""
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 5)
    house = open_house()
    with ExitStack() as lines:
        halves = [lines.enter_context(connect(house)) for _ in range(8)]
        for line in halves:
            with contextlib.suppress(OSError):
                line.sendall(b"GET / HTTP/1.1\r\n")
        wait_until(lambda: [_is_closed(line) for line in halves] == [True] * 3 + [False] * 5)
        for _ in range(10):
            assert requests.get(f"{house.url}/healthz", timeout=10).status_code == 200
        assert [_is_closed(line) for line in halves] == [True] * 4 + [False] * 4
        halves[-1].sendall(b"host: localhost\r\n\r\n")
        halves[-1].settimeout(10)
        assert halves[-1].recv(1000).startswith(b"HTTP/1.1 200")


def test_one_that_idles_makes_room(open_house, monkeypatch):
    """Of those that asked before and ask nothing now; nothing that is under way is cut."""
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 3)
    house = open_house()
    with (
        requests.get(f"{house.url}/api/v1/events", stream=True, timeout=10) as viewer,
        requests.Session() as idle,
    ):
        told = viewer.iter_lines()
        next(told)
        idle.get(f"{house.url}/healthz", timeout=10)
        with ExitStack() as lines:
            viewers = [requests.get(f"{house.url}/api/v1/events", stream=True, timeout=10) for _ in range(2)]
            for one in viewers:
                lines.enter_context(one)
            with connect(house) as line:
                assert _is_closed(line, within_s=5)
            assert [one.status_code for one in viewers] == [200, 200]
            assert next(told) is not None


def _is_closed(line: socket.socket, within_s: float = 0.01) -> bool:
    """Tell whether the other side has closed a connection that it sends nothing on."""
    line.settimeout(within_s)
    try:
        return line.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_bug_is_logged_and_shown_to_nobody(open_house, monkeypatch, caplog):
    """A request that goes wrong ends with a sentence and does not end the server."""

    def broken(*_: object) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr("offcloud_watchd.web.health._reasons", broken)
    house = open_house()
    answer = requests.get(f"{house.url}/readyz", timeout=10)
    assert (answer.status_code, "secret" in answer.text) == (500, False)
    assert "GET /readyz went wrong" in caplog.text
    assert requests.get(f"{house.url}/healthz", timeout=10).status_code == 200


def test_the_end_waits_for_nobody(open_house, monkeypatch):
    """Idle connections and requests that hang do not hold the end up."""
    monkeypatch.setattr(server, "FINISH_WITHIN_S", 0.1)
    house = open_house()
    house.deaf.set()
    with connect(house) as idle, connect(house) as hanging:
        hanging.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        threading.Event().wait(0.1)
        began = time.monotonic()
        house.web.stop(10)
        assert time.monotonic() - began < 5
        assert idle.recv(1) == b""


def test_nothing_of_requests_is_logged(open_house, caplog):
    """Addresses may hold what nobody else should read."""
    caplog.set_level(logging.DEBUG)
    house = open_house()
    requests.get(f"{house.url}/api/v2/app/version?key=SECRET", timeout=10)
    assert "SECRET" not in "".join(
        record.getMessage() for record in caplog.records if "urllib3" not in record.name
    )
