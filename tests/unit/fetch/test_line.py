"""The line to the file hosts: what breaks it, and what is said about it."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import Cancelled
from offcloud_watchd.fetch.broken import Broken
from offcloud_watchd.fetch.line import Body, Line
from offcloud_watchd.fetch.pool import Pool
from offcloud_watchd.fetch.settings import ShelfSettings
from tests.fakes.clock import FakeClock
from tests.fakes.file_host import FileHost, Play
from tests.unit.fetch.bench import KIB, Bench, content


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Keep connections for the time of the test."""
    kept = Pool()
    yield kept
    kept.close()


@pytest.fixture
def line(bench: Bench, pool: Pool) -> Line:
    """Open a line with little patience."""
    return open_line(bench, pool, read_timeout_s=0.2, connect_timeout_s=0.2)


def open_line(bench: Bench, pool: Pool, halt: Stop | None = None, **changes: object) -> Line:
    """Make a line for the bench's settings."""
    settings: ShelfSettings = bench.settings(**changes)
    return Line(settings, pool, bench.clock, halt or bench.stop)


def failure(line: Line, url: str) -> str:
    """Return what is said when a link does not work."""
    with pytest.raises(Broken) as raised, line.get(url, {}):
        pass
    return str(raised.value)


def read(line: Line, body: Body, room: int = 16 * KIB) -> Iterator[bytes]:
    """Give a body piece by piece."""
    view = memoryview(bytearray(room))
    while count := line.read_into(body, view):
        yield bytes(view[:count])


def whole(line: Line, url: str) -> bytes:
    """Return a whole file."""
    with line.get(url, {}) as body:
        return b"".join(read(line, body))


def test_a_body_comes_in_pieces_and_ends(host: FileHost, line: Line) -> None:
    """Pieces are joined to the whole, none is the end."""
    data = content(200 * KIB)
    assert whole(line, host.put("a", data)) == data
    assert line.received_bytes == len(data)


def test_a_connection_is_used_again(host: FileHost, line: Line) -> None:
    """Files one after the other need one connection, as long as each was read to its end."""
    urls = [host.put("a", b"12"), host.put("b", b""), host.put("c", b"345")]
    assert [whole(line, url) for url in urls] == [b"12", b"", b"345"]
    assert len(host.connections()) == 1
    with line.get(urls[0], {}):
        pass
    whole(line, urls[0])
    assert len(host.connections()) == 2


def test_a_connection_is_used_by_another_line(host: FileHost, bench: Bench, pool: Pool) -> None:
    """What one fetch leaves, another one takes."""
    url = host.put("a", b"12")
    for _ in range(3):
        whole(open_line(bench, pool), url)
    assert len(host.connections()) == 1


def test_a_kept_connection_that_was_closed_is_no_break(host: FileHost, line: Line, pool: Pool) -> None:
    """The host hung up while nobody looked, or in the very moment of the next question."""
    url = host.put("a", b"12")
    whole(line, url)
    host.connections()[0].shutdown(socket.SHUT_RDWR)
    assert whole(line, url) == b"12"
    host.plan("a", Play(reset_before=True))
    assert whole(line, url) == b"12"
    assert len(host.asked) == 4


def test_a_host_that_keeps_no_connection(host: FileHost, line: Line) -> None:
    """Its word counts."""
    url = host.put("a", b"12")
    host.plan("a", Play(headers={"Connection": "close"}))
    assert [whole(line, url), whole(line, url)] == [b"12", b"12"]
    assert len(host.connections()) == 2


def test_a_body_in_chunks(host: FileHost, line: Line) -> None:
    """No length is told; the last chunk is the end, and the connection is kept."""
    data = content(40 * KIB)
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(data[at : at + 7000]), data[at : at + 7000])
        for at in range(0, len(data), 7000)
    )
    url = host.put("a", chunks + b"0\r\n\r\n")
    host.always["a"] = Play(headers={"Transfer-Encoding": "chunked", "Content-Length": None})
    assert [whole(line, url), whole(line, url)] == [data, data]
    assert len(host.connections()) == 1


def test_chunks_that_end_early(host: FileHost, line: Line) -> None:
    """The last chunk did not come, so the end is none."""
    url = host.put("a", b"10\r\n0123")
    host.plan("a", Play(headers={"Transfer-Encoding": "chunked", "Content-Length": None}, cut_after=8))
    with pytest.raises(Broken, match="cut"):
        whole(line, url)


