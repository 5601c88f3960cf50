"""A watcher under real limits of the kernel, in a process that may be stopped; see ``test_limits``.

``python -m tests.faults.limited WHAT DIRECTORY`` ends with 0 when all is as it should be. It is run in a user
namespace of its own, whose limits are its own as well.
"""

from __future__ import annotations

import logging
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Final

from offcloud_watchd.core.model import Destination
from offcloud_watchd.core.ports import Wish
from offcloud_watchd.watch import FolderSettings, WatchMode
from offcloud_watchd.watch.hints import Flag, Hints
from tests.unit.watch.conftest import Yard

MAGNET = "magnet:?xt=urn:btih:" + "0123456789abcdef" * 2 + "01234567"
LIMITS: Final = Path("/proc/sys/user")
WITHIN_S = 20.0


def limit(what: str, number: int) -> None:
    """Set a limit of this user namespace."""
    (LIMITS / what).write_text(f"{number}\n")


def busy_yard(directory: Path) -> tuple[Yard, threading.Event]:
    """Give a yard of three folders with real events, and what rings when there is a hint."""
    yard, rung = Yard(directory), threading.Event()
    yard.hint, yard.hints = rung.set, Hints()
    yard.configure(watch=WatchMode.AUTO)
    for name in ("films", "music"):
        (directory / name).mkdir()
        folder = FolderSettings(directory / name, Destination(name, f"/out/{name}"))
        yard.more_folders = (*yard.more_folders, replace(folder, watch=WatchMode.AUTO))
    return yard, rung


def taken(yard: Yard, after_s: float) -> list[Wish]:
    """Look until a drop that comes after this time is taken; put all away."""
    yard.look(after_s=after_s)
    wishes = [*yard.look(after_s=2.0).wishes]
    for wish in wishes:
        wish.settled()
    return wishes


def watch_modes(yard: Yard) -> list[str]:
    """Return how each folder is watched."""
    return [folder.watch for folder in yard.watcher.folders]


def drop_everywhere(yard: Yard, directory: Path, name: str) -> None:
    """Drop a file into each folder, and wait for the events that tell of it: the clock is no real one."""
    for folder in ("drop", "films", "music"):
        (directory / folder / name).write_text(MAGNET)
    for post in yard.watcher._posts:
        if post.watch is not WatchMode.POLL:
            await_hint(post.flag)


def await_hint(flag: Flag) -> None:
    """Wait until a hint came in."""
    waited = threading.Event()
    assert any(flag.is_raised() or waited.wait(0.05) for _ in range(400)), "nobody looks there"


def limited(directory: Path, what: str, number: int, modes: list[str]) -> None:
    """Meet a limit, lose nothing, and go back to events when there is room again."""
    limit(what, number)
    yard, _ = busy_yard(directory)
    yard.look()
    yard.look()
    assert watch_modes(yard) == modes, watch_modes(yard)
    drop_everywhere(yard, directory, "a.magnet")
    assert len(taken(yard, 30.0)) == 3, "a drop was lost"
    limit(what, 1000)
    yard.look(after_s=300.0)
    yard.look()
    assert watch_modes(yard) == ["events"] * 3, watch_modes(yard)
    assert [folder.missed for folder in yard.watcher.folders] == [0] * 3, yard.watcher.folders
    drop_everywhere(yard, directory, "b.magnet")
    assert len(taken(yard, 30.0)) == 3, "a drop was lost"
    yard.close()


def overflowed(directory: Path) -> None:
    """Be stopped while one folder is flooded and another gets a drop; then find that, and count it."""
    yard, rung = busy_yard(directory)
    for _ in range(3):
        yard.look()
    assert watch_modes(yard) == ["events"] * 3, watch_modes(yard)
    rung.clear()
    print("stop me", flush=True)
    sys.stdin.readline()
    films = yard.watcher._posts[1].flag  # the folder of the drop whose event is lost
    assert rung.wait(WITHIN_S), "no hint at all"
    await_hint(films)
    (wish,) = taken(yard, 0.0)
    assert wish.what.drop.name == "lost.magnet", wish
    yard.look(after_s=2.0)
    (health,) = [folder for folder in yard.watcher.folders if folder.category == "films"]
    assert health.missed == 1, health
    assert health.watch == "poll", health
    yard.close()


def main(what: str, directory: Path) -> None:
    """Do what is asked for."""
    logging.basicConfig(level=logging.WARNING)
    match what:
        case "watches":
            limited(directory, "max_inotify_watches", 2, ["events", "events", "poll"])
        case "instances":
            limited(directory, "max_inotify_instances", 0, ["poll"] * 3)
        case _:
            overflowed(directory)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
