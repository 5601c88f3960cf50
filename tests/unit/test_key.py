"""The API key: found in one of three places, cleaned, and never shown."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from offcloud_watchd.config import Config, load
from offcloud_watchd.errors import ConfigError
from offcloud_watchd.key import KeySource, read_key

SECRET = "s3cr3t-KEY"


def config(tmp_path: Path, offcloud: str = "{}") -> Config:
    """Load settings with this section."""
    path = tmp_path / "config.yaml"
    path.write_text(f"offcloud: {offcloud}\nstate_dir: /s\noutput_dir: /o\nfolders: [{{path: /d}}]\n")
    return load(path, {})


def key_file(tmp_path: Path, content: bytes, mode: int = 0o600) -> Config:
    """Load settings whose key file holds this."""
    path = tmp_path / "api-key"
    path.write_bytes(content)
    path.chmod(mode)
    return config(tmp_path, "{api_key_file: api-key}")


def refused(settings: Config, env: dict[str, str] | None = None) -> str:
    """Return the one problem; it never shows the key."""
    with pytest.raises(ConfigError) as caught:
        read_key(settings.key_place, env or {})
    (problem,) = caught.value.problems
    assert SECRET not in problem
    return problem


@pytest.mark.parametrize(
    "content",
    [b"s3cr3t-KEY", b"  s3cr3t-KEY \r\n\n", b"\xef\xbb\xbfs3cr3t-KEY\n", b"s3cr3t-KEY" + b"\n" * 4000],
)
def test_fault_112_what_editors_add_is_trimmed(tmp_path: Path, content: bytes) -> None:
    """Fault 112: spaces, line ends and a byte order mark around the key do not count."""
    assert read_key(key_file(tmp_path, content).key_place, {}) == SECRET


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_fault_112_a_file_that_others_can_reach(tmp_path: Path, mode: int) -> None:
    """Fault 112: such a key is no secret any more; the remedy is said."""
    problem = refused(key_file(tmp_path, SECRET.encode(), mode))
    assert problem.startswith("config.yaml:1:26: offcloud.api_key_file: ")
    assert f"(mode {mode:04o}): run chmod 600 {tmp_path}/api-key" in problem


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (SECRET.encode() + b" " + SECRET.encode(), "in one line without spaces"),
        (SECRET.encode() + b"\nmore", "in one line without spaces"),
        (b"\xc3\xa9" + SECRET.encode(), "in one line without spaces"),
        (b"\x00" + SECRET.encode(), "in one line without spaces"),
        (SECRET.encode() * 1000, "more than 4096 bytes"),
    ],
)
def test_fault_112_what_is_no_key(tmp_path: Path, content: bytes, word: str) -> None:
    """Fault 112: what cannot be a key is refused without being shown."""
    assert word in refused(key_file(tmp_path, content))


def test_fault_112_a_missing_file(tmp_path: Path) -> None:
    """Fault 112: the path that was tried is named."""
    problem = refused(config(tmp_path, "{api_key_file: absent}"))
    assert problem == (
        "config.yaml:1:26: offcloud.api_key_file: cannot be read: "
        f"No such file or directory: {tmp_path}/absent; write the key into it, mode 0600"
    )


def test_a_fifo_or_a_directory_is_no_key_file(tmp_path: Path) -> None:
    """Nothing waits for a writer."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "is not a regular file" in refused(config(tmp_path, "{api_key_file: fifo}"))
    (tmp_path / "dir").mkdir()
    assert "is not a regular file" in refused(config(tmp_path, "{api_key_file: dir}"))


def test_the_file_is_read_again_each_time(tmp_path: Path) -> None:
    """The operator mends the file and nothing needs to be started anew."""
    settings = key_file(tmp_path, b"old")
    assert read_key(settings.key_place, {}) == "old"
    (tmp_path / "api-key").write_bytes(b"new")
    assert read_key(settings.key_place, {}) == "new"


def test_the_environment(tmp_path: Path) -> None:
    """A named variable holds the key; empty and missing are the same."""
    settings = config(tmp_path, "{api_key_env: THE_KEY}")
    assert read_key(settings.key_place, {"THE_KEY": f" {SECRET}\n"}) == SECRET
    assert "offcloud.api_key_env: $THE_KEY is empty" in refused(settings)
    assert "in one line" in refused(settings, {"THE_KEY": f"{SECRET}\udcff"})


def test_the_credential_of_the_service_manager(tmp_path: Path) -> None:
    """Without a setting the credential is used, whatever its mode: access is the manager's affair."""
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    settings = config(tmp_path)
    assert "no API key is named" in refused(settings, env)
    assert "no API key is named" in refused(settings, {"CREDENTIALS_DIRECTORY": "."})
    (tmp_path / "offcloud-api-key").write_text(SECRET)
    (tmp_path / "offcloud-api-key").chmod(0o444)
    assert read_key(settings.key_place, env) == SECRET
    (tmp_path / "offcloud-api-key").write_text("")
    assert "offcloud-api-key is empty" in refused(settings, env)


