"""``login``: a key in the key file, and secrets nowhere else."""

import io
import json
import os
import pty
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from offcloud_watchd.sandbox import Fault, Sandbox, SandboxSettings
from tests.e2e.process import clean_environment
from tests.unit.cli.place import Place

KEY = "a-key-for-tests-0123456789abcdef"
USER, PASSWORD = "sandbox@example.org", "correct horse battery"

Start = Callable[..., Sandbox]


@pytest.fixture
def start(place: Place) -> Iterator[Start]:
    """Start a sandbox of a generation and point the place's configuration at it."""
    with ExitStack() as stack:

        def sandbox(generation: str, setting: str = "api_key_file: key", **more: object) -> Sandbox:
            settings: dict[str, object] = {"key": KEY, "username": USER, "password": PASSWORD}
            settings |= {"generation": generation, "device_interval_s": 0.05, **more}
            made = stack.enter_context(Sandbox(SandboxSettings(**settings)))  # type: ignore[arg-type]
            place.config.write_text(
                f"offcloud: {{{setting}, base_url: '{made.url}', requests_per_minute: 100000}}\n"
                "output_dir: out\nstate_dir: state\nfolders: [{path: drop, category: tv}]\n"
            )
            return made

        yield sandbox


@pytest.fixture
def key_file(place: Place) -> Path:
    """Where the key goes."""
    return place.root / "key"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put lines on standard input, as a pipe does."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("generation", ["classic", "both"])
@pytest.mark.parametrize("old", [None, "old-key"])
def test_a_password_writes_the_key(
    place: Place, start: Start, key_file: Path, typed: Callable[[str], None], generation: str, old: str | None
) -> None:
    """Mode 0600, whatever was there before; nothing else is left, and neither secret is printed."""
    start(generation)
    if old is not None:
        key_file.write_text(old)
        key_file.chmod(0o644)
    typed(f"{USER}\n{PASSWORD}\n")
    before = set(place.root.iterdir())
    ended = place.run("login")
    assert (ended.code, ended.err) == (0, "")
    assert key_file.read_text() == KEY + "\n"
    assert _mode(key_file) == 0o600
    assert set(place.root.iterdir()) == before | {key_file}
    assert KEY not in ended.out
    assert PASSWORD not in ended.out
    assert place.run("account").code == 0


def test_the_key_goes_through_a_symbolic_link(
    place: Place, start: Start, key_file: Path, typed: Callable[[str], None]
) -> None:
    """The link stays one."""
    start("classic")
    (place.root / "there").mkdir()
    key_file.symlink_to(place.root / "there" / "real")
    typed(f"{USER}\n{PASSWORD}\n")
    assert place.run("login").code == 0
    assert key_file.is_symlink()
    assert (place.root / "there" / "real").read_text() == KEY + "\n"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (f"{USER}\nanother one\n", "The credentials entered are wrong."),
        ("nobody\nwrong\n", "Please enter a valid email address."),
        ("", "no e-mail address or no password was given"),
        (f"{USER}\n\n", "no e-mail address or no password was given"),
    ],
)
def test_a_refused_login_leaves_the_old_key(
    place: Place, start: Start, key_file: Path, typed: Callable[[str], None], lines: str, words: str
) -> None:
    """With the service's words, and exit code 1: the key there is was not asked for."""
    start("classic")
    key_file.write_text("old-key")
    typed(lines)
    ended = place.run("login")
    assert (ended.code, ended.out) == (1, "")
    assert words in ended.err
    assert key_file.read_text() == "old-key"


def test_the_current_service_takes_no_password(
    place: Place, start: Start, key_file: Path, typed: Callable[[str], None]
) -> None:
    """It says what to do."""
    start("current")
    typed(f"{USER}\n{PASSWORD}\n")
    ended = place.run("login")
    assert ended.code == 1
    assert "offcloud-watchd login --device" in ended.err
    assert not key_file.exists()


