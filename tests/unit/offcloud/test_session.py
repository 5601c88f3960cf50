"""One exchange with servers that do everything a server can do wrong, over real sockets."""

import gzip
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from offcloud_watchd.errors import Blocked, Cancelled, Transient
from offcloud_watchd.offcloud.answer import Answer
from offcloud_watchd.offcloud.credentials import Credential, Way
from offcloud_watchd.offcloud.session import FRESH_S, Question, Transport
from offcloud_watchd.offcloud.settings import ClientSettings
from tests.fakes.wire_server import RealClock, Turn, WireServer, http, says

KEY = "Sesame0Open1Sesame2Open3Sesame45"
BEARER = Credential(Way.BEARER, KEY)
QUERY = Credential(Way.QUERY, KEY)
GET = Question("GET", "cloud/history?x=1")
POST = Question("POST", "cloud", {"url": "magnet:?xt=urn:btih:secret-link"}, once=True)


class AlreadyStopped:
    """A flag that was raised long ago."""

    def is_set(self) -> bool:
        """Tell that it is raised."""
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for nothing."""
        return True


def _settings(url: str, **changes: object) -> ClientSettings:
    quick: dict[str, object] = {"connect_timeout_s": 2.0, "read_timeout_s": 2.0, "total_timeout_s": 4.0}
    return ClientSettings(read_key=lambda: KEY, base_url=url, **(quick | changes))  # type: ignore[arg-type]


def _ask(
    url: str, question: Question = GET, stop: object = None, shown: Credential = BEARER, **changes: object
) -> Answer:
    transport = Transport(_settings(url, **changes), RealClock())
    try:
        return transport.ask(question, shown, stop or threading.Event())  # type: ignore[arg-type]
    finally:
        transport.close()


def _fails(url: str, question: Question = GET, **changes: object) -> Transient:
    """Ask, expect no answer, and make sure that the error tells nothing secret in any way."""
    with pytest.raises(Transient) as raised:
        _ask(url, question, **changes)
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
    assert KEY not in shown
    assert "secret-link" not in shown
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None
    return raised.value


@pytest.fixture(autouse=True)
def _no_secret_in_any_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does, the key is in no line of warning or above, as the program logs them."""
    with caplog.at_level(logging.WARNING):
        yield
    lines = logging.Formatter()
    assert not [record for record in caplog.get_records("call") if KEY in lines.format(record)]


# --- What is sent ---


def test_a_question_carries_the_key_in_its_header_and_nothing_else_of_ours() -> None:
    """Bearer is the default; the answer comes back whatever its status."""
    with WireServer(says({"error": "x"}, 418, Retry_After="7")) as server:
        answer = _ask(server.url + "/api/")
        (asked,) = server.asked
    assert asked.target == "/api/cloud/history?x=1"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["user-agent"].startswith("offcloud-watchd/")
    assert asked.headers["accept-encoding"] == "identity"
    assert "cookie" not in asked.headers
    assert (answer.status, answer.body, answer.retry_after, answer.framed) == (
        418,
        b'{"error": "x"}',
        "7",
        True,
    )
    assert answer.asked == f"GET {server.url.removeprefix('http://')}/api/cloud/history"


def test_a_key_in_the_query_is_put_there_only_when_asked_for() -> None:
    """The classic service knows no header; the address with the key is shown nowhere."""
    with WireServer(says([])) as server:
        answer = _ask(server.url, shown=QUERY)
        (asked,) = server.asked
    assert asked.query == {"x": ["1"], "key": [KEY]}
    assert "authorization" not in asked.headers
    assert KEY not in repr(answer)


@pytest.mark.parametrize(
    ("as_form", "kind"), [(False, "application/json"), (True, "application/x-www-form-urlencoded")]
)
def test_a_body_goes_out_as_json_or_as_a_form(as_form: bool, kind: str) -> None:  # noqa: FBT001 - a parameter
    """Both generations take one of the two."""
    with WireServer(says([])) as server:
        _ask(server.url, Question("POST", "cloud", {"url": "a b"}, as_form=as_form))
        (asked,) = server.asked
    assert asked.headers["content-type"] == kind
    assert asked.body in (b'{"url": "a b"}', b"url=a+b")


