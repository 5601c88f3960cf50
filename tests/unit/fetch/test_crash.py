"""The process dies after any step of a fetch, and the next one ends with one whole release all the same.

The steps are the calls into the operating system that our own code makes. A helper process forks a child for
each; the child ends itself with ``os._exit`` right before or right after that call, which is as sudden as a
kill. Then a new shelf is set on what is left.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fakes.file_host import FileHost
from tests.unit.fetch.bench import KIB, content

HELPER = """
import json, os, shutil, sys, threading
from offcloud_watchd.core.model import (
    Destination, Job, JobState, Link, LinkKind, RemoteFile, Submission,
)
from offcloud_watchd.fetch import DiskShelf, ShelfSettings

base, importer, files = sys.argv[1], sys.argv[2] == "importer", json.loads(sys.argv[3])

class Clock:
    def now(self): return 0.0
    def monotonic(self): return 0.0

def fetch(root):
    settings = ShelfSettings(min_free_bytes=0, allow_http=True, chunk_bytes=8192, sync_every_bytes=16384)
    job = Job("c0ffee", Link(LinkKind.URL, "url:x", "http://x"), (), Destination("tv", root + "/tv"), "Name",
              JobState.FETCHING, 0.0, 0.0, submission=Submission("R"))
    links = [RemoteFile(path, url, size) for path, url, size in files]
    return DiskShelf(settings, Clock()).fetch(job, lambda *_: links, lambda _: None, threading.Event())

def dies_at(step):
    seen = 0
    def watch(frame, event, function):
        nonlocal seen
        if not event.startswith("c_") or "/fetch/" not in frame.f_code.co_filename:
            return
        if getattr(function, "__module__", "") in ("posix", "_ctypes") or "Ptr" in type(function).__name__:
            seen += 1
            if seen == step:
                os._exit(9)
    sys.setprofile(watch)

def look(root):
    place = root + "/tv"
    names = sorted(os.listdir(place)) if os.path.isdir(place) else []
    return {name: sorted(os.listdir(os.path.join(place, name))) for name in names}

results = []
for step in range(1, 2000):
    root = os.path.join(base, str(step))
    os.mkdir(root)
    child = os.fork()
    if child == 0:
        dies_at(step)
        fetch(root)
        sys.setprofile(None)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    before = look(root)
    if importer and before:
        shutil.rmtree(root + "/tv/Name")
    publication = fetch(root)
    again = fetch(root)
    results.append([step, before, look(root), publication.path == again.path == root + "/tv/Name"])
    if not importer:
        for path, _, size in files:
            data = open(root + "/tv/Name/" + path, "rb").read()
            assert len(data) == size and data == open(base + "/" + path, "rb").read(), step
    shutil.rmtree(root)
print(json.dumps(results))
"""


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """Give a place where a sync costs nothing, if there is one: what counts here is the order of steps."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as place:
        yield Path(place)


@pytest.mark.parametrize("importer", ["importer", "nobody"])
def test_a_crash_after_any_step_ends_with_one_whole_release(
    quick: Path, host: FileHost, importer: str
) -> None:
    """Before the restart all or nothing is visible; after it, one release; one that was taken stays away."""
    files = []
    for number, size in enumerate((40 * KIB, 3, 0)):
        data = content(size, number)
        name = f"f{number}"
        (quick / name).write_bytes(data)
        files.append((name, host.put(name, data), size))
    names = [name for name, _, _ in files]
    command = [sys.executable, "-c", HELPER, str(quick), importer, json.dumps(files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) > 60
    published_before = 0
    for step, before, after, same in results:
        assert before in ({}, {"Name": names}), step
        gone = bool(before) and importer == "importer"
        assert after == ({} if gone else {"Name": names}), step
        assert same, step
        published_before += bool(before)
    assert 0 < published_before < len(results)
