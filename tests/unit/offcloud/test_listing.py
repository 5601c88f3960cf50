"""Lists of files in every shape, and links that were never meant to be links."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.core.model import RemoteFile, Submission
from offcloud_watchd.errors import Blocked, Gone, OffcloudWatchdError, Transient
from offcloud_watchd.offcloud.answer import Answer
from offcloud_watchd.offcloud.listing import Missing, explored, is_alike, listed, may_be_cut, single, usable

CDN = "https://1-cdn.files.invalid/cdn3sto/sto/obj/u/1767323045/tok_en"
CLASSIC = "https://s1.offcloud.invalid/cloud/download/R1"


def _answer(body: object, status: int = 200, *, framed: bool = True) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("GET service.invalid/api/cloud/explore/R1", status, raw, framed=framed)


def _paths(told: object) -> list[str]:
    assert isinstance(told, tuple)
    return [file.path for file in told]


def test_a_detailed_list_tells_paths_and_sizes() -> None:
    """The current generation's list keeps folders as told; sizes may be strings."""
    files = [
        {"id": "1", "name": "a.mkv", "size": 123, "path": "Show/S1/a.mkv", "url": f"{CDN}/a.mkv"},
        {"id": "2", "name": "b.srt", "size": "45", "path": "Show/b.srt", "url": f"{CDN}/b.srt"},
    ]
    for body in ({"files": files}, files, {"data": files}):
        assert explored(_answer(body), allow_http=False) == (
            RemoteFile("Show/S1/a.mkv", f"{CDN}/a.mkv", 123),
            RemoteFile("Show/b.srt", f"{CDN}/b.srt", 45),
        )


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"fileName": "a.mkv", "fileSize": 5, "downloadUrl": f"{CDN}/x"}, "a.mkv"),
        ({"filename": "a.mkv", "folder": ["Show", "S1"], "url": f"{CDN}/x"}, "Show/S1/a.mkv"),
        ({"name": "a.mkv", "path": "Show/", "url": f"{CDN}/x"}, "Show/a.mkv"),
        ({"url": f"{CDN}/a%20b.mkv"}, "a b.mkv"),
        ({"path": 5, "name": None, "link": f"{CDN}/c.mkv"}, "c.mkv"),
    ],
)
def test_objects_name_their_file_in_several_ways(entry: dict[str, object], path: str) -> None:
    """Where no path is told, folder and name make one, and the link is the last resort."""
    assert _paths(explored(_answer([entry]), allow_http=False)) == [path]


def test_a_plain_list_takes_names_from_its_links() -> None:
    """The last segment is the name; it is decoded once and its bytes may be anything."""
    body = [f"{CDN}/Show%20%5B1080p%5D.mkv", f"{CDN}/100%25.nfo?sig=a/b", f"{CDN}/%FF.bin"]
    assert _paths(explored(_answer(body), allow_http=False)) == ["Show [1080p].mkv", "100%.nfo", "\ufffd.bin"]
    assert _paths(explored(_answer(body[0]), allow_http=False)) == ["Show [1080p].mkv"]


@pytest.mark.parametrize(
    ("raw", "url", "path"),
    [
        (
            f"{CLASSIC}/1/My Show [x] #1.mkv",
            f"{CLASSIC}/1/My%20Show%20%5Bx%5D%20%231.mkv",
            "My Show [x] #1.mkv",
        ),
        (f"{CLASSIC}/2/My%20Show.mkv", f"{CLASSIC}/2/My%20Show.mkv", "My Show.mkv"),
        (f"{CLASSIC}/3/100% ok%20.mkv", f"{CLASSIC}/3/100%25%20ok%20.mkv", "100% ok .mkv"),
        (f"{CLASSIC}/Who? Me?.mkv", f"{CLASSIC}/Who%3F%20Me%3F.mkv", "Who? Me?.mkv"),
        (f"{CLASSIC}/a.mkv?key=v", f"{CLASSIC}/a.mkv?key=v", "a.mkv"),
        (f"{CLASSIC}/4/Extras/ünï.srt", f"{CLASSIC}/4/Extras/%C3%BCn%C3%AF.srt", "Extras/ünï.srt"),
        (f"{CLASSIC}/6/a\u3000b\u202ec.srt", f"{CLASSIC}/6/a%E3%80%80b%E2%80%AEc.srt", "a\u3000b\u202ec.srt"),
        (f"{CLASSIC}/5", f"{CLASSIC}/5", "5"),
        (CLASSIC, CLASSIC, "file 1"),
    ],
)
def test_classic_links_are_quoted_only_where_they_are_not(raw: str, url: str, path: str) -> None:
    """Blanks, brackets, hashes and question marks belong to the name; what is escaped stays so."""
    assert explored(_answer([raw]), allow_http=False) == (RemoteFile(path, url),)


