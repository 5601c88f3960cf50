"""The release of one category becomes the release of another one without a byte being fetched."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Destination, Job, JobState, Publication
from offcloud_watchd.errors import Blocked, Cancelled, Transient
from tests.fakes.file_host import Play
from tests.unit.fetch.bench import KIB, Bench, blocked_lane, content
from tests.unit.fetch.dying import results_of

ONE = content(200 * KIB)
FILES = (("R/a.mkv", ONE), ("R/sub/b.srt", b"text"))


def done(bench: Bench) -> Job:
    """Publish a release for one category; return its job as it is then."""
    publication = bench.fetch(bench.put(*FILES))
    job = bench.job(state=JobState.DONE, publication=publication, changed_at=bench.clock.now())
    bench.listings = 0
    return replace(job, published_at=bench.clock.now())


def film(bench: Bench, **changes: object) -> Job:
    """Return the job of another category that wants the same."""
    job = bench.job(id="f11f", destination=Destination("film", str(bench.root / "film")))
    return replace(job, **changes)


def seen(directory: Path) -> dict[str, bytes]:
    """Return the files below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_a_release_is_linked_whole(bench: Bench) -> None:
    """The files are the same, the directories its own, and the proof says how it came about."""
    donor = done(bench)
    publication = bench.shelf().link(film(bench), [donor], bench.stop)
    path = bench.root / "film" / "Some.Release.2020"
    assert publication == Publication(str(path), 2, len(ONE) + 4, "linked from c0ffee: size")
    assert seen(path) == {"a.mkv": ONE, "sub/b.srt": b"text"}
    assert (path / "a.mkv").samefile(bench.category / "Some.Release.2020" / "a.mkv")
    assert path.stat().st_mode & 0o7777 == 0o2775
    assert bench.listings == 0
    bench.shelf().tidy(film(bench))
    assert sorted(path.name for path in bench.staging.iterdir()) == ["c0ffee-0"]


def test_what_was_linked_is_found_again_after_a_crash(bench: Bench) -> None:
    """One round publishes once: the fetch that follows knows what was done."""
    donor = done(bench)
    first = bench.shelf().link(film(bench), [donor], bench.stop)
    assert bench.shelf().link(film(bench), [donor], bench.stop) is None
    again = bench.shelf().fetch(film(bench), lambda *_: [], bench.progress.append, bench.stop)
    assert again == first
    assert len(list((bench.root / "film").iterdir())) == 1


def test_who_linked_before_does_not_matter(bench: Bench) -> None:
    """A third category names whom it has the files from, and how they were checked first."""
    donor = done(bench)
    second = film(bench, state=JobState.DONE, published_at=bench.clock.now())
    second = replace(second, publication=bench.shelf().link(second, [donor], bench.stop))
    third = bench.job(id="3d", destination=Destination("more", str(bench.root / "more")))
    publication = bench.shelf().link(third, [second, donor], bench.stop)
    assert publication is not None
    assert publication.verified == "linked from f11f: size"


def test_how_it_was_checked_is_kept_word_for_word(bench: Bench) -> None:
    """The words of a check may hold any sign."""
    donor = done(bench)
    assert donor.publication is not None
    told = replace(donor, publication=replace(donor.publication, verified="pieces; size: 2 files"))
    publication = bench.shelf().link(film(bench), [told], bench.stop)
    assert publication is not None
    assert publication.verified == "linked from c0ffee: pieces; size: 2 files"


def test_the_next_donor_is_tried(bench: Bench) -> None:
    """One whose release was taken away, or that has none, is passed over."""
    donor = done(bench)
    bare = replace(donor, id="bare", publication=None)
    gone = replace(donor, id="gone", publication=Publication(str(bench.category / "Gone"), 2, 5, "size"))
    publication = bench.shelf().link(film(bench), [bare, gone, donor], bench.stop)
    assert publication is not None
    assert publication.verified == "linked from c0ffee: size"


