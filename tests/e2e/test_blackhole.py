"""A blackhole to the letter: what its program reads back, and what it may do with that as another user."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from offcloud_watchd.core.model import JobState
from tests.e2e.process import Place, wait_until

MEDIA_GROUP = 54321
TOOL_USER = 54322

NAMES = (
    "Show - The Start.S01E01.1080p",
    "Film! (2020) [1080p] + Extra-Name.mkv",
    "Überall ist's schön.S02E03.",
    "x" * 243,
)
"""Stems as a tool cleans them: brackets, signs, letters of any language, an extension, a dot at the end."""

AS_THE_TOOL = """
import os, shutil, sys
release, library = sys.argv[1:]
for directory, _, names in os.walk(release):
    for name in names:
        path = os.path.join(directory, name)
        os.link(path, os.path.join(library, "linked-" + name))
        os.rename(path, os.path.join(library, "moved-" + name))
shutil.rmtree(release)
"""


@pytest.fixture
def root() -> Iterator[Path]:
    """Make a directory that every user can enter."""
    directory = Path(tempfile.mkdtemp(prefix="blackhole-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def home(place: Place) -> list[Path]:
    """Return the releases there are."""
    return sorted((place.output / "tv").iterdir()) if (place.output / "tv").exists() else []


def test_each_release_is_named_by_its_file_and_left_alone(start_sandbox, make_place, run_daemon) -> None:
    """One directory each, with the stem byte for byte; what the tool took away does not come again."""
    sandbox = start_sandbox()
    place = make_place(sandbox.url, settle="100ms", poll="{min: 200ms, max: 500ms}")
    daemon = run_daemon(place)
    (place.drop / "sonarr_write_test.txt").write_text("written to see whether it can be")
    for number, name in enumerate(NAMES):
        (place.drop / f"{name}.magnet").write_text(f"magnet:?xt=urn:btih:{number + 1:040x}&dn=Other.{number}")
    wait_until(lambda: place.all_in(JobState.DONE, count=len(NAMES)), within_s=60, why=lambda: daemon.log)
    releases = home(place)
    assert {os.fsencode(release.name) for release in releases} == {os.fsencode(name) for name in NAMES}
    for release in releases:
        assert release.is_dir()
        kinds = {stat.S_IFMT(path.lstat().st_mode) for path in release.rglob("*")}
        assert kinds <= {stat.S_IFREG, stat.S_IFDIR}, "no links, nothing special"
        assert not [path for path in release.rglob("*") if path.name.startswith(".")]
    assert (place.drop / "sonarr_write_test.txt").exists()
    for release in releases:
        shutil.rmtree(release)
    assert daemon.stop() == 0
    daemon.start()
    wait_until(lambda: daemon.log.count("ready: ") == 2, within_s=30, why=lambda: daemon.log)
    assert daemon.stop() == 0
    assert home(place) == []
    assert {job.state for job in place.jobs().values()} == {JobState.DONE}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_the_tool_may_link_move_and_delete_as_another_user(start_sandbox, run_daemon, root: Path) -> None:
    """As the modes and the group say: the kernel lets link only who may also write."""
    place = Place(root / "place", start_sandbox().url, {"group": f"'{MEDIA_GROUP}'"})
    daemon = run_daemon(place)
    (place.drop / "Film.2020.magnet").write_text(f"magnet:?xt=urn:btih:{9:040x}&dn=Film")
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=60, why=lambda: daemon.log)
    [release] = home(place)
    about = release.stat()
    assert (stat.S_IMODE(about.st_mode), about.st_gid) == (0o2775, MEDIA_GROUP)
    files = [path for path in release.rglob("*") if path.is_file()]
    assert {(stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) for path in files} == {
        (0o664, MEDIA_GROUP)
    }
    library = root / "library"
    library.mkdir()
    os.chown(library, TOOL_USER, MEDIA_GROUP)
    subprocess.run(
        [
            shutil.which("python3", path="/usr/bin") or sys.executable,
            "-I",
            "-c",
            AS_THE_TOOL,
            str(release),
            str(library),
        ],
        check=True,
        timeout=30,
        user=TOOL_USER,
        group=MEDIA_GROUP,
        extra_groups=[],
    )
    assert home(place) == []
    assert len(list(library.iterdir())) == 2 * len(files)
    assert daemon.stop() == 0