def test_the_setting_wins_over_the_credential(tmp_path: Path) -> None:
    """What the file says is what is meant."""
    (tmp_path / "offcloud-api-key").write_text("other")
    settings = key_file(tmp_path, SECRET.encode())
    assert read_key(settings.key_place, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == SECRET


_AS_SOMEBODY_ELSE = """
import os, sys
from pathlib import Path
from offcloud_watchd.config import load
from offcloud_watchd.errors import ConfigError
from offcloud_watchd.key import read_key
settings = load(Path(sys.argv[1]) / "config.yaml", {})
os.setuid(65534)
for env in ({"CREDENTIALS_DIRECTORY": sys.argv[1] + "/credentials"}, {}):
    try:
        print(read_key(settings.key_place, env))
    except ConfigError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_credential_stands_in_for_a_file_that_is_roots(tmp_path: Path) -> None:
    """A service may not open root's file; the manager read it for the service."""
    key_file(tmp_path, b"of-root")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "offcloud-api-key").write_text("from-the-manager")
    for directory in (tmp_path, *tmp_path.parents):
        if directory.owner() == "root" and directory.name.startswith(("pytest-", tmp_path.name)):
            directory.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", _AS_SOMEBODY_ELSE, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    first, second = done.stdout.splitlines()
    assert first == "from-the-manager"
    assert second.endswith(
        f"Permission denied: {tmp_path}/api-key; run this as its owner, or make this user its owner (chown)"
    )


def test_the_key_is_read_anew_and_never_forgotten(tmp_path: Path) -> None:
    """A replaced key is taken up at the next question; the log goes on hiding the old one."""
    keys = KeySource(key_file(tmp_path, b"first-key-0123456789").key_place, {})
    assert keys.given() == []
    for text in ("first-key-0123456789", "first-key-0123456789", "second-key-0123456789"):
        (tmp_path / "api-key").write_text(text + "\n")
        assert keys.read() == text
    assert keys.given() == ["first-key-0123456789", "second-key-0123456789"]
    (tmp_path / "api-key").unlink()
    with pytest.raises(ConfigError):
        keys.read()


# --- The password of a login ---

PHRASE = " s3cr3t-KEY and \u00fcmlauts "


def password_file(tmp_path: Path, content: bytes, mode: int = 0o600) -> Config:
    """Load settings of a login whose password file holds this."""
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(mode)
    return config(tmp_path, "{auth: login, username: a@b.c, password_file: password}")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_a_password_may_hold_spaces_and_any_letter(tmp_path: Path, ending: str) -> None:
    """Only line ends and a byte order mark around it do not count; a key is not looked for."""
    (tmp_path / "offcloud-api-key").write_text("other")
    settings = password_file(tmp_path, f"\ufeff{PHRASE}{ending}".encode())
    assert read_key(settings.key_place, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == PHRASE


@pytest.mark.parametrize(
    "content", [b"s3cr3t-KEY\nmore", b"s3cr3t-KEY\xff", b"s3cr3t-KEY\0", b"\x1bs3cr3t-KEY"]
)
def test_what_is_no_password(tmp_path: Path, content: bytes) -> None:
    """It is refused without being shown."""
    problem = refused(password_file(tmp_path, content))
    assert "must hold the password alone, in one line of UTF-8 text" in problem
    assert "offcloud.password_file" in problem


def test_a_password_is_kept_like_a_key(tmp_path: Path) -> None:
    """Not empty, not readable by others, not absent; each said of the password."""
    assert "must hold the password" in refused(password_file(tmp_path, b" \n"))
    reached = refused(password_file(tmp_path, SECRET.encode(), 0o644))
    assert "offcloud.password_file: " in reached
    assert reached.endswith("and renew the password")
    settings = password_file(tmp_path, SECRET.encode())
    (tmp_path / "password").unlink()
    assert refused(settings).endswith("write the password into it, mode 0600")


def test_a_password_may_come_from_the_service_manager(tmp_path: Path) -> None:
    """As its own credential."""
    settings = config(tmp_path, "{auth: login, username: a@b.c}")
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert "no password is named" in refused(settings, env)
    (tmp_path / "offcloud-password").write_text(f"{PHRASE}\n")
    assert read_key(settings.key_place, env) == PHRASE


def test_what_the_service_gave_is_hidden_too(tmp_path: Path) -> None:
    """Each secret once."""
    keys = KeySource(password_file(tmp_path, b"first").key_place, {})
    keys.read()
    keys.keep("cookie")
    keys.keep("cookie")
    assert keys.given() == ["first", "cookie"]
