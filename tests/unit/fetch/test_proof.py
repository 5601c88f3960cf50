"""Pieces of a torrent and the files that come: what is proved, what is repaired, what fails."""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from offcloud_watchd.core.links.torrent import parse_torrent
from offcloud_watchd.core.model import Check, Job, JobState, Link, Publication, RemoteFile
from offcloud_watchd.errors import Blocked, Cancelled, Contradicted, NoRoom, Permanent, Transient
from tests.fakes.file_host import FileHost, Play
from tests.fakes.torrents import BLOCK_BYTES, Content, padded, torrent
from tests.faults.namespace import mount, with_own_mounts
from tests.unit.fetch.bench import KIB, Bench, content
from tests.unit.fetch.test_ranges import RealClock

A = content(100 * KIB + 7, 1)
B = content(3 * KIB, 2)
C = content(70 * KIB, 3)
FILES = (Content("a.mkv", A), Content("b.nfo", B), Content("s/c.mkv", C))
BLOCK = BLOCK_BYTES


def spoilt(data: bytes, at: int) -> bytes:
    """Turn one byte over."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def fetch(
    bench: Bench,
    made: bytes,
    files: Sequence[RemoteFile] | Callable[[], Sequence[RemoteFile]],
    **changes: object,
) -> Publication:
    """Fetch a job that came from a torrent."""
    return bench.fetch(files, link=link_of(bench, made), torrent_of=lambda _: made, **changes)


def link_of(bench: Bench, made: bytes) -> Link:
    """Return the link of a torrent."""
    known = parse_torrent(made)
    return replace(bench.job().link, info_hash_v1=known.info_hash_v1, info_hash_v2=known.info_hash_v2)


def put(bench: Bench, *contents: Content) -> list[RemoteFile]:
    """Serve the files of a torrent."""
    return bench.put(*((f"Root/{one.path}", one.data) for one in contents or FILES))


@pytest.fixture(params=["v1", "v2", "hybrid"])
def made(request: pytest.FixtureRequest) -> bytes:
    """Make the torrent of the usual files, of each kind."""
    if request.param == "hybrid":
        return torrent(padded(FILES, BLOCK), v1=True, v2=True)
    return torrent(FILES, v1=request.param == "v1", v2=request.param == "v2")


def test_good_files_are_proved_by_pieces(bench: Bench, host: FileHost, made: bytes) -> None:
    """Also pieces that cross files; every byte comes once."""
    publication = fetch(bench, made, put(bench))
    assert publication.verified == "pieces"
    assert host.bytes_served == sum(len(one.data) for one in FILES)


def test_a_bad_piece_is_fetched_again_alone(
    bench: Bench, host: FileHost, made: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """One byte was wrong: its piece is named, asked for by its range, and the release is what it must be."""
    files = put(bench)
    host.plan("f0", Play(body=spoilt(A, 2 * BLOCK + 5)))
    with caplog.at_level(logging.WARNING):
        assert fetch(bench, made, files).verified == "pieces"
    assert bench.visible()["Some.Release.2020/a.mkv"] == A
    assert f"bytes={2 * BLOCK}-{3 * BLOCK - 1}" in host.ranges()
    assert host.bytes_served == sum(len(one.data) for one in FILES) + BLOCK
    assert bench.listings == 2
    assert "piece 2 of a.mkv" in caplog.text


def test_what_came_in_is_counted(bench: Bench, host: FileHost, made: bytes) -> None:
    """Every byte from the host and every bad piece, for whoever draws curves of them."""
    files = put(bench)
    host.plan("f0", Play(body=spoilt(A, 2 * BLOCK + 5)))
    shelf = bench.shelf(torrent_of=lambda _job: made)
    shelf.fetch(bench.job(link=link_of(bench, made)), lambda *_: files, bench.progress.append, bench.stop)
    assert shelf.received == (host.bytes_served, 1)


def test_a_bad_piece_across_files_is_fetched_again_in_all_of_them(bench: Bench, host: FileHost) -> None:
    """Nobody can tell which of them is wrong."""
    made = torrent(FILES)
    files = put(bench)
    host.plan("f1", Play(body=spoilt(B, 5)))
    assert fetch(bench, made, files).verified == "pieces"
    assert bench.visible()["Some.Release.2020/b.nfo"] == B
    start = len(A) // BLOCK * BLOCK
    rest = BLOCK - (len(A) - start) - len(B)
    assert sorted(filter(None, host.ranges())) == sorted([f"bytes={start}-", f"bytes=0-{rest - 1}"])


def test_a_bad_file_is_fetched_again(bench: Bench, host: FileHost, made: bytes) -> None:
    """All its pieces are wrong."""
    files = put(bench)
    host.plan("f2", Play(body=content(len(C), 9)))
    assert fetch(bench, made, files).verified == "pieces"
    assert bench.visible()["Some.Release.2020/s/c.mkv"] == C


def test_swapped_files_stay_bad(bench: Bench, host: FileHost) -> None:
    """Two files of one size in each other's place: the pieces tell, and the job fails with their numbers."""
    first, second = content(40 * KIB, 5), content(40 * KIB, 6)
    contents = (Content("x", first), Content("y", second))
    files = put(bench, *contents)
    host.contents["f0"], host.contents["f1"] = second, first
    told = r"piece 0 of x, piece 1 of x, piece 2 of x and y, piece 3 of y, piece 4 of y; the service's copy"
    with pytest.raises(Permanent, match=told):
        fetch(bench, torrent(contents), files, refetches=1)
    assert bench.visible() == {}
    assert host.bytes_served == 4 * 40 * KIB


