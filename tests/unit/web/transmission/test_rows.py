"""A job as a torrent: numbers for states, and numbers that the other side made up."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from offcloud_watchd.core.model import JobState, Lane, Progress, Publication
from offcloud_watchd.web.transmission import rows
from offcloud_watchd.web.transmission.seeing import Numbers
from tests.fakes.jobs import NOW, a_job

WILD = [math.nan, math.inf, -math.inf, -5.0, 1e308]


@pytest.mark.parametrize(
    ("state", "number"),
    [
        (JobState.QUEUED, 3),
        (JobState.CLOUD, 4),
        (JobState.FETCHING, 4),
        (JobState.DONE, 0),
        (JobState.CHECKING, 2),
        (JobState.FAILED, 0),
    ],
)
def test_each_state_has_its_number(state, number):
    """Numbers that every client knows; only what is done is finished."""
    row = rows.row(a_job(state), 1, None, (), NOW)
    assert (row["status"], row["isFinished"]) == (number, state is JobState.DONE)


def test_what_is_held_is_queued_and_not_stalled():
    """A lane that does not work is nobody's failure."""
    job = a_job(JobState.FETCHING, attempts=9)
    held, moving = rows.row(job, 1, None, {Lane.FETCH}, NOW), rows.row(job, 1, None, (), NOW)
    assert (held["status"], held["isStalled"]) == (3, False)
    assert (moving["status"], moving["isStalled"]) == (4, True)


@pytest.mark.parametrize("value", WILD)
@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.CLOUD, JobState.FETCHING])
def test_wild_numbers_become_sound_ones(state, value):
    """Whatever the service says, a client reads JSON, and nothing is whole before it is."""
    progress = Progress(fraction=value, total_bytes=10, done_bytes=3, bytes_per_s=value)
    row = json.loads(json.dumps(rows.row(a_job(state), 1, progress, (), NOW), allow_nan=False))
    assert 0 <= row["percentDone"] < 1
    assert 0 < row["leftUntilDone"] <= row["totalSize"]
    assert row["rateDownload"] >= 0
    assert -2 <= row["eta"] < 2**31


def test_the_torrent_of_a_job_has_a_path():
    """FlexGet makes an address of it."""
    path = rows.row(a_job(JobState.DONE), 1, None, (), NOW)["torrentFile"]
    assert PurePosixPath(path).as_uri().startswith("file:///nonexistent/")


def test_a_failure_is_never_taken_for_finished():
    """Nothing may be left of it, of a size that nobody knows: then the error speaks."""
    job = a_job(JobState.FAILED, reason="")
    row = rows.row(replace(job, link=replace(job.link, size_bytes=None)), 1, None, (), NOW)
    assert (row["leftUntilDone"], row["error"], row["errorString"]) == (0, 3, "it failed")


def test_the_name_is_that_on_the_disk():
    """Clients put it behind the directory."""
    done = replace(a_job(JobState.DONE), publication=Publication("/out/tv/release (2)", 1, 5, "size"))
    row = rows.row(done, 1, None, (), NOW)
    assert (row["downloadDir"], row["name"]) == ("/out/tv", "release (2)")


def test_numbers_are_kept_and_never_given_twice():
    """Those of gone jobs are forgotten, once there are many."""
    numbers = Numbers()
    assert [numbers.of(name) for name in ("a", "b", "a")] == [1, 2, 1]
    for number in range(2000):
        numbers.of(str(number))
    numbers.keep([replace(a_job(), id="a")])
    assert numbers.of("a") == 1
    assert numbers.of("b") == 2003
