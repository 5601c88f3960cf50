"""The whole program as a process: what users and service managers see of it."""

import json
import signal
import socket
from pathlib import Path

import pytest

from offcloud_watchd.core.model import JobState
from tests.e2e.process import KEY, wait_until
from tests.e2e.releases import assert_all_home

END = (JobState.DONE, JobState.FAILED)


def _magnet(number: int, name: str = "") -> str:
    return f"magnet:?xt=urn:btih:{number:040x}" + (f"&dn={name}" if name else "")


def _wait_ready(daemon) -> None:
    wait_until(lambda: "ready:" in daemon.log, within_s=30, why=lambda: daemon.log)


@pytest.mark.parametrize("generation", ["classic", "current", "both"])
def test_every_kind_of_drop_comes_home(start_sandbox, make_place, run_daemon, generation):
    """A torrent, a magnet, a list and a shortcut become releases, byte for byte, in either generation."""
    sandbox = start_sandbox(generation=generation)
    place = make_place(sandbox.url, auth="query" if generation == "classic" else "bearer")
    daemon = run_daemon(place)
    (place.drop / "A.Series.S01E01.torrent").write_bytes(sandbox.torrent("A.Series.S01E01"))
    (place.drop / "A.Film.magnet").write_text(_magnet(2, "[tree]"))
    (place.drop / "wanted.txt").write_text(
        f"https://files.example.org/a.pdf\nnothing here\n{_magnet(3, 'Three')}\n"
    )
    (place.drop / "Page.url").write_text("[InternetShortcut]\r\nURL=https://mirror.example.org/b.iso\r\n")
    (place.drop / "bad.torrent").write_bytes(b"<html>not found</html>")
    wait_until(lambda: place.all_in(*END, count=5), within_s=60, why=lambda: daemon.log)
    jobs = place.jobs()
    assert {job.state for job in jobs.values()} == {JobState.DONE}
    assert_all_home(place, sandbox, jobs)
    names = {Path(job.publication.path).name for job in jobs.values() if job.publication}
    assert {"A.Series.S01E01", "A.Film", "Page"} <= names
    wait_until(
        lambda: not [path for path in place.drop.iterdir() if path.is_file()],
        within_s=5,
        why=lambda: daemon.log,
    )
    assert "line 2" in (place.drop / "failed" / "wanted.txt.reason.txt").read_text()
    assert "HTML" in (place.drop / "failed" / "bad.torrent.reason.txt").read_text()
    assert {path.name for path in (place.drop / "processed").iterdir()} == {
        "A.Series.S01E01.torrent",
        "A.Film.magnet",
        "wanted.txt",
        "Page.url",
    }
    assert KEY.encode() not in Path(f"/proc/{daemon.pid}/cmdline").read_bytes()
    assert daemon.stop() == 0


def test_stop_in_the_middle_of_a_fetch_resumes(start_sandbox, make_place, run_daemon):
    """SIGTERM ends an open fetch in order; the next start fetches what is missing and nothing twice."""
    size = 12 * 1024 * 1024
    sandbox = start_sandbox(release_bytes=size, file_rate_bytes_per_s=4 * 1024 * 1024)
    place = make_place(sandbox.url)
    daemon = run_daemon(place)
    (place.drop / "slow.magnet").write_text(_magnet(7, "[single]"))
    wait_until(lambda: sandbox.books().bytes_served > size // 4, within_s=30, why=lambda: daemon.log)
    assert daemon.stop(within_s=20) == 0
    assert not list(place.output.glob("tv/*"))
    daemon.start()
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
    assert_all_home(place, sandbox, place.jobs())
    # What was sent but not yet read when the connection ended is sent again; no more than buffers hold.
    assert sandbox.books().bytes_served < size * 1.4


def test_reload_takes_a_good_configuration_and_refuses_a_bad_one(start_sandbox, make_place, run_daemon):
    """SIGHUP: a wrong file changes nothing, a good one is in force under the same process id."""
    sandbox = start_sandbox()
    place = make_place(sandbox.url)
    daemon = run_daemon(place)
    _wait_ready(daemon)
    good = place.config.read_text()
    place.config.write_text(good + "\nnonsense: 1\n")
    daemon.send(signal.SIGHUP)
    wait_until(lambda: "reload refused" in daemon.log, within_s=10, why=lambda: daemon.log)
    assert "nonsense" in daemon.log
    place.config.write_text(good.replace("category: tv", "category: film"))
    pid = daemon.pid
    daemon.send(signal.SIGHUP)
    wait_until(lambda: daemon.log.count("ready:") == 2, within_s=20, why=lambda: daemon.log)
    (place.drop / "one.magnet").write_text(_magnet(1))
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
    assert (place.output / "film" / "one").is_dir()
    assert daemon.pid == pid
    assert daemon.stop() == 0


def test_usr1_looks_at_once(start_sandbox, make_place, run_daemon):
    """SIGUSR1 finds a drop that no event told of, long before the next rescan."""
    sandbox = start_sandbox()
    place = make_place(sandbox.url, rescan="1h", watch="poll")
    daemon = run_daemon(place)
    _wait_ready(daemon)
    (place.drop / "one.magnet").write_text(_magnet(1))
    daemon.send(signal.SIGUSR1)
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)