def test_a_piece_that_stays_bad_fails_and_a_later_call_asks_for_it_alone(
    bench: Bench, host: FileHost, made: bytes
) -> None:
    """Everything else is kept, so that the next call needs nothing but the piece."""
    files = put(bench)
    host.contents["f0"] = spoilt(A, 5)
    with pytest.raises(Permanent, match=r"after 2 more tries: piece 0 of a\.mkv"):
        fetch(bench, made, files, refetches=2)
    host.contents["f0"] = A
    served = host.bytes_served
    assert fetch(bench, made, files).verified == "pieces"
    assert host.bytes_served == served + BLOCK
    assert bench.visible()["Some.Release.2020/a.mkv"] == A


def test_a_retry_asks_for_the_bad_piece_alone(bench: Bench, host: FileHost, made: bytes) -> None:
    """The next round, of another copy on the host, begins with all that is right; it is read once more."""
    files = put(bench)
    host.contents["f0"] = spoilt(A, 5)
    with pytest.raises(Permanent, match=r"piece 0 of a\.mkv"):
        fetch(bench, made, files, refetches=0)
    bench.shelf().tidy(bench.job())
    assert {path.name for path in bench.staging.iterdir()} == {"c0ffee.kept"}
    host.contents["f0"], host.etags["f0"] = A, '"two"'
    served = host.bytes_served
    assert fetch(bench, made, files, round=2).verified == "pieces"
    assert host.bytes_served == served + BLOCK
    assert bench.visible()["Some.Release.2020/a.mkv"] == A
    assert {path.name for path in bench.staging.iterdir()} == {"c0ffee-2"}


def test_a_retry_that_fails_too_keeps_what_is_right(bench: Bench, host: FileHost) -> None:
    """However often, and whichever pieces are bad then: each comes again, and nothing else."""
    files = put(bench)
    made = torrent(FILES, v1=False, v2=True)
    for at in range(3):
        host.contents["f0"], host.etags["f0"] = spoilt(A, at * BLOCK), f'"{at}"'
        host.contents["f2"] = spoilt(C, 5)
        served = host.bytes_served
        told = "piece 0 of a.mkv, piece 8 of s" if at == 0 else "tries: piece 8 of s"
        with pytest.raises(Permanent, match=told):
            fetch(bench, made, files, refetches=0, round=at)
    assert host.bytes_served == served + BLOCK
    assert bench.visible() == {}


def test_a_retry_uses_nothing_that_no_piece_can_prove(bench: Bench, host: FileHost) -> None:
    """A file that is not in the torrent may be another one in another round."""
    files = [*put(bench), RemoteFile("Root/extra.txt", host.put("x", b"first"), 5)]
    host.contents["f0"] = spoilt(A, 5)
    with pytest.raises(Permanent):
        fetch(bench, torrent(FILES), files, refetches=0)
    host.contents.update(f0=A, x=b"other")
    fetch(bench, torrent(FILES), files, round=1)
    assert bench.visible()["Some.Release.2020/extra.txt"] == b"other"