def test_a_body_without_a_length_ends_with_its_connection(host: FileHost, line: Line) -> None:
    """Nobody can say whether it was all."""
    url = host.put("a", b"12345")
    host.plan("a", Play(no_length=True))
    assert whole(line, url) == b"12345"


def test_a_link_is_quoted_where_it_must_be(host: FileHost, line: Line) -> None:
    """Spaces and letters that are not ASCII are common in links; what is quoted already stays so."""
    host.put("a b \u00fc%", b"12")
    assert whole(line, f"{host.base}/a b \u00fc%25#part") == b"12"


def test_the_query_of_a_link_is_kept(host: FileHost, line: Line) -> None:
    """It may hold what opens the file; what must be quoted is."""
    host.put("a?key=b c&d=%", b"12")
    assert whole(line, f"{host.base}/a?key=b c&d=%25#part") == b"12"


def test_a_host_that_cannot_be_called(line: Line) -> None:
    """A name with an empty part is no name; the text does not hold the link."""
    assert failure(line, "http://a..b/secret") == "a..b: not usable (UnicodeError)"


def test_a_redirect_in_utf8_is_understood(host: FileHost, line: Line) -> None:
    """Some hosts put the bare name of the file into the header."""
    url = host.put("a", b"")
    host.put("\u00fc", b"12")
    location = "/\u00fc".encode().decode("latin-1")
    host.plan("a", Play(status=302, headers={"Location": location}, body=b""))
    assert whole(line, url) == b"12"


def test_a_refused_connection(line: Line) -> None:
    """Nobody listens there; the text names the host and nothing more."""
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        said = failure(line, f"http://127.0.0.1:{unused.getsockname()[1]}/secret")
    assert said == "127.0.0.1: no connection"


def test_a_host_that_takes_no_connection(line: Line) -> None:
    """A queue that is full lets nobody in."""
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        said = failure(line, f"http://127.0.0.1:{full.getsockname()[1]}/secret")
        for one in waiting:
            one.close()
    assert said == "127.0.0.1: no connection in time"


def test_a_host_that_says_nothing(host: FileHost, line: Line) -> None:
    """It took the question and does not answer."""
    url = host.put("a", b"")
    host.plan("a", Play(before=host.stopping.wait))
    assert failure(line, url) == "127.0.0.1: no answer in time"


def test_a_host_that_does_not_speak_tls(host: FileHost, line: Line) -> None:
    """A certificate that cannot be had is not passed over."""
    url = host.put("a", b"").replace("http://", "https://")
    assert "TLS" in failure(line, url)


def test_a_host_that_hangs_up(host: FileHost, line: Line) -> None:
    """The connection closes before an answer."""
    url = host.put("a", b"")
    host.plan("a", Play(reset_before=True))
    assert failure(line, url) == "127.0.0.1: the connection was cut"


def test_a_body_that_is_cut(host: FileHost, line: Line) -> None:
    """Fewer bytes than the length said: the line says so instead of ending the file."""
    url = host.put("a", content(50 * KIB))
    host.plan("a", Play(cut_after=10 * KIB))
    with pytest.raises(Broken, match="cut"):
        whole(line, url)


def test_a_body_that_stops_coming(host: FileHost, bench: Bench, pool: Pool) -> None:
    """Nothing comes for longer than the read timeout."""
    host.while_stalled = lambda: None
    url = host.put("a", content(50 * KIB))
    host.plan("a", Play(stall_after=10 * KIB))
    with pytest.raises(Broken, match="no answer in time"):
        whole(open_line(bench, pool, read_timeout_s=0.1), url)


def test_a_line_that_is_halted(host: FileHost, bench: Bench, pool: Pool) -> None:
    """It asks for nothing, and what it waited for is over."""
    url = host.put("a", content(50 * KIB))
    line = open_line(bench, pool, read_timeout_s=600.0)

    def halt() -> None:
        bench.stop.set()
        line.cut()

    host.while_stalled = halt
    host.plan("a", Play(stall_after=10 * KIB))
    with pytest.raises(Cancelled):
        whole(line, url)
    with pytest.raises(Cancelled):
        whole(line, url)
    line.cut()
    assert len(host.asked) == 1