def test_the_service_manager_hears_ready_and_stopping(start_sandbox, make_place, run_daemon, tmp_path):
    """READY comes with the counts, the watchdog gets signs of life, and a stop is announced."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        place = make_place(start_sandbox().url)
        daemon = run_daemon(place, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="3000000")
        heard = []
        while not any(b"READY=1" in message for message in heard):
            heard.append(manager.recv(4096))
        assert b"STATUS=0 queued" in heard[-1]
        while heard[-1] != b"WATCHDOG=1":
            heard.append(manager.recv(4096))
        daemon.send(signal.SIGTERM)
        while b"STOPPING=1" not in heard[-1]:
            heard.append(manager.recv(4096))
        assert daemon.ended() == 0


def test_a_refused_key_pauses_and_a_good_one_goes_on(start_sandbox, make_place, run_daemon):
    """With a wrong key nothing fails and nothing is lost; the new key is taken up without a restart."""
    sandbox = start_sandbox()
    place = make_place(sandbox.url)
    (place.root / "api-key").write_text("not-the-key-0000000000000000000\n")
    daemon = run_daemon(place)
    (place.drop / "one.magnet").write_text(_magnet(1))
    wait_until(lambda: place.all_in(JobState.QUEUED, count=1), within_s=20, why=lambda: daemon.log)
    wait_until(lambda: "lane api paused" in daemon.log, within_s=10, why=lambda: daemon.log)
    shown = json.loads(place.command("status", "--json").stdout)
    assert next(lane for lane in shown["lanes"] if lane["lane"] == "api")["key_refused"]
    assert place.command("check").returncode == 77
    (place.root / "api-key").write_text(KEY + "\n")
    job = next(iter(place.jobs()))
    assert place.command("retry", job).returncode == 0  # asks for a probe at once
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=40, why=lambda: daemon.log)
    assert sandbox.books().of(next(iter(place.jobs().values())).link.key).items_created == 1


def test_two_daemons_and_one_state(start_sandbox, make_place, run_daemon):
    """The second daemon on a state directory ends with 75 and says who holds it."""
    place = make_place(start_sandbox().url)
    first = run_daemon(place)
    _wait_ready(first)
    second = run_daemon(place)
    assert second.ended() == 75
    assert f"process {first.pid}" in second.log
    assert first.alive()


def test_exit_codes_of_a_start_that_cannot_be(start_sandbox, make_place, run_daemon):
    """A wrong configuration ends with 78, a damaged journal with 65, and neither touches anything."""
    place = make_place(start_sandbox().url)
    good = place.config.read_text()
    place.config.write_text(good + "nonsense: 1\n")
    assert run_daemon(place).ended() == 78
    place.config.write_text(good)
    daemon = run_daemon(place)
    (place.drop / "one.magnet").write_text(_magnet(1))
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=30, why=lambda: daemon.log)
    assert daemon.stop() == 0
    journal = place.state / "journal.jsonl"
    lines = journal.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b'"kind"', b'"kimd"')
    damaged = b"\n".join(lines)
    journal.write_bytes(damaged)
    assert run_daemon(place).ended() == 65
    assert journal.read_bytes() == damaged


def test_commands_work_while_the_daemon_runs_and_while_it_is_down(start_sandbox, make_place, run_daemon):
    """What is added, shown and forgotten by command is so in the daemon, now or at its next start."""
    sandbox = start_sandbox()
    place = make_place(sandbox.url)
    daemon = run_daemon(place)
    _wait_ready(daemon)
    added = place.command("add", _magnet(5, "Five"), "--category", "tv", "--wait")
    assert added.returncode == 0, added.stderr
    (job,) = json.loads(place.command("jobs", "--json").stdout)
    assert job["state"] == "done"
    shown = json.loads(place.command("show", job["id"], "--json").stdout)
    assert [entry["event"] for entry in shown["history"]][:2] == ["queued", "submitting"]
    assert daemon.stop() == 0
    assert place.command("forget", job["id"], "--files").returncode == 0
    assert place.command("add", _magnet(6), "--wait").returncode == 69
    daemon.start()
    wait_until(lambda: job["id"] not in place.jobs(), within_s=30, why=lambda: daemon.log)
    assert not Path(
        job["publication"]["path"] if "publication" in job else place.output / "tv" / "Five"
    ).exists()


def test_half_a_release_is_never_seen(start_sandbox, make_place, run_daemon):
    """Whoever lists the output sees each release whole from its first appearance."""
    size = 2 * 1024 * 1024
    sandbox = start_sandbox(release_bytes=size, file_rate_bytes_per_s=4 * 1024 * 1024, release_files=5)
    place = make_place(sandbox.url)
    daemon = run_daemon(place)
    for number in range(1, 5):
        (place.drop / f"r{number}.magnet").write_text(_magnet(number))
    sizes: dict[str, set[int]] = {}

    def look() -> bool:
        for release in place.output.glob("tv/*"):
            total = sum(path.stat().st_size for path in release.rglob("*") if path.is_file())
            sizes.setdefault(release.name, set()).add(total)
        return place.all_in(JobState.DONE, count=4) and len(sizes) == 4

    wait_until(look, within_s=60, why=lambda: daemon.log)
    assert sizes == {f"r{number}": {size} for number in range(1, 5)}
