"""A Debian machine of one's own: a tree that systemd-nspawn boots, thrown away with the test.

Rules of this file:

* The tree is made once (``debootstrap``, below ``build/``) and copied for every machine. ``$DEBIAN_TREE`` is
  one that is there already; it must hold systemd, python3 and procps.
* The machine has a network of its own with nothing in it but the loopback: nothing is fetched in it.
* It is not registered with the host's systemd, which may not be there; commands enter by the leader's
  namespaces. Only the process that was started here is ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.process import wait_until

ROOT = Path(__file__).parents[2]
RELEASE = "bookworm"
PACKAGES = "systemd,systemd-sysv,python3,procps"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ("systemd-nspawn", "nsenter", "dpkg-deb", "dpkg-buildpackage", "dh")


def missing() -> str:
    """Say what this machine lacks to boot another one; empty when it can."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    wanted = TOOLS if "DEBIAN_TREE" in os.environ else (*TOOLS, "debootstrap")
    absent = [tool for tool in wanted if shutil.which(tool) is None]
    return f"not on this machine: {', '.join(absent)}" if absent else ""


def tree() -> Path:
    """Return a Debian tree to copy from; made the first time, which takes minutes and the network."""
    if named := os.environ.get("DEBIAN_TREE"):
        return Path(named)
    place = ROOT / "build" / f"debian-{RELEASE}"
    if not place.exists():
        growing = place.with_suffix(".growing")
        shutil.rmtree(growing, ignore_errors=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(growing), *_mirror()],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        growing.rename(place)
    return place


def _mirror() -> list[str]:
    """Return where this machine's own packages come from; debootstrap has a default for the rest."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", f"Codename: {RELEASE}"],
        check=False,
        capture_output=True,
        text=True,
    )
    return told.stdout.split()[:1]


@dataclass
class Box:
    """One booted machine. ``root`` is its root directory, seen from here."""

    root: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def boot(self) -> None:
        """Copy the tree, boot it and wait until it is up."""
        subprocess.run(["cp", "-a", "--reflink=auto", tree(), self.root], check=True)
        (self.root / "etc" / "machine-id").write_text("")
        with (self.root.parent / "console.log").open("wb") as console:
            self.process = subprocess.Popen(
                [
                    "systemd-nspawn",
                    "--quiet",
                    f"--directory={self.root}",
                    "--boot",
                    "--private-network",
                    "--register=no",
                    "--keep-unit",
                    "--console=pipe",
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        wait_until(self._is_up, within_s=60, why=lambda: f"its first process: {self.leader}")

    @property
    def leader(self) -> int | None:
        """The first process in the machine, as it is numbered here; None before there is one.

        Nspawn begins with a helper that ends once the machine's own first process is there.
        """
        if self.process is None or self.process.poll() is not None:
            return None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[-1]) if children else None

    def _is_up(self) -> bool:
        state = self.run("systemctl is-system-running", check=False) if self.leader else ""
        return state.strip() in ("running", "degraded")

    def run(self, script: str, *, check: bool = True, timeout_s: float = 120) -> str:
        """Run a piece of shell as root in the machine; return all that it printed."""
        ended = subprocess.run(
            [
                "nsenter",
                f"--target={self.leader}",
                "--all",
                "env",
                "-i",
                f"PATH={PATH}",
                "HOME=/root",
                "LANG=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive",
                "sh",
                "-euc",
                script,
            ],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
        )
        text = ended.stdout.decode(errors="replace")
        assert not check or ended.returncode == 0, f"{script}\nended with {ended.returncode}:\n{text[-3000:]}"
        return text

    def show(self, unit: str, setting: str) -> str:
        """Return one property of a unit."""
        return self.run(f"systemctl show --value --property={setting} {unit}").strip()

    def wait(self, script: str, *, within_s: float) -> None:
        """Wait until a piece of shell succeeds."""
        last = ""

        def succeeds() -> bool:
            nonlocal last
            last = self.run(f"{script}\necho so it is", check=False)
            return last.endswith("so it is\n")

        wait_until(succeeds, within_s=within_s, why=lambda: f"{script}\n{last}\n{self.log()}")

    def log(self, unit: str = "offcloud-watchd") -> str:
        """Return what a unit logged since the machine was booted."""
        return self.run(f"journalctl --no-pager --output=cat --unit={unit}", check=False)

    def files(self) -> set[str]:
        """Return every path in the machine that does not live in memory and is not a log or a cache."""
        passed = {"proc", "sys", "dev", "run", "tmp"}
        found: set[str] = set()
        for directory, names, others in os.walk(self.root):
            place = Path(directory).relative_to(self.root)
            if place == Path():
                names[:] = [name for name in names if name not in passed]
            found.update(str(place / name) for name in (*names, *others))
        return {path for path in found if not path.startswith(("var/log/", "var/cache/", "var/lib/dpkg/"))}

    def power_off(self) -> None:
        """Turn it off, by force if it will not go; harmless when it is not there."""
        if self.process is None:
            return
        if self.leader:
            self.run("systemctl poweroff", check=False)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


def built_package(directory: Path) -> Path:
    """Return the Debian package of this tree; ``$OFFCLOUD_WATCHD_DEB`` names one that was built before."""
    if named := os.environ.get("OFFCLOUD_WATCHD_DEB"):
        return Path(named)
    log = directory / "build.log"
    with log.open("wb") as out:
        ended = subprocess.run(
            [str(ROOT / "packaging" / "build-deb")], check=False, stdout=out, stderr=out, timeout=900
        )
    assert ended.returncode == 0, log.read_text(errors="replace")[-3000:]
    return next((ROOT / "dist").glob("offcloud-watchd_*.deb"))


def newer(package: Path, directory: Path) -> Path:
    """Return the same package under a higher version: what an upgrade brings."""
    unpacked = directory / "newer"
    subprocess.run(["dpkg-deb", "--raw-extract", package, unpacked], check=True)
    control = unpacked / "DEBIAN" / "control"
    lines = control.read_text().splitlines()
    changed = [f"{line}+newer" if line.startswith("Version: ") else line for line in lines]
    control.write_text("\n".join(changed) + "\n")
    target = directory / "newer.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", unpacked, target],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return target
