"""The commands that only look: jobs, show, journal verify, config."""

import json
from dataclasses import replace

import pytest

from offcloud_watchd.config import example, json_schema
from offcloud_watchd.core.events import (
    Attached,
    Cleared,
    CloudReady,
    Deferred,
    Delivered,
    DroppedAgain,
    Imported,
    Kept,
    Published,
    Submitted,
)
from offcloud_watchd.core.model import (
    Check,
    Delivery,
    Destination,
    Drop,
    Publication,
    RemoteTarget,
    Route,
    Submission,
)
from tests.unit.cli.place import HASH, NOW, OTHER, Place, failed, published, queued, submitted

A, B, C = "aaaaaaaaaaaa", "aabbbbbbbbbb", "cccccccccccc"
SECRET_URL = "url:https://files.example.org/film.mkv?token=SECRET"


def fill(place: Place) -> None:
    """Record three jobs: published, failed, in the cloud."""
    place.record(
        [
            queued(A, release="First.Release"),
            queued(B, SECRET_URL, kind="url", name=None, category="films", at=NOW - 5),
            queued(C, f"btih:{OTHER}", name="Evil\x1b[2J\nName", at=NOW + 9),
            *published(A),
            *failed(B, "gone\x1b"),
            *submitted(C),
        ]
    )


def test_jobs_are_lines_with_tabs(place: Place) -> None:
    """Oldest first, one line a job, nothing raw, no link."""
    fill(place)
    ended = place.run("jobs")
    assert ended.code == 0
    assert ended.err == ""
    assert [line.split("\t") for line in ended.out.splitlines()] == [
        [B, "failed", "films", "film.mkv", "gone\\x1b"],
        [A, "done", "tv", "First.Release", "/srv/out/tv/A.Name"],
        [C, "cloud", "tv", "Service.Name", ""],
    ]


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["--state", "done"], [A]),
        (["--category", "films"], [B]),
        (["--state", "done", "--category", "films"], []),
        (["--category", "unknown"], []),
    ],
)
def test_jobs_can_be_narrowed(place: Place, words: list[str], ids: list[str]) -> None:
    """By state, by category, by both; none is no error."""
    fill(place)
    ended = place.run("jobs", *words)
    assert (ended.code, [line.split("\t")[0] for line in ended.out.splitlines()]) == (0, ids)


def test_jobs_as_json_have_a_stable_shape(place: Place) -> None:
    """The members are those the documentation names; no secret is among them."""
    fill(place)
    out = place.run("jobs", "--json").out
    assert "SECRET" not in out
    url, first, _ = json.loads(out)
    assert url["key"] == "url:https://files.example.org/film.mkv"
    assert first == {
        "id": A,
        "name": "First.Release",
        "category": "tv",
        "route": "cloud",
        "cached": "any",
        "state": "done",
        "kind": "torrent",
        "key": f"btih:{HASH}",
        "size_bytes": 3_000_000,
        "release": "First.Release",
        "directory": "/srv/out/tv",
        "queued_at": NOW,
        "changed_at": NOW + 4,
        "attempts": 0,
        "retry_at": first["retry_at"],
        "reason": "",
        "request_id": f"req-{A}",
        "path": "/srv/out/tv/A.Name",
        "files": 2,
        "published_bytes": 3_000_000,
        "verified": "size",
        "checks": [],
        "to_clear": False,
        "to_import": False,
        "to_report": False,
        "remote": None,
        "proxy": None,
        "sent": None,
        "drops": [{"name": f"{A}.magnet", "folder": "/srv/drop", "line": None}],
    }
    assert set(url) == set(first)