def test_where_nothing_can_be_linked_the_fetch_goes_on(bench: Bench) -> None:
    """What a broken fetch has left is not lost to a vain attempt to link."""
    files = bench.put(*FILES)
    bench.host.plan("f0", Play(cut_after=100 * KIB))
    with pytest.raises(Transient, match="what is here is kept"):
        bench.shelf(reconnects=0).fetch(film(bench), lambda *_: files, bench.progress.append, bench.stop)
    donor = bench.job(
        state=JobState.DONE, publication=Publication(str(bench.category / "Gone"), 2, 5, "size")
    )
    assert bench.shelf().link(film(bench), [donor], bench.stop) is None
    bench.shelf().fetch(film(bench), lambda *_: files, bench.progress.append, bench.stop)
    assert any("Range" in asked.headers for asked in bench.host.asked)
    assert seen(bench.root / "film" / "Some.Release.2020") == {"a.mkv": ONE, "sub/b.srt": b"text"}


def test_a_donor_is_taken_at_its_old_word(bench: Bench) -> None:
    """A job of an older journal does not know when it was published: since then it has not changed."""
    donor = replace(done(bench), published_at=0.0)
    assert bench.shelf().link(film(bench), [donor], bench.stop) is not None
    other = film(bench, round=1)
    assert bench.shelf().link(other, [replace(donor, changed_at=1.0)], bench.stop) is None


def test_a_taken_name_is_not_touched(bench: Bench) -> None:
    """As with every release, the first free name is taken."""
    donor = done(bench)
    (bench.root / "film" / "Some.Release.2020").mkdir(parents=True)
    publication = bench.shelf().link(film(bench), [donor], bench.stop)
    assert publication is not None
    assert publication.path.endswith("Some.Release.2020 (2)")


def test_a_release_without_a_name_is_called_as_the_donors(bench: Bench) -> None:
    """Where the drop, the service and the link say nothing."""
    donor = done(bench)
    job = film(bench, release=None)
    nameless = replace(job, submission=replace(job.submission, name=None), link=replace(job.link, name=None))
    publication = bench.shelf().link(nameless, [donor], bench.stop)
    assert publication is not None
    assert publication.path == str(bench.root / "film" / "Some.Release.2020")


def test_a_stop_ends_it(bench: Bench) -> None:
    """A link that was called back publishes nothing."""
    donor = done(bench)
    bench.stop.set()
    with pytest.raises(Cancelled):
        bench.shelf().link(film(bench), [donor], bench.stop)
    assert not list((bench.root / "film").iterdir())


def test_a_missing_output_directory_blocks(bench: Bench) -> None:
    """As with every fetch."""
    donor = done(bench)
    directory = str(bench.root.parent / "no" / "film")
    shelf, elsewhere = (
        bench.shelf(outputs=(directory,)),
        film(bench, destination=Destination("film", directory)),
    )
    assert blocked_lane(lambda: shelf.link(elsewhere, [donor], bench.stop)) == "fetch"


def test_the_links_staged_by_others_are_not_published(bench: Bench) -> None:
    """What stands in staging under the name is a directory, and no link to one."""
    donor = done(bench)
    staged = bench.staging / "f11f-0"
    staged.mkdir()
    (staged / "linked").symlink_to(bench.category)
    note = {"name": "X", "path": "", "files": 1, "size_bytes": 1, "verified": "size", "staged": "linked"}
    (staged / "publish.json").write_text(json.dumps(note))
    with pytest.raises(Blocked):
        bench.shelf().fetch(film(bench), lambda *_: [], bench.progress.append, bench.stop)
    assert seen(bench.category / "Some.Release.2020")["a.mkv"] == ONE
    assert donor.publication is not None


# --- whether it is still there ---


def test_a_release_is_there_until_it_is_taken(bench: Bench) -> None:
    """An importer that moves files away leaves nothing to keep."""
    publication = done(bench).publication
    assert publication is not None
    assert bench.shelf().holds(publication)
    (Path(publication.path) / "a.mkv").unlink()
    assert not bench.shelf().holds(publication)


