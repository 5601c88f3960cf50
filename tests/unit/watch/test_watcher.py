"""The watcher over several folders: when it looks, what it watches, what it does without events."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Command, Destination, Verb
from offcloud_watchd.core.orders import JobCommand
from offcloud_watchd.watch import FolderSettings, WatchMode
from offcloud_watchd.watch.commands import write_command
from offcloud_watchd.watch.hints import Flag, Hints
from offcloud_watchd.watch.watcher import PUT_AWAY_AT_ONCE
from tests.fakes.clock import FakeClock
from tests.fakes.threads import no_more_threads

MAGNET = "magnet:?xt=urn:btih:" + "0123456789abcdef" * 2 + "01234567"


class SlowClock(FakeClock):
    """Every question for the time takes 50 ms."""

    def monotonic(self) -> float:
        """Return the time after the answer."""
        self.advance(0.05)
        return self.tick_s


def another(yard, name: str, **changes: object) -> Path:
    """Give the yard a further drop folder."""
    path = yard.base / name
    path.mkdir()
    folder = FolderSettings(path, Destination(name, f"/out/{name}"), watch=WatchMode.POLL)
    yard.more_folders = (*yard.more_folders, replace(folder, **changes))
    return path


def test_real_events_lead_to_a_wish(yard) -> None:
    """With events a drop is noticed at once: hint, look, settle, wish."""
    rung = threading.Event()
    yard.hint, yard.hints = rung.set, Hints()
    yard.configure(watch=WatchMode.EVENTS)
    assert yard.look().next_look_s == 0.0  # the watch is new: what came before it must be looked for
    yard.look()
    assert yard.health().watch == "events"
    rung.clear()
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert rung.wait(10)
    assert len(yard.accept()) == 1


def test_commands_are_noticed_by_events(yard) -> None:
    """A command that is written while the daemon waits gives a hint."""
    rung = threading.Event()
    yard.hint, yard.hints = rung.set, Hints()
    yard.look()
    yard.look()
    rung.clear()
    write_command(yard.state, JobCommand(Verb.RETRY, ("j1",)))
    assert rung.wait(10)
    (wish,) = yard.look().wishes
    assert isinstance(wish.what, Command)


def test_events_of_a_recreated_folder_come_again(yard) -> None:
    """A folder that was deleted and made anew is watched again within a look (fault 24)."""
    rung = threading.Event()
    yard.hint, yard.hints = rung.set, Hints()
    yard.configure(watch=WatchMode.EVENTS)
    yard.look()
    yard.drop.rmdir()
    yard.look()
    assert yard.health().watch == "poll"
    yard.drop.mkdir()
    yard.look(after_s=10.0)
    yard.look()
    assert yard.health().watch == "events"
    rung.clear()
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert rung.wait(10)


def test_subfolders_are_watched_while_they_are_there(yard) -> None:
    """Each category's subfolder has its watch; one that went is given up."""
    yard.configure(watch=WatchMode.EVENTS, subfolder_destination=lambda name: Destination(name, "/o"))
    (yard.drop / "films").mkdir()
    yard.look()
    assert yard.hints.asked[:2] == [str(yard.drop), str(yard.drop / "films")]
    (yard.drop / "films").rmdir()
    yard.hints.asked.clear()
    yard.look()
    assert str(yard.drop / "films") not in yard.hints.asked


def test_lost_events_are_made_up_for_by_the_rescan(yard) -> None:
    """Where no event comes, as after an overflow, the folder is still looked at in time (fault 28)."""
    yard.configure(watch=WatchMode.EVENTS, rescan_s=30.0)
    assert yard.look().next_look_s == 30.0
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert yard.look(after_s=30.0).next_look_s == 2.0
    assert len(yard.look(after_s=2.0).wishes) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_limits_of_the_kernel_lead_to_polling(yard, silent_hints, caplog, number: int) -> None:
    """Without watches folders are looked at by the clock, with one warning, and tried again (fault 29)."""
    yard.hints = silent_hints(OSError(number, "limit reached"))
    yard.configure(watch=WatchMode.AUTO if number == errno.EMFILE else WatchMode.EVENTS)
    another(yard, "films", watch=WatchMode.EVENTS)
    (yard.drop / "a.magnet").write_text(MAGNET)
    yard.look()
    assert {folder.watch for folder in yard.watcher.folders} == {"poll"}
    assert len(yard.look(after_s=2.0).wishes) == 1
    assert len([line for line in caplog.messages if "no more file-system events" in line]) == 1
    yard.look(after_s=300.0)
    assert len([line for line in caplog.messages if "no more file-system events" in line]) == 1
    yard.hints.error = None
    yard.look(after_s=290.0)
    assert yard.watcher.folders[1].watch == "poll"
    yard.look(after_s=10.0)
    assert yard.watcher.folders[1].watch == "events"