def test_how_each_file_was_verified_is_told(place: Place) -> None:
    """Where files were not verified alike: by how many, which, and that there are more."""
    checks = (Check("pieces", 102, ("a.mkv", "b.mkv")), Check("size", 1, ("c\x1b[2J.nfo",)))
    released = Publication("/srv/out/tv/X", 103, 5, "pieces; size: c.nfo", checks)
    place.record(
        [
            queued(A),
            Submitted(A, NOW + 1, Submission("R1")),
            CloudReady(A, NOW + 2, Submission("R1")),
            Published(A, NOW + 3, released),
        ]
    )
    lines = place.run("show", A).out.splitlines()
    assert "checked:   pieces, 102 files: a.mkv, b.mkv and 100 more" in lines
    assert "checked:   size, 1 file: c\\x1b[2J.nfo" in lines
    (told,) = json.loads(place.run("jobs", "--json").out)
    assert told["checks"] == [
        {"how": "pieces", "files": 102, "names": ["a.mkv", "b.mkv"]},
        {"how": "size", "files": 1, "names": ["c\x1b[2J.nfo"]},
    ]


def test_a_job_that_waits_says_for_how_long(place: Place) -> None:
    """A retry in the future is shown with its reason; one that is due shows the reason alone."""
    place.record(
        [
            queued(A),
            queued(C, f"btih:{OTHER}"),
            Deferred(A, NOW, "no answer", retry_at=4_000_000_000.0),
            Deferred(C, NOW, "no answer", retry_at=NOW),
        ]
    )
    lines = place.run("jobs").out.splitlines()
    assert "\tagain in " in lines[0]
    assert lines[0].endswith("s: no answer")
    assert lines[1].endswith("\tno answer")


def test_where_no_daemon_ever_ran(place: Place) -> None:
    """There is nothing, which is no error, but the place that was looked at is named."""
    ended = place.run("jobs", "--json")
    assert (ended.code, ended.out) == (0, "[]\n")
    assert f"no journal in {place.state}" in ended.err


@pytest.mark.parametrize(
    "word",
    [
        A,
        "aaaaa",
        "AAAAA",
        HASH,
        HASH.upper(),
        "YD764" + "A" * 27,
        f"magnet:?xt=urn:btih:{HASH}&dn=whatever",
        "First.Release",
        "A.Name",
        "Service.Name",
        f"{A}.magnet",
    ],
)
def test_a_job_is_known_by_many_names(place: Place, word: str) -> None:
    """Id, beginning of it, info hash in hex and base32, magnet, release, link, service's and drop's name."""
    place.record([queued(A, release="First.Release"), *published(A), queued(C, f"btih:{OTHER}", name="C")])
    assert place.run("show", word).out.startswith(f"{A}  First.Release\n")


def test_a_job_is_known_by_its_address(place: Place) -> None:
    """A web link can be given as it was dropped; it is not repeated."""
    fill(place)
    ended = place.run("show", SECRET_URL.removeprefix("url:"))
    assert ended.out.startswith(B)
    assert "SECRET" not in ended.out


def test_a_word_that_means_very_many_jobs(place: Place) -> None:
    """The screen is not flooded."""
    place.record([queued(f"aa{number:010x}", f"btih:{number:040x}") for number in range(300)])
    ended = place.run("show", "aa")
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 22
    assert ended.err.endswith("and 280 more\n")


def test_a_word_that_means_several_jobs(place: Place) -> None:
    """The candidates are listed and nothing is guessed."""
    fill(place)
    ended = place.run("show", "aa")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        "offcloud-watchd: aa means 2 jobs; name one by its id:",
        f"offcloud-watchd:   {A}  done      tv  First.Release",
        f"offcloud-watchd:   {B}  failed    films  film.mkv",
    ]


@pytest.mark.parametrize(
    "word", ["zzz", "", "https://files.example.org/other?token=SECRET", OTHER[::-1], "a\x1b\nb"]
)
def test_a_word_that_means_no_job(place: Place, word: str) -> None:
    """It is said on one line, shortened, without a secret."""
    fill(place)
    ended = place.run("show", word)
    assert (ended.code, ended.out) == (1, "")
    assert "means no job" in ended.err
    assert ended.err.count("\n") == 1
    assert "SECRET" not in ended.err
    assert "\x1b" not in ended.err


