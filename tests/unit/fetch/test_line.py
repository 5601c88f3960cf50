"""The line to the file hosts: what breaks it, and what is said about it."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from offcloud_watchd.errors import Cancelled
from offcloud_watchd.fetch.line import Broken, Line, Watch, Wire, host_of, redirected
from offcloud_watchd.fetch.settings import ShelfSettings
from tests.fakes.file_host import FileHost, Play
from tests.unit.fetch.bench import KIB, Bench, content


@pytest.fixture
def line(bench: Bench) -> Iterator[Line]:
    """Open a line with little patience."""
    with open_line(bench, read_timeout_s=0.2, connect_timeout_s=0.2) as opened:
        yield opened


def open_line(bench: Bench, **changes: object) -> Line:
    """Make a line for the bench's settings."""
    settings: ShelfSettings = bench.settings(**changes)
    return Line(settings, bench.clock, bench.stop)


def failure(line: Line, url: str) -> str:
    """Return what is said when a link does not work."""
    with pytest.raises(Broken) as raised, line.get(url, {}):
        pass
    return str(raised.value)


def test_a_body_comes_in_pieces_and_ends(host: FileHost, line: Line) -> None:
    """Pieces are joined to the whole, an empty one is the end."""
    data = content(200 * KIB)
    with line.get(host.put("a", data), {}) as response:
        pieces = list(iter(lambda: line.read(response), b""))
    assert b"".join(pieces) == data
    assert line.received_bytes == len(data)


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
    assert failure(line, url) == "127.0.0.1: no connection"


def test_a_body_that_is_cut(host: FileHost, line: Line) -> None:
    """Fewer bytes than the length said: the line says so instead of ending the file."""
    url = host.put("a", content(50 * KIB))
    host.plan("a", Play(cut_after=10 * KIB))
    with pytest.raises(Broken, match="cut"), line.get(url, {}) as response:
        while line.read(response):
            pass


def test_a_body_that_stops_coming(host: FileHost, bench: Bench) -> None:
    """Nothing comes for longer than the read timeout."""
    host.while_stalled = lambda: None
    url = host.put("a", content(50 * KIB))
    host.plan("a", Play(stall_after=10 * KIB))
    with (
        open_line(bench, read_timeout_s=0.1, min_rate_bytes_per_s=0.0) as line,
        pytest.raises(Broken, match="no answer in time"),
        line.get(url, {}) as response,
    ):
        while line.read(response):
            pass


def test_two_lengths_are_no_answer(host: FileHost, line: Line) -> None:
    """A host that contradicts itself is not believed."""
    url = host.put("a", b"12345")
    host.plan("a", Play(headers={"content-length": "6"}))
    assert failure(line, url).startswith("127.0.0.1: ")


@pytest.mark.parametrize("url", ["http://[::1", "http:///x", "http://\u2603\ufe0f..example/x", "http://a b/"])
def test_a_link_that_is_none(line: Line, url: str) -> None:
    """Broken addresses break the line, not the program."""
    assert failure(line, url)


def test_a_link_of_another_kind(line: Line) -> None:
    """Only http(s) is spoken."""
    assert failure(line, "ftp://example.invalid/x") == "a link of example.invalid is not https or http"


def test_redirects_are_limited(host: FileHost, line: Line) -> None:
    """A circle ends."""
    url = host.put("a", b"")
    host.always["a"] = Play(status=307, headers={"Location": "/a"}, body=b"")
    assert failure(line, url) == "127.0.0.1 redirects more than 5 times"
    assert len(host.asked) == 6
    host.plan("a", *[host.always["a"]] * 5, Play())
    with line.get(url, {}) as response:
        assert response.status_code == 200


def test_the_body_of_a_redirect_is_not_read(host: FileHost, line: Line) -> None:
    """A redirect may promise any number of bytes; none of them is waited for."""
    url, target = host.put("a", b""), host.put("b", b"12")
    host.plan("a", Play(status=302, headers={"Location": target}, body=b"x" * KIB, stall_after=10))
    with line.get(url, {}) as response:
        assert line.read(response) == b"12"


def test_https_is_not_left(line: Line) -> None:
    """Fault 91: from https no redirect leads to plain http."""
    assert redirected("https://a.example/x", "/y") == "https://a.example/y"
    with pytest.raises(Broken, match="broken"):
        redirected("http://a.example/x", "http://[::1")
    with pytest.raises(Broken, match="away from https"):
        redirected("https://a.example/x", "http://a.example/y")


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ("8.8.8.8", "127.0.0.1", True),
        ("8.8.8.8", "10.1.2.3", True),
        ("2001:4860:4860::8888", "::ffff:192.168.0.1", True),
        ("8.8.8.8", "fe80::1%eth0", True),
        ("8.8.8.8", "1.1.1.1", False),
        ("127.0.0.1", "127.0.0.2", False),
        ("10.0.0.1", "8.8.8.8", False),
    ],
)
def test_a_redirect_from_public_to_private_is_refused(first: str, second: str, *, refused: bool) -> None:
    """Fault 91: a file host must not make us ask our own network; a service that is local may."""
    wire = Wire()
    wire.begin()
    wire.judge(first)
    wire.redirected = True
    if refused:
        with pytest.raises(Broken, match="private"):
            wire.judge(second)
    else:
        wire.judge(second)


