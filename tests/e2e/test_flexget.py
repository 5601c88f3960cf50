"""FlexGet, as it is installed, beside the daemon: with the very configuration that docs/arr.md shows."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox import Sandbox
from tests.e2e.process import Daemon, Place, wait_until
from tests.e2e.releases import assert_all_home
from tests.fakes.ports import free_port

PACKAGES = ("flexget==3.22.8", "qbittorrent-api==2026.10.1", "transmission-rpc==7.0.12")
GUIDE = Path(__file__).parents[2] / "docs" / "arr.md"
PASSWORD = "open sesame"
CLIENTS = {"qbittorrent", "from_qbittorrent", "transmission", "from_transmission"}
MAGNET = f"magnet:?xt=urn:btih:{7:040x}&dn=Some.Film.2020"

pytestmark = pytest.mark.torture


@pytest.fixture(scope="module")
def flexget(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install it into an environment of its own, a minute or so."""
    home = tmp_path_factory.mktemp("flexget")
    python = home / "bin" / "python"
    try:
        subprocess.run([sys.executable, "-m", "venv", home], check=True, timeout=120)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        subprocess.run(install, check=True, timeout=600)
        yield home / "bin" / "flexget"
    finally:
        shutil.rmtree(home, ignore_errors=True)


def guide() -> dict[str, Any]:
    """Return the tasks that the guide shows."""
    blocks = GUIDE.read_text(encoding="utf-8").split("```yaml\n")[1:]
    configs = [yaml.safe_load(block.partition("```")[0]) for block in blocks]
    return {name: task for config in configs for name, task in config.get("tasks", {}).items()}


class Setting:
    """A sandbox, a daemon whose port has a password, and FlexGet with the guide's configuration."""

    def __init__(
        self,
        flexget: Path,
        sandbox: Sandbox,
        make_place: Callable[..., Place],
        run_daemon: Callable[..., Daemon],
    ) -> None:
        self.flexget = flexget
        self.sandbox = sandbox
        self.port = free_port()
        web = f"{{listen: '127.0.0.1:{self.port}', password_file: web-password, transmission: true}}"
        self.place = make_place(sandbox.url, settle="100ms", poll="{min: 200ms, max: 500ms}", web=web)
        secret = self.place.root / "web-password"
        secret.write_text(PASSWORD)  # which stands in FlexGet's own configuration, too
        secret.chmod(0o600)
        self.place.write_config()
        self.daemon = run_daemon(self.place)
        wait_until(lambda: "ready: " in self.daemon.log, within_s=30, why=lambda: self.daemon.log)

    def run(self, name: str, *entries: dict[str, str]) -> str:
        """Let a task of the guide run once, here; ``entries`` stand in for its feed. Return what it says."""
        task = copy.deepcopy(guide()[name])
        if "rss" in task:
            del task["rss"]
            task["mock"] = list(entries)
        for client in CLIENTS & task.keys():
            task[client] |= {"port": self.port, "password": PASSWORD}
        if "download" in task:
            task["download"] = str(self.place.drop)
        home = self.place.root / "flexget"
        home.mkdir(exist_ok=True)
        config = home / "config.yml"
        config.write_text(yaml.safe_dump({"tasks": {name: task}}))
        command = [self.flexget, "-c", config, "execute", "--tasks", name, "--dump", "accepted"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "ERROR" not in ran.stderr + ran.stdout, ran.stdout + ran.stderr
        return ran.stdout

    def torrent(self, name: str) -> dict[str, str]:
        """Return the entry of a torrent that the sandbox can deliver."""
        return {"title": name, "url": f"{self.sandbox.url}/sandbox/torrents/{quote(name)}.torrent"}

    def wait_done(self, count: int) -> None:
        """Wait until everything is at home."""
        wait_until(
            lambda: self.place.all_in(JobState.DONE, count=count), within_s=60, why=lambda: self.daemon.log
        )


@pytest.fixture
def setting(flexget, start_sandbox, make_place, run_daemon) -> Setting:
    """Set it up."""
    return Setting(flexget, start_sandbox(), make_place, run_daemon)


@pytest.mark.parametrize("category", ["films", "shows"], ids=["qbittorrent", "transmission"])
def test_its_client_adds_and_reads_back(setting: Setting, category: str) -> None:
    """A magnet and a torrent, once each however often it runs; listed when they are complete."""
    entries = ({"title": "Some.Film.2020", "url": MAGNET}, setting.torrent("Another.Film.2021"))
    setting.run(category, *entries)
    setting.wait_done(2)
    jobs = setting.place.jobs()
    assert {job.destination.category for job in jobs.values()} == {category}
    assert_all_home(setting.place, setting.sandbox, jobs)
    said = setting.run(f"{category}-at-home")
    for job in jobs.values():
        assert job.publication is not None
        assert said.count(Path(job.publication.path).name), said
    setting.run(category, *({**entry, "title": f"{entry['title']}.again"} for entry in entries))
    assert setting.place.jobs() == jobs
    assert setting.daemon.stop() == 0


def test_its_files_are_taken_from_a_folder(setting: Setting) -> None:
    """Each release is called as the file is."""
    setting.run("films-by-folder", setting.torrent("A.Film.2022"), setting.torrent("B.Film.2023"))
    setting.wait_done(2)
    jobs = setting.place.jobs()
    assert {job.release for job in jobs.values()} == {"A.Film.2022", "B.Film.2023"}
    assert_all_home(setting.place, setting.sandbox, jobs)
    assert sorted(path.name for path in setting.place.drop.iterdir()) == ["processed"]
    assert setting.daemon.stop() == 0
