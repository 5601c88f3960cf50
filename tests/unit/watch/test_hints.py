"""File-system events: hints that never die and are never trusted."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyEvent, Mask, WatchDescriptor

from offcloud_watchd.watch.hints import MAX_HEARD, Flag, Hints
from tests.fakes.threads import no_more_threads

WITHIN_S = 10.0


class Bell:
    """Rings when a hint comes; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.rung = threading.Event()
        self.count = 0
        self.failures = failures

    def __call__(self) -> None:
        """Take a hint."""
        self.count += 1
        if self.failures:
            self.failures -= 1
            self.rung.set()
            raise RuntimeError("injected")
        self.rung.set()

    def heard(self) -> bool:
        """Wait for a ring, and be ready for the next."""
        heard = self.rung.wait(WITHIN_S)
        self.rung.clear()
        return heard


@pytest.fixture
def hints() -> Iterator[Hints]:
    """Give real inotify events."""
    made = Hints()
    yield made
    made.stop()


def ensure(hints: Hints, path: Path, flag: Flag) -> bool:
    """Watch a directory as it is now."""
    status = path.stat()
    return hints.ensure(str(path), status.st_dev, status.st_ino, flag)


def test_flag_hints_once_until_it_is_cleared() -> None:
    """Many events are one hint; after the flag was cleared the next event is another."""
    bell = Bell()
    flag = Flag(bell)
    flag.raise_once()
    flag.raise_once()
    assert (bell.count, flag.is_raised()) == (1, True)
    flag.clear()
    assert not flag.is_raised()
    flag.raise_once()
    assert bell.count == 2


def test_flag_of_a_failed_hint_is_not_raised() -> None:
    """A hint that was not passed on is tried again with the next event."""
    flag = Flag(Bell(failures=1))
    with pytest.raises(RuntimeError):
        flag.raise_once()
    assert not flag.is_raised()


def test_flag_keeps_the_names_it_heard(hints: Hints, tmp_path: Path) -> None:
    """Each name is handed out once, and somebody is told when there were too many."""
    bell = Bell()
    flag = Flag(bell)
    assert flag.heard() == set()
    ensure(hints, tmp_path, flag)
    os.mkfifo(tmp_path / "a.torrent")  # one event; a file that is written has two, and the second may be late
    assert bell.heard()
    assert flag.heard() == {"a.torrent"}
    for number in range(MAX_HEARD + 1):
        flag.hear(str(number))
    assert flag.heard() is None
    assert "a.torrent" not in (flag.heard() or set())


@pytest.mark.parametrize("how", ["written", "moved in", "renamed", "linked", "subfolder"])
def test_every_way_in_is_noticed(hints: Hints, tmp_path: Path, how: str) -> None:
    """A file written in place, moved in, renamed or linked, and a new subfolder, give a hint."""
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "x.tmp").write_text("x")
    (tmp_path / "outside").write_text("x")
    bell = Bell()
    assert ensure(hints, drop, Flag(bell))
    match how:
        case "written":
            (drop / "a.torrent").write_text("x")
        case "moved in":
            (tmp_path / "outside").rename(drop / "a.torrent")
        case "renamed":
            (drop / "x.tmp").rename(drop / "a.torrent")
        case "linked":
            (drop / "a.torrent").hardlink_to(tmp_path / "outside")
        case _:
            (drop / "films").mkdir()
    assert bell.heard()


def test_what_leaves_and_what_is_ignored_is_silent(hints: Hints, tmp_path: Path) -> None:
    """Our own archiving and junk names give no hint, and do not hold the next one up.

    watchdog would wait half a second for the other half of a move out of the folder.
    """
    (tmp_path / "a.torrent").write_text("x")
    bell = Bell()
    flag = Flag(bell)
    ensure(hints, tmp_path, flag)
    (tmp_path / "processed").mkdir()
    (tmp_path / "a.torrent").rename(tmp_path / "processed" / "a.torrent")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "b.torrent.part").write_text("x")
    (tmp_path / "failed").mkdir()
    mask = next(iter(hints._observer.emitters)).get_event_mask_from_filter()
    assert not mask & 0x40  # IN_MOVED_FROM
    (tmp_path / "c.torrent").write_text("x")
    assert bell.heard()
    assert bell.count == 1


def test_a_watch_that_is_well_is_left_alone(hints: Hints, tmp_path: Path) -> None:
    """Asking again for the same directory changes nothing."""
    flag = Flag(Bell())
    assert ensure(hints, tmp_path, flag)
    assert not ensure(hints, tmp_path, flag)


def test_failing_handler_does_not_end_the_watch(hints: Hints, tmp_path: Path, caplog) -> None:
    """After an exception in the handler later files are still noticed (fault 30)."""
    bell = Bell(failures=1)
    flag = Flag(bell)
    ensure(hints, tmp_path, flag)
    (tmp_path / "a.torrent").hardlink_to(_file(tmp_path.parent))
    assert bell.heard()
    (tmp_path / "b.torrent").hardlink_to(_file(tmp_path.parent))
    assert bell.heard()
    assert not ensure(hints, tmp_path, flag)
    assert "could not be passed on" in caplog.text


def test_directory_deleted_and_made_anew_is_watched_again(hints: Hints, tmp_path: Path) -> None:
    """A deleted directory gives a hint and its watch ends; asking makes a new one (fault 24)."""
    drop = tmp_path / "drop"
    drop.mkdir()
    bell = Bell()
    flag = Flag(bell)
    ensure(hints, drop, flag)
    (emitter,) = hints._observer.emitters
    shutil.rmtree(drop)
    assert bell.heard()
    flag.clear()
    emitter.join(WITHIN_S)
    drop.mkdir()
    assert ensure(hints, drop, flag)
    (drop / "a.torrent").write_text("x")
    assert bell.heard()


