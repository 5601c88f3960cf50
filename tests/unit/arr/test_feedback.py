"""What the *arr tools are told, against a tool on the loopback that keeps its books as they do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from offcloud_watchd.arr.feedback import Feedback, Refresher, file_name_of, hashes_of, introduce, newest_grab
from offcloud_watchd.arr.settings import ToolSettings
from offcloud_watchd.arr.tool import Record, Tool
from offcloud_watchd.core.events import Failed, Published
from offcloud_watchd.core.model import Job, JobState, LinkKind, Publication
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import Cancelled, Transient
from tests.fakes.arr_tool import KEY, FakeTool
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import NOW, a_job, a_link

HASH = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
TITLE = "Show.S01E01.1080p"
NEVER = threading.Event()


@pytest.fixture
def fake() -> Iterator[FakeTool]:
    """Start a tool that ends with its test."""
    with FakeTool() as tool:
        yield tool


def settings(url: str, **changes: object) -> ToolSettings:
    """Return the settings of a tool of the category ``tv``."""
    plain = ToolSettings(
        name="sonarr", url=url, api_key_file=Path("/key"), key_setting="c:1:1: arr", categories=("tv",)
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # the test names members


def tool_at(fake: FakeTool, clock: FakeClock | None = None, **changes: object) -> Tool:
    """Return our side of a tool."""
    return Tool(settings(fake.url, **changes), lambda: KEY, clock or FakeClock())


def failed_job(failed_s_ago: float = 3600.0, **changes: object) -> Job:
    """Return a failed job of a torrent."""
    link = replace(a_link(), info_hash_v1=HASH)
    return a_job(
        JobState.FAILED, **{"link": link, "changed_at": NOW - failed_s_ago, "to_report": True, **changes}
    )


def report(fake: FakeTool, job: Job | None = None) -> str:
    """Tell the tool of a failure."""
    return Feedback([tool_at(fake)], FakeClock()).report(job or failed_job(), NEVER)


# --- a failure ---


def test_what_a_client_has_leaves_the_queue_with_its_release_blocklisted(fake: FakeTool) -> None:
    """The entry is deleted in the client, and another release is searched."""
    deleted: list[str] = []
    fake.delete = deleted.append
    fake.grab("Another", OTHER, client=True)
    fake.grab(TITLE, HASH, client=True)
    assert report(fake) == ""
    assert (fake.blocklist, deleted) == ([TITLE], [HASH.upper()])
    assert list(fake.queue.values()) == [OTHER.upper()]


def test_what_came_through_a_blackhole_is_marked_in_the_history(fake: FakeTool) -> None:
    """By the newest grab of exactly this hash, whatever else has the same name."""
    fake.grab(TITLE, HASH, client=False)
    newest = fake.grab(TITLE, HASH, client=False)
    fake.grab(TITLE, OTHER, client=False)
    assert report(fake) == ""
    assert fake.blocklist == [TITLE]
    assert f"POST history/failed/{newest}" in fake.asked


@pytest.mark.parametrize("client", [True, False])
def test_told_twice_is_marked_once(fake: FakeTool, *, client: bool) -> None:
    """Whoever does not know whether the tool was told asks it."""
    fake.delete = lambda _digits: None
    fake.grab(TITLE, HASH, client=client)
    fake.lose = 1
    with pytest.raises(Transient, match="gave no answer"):
        report(fake)
    assert report(fake) == ""
    assert report(fake, failed_job(state=JobState.REMOVED)) == ""
    assert fake.blocklist == [TITLE]


def test_grabbed_again_after_a_failure_it_is_marked_again(fake: FakeTool) -> None:
    """It is another failure."""
    for _ in range(2):
        fake.grab(TITLE, HASH, client=False)
        assert report(fake) == ""
    assert fake.blocklist == [TITLE, TITLE]


def test_a_client_that_does_not_answer_the_tool_is_no_failure_reported(fake: FakeTool) -> None:
    """The tool marks nothing then; when the entry is gone the mark is made in the history."""
    fake.grab(TITLE, HASH, client=True)

    def breaks(_digits: str) -> None:
        raise ConnectionError

    fake.delete = breaks
    with pytest.raises(Transient, match="answered 500"):
        report(fake)
    assert fake.blocklist == []
    fake.queue.clear()
    assert report(fake) == ""
    assert fake.blocklist == [TITLE]


def test_a_fresh_failure_waits_until_the_tool_shows_it(fake: FakeTool) -> None:
    """First for the record of the grab, then for the entry in the queue, which it is asked to look for."""
    fresh = failed_job(1.0)
    with pytest.raises(Transient, match="no record of this release yet"):
        report(fake, fresh)
    fake.grab(TITLE, HASH, client=True, queued=False)
    with pytest.raises(Transient, match="not in its queue yet"):
        report(fake, fresh)
    assert (fake.commands, fake.blocklist) == (["RefreshMonitoredDownloads"], [])
    assert report(fake, replace(fresh, state=JobState.REMOVED)) == "", "an entry that was removed never comes"
    assert fake.blocklist == [TITLE]


def test_what_a_tool_has_not_grabbed_is_not_its_affair(fake: FakeTool) -> None:
    """A link that was added by hand; and what is in the queue is known there, however long its history."""
    fake.grab(TITLE, OTHER, client=False)
    assert report(fake) == "sonarr has no record of having grabbed it"
    fake.delete = lambda _digits: None
    fake.queue[77] = HASH.upper()
    assert report(fake) == ""
    assert fake.queue == {}


def test_a_long_history_is_read_page_by_page(fake: FakeTool) -> None:
    """The grab lies behind hundreds of newer records."""
    fake.grab(TITLE, HASH, client=False)
    for number in range(600):
        fake.note("grabbed", f"Other.{number}", "", torrentInfoHash=OTHER)
    assert report(fake) == ""
    assert fake.asked.count("GET history") == 3


def test_lidarr_speaks_another_version() -> None:
    """It is found out by asking, below its URL base too."""
    with FakeTool(api="v1", name="Lidarr", url_base="/music") as lidarr:
        lidarr.grab(TITLE, HASH, client=False)
        assert report(lidarr) == ""
        assert lidarr.blocklist == [TITLE]
        assert tool_at(lidarr).about() == "Lidarr 4.0.9"


def test_each_tool_of_the_category_is_told(fake: FakeTool) -> None:
    """One that does not answer is told when it does; the other is not told twice."""
    with FakeTool() as second, FakeTool() as foreign:
        for one in (fake, second, foreign):
            one.grab(TITLE, HASH, client=False)
        clock = FakeClock()
        tools = [tool_at(fake, clock), tool_at(second, clock), tool_at(foreign, clock, categories=("film",))]
        feedback = Feedback(tools, clock)
        second.refused = 503
        with pytest.raises(Transient, match="answered 503"):
            feedback.report(failed_job(), NEVER)
        second.refused = 0
        assert feedback.report(failed_job(), NEVER) == ""
        assert [one.blocklist for one in (fake, second, foreign)] == [[TITLE], [TITLE], []]


def test_a_stop_is_obeyed_between_tools(fake: FakeTool) -> None:
    """Nothing new is begun."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        Feedback([tool_at(fake)], FakeClock()).report(failed_job(), stop)
    assert fake.asked == []


