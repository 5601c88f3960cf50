"""Zip files are unpacked in staging on request, whole or not at all."""

import io
import logging
import os
import random
import stat
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from offcloud_watchd.errors import Cancelled, NoRoom
from offcloud_watchd.fetch import ShelfSettings, disk, staging, unpack
from offcloud_watchd.fetch.note import Note
from offcloud_watchd.fetch.room import Room
from tests.unit.fetch.bench import KIB, Bench, content

A = content(200 * KIB, 1)
TEXT = b"the same again " * 5000
ROOT = "Some.Release.2020"


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return made.getvalue()


def with_mode(mode: int) -> bytes:
    """Make a zip file of one member that claims to be something else than a file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        member = zipfile.ZipInfo("link")
        member.external_attr = mode << 16
        archive.writestr(member, b"/etc/passwd")
    return made.getvalue()


def patched(data: bytes, *, signature: bytes, offset: int, value: bytes) -> bytes:
    """Change a field of the first record of a kind."""
    at = data.rindex(signature) + offset
    return data[:at] + value + data[at + len(value) :]


def encrypted() -> bytes:
    """Make a zip file whose member says that it is encrypted."""
    return patched(zipped(("a", b"1")), signature=b"PK\x01\x02", offset=8, value=b"\x01\x00")


def test_a_zip_is_unpacked_and_goes(bench: Bench) -> None:
    """Into a folder named after it, with the rights and the count of any release."""
    pack = zipped(("Pack/a.bin", A), ("Pack/deep/t.txt", TEXT), ("Pack/empty/", b""))
    publication = bench.fetch(bench.put(("R/x/Pack.ZIP", pack), ("R/b", b"2")), extract=True, file_mode=0o640)
    path = bench.category / ROOT / "x" / "Pack"
    assert bench.visible() == {
        f"{ROOT}/x/Pack/a.bin": A,
        f"{ROOT}/x/Pack/deep/t.txt": TEXT,
        f"{ROOT}/b": b"2",
    }
    assert (publication.files, publication.size_bytes) == (3, len(A) + len(TEXT) + 1)
    assert publication.verified == "size; unpacked: Pack.ZIP"
    assert stat.S_IMODE((path / "a.bin").stat().st_mode) == 0o640
    assert bench.shelf().holds(publication)


def test_without_the_wish_a_zip_is_a_file(bench: Bench) -> None:
    """As everything else."""
    pack = zipped(("a", b"1"))
    assert bench.fetch(bench.put(("R/p.zip", pack))).verified == "size"
    assert bench.visible() == {f"{ROOT}/p.zip": pack}


def test_names_stay_inside_and_distinct(bench: Bench) -> None:
    """Whatever an archive calls its files, and whatever else is called like its folder."""
    pack = zipped(
        *(("../../up", b"1"), ("/etc/passwd", b"2"), ("win\\dir\\f", b"3"), ("e\u0301", b"4")),
        *(("\u00e9", b"5"), ("E\u0301", b"6"), ("bell\x07", b"7")),
    )
    files = bench.put(
        ("R/p.zip", pack), ("R/P", b"file"), ("R/p (2)/f", b"folder"), ("R/.zip", zipped(("a", b"8")))
    )
    bench.fetch(files, extract=True)
    shown = bench.visible()
    assert shown == {
        f"{ROOT}/P": b"file",
        f"{ROOT}/p (2)/f": b"folder",
        f"{ROOT}/p (3)/up": b"1",
        f"{ROOT}/p (3)/etc/passwd": b"2",
        f"{ROOT}/p (3)/win/dir/f": b"3",
        f"{ROOT}/p (3)/\u00e9": b"4",
        f"{ROOT}/p (3)/\u00e9 (2)": b"5",
        f"{ROOT}/p (3)/\u00c9 (3)": b"6",
        f"{ROOT}/p (3)/bell": b"7",
        f"{ROOT}/_/a": b"8",
    }
    assert {path.name for path in bench.root.iterdir()} == {"tv", ".offcloud-watchd"}


def bomb() -> bytes:
    """Make a zip file of many times its own size."""
    return zipped(("zeros", bytes(unpack.HARMLESS_BYTES + 1)))


def wrong_hash() -> bytes:
    """Make a zip file with one byte turned over, and a good member before it."""
    data = zipped(("good", b"good"), ("bad", A), method=zipfile.ZIP_STORED)
    at = data.index(A) + 1000
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def less_than_told() -> bytes:
    """Make a zip file whose member is shorter than its list says."""
    data = zipped(("a", A), method=zipfile.ZIP_STORED)
    sizes = struct.pack("<LL", len(A) + 5000, len(A) + 5000)
    return patched(data, signature=b"PK\x01\x02", offset=20, value=sizes)


def less_than_told_when_unpacked() -> bytes:
    """Make a zip file whose member is sound but shorter than its list says."""
    sizes = struct.pack("<L", len(TEXT) + 5000)
    return patched(zipped(("a", TEXT)), signature=b"PK\x01\x02", offset=24, value=sizes)


def many() -> bytes:
    """Make a zip file of too many files, some of them twice."""
    return zipped(*((str(number), b"") for number in range(unpack.MAX_FILES + 1)))


def long_list() -> bytes:
    """Make a zip file whose list of files is longer than anybody should read at once."""
    return zipped(*((f"{number}" * 10_000, b"") for number in range(100, 180)))


def elsewhere() -> bytes:
    """Make a zip file whose member begins where nothing is."""
    return patched(zipped(("a", b"1")), signature=b"PK\x01\x02", offset=42, value=b"\xf0\xff\xff\xff")


def deflated_garbage() -> bytes:
    """Make a zip file whose packed bytes mean nothing."""
    data = zipped(("a", TEXT))
    start = data.index(b"a", 30) + 1
    return data[:start] + b"\xff" * 40 + data[start + 40 :]


def other_name() -> bytes:
    """Make a zip file whose member is called differently in its own head."""
    return patched(zipped(("name", b"1")), signature=b"PK\x03\x04", offset=30, value=b"NAME")


REFUSED: list[tuple[Callable[[], bytes], str]] = [
    (encrypted, "is encrypted"),
    (zipped, "is empty"),
    (lambda: zipped(("folder/", b"")), "is empty"),
    (lambda: b"no zip", "is damaged or no zip file"),
    (lambda: zipped(("a", A))[:-10], "is damaged or no zip file"),
    (lambda: with_mode(stat.S_IFLNK | 0o777), "holds a link or a device"),
    (lambda: with_mode(stat.S_IFIFO | 0o600), "holds a link or a device"),
    (lambda: zipped(("a", A), method=zipfile.ZIP_LZMA), "is packed in a way that is not known here"),
    (bomb, f"would become {unpack.HARMLESS_BYTES + 1} bytes, more than 100 times its own size"),
    (many, f"holds {unpack.MAX_FILES + 1} files, more than {unpack.MAX_FILES}"),
    (long_list, "is damaged or no zip file"),
    (wrong_hash, "is damaged"),
    (less_than_told, "is damaged"),
    (less_than_told_when_unpacked, "is damaged"),
    (elsewhere, "is damaged"),
    (deflated_garbage, "is damaged"),
    (other_name, "is damaged"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_what_is_not_unpacked_stays_as_it_came(
    bench: Bench, make: Callable[[], bytes], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it is left, another archive of the release is unpacked, and the words say why."""
    data = make()
    files = bench.put(
        ("R/a.zip", zipped(("good", b"1"))), ("R/p.zip", data), ("R/z.zip", zipped(("y", b"2")))
    )
    with caplog.at_level(logging.WARNING):
        publication = bench.fetch(files, extract=True)
    assert bench.visible() == {f"{ROOT}/a/good": b"1", f"{ROOT}/p.zip": data, f"{ROOT}/z/y": b"2"}
    assert (publication.files, publication.size_bytes) == (3, 2 + len(data))
    assert publication.verified == f"size; unpacked: a.zip, z.zip; not unpacked: p.zip {words}"
    assert f"c0ffee-0: zip files stay as they came: p.zip {words}" in caplog.text


