"""``strace`` as a second witness: it sees no change of a file that ``faultline`` misses, and it kills too."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.ordeal.place import Fault, Ordeal, faultline
from tests.faults.ordeal.scenarios import SCENARIOS, one_magnet

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]

CHANGES = (
    "openat,open,creat,mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,"
    "mknod,mknodat,truncate,ftruncate,fallocate,write,writev,pwrite64,pwritev,pwritev2,copy_file_range,splice,"
    "sendfile,fsync,fdatasync,sync_file_range,setxattr,fsetxattr,chmod,fchmod,fchmodat,chown,fchown,fchownat"
)
SAME = {
    "renameat": "rename",
    "renameat2": "rename",
    "linkat": "link",
    "mkdirat": "mkdir",
    "unlinkat": "unlink",
    "fchmodat": "chmod",
    "pwritev64": "pwritev",
    "ftruncate64": "ftruncate",
    "fallocate64": "fallocate",
    "posix_fallocate": "fallocate",
    "posix_fallocate64": "fallocate",
}
LOOKING = {"open", "flock"}
KILLING = (
    "fsync,fdatasync,write,pwrite64,writev,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,sendto"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the library that strikes."""
    return faultline(tmp_path_factory.mktemp("faultline"))


def seen_by_strace(path: Path, root: Path) -> Counter[str]:
    """Count the calls that changed something below a directory and worked, by name."""
    counted: Counter[str] = Counter()
    for line in path.read_text(errors="replace").splitlines():
        match = re.match(r"\d+ +(\w+)\((.*)\) += +(-?\d+)", line)
        if match is None or match[3].startswith("-") or f"{root}/" not in match[2]:
            continue
        name = SAME.get(match[1], match[1])
        if name == "openat":
            if "O_CREAT" not in match[2]:
                continue
            name = "create"
        if name == "unlink" and "AT_REMOVEDIR" in match[2]:
            name = "rmdir"
        if not re.match(r"[012]<", match[2]):  # the log of the daemon
            counted[name] += 1
    return counted


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_change_is_overlooked(tmp_path: Path, library: Path, name: str) -> None:
    """Every call that ``strace`` sees changing a file is one of those at which the process was killed."""
    ordeal = Ordeal(tmp_path / "one", library, first=6 * 10**7)
    trace = tmp_path / "trace"
    try:
        enough = SCENARIOS[name].begin(ordeal)
        witness = subprocess.Popen(
            [
                "strace",
                "-f",
                "-y",
                "-qq",
                "-s",
                "0",
                "-e",
                f"trace={CHANGES}",
                "-o",
                str(trace),
                "-p",
                str(ordeal.nursery.pid),
            ],
            stderr=subprocess.PIPE,
        )
        assert witness.stderr is not None
        ordeal.nursery.wait_for_tracer()
        assert ordeal.live(Fault(), enough) == 0, ordeal.told()
        witness.send_signal(signal.SIGINT)
        witness.wait(10)
        witness.stderr.close()
        told = Counter(SAME.get(call.name, call.name) for call in ordeal.calls() if call.path != "network")
        ours = Counter({call: count for call, count in told.items() if call not in LOOKING})
        theirs = seen_by_strace(trace, ordeal.place.root)
        print(f"\n{name}: {theirs.total()} changes: {dict(theirs)}")
        assert theirs, "strace saw nothing"
        overlooked = theirs - ours
        assert not overlooked, (overlooked, ours)
    finally:
        ordeal.close()


def killed_by_strace(ordeal: Ordeal, number: int) -> bool:
    """Run the installed program until the n-th call of a thread, or to its end; tell which it was."""
    inject = f"inject={KILLING}:signal=KILL:when={number}"
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={KILLING}", "-e", inject]
    program = [sys.executable, "-m", "offcloud_watchd", "run", "--config", str(ordeal.place.config)]
    with (ordeal.root / "daemon.log").open("ab") as log:
        process = subprocess.Popen([*command, *program], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    for _ in range(600):
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            if not ordeal.settled():
                continue
            os.kill(int((ordeal.place.state / "lock").read_text()), signal.SIGKILL)
            process.wait(10)
            return False
        return True
    raise AssertionError(ordeal.told())


def test_strace_kills_the_installed_program(tmp_path: Path, library: Path) -> None:
    """Killed at the n-th call of a thread, from the interpreter's start on, it goes on at the next start."""
    ordeal = Ordeal(tmp_path / "one", library, first=5 * 10**7)
    deaths = 0
    try:
        for number in range(1, 31):
            one_magnet(ordeal)
            deaths += killed_by_strace(ordeal, number)
            ordeal.when_unlocked()
            assert ordeal.live() == 0, ordeal.told()
            ordeal.check()
    finally:
        ordeal.close()
    print(f"\n{deaths} deaths by strace")
    assert deaths > 5
