"""``journal repair``, ``compact`` and ``export`` as a user sees them."""

import json
from pathlib import Path

import pytest

from offcloud_watchd.journal import lock_state
from tests.unit.cli.place import Place, published, queued


@pytest.fixture
def damaged(place: Place) -> bytes:
    """Damage the record of a job in the middle; give the file as it is then."""
    place.record([queued("aaaaaaaaaaaa", release="First"), *published("aaaaaaaaaaaa")])
    place.record([queued("bbbbbbbbbbbb", "url:https://files.example.org/b?token=SECRET", kind="url")])
    place.record([queued("cccccccccccc", "url:https://files.example.org/c", kind="url")])
    path = place.state / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[-2] = lines[-2].replace(b"bbbbbbbbbbbb", b"b!!!bb!!!bbb")
    path.write_bytes(b"".join(lines))
    return path.read_bytes()


def test_repair_says_exactly_what_became_of_it(place: Place, damaged: bytes) -> None:
    """Where, what is kept, what is lost, what is looked at; afterwards the journal is sound."""
    verified = place.run("journal", "verify")
    assert verified.code == 65
    assert "journal repair" in verified.err
    ended = place.run("journal", "repair")
    assert ended.code == 0
    copy = place.state / "journal.jsonl.damaged-1"
    assert str(copy) in ended.out
    assert copy.read_bytes() == damaged
    assert "1 lost; 1 jobs" in ended.out or "2 lost; 1 jobs" in ended.out
    assert "the files lie in the drop folders' processed/" in ended.out
    assert place.run("journal", "verify").code == 0
    assert "nothing was touched" in place.run("journal", "repair").out


def test_repair_without_a_loss_asks_for_nothing(place: Place) -> None:
    """Whoever has lost no record need not drop anything again."""
    for number in range(3):
        place.record([queued(f"{number:012}", f"url:https://e.org/{number}", kind="url")])
    path = place.state / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-3], lines[-2], lines[-3], lines[-1]]))
    ended = place.run("journal", "repair")
    assert "0 lost; 3 jobs" in ended.out
    assert "dropped again" not in ended.out


def test_repair_as_json(place: Place, damaged: bytes) -> None:
    """One object with stable members; a sound journal says so in the same shape."""
    for number, is_damaged in enumerate((True, False)):
        report = json.loads(place.run("journal", "repair", "--json").out)
        assert set(report) == {
            *("path", "damaged", "aside", "kept", "lost", "mended", "cut", "jobs", "begun_anew"),
            *("searched", "unknown", "listed_jobs_lost", "spool_aside"),
        }
        assert report["damaged"] is is_damaged
        assert len(report["aside"]) == 1 - number


def test_repair_of_what_a_list_lost(place: Place) -> None:
    """Many jobs are named up to a point, and all that a person has to know is said."""
    place.record([queued(f"{number:012}", f"url:https://e.org/{number}", kind="url") for number in range(30)])
    assert place.run("journal", "compact").code == 0
    (place.state / "journal.jsonl.1").unlink()
    path = place.state / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:28], lines[28][:50]]))
    (place.state / "spool").mkdir()
    (place.state / "spool" / "0123").write_bytes(b"kept")
    ended = place.run("journal", "repair")
    assert ended.code == 0
    assert "and 7 more" in ended.out
    assert "lost without a trace: 1 at the most" in ended.out
    assert f"kept in {place.state / 'spool.damaged-1'}" in ended.out


def test_repair_of_a_file_that_ends_early(place: Place) -> None:
    """Nobody knows what stood behind; that is said too, and jobs of which only the id is left are named."""
    place.record([queued("aaaaaaaaaaaa")])
    assert place.run("journal", "compact").code == 0
    (place.state / "journal.jsonl").unlink()
    ended = place.run("journal", "repair")
    assert ended.code == 0
    assert "nobody knows how much" in ended.out
    assert "searched for these jobs" in ended.out


def test_what_cannot_be_repaired_is_not_touched(place: Place) -> None:
    """65, and the file as it was."""
    place.record([queued("aaaaaaaaaaaa")])
    (place.state / "journal.jsonl").write_bytes(b"x" * 5000)
    (place.state / "journal.jsonl.1").write_bytes(b"y" * 5000)
    ended = place.run("journal", "repair")
    assert ended.code == 65
    assert "nothing was changed" in ended.err
    assert (place.state / "journal.jsonl").read_bytes() == b"x" * 5000


def test_compact(place: Place) -> None:
    """The sizes before and after, as a line and as an object; 75 while a daemon runs."""
    place.record([queued("aaaaaaaaaaaa"), *published("aaaaaaaaaaaa")])
    assert "1 jobs, " in place.run("journal", "compact").out
    report = json.loads(place.run("journal", "compact", "--json").out)
    assert set(report) == {"path", "jobs", "before_bytes", "after_bytes"}
    lock = lock_state(place.state)
    assert place.run("journal", "compact").code == 75
    assert place.run("journal", "repair").code == 75
    lock.release()


def test_export_hides_what_may_be_secret(place: Place) -> None:
    """One JSON object a line; links are whole only where that was asked for."""
    place.record([queued("aaaaaaaaaaaa"), *published("aaaaaaaaaaaa")])
    ended = place.run("journal", "export")
    records = [json.loads(line) for line in ended.out.splitlines()]
    assert [record["kind"] for record in records] == [
        *("queued", "submitting", "submitted", "cloud_ready", "published")
    ]
    assert "SECRET" not in ended.out.replace("https://host/SECRET", "")
    assert records[0]["data"]["link"]["url"] == "magnet:"
    whole = place.run("journal", "export", "--links").out
    assert "&dn=SECRET" in whole


@pytest.mark.parametrize("words", [["repair"], ["compact"], ["export"]])
def test_where_no_daemon_ever_ran(place: Place, words: list[str]) -> None:
    """There is nothing to look after, and nothing is made."""
    ended = place.run("journal", *words)
    assert ended.code == 1
    assert "there is no journal" in ended.err
    assert not Path(place.state, "journal.jsonl").exists()
