"""What people read of a job: its name and the line of each event."""

from dataclasses import replace

import pytest

from offcloud_watchd.core.events import (
    Attached,
    Cleared,
    CloudReady,
    Deferred,
    Delivered,
    Discarded,
    DroppedAgain,
    Failed,
    Granted,
    Kept,
    NotFound,
    Published,
    Queued,
    Recalled,
    Recategorized,
    Removed,
    Reported,
    Requeued,
    Resumed,
    Stirred,
    Submitted,
    Submitting,
    Vanished,
    Withdrawn,
)
from offcloud_watchd.core.model import (
    Delivery,
    Destination,
    Drop,
    Job,
    JobState,
    Lane,
    Link,
    LinkKind,
    Publication,
    RemoteTarget,
    Submission,
)
from offcloud_watchd.core.story import about, display_name, told, whereto

LINK = Link(LinkKind.TORRENT, "btih:" + "a" * 40, "magnet:?xt=urn:btih:" + "a" * 40, name="From the link")
DROP = Drop("d", "f.magnet", "/drop")
TV = Destination("tv", "/out/tv")


def web_link(url):
    """Make a link of which nothing is known but its address."""
    return Link(LinkKind.URL, f"url:{url}", url)


JOB = Job("j1", LINK, (DROP,), TV, None, JobState.FETCHING, 1, 2)
REQUEST = Submission("R1", url="https://files.invalid/secret")


@pytest.mark.parametrize(
    ("job", "name"),
    [
        (replace(JOB, release="Dropped"), "Dropped"),
        (replace(JOB, submission=Submission("r", name="From the service")), "From the service"),
        (JOB, "From the link"),
        (replace(JOB, publication=Publication("/out/tv/Published", 1, 5, "size")), "Published"),
        (replace(JOB, link=replace(LINK, name=None)), LINK.key),
        (replace(JOB, link=web_link("https://h.invalid/a-token/Film.mkv?token=s#s")), "Film.mkv"),
        (replace(JOB, link=web_link("https://h.invalid/file/a-token#the-key")), "a link to h.invalid"),
        (replace(JOB, link=web_link("https://h.invalid?a-token")), "a link to h.invalid"),
    ],
)
def test_display_name_is_the_best_there_is_and_no_secret(job, name):
    """A job is named by what people know it by; of a link only a file's name or its host is shown."""
    assert display_name(job) == name


def test_a_destination_is_a_directory_or_an_account():
    """A person is told where it goes."""
    assert whereto(TV) == "/out/tv"
    assert whereto(replace(TV, remote=RemoteTarget("drive", "f"))) == "remote account drive, folder f"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Queued("j", 1, LINK, DROP, TV, None), "taken from f.magnet for tv"),
        (Queued("j", 1, LINK, replace(DROP, name=""), TV, None), "taken from a command for tv"),
        (Attached("j", 1, DROP), "f.magnet wants the same and joins it"),
        (Submitted("j", 1, REQUEST), "submitted as request R1"),
        (Submitted("j", 1, REQUEST, adopted=True), "found in the account as request R1"),
        (Granted("j", 1, REQUEST), "the service gives it at once: fetching"),
        (
            Submitted("j", 1, REQUEST, also_for="k"),
            "submitted as request R1, which the service gave job k for other content",
        ),
        (Reported("j", 1), "the *arr tool knows that it failed"),
        (Reported("j", 1, "it has not grabbed it"), "not reported: it has not grabbed it"),
        (Cleared("j", 1), "removed from the account"),
        (Cleared("j", 1, "no such call"), "left in the account: no such call"),
        (Recalled("j", 1, 1), "may have been submitted already: looking in the account first"),
        (NotFound("j", 1), "the account does not hold it: submitting"),
        (CloudReady("j", 1, REQUEST), "the service has it: fetching"),
        (
            Published("j", 1, Publication("/out/tv/X", 1, 5, "size")),
            "published: /out/tv/X (1 file, 5B, verified: size)",
        ),
        (
            Published("j", 1, Publication("/out/tv/X", 2, 5, "unverified")),
            "published: /out/tv/X (2 files, 5B, unverified)",
        ),
        (
            Published("j", 1, Publication("/out/tv/X", 1, 5, "linked from k: size")),
            "published: /out/tv/X (1 file, 5B, verified: linked from k: size)",
        ),
        (Delivered("j", 1, Delivery("drive")), "sent: it to remote account drive"),
        (
            Delivered("j", 1, Delivery("drive", "f", "a.bin", 7)),
            "sent: a.bin to remote account drive, folder f, 7B",
        ),
        (Kept("j", 1), "dropped again; it was sent there already: `offcloud-watchd retry` sends it again"),
        (DroppedAgain("j", 1, DROP), "dropped again by f.magnet: looking whether it is still there"),
        (
            DroppedAgain("j", 1, replace(DROP, name="")),
            "dropped again by a command: looking whether it is still there",
        ),
        (Kept("j", 1, "/out/tv/X"), "dropped again; it is still there: /out/tv/X"),
        (Kept("j", 1, command="c"), "left as it is, as was asked for"),
        (Deferred("j", 1, "no answer", 31), "not now: no answer; again in 30 s"),
        (Deferred("j", 1, "stopped", 0), "not now: stopped"),
        (Failed("j", 1, "no seeds"), "failed: no seeds"),
        (Requeued("j", 1, command="c"), "begins anew"),
        (Requeued("j", 1), "begins anew: what was published is not there any more"),
        (Requeued("j", 1, drop=DROP), "begins anew, because f.magnet was dropped"),
        (Removed("j", 1), "removed"),
        (Removed("j", 1, files=True), "removed with its files"),
        (
            Vanished("j", 1),
            "the account does not hold it any more: looking for it, then submitting it once more",
        ),
        (Submitting("j", 1), ""),
        (Stirred("j", 1, "0a1b2c3d"), ""),
        (Resumed("j", 1), ""),
        (Withdrawn("j", 1), ""),
        (Discarded("j", 1), ""),
        (Recategorized("j", 1, TV), "belongs to the category tv now"),
    ],
)
def test_each_event_has_its_line(event, line):
    """One line a step, in the words of the person who runs it, and never a link."""
    assert told(event) == line


@pytest.mark.parametrize(
    ("job", "lane", "request_id", "hands"),
    [
        (JOB, None, "", "fetch"),
        (replace(JOB, submission=REQUEST), None, "R1", "fetch"),
        (replace(JOB, submission=REQUEST), Lane.API, "R1", "api"),
        (replace(JOB, state=JobState.DONE), None, "", ""),
    ],
)
def test_what_a_record_is_about(job, lane, request_id, hands):
    """The job, its category, the request it holds, and in whose hands it is; no link."""
    assert about(job, lane) == {"job": "j1", "category": "tv", "request": request_id, "lane": hands}
