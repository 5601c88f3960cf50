"""The wheel, installed with pipx the way docs/install.md says it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(shutil.which("pipx") is None, reason="pipx is not on this machine"),
]


@pytest.fixture(scope="module")
def wheel() -> Path:
    """Make the wheel and the sdist; return the wheel."""
    subprocess.run(["make", "wheel"], cwd=ROOT, check=True, capture_output=True, timeout=300)
    assert list((ROOT / "dist").glob("offcloud_watchd-*.tar.gz"))
    return next((ROOT / "dist").glob("offcloud_watchd-*.whl"))


@pytest.mark.parametrize("extra", ["", "[systemd]"], ids=["plain", "with the systemd extra"])
def test_pipx_installs_it(wheel: Path, tmp_path: Path, extra: str) -> None:
    """The command works in an environment of its own; the extra brings the journal, plain does without."""
    if extra and subprocess.run(["pkg-config", "--exists", "libsystemd"], check=False).returncode:
        pytest.skip("the extra is built where systemd's headers are")
    environment = {
        **os.environ,
        "PIPX_HOME": str(tmp_path / "home"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_DEFAULT_PYTHON": "/usr/bin/python3",
    }
    subprocess.run(
        ["pipx", "install", f"{wheel}{extra}"], env=environment, check=True, capture_output=True, timeout=600
    )
    command = tmp_path / "bin" / "offcloud-watchd"
    for words in (["--version"], ["config", "example"]):
        subprocess.run([command, *words], check=True, capture_output=True, timeout=60, cwd=tmp_path)
    python = tmp_path / "home" / "venvs" / "offcloud-watchd" / "bin" / "python"
    asked = "from offcloud_watchd import logs; print(logs.journal_send() is not None)"
    told = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout.strip() == str(bool(extra))
