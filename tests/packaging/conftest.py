"""The machine that the tests of the package share: one for each file, thrown away with it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.box import Box, built_package
from tests.packaging.machine import CONFIG, DROP_IN, FOLDERS, KEY, configure


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this tree."""
    return built_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def before() -> set[str]:
    """Every path that was there before the package was installed; filled by the machine's fixture."""
    return set()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, package: Path, before: set[str]) -> Iterator[Box]:
    """A machine with the package installed, and a sandbox running in it."""
    box = Box(tmp_path_factory.mktemp("box") / "root")
    try:
        box.boot()
        before |= box.files()
        (box.root / "root" / "first.deb").write_bytes(package.read_bytes())
        box.run("dpkg --install /root/first.deb")
        box.run("systemd-run --quiet --unit=sandbox offcloud-watchd sandbox")
        yield box
    finally:
        box.power_off()
        shutil.rmtree(box.root)


@pytest.fixture(scope="module")
def service(box: Box) -> Box:
    """The machine with a configured service, begun by the words of docs/install.md."""
    homes = " ".join(shlex.quote(folder) for folder in FOLDERS)
    box.run(
        f"""
        useradd --create-home anna && chmod 700 /home/anna
        mkdir -p {homes} /srv/downloads /home/anna/releases
        chown offcloud-watchd: {homes} /srv/downloads /home/anna/releases
        echo {KEY} | install -m 600 /dev/stdin /etc/offcloud-watchd/api-key
        mkdir -p {DROP_IN}
        """
    )
    configure(box, CONFIG)
    box.run(
        f"""
        offcloud-watchd check
        offcloud-watchd systemd paths > {DROP_IN}/paths.conf
        systemctl daemon-reload
        systemctl enable --quiet --now offcloud-watchd
        """
    )
    return box