def test_a_line_that_stalls_says_so(host: FileHost, line: Line) -> None:
    """The watch has cut it; the next request begins afresh."""
    url = host.put("a", content(50 * KIB))

    def stall() -> None:
        line.stalled = True
        line.cut()

    host.while_stalled = stall
    host.plan("a", Play(stall_after=10 * KIB))
    with pytest.raises(Broken, match="less than 1024 bytes/s for 60 s"):
        whole(line, url)
    host.while_stalled = lambda: None
    assert whole(line, url) == content(50 * KIB)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "6"},
        {"Transfer-Encoding": "gzip", "transfer-encoding": "chunked"},
        {"Content-Encoding": "gzip", "content-encoding": "identity"},
    ],
)
def test_two_lengths_or_codings_are_no_answer(
    host: FileHost, line: Line, headers: dict[str, str | None]
) -> None:
    """A host that contradicts itself is not believed."""
    url = host.put("a", b"12345")
    host.plan("a", Play(headers=headers))
    assert failure(line, url).startswith("127.0.0.1: ")


@pytest.mark.parametrize("url", ["http://[::1", "http:///x", "http://\u2603\ufe0f..example/x", "http://a b/"])
def test_a_link_that_is_none(line: Line, url: str) -> None:
    """Broken addresses break the line, not the program."""
    assert failure(line, url)


def test_a_link_of_another_kind(line: Line) -> None:
    """Only http(s) is spoken."""
    assert failure(line, "ftp://example.invalid/x") == "a link of example.invalid is neither https nor http"


def test_redirects_are_limited(host: FileHost, line: Line) -> None:
    """A circle ends."""
    url = host.put("a", b"")
    host.always["a"] = Play(status=307, headers={"Location": "/a"}, body=b"")
    assert failure(line, url) == "127.0.0.1 redirects more than 5 times"
    assert len(host.asked) == 6
    host.plan("a", *[host.always["a"]] * 5, Play())
    with line.get(url, {}) as body:
        assert body.status == 200


def test_the_body_of_a_redirect_is_not_read(host: FileHost, line: Line) -> None:
    """A redirect may promise any number of bytes; none of them is waited for."""
    url, target = host.put("a", b""), host.put("b", b"12")
    host.plan("a", Play(status=302, headers={"Location": target}, body=b"x" * KIB, stall_after=10))
    assert whole(line, url) == b"12"


