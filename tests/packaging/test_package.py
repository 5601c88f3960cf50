"""The Debian package, built by its one command and judged by lintian; ``test_debian`` installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from offcloud_watchd.cli import COMMANDS
from tests.packaging.box import ROOT, built_package

TOOLS = ("dpkg-buildpackage", "dh", "lintian")
ABSENT = [tool for tool in TOOLS if shutil.which(tool) is None]


@pytest.mark.skipif(
    bool(ABSENT) and "CI" not in os.environ, reason=f"not on this machine: {', '.join(ABSENT)}"
)
def test_lintian_has_no_complaint(tmp_path: Path) -> None:
    """Neither error nor warning; units, pages, completions and the configuration are where they belong."""
    package = built_package(tmp_path)
    judged = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", package],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (judged.returncode, judged.stdout) == (0, ""), judged.stdout + judged.stderr
    listed = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True)
    held = {line.split()[5].removeprefix(".") for line in listed.stdout.splitlines()}
    units = ("offcloud-watchd.service", "offcloud-watchd@.service", "offcloud-watchd-key.path")
    units += ("offcloud-watchd-key@.path", "offcloud-watchd-key@.service")
    # Where units lie depends on the release of Debian.
    assert {
        unit for unit in units if not {f"{top}/systemd/system/{unit}" for top in ("/lib", "/usr/lib")} & held
    } == set()
    pages = {f"/usr/share/man/man1/offcloud-watchd-{name}.1.gz" for name in COMMANDS}
    here = [
        *(ROOT / "docs").rglob("*.*"),
        *map(ROOT.joinpath, ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")),
    ]
    # Under the names by which they link to one another.
    pages |= {f"/usr/share/doc/offcloud-watchd/{path.relative_to(ROOT)}" for path in here}
    assert pages | {"/usr/share/man/man5/offcloud-watchd.5.gz", "/etc/offcloud-watchd/config.yaml"} <= held