def test_show_tells_the_whole_story(place: Place) -> None:
    """Where it stands, where it came from, what happened when; no address, nothing raw."""
    place.record(
        [
            queued(A, release="First.Release"),
            Deferred(A, NOW, "no answer", retry_at=NOW + 60),
            *published(A),
        ]
    )
    out = place.run("show", A).out
    assert "SECRET" not in out
    head, history = out.split("\n\n")
    assert head.splitlines() == [
        f"{A}  First.Release",
        "state:     done",
        "category:  tv -> /srv/out/tv",
        f"link:      torrent, btih:{HASH}, 2.9MiB",
        f"request:   req-{A} (downloaded)",
        "published: /srv/out/tv/A.Name (2 files, 2.9MiB, size)",
        f"drop:      {A}.magnet from /srv/drop",
    ]
    events = [line[27:].split(maxsplit=1)[0] for line in history.splitlines()]
    assert events == ["queued", "deferred", "submitting", "submitted", "cloud_ready", "published"]
    assert "reason=no answer" in history


def test_show_tells_which_drops_a_job_came_from(place: Place) -> None:
    """File, folder and line of each; a drop of an older journal has its line in the link."""
    first = queued(A)
    place.record(
        [
            replace(first, link=replace(first.link, line=4)),
            Attached(A, NOW, Drop("d2", "more.txt", "/srv/other", line=7)),
            Attached(A, NOW, Drop("d3", "", "")),
        ]
    )
    assert [line for line in place.run("show", A).out.splitlines() if line.startswith("drop:")] == [
        f"drop:      {A}.magnet from /srv/drop, line 4",
        "drop:      more.txt from /srv/other, line 7",
        "drop:      a link from the add command",
    ]
    assert json.loads(place.run("show", "--json", A).out)["drops"] == [
        {"name": f"{A}.magnet", "folder": "/srv/drop", "line": 4},
        {"name": "more.txt", "folder": "/srv/other", "line": 7},
        {"name": "", "folder": "", "line": None},
    ]


def test_what_was_dropped_again_says_so(place: Place) -> None:
    """While it is looked at, and when it is still there."""
    place.record([queued(A), *published(A), DroppedAgain(A, NOW + 9, Drop("d2", "again.txt", "/srv/drop"))])
    assert (
        place.run("jobs").out
        == f"{A}\tchecking\ttv\tA.Name\tdropped again: looking whether it is still there\n"
    )
    place.record([Kept(A, NOW + 10, "/srv/out/tv/A.Name")])
    out = place.run("show", A).out
    assert "state:     done\n" in out
    assert out.endswith("  kept          dropped again; it is still there: /srv/out/tv/A.Name\n")
    last = json.loads(place.run("show", "--json", A).out)["history"][-1]
    assert (last["event"], last["data"]) == ("kept", {"path": "/srv/out/tv/A.Name"})


def test_a_look_that_was_cancelled_says_so(place: Place) -> None:
    """The record names the command, and no path."""
    again = DroppedAgain(A, NOW + 9, Drop("d2", "again.txt", "/srv/drop"))
    place.record([queued(A), *published(A), again, Kept(A, NOW + 10, command="c1")])
    assert place.run("show", A).out.endswith("  kept          command=c1\n")


def test_show_of_a_job_in_trouble(place: Place) -> None:
    """Attempts, the next one, and the reason."""
    place.record([queued(A, drop="add-1"), Deferred(A, NOW, "no\x1banswer", retry_at=NOW + 60)])
    head = place.run("show", A).out
    assert "state:     queued, 1 failed attempts\n" in head
    assert "again:     20" in head
    assert "reason:    no\\x1banswer\n" in head


def test_show_of_what_was_sent_elsewhere(place: Place) -> None:
    """The account, and what is there; no directory has anything to do with it."""
    away = Destination("tv", "/srv/out/tv", Route.REMOTE, RemoteTarget("drive", "f1"))
    sent = Delivered(A, NOW + 9, Delivery("drive", "f1", "a.mkv", 7))
    place.record([replace(queued(A), destination=away), *submitted(A), sent])
    head = place.run("show", A).out
    assert "category:  tv -> remote account drive, folder f1\n" in head
    assert "route:     remote\n" in head
    assert "sent:      a.mkv to remote account drive, folder f1, 7B\n" in head
    (told,) = json.loads(place.run("jobs", "--json").out)
    assert told["remote"] == {"account": "drive", "folder": "f1"}
    assert told["sent"] == {"account": "drive", "folder": "f1", "name": "a.mkv", "size_bytes": 7}