def test_what_is_kept_for_a_retry_lasts_as_long_as_it_may_come(bench: Bench, host: FileHost) -> None:
    """Over a start, until the job is removed, or somebody else needs the room."""
    files = put(bench)
    host.contents["f0"] = spoilt(A, 5)
    kept = bench.staging / "c0ffee.kept"
    states = [JobState.FAILED, JobState.QUEUED, JobState.CLOUD, JobState.FETCHING, JobState.REMOVED]
    shelf = bench.shelf()

    def fail(number: int) -> None:
        with pytest.raises(Permanent):
            fetch(bench, torrent(FILES), files, refetches=0, round=number)
        for state in states:
            shelf.sweep({"c0ffee": bench.job(state=state, round=number)})
        assert kept.is_dir()

    fail(0)
    shelf.discard(bench.job(state=JobState.REMOVED), bench.stop)
    assert not kept.exists()
    fail(1)
    with pytest.raises(NoRoom):
        bench.fetch([RemoteFile("R/a", host.url("f1"), 1 << 60)], id="other")
    assert not kept.exists()
    fail(2)
    with pytest.raises(Blocked, match="no room"):
        bench.shelf(min_free_bytes=1 << 60).probe()
    assert not kept.exists()
    fail(3)
    (bench.staging / "c0ffee.gone").mkdir()
    shelf.sweep({"c0ffee": bench.job(state=JobState.DONE)})
    assert not list(bench.staging.glob("c0ffee.*"))


def test_what_is_kept_goes_where_the_release_is_linked(bench: Bench, host: FileHost) -> None:
    """Another job has brought it home meanwhile."""
    files = put(bench)
    first = fetch(bench, torrent(FILES), files, id="donor")
    host.contents["f0"] = spoilt(A, 5)
    with pytest.raises(Permanent):
        fetch(bench, torrent(FILES), files, refetches=0)
    donor = bench.job(
        id="donor", publication=first, published_at=bench.clock.now() + 1e9, state=JobState.DONE
    )
    assert bench.shelf().link(bench.job(round=1), [donor], bench.stop) is not None
    assert not (bench.staging / "c0ffee.kept").exists()


def test_a_retry_begins_with_what_is_kept_also_after_it_tried_to_link(bench: Bench, host: FileHost) -> None:
    """That leaves a directory with nothing in it."""
    files = put(bench)
    host.contents["f0"] = spoilt(A, 5)
    with pytest.raises(Permanent):
        fetch(bench, torrent(FILES), files, refetches=0)
    assert bench.shelf().link(bench.job(round=1), [], bench.stop) is None
    assert (bench.staging / "c0ffee-1").is_dir()
    host.contents["f0"], served = A, host.bytes_served
    fetch(bench, torrent(FILES), files, round=1)
    assert host.bytes_served == served + BLOCK


def test_what_came_before_a_restart_is_read_back(bench: Bench, host: FileHost, made: bytes) -> None:
    """Bytes that an earlier call brought are held against their pieces too."""
    files = put(bench)
    old = bench.stop
    host.while_stalled = old.set
    host.plan("f0", Play(body=spoilt(A, 5), stall_after=60 * KIB))
    with pytest.raises(Cancelled):
        fetch(bench, made, files)
    bench.stop = threading.Event()
    assert fetch(bench, made, files).verified == "pieces"
    assert bench.visible()["Some.Release.2020/a.mkv"] == A


def test_what_was_proved_is_not_read_again(bench: Bench, host: FileHost) -> None:
    """A finished file whose own pieces were good is believed after a restart, as its mark says."""
    made = torrent(FILES, v1=False, v2=True)
    files = put(bench)
    host.always["f2"] = Play(status=429, headers={"Retry-After": "1"}, body=b"")
    with pytest.raises(Transient):
        fetch(bench, made, files)
    staged = bench.staging / "c0ffee-0" / "release" / "a.mkv"
    staged.write_bytes(spoilt(A, 5))  # so it shows whether it is read
    del host.always["f2"]
    assert fetch(bench, made, files).verified == "pieces"
    assert bench.visible()["Some.Release.2020/a.mkv"] != A


def test_a_file_that_was_cut_while_it_came_is_proved(bench: Bench, host: FileHost, made: bytes) -> None:
    """A piece that came in two runs is read back."""
    host.plan("f0", Play(cut_after=40 * KIB))
    assert fetch(bench, made, put(bench)).verified == "pieces"


def test_a_host_that_knows_no_ranges_gives_the_file_again(bench: Bench, host: FileHost, made: bytes) -> None:
    """A piece cannot be had alone then."""
    files = put(bench)
    host.plan("f0", Play(body=spoilt(A, 5)))
    host.always["f0"] = Play(ignore_range=True)
    assert fetch(bench, made, files).verified == "pieces"
    assert bench.visible()["Some.Release.2020/a.mkv"] == A