def test_an_end_without_a_hash_belongs_to_the_newest_grab_of_its_title() -> None:
    """A blackhole's failures name only the title."""
    failed = Record(9, "downloadFailed", TITLE, frozenset())
    other = Record(8, "grabbed", TITLE, frozenset({OTHER}))
    ours = Record(7, "grabbed", TITLE, frozenset({HASH}))
    assert newest_grab([failed, other, ours], {HASH}) == (ours, False)
    assert newest_grab([failed, ours, other], {HASH}) == (ours, True)
    by_client = Record(9, "downloadFailed", TITLE, frozenset({OTHER}), has_client=True)
    assert newest_grab([by_client, ours], {HASH}) == (ours, False)
    assert newest_grab([], {HASH}) == (None, False)


def test_a_torrent_of_the_second_version_has_two_names() -> None:
    """Some tools cut its hash to forty digits."""
    v2 = "ab" * 32
    assert hashes_of(replace(a_link(), info_hash_v2=v2)) == {v2.upper(), v2[:40].upper()}


# --- a failure that has but a name ---

GRAB_TIME = datetime.fromtimestamp(NOW - 60, UTC).isoformat().replace("+00:00", "Z")


def nameless(**changes: object) -> Job:
    """Return a failed job of a drop in which there was nothing to be used."""
    link = replace(a_link("file"), kind=LinkKind.FILE, url="")
    return failed_job(**{"link": link, "release": TITLE, "changed_at": NOW, **changes})


def test_what_has_no_hash_is_known_by_the_name_of_its_file(fake: FakeTool) -> None:
    """Its newest grab by a blackhole, once."""
    fake.now = GRAB_TIME
    fake.grab("Show: S01E01? 1080p/x264", HASH, client=False)
    newest = fake.grab("Show: S01E01? 1080p/x264", "", client=False)
    fake.grab("Other", "", client=False)
    job = nameless(release="Show - S01E01! 1080p+x264")
    assert report(fake, job) == ""
    assert f"POST history/failed/{newest}" in fake.asked
    assert report(fake, job) == ""
    assert len(fake.blocklist) == 1
    assert "GET queue" not in fake.asked


def test_a_name_that_may_be_anothers_is_left_alone(fake: FakeTool) -> None:
    """A client's grab, one of another day, one of an unknown time, one of the days to come."""
    clock = FakeClock()
    clock.advance(3600)
    feedback = Feedback([tool_at(fake, clock)], clock)
    for now, client in (
        (GRAB_TIME, True),
        (datetime.fromtimestamp(NOW - 90_000, UTC).isoformat(), False),
        ("soon", False),
        (datetime.fromtimestamp(NOW + 3000, UTC).isoformat(), False),
    ):
        fake.now = now
        fake.grab(TITLE, HASH, client=client)
        assert feedback.report(nameless(), NEVER) == "sonarr has no record of having grabbed it"
    assert fake.blocklist == []


