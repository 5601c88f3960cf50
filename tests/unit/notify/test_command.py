"""Real programs: what they are given, how they end, and that they can be ended."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
import time
from pathlib import Path

import pytest

from offcloud_watchd.notify.command import Command
from offcloud_watchd.notify.message import Fact, composed
from offcloud_watchd.notify.settings import NotifySettings
from offcloud_watchd.notify.ways import NotSent

MESSAGE = composed("published", [Fact(job="j1", name="Film", path="/out/Film", files=1, verified="size")], 1)
SECRET_ENV = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/me",
    "OFFCLOUD_KEY": "SECRET",
    "CREDENTIALS_DIRECTORY": "/run/SECRET",
    "NOTIFY_SOCKET": "/run/SECRET",
    "http_proxy": "http://SECRET",
}


def script(tmp_path: Path, text: str, *arguments: str, limit_s: float = 30.0) -> Command:
    """Make a program."""
    path = tmp_path / "tell"
    path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
    path.chmod(0o755)
    return Command(NotifySettings(time_limit_s=limit_s), (str(path), *arguments), SECRET_ENV)


def descriptors() -> list[str]:
    """Return what this process has open."""
    return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())


def refused(command: Command) -> str:
    """Return why it was not sent."""
    with pytest.raises(NotSent) as caught:
        command.send(MESSAGE, threading.Event())
    return str(caught.value)


def test_what_it_is_given(tmp_path: Path) -> None:
    """The facts twice, the arguments as they are, and nothing of ours besides."""
    command = script(tmp_path, 'env > env; cat > stdin; printf "%s\\n" "$@" > arguments', "a b", "$HOME", "*")
    command.send(MESSAGE, threading.Event())
    lines = (tmp_path / "env").read_text().splitlines()
    told = dict(line.partition("=")[::2] for line in lines)
    assert told["OFFCLOUD_WATCHD_EVENT"] == "published"
    assert told["OFFCLOUD_WATCHD_PATH"] == "/out/Film"
    assert told.keys() - {"PWD", "_", "SHLVL", "OLDPWD"} == {"PATH", "HOME", *MESSAGE.environment()}
    assert "SECRET" not in "".join(lines)
    assert json.loads((tmp_path / "stdin").read_text())["title"] == "Film is here"
    assert (tmp_path / "arguments").read_text().splitlines() == ["a b", "$HOME", "*"]


def test_no_descriptor_of_ours(tmp_path: Path) -> None:
    """Standard input and output, and nothing else."""
    command = script(tmp_path, "ls -l /proc/self/fd > fds")
    with (tmp_path / "secret").open("w"):
        command.send(MESSAGE, threading.Event())
    told = (tmp_path / "fds").read_text()
    assert "/secret" not in told
    assert told.count("memfd:") == 1, "its standard input"
    assert "pidfd" not in told


def test_what_it_says_when_it_fails(tmp_path: Path) -> None:
    """The exit code and the last it printed, made harmless."""
    command = script(tmp_path, "seq 100000; printf 'no \\033[1mserver\\n' >&2; exit 7")
    told = refused(command)
    assert told.startswith(f"{tmp_path}/tell ended with exit code 7: ")
    assert told.endswith("no \N{REPLACEMENT CHARACTER}[1mserver")
    assert len(told) < 1000


def test_a_signal_ends_it(tmp_path: Path) -> None:
    """That is told as such."""
    assert refused(script(tmp_path, "kill -9 $$")) == f"{tmp_path}/tell was ended by signal 9"


@pytest.mark.parametrize(("make", "why"), [("", "No such file"), ("made", "Permission denied")])
def test_what_cannot_be_started(tmp_path: Path, make: str, why: str) -> None:
    """It is named, and nothing is left open."""
    path = tmp_path / "tell"
    if make:
        path.write_text("#!/bin/sh\n")
    before = descriptors()
    assert why in refused(Command(NotifySettings(), (str(path),), {}))
    assert descriptors() == before


def test_its_time_is_limited_and_its_children_go_with_it(tmp_path: Path) -> None:
    """It is asked to end, and then ended; what it has started too."""
    command = script(
        tmp_path, "sleep 600 & echo $! > child; trap '' TERM; while :; do sleep 0.05; done", limit_s=0.3
    )
    assert "took longer than 0.3 s" in refused(command)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while _lives(child):
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_it_may_leave_something_running(tmp_path: Path) -> None:
    """A program that begins another one and ends well is waited for, the other one is not."""
    command = script(tmp_path, "sleep 600 & echo $! > child")
    command.send(MESSAGE, threading.Event())
    child = int((tmp_path / "child").read_text())
    assert _lives(child)
    os.kill(child, signal.SIGKILL)


def test_it_can_be_ended_by_sigterm(tmp_path: Path) -> None:
    """Our threads have SIGTERM blocked, and a child has the mask of whoever starts it: not this one."""
    command = script(
        tmp_path,
        "grep SigBlk /proc/self/status > mask; grep SigIgn /proc/self/status >> mask; kill -TERM $$; exit 0",
    )
    errors: list[str] = []

    def on_a_thread_of_the_daemon() -> None:
        signal.pthread_sigmask(
            signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
        )
        errors.append(refused(command))

    thread = threading.Thread(target=on_a_thread_of_the_daemon)
    thread.start()
    thread.join(30)
    assert errors == [f"{tmp_path}/tell was ended by signal 15"]
    masks = [int(line.split()[1], 16) for line in (tmp_path / "mask").read_text().splitlines()]
    heeded = sum(1 << number - 1 for number in (1, 2, 10, 13, 15))
    assert [mask & heeded for mask in masks] == [0, 0]


def test_an_end_is_not_held_up(tmp_path: Path) -> None:
    """When the program ends, a command that runs gets a moment."""
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    with pytest.raises(NotSent):
        script(tmp_path, "sleep 600").send(MESSAGE, stop)
    assert time.monotonic() - began < 10


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No descriptor and no dead child."""
    command = script(tmp_path, "cat > /dev/null")
    command.send(MESSAGE, threading.Event())
    before = descriptors()
    for _ in range(5):
        command.send(MESSAGE, threading.Event())
    assert descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("left", range(3))
def test_no_further_descriptor(tmp_path: Path, left: int) -> None:
    """Wherever they end: it is said, time may mend it, and no child is left behind (fault 106)."""
    command = script(tmp_path, "sleep 600")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + left, before[1]))
    try:
        with pytest.raises(NotSent) as caught:
            command.send(MESSAGE, threading.Event())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "Too many open files" in str(caught.value)
    assert caught.value.may_pass
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _lives(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
