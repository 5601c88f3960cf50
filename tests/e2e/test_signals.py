"""Signals at bad moments: a stop always ends in time with 0, a reload is never taken for an end."""

import re
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox import Fault
from tests.e2e.process import wait_until
from tests.e2e.releases import assert_all_home


def _magnet(number: int, name: str = "") -> str:
    return f"magnet:?xt=urn:btih:{number:040x}" + (f"&dn={name}" if name else "")


def _wait_ready(daemon, times: int = 1) -> None:
    wait_until(lambda: daemon.log.count("ready:") >= times, within_s=30, why=lambda: daemon.log)


def _hang_a_post(sandbox, place, daemon, seconds: float) -> None:
    """Let the next POST be taken but not answered, and wait until it is under way."""
    sandbox.faults.add(Fault("hang", "cloud", seconds=seconds, effect=True))
    (place.drop / "one.magnet").write_text(_magnet(1))
    wait_until(lambda: not sandbox.faults.pending(), within_s=20, why=lambda: daemon.log)


@pytest.fixture
def classic(start_sandbox, make_place):
    """The service that makes a twin of everything that is posted twice, and a place that uses it."""
    sandbox = start_sandbox(generation="classic")
    return sandbox, make_place(sandbox.url, auth="query", settle="200ms")


def test_a_stop_ends_in_time_while_a_post_hangs(classic, run_daemon):
    """However often it is asked for; and the next start finds what was taken, and makes no twin."""
    sandbox, place = classic
    daemon = run_daemon(place)
    _wait_ready(daemon)
    _hang_a_post(sandbox, place, daemon, seconds=60)
    begun_at = time.monotonic()
    for _ in range(3):
        daemon.send(signal.SIGTERM)
        threading.Event().wait(0.2)
    assert daemon.ended(within_s=20) == 0
    assert time.monotonic() - begun_at < 20
    daemon.start()
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
    assert_all_home(place, sandbox, place.jobs())


def test_a_reload_is_no_end_for_the_service_manager(classic, run_daemon, tmp_path):
    """It hears of reloading and of ready, and nothing of stopping, or it would kill what starts again."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        _, place = classic
        daemon = run_daemon(place, NOTIFY_SOCKET=str(tmp_path / "notify"))

        def heard_until(word: bytes) -> list[bytes]:
            heard = [manager.recv(4096)]
            while not heard[-1].startswith(word):
                heard.append(manager.recv(4096))
            return heard

        heard_until(b"READY=1")
        daemon.send(signal.SIGHUP)
        heard = heard_until(b"READY=1")
        assert any(message.startswith(b"RELOADING=1") for message in heard)
        assert b"STOPPING=1" not in b"".join(heard)
        assert daemon.stop() == 0


def test_a_stop_is_not_lost_in_a_storm_of_reloads(classic, run_daemon):
    """Wherever a reload is, a stop goes before it, and the end is an orderly one."""
    _, place = classic
    daemon = run_daemon(place)
    _wait_ready(daemon)
    for number in range(1, 6):
        for _ in range(number):
            daemon.send(signal.SIGHUP)
            threading.Event().wait(0.03 * number)
        assert daemon.stop() == 0, daemon.log[-2000:]
        daemon.start()
        # Before this a signal finds no handler: it ends a program that has not yet begun.
        wait_until(
            lambda: "starts" in daemon.log.rpartition("stopped")[2], within_s=20, why=lambda: daemon.log
        )
    assert daemon.stop() == 0


def _mask(directory: Path, name: str) -> int:
    return int(re.search(rf"{name}:\s+([0-9a-f]+)", (directory / "status").read_text())[1], 16)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_what_comes_while_the_program_is_loaded(classic, run_daemon, number):
    """A reload is no end, which a service manager would take for a wanted one; a stop is an orderly one."""
    _, place = classic
    daemon = run_daemon(place)
    process = Path(f"/proc/{daemon.pid}")
    bit = 1 << number - 1
    wait_until(lambda: bool(_mask(process, "SigBlk") & bit), within_s=20, why=lambda: daemon.log)
    assert "starts" not in daemon.log, "it is loaded already"
    daemon.send(number)
    if number == signal.SIGHUP:
        wait_until(lambda: "reloading" in daemon.log, within_s=20, why=lambda: daemon.log)
        _wait_ready(daemon)
        daemon.send(signal.SIGTERM)
    assert daemon.ended(within_s=20) == 0, daemon.log


def test_only_the_main_thread_takes_signals(classic, run_daemon):
    """Any other that still hangs at a reload could take a stop that the kernel holds back over ``exec``."""
    _, place = classic
    daemon = run_daemon(place)
    _wait_ready(daemon)
    heeded = sum(1 << number - 1 for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1))
    unheeded = 0
    for thread in Path(f"/proc/{daemon.pid}/task").iterdir():
        blocked = _mask(thread, "SigBlk")
        unheeded += blocked & heeded == heeded
        assert blocked & heeded == (0 if thread.name == str(daemon.pid) else heeded), thread.name
    assert unheeded > 3  # lanes, watchers


def test_a_configuration_that_becomes_wrong_during_a_reload(classic, run_daemon):
    """While a stop waits for a POST the file may be edited again: the old configuration goes on."""
    sandbox, place = classic
    daemon = run_daemon(place)
    _wait_ready(daemon)
    _hang_a_post(sandbox, place, daemon, seconds=6)
    good = place.config.read_text()
    daemon.send(signal.SIGHUP)
    wait_until(lambda: "configuration is good" in daemon.log, within_s=10, why=lambda: daemon.log)
    place.config.write_text(good + "\nnonsense: 1\n")
    wait_until(lambda: "reload refused" in daemon.log, within_s=20, why=lambda: daemon.log)
    _wait_ready(daemon, 2)
    assert "reloading" not in daemon.log
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
    assert_all_home(place, sandbox, place.jobs())
    assert daemon.stop() == 0


def test_the_state_stays_where_it_is(classic, run_daemon):
    """A reload into another state directory would forget every job: it is refused and says what to do."""
    _, place = classic
    daemon = run_daemon(place)
    _wait_ready(daemon)
    place.config.write_text(place.config.read_text().replace("state_dir: state", "state_dir: elsewhere"))
    daemon.send(signal.SIGHUP)
    wait_until(lambda: "reload refused" in daemon.log, within_s=10, why=lambda: daemon.log)
    assert "stop the daemon, move the directory" in daemon.log
    assert not (place.root / "elsewhere").exists()
    assert daemon.stop() == 0


def test_a_drop_that_calls_itself_by_megabytes_stops_nobody(classic, run_daemon):
    """Its record fits the journal, it comes home, and so does the drop beside it."""
    sandbox, place = classic
    daemon = run_daemon(place)
    name = "\U0001f600" * 60_000
    (place.drop / "long.magnet").write_text(_magnet(2, name))
    (place.drop / "short.magnet").write_text(_magnet(3))
    wait_until(lambda: place.all_in(JobState.DONE, count=2), within_s=30, why=lambda: daemon.log)
    assert_all_home(place, sandbox, place.jobs())
    assert daemon.stop() == 0
