"""Files that are handed over in place of a link."""

from __future__ import annotations

import threading

import pytest

from offcloud_watchd.core.links import parse, parse_link
from offcloud_watchd.core.model import RemoteTarget
from offcloud_watchd.errors import Blocked, Cancelled, OffcloudWatchdError, Permanent, Transient
from tests.fakes.wire_server import Turn, says
from tests.unit.offcloud.playing import Play

HEX = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
MAGNET = parse_link(f"magnet:?xt=urn:btih:{HEX}&dn=Show")
ADDRESS = "https://up.invalid/x.torrent"
FILE = bytes(range(256))
TAKEN = says({"success": True, "url": ADDRESS})
ITEM = says({"requestId": "R1"})
PAGE = says("<html>", 404)
ACCOUNT = says({"user_id": 1})


def test_a_file_is_handed_over_and_its_address_submitted(play: Play, stop: threading.Event) -> None:
    """Its bytes arrive as they are, under the digits by which it is found again."""
    client, server = play(TAKEN, ITEM)
    assert client.submit(MAGNET, stop, FILE).request_id == "R1"
    upload, submission = server.asked
    assert upload.target == "/torrent/upload"
    assert FILE in upload.body
    assert f'name="file"; filename="{HEX}.torrent"'.encode() in upload.body
    assert submission.json() == {"url": ADDRESS}


def test_a_file_goes_to_a_remote_account_as_well(play: Play, stop: threading.Event) -> None:
    """By its address, like any link."""
    accounts = says([{"accountId": "a1", "remoteOptionId": "o1", "type": "googledrive"}])
    client, server = play(accounts, TAKEN, ITEM)
    client.send(MAGNET, RemoteTarget("googledrive"), stop, FILE)
    assert server.asked[2].json() == {"url": ADDRESS, "remoteOptionId": "o1"}


def test_a_name_cannot_break_a_header(play: Play, stop: threading.Event) -> None:
    """What is odd in it is left out."""
    client, server = play(TAKEN)
    client.uploads.upload('\u00dcn\u00ef "x"\r\nb.torrent', FILE, stop)
    assert b'filename="_n_ _x_b.torrent"' in server.asked[0].body


def test_where_no_files_are_taken_a_magnet_goes(play: Play, stop: threading.Event) -> None:
    """That is found out once, and again after a probe."""
    client, server = play(PAGE, ACCOUNT, ITEM, ITEM, ACCOUNT, PAGE, ACCOUNT, ITEM)
    for _ in range(2):
        client.submit(MAGNET, stop, FILE)
    client.account(stop)
    client.submit(MAGNET, stop, FILE)
    paths = [asked.path.removeprefix("/api/") for asked in server.asked]
    found_out = ["/torrent/upload", "account/info", "cloud"]
    assert paths == [*found_out, "cloud", "account/info", *found_out]
    assert {asked.json()["url"] for asked in server.asked if asked.path == "/api/cloud"} == {MAGNET.url}


def test_a_file_that_is_not_taken_goes_as_its_magnet(play: Play, stop: threading.Event) -> None:
    """The next one is handed over all the same."""
    client, server = play(says({"success": False}), ITEM, TAKEN, ITEM)
    for _ in range(2):
        client.submit(MAGNET, stop, FILE)
    assert [asked.json()["url"] for asked in server.asked[1::2]] == [MAGNET.url, ADDRESS]


@pytest.mark.parametrize(
    ("turn", "error"),
    [
        (says({"success": True}), Transient),
        (says({"success": True, "url": "file:///etc"}), Transient),
        (says([]), Transient),
        (says("<html>", 413), Transient),
        (Turn(ending="reset"), Transient),
        (says({"error": "NOAUTH"}), Blocked),
    ],
)
def test_what_breaks_an_upload_leaves_no_doubt(
    play: Play, stop: threading.Event, turn: Turn, error: type[OffcloudWatchdError]
) -> None:
    """Nothing was submitted, so nothing is to be searched for."""
    client, server = play(turn)
    with pytest.raises(error) as raised:
        client.submit(MAGNET, stop, FILE)
    assert not getattr(raised.value, "maybe_sent", False)
    assert {asked.path for asked in server.asked} == {"/torrent/upload"}


def test_only_the_submission_can_be_in_doubt(play: Play, stop: threading.Event) -> None:
    """And its error names no address."""
    client, _ = play(TAKEN, says({"error": f"busy with {ADDRESS}"}, 503))
    with pytest.raises(Transient) as raised:
        client.submit(MAGNET, stop, FILE)
    assert raised.value.maybe_sent
    assert ADDRESS not in str(raised.value)


def test_a_plain_no_is_for_good(play: Play, stop: threading.Event) -> None:
    """It is said of the file."""
    client, _ = play(says({"success": False}))
    with pytest.raises(Permanent, match="does not take this file"):
        client.uploads.upload("a.torrent", b"d", stop)


def test_whoever_is_stopped_in_an_upload_submits_nothing(play: Play) -> None:
    """A job that was cancelled meanwhile makes no item."""
    stop = threading.Event()
    client, server = play(TAKEN, ITEM, on_answer=lambda _path, _status: stop.set())
    with pytest.raises(Cancelled):
        client.submit(MAGNET, stop, FILE)
    assert [asked.path for asked in server.asked] == ["/torrent/upload"]


# --- NZBs ---

NZB_FILE = b"<nzb><file><segments><segment>a@b</segment></segments></file></nzb>"
(NZB,) = parse("A.Show.nzb", NZB_FILE).found
DIGEST = NZB.key.partition(":")[2]


def test_an_nzb_is_handed_over_and_named(play: Play, stop: threading.Event) -> None:
    """Both the file and the request carry the digits by which they are found again."""
    client, server = play(TAKEN, ITEM)
    assert client.submit(NZB, stop, NZB_FILE).request_id == "R1"
    assert f'filename="{DIGEST}.nzb"'.encode() in server.asked[0].body
    assert server.asked[1].json() == {"url": ADDRESS, "customFileName": f"A.Show [{DIGEST[:16]}]"}


@pytest.mark.parametrize(
    "row",
    [
        {"originalLink": f"https://up.invalid/{DIGEST}.nzb"},
        {"originalLink": "https://up.invalid/1", "fileName": f"A.Show [{DIGEST[:16]}]"},
    ],
)
def test_an_nzb_is_found_again(play: Play, stop: threading.Event, row: dict[str, object]) -> None:
    """By its address or by its name, and no other."""
    rows = [
        {"requestId": "R1", **row},
        {"requestId": "R2", "fileName": "A.Show", "originalLink": "https://x/"},
    ]
    client, _ = play(says(rows))
    found, _ = client.find(NZB, 0.0, stop)
    assert [one.request_id for one in found] == ["R1"]


def test_an_nzb_is_refused_where_no_files_are_taken(play: Play, stop: threading.Event) -> None:
    """With that word, and each time anew: there is no other way."""
    for _ in range(2):
        client, _ = play(PAGE, ACCOUNT)
        with pytest.raises(Permanent, match=r"no uploads and takes no NZB files \(Usenet\)"):
            client.submit(NZB, stop, NZB_FILE)


def test_an_nzb_gives_no_links_at_once(play: Play, stop: threading.Event) -> None:
    """Nor is anything sent where its file is lost; neither asks the service anything."""
    client, server = play(TAKEN)
    with pytest.raises(Permanent, match="use `route: cloud`"):
        client.grant(NZB, stop)
    with pytest.raises(Permanent, match="drop it again"):
        client.submit(NZB, stop)
    assert server.asked == []
