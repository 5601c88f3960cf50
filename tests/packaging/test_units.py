"""The units, judged by systemd itself: what it reads, how much it leaves open, and that both say the same."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "packaging" / "systemd"
ONE, EACH = UNITS / "offcloud-watchd.service", UNITS / "offcloud-watchd@.service"
KEY = UNITS / "offcloud-watchd-key@.service"
EXPOSURE_LIMIT = "15"  # tenths: 1.5

wants_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine"
)


def analyzed(*words: str) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze."""
    return subprocess.run(
        ["systemd-analyze", *words], check=False, capture_output=True, text=True, timeout=60
    )


def settings(unit: Path) -> list[str]:
    """Return a unit's lines without comments and blanks."""
    return [line for line in unit.read_text().splitlines() if line and not line.startswith("#")]


@wants_systemd
@pytest.mark.parametrize(
    "name",
    [
        "offcloud-watchd.service",
        "offcloud-watchd@anna.service",
        "offcloud-watchd-key.path",
        "offcloud-watchd-key@anna.path",
        "offcloud-watchd-key@offcloud-watchd@anna.service",
    ],
)
def test_systemd_understands_every_line(tmp_path: Path, name: str) -> None:
    """A line that this systemd ignores, or a command it cannot find, is a complaint."""
    program = tmp_path / "offcloud-watchd"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    template = re.sub("@.*[.]", "@.", name)
    text = (UNITS / template).read_text()
    # The program and its pages are not installed here: one has a place for the test, the others are left out.
    text = text.replace("ExecStart=offcloud-watchd", f"ExecStart={program}").replace("Documentation=", "#")
    (tmp_path / template).write_text(text)
    verified = analyzed("verify", str(tmp_path / name))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@wants_systemd
@pytest.mark.parametrize("unit", [ONE, EACH, KEY], ids=["one account", "several", "a new key"])
def test_little_is_left_open(unit: Path) -> None:
    """Systemd's own measure of what a service could still do stays within the limit."""
    judged = analyzed("security", "--offline=yes", f"--threshold={EXPOSURE_LIMIT}", "--no-pager", str(unit))
    assert judged.returncode == 0, judged.stdout[-2000:]


def test_both_units_differ_in_the_places_alone() -> None:
    """Whatever is hardened or mended in one unit is so in the other, too."""
    one, each = settings(ONE), settings(EACH)
    assert [line for line in one if line not in each] == [
        "Description=Offcloud drop folder service",
        "Wants=offcloud-watchd-key.path",
        "LoadCredential=offcloud-api-key:/etc/offcloud-watchd/api-key",
        "StateDirectory=offcloud-watchd",
        "RuntimeDirectory=offcloud-watchd",
    ]
    assert [line for line in each if line not in one] == [
        "Description=Offcloud drop folder service, account %i",
        "Wants=offcloud-watchd-key@%i.path",
        "Environment=OFFCLOUD_WATCHD_CONFIG=/etc/offcloud-watchd/accounts/%i/config.yaml",
        "LoadCredential=offcloud-api-key:/etc/offcloud-watchd/accounts/%i/api-key",
        "StateDirectory=offcloud-watchd/accounts/%i",
        "RuntimeDirectory=offcloud-watchd-%i",
    ]


@pytest.mark.parametrize("setting", ["PrivateUsers=no", "RestrictSUIDSGID=no", "UMask=0002", "fchown"])
def test_every_loosening_has_its_reason(setting: str) -> None:
    """Above each line that opens something stands a comment that says why."""
    lines = ONE.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.endswith(setting))
    assert lines[place - 1].startswith("# ")


def test_exit_codes_that_starting_again_does_not_mend() -> None:
    """65, 75, 77 and 78 end the service for good; anything else is tried again."""
    assert "RestartPreventExitStatus=65 75 77 78" in settings(ONE)
    assert "Restart=on-failure" in settings(ONE)
