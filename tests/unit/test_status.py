"""status.json: what other processes see of a running daemon."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from offcloud_watchd import status
from offcloud_watchd.core.model import (
    Destination,
    Drop,
    Job,
    JobState,
    Lane,
    Link,
    LinkKind,
    Progress,
)
from offcloud_watchd.core.picture import LanePause, Picture

LINK = Link(LinkKind.TORRENT, "btih:" + "a" * 40, "magnet:?xt=urn:btih:" + "a" * 40, name="From the link")
JOB = Job(
    "j1", LINK, (Drop("d", "f.magnet", "/drop"),), Destination("tv", "/out/tv"), None, JobState.FETCHING, 1, 2
)


@dataclass(frozen=True)
class Folder:
    """A folder's health as the watchers give it."""

    path: str = "/drop"
    category: str = "tv"
    watch: str = "events"
    problem: str = ""
    waiting: int = 3
    missed: int = 2
    refused: int = 1
    hosts: tuple[str, ...] = ()


def _picture(active=(), pauses=None) -> Picture:
    return Picture(100.0, pauses or {}, [Folder()], list(active), {JobState.FETCHING: 1}, "")


def _described(picture: Picture) -> dict:
    return status.describe(picture, process_id=7, started_at=50.0)


def test_whole_document_is_json_and_round_trips(tmp_path: Path):
    """What is written is what is read."""
    document = _described(_picture([(JOB, Progress(50, 100, bytes_per_s=10.0))]))
    status.write(tmp_path, document)
    assert status.read(tmp_path) == json.loads(json.dumps(document))
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_progress_becomes_fraction_and_time_left():
    """Bytes give a fraction, a speed gives the time that is left."""
    job = _described(_picture([(JOB, Progress(50, 100, bytes_per_s=10.0))]))["active"][0]
    assert (job["fraction"], job["left_s"]) == (0.5, 5.0)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (Progress(), None),
        (Progress(fraction=1.7), 1.0),
        (Progress(fraction=-1.0), 0.0),
        (Progress(5, 0), None),
        (Progress(200, 100), 1.0),
    ],
)
def test_fraction_is_bounded(progress, expected):
    """Whatever the other side says, a bar stays between empty and full."""
    assert progress.part == expected


def test_no_progress_yet():
    """A job that nothing is known of is listed all the same."""
    job = _described(_picture([(JOB, None)]))["active"][0]
    assert (job["fraction"], job["left_s"], job["bytes_per_s"]) == (None, None, None)


def test_pauses_are_told_with_their_reason():
    """A paused lane says why and when it is tried next; the others say that they work."""
    document = _described(
        _picture(pauses={Lane.API: LanePause("the key was refused", 1.0, 31.0, key_refused=True)})
    )
    lanes = {lane["lane"]: lane for lane in document["lanes"]}
    assert lanes["api"]["reason"] == "the key was refused"
    assert lanes["api"]["key_refused"]
    assert not lanes["fetch"]["paused"]


def test_list_is_bounded_and_nearest_the_end_comes_first():
    """Ten thousand waiting jobs do not make a file of megabytes, and those that move are in it."""
    waiting = [(replace(JOB, id=f"q{number}", state=JobState.QUEUED), None) for number in range(1000)]
    document = _described(_picture([*waiting, (JOB, None)]))
    assert document["active_total"] == 1001
    assert len(document["active"]) == status.MAX_ACTIVE
    assert document["active"][0]["id"] == "j1"
    document = _described(replace(_picture([(JOB, None)]), left_out=4))
    assert (document["active_total"], len(document["active"])) == (5, 1)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"version": 99}', b"[" * 100_000])
def test_what_is_not_a_status_is_none(tmp_path: Path, content: bytes):
    """A file that is not ours to read counts as none."""
    (tmp_path / "status.json").write_bytes(content)
    assert status.read(tmp_path) is None


def test_no_file_is_none(tmp_path: Path):
    """No daemon has ever run here."""
    assert status.read(tmp_path) is None


def test_runtime_directory_comes_first(tmp_path: Path):
    """The service manager's runtime directory is used where there is one."""
    assert status.directory({"RUNTIME_DIRECTORY": "/run/x:/run/y"}, tmp_path) == Path("/run/x")
    assert status.directory({}, tmp_path) == tmp_path
