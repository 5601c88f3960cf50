"""Include and exclude: which files of a request are wanted."""

import pytest

from offcloud_watchd.core.model import RemoteFile
from offcloud_watchd.errors import Permanent
from offcloud_watchd.fetch.choice import Choice
from tests.fakes.torrents import BLOCK_BYTES, Content, torrent
from tests.unit.fetch.bench import Bench, content
from tests.unit.fetch.test_proof import fetch

CASES = [
    ("*.mkv", "a.mkv", True),
    ("*.mkv", "deep/down/a.MKV", True),
    ("*.mkv", "a.mkv.txt", False),
    ("sample", "Sample/a.mkv", True),
    ("sample", "deep/Sample/a.mkv", True),
    ("sample", "a.sample.mkv", False),
    ("*sample*", "a.sample.mkv", True),
    ("subs/*.srt", "Subs/a.srt", True),
    ("subs/*.srt", "x/Subs/a.srt", False),
    ("subs/*.srt", "Subs/x/a.srt", False),
    ("**/subs/*.srt", "x/y/Subs/a.srt", True),
    ("**/subs/*.srt", "Subs/a.srt", True),
    ("subs/**", "Subs/x/a.srt", True),
    ("subs/", "Subs/x/a.srt", True),
    ("subs/", "x/Subs/a.srt", False),
    ("/a.mkv", "a.mkv", True),
    ("/a.mkv", "x/a.mkv", False),
    ("x/**/y/**/z", "x/y/1/y/2/z", True),
    ("x/**/y/**/z", "x/1/2/z", False),
    ("\u0065\u0301t\u0065\u0301*", "\u00e9t\u00e9.mkv", True),
    ("[ab].mkv", "b.mkv", True),
    ("x/y", "x", False),
]


@pytest.mark.parametrize(("glob", "path", "matches"), CASES)
def test_a_glob_and_a_path(glob: str, path: str, *, matches: bool) -> None:
    """A name anywhere, or a path from the top; case and the form of accents do not count."""
    parts = path.split("/")
    assert Choice(include=(glob,)).takes(parts) is matches
    assert Choice(exclude=(glob,)).takes(parts) is not matches


def test_exclude_wins() -> None:
    """What both name stays away; without any glob everything comes."""
    choice = Choice(include=("*.mkv", "*.srt"), exclude=("sample*",))
    taken = [name for name in ("a.mkv", "sample.mkv", "a.srt", "a.nfo") if choice.takes([name])]
    assert taken == ["a.mkv", "a.srt"]
    assert Choice().takes(["anything"])


def test_a_glob_that_backtracks_is_no_trap() -> None:
    """A host cannot make a name that takes for ever to match."""
    assert not Choice(include=("*a*a*a*a*a*a*a*a*b", "**/**/**/**/**/x")).takes(["a" * 240] * 32)


def test_what_is_not_wanted_is_not_asked_for(bench: Bench) -> None:
    """The release holds the rest, named as if all had come."""
    files = bench.put(("R/a.mkv", b"1"), ("R/sample/a.mkv", b"2"), ("R/a.nfo", b"3"), ("R/A.mkv", b"45"))
    publication = bench.fetch(files, include=("*.mkv",), exclude=("sample/",))
    assert bench.visible() == {"Some.Release.2020/A.mkv": b"45", "Some.Release.2020/a (2).mkv": b"1"}
    assert (publication.files, publication.size_bytes) == (2, 3)
    assert sorted(asked.path for asked in bench.host.asked) == ["f0", "f3"]


def test_nothing_wanted_is_the_end(bench: Bench) -> None:
    """In words that say what to change."""
    with pytest.raises(Permanent, match=r"fetch.include and fetch.exclude leave out every file .* \(2\)"):
        bench.fetch(bench.put(("R/a", b"1"), ("R/b", b"2")), include=("*.mkv",))
    assert bench.visible() == {}


def test_links_are_renewed_for_what_is_wanted(bench: Bench) -> None:
    """A new list is held against the whole old one, and each file finds its own link."""
    files = bench.put(("R/a", b"12"), ("R/b", b"345"))
    dead = [RemoteFile(file.path, bench.host.url("gone"), file.size_bytes) for file in files]
    bench.fetch(lambda: dead if bench.listings == 1 else files, exclude=("a",))
    assert bench.visible() == {"Some.Release.2020/b": b"345"}


def test_what_is_not_wanted_is_not_missing(bench: Bench) -> None:
    """The torrent has it, the service has it: only its pieces cannot be proved."""
    contents = [Content("a", content(3 * BLOCK_BYTES)), Content("b", b"1"), Content("c", b"2")]
    files = bench.put(*((f"Root/{one.path}", one.data) for one in contents))
    assert fetch(bench, torrent(contents), files, exclude=("c",)).verified == "pieces; size: b"
