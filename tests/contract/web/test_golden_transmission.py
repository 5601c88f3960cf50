"""The calls that were made of transmission-daemon, held against its answers: what differs is argued here."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from offcloud_watchd.web.transmission.session import VERSION
from tests.contract.web.fields import misfits
from tests.fakes.house import house_with
from tests.golden import record_transmission as golden

DIFFERENT: Final = {
    "info": "where a job is, and the fields that mean nothing here",
    "session-get": f"we say {VERSION}, where labels are categories; other directories, nothing set",
    "no-arguments": "the same",
    "session-get-fields": "the same",
    "session-stats": "nothing is counted over more than one session",
}
"""Calls whose values are meant to be others; their fields are not."""

NEWER: Final = {
    "default-trackers",
    "rpc-version-semver",
    "script-torrent-added-enabled",
    "script-torrent-added-filename",
    "script-torrent-done-seeding-enabled",
    "script-torrent-done-seeding-filename",
    "tcp-enabled",
}
"""Settings of 4.0 that 3.00 does not have. Source: Transmission, ``docs/rpc-spec.md``, 5.3 RPC version 17."""


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    """Return what transmission-daemon answered."""
    return json.loads(golden.ANSWERS.read_text())


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what we answer to the same calls."""
    with house_with(tmp_path_factory.mktemp("golden"), golden.PASSWORD, transmission=True) as house:
        return golden.record(house.url, str(house.output))


def calls() -> list[str]:
    """Return the names of all calls."""
    return [asked.name for asked in golden.calls("/srv/out")]


def test_all_calls_were_recorded(recorded):
    """The fixture is that of this script."""
    assert sorted(recorded) == sorted(calls())


@pytest.mark.parametrize("name", calls())
def test_status_type_and_headers(recorded, ours, name):
    """What clients look at first: also who is to log in, and who gets a session."""
    told = ("status", "type", "session", "realm")
    theirs, mine = recorded[name], ours[name]
    assert [str(mine[what]).lower() for what in told] == [str(theirs[what]).lower() for what in told]


@pytest.mark.parametrize("name", [name for name in calls() if name not in DIFFERENT])
def test_answers_are_the_same(recorded, ours, name):
    """Result, tag and arguments: of every way to name torrents, of every call that adds or changes one."""
    assert ours[name]["body"] == recorded[name]["body"]


@pytest.mark.parametrize("name", calls())
def test_every_field_is_there_and_of_its_kind(recorded, ours, name):
    """Every field is there, and of the same kind."""
    assert not misfits(recorded[name]["body"], ours[name]["body"])


def test_settings_have_no_more_fields_than_the_version_we_say(recorded, ours):
    """A client that knows 4.0 meets nothing it does not know."""
    theirs, mine = (answers["session-get"]["body"]["arguments"] for answers in (recorded, ours))
    assert set(mine) - set(theirs) == NEWER


def test_a_magnet_is_where_it_was_added(recorded, ours):
    """What *arr tools read of one that was just added; a state depends on what is known of it."""
    theirs, mine = (
        next(one for one in answers["info"]["body"]["arguments"]["torrents"] if one["id"] == 1)
        for answers in (recorded, ours)
    )
    same = ("hashString", "name", "totalSize", "leftUntilDone", "isFinished", "errorString", "fileCount")
    assert {name: mine[name] for name in same} == {name: theirs[name] for name in same}
    assert mine["downloadDir"].endswith("/tv-Sonarr")
    assert theirs["downloadDir"].endswith("/tv-Sonarr")


def test_what_was_asked_for_and_nothing_else(recorded, ours):
    """Fields of torrents and of the session."""
    for theirs, mine in zip(
        *(one["info"]["body"]["arguments"]["torrents"] for one in (recorded, ours)), strict=True
    ):
        assert set(mine) == set(theirs)
    asked = ours["session-get-fields"]["body"]["arguments"]
    assert set(asked) == set(recorded["session-get-fields"]["body"]["arguments"])
