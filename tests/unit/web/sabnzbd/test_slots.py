"""A job as a slot: words, texts of numbers, and numbers that the other side made up."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest

from offcloud_watchd.core.model import JobState, Lane, Progress, Publication
from offcloud_watchd.web.answers import utf8_answer
from offcloud_watchd.web.sabnzbd import slots
from tests.fakes.jobs import a_job

WILD = [math.nan, math.inf, -math.inf, -5.0, 1e308]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (JobState.QUEUED, "Queued"),
        (JobState.CLOUD, "Downloading"),
        (JobState.FETCHING, "Downloading"),
        (JobState.CHECKING, "Checking"),
        (JobState.DONE, "Completed"),
        (JobState.FAILED, "Failed"),
    ],
)
def test_each_state_has_its_word(state, word):
    """Words that every client knows."""
    assert slots.status_of(a_job(state), ()) == word


def test_what_is_held_is_queued():
    """A lane that does not work is nobody's failure."""
    assert slots.status_of(a_job(JobState.FETCHING), {Lane.FETCH: 1}) == "Queued"


@pytest.mark.parametrize("value", WILD)
@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.CLOUD, JobState.FETCHING])
def test_wild_numbers_become_sound_ones(state, value):
    """Whatever the service says, a client reads JSON, and nothing is whole before it is."""
    progress = Progress(fraction=value, total_bytes=10**9, done_bytes=3, bytes_per_s=value)
    slot = json.loads(utf8_answer(slots.queued(a_job(state), progress, (), 0)).body)
    assert 0 <= int(slot["percentage"]) < 100
    assert 0 < float(slot["mbleft"]) <= float(slot["mb"])
    assert re.fullmatch(r"(\d+:)?\d+:\d\d:\d\d", slot["timeleft"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00:00"),
        (65, "0:01:05"),
        (86_399, "23:59:59"),
        (86_400, "1:00:00:00"),
        (10**12, "9999:01:46:40"),
    ],
)
def test_spans(seconds, text):
    """As Sonarr parses them: three parts, or four, and no more days than a span can hold."""
    assert slots.clock(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KB"), (5 * 1024**3, "5.0 GB"), (2**70, "1048576.0 PB")],
)
def test_units(size_bytes, text):
    """As SABnzbd writes them."""
    assert slots.units(size_bytes) == text


@pytest.mark.parametrize("path", ["/out/tv/tv", "/tv/out/tv", "/out/tv/4k/tv"])
def test_no_directory_above_is_called_like_the_slot(path):
    """Sonarr imports the highest that is, and deletes it."""
    done = replace(a_job(JobState.DONE), publication=Publication(path, 1, 5, "size"))
    slot = slots.finished(done)
    assert slot["storage"] == path
    assert slot["name"] not in path.split("/")


def test_a_release_that_had_to_have_another_name():
    """The name is that of the directory, whatever it was to be called."""
    done = replace(a_job(JobState.DONE), publication=Publication("/out/tv/release (2)", 1, 5, "size"))
    assert slots.finished(done)["name"] == "release (2)"


def test_what_a_remote_account_has():
    """It is completed, and lies nowhere here."""
    done = replace(a_job(JobState.DONE), publication=None)
    assert (slots.finished(done)["status"], slots.finished(done)["storage"]) == ("Completed", "")


def test_only_a_failure_has_a_message():
    """What the log says of a finished job is none."""
    assert slots.finished(a_job(JobState.DONE, reason="left in the account"))["fail_message"] == ""
    assert slots.finished(a_job(JobState.FAILED, reason="no"))["fail_message"] == "no"


def test_names_that_are_not_utf8():
    """A file's name may hold any byte; what is answered is UTF-8."""
    slot = json.loads(utf8_answer(slots.queued(a_job(release="bad \udcff name"), None, (), 0)).body)
    assert slot["filename"] == "bad ? name"