def test_other_failures_to_watch_are_passed_over(yard, silent_hints, caplog) -> None:
    """A folder that went while its watch was made is polled until the next visit."""
    yard.hints = silent_hints(FileNotFoundError(errno.ENOENT, "gone"))
    yard.configure(watch=WatchMode.EVENTS)
    yard.look()
    assert yard.health().watch == "poll"
    assert "no more file-system events" not in caplog.text


def test_auto_polls_where_the_file_system_is_silent(yard, caplog) -> None:
    """A folder whose file system tells of nothing is polled more often, and that is said once."""
    caplog.set_level("INFO")
    yard.configure(watch=WatchMode.AUTO, rescan_s=60.0)
    assert yard.look().next_look_s == 60.0
    yard.mountinfo = "23 22 0:30 / / rw - nfs4 server:/x rw\n"
    assert [yard.look(after_s=60.0).next_look_s for _ in range(2)] == [10.0, 10.0]
    assert yard.health().watch == "poll"
    assert len([line for line in caplog.messages if "nfs4 tells of no changes" in line]) == 1


def test_chosen_polling_keeps_to_the_rescan(yard) -> None:
    """Who chooses to poll chooses how often."""
    yard.configure(rescan_s=60.0)
    assert yard.look().next_look_s == 60.0
    assert yard.health().watch == "poll"
    assert str(yard.drop) not in yard.hints.asked


def test_only_due_folders_are_visited(yard) -> None:
    """A folder is left in peace until its time, while another is looked at more often."""
    films = another(yard, "films", rescan_s=5.0)
    yard.look()
    (yard.drop / "a.magnet").write_text(MAGNET)
    (films / "b.magnet").write_text(MAGNET)
    yard.look(after_s=5.0)
    assert [folder.waiting for folder in yard.watcher.folders] == [0, 1]
    yard.look()  # nothing is due: somebody asks
    assert [folder.waiting for folder in yard.watcher.folders] == [1, 1]


def test_share_of_a_look_is_fair(yard) -> None:
    """A flood in one folder leaves room for the others in the same look."""
    films = another(yard, "films")
    for number in range(300):
        (yard.drop / f"{number}.txt").write_text(f"http://example.org/{number}\n")
    (films / "b.magnet").write_text(MAGNET)
    yard.look()
    look = yard.look(after_s=2.0)
    assert look.more
    assert len(look.wishes) == 251
    assert {wish.what.destination.category for wish in look.wishes} == {"tv", "films"}


def test_costly_look_is_not_repeated_for_every_event(yard) -> None:
    """After a look that took long, hints wait for a while; the look they ask for is not lost."""
    rung = threading.Event()
    yard.hint, yard.hints = rung.set, Hints()
    yard.configure(watch=WatchMode.EVENTS)
    yard.clock = SlowClock()
    yard.look()
    yard.look()
    rung.clear()
    (yard.drop / "a.magnet").write_text(MAGNET)
    assert rung.wait(10)
    held = yard.look()
    assert yard.health().waiting == 0
    assert held.next_look_s is not None
    assert 0.0 < held.next_look_s < 5.0
    yard.look(after_s=held.next_look_s)
    assert yard.health().waiting == 1


