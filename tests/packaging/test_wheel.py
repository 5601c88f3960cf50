"""Installed into an empty environment by the words of the README and docs/install.md; then the demo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CI = bool(os.environ.get("CI"))


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program as somebody who has nothing yet; return what it printed."""
    ended = subprocess.run(
        [*words],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        cwd=cwd,
        env={**bare(), "HOME": str(cwd), **environment},
    )
    assert ended.returncode == 0, ended.stdout[-3000:]
    return ended.stdout


def bare() -> Mapping[str, str]:
    """Return what a fresh login has; pip's own settings say where this machine gets packages from."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {**{name: text for name, text in os.environ.items() if name.startswith("PIP_")}, "PATH": path}


def test_the_readme_installs_it(tmp_path: Path) -> None:
    """The first lines of the README's set-up, with other places; the demo brings every byte home."""
    text = (ROOT / "README.md").read_text().partition("## Five minutes to a real set-up\n")[2]
    lines = re.findall(r"```sh\n(.*?)\n\n", text, re.DOTALL)[0]
    (tmp_path / "bin").mkdir()
    lines = lines.replace("/opt/", f"{tmp_path}/").replace("/usr/local/bin/", f"{tmp_path}/bin/")
    run("sh", "-euc", f"cd '{ROOT}'\n{lines}", cwd=tmp_path)
    command = tmp_path / "bin" / "offcloud-watchd"
    assert run(command, "--version", cwd=tmp_path).startswith("offcloud-watchd ")
    assert "submitted twice: 0" in run(command, "demo", cwd=tmp_path)


@pytest.mark.skipif(not CI and shutil.which("pipx") is None, reason="pipx is not on this machine")
def test_pipx_installs_the_wheel(tmp_path: Path) -> None:
    """With the extra, which brings the journal, and without it; a source distribution is made as well."""
    has_headers = not subprocess.run(["pkg-config", "--exists", "libsystemd"], check=False).returncode
    run("make", "wheel", "PYTHON=/usr/bin/python3", cwd=ROOT)
    assert list((ROOT / "dist").glob("offcloud_watchd-*.tar.gz"))
    wheel = next((ROOT / "dist").glob("offcloud_watchd-*.whl"))
    for extra in ("", "[systemd]") if CI or has_headers else ("",):
        place = tmp_path / f"with {extra}"
        place.mkdir()
        pipx = {"PIPX_HOME": "home", "PIPX_BIN_DIR": "bin", "PIPX_DEFAULT_PYTHON": "/usr/bin/python3"}
        run("pipx", "install", f"{wheel}{extra}", cwd=place, **pipx)
        run(place / "bin" / "offcloud-watchd", "config", "example", cwd=place)
        asked = "from offcloud_watchd import logs; print(logs.journal_send() is not None)"
        python = place / "home" / "venvs" / "offcloud-watchd" / "bin" / "python"
        assert run(python, "-c", asked, cwd=place).strip() == str(bool(extra))