def test_directory_renamed_and_replaced_is_watched_again(hints: Hints, tmp_path: Path) -> None:
    """A watch follows the directory that was renamed; asking puts it on the new one (fault 25)."""
    drop = tmp_path / "drop"
    drop.mkdir()
    bell = Bell()
    flag = Flag(bell)
    ensure(hints, drop, flag)
    drop.rename(tmp_path / "old")
    drop.mkdir()
    assert ensure(hints, drop, flag)
    (tmp_path / "old" / "a.torrent").write_text("x")
    (drop / "a.torrent").write_text("x")
    assert bell.heard()


def test_dead_observer_is_replaced(hints: Hints, tmp_path: Path, caplog) -> None:
    """When watchdog's own thread ends, all watches are made anew at the next look (faults 28, 30)."""
    bell = Bell()
    flag = Flag(bell)
    ensure(hints, tmp_path, flag)
    hints._observer.stop()
    hints._observer.join(WITHIN_S)
    assert ensure(hints, tmp_path, flag)
    assert "ended unexpectedly" in caplog.text
    (tmp_path / "a.torrent").write_text("x")
    assert bell.heard()


def test_dead_reader_is_replaced(hints: Hints, tmp_path: Path, caplog) -> None:
    """When the thread that reads the kernel's events ends, watchdog goes on as if nothing were (fault 30)."""
    bell = Bell()
    flag = Flag(bell)
    ensure(hints, tmp_path, flag)
    hints._observer._reader.stop()
    hints._observer._reader.join(WITHIN_S)
    assert ensure(hints, tmp_path, flag)
    assert "ended unexpectedly" in caplog.text
    (tmp_path / "a.torrent").write_text("x")
    assert bell.heard()


def test_directory_that_may_not_be_read_is_told(hints: Hints, open_yard, unprivileged) -> None:
    """A directory that may not be read, which watchdog takes for watched, is an error here."""
    open_yard.drop.chmod(0o311)
    with unprivileged(), pytest.raises(PermissionError):
        ensure(hints, open_yard.drop, Flag(Bell()))
    open_yard.drop.chmod(0o777)
    assert ensure(hints, open_yard.drop, Flag(Bell()))


def test_events_that_the_kernel_lost_are_looked_for_everywhere(hints: Hints, tmp_path: Path, caplog) -> None:
    """After an overflow every place is looked at, whosever events were lost (fault 28)."""
    busy, quiet = tmp_path / "busy", tmp_path / "quiet"
    for directory in (busy, quiet):
        directory.mkdir()
    bell, broken = Bell(), Bell(failures=1)
    ensure(hints, busy, Flag(broken))
    ensure(hints, quiet, Flag(bell))
    # What the kernel puts into the queue when it is full: inotify(7), IN_Q_OVERFLOW, no watch has it.
    hints._observer._reader.handle_event(InotifyEvent(WatchDescriptor(-1), Mask(0x4000), 0, b""))
    assert bell.heard()
    assert broken.count == 1
    assert "every folder is looked at" in caplog.text
    assert "could not be passed on" in caplog.text


def test_missing_directory_and_limits_are_told(hints: Hints, tmp_path: Path) -> None:
    """What the kernel refuses is raised, and leaves the other watches as they are (fault 29)."""
    ensure(hints, tmp_path, Flag(Bell()))
    with pytest.raises(OSError, match="No such file"):
        hints.ensure(str(tmp_path / "none"), 1, 1, Flag(Bell()))
    assert not ensure(hints, tmp_path, Flag(Bell()))


def test_a_watch_that_gets_no_thread_is_told(tmp_path: Path) -> None:
    """Nothing is left open, and a later try works (fault 106)."""
    hints = Hints()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with no_more_threads(), pytest.raises(OSError, match="no further thread") as raised:
        ensure(hints, tmp_path, Flag(Bell()))
    assert raised.value.errno == errno.EAGAIN
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert ensure(hints, tmp_path, Flag(Bell()))
    hints.stop()


def test_forgotten_directory_is_silent(hints: Hints, tmp_path: Path) -> None:
    """A directory that is not wanted any more gives no hint; forgetting twice is harmless."""
    silent, loud = tmp_path / "silent", tmp_path / "loud"
    silent.mkdir()
    loud.mkdir()
    unheard, bell = Bell(), Bell()
    ensure(hints, silent, Flag(unheard))
    ensure(hints, loud, Flag(bell))
    hints.forget(str(silent))
    hints.forget(str(silent))
    (silent / "a").write_text("x")
    (loud / "a").write_text("x")
    assert bell.heard()
    assert unheard.count == 0


def test_awkward_names_pass(hints: Hints, tmp_path: Path) -> None:
    """A name that is not UTF-8 gives a hint like any other (fault 19)."""
    bell = Bell()
    ensure(hints, tmp_path, Flag(bell))
    (tmp_path / os.fsdecode(b"\xff\n.torrent")).write_bytes(b"x")
    assert bell.heard()


def test_stop_is_final_and_repeatable(hints: Hints, tmp_path: Path) -> None:
    """After stop no thread of watchdog's is left."""
    before = threading.active_count()
    ensure(hints, tmp_path, Flag(Bell()))
    hints.stop()
    hints.stop()
    assert threading.active_count() == before


def _file(directory: Path) -> Path:
    path = directory / "source"
    path.touch()
    return path