class Stuck:
    """A category that takes as long as it is told to, as if its file system did not answer."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.release.set()

    def __call__(self, name: str) -> Destination:
        """Answer when it may."""
        self.release.wait(20)
        return Destination(name, "/o")


def stuck_folder(yard, name: str) -> tuple[Path, Stuck]:
    """Give the yard a further folder, with one drop, that can be made to hang."""
    stuck = Stuck()
    films = another(yard, name, subfolder_destination=stuck)
    (films / "sub").mkdir()
    (films / "sub" / "b.magnet").write_text(MAGNET)
    return films, stuck


def test_dead_file_system_does_not_stop_the_others(yard, caplog) -> None:
    """A folder that does not answer is marked and left; the others go on, and it comes back (fault 27)."""
    rung = threading.Event()
    yard.hint = rung.set
    _, stuck = stuck_folder(yard, "films")
    yard.answer_within_s = 0.5
    yard.look()
    (yard.drop / "a.magnet").write_text(MAGNET)
    yard.watcher.ask()
    yard.look()
    stuck.release.clear()
    look = yard.look(after_s=2.0)
    assert [wish.what.destination.category for wish in look.wishes] == ["tv"]
    assert yard.watcher.folders[1].problem == ""  # it may only be slow
    look.wishes[0].settled()
    yard.look(after_s=0.5)
    assert "does not answer" in yard.watcher.folders[1].problem
    assert yard.watcher.folders[0].problem == ""
    yard.look(after_s=10.0)
    assert len([line for line in caplog.messages if "does not answer" in line]) == 1
    rung.clear()
    stuck.release.set()
    assert rung.wait(10)
    assert [wish.what.destination.category for wish in yard.look().wishes] == ["sub"]
    assert yard.watcher.folders[1].problem == ""


def test_a_folder_that_gets_no_thread_waits(yard, caplog) -> None:
    """It is told once, and looked at when there are threads again (fault 106)."""
    (yard.drop / "a.magnet").write_text(MAGNET)
    with no_more_threads():
        yard.look()
        look = yard.look(after_s=12.0)
    assert "could not be looked at: no further thread can be started" in look.folders[0].problem
    assert len([line for line in caplog.messages if "drop folder" in line]) == 1
    yard.look(after_s=12.0)
    look = yard.look(after_s=3.0)
    assert [folder.problem for folder in look.folders] == [""]
    assert len(look.wishes) == 1


def test_slow_folder_gets_on_in_its_own_time(yard, caplog) -> None:
    """What came back too late to be waited for is not lost: the folder rings, and its drops are there."""
    rung = threading.Event()
    yard.hint = rung.set
    _, stuck = stuck_folder(yard, "films")
    yard.answer_within_s = 0.5
    yard.look()
    stuck.release.clear()
    first = yard.look(after_s=2.0)
    assert first.wishes == ()
    assert first.next_look_s == pytest.approx(0.5)
    rung.clear()
    stuck.release.set()
    assert rung.wait(10)
    (wish,) = yard.look().wishes
    wish.settled()
    assert yard.look(after_s=30.0).wishes == ()
    assert "does not answer" not in caplog.text


def test_the_wishes_of_a_look_are_settled_together(yard) -> None:
    """Drops of several folders and subfolders, and commands, in one go; a folder that hangs keeps its own."""
    rung = threading.Event()
    yard.hint = rung.set
    films, stuck = stuck_folder(yard, "films")
    yard.answer_within_s = 0.5
    names = [f"{number}.magnet" for number in range(PUT_AWAY_AT_ONCE + 1)]
    for number, name in enumerate(names):
        (yard.drop / name).write_text(MAGNET[:-4] + f"{number:04x}")
    write_command(yard.state, JobCommand(Verb.RETRY, ("j1",)))
    yard.look()
    wishes = yard.look(after_s=2.0).wishes
    assert len(wishes) == len(names) + 2
    stuck.release.clear()
    (films / "sub" / "c.magnet").write_text(MAGNET)
    yard.look(after_s=10.0)
    yard.look(after_s=2.0)  # hangs over the new one
    yard.watcher.settle(wishes)
    assert yard.names("processed") == sorted(names)
    assert not list((yard.state / "commands").glob("*.json"))
    assert (films / "sub" / "b.magnet").exists()
    rung.clear()
    stuck.release.set()
    assert rung.wait(10)
    yard.watcher.settle(yard.look().wishes)
    assert (films / "processed" / "b.magnet").exists()


def test_settling_with_a_dead_folder_waits_for_it(yard) -> None:
    """A drop whose folder stopped answering is put away when it is back; nothing is raised meanwhile."""
    rung = threading.Event()
    yard.hint = rung.set
    stuck = Stuck()
    yard.configure(subfolder_destination=stuck)
    yard.answer_within_s = 0.5
    (yard.drop / "sub").mkdir()
    (yard.drop / "sub" / "b.magnet").write_text(MAGNET)
    (wish,) = yard.take()
    stuck.release.clear()
    yard.look()
    wish.settled()
    assert yard.names("sub") == ["b.magnet"]
    rung.clear()
    stuck.release.set()
    assert rung.wait(10)
    yard.look()
    wish.settled()
    assert yard.names("sub") == []


class HangingHints(Hints):
    """Watches that cannot be set, because the file system hangs just then."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()
        self.begun = 0

    def ensure(self, path: str, device: int, inode: int, flag: Flag) -> bool:
        """Hang."""
        self.begun += 1
        self.release.wait(20)
        return super().ensure(path, device, inode, flag)