def test_junk_is_left_out_and_a_torrent_only_beside_others() -> None:
    """What the service leaves lying about is no content, unless it is all there is."""
    body = [f"{CDN}/a.mkv", f"{CDN}/a.mkv.aria2", f"{CDN}/b.ARIA2__TEMP", f"{CDN}/dir/", f"{CDN}/x.torrent"]
    assert _paths(explored(_answer(body), allow_http=False)) == ["a.mkv"]
    assert _paths(explored(_answer(body[4:]), allow_http=False)) == ["x.torrent"]
    assert explored(_answer(body[1:4]), allow_http=False) is Missing.EMPTY
    assert explored(_answer({"files": [{"path": "Show/", "url": None}]}), allow_http=False) is Missing.EMPTY


@pytest.mark.parametrize(
    "entry",
    [
        None,
        5,
        "",
        {},
        {"name": "a.mkv", "url": None},
        "ftp://x.invalid/secret",
        "http://x.invalid/secret",
        "https://u:p@x/secret",
    ],
)
def test_a_list_with_an_entry_that_cannot_be_fetched_is_not_taken(entry: object) -> None:
    """A release that lacks a file must never look finished."""
    with pytest.raises(Transient) as raised:
        explored(_answer([f"{CDN}/a.mkv", entry]), allow_http=False)
    assert "entry 2" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_why_there_is_no_list() -> None:
    """A single file, a missing call and an empty list are told apart."""
    assert explored(_answer({"error": "Bad archive"}), allow_http=False) is Missing.SINGLE
    assert explored(_answer({"error": "bad archive"}, 400), allow_http=False) is Missing.SINGLE
    for status in (404, 405):
        assert explored(_answer(b"<html>", status), allow_http=False) is Missing.ABSENT
    assert explored(_answer([]), allow_http=False) is Missing.EMPTY


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"error": "Request not found."}, 404, Gone),
        ({"error": "NOAUTH"}, 200, Blocked),
        ({"not_available": "cloud", "files": []}, 200, Blocked),
        ({"error": "The file is not downloaded yet"}, 200, Transient),
        ({"error": "x", "files": []}, 200, Transient),
        (b"<html>", 200, Transient),
        (b"<html>", 502, Transient),
        ([f"{CDN}/a.mkv"], 500, Transient),
        ({}, 200, Transient),
        (None, 200, Transient),
        (b"", 200, Transient),
    ],
)
def test_a_fault_is_never_taken_for_a_list(body: object, status: int, error: type[Exception]) -> None:
    """Whatever is no list says who must act."""
    with pytest.raises(error):
        explored(_answer(body, status), allow_http=False)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_text_list_has_one_link_a_line(end: str) -> None:
    """Line ends of every kind, blank lines and blanks around do not matter."""
    body = end.join([f"{CDN}/a.mkv", "", f"  {CLASSIC}/1/b c.mkv "]).encode()
    assert _paths(listed(_answer(body), allow_http=False)) == ["a.mkv", "b c.mkv"]


def test_a_text_list_may_come_as_json_or_not_at_all() -> None:
    """The same call may answer with an array or with a page that says it is not there."""
    assert _paths(listed(_answer([f"{CDN}/a.mkv"]), allow_http=False)) == ["a.mkv"]
    assert listed(_answer(b"<html>", 404), allow_http=False) is Missing.ABSENT


def test_what_shows_that_a_text_list_is_whole() -> None:
    """A length, a line end, or a form that has an end of its own."""
    body = f"{CDN}/a.mkv\n{CDN}/b.mkv".encode()
    assert may_be_cut(_answer(body, framed=False))
    assert not may_be_cut(_answer(body))
    assert not may_be_cut(_answer(body + b"\n", framed=False))
    assert not may_be_cut(_answer([f"{CDN}/a.mkv"], framed=False))


