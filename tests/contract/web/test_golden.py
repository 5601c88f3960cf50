"""The calls that were made of qbittorrent-nox, held against its answers: what differs is argued here."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from offcloud_watchd.web.qbittorrent.application import API_VERSION, APP_VERSION
from tests.contract.web.fields import misfits
from tests.fakes.house import house_with
from tests.golden import record_qbittorrent as golden

DIFFERENT: Final = {
    "app-version": f"we say {APP_VERSION}: older clients fail at 2.11 and later",
    "app-version-post": "the same",
    "app-webapiVersion": f"we say {API_VERSION}",
    "app-defaultSavePath": "another directory",
    "add-magnet-again": "joining an open job is no error: a client that was answered too late tries again",
    "add-file-again": "the same",
    "delete-without-files": "*arr tools leave the field out, and a 400 would keep the entry for ever",
    "login": "another session's word",
    "logout": "another time at which the cookie ends",
    "root": "no page of qBittorrent's",
    "root-head": "the same",
    "categories": "we know the configuration's category as well, and tell every directory",
    "categories-none": "the same",
}
"""Calls whose body, status or cookie is meant to be another."""

NEWER: Final = {"inactive_seeding_time_limit", "max_inactive_seeding_time"}
"""Fields of 4.6 that 4.5 does not have. Source: qBittorrent, release-4.6.0."""


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    """Return what qbittorrent-nox answered."""
    return json.loads(golden.ANSWERS.read_text())


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what we answer to the same calls."""
    with house_with(tmp_path_factory.mktemp("golden"), golden.PASSWORD) as house:
        return golden.record(house.url)


def calls() -> list[str]:
    """Return the names of all calls."""
    return [name for name, *_ in golden.calls()]


def test_all_calls_were_recorded(recorded):
    """The fixture is that of this script."""
    assert sorted(recorded) == sorted(calls())


@pytest.mark.parametrize("name", calls())
def test_status_and_type(recorded, ours, name):
    """What clients look at first."""
    theirs, mine = recorded[name], ours[name]
    if name not in DIFFERENT or name in ("login", "logout"):
        assert (mine["status"], mine["type"].lower()) == (theirs["status"], theirs["type"].lower())


@pytest.mark.parametrize("name", calls())
def test_texts_are_the_same(recorded, ours, name):
    """Clients compare them letter by letter."""
    theirs, mine = recorded[name], ours[name]
    if isinstance(theirs["body"], str) and name not in DIFFERENT:
        assert mine["body"] == theirs["body"]


def test_the_cookie_has_the_same_attributes(recorded, ours):
    """Name, path, HttpOnly and SameSite."""
    theirs, mine = recorded["login"]["cookie"], ours["login"]["cookie"]
    assert mine.partition(";")[2] == theirs.partition(";")[2]
    assert mine.startswith("SID=")
    assert ours["login-bad"]["cookie"] == ours["login-again"]["cookie"] == ""
    assert "expires=" in ours["logout"]["cookie"]


@pytest.mark.parametrize(
    "name",
    [name for name in calls() if name not in ("maindata", "categories", "categories-none")],
)
def test_json_has_every_field(recorded, ours, name):
    """Every field is there, and of the same kind."""
    theirs, mine = recorded[name]["body"], ours[name]["body"]
    if isinstance(theirs, (dict, list)):
        assert not misfits(theirs, mine)


def test_lists_have_no_more_fields_than_the_version_we_say(recorded, ours):
    """A client that knows 4.6 meets nothing it does not know."""
    theirs, mine = recorded["info"]["body"], ours["info"]["body"]
    assert len(mine) == len(theirs) == 2
    for about in mine:
        assert set(about) - set(theirs[0]) == NEWER


@pytest.mark.parametrize("name", [name for name in calls() if name.startswith("info-")])
def test_filters_let_the_same_through(recorded, ours, name):
    """The same torrents by category, hashes and page; by state where both have one in it."""
    if name in ("info-completed", "info-downloading"):
        return  # theirs has a finished one: its files lay there
    hashes = [about["hash"] for about in recorded[name]["body"]]
    assert [about["hash"] for about in ours[name]["body"]] == hashes


def test_preferences_have_no_more_fields_than_the_version_we_say(recorded, ours):
    """A client that knows 4.6 meets nothing it does not know."""
    theirs, mine = recorded["app-preferences"]["body"], ours["app-preferences"]["body"]
    assert set(mine) - set(theirs) == {"max_inactive_seeding_time", "max_inactive_seeding_time_enabled"}


def test_maindata(recorded, ours):
    """Dashboards find the same parts, and in each the same fields."""
    theirs, mine = recorded["maindata"]["body"], ours["maindata"]["body"]
    assert not misfits(theirs["server_state"], mine["server_state"])
    assert not misfits(theirs["torrents"], mine["torrents"])
    assert set(mine) == set(theirs)
    assert (mine["rid"], mine["full_update"]) == (1, True)


def test_categories_come_back_as_they_were_named(recorded, ours):
    """Case, spaces, commas, letters and slashes; each with a directory."""
    theirs, mine = recorded["categories"]["body"], ours["categories"]["body"]
    assert set(mine) == {*theirs, "tv"}
    assert not misfits(theirs, mine)
    assert all(place["savePath"].endswith(f"/{name}") for name, place in mine.items())
