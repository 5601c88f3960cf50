"""What a daemon is built from, read by a process of its own."""

import sys
from pathlib import Path

import pytest

from offcloud_watchd import blueprint
from offcloud_watchd.blueprint import CategoryDestinations, SubfolderDestinations
from offcloud_watchd.core.model import Destination, RemoteTarget, Route
from offcloud_watchd.errors import BadDrop, ConfigError

SECRET = "a-key-for-tests-0123456789"


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    """A small configuration that is good."""
    (tmp_path / "drop").mkdir()
    key = tmp_path / "key"
    key.write_text(SECRET)
    key.chmod(0o600)
    path = tmp_path / "config.yaml"
    path.write_text(
        "offcloud: {api_key_file: key}\noutput_dir: out\nstate_dir: state\n"
        "folders: [{path: drop, category: tv, route: cloud}]\n"
    )
    return path


def test_what_is_read(config_path: Path) -> None:
    """The settings as the file has them; the key is only pointed at."""
    plan = blueprint.read(config_path, {})
    assert plan.state_dir == config_path.parent / "state"
    assert plan.key.file == config_path.parent / "key"
    assert plan.watch.folders[0].path == config_path.parent / "drop"
    assert plan.client(read_key=lambda: "k").base_url == "https://offcloud.com"
    assert SECRET not in repr(plan)


def test_the_file_is_found_by_the_environment(config_path: Path) -> None:
    """Nobody named it: the variable does."""
    plan = blueprint.read(None, {"OFFCLOUD_WATCHD_CONFIG": str(config_path)})
    assert plan.state_dir == config_path.parent / "state"


def test_every_problem_comes_across(config_path: Path) -> None:
    """With its place in the file, and with the note that says which file was read."""
    config_path.write_text(config_path.read_text().replace("category", "kategory") + "nonsense: 1\n")
    with pytest.raises(ConfigError) as caught:
        blueprint.read(config_path, {})
    first, second = caught.value.problems
    assert first.startswith("config.yaml:4:")
    assert second.startswith("config.yaml:5:1: nonsense")
    assert caught.value.__notes__ == [f"read from {config_path}"]


def test_nothing_of_the_working_directory_is_run(
    config_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who starts the daemon in a foreign directory does not run what lies there."""
    (tmp_path / "yaml.py").write_text("raise SystemExit('stranger')\n")
    (tmp_path / "offcloud_watchd").mkdir()
    monkeypatch.chdir(tmp_path)
    assert blueprint.read(config_path, {}).state_dir


def test_a_reader_that_dies_is_a_problem_too(config_path: Path, tmp_path: Path) -> None:
    """Here its own libraries are broken; the process may also be killed."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    sys.path.insert(0, str(broken))  # the reader is given this very list
    try:
        with pytest.raises(ConfigError, match="ended with signal 9"):
            blueprint.read(config_path, {})
    finally:
        sys.path.remove(str(broken))


def test_where_an_added_link_goes() -> None:
    """What a drop folder says of its category, else a directory of that name; a bad name is refused."""
    films = Destination("films", "/mnt/films", Route.CLOUD)
    goes = CategoryDestinations("films", Path("/out"), {"films": films})
    assert goes(None) == goes("films") == films
    assert goes("tv") == Destination("tv", "/out/tv")
    with pytest.raises(BadDrop, match="category"):
        goes("../etc")


def test_where_a_subfolder_goes() -> None:
    """Beside its folder's own category."""
    assert SubfolderDestinations(Path("/out"), Route.CLOUD)("tv") == Destination("tv", "/out/tv")
    drive = RemoteTarget("drive")
    sent = SubfolderDestinations(Path("/out"), Route.REMOTE, drive)("tv")
    assert sent == Destination("tv", "/out/tv", Route.REMOTE, drive)
    given = SubfolderDestinations(Path("/out"), Route.INSTANT, proxy="EU")("tv")
    assert given == Destination("tv", "/out/tv", Route.INSTANT, proxy="EU")


def test_a_reader_that_takes_its_time_is_told_of(
    config_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here its own start is slow: while it is waited for, whoever asked may say that it goes on."""
    slow = tmp_path / "slow"
    slow.mkdir()
    released = tmp_path / "go-on"
    (slow / "sitecustomize.py").write_text(
        f"import os, time\nwhile not os.path.exists({str(released)!r}): time.sleep(0.02)\n"
    )
    monkeypatch.syspath_prepend(str(slow))  # the reader is given this very list
    told = []

    def going_on() -> None:
        told.append("once")
        released.touch()

    assert blueprint.read(config_path, {}, going_on).state_dir
    assert told