def test_two_lists_are_alike_by_their_files() -> None:
    """Links are minted anew each time, so they do not count."""
    one, renewed, other = (RemoteFile("a", "x:1"),), (RemoteFile("a", "x:2"),), (RemoteFile("b", "x:1"),)
    assert is_alike(one, renewed)
    assert not is_alike(one, other)
    assert not is_alike(one, Missing.ABSENT)
    assert is_alike(Missing.EMPTY, Missing.EMPTY)


@pytest.mark.parametrize(
    ("body", "error"), [(b"NOAUTH", Blocked), (b"Request not found.", Gone), (b"hm?", Transient)]
)
def test_prose_in_place_of_a_text_list_is_a_refusal(body: bytes, error: type[Exception]) -> None:
    """A line that is no link speaks for the service."""
    with pytest.raises(error):
        listed(_answer(body), allow_http=False)


@pytest.mark.parametrize(
    ("known", "file"),
    [
        (Submission("R1", name="a b.mkv", url=CLASSIC), RemoteFile("a b.mkv", f"{CLASSIC}/a%20b.mkv", 7)),
        (
            Submission("R1", name="a/b.mkv", url=f"{CLASSIC}/"),
            RemoteFile("a/b.mkv", f"{CLASSIC}/a%2Fb.mkv", 7),
        ),
        (
            Submission("R1", name="a.mkv", server="s9"),
            RemoteFile("a.mkv", "https://s9.offcloud.com/cloud/download/R1/a.mkv", 7),
        ),
        (Submission("R1", name="a.mkv", url=f"{CDN}/z.mkv"), RemoteFile("a.mkv", f"{CDN}/z.mkv", 7)),
        (Submission("R1", url=f"{CLASSIC}/c.mkv"), RemoteFile("c.mkv", f"{CLASSIC}/c.mkv", 7)),
        (Submission("R1", url=CLASSIC), RemoteFile("R1", CLASSIC, 7)),
        (Submission("R1", name="a.mkv"), None),
        (Submission("R1", server="s9"), None),
        (Submission("R1", name="a.mkv", url="http://s1.invalid/cloud/download/R1"), None),
    ],
)
def test_a_single_file_is_built_from_what_is_known(known: Submission, file: RemoteFile | None) -> None:
    """The classic service's url lacks the name, or only the host and the name are told."""
    assert single(known, 7, allow_http=False) == file


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "a.mkv",
        "//x.invalid/a",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://",
        "https://x.invalid",
        "https://x.invalid:port/a",
        "https://[::1/a",
        "https://u@x.invalid/a",
        "https://x.invalid/a\r\nHost: y",
        "https://x.invalid/a\x00",
        "https://x.invalid/a\ud800",
        "https://x.invalid/" + "a" * 20_000,
    ],
)
def test_what_is_no_web_link_is_not_used(raw: str) -> None:
    """Other schemes, user names, control characters and endless links are refused."""
    assert usable(raw, allow_http=True) is None


def test_plain_http_is_for_a_service_that_is_plain_itself() -> None:
    """Over TLS a link without it would give the file away."""
    assert usable("http://127.0.0.2:8/a", allow_http=True) == "http://127.0.0.2:8/a"
    assert usable("http://127.0.0.2:8/a", allow_http=False) is None
    assert usable("HTTPS://[::1]:8/a", allow_http=False) == "https://[::1]:8/a"


@given(st.text(max_size=40))
def test_quoting_a_link_twice_changes_nothing(name: str) -> None:
    """What was made usable once is used as it is."""
    once = usable(f"{CLASSIC}/1/{name}", allow_http=False)
    if once is not None:
        assert once.isascii()
        assert usable(once, allow_http=False) == once


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=30) | st.just(f"{CDN}/a.mkv"),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["files", "url", "path", "name", "folder", "error"]), inner)
        ),
        max_leaves=10,
    ),
    st.sampled_from([200, 404, 500]),
)
def test_no_list_makes_the_reader_raise_anything_of_its_own(body: object, status: int) -> None:
    """Every JSON value is a list, a reason why there is none, or one of our errors."""
    for read in (explored, listed):
        try:
            told = read(_answer(body, status), allow_http=False)
        except OffcloudWatchdError as error:
            assert str(error)
        else:
            assert told