def test_show_of_what_is_still_in_the_account(place: Place) -> None:
    """Until the removal is recorded."""
    *before, done = published(A)
    assert isinstance(done, Published)
    place.record([queued(A), *before, replace(done, clear=True)])
    assert "account:   the request is still to be removed from it\n" in place.run("show", A).out
    place.record([Cleared(A, NOW + 9)])
    assert "account:" not in place.run("show", A).out


def test_show_of_what_waits_for_its_import(place: Place) -> None:
    """Until that is seen, and then what happened."""
    *before, done = published(A)
    assert isinstance(done, Published)
    place.record([queued(A), *before, replace(done, until_imported=True)])
    assert "arr:       request and entry stay until it is imported\n" in place.run("show", A).out
    place.record([Imported(A, NOW + 9, "sonarr says so", NOW + 909)])
    out = place.run("show", A).out
    assert "arr:" not in out
    assert "account:   the request is still to be removed from it\n" in out
    assert "how=sonarr says so" in out


def test_show_says_what_may_be_in_the_way(place: Place) -> None:
    """A private torrent is explained where people look why nothing comes."""
    event = queued(A)
    place.record([replace(event, link=replace(event.link, private=True))])
    assert "note:      it is a private torrent" in place.run("show", A).out


def test_show_as_json_is_the_job_with_its_history(place: Place) -> None:
    """The job's members and one more, each event with its time and its data, without addresses."""
    fill(place)
    out = place.run("show", "--json", B).out
    assert "SECRET" not in out
    shown = json.loads(out)
    (listed,) = json.loads(place.run("jobs", "--json", "--category", "films").out)
    history = shown.pop("history")
    assert shown == listed
    assert [entry["event"] for entry in history] == ["queued", "failed"]
    assert history[0]["at"] == NOW - 5
    assert history[0]["data"]["link"]["key"] == "url:https://files.example.org/film.mkv"
    assert "url" not in history[0]["data"]["link"]


def test_a_sound_journal(place: Place) -> None:
    """Verify counts what is there."""
    fill(place)
    ended = place.run("journal", "verify")
    assert ended.code == 0
    assert ended.out.endswith("sound\n")
    report = json.loads(place.run("journal", "verify", "--json").out)
    assert report["jobs"] == 3
    assert report["problems"] == []
    assert set(report) == {"path", "generation", "records", "jobs", "size_bytes", "torn_bytes", "problems"}


def test_a_torn_journal_is_sound(place: Place) -> None:
    """A record that was being written when the power went is harmless, and said."""
    fill(place)
    with (place.state / "journal.jsonl").open("ab") as file:
        file.write(b'{"v":1,"seq"')
    ended = place.run("journal", "verify")
    assert ended.code == 0
    assert "12 bytes of an unfinished record at the end; harmless\nsound\n" in ended.out


def test_a_damaged_journal(place: Place) -> None:
    """Every damaged line is named; 65; nothing is touched."""
    fill(place)
    place.record([queued("dddddddddddd", "btih:" + "d" * 40)])
    path = place.state / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"First.Release", b"Other.Release", 1))
    before = path.read_bytes()
    ended = place.run("journal", "verify")
    assert ended.code == 65
    assert ended.out.endswith("damaged\n")
    assert "\nline " in ended.out
    report = json.loads(place.run("journal", "verify", "--json").out)
    assert set(report["problems"][0]) == {"line", "offset_bytes", "what"}
    assert path.read_bytes() == before


def test_no_journal_to_verify(place: Place) -> None:
    """What does not exist is not sound."""
    ended = place.run("journal", "verify")
    assert ended.code == 1
    assert f"there is no journal in {place.state}" in ended.err


def test_the_example_and_the_schema(place: Place) -> None:
    """Both work without any configuration."""
    place.config.unlink()
    assert place.run("config", "example").out == example()
    assert json.loads(place.run("config", "schema").out) == json_schema()
    assert place.run("config").code == 2