def test_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Neither proxies nor .netrc change who is asked and with which key."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login evil password evil\n")  # type: ignore[operator]
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with WireServer(says([])) as server:
        _ask(server.url, shown=QUERY)
        assert "authorization" not in server.asked[0].headers


def test_a_proxy_is_used_when_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its URL, or `env` for the environment's."""
    with WireServer(says([])) as proxy:
        _ask("http://service.invalid", proxy=proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        _ask("http://service.invalid", proxy="env")
        assert [one.target for one in proxy.asked] == ["http://service.invalid/api/cloud/history?x=1"] * 2


def test_cookies_are_not_kept() -> None:
    """The service's session is nothing we want to be in."""
    with WireServer(says([], Set_Cookie="connect.sid=x")) as server:
        transport = Transport(_settings(server.url), RealClock())
        for _ in range(2):
            transport.ask(GET, BEARER, threading.Event())
        transport.close()
        assert "cookie" not in server.asked[1].headers


class LeapingClock(RealClock):
    """The machine's time, with what a test adds to it."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return super().monotonic() + self.ahead_s


def test_a_kept_connection_is_trusted_with_a_submission_only_while_it_is_fresh() -> None:
    """A submission never goes over a connection that the other side may have given up meanwhile."""
    clock = LeapingClock()
    with WireServer(says([])) as server:
        transport = Transport(_settings(server.url), clock)
        for question, later_s in (
            (GET, 0),
            (GET, 60),
            (POST, 0),
            (POST, FRESH_S * 1.1),
            (POST, 0),
            (GET, 60),
        ):
            clock.ahead_s += later_s
            transport.ask(question, BEARER, threading.Event())
        transport.close()
        assert [asked.connection for asked in server.asked] == [1, 1, 1, 2, 2, 2]


def test_a_submission_after_a_connection_was_closed_gets_a_new_one() -> None:
    """What the other side has closed is seen before anything is sent, also right after its answer."""
    with WireServer(Turn(http([]), "close")) as server:
        transport = Transport(_settings(server.url), RealClock())
        for _ in range(3):
            transport.ask(POST, BEARER, threading.Event())
            threading.Event().wait(0.05)
        transport.close()
        assert [asked.connection for asked in server.asked] == [1, 2, 3]


# --- Redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target", ["{other}/api", "http://[::1", "file:///etc/passwd", "http:///x", "", "//x.invalid"]
)
def test_no_redirect_is_followed(status: int, target: str) -> None:
    """Neither key nor link go anywhere else, and an impossible address is not even looked at (fault 68)."""
    with WireServer(says({"requestId": "R"})) as other:
        location = target.format(other=other.url)
        with WireServer(Turn(http("moved", status, Location=location) + b"x" * 10_000, "hang")) as server:
            assert _ask(server.url, POST).status == status
        assert other.asked == []


# --- Not sent ---


def test_a_refused_connection_was_not_sent() -> None:
    """Nobody listens: the link may be posted again at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = _fails(url, POST)
    assert not error.maybe_sent
    assert "refused" in str(error)


def test_an_unknown_name_was_not_sent() -> None:
    """No DNS, no question (fault 70)."""
    error = _fails("http://no-such-host.invalid", POST)
    assert not error.maybe_sent
    assert "name could not be resolved" in str(error)


@pytest.mark.parametrize("turn", [Turn(b"HTTP/1.1 400 Bad\r\n\r\n", "close"), Turn(unread=True)])
def test_a_failed_tls_handshake_was_not_sent(turn: Turn) -> None:
    """Who does not speak TLS gets neither key nor link (fault 69)."""
    with WireServer(turn) as server:
        error = _fails(server.url.replace("http:", "https:"), POST, connect_timeout_s=0.3)
    assert not error.maybe_sent


def test_a_stalled_tls_handshake_was_not_sent() -> None:
    """A peer that accepts and stays silent is given up after the connect timeout (fault 69)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        error = _fails(url, POST, connect_timeout_s=0.1)
    assert not error.maybe_sent
    assert "no connection within 0.1 s" in str(error)


def test_a_proxy_that_refuses_the_tunnel_sent_nothing() -> None:
    """The request proper starts behind the tunnel."""
    with WireServer(Turn(b"HTTP/1.1 403 No\r\n\r\n", "close")) as proxy:
        error = _fails("https://service.invalid", POST, proxy=proxy.url)
        assert [asked.method for asked in proxy.asked] == ["CONNECT"]
    assert not error.maybe_sent
    assert "proxy" in str(error)


@pytest.mark.parametrize(
    ("url", "proxy"), [("gopher://x", None), ("http://", None), ("http://x.invalid", "http://")]
)
def test_an_address_that_cannot_be_is_for_the_operator(url: str, proxy: str | None) -> None:
    """Nothing will mend it but the configuration."""
    with pytest.raises(Blocked):
        _ask(url, POST, proxy=proxy)


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate nobody has signed but itself, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is needed to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [
        openssl,
        "req",
        "-x509",
        *curve,
        "-nodes",
        "-days",
        "2",
        *name,
        "-keyout",
        path,
        "-out",
        f"{path}.crt",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_nobody_vouches_for_gets_nothing(tls: ssl.SSLContext) -> None:
    """Neither key nor link goes to whoever is in between (fault 69)."""
    with WireServer(says([]), tls=tls) as server:
        error = _fails(server.url, POST)
        assert server.asked == []
    assert not error.maybe_sent
    assert "certificate is not valid" in str(error)


def test_the_same_limits_hold_under_tls(tls: ssl.SSLContext, certificate: Path) -> None:
    """Connections are kept, drips and silences end, and what was sent is known."""
    turns = [says([1]), says([2]), Turn(ending="hang"), Turn(http([3]), "drip")]
    with WireServer(*turns, Turn(b"HTTP/1.1 200 OK\r\nX: ", "drip"), tls=tls) as server:
        settings = _settings(server.url, read_timeout_s=0.3, total_timeout_s=0.5)
        transport = Transport(settings, RealClock())
        transport._session.verify = str(certificate)
        assert [transport.ask(GET, BEARER, threading.Event()).body for _ in range(2)] == [b"[1]", b"[2]"]
        with pytest.raises(Transient, match=r"no answer came for 0\.3 s") as raised:
            transport.ask(POST, BEARER, threading.Event())
        assert raised.value.maybe_sent
        assert transport.ask(GET, BEARER, threading.Event()).body == b"[3]"
        with pytest.raises(Transient, match=r"no whole answer came within 0\.5 s"):
            transport.ask(GET, BEARER, threading.Event())
        transport.close()
        assert [asked.connection for asked in server.asked][:4] == [1, 1, 1, 2]


# --- Maybe sent ---


RID = {"requestId": "R1"}


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(Turn(ending="reset"), id="reset after the request"),
        pytest.param(Turn(unread=True), id="reset before it was read"),
        pytest.param(Turn(ending="close"), id="closed without an answer"),
        pytest.param(Turn(http(RID)[:-3], "close"), id="body cut"),
        pytest.param(Turn(http(RID)[:-3], "reset"), id="body cut by a reset"),
        pytest.param(Turn(b"garbage\r\n\r\n", "close"), id="no HTTP"),
        pytest.param(
            Turn(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "close"), id="too many headers"
        ),
        pytest.param(Turn(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, "close"), id="header too long"),
        pytest.param(Turn(http(RID, Content_Length="-5"), "close"), id="negative length"),
        pytest.param(Turn(http(RID, Content_Length="some"), "close"), id="length in words"),
        pytest.param(
            Turn(http(RID).replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n")), id="two lengths"
        ),
        pytest.param(
            Turn(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"req', "close"), id="chunk cut"
        ),
        pytest.param(
            Turn(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"req\r\n', "close"),
            id="no last chunk",
        ),
        pytest.param(
            Turn(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "close"), id="bad chunk"
        ),
        pytest.param(says(b"not gzip", Content_Encoding="gzip"), id="says gzip and is not"),
        pytest.param(says(gzip.compress(b"x" * 999)[:-9], Content_Encoding="gzip"), id="gzip cut"),
        pytest.param(says(b"x", Content_Encoding="br"), id="another packing"),
    ],
)
def test_every_accident_after_the_question_went_out_leaves_it_open(turn: Turn) -> None:
    """The link may have been taken, whatever the exception looks like (faults 51-53)."""
    with WireServer(turn) as server:
        assert _fails(server.url, POST).maybe_sent


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (Turn(ending="hang"), "no answer came for 0.2 s"),
        (Turn(http(RID)[:-3], "hang"), "no answer came for 0.2 s"),
        (Turn(b"HTTP/1.1 200 OK\r\nX: ", "drip"), "no whole answer came within 0.4 s"),
        (Turn(http(RID, Content_Length="9999"), "drip"), "no whole answer came within 0.4 s"),
        (Turn(b"HTTP/1.1 100 Go\r\n\r\n" * 99 + http(RID), drips=True), "no whole answer came within 0.4 s"),
    ],
)
def test_silence_and_drips_end(turn: Turn, words: str) -> None:
    """Each read has a timeout and the whole answer a deadline, in headers and body."""
    with WireServer(turn) as server:
        error = _fails(server.url, POST, read_timeout_s=0.2, total_timeout_s=0.4)
    assert error.maybe_sent
    assert words in str(error)


@pytest.mark.parametrize(
    "turn",
    [
        Turn(http(b"x" * 2000)),
        Turn(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000, "close"),
        says(gzip.compress(b"\0" * 5_000_000), Content_Encoding="gzip"),
        says(zlib.compress(b"\0" * 100_000), Content_Encoding="deflate"),
    ],
)
def test_floods_and_bombs_are_cut(turn: Turn) -> None:
    """A body is capped before it is unpacked and after."""
    with WireServer(turn) as server:
        error = _fails(server.url, Question("GET", "cloud/history", cap_bytes=1000))
    assert "larger than 1000 bytes" in str(error)


# --- Odd but whole ---


@pytest.mark.parametrize(
    ("turn", "framed"),
    [
        (says(gzip.compress(b"[1]"), Content_Encoding="gzip"), True),
        (says(zlib.compress(b"[1]"), Content_Encoding="Deflate"), True),
        (says(b"[1]", Content_Encoding="identity"), True),
        (Turn(http(b"[1]") + b"more than was announced", "close"), True),
        (Turn(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n"), True),
        (Turn(b"HTTP/1.0 200 OK\r\n\r\n[1]", "close"), False),
        (Turn(b"HTTP/1.1 100 Continue\r\n\r\n" + http(b"[1]")), True),
        (Turn(http(b"[1]"), drips=True), True),
        (Turn(http(b"[1]").replace(b"\r\n\r\n", b"\r\nno colon here\r\n\r\n"), "close"), True),
    ],
)
def test_an_odd_answer_that_is_whole_is_taken(turn: Turn, framed: bool) -> None:  # noqa: FBT001 - a parameter
    """Packing we did not ask for, chunks, old HTTP, broken header lines: what can be read is read."""
    with WireServer(turn) as server:
        answer = _ask(server.url, shown=QUERY)
    if b"no colon" not in turn.reply:  # there the standard library loses the headers that follow
        assert (answer.body, answer.framed) == (b"[1]", framed)
    assert answer.status == 200


# --- Stopping ---


def test_a_question_in_flight_ends_when_stopped() -> None:
    """Nobody waits for a silent service at the end of the program."""
    stop = threading.Event()
    with WireServer(Turn(ending="hang")) as server:
        timer = threading.Timer(0.05, stop.set)
        timer.start()
        with pytest.raises(Cancelled):
            _ask(server.url, GET, stop, read_timeout_s=60.0, total_timeout_s=60.0)
        timer.join()


def test_a_submission_in_flight_is_not_cut_short() -> None:
    """Its answer is worth waiting for: it says whether the link was taken."""
    with WireServer(says(RID)) as server:
        assert _ask(server.url, POST, AlreadyStopped()).status == 200
        with pytest.raises(Cancelled):
            _ask(server.url, GET, AlreadyStopped())