def test_watch_that_hangs_leaves_all_folders_to_the_clock(yard) -> None:
    """A watch that is never set stops no look and no end; folders are polled until it comes back."""
    yard.answer_within_s = 0.5
    yard.hints = HangingHints()
    yard.configure(watch=WatchMode.EVENTS)
    films = another(yard, "films", watch=WatchMode.EVENTS)
    (films / "a.magnet").write_text(MAGNET)
    yard.look()
    assert {folder.watch for folder in yard.watcher.folders} == {"poll"}
    assert yard.hints.begun == 1
    assert len(yard.look(after_s=2.0).wishes) == 1
    yard.close()
    yard.hints.release.set()


# --- drops that no event told of ---


def test_drops_that_no_event_told_of_are_counted_and_looked_for_more_often(yard, caplog) -> None:
    """A folder whose events are lost is found out by its drops, and polled until events come again."""
    rung = threading.Event()
    yard.hint, yard.hints = rung.set, DeafHints()
    yard.configure(watch=WatchMode.EVENTS, rescan_s=60.0)
    yard.look()
    assert yard.look().next_look_s == 60.0
    (yard.drop / "lost.magnet").write_text(MAGNET)
    yard.look(after_s=60.0)
    assert (yard.health().missed, yard.health().watch) == (0, "events")
    yard.look(after_s=2.0)
    assert (yard.health().missed, yard.health().watch) == (1, "poll")
    assert yard.look(after_s=10.0).next_look_s == 10.0
    assert "no event told of (1 so far)" in caplog.text
    yard.hints.flag.hear("heard.magnet")
    (yard.drop / "heard.magnet").write_text(MAGNET)
    yard.look(after_s=10.0)
    yard.look(after_s=2.0)
    assert (yard.health().missed, yard.health().watch) == (1, "events")


def test_what_came_before_the_watch_is_not_missed(yard) -> None:
    """Drops that lay there at the start, or in a folder moved in, are nobody's fault."""
    yard.hints = DeafHints()
    yard.configure(watch=WatchMode.EVENTS, subfolder_destination=lambda name: Destination(name, "/o"))
    (yard.drop / "early.magnet").write_text(MAGNET)
    yard.look()
    (yard.base / "tv").mkdir()
    (yard.base / "tv" / "a.magnet").write_text(MAGNET)
    (yard.base / "tv").rename(yard.drop / "tv")
    for _ in range(4):
        yard.look(after_s=2.0)
    assert yard.health().missed == 0


class DeafHints(Hints):
    """Watches that are set and never ring."""

    def __init__(self) -> None:
        super().__init__()
        self.set: set[str] = set()

    def watches(self, path: str, device: int, inode: int) -> bool:
        """Tell whether it was set."""
        return path in self.set

    def ensure(self, path: str, device: int, inode: int, flag: Flag) -> bool:
        """Set it."""
        self.set.add(path)
        if not hasattr(self, "flag"):
            self.flag = flag
        return True

    def forget(self, path: str) -> None:
        """Take it back."""
        self.set.discard(path)


def test_an_operator_who_asks_has_every_folder_visited(yard) -> None:
    """The wish is not swallowed when another folder happens to be due (SIGUSR1)."""
    films = another(yard, "films", rescan_s=5.0)
    yard.look()
    (yard.drop / "a.magnet").write_text(MAGNET)
    (films / "b.magnet").write_text(MAGNET)
    yard.watcher.ask()
    yard.look(after_s=5.0)
    assert [folder.waiting for folder in yard.watcher.folders] == [1, 1]