def test_where_no_key_can_go_nobody_is_asked(
    place: Place, start: Start, key_file: Path, typed: Callable[[str], None]
) -> None:
    """A password is not asked for in vain."""
    typed(f"{USER}\n{PASSWORD}\n")
    sandbox = start("classic", "api_key_env: KEY")
    ended = place.run("login")
    assert ended.code == 78
    assert "names no key file" in ended.err
    sandbox = start("classic", "api_key_file: nowhere/key")
    ended = place.run("login")
    assert ended.code == 1
    assert "create it" in ended.err
    sandbox = start("classic")
    key_file.mkdir()
    ended = place.run("login")
    assert ended.code == 1
    assert "is not a regular file" in ended.err
    assert sandbox.books().calls == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_the_key_file_stays(
    place: Place, start: Start, key_file: Path, typed: Callable[[str], None]
) -> None:
    """Root may log in for the daemon's user, who must be able to read it."""
    start("classic")
    key_file.write_text("old")
    os.chown(key_file, 4711, 4712)
    typed(f"{USER}\n{PASSWORD}\n")
    assert place.run("login").code == 0
    assert (key_file.stat().st_uid, key_file.stat().st_gid, _mode(key_file)) == (4711, 4712, 0o600)


# --- At a terminal ---


def test_a_password_is_typed_unseen(place: Place, start: Start, key_file: Path) -> None:
    """The terminal shows the questions and the address, and never the password or the key."""
    start("classic")
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "offcloud_watchd", "login", "--config", str(place.config)],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        env=clean_environment(TERM="dumb"),
    )
    os.close(inside)
    seen = _until(terminal, b"E-mail: ")
    os.write(terminal, f"{USER}\n".encode())
    seen += _until(terminal, b"Password: ")
    os.write(terminal, f"{PASSWORD}\n".encode())
    seen += _until(terminal, b"goes on by itself")
    assert process.wait(20) == 0
    os.close(terminal)
    assert key_file.read_text() == KEY + "\n"
    assert USER.encode() in seen
    assert PASSWORD.encode() not in seen
    assert KEY.encode() not in seen


def _until(terminal: int, words: bytes) -> bytes:
    seen = b""
    while words not in seen:
        seen += os.read(terminal, 4096)
    return seen


# --- Devices ---


@pytest.mark.parametrize("generation", ["current", "both"])
def test_a_device_is_let_in(place: Place, start: Start, key_file: Path, generation: str) -> None:
    """A person types the code on the page; the key that comes is as good as any."""
    sandbox = start(generation)
    command = [sys.executable, "-m", "offcloud_watchd", "login", "--device", "--config", str(place.config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=clean_environment()
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"Open (http\S+/activate) and type the code ([A-Z-]{9})", first)
        assert found is not None, first
        assert f"?user_code={found[2]}" in process.stdout.readline()
        assert sandbox.let_in(found[2])
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    assert _mode(key_file) == 0o600
    assert key_file.read_text().strip().startswith("token-")
    assert key_file.read_text().strip() not in first + rest
    assert place.run("account").code == 0


def test_a_device_that_is_sent_away_leaves_no_key(place: Place, start: Start, key_file: Path) -> None:
    """Nothing is written."""
    sandbox = start("current", device_interval_s=0.1)
    codes: list[str] = []

    def refuse() -> None:
        while not codes:
            waiting = list(sandbox._doors._devices.values())
            codes.extend(device.user_code for device in waiting)
            threading.Event().wait(0.01)
        sandbox.let_in(codes[0], let_in=False)

    person = threading.Thread(target=refuse)
    person.start()
    ended = place.run("login", "--device")
    person.join()
    assert ended.code == 1
    assert "was not let in" in ended.err
    assert not key_file.exists()


def test_a_page_without_the_code_is_said_once(place: Place, start: Start, key_file: Path) -> None:
    """And whoever takes too long begins again."""
    sandbox = start("current")
    codes = {
        "device_code": "d",
        "user_code": "U\x1b",
        "verification_uri": "https://x.invalid",
        "expires_in": 0,
    }
    body = json.dumps(codes)
    sandbox.faults.add(Fault("answer", "oauth/device/code", status=200, body=body))
    ended = place.run("login", "--device")
    assert ended.out.splitlines()[0] == "Open https://x.invalid and type the code U\\x1b"
    assert "or open" not in ended.out
    assert ended.code == 1
    assert "begin again" in ended.err
    assert not key_file.exists()


def test_the_classic_service_lets_no_device_in(place: Place, start: Start) -> None:
    """It says what to do."""
    start("classic")
    ended = place.run("login", "--device")
    assert ended.code == 1
    assert "use e-mail and password" in ended.err