def test_the_host_is_all_a_message_says() -> None:
    """Links are secrets; a host's name is cleaned before people see it."""
    assert host_of("https://user:pass@cdn.example/secret?token=1") == "cdn.example"
    assert host_of("https://e\u202evil.example/") == "evil.example"
    assert host_of("https://[::1") == host_of("nothing") == "the file host"


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
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FileHost(tls=context) as running:
        yield running


def trusting(line: Line, certificate: Path) -> Line:
    """Let a line trust the test's certificate."""
    line._session.verify = str(certificate)
    return line


def test_an_unknown_certificate_is_not_trusted(secure: FileHost, line: Line) -> None:
    """There is no way to turn the check off."""
    assert (
        failure(line, secure.put("a", b"12")) == "127.0.0.1: the TLS connection could not be trusted or broke"
    )


@pytest.mark.parametrize("fast", [True, False])
def test_a_body_over_tls(secure: FileHost, bench: Bench, certificate: Path, *, fast: bool) -> None:
    """Records are taken one by one on a slow line and joined on a fast one; the bytes are the same."""
    data = content(300 * KIB)
    line = trusting(open_line(bench, rate_window_s=3600.0), certificate)
    line._watch.fast = fast
    with line.get(secure.put("a", data), {}) as response:
        pieces = list(iter(lambda: line.read(response), b""))
    line._session.close()
    assert b"".join(pieces) == data
    assert (max(map(len, pieces)) > 16 * KIB) is fast


def test_a_cut_over_tls_shows_no_ciphertext(secure: FileHost, bench: Bench, certificate: Path) -> None:
    """The watch cuts below the TLS layer, so whatever was read is the file's own."""
    data = content(100 * KIB)
    url = secure.put("a", data)
    secure.plan("a", Play(stall_after=50 * KIB))
    secure.while_stalled = bench.stop.set
    got = []
    with (
        open_line(bench, read_timeout_s=600.0) as line,
        pytest.raises(Cancelled),
        trusting(line, certificate).get(url, {}) as response,
    ):
        while piece := line.read(response):
            got.append(piece)
    assert data.startswith(b"".join(got))


# --- The watch ---------------------------------------------------------------------------------------------


class FakeLine:
    """A line that counts how often it was cut."""

    received_bytes = 0
    cuts = 0

    def cut(self) -> None:
        """Count."""
        self.cuts += 1


def watch_of(bench: Bench, line: FakeLine) -> Watch:
    """Make a watch that wants 10 bytes/s over 60 s, while the line waits."""
    settings: ShelfSettings = bench.settings(min_rate_bytes_per_s=10.0)
    watch = Watch(line, settings, bench.clock, bench.stop)
    watch.waits = True
    return watch


@pytest.mark.parametrize(("bytes_per_s", "cuts"), [(0, 1), (9, 1), (10, 0), (1000, 0)])
def test_a_line_is_cut_when_it_is_too_slow_for_a_whole_window(
    bench: Bench, bytes_per_s: int, cuts: int
) -> None:
    """Fault 80: only what came in over the last minute counts, and a cut is made once."""
    line = FakeLine()
    watch = watch_of(bench, line)
    line.received_bytes = 1 << 30
    for _ in range(65):
        watch.look()
        bench.clock.advance(1.0)
        line.received_bytes += bytes_per_s
    assert (line.cuts, watch.stalled) == (cuts, bool(cuts))


def test_a_line_that_slows_down_is_cut_a_minute_later(bench: Bench) -> None:
    """What came in earlier does not help for ever."""
    line = FakeLine()
    watch = watch_of(bench, line)
    for second in range(300):
        watch.look()
        assert line.cuts == (second > 100 + 59)
        if line.cuts:
            break
        bench.clock.advance(1.0)
        line.received_bytes += 10_000 if second < 100 else 0


def test_a_fast_line_is_known(bench: Bench) -> None:
    """More than 4 MiB/s since the last look."""
    line = FakeLine()
    watch = watch_of(bench, line)
    seen = []
    for received in (8 << 20, 1 << 20, 0):
        bench.clock.advance(1.0)
        line.received_bytes += received
        watch.look()
        seen.append(watch.fast)
    assert seen == [True, False, False]


def test_a_slow_disk_is_no_slow_line(bench: Bench) -> None:
    """While the reader does not wait for the network, nothing is measured."""
    line = FakeLine()
    watch = watch_of(bench, line)
    for second in range(200):
        watch.waits = second % 50 != 49
        watch.look()
        bench.clock.advance(1.0)
    assert line.cuts == 0


def test_a_stop_cuts_the_line(bench: Bench) -> None:
    """Whatever it waits for."""
    line = FakeLine()
    watch = watch_of(bench, line)
    bench.stop.set()
    watch.look()
    assert (line.cuts, watch.stalled) == (1, False)


def test_headers_are_acknowledged_at_once() -> None:
    """A host that writes them alone must not wait for the kernel's patience; a dead socket does no harm."""
    wire = Wire()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as alive, socket.create_connection(address) as dead:
            wire.connected(alive)
            wire.connected(dead)
            dead.close()
            alive.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            wire.acknowledge(at_once=True)
            assert alive.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