def test_an_archive_made_of_noise_breaks_nothing(bench: Bench) -> None:
    """Bytes turned over anywhere: it is unpacked or it stays, and the release comes."""
    chance = random.Random(7)
    good = zipped(("a/b", TEXT), ("c", A[: 2 * KIB]))
    files = []
    for number in range(80):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        files.append((f"R/{number:03}.zip", bytes(data)))
    publication = bench.fetch(bench.put(*files), extract=True)
    shown = bench.visible()
    assert publication.files == len(shown)
    assert publication.size_bytes == sum(map(len, shown.values()))
    assert all(f"{ROOT}/{path[2:5]}" in {name[: len(ROOT) + 4] for name in shown} for path, _ in files)


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[staging.Round]:
    """Stage a release of one archive."""
    root = tmp_path / "downloads"
    root.mkdir()
    place = staging.Place(str(root / "tv"), str(root / ".offcloud-watchd"), "c0ffee", 0)
    with staging.opened(place, staging.Rights(0o664, 0o775, None)) as opened:
        fd = opened.open_file(("p.zip",))
        disk.write_all(fd, [zipped(("a", A), ("b", TEXT))])
        os.close(fd)
        yield opened


def test_no_room_for_what_is_in_it_waits(staged: staging.Round) -> None:
    """Before a byte of it is written."""
    room = Room(2**62)
    with pytest.raises(NoRoom, match="no room on the output disk"):
        unpack.unpack(staged, [("p.zip",)], ShelfSettings(), room, threading.Event())
    assert staged.size_of(("p", "a")) is None