def test_pieces_of_a_file_that_begins_anew_are_checked_anew(bench: Bench, host: FileHost) -> None:
    """They were good, and then another content came from the beginning: its bad pieces are noticed."""
    files = put(bench)
    host.plan("f0", Play(cut_after=3 * BLOCK), Play(ignore_range=True), Play(body=spoilt(A, 5)))
    assert fetch(bench, torrent(FILES), files).verified == "pieces"
    assert bench.visible()["Some.Release.2020/a.mkv"] == A


def test_a_torrent_of_one_file(bench: Bench) -> None:
    """Its name is the file's."""
    made = torrent([Content("Film.mkv", A)], name="Film.mkv", single=True)
    assert fetch(bench, made, bench.put(("Film.mkv", A))).verified == "pieces"


@pytest.mark.parametrize("is_done", [True, False])
def test_what_came_before_the_torrent_was_known_is_held_against_its_size(
    bench: Bench, host: FileHost, *, is_done: bool
) -> None:
    """Too many bytes of a file whose size nobody told: it comes anew, taken for whole or not."""
    made = torrent([Content("c", C), Content("d", b"d")])
    files = bench.put(("Root/c", C + A), ("Root/d", b"d"), told=False)
    host.plan("f0", Play(no_length=True, ignore_range=True, stall_after=None if is_done else len(C) + KIB))
    host.plan("f1", Play(status=404))
    with pytest.raises(Transient):
        bench.fetch(files, reconnects=0)
    host.put("f0", C)
    assert fetch(bench, made, files).verified == "pieces"
    assert bench.visible() == {"Some.Release.2020/c": C, "Some.Release.2020/d": b"d"}


@pytest.mark.parametrize("is_known_later", [True, False])
def test_a_file_that_is_empty_by_its_torrent_stays_empty(
    bench: Bench, host: FileHost, *, is_known_later: bool
) -> None:
    """No piece holds a byte of it, so nothing else would tell that what a host gives is not of it."""
    files = bench.put(("Root/c", C), ("Root/empty", b"garbage"), told=False)
    if is_known_later:
        host.always["f0"] = Play(status=404)
        with pytest.raises(Transient):
            bench.fetch(files)
        del host.always["f0"]
    publication = fetch(bench, torrent([Content("c", C), Content("empty", b"")]), files)
    assert bench.visible() == {"Some.Release.2020/c": C, "Some.Release.2020/empty": b""}
    assert publication.size_bytes == len(C)


def test_a_v2_torrent_without_layers_proves_whole_files(bench: Bench, host: FileHost) -> None:
    """All or nothing: a file that is wrong comes again as a whole."""
    made = torrent(FILES, v1=False, v2=True, layers=False)
    files = put(bench)
    host.plan("f0", Play(body=spoilt(A, 5)))
    assert fetch(bench, made, files).verified == "pieces"
    assert [asked.path for asked in host.asked].count("f0") == 2


# --- Lists that are not the torrent's ----------------------------------------------------------------------


def test_a_list_without_folders_is_proved_all_the_same(bench: Bench) -> None:
    """The files are the torrent's; that their folders are lost is told."""
    files = bench.put(("a.mkv", A), ("b.nfo", B), ("c.mkv", C), told=False)
    assert fetch(bench, torrent(FILES), files).verified == "pieces; not in their folders: c.mkv"


