"""The process dies after any step of a fetch, and the next one ends with one whole release all the same."""

import json
from pathlib import Path

import pytest

from tests.fakes.file_host import FileHost
from tests.unit.fetch.bench import KIB, content
from tests.unit.fetch.dying import results_of

HELPER = """
import json, shutil, threading
from offcloud_watchd.core.model import (
    Destination, Job, JobState, Link, LinkKind, RemoteFile, Submission,
)
from offcloud_watchd.fetch import DiskShelf, ShelfSettings

base, importer, files = sys.argv[1], sys.argv[2] == "importer", json.loads(sys.argv[3])

def fetch(root):
    settings = ShelfSettings(min_free_bytes=0, allow_http=True, chunk_bytes=8192, sync_every_bytes=16384)
    job = Job("c0ffee", Link(LinkKind.URL, "url:x", "http://x"), (), Destination("tv", root + "/tv"), "Name",
              JobState.FETCHING, 0.0, 0.0, submission=Submission("R"))
    links = [RemoteFile(path, url, size) for path, url, size in files]
    return DiskShelf(settings, Clock()).fetch(job, lambda *_: links, lambda _: None, threading.Event())

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
    results = results_of(HELPER, str(quick), importer, json.dumps(files))
    assert len(results) > 60
    published_before = 0
    for step, before, after, same in results:
        assert before in ({}, {"Name": names}), step
        gone = bool(before) and importer == "importer"
        assert after == ({} if gone else {"Name": names}), step
        assert same, step
        published_before += bool(before)
    assert 0 < published_before < len(results)