def test_a_redirect_from_public_to_private_is_refused(
    host: FileHost, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 91: a file host must not make us ask our own network, also not over a kept connection."""
    target, url = host.put("b", b"12"), host.put("a", b"")
    host.always["a"] = Play(status=302, headers={"Location": target}, body=b"")
    assert whole(line, url) == b"12"  # a service that is local may
    # Nobody can have a public address on loopback: the first host's is said to be one.
    real = socket.socket.getpeername
    with FileHost("127.0.0.2") as first:
        first.put("a", b"")
        first.always["a"] = Play(status=302, headers={"Location": target}, body=b"")
        monkeypatch.setattr(
            "socket.socket.getpeername",
            lambda sock: ("8.8.8.8", 80) if real(sock)[0] == "127.0.0.2" else real(sock),
        )
        for _ in range(2):
            assert failure(line, first.url("a")) == "a file host redirects to a private address"
    assert len(host.asked) == 2


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for loopback, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    pem = tmp_path_factory.mktemp("tls") / "host.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(pem), "-out", f"{pem}.crt"]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    pem.write_text(pem.read_text() + Path(f"{pem}.crt").read_text())
    return pem


@pytest.fixture
def secure(certificate: Path) -> Iterator[FileHost]:
    """Run a file host that speaks TLS."""
    with FileHost(tls=tls_of(certificate)) as running:
        yield running


def tls_of(certificate: Path) -> ssl.SSLContext:
    """Make what a host speaks TLS by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusting(pool: Pool, certificate: Path) -> Pool:
    """Let connections trust the test's certificate."""
    pool.context.load_verify_locations(certificate)
    return pool


def test_an_unknown_certificate_is_not_trusted(secure: FileHost, line: Line) -> None:
    """There is no way to turn the check off."""
    assert (
        failure(line, secure.put("a", b"12")) == "127.0.0.1: the TLS connection could not be trusted or broke"
    )


def test_a_certificate_of_another_name_is_not_trusted(
    certificate: Path, bench: Bench, trusting: Pool
) -> None:
    """The host must be the one that the link names."""
    with FileHost("127.0.0.2", tls=tls_of(certificate)) as other:
        assert "TLS" in failure(open_line(bench, trusting), other.put("a", b"12"))


@pytest.mark.parametrize("fast", [True, False])
def test_a_body_over_tls(secure: FileHost, bench: Bench, trusting: Pool, *, fast: bool) -> None:
    """Records are taken one by one on a slow line and joined on a fast one; the bytes are the same."""
    data = content(300 * KIB)
    line = open_line(bench, trusting)
    line.fast = fast
    with line.get(secure.put("a", data), {}) as body:
        pieces = list(read(line, body, 256 * KIB))
    assert b"".join(pieces) == data
    assert (max(map(len, pieces)) > 16 * KIB) is fast


def test_noise_over_tls_is_a_break(secure: FileHost, bench: Bench, trusting: Pool) -> None:
    """Bytes that the other side cannot have encrypted end the connection."""
    url = secure.put("a", b"12")
    noise = b"\x17\x03\x03\x00\x20" + bytes(32)
    secure.plan("a", Play(before=lambda: socket.socket.send(secure.connections()[-1], noise)))
    said = failure(open_line(bench, trusting), url)
    assert said == "127.0.0.1: the TLS connection could not be trusted or broke"


def test_a_cut_over_tls_shows_no_ciphertext(secure: FileHost, bench: Bench, trusting: Pool) -> None:
    """The watch cuts below the TLS layer, so whatever was read is the file's own."""
    data = content(100 * KIB)
    url = secure.put("a", data)
    secure.plan("a", Play(stall_after=50 * KIB))
    line = open_line(bench, trusting, read_timeout_s=600.0)

    def halt() -> None:
        bench.stop.set()
        line.cut()

    secure.while_stalled = halt
    got = []
    with pytest.raises(Cancelled), line.get(url, {}) as body:
        got.extend(read(line, body))
    assert data.startswith(b"".join(got))


def test_a_handshake_that_hangs_can_be_cut(bench: Bench, pool: Pool) -> None:
    """A host that takes the connection and says nothing more holds nobody up."""
    line = open_line(bench, pool, connect_timeout_s=600.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take_and_cut() -> None:
            taken, _ = listener.accept()
            taken.recv(1)
            bench.stop.set()
            line.cut()
            taken.close()

        host = threading.Thread(target=take_and_cut)
        host.start()
        with pytest.raises(Cancelled):
            whole(line, f"https://127.0.0.1:{listener.getsockname()[1]}/a")
        host.join()


# --- Pace --------------------------------------------------------------------------------------------------


class PatientStop:
    """A stop whose waits let the clock run; it is raised after so many."""

    def __init__(self, clock: FakeClock, *, waits: int = 1_000_000) -> None:
        self._clock = clock
        self._waits = waits

    def is_set(self) -> bool:
        """Tell whether all waits are used up."""
        return self._waits <= 0

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass."""
        self._waits -= 1
        self._clock.advance(timeout or 0.0)
        return self.is_set()


def test_a_line_keeps_to_its_allowance(host: FileHost, bench: Bench, pool: Pool) -> None:
    """It takes no more than that, and small portions at a time."""
    line = open_line(bench, pool, PatientStop(bench.clock))
    line.allowance = 100.0 * KIB
    began = bench.clock.monotonic()
    with line.get(host.put("a", content(300 * KIB)), {}) as body:
        pieces = list(read(line, body, 256 * KIB))
    assert bench.clock.monotonic() - began == pytest.approx(3.0, rel=0.02)
    assert max(map(len, pieces)) <= 25 * KIB


def test_a_line_that_was_idle_may_catch_up_a_little(host: FileHost, bench: Bench, pool: Pool) -> None:
    """Half a second's worth and no more, so that waiting for a host costs no bytes."""
    line = open_line(bench, pool, PatientStop(bench.clock))
    line.allowance = 100.0 * KIB
    whole(line, host.put("b", b"1"))
    bench.clock.advance(3600.0)
    began = bench.clock.monotonic()
    whole(line, host.put("a", content(300 * KIB)))
    assert bench.clock.monotonic() - began == pytest.approx(2.5, rel=0.02)


def test_an_allowance_may_change_while_a_line_waits(host: FileHost, bench: Bench, pool: Pool) -> None:
    """The debt of a slow time is not waited for when the limit is lifted."""
    stop = PatientStop(bench.clock)
    line = open_line(bench, pool, stop)
    line.allowance = 1.0
    waited = stop.wait

    def lift(timeout: float | None = None) -> bool:
        line.allowance = None
        return waited(timeout)

    stop.wait = lift
    began = bench.clock.monotonic()
    whole(line, host.put("a", content(300 * KIB)))
    assert bench.clock.monotonic() - began < 1.0


def test_a_line_that_waits_its_turn_ends_with_the_program(host: FileHost, bench: Bench, pool: Pool) -> None:
    """A low limit does not hold the stop up."""
    line = open_line(bench, pool, PatientStop(bench.clock, waits=3))
    line.allowance = 1.0
    with pytest.raises(Cancelled):
        whole(line, host.put("a", content(300 * KIB)))