def test_the_name_of_a_file_is_cleaned_as_the_tools_do() -> None:
    """Colons, slashes, signs, spaces and dots."""
    assert file_name_of(' .Show: It\'s 1:2 <a|b>\\"c"/d? *e. ') == "Show - It's 1-2 ab+c+d! -e."


# --- an import ---


def imported(fake: FakeTool, job: Job | None = None) -> str:
    """Ask the tool whether it has imported a job."""
    job = job or replace(failed_job(), state=JobState.DONE)
    return Feedback([tool_at(fake)], FakeClock()).imported(job, NEVER)


def test_what_a_tool_says_it_has_imported(fake: FakeTool) -> None:
    """By exactly this hash, since its newest grab, when nothing of it is left to be imported."""
    assert imported(fake) == ""
    fake.note("downloadFolderImported", TITLE, OTHER.upper())
    fake.grab(TITLE, HASH, client=True)
    assert imported(fake) == ""
    fake.note("downloadFolderImported", TITLE, HASH.upper())
    assert imported(fake) == "", "an episode of a season; it is in the queue still"
    fake.queue.clear()
    assert imported(fake) == "sonarr"
    fake.grab(TITLE, HASH, client=True, queued=False)
    assert imported(fake) == "", "it was grabbed again"
    fake.note("downloadFailed", TITLE, HASH.upper())
    assert imported(fake) == "", "it does not want this one"


def test_what_is_no_torrent_is_known_by_the_id_that_sabnzbd_gives(fake: FakeTool) -> None:
    """An NZB or a web link that came through that API, in the letters in which the tool noted it."""
    job = a_job(JobState.DONE)
    assert imported(fake, job) == ""
    known_as = f"SABnzbd_nzo_{job.id}"
    fake.note("grabbed", TITLE, known_as)
    fake.queue[1] = known_as
    fake.note("downloadFolderImported", TITLE, known_as)
    assert imported(fake, job) == "", "it is in the queue still"
    fake.queue.clear()
    assert imported(fake, job) == "sonarr"


def test_every_tool_that_has_grabbed_it_must_have_it(fake: FakeTool) -> None:
    """One of the category that knows nothing of it is not waited for."""
    done = replace(failed_job(), state=JobState.DONE)
    with FakeTool(api="v1", name="Lidarr") as second, FakeTool() as third:
        tools = [tool_at(fake), tool_at(second, name="lidarr"), tool_at(third, categories=("film",))]
        feedback = Feedback(tools, FakeClock())
        fake.grab(TITLE, HASH, client=True, queued=False)
        fake.note("downloadFolderImported", TITLE, HASH.upper())
        assert feedback.imported(done, NEVER) == "sonarr"
        second.grab(TITLE, HASH, client=True, queued=False)
        assert feedback.imported(done, NEVER) == ""
        second.note("downloadImported", TITLE, HASH.upper())
        assert feedback.imported(done, NEVER) == "sonarr, lidarr"
        assert third.asked == []


def test_a_stop_is_obeyed_before_a_tool_is_asked(fake: FakeTool) -> None:
    """Nothing new is begun."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        Feedback([tool_at(fake)], FakeClock()).imported(failed_job(), stop)
    assert fake.asked == []


# --- a release ---


def test_what_is_published_is_told_once_for_a_burst(fake: FakeTool) -> None:
    """The tool looks again; a failure to tell it is no more than a line in the log."""
    waiting: list[Callable[[Stop], None]] = []
    refresher = Refresher([tool_at(fake), tool_at(fake, categories=("film",))], waiting.append)
    published = Published("job", NOW, Publication("/out/tv/release", 1, 1, "size"))
    refresher.recorded(published, a_job(JobState.DONE))
    refresher.recorded(published, a_job(JobState.DONE))
    refresher.recorded(Failed("job", NOW, "no seeds"), failed_job())
    [ask] = waiting
    ask(NEVER)
    assert fake.commands == ["RefreshMonitoredDownloads"]
    refresher.recorded(published, a_job(JobState.DONE))
    assert len(waiting) == 2


def test_a_tool_that_cannot_be_refreshed_is_logged(fake: FakeTool, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing waits for it."""
    fake.refused = 500
    waiting: list[Callable[[Stop], None]] = []
    published = Published("job", NOW, Publication("/out/tv/release", 1, 1, "size"))
    Refresher([tool_at(fake)], waiting.append).recorded(published, a_job(JobState.DONE))
    waiting[0](NEVER)
    assert "sonarr (127.0.0.1): POST command: answered 500" in caplog.text


def test_each_tool_is_named_at_the_start(fake: FakeTool, caplog: pytest.LogCaptureFixture) -> None:
    """Or what is in its way."""
    caplog.set_level("INFO")
    introduce(tool_at(fake), NEVER)
    assert "arr sonarr: Sonarr 4.0.9" in caplog.text
    introduce(Tool(settings(fake.url), lambda: "wrong", FakeClock()), NEVER)
    assert "the key was refused (401): copy it from Settings, General into /key" in caplog.text
    assert KEY not in caplog.text