def test_a_renamed_file_is_proved_all_the_same(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """And said."""
    files = bench.put(("Root/other.mkv", A), ("Root/b.nfo", B), ("Root/s/c.mkv", C))
    with caplog.at_level(logging.WARNING):
        assert fetch(bench, torrent(FILES), files).verified == "pieces; renamed: other.mkv"
    assert "not those of the torrent Root: renamed: other.mkv" in caplog.text


def flat(bench: Bench, *data: bytes, name: str = "same.mkv") -> list[RemoteFile]:
    """List files as the classic service does: by one name, without folders or sizes."""
    return [RemoteFile(name, bench.host.put(f"{at}-{name}", one)) for at, one in enumerate(data)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_files_of_one_name_are_told_apart_by_the_size_the_host_tells(
    bench: Bench, host: FileHost, order: Sequence[int], kind: str
) -> None:
    """In whatever order they are listed; every byte comes once."""
    contents = [A, B, C]
    places = [Content(f"s{at}/same.mkv", one) for at, one in enumerate(contents)]
    made = torrent(places, v1=kind == "v1", v2=kind == "v2")
    publication = fetch(bench, made, flat(bench, *(contents[at] for at in order)))
    assert publication.verified == "pieces; not in their folders: same.mkv, same (2).mkv, same (3).mkv"
    assert sorted(bench.visible().values()) == sorted(contents)
    assert host.bytes_served == sum(map(len, contents))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("sizes", ["told", "untold"])
@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_files_of_one_name_and_size_are_told_apart_by_their_pieces(
    bench: Bench, host: FileHost, order: Sequence[int], sizes: str, kind: str
) -> None:
    """Also where none of them has a piece of its own; whether the list tells the sizes or not."""
    big = [content(70 * KIB + 5, at) for at in range(3)]
    small = [content(KIB, at + 5) for at in range(3)]
    contents = [
        Content(f"s{at}/{name}", one[at])
        for at in range(3)
        for name, one in (
            ("e.mkv", big),
            ("e.nfo", small),
            ("none", [b""] * 3),
            ("RARBG.txt", [b"alike"] * 3),
        )
    ]
    made = torrent(contents, v1=kind == "v1", v2=kind == "v2")
    files = [
        *flat(bench, *(big[at] for at in order), name="e.mkv"),
        *flat(bench, *(small[at] for at in order), name="e.nfo"),
        *flat(bench, *[b"alike"] * 3, name="RARBG.txt"),
        *flat(bench, *[b""] * 3, name="none"),
    ]
    if sizes == "told":
        files = [replace(one, size_bytes=len(host.contents[one.url.rpartition("/")[2]])) for one in files]
    publication = fetch(bench, made, files)
    assert publication.verified.startswith("pieces; size: none, none (2), none (3); not in their folders: ")
    assert [(check.how, check.files) for check in publication.checks] == [("pieces", 9), ("size", 3)]
    assert "missing" not in publication.verified
    assert host.bytes_served == sum(len(one.data) for one in contents)


def test_a_damaged_file_among_its_likes_is_found_and_repaired(bench: Bench, host: FileHost) -> None:
    """Its first piece tells nothing of its place then; another one does."""
    contents = [content(70 * KIB, at) for at in range(3)]
    made = torrent([Content(f"s{at}/same.mkv", one) for at, one in enumerate(contents)])
    files = flat(bench, *reversed(contents))
    host.plan("1-same.mkv", Play(body=spoilt(contents[1], 5)))
    host.plan("2-same.mkv", Play(body=spoilt(contents[0], 5)))
    assert fetch(bench, made, files).verified.startswith("pieces; not in their folders: ")
    assert sorted(bench.visible().values()) == sorted(contents)
    assert host.bytes_served < sum(map(len, contents)) + 5 * BLOCK


def test_many_files_of_one_name_and_size_are_no_burden(bench: Bench) -> None:
    """Two hundred of them, in an order of their own; and too many in one piece prove nothing."""
    contents = [content(40, at) + bytes(BLOCK - 40) for at in range(200)]
    files = flat(bench, *reversed(contents))
    made = torrent([Content(f"s{at:03}/same.mkv", one) for at, one in enumerate(contents)])
    assert fetch(bench, made, files).verified.startswith("pieces; not in their folders: ")
    small = [content(100, at) for at in range(20)]
    made = torrent([Content(f"s{at:03}/same.txt", one) for at, one in enumerate(small)])
    files = flat(bench, *small, name="same.txt")
    assert fetch(bench, made, files, id="other").verified.startswith("size; not in their folders: ")


def test_a_stranger_takes_nobodys_place(bench: Bench) -> None:
    """One of the name and the size of the torrent's, and more of them than it has: the pieces tell."""
    made = torrent([Content("s/same.mkv", A), Content("b.nfo", B)])
    files = [*flat(bench, content(len(A), 9), A), RemoteFile("b.nfo", bench.host.put("b", B))]
    told = "pieces; size: same.mkv; not in the torrent: same.mkv; not in their folders: same (2).mkv"
    assert fetch(bench, made, files).verified == told


def test_renamed_files_of_one_size_are_told_apart_by_their_pieces(bench: Bench) -> None:
    """A hash that agrees says more than a name."""
    first, second = content(40 * KIB, 5), content(40 * KIB, 6)
    made = torrent([Content("x", first), Content("y", second)])
    files = bench.put(("one", second), ("two", first), told=False)
    assert fetch(bench, made, files).verified == "pieces; renamed: one, two"


@with_own_mounts
def test_files_of_one_name_wait_for_the_room_of_all(bench: Bench, host: FileHost) -> None:
    """Although nobody tells the size of any."""
    mount("none", bench.root, "tmpfs", "size=300k")
    large = [content(200 * KIB, at) for at in range(2)]
    made = torrent([Content(f"s{at}/same.mkv", one) for at, one in enumerate(large)])
    with pytest.raises(NoRoom, match=r"needs 400\.00KiB more"):
        fetch(bench, made, flat(bench, *large))
    assert host.asked == []


def test_files_of_one_name_are_known_in_sum_from_the_start(bench: Bench) -> None:
    """So everybody sees how far it is; where some are missing nobody knows."""
    made = torrent([Content("s/same.mkv", A), Content("t/same.mkv", C)])
    fetch(bench, made, flat(bench, A, C))
    assert {progress.total_bytes for progress in bench.progress} == {len(A) + len(C)}
    made = torrent([Content("s/same.mkv", A), Content("t/same.mkv", C), Content("u/same.mkv", B)])
    bench.progress.clear()
    assert "missing: u/same.mkv" in fetch(bench, made, flat(bench, A, C), id="other").verified
    assert {progress.total_bytes for progress in bench.progress} == {None}


def test_what_is_left_out_of_files_of_one_name_is_not_missing(bench: Bench) -> None:
    """They are there, and nobody wants them."""
    made = torrent([Content("a.mkv", A), Content("s/b.nfo", B), Content("t/b.nfo", C)], v1=False, v2=True)
    files = [RemoteFile("a.mkv", bench.host.put("a", A)), *flat(bench, B, C, name="b.nfo")]
    assert fetch(bench, made, files, exclude=("*.nfo",)).verified == "pieces"


def test_a_file_of_one_name_that_changes_places_is_placed_anew(bench: Bench, host: FileHost) -> None:
    """A new list has the links in each other's place: what stands there is told by what comes."""
    made = torrent([Content("s/same.mkv", A), Content("t/same.mkv", C)])
    host.plan("0-same.mkv", Play(cut_after=40 * KIB), Play(status=404, body=b""))
    lists = iter([flat(bench, A, C), flat(bench, A, C)[::-1]])
    host.etags.update({"0-same.mkv": '"a"', "1-same.mkv": '"c"'})

    def listed() -> list[RemoteFile]:
        return next(lists)

    assert fetch(bench, made, listed).verified == "pieces; not in their folders: same.mkv, same (2).mkv"
    assert sorted(bench.visible().values()) == sorted([A, C])


def test_a_missing_file_is_said_and_its_neighbours_are_proved_in_part(bench: Bench) -> None:
    """A piece that holds bytes of a file that did not come proves nothing."""
    files = bench.put(("Root/a.mkv", A), ("Root/s/c.mkv", C))
    publication = fetch(bench, torrent(FILES), files)
    assert publication.verified == "pieces in part; missing: b.nfo"
    made = torrent(FILES, v1=False, v2=True)
    assert fetch(bench, made, files, round=1).verified == "pieces; missing: b.nfo"


def test_a_strange_file_is_said_and_counts_by_its_size(bench: Bench) -> None:
    """It is published with the others."""
    files = [*put(bench), RemoteFile("Root/extra.txt", bench.host.put("x", b"hello"), 5)]
    publication = fetch(bench, torrent(FILES), files)
    assert publication.verified == "pieces; size: extra.txt; not in the torrent: extra.txt"


def test_many_names_are_not_all_told(bench: Bench) -> None:
    """Three, shortened, and how many more."""
    contents = [*FILES, *(Content(f"{number}{'x' * 200}", b"1" * (number + 1)) for number in range(6))]
    verified = fetch(bench, torrent(contents), put(bench)).verified
    assert verified.endswith("... and 3 more")
    assert len(verified) < 400


def test_a_size_that_contradicts_the_torrent_is_not_fetched(bench: Bench, host: FileHost) -> None:
    """Fault 78: the list is asked for anew, then the numbers are told."""
    files = [replace(put(bench)[0], size_bytes=5), *put(bench)[1:]]
    with pytest.raises(Contradicted, match=f"a.mkv with 5 bytes, the torrent says {len(A)}"):
        fetch(bench, torrent(FILES), files)
    assert (host.asked, bench.listings) == ([], 4)
    lists = iter([files, put(bench)])
    assert fetch(bench, torrent(FILES), lambda: next(lists)).verified == "pieces"


def test_a_host_that_contradicts_the_torrent_is_not_believed(bench: Bench) -> None:
    """Fault 78: where the service tells no size, the torrent's is the one that counts."""
    files = bench.put(("Root/a.mkv", A + b"more"), ("Root/b.nfo", B), ("Root/s/c.mkv", C), told=False)
    with pytest.raises(Contradicted, match=f"the file host has {len(A) + 4} bytes, .* says {len(A)}"):
        fetch(bench, torrent(FILES), files)
    assert bench.listings > 1
    assert bench.visible() == {}


@pytest.mark.parametrize("kind", ["none", "magnet", "damaged", "other"])
def test_what_is_no_torrent_of_the_job_proves_nothing(bench: Bench, kind: str) -> None:
    """The drop was a magnet, or another drop's torrent: the sizes must do."""
    made = torrent(FILES)
    other = torrent([Content("z", b"1")])
    data = {"none": None, "magnet": b"magnet:?xt=urn:btih:aa", "damaged": made[:-1], "other": other}[kind]
    link = link_of(bench, made)
    publication = bench.fetch(put(bench), link=link, torrent_of=lambda _: data)
    assert publication.verified == "size"


def test_the_job_is_asked_for_its_torrent(bench: Bench) -> None:
    """By the drop that it came from."""
    asked: list[Job] = []
    bench.fetch(put(bench), torrent_of=asked.append)
    assert [job.id for job in asked] == ["c0ffee"]


def test_mixed_degrees_are_told_apart(bench: Bench, host: FileHost) -> None:
    """What nobody told the size of is not verified at all."""
    extra = [RemoteFile("Root/x", host.put("x", b"hello")), RemoteFile("Root/y", host.put("y", b"you"), 3)]
    host.always["x"] = Play(no_length=True, ignore_range=True)
    publication = fetch(bench, torrent(FILES), [*put(bench), *extra])
    assert publication.verified == "pieces; size: y; unverified: x; not in the torrent: x, y"
    assert publication.checks == (
        Check("pieces", 3, ("a.mkv", "b.nfo", "s/c.mkv")),
        Check("size", 1, ("y",)),
        Check("unverified", 1, ("x",)),
    )


def test_files_that_are_verified_alike_need_no_list(bench: Bench, made: bytes) -> None:
    """However many there are, the one word says it."""
    assert fetch(bench, made, put(bench)).checks == ()


def test_how_files_were_verified_survives_a_crash(bench: Bench, host: FileHost) -> None:
    """What was published before it was recorded is told again, and linked to with the same words."""
    files = [*put(bench), RemoteFile("Root/y", host.put("y", b"you"), 3)]
    first = fetch(bench, torrent(FILES), files)
    assert fetch(bench, torrent(FILES), files) == first
    donor = bench.job(publication=first, published_at=bench.clock.now() + 1e9, state=JobState.DONE)
    linked = bench.shelf().link(bench.job(id="other"), [donor], bench.stop)
    assert linked is not None
    assert (linked.checks, linked.verified) == (first.checks, f"linked from c0ffee: {first.verified}")


def test_no_more_than_some_pieces_and_names_are_told(bench: Bench, host: FileHost) -> None:
    """The words stay short, however much is wrong."""
    contents = [Content(f"{number:03}", content(KIB, number)) for number in range(300)]
    made = torrent(contents, v1=False, v2=True)
    files = put(bench, *contents)
    for number in range(300):
        host.contents[f"f{number}"] = bytes(KIB)
    told = "piece 0 of 000, piece 1 of 001, .*, piece 7 of 007 and 292 more pieces"
    with pytest.raises(Permanent, match=told):
        fetch(bench, made, files, refetches=0)
    assert host.asked
    extra = [RemoteFile(f"Root/x{number}", host.put(f"x{number}", b"1"), 1) for number in range(150)]
    mixed = fetch(bench, torrent(FILES), [*put(bench), *extra], id="other")
    assert [(check.files, len(check.names)) for check in mixed.checks] == [(3, 3), (150, 100)]


def test_the_hash_of_a_large_file_is_made_as_it_comes(bench: Bench, host: FileHost) -> None:
    """Parts begin where pieces do, so nothing but the release is read."""
    data = content(9 * 1024 * KIB, 4)
    contents = [Content("tiny", b"12345"), Content("zz.mkv", data)]
    made = torrent(contents, piece_bytes=64 * KIB + 1)
    assert fetch(bench, made, put(bench, *contents)).verified == "pieces"
    published = bench.visible()["Some.Release.2020/zz.mkv"]
    assert hashlib.sha256(published).digest() == hashlib.sha256(data).digest()
    first_end = (4 * 1024 * KIB + 5) // (64 * KIB + 1) * (64 * KIB + 1) - 5
    assert f"bytes=0-{first_end - 1}" in host.ranges()


class TooLong(FileHost):
    """One part is too long; asked for again, it breaks within a piece; what follows there is spoilt."""

    part = 0
    plays = 0

    def next_play(self, name: str) -> Play:
        """Choose by where a request begins: at the part, or within its first piece."""
        data = self.contents[name]
        start, _, end = self.asked[-1].headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        offset = int(start)
        is_second = self.part and offset == self.part and self.plays == 1
        is_third = self.part < offset < self.part + 1024 * KIB and self.plays == 2
        if not self.part and offset:
            self.part, self.plays = offset, 1
            return self._too_long(data, offset, int(end) + 1)
        if is_second or is_third:
            self.plays += 1
        if is_second:
            return Play(cut_after=100 * KIB)
        return Play(body=spoilt(data, offset + 50 * KIB)) if is_third else Play()

    def _too_long(self, data: bytes, start: int, end: int) -> Play:
        body = data[start:end] + b"more"
        span = f"bytes {start}-{end - 1}/{len(data)}"
        headers = {"Content-Length": None, "Transfer-Encoding": "chunked", "Content-Range": span}
        return Play(status=206, headers=headers, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


def test_what_a_part_that_was_too_long_has_proved_counts_for_nothing(bench: Bench) -> None:
    """Its pieces were right, but other bytes come in their place."""
    data = content(7 * 1024 * KIB, 4)
    contents = [Content("zz.mkv", data)]
    made = torrent(contents, piece_bytes=1024 * KIB)
    with TooLong() as host:
        host.block_pause_s = 0.01
        bench.host, bench.clock = host, RealClock()
        fetch(bench, made, put(bench, *contents), connections_per_job=2, segment_bytes=1024 * KIB)
        assert host.plays == 3
    assert bench.visible()["Some.Release.2020/zz.mkv"] == data


class Noticing(threading.Event):
    """A wish to stop that does something once all files are noted as done: when pieces are checked."""

    def __init__(self, bench: Bench, act: Callable[[], bool]) -> None:
        super().__init__()
        self.bench = bench
        self.act = act

    def is_set(self) -> bool:
        """Look at the marks."""
        marks = self.bench.staging / "c0ffee-0" / "marks.jsonl"
        is_done = marks.exists() and marks.read_bytes().count(b'"done":true') == len(FILES)
        return is_done and self.act()


def test_a_stop_while_pieces_are_checked(bench: Bench, host: FileHost) -> None:
    """The next call checks them; nothing is fetched again."""
    usual, bench.stop = bench.stop, Noticing(bench, lambda: True)
    with pytest.raises(Cancelled, match="checking pieces"):
        fetch(bench, torrent(FILES), put(bench))
    bench.stop = usual
    assert fetch(bench, torrent(FILES), put(bench)).verified == "pieces"
    assert host.bytes_served == sum(len(one.data) for one in FILES)


def test_a_file_that_is_cut_while_pieces_are_checked_comes_again(bench: Bench) -> None:
    """Somebody else has changed it in staging: the pieces tell."""

    def cut() -> bool:
        staged = bench.staging / "c0ffee-0" / "release" / "a.mkv"
        if staged.stat().st_size == len(A):
            os.truncate(staged, len(A) - 9)
        bench.stop.act = lambda: False
        return False

    bench.stop = Noticing(bench, cut)
    assert fetch(bench, torrent(FILES), put(bench)).verified == "pieces"
    assert bench.visible()["Some.Release.2020/a.mkv"] == A


def test_a_torrent_with_more_padding_than_files(bench: Bench) -> None:
    """Zeros that nobody delivers are hashed, however many there are."""
    contents = [FILES[0], *(Content(f".pad/{at}", bytes(200 * KIB), pad=True) for at in range(2)), FILES[1]]
    made = torrent(contents, piece_bytes=512 * KIB)
    assert fetch(bench, made, put(bench, FILES[0], FILES[1])).verified == "pieces"


def test_a_bad_piece_with_padding_is_fetched_again(bench: Bench, host: FileHost) -> None:
    """Its zeros are nobody's to send: only the file's own bytes of it are asked for."""
    contents = padded(FILES, BLOCK)
    files = put(bench)
    host.plan("f0", Play(body=spoilt(A, len(A) - 1)))
    assert fetch(bench, torrent(contents), files).verified == "pieces"
    assert [one for one in host.ranges() if one] == [f"bytes={len(A) // BLOCK * BLOCK}-"]
