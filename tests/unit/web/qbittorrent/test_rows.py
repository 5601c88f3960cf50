"""A job as a torrent: states, progress, and numbers that the other side made up."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from offcloud_watchd.core.model import JobState, Lane, Link, LinkKind, Progress
from offcloud_watchd.web.answers import utf8_answer as answer
from offcloud_watchd.web.qbittorrent import rows
from tests.fakes.jobs import NOW, a_job

HASH = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
WILD = [math.nan, math.inf, -math.inf, -5.0, 1e308]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (JobState.QUEUED, "queuedDL"),
        (JobState.CLOUD, "downloading"),
        (JobState.FETCHING, "downloading"),
        (JobState.DONE, "pausedUP"),
        (JobState.CHECKING, "checkingUP"),
        (JobState.FAILED, "error"),
    ],
)
def test_each_state_has_its_word(state, word):
    """Words that every client knows."""
    assert rows.state_of(a_job(state), ()) == word


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.CLOUD, JobState.FETCHING])
def test_what_goes_wrong_again_and_again_is_stalled(state):
    """Unless it is the lane that does not work: that concerns all."""
    job = a_job(state, attempts=3)
    assert rows.state_of(job, ()) == "stalledDL"
    assert rows.state_of(job, {Lane.API: 1, Lane.FETCH: 1}) == "queuedDL"
    assert rows.state_of(replace(job, attempts=2), ()) != "stalledDL"


@pytest.mark.parametrize("value", WILD)
@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.CLOUD, JobState.FETCHING])
def test_wild_numbers_become_sound_ones(state, value):
    """Whatever the service says, a client reads JSON, and nothing is complete before it is."""
    progress = Progress(fraction=value, total_bytes=10, done_bytes=3, bytes_per_s=value)
    about = rows.row(a_job(state), progress, (), NOW)
    read = json.loads(answer(about).body)
    assert 0 <= read["progress"] < 1
    assert read["dlspeed"] >= 0
    assert 0 <= read["eta"] <= rows.UNKNOWN_ETA_S


def test_a_size_that_nobody_knows():
    """0, and -1 in total, as qBittorrent has it before it knows."""
    job = a_job()
    about = rows.row(replace(job, link=replace(job.link, size_bytes=None)), None, (), NOW)
    assert (about["size"], about["total_size"], about["amount_left"], about["eta"]) == (0, -1, 0, 8640000)


def test_names_that_are_not_utf8():
    """A file's name may hold any byte; what is answered is UTF-8."""
    job = a_job(release="bad \udcff name")
    assert json.loads(answer(rows.row(job, None, (), NOW)).body)["name"] == "bad ? name"
    link = Link(LinkKind.TORRENT, f"btih:{HASH}", "magnet:?x", info_hash_v1=HASH)
    magnet = rows.row(replace(job, link=link), None, (), NOW)["magnet_uri"]
    assert magnet.startswith(f"magnet:?xt=urn:btih:{HASH}&dn=bad%20")
    assert magnet.isascii()


def test_files_are_looked_for_where_the_release_is():
    """Before there is one, the save path is the category's place; never the release itself."""
    assert rows.row(a_job(), None, (), NOW)["save_path"] == "/out/tv"
    done = rows.row(a_job(JobState.DONE), None, (), NOW)
    assert (done["save_path"], done["content_path"]) == ("/out/tv", "/out/tv/release")
