"""A disk that is really full, really read-only: on a small file system of our own, where we may mount one."""

import json
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from offcloud_watchd.errors import Cancelled, Permanent
from tests.fakes.file_host import FileHost, Play
from tests.faults.namespace import mount, with_own_mounts
from tests.unit.fetch.bench import KIB, Bench, content

HELPER = """
import json, os, subprocess, sys, threading
from offcloud_watchd.core.model import (
    Destination, Job, JobState, Link, LinkKind, RemoteFile, Submission,
)
from offcloud_watchd.errors import OffcloudWatchdError
from offcloud_watchd.fetch import DiskShelf, ShelfSettings

root, url, size, told = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "told"
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", root], check=True)

class Clock:
    def now(self): return 0.0
    def monotonic(self): return 0.0

settings = ShelfSettings(outputs=(root + "/tv",), min_free_bytes=0, allow_http=True, reconnect_wait_s=0.0,
                         chunk_bytes=65536, sync_every_bytes=262144)
shelf = DiskShelf(settings, Clock())
job = Job("c0ffee", Link(LinkKind.URL, "url:x", "http://x"), (), Destination("tv", root + "/tv"), "Name",
          JobState.FETCHING, 0.0, 0.0, submission=Submission("R"))
files = [RemoteFile("Root/a", url, size if told else None)]

def fetch():
    try:
        return shelf.fetch(job, lambda *_: files, lambda _: None, threading.Event()).verified
    except OffcloudWatchdError as error:
        return f"{type(error).__name__}: {error}"

def probe():
    try:
        return shelf.probe()
    except OffcloudWatchdError as error:
        return f"{type(error).__name__}: {error}"

def visible():
    return sorted(os.listdir(root + "/tv")) if os.path.isdir(root + "/tv") else []

said = []
with open(root + "/ballast", "wb") as ballast:
    ballast.write(bytes(3 << 20))
said.append([fetch(), visible()])
os.unlink(root + "/ballast")
subprocess.run(["mount", "-o", "remount,ro", root], check=True)
said.append([fetch(), visible()])
said.append([probe(), visible()])
subprocess.run(["mount", "-o", "remount,rw", root], check=True)
said.append([probe(), visible()])
said.append([fetch(), visible()])
content = open(root + "/tv/Name/a", "rb").read()
print(json.dumps([said, len(content), hash(content) == hash(open(sys.argv[5], "rb").read())]))
"""


def may_mount() -> bool:
    """Tell whether a mount namespace of our own can be had."""
    try:
        tried = subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs the right to mount a small file system (unshare -m)")
@pytest.mark.parametrize("told", ["told", "untold"])
def test_a_full_and_a_read_only_disk(tmp_path: Path, host: FileHost, told: str) -> None:
    """Faults 86, 87: the lane pauses, the part is kept, nothing is visible; with room again it goes on."""
    data = content(2 << 20)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "mount").mkdir()
    url = host.put("a", data)
    if told == "untold":  # so the shortage shows only while it is written
        host.plan("a", Play(no_length=True, ignore_range=True))
    arguments = [str(tmp_path / "mount"), url, str(len(data)), told, str(tmp_path / "a")]
    command = ["unshare", "-m", sys.executable, "-c", HELPER, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said, size, same = json.loads(done.stdout)
    full, read_only, probe, good, fetched = said
    assert full[0].startswith("NoRoom: " if told == "told" else "Blocked: tried to write in ")
    assert "room" in full[0] if told == "told" else "No space left" in full[0]
    assert read_only[0].startswith("Blocked: ")
    assert "read-only" in read_only[0]
    assert "read-only" in probe[0]
    assert good[0] is None
    assert fetched == ["size", ["Name"]] if told == "told" else fetched[1] == ["Name"]
    assert [visible for _, visible in said[:4]] == [[], [], [], []]
    assert (size, same) == (len(data), True)
    assert told == "told" or any(host.ranges())


@with_own_mounts
def test_room_that_is_reserved_counts_once(bench: Bench, host: FileHost) -> None:
    """Fault 86: after a stop, a file that was begun needs no room beside its own."""
    mount("none", bench.root, "tmpfs", "size=24m")
    data = content(16 << 20)
    files = bench.put(("R/a", data))
    old = bench.stop
    host.while_stalled = old.set
    host.plan("f0", Play(stall_after=2 << 20))
    with pytest.raises(Cancelled):
        bench.fetch(files, segment_bytes=0)
    bench.stop = threading.Event()
    bench.fetch(files, segment_bytes=0)
    assert bench.visible()["Some.Release.2020/a"] == data


def test_a_file_that_the_file_system_cannot_hold(bench: Bench) -> None:
    """Fault 87: whichever line hears of it first, nothing is marked that was not written."""
    contents = [content(900 * KIB, number) for number in range(4)]
    files = bench.put(*((f"R/{number}", data) for number, data in enumerate(contents)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200 * KIB, hard))
    try:
        with pytest.raises(Permanent, match="cannot hold a file of this size"):
            bench.fetch(files)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert bench.visible() == {}
    bench.fetch(files)
    assert sorted(bench.visible().values()) == sorted(contents)