def hide(bench: Bench) -> None:
    """Unmount the file system: an empty directory is left."""
    bench.root.rename(bench.root.with_name("disk"))
    bench.root.mkdir()


def remove(bench: Bench) -> None:
    """Take the output directory away."""
    bench.root.rename(bench.root.with_name("disk"))


def forbid(bench: Bench) -> None:
    """Put something in the way that no rights help against."""
    release = bench.category / "Some.Release.2020"
    release.rename(bench.root / "moved")
    release.symlink_to(release)


@pytest.mark.parametrize("change", [hide, remove, forbid])
def test_what_cannot_be_looked_at_is_not_gone(bench: Bench, change: Callable[[Bench], None]) -> None:
    """Without its file system nobody can tell, in a new life neither; only looks wait for it."""
    publication = done(bench).publication
    assert publication is not None
    change(bench)
    assert blocked_lane(lambda: bench.shelf().holds(publication)) == "disk"


# --- death at any step ---

HELPER = """
import json, shutil, threading
from offcloud_watchd.core.model import Destination, Job, JobState, Link, LinkKind, Publication, Submission
from offcloud_watchd.fetch import DiskShelf, ShelfSettings

base = sys.argv[1]

def job(name, root, **more):
    place = Destination(name, root + "/" + name)
    return Job(name, Link(LinkKind.URL, "url:x", "http://x"), (), place, "Name", JobState.FETCHING, 0.0, 4e9,
               submission=Submission("R"), **more)

def link(root):
    shelf = DiskShelf(ShelfSettings(min_free_bytes=0, allow_http=True), Clock())
    donor = job("tv", root, publication=Publication(root + "/tv/Name", 2, 7, "size"))
    film = job("film", root)
    done = shelf.link(film, [donor], threading.Event())
    return done or shelf.fetch(film, lambda *_: [], lambda _: None, threading.Event())

results = []
for step in range(1, 2000):
    root = os.path.join(base, str(step))
    os.makedirs(root + "/tv/Name/sub")
    for path, data in (("a", b"abcd"), ("sub/b", b"xyz")):
        with open(root + "/tv/Name/" + path, "wb") as file:
            file.write(data)
    child = os.fork()
    if child == 0:
        dies_at(step)
        link(root)
        sys.setprofile(None)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    film = root + "/film"
    before = sorted(os.listdir(film)) if os.path.isdir(film) else []
    first, second = link(root), link(root)
    found = {path: open(film + "/Name/" + path, "rb").read().decode() for path in ("a", "sub/b")}
    results.append([before, sorted(os.listdir(film)), first.path == second.path, first.verified, found])
    shutil.rmtree(root)
print(json.dumps(results))
"""


def test_a_crash_after_any_step_ends_with_one_linked_release(quick: Path) -> None:
    """All or nothing is visible before the restart, and one release after it."""
    results = results_of(HELPER, str(quick))
    assert len(results) > 40
    for before, *after in results:
        assert before in ([], ["Name"])
        assert after == [["Name"], True, "linked from tv: size", {"a": "abcd", "sub/b": "xyz"}]
    assert {bool(before) for before, *_ in results} == {True, False}


def test_a_fetch_after_half_a_link_writes_into_no_file_of_the_donor(bench: Bench) -> None:
    """The service lists other bytes now: they are written beside the links, never through them."""
    donor = done(bench)
    staged = bench.staging / "f11f-0" / "linked"
    staged.mkdir(parents=True)
    os.link(bench.category / "Some.Release.2020" / "a.mkv", staged / "a.mkv")
    other = bench.put(("R/a.mkv", content(200 * KIB, seed=9)))
    bench.shelf().fetch(film(bench), lambda *_: other, bench.progress.append, bench.stop)
    assert seen(bench.category / "Some.Release.2020")["a.mkv"] == ONE
    assert seen(bench.root / "film" / "Some.Release.2020") == {"a.mkv": content(200 * KIB, seed=9)}
    assert donor.publication is not None