def test_a_disk_that_fails_is_no_fault_of_the_archive(staged: staging.Round) -> None:
    """The error passes through: nothing may be published without what is in it."""
    os.close(disk.make_directory("p", staged.release_fd(), 0o700))
    os.mkdir("p/a", dir_fd=staged.release_fd())
    with pytest.raises(IsADirectoryError):
        unpack.unpack(staged, [("p.zip",)], ShelfSettings(), Room(0), threading.Event())


def test_a_stop_ends_the_unpacking(bench: Bench) -> None:
    """And the next call unpacks from the beginning, without fetching again."""
    files = bench.put(("R/p.zip", zipped(("a", A), ("b", TEXT))))

    class After(threading.Event):
        """Set once the archive is here and a part of it is unpacked."""

        def is_set(self) -> bool:
            return any(bench.staging.rglob("p/a"))

    usual, bench.stop = bench.stop, After()
    with pytest.raises(Cancelled, match="unpacking"):
        bench.fetch(files, extract=True)
    assert bench.visible() == {}
    bench.stop = usual
    bench.fetch(files, extract=True)
    assert bench.visible() == {f"{ROOT}/p/a": A, f"{ROOT}/p/b": TEXT}
    assert len(bench.host.asked) == 1


@pytest.mark.parametrize("gone", [(), ("p.zip",), ("p.zip", "s/q.zip")])
def test_a_crash_after_the_note_goes_on_from_it(tmp_path: Path, gone: Sequence[str]) -> None:
    """However many archives had gone, what is noted is published without them."""
    root = tmp_path / "downloads"
    root.mkdir()
    place = staging.Place(str(root / "tv"), str(root / ".offcloud-watchd"), "c0ffee", 0)
    rights = staging.Rights(0o664, 0o775, None)
    note = Note("Name", "", 1, 3, "size", spent=("p.zip", "s/q.zip"))
    with staging.opened(place, rights) as staged:
        for parts in (("p.zip",), ("s", "q.zip"), ("s", "a")):
            if "/".join(parts) not in gone:
                os.close(staged.open_file(parts))
        staged.seal()
    with staging.opened(place, rights) as staged:
        staged.publish(note)
    assert [path.name for path in (root / "tv" / "Name").rglob("*") if path.is_file()] == ["a"]
    with staging.opened(place, rights) as staged:
        noted = staged.note()
    assert noted is not None
    assert tuple(noted.spent) == note.spent
