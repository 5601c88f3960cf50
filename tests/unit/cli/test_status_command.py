"""``status`` and ``check``: what they say of a daemon that runs or does not, and of a place that is wrong."""

import errno
import io
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from rich.console import Console

from offcloud_watchd.cli import main
from offcloud_watchd.cli.check import folder_finding
from offcloud_watchd.cli.live import drawn
from offcloud_watchd.cli.status import plain
from offcloud_watchd.config import load
from offcloud_watchd.core.model import JobState
from offcloud_watchd.journal import lock_state, open_journal
from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from offcloud_watchd.watch.hints import Hints
from tests.e2e.process import KEY, Place, clean_environment
from tests.fakes.arr_tool import KEY as ARR_KEY
from tests.fakes.arr_tool import FakeTool
from tests.fakes.clock import FakeClock
from tests.fakes.engines import SECRET, Aria2Server, RcloneServer
from tests.unit.cli.place import queued

WAITING = {
    "id": "c3",
    "state": "fetching",
    "name": "C",
    "fraction": 0.5,
    "bytes_per_s": None,
    "left_s": None,
    "reason": "no room",
}

RUNNING = {
    "version": 1,
    "at": 100.0,
    "pid": 7,
    "journal_problem": "",
    "lanes": [
        {"lane": "api", "paused": True, "reason": "the key was\x1b[2J refused"},
        {"lane": "disk", "paused": False},
    ],
    "folders": [
        {"path": "/drop", "category": "tv", "watch": "events", "waiting": 2, "problem": "is not there"},
        {"path": "/more", "category": "film", "watch": "poll", "waiting": 0, "problem": ""},
    ],
    "counts": {"queued": 1, "fetching": 2},
    "active": [
        {
            "id": "a1",
            "state": "fetching",
            "name": "A \u202ename",
            "fraction": 0.5,
            "bytes_per_s": 3_000_000.0,
            "left_s": 3725.0,
            "reason": "",
        },
        {
            "id": "b2",
            "state": "queued",
            "name": "B",
            "fraction": None,
            "bytes_per_s": None,
            "left_s": None,
            "reason": "no answer",
        },
    ],
    "active_total": 5,
}


@contextmanager
def held(place: Place):
    """Hold the state as a daemon does."""
    lock = lock_state(place.state)
    try:
        yield
    finally:
        lock.release()


def begin(place: Place, *words: str, stdout: int = subprocess.PIPE, **env: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "offcloud_watchd", *words, "--config", str(place.config)],
        stdout=stdout,
        text=True,
        env=clean_environment(**env),
    )


@pytest.fixture
def sandbox():
    """A sandbox with the key of the tests."""
    with Sandbox(SandboxSettings(key=KEY)) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, sandbox) -> Place:
    """A place that is in order."""
    return Place(tmp_path, sandbox.url)


def _run(place: Place, *words: str) -> int:
    return main([*words, "--config", str(place.config)])


def test_a_reason_is_told_as_long_as_nothing_moves() -> None:
    """Why a job waited is of no interest any more while it gets on."""
    assert plain({**RUNNING, "running": True, "active": [WAITING]})[-2].endswith("C 50% (no room)")
    moving = {**WAITING, "bytes_per_s": 1_000_000.0}
    assert "no room" not in plain({**RUNNING, "running": True, "active": [moving]})[-2]


def test_a_shared_folder_is_told_with_its_hosts():
    """By which name this host is known there, and how many others live."""
    folder = {**RUNNING["folders"][1], "hosts": ["nas-1", "attic-2", "cellar-3"]}
    lines = plain({**RUNNING, "running": True, "folders": [folder]})
    assert "folder /more (film, poll): 0 waiting, shared as nas-1 beside 2 others that live" in lines


def test_plain_lines_tell_everything_and_nothing_raw():
    """Pauses, folders and jobs each have their line; control characters are escaped."""
    lines = plain({"running": True, **RUNNING})
    text = "\n".join(lines)
    assert lines[0] == "running (pid 7): 1 queued, 0 cloud, 2 fetching, 0 done, 0 failed"
    assert "lane api is paused: the key was\\x1b[2J refused" in lines
    assert "folder /drop (tv, events): 2 waiting, is not there" in lines
    assert "folder /more (film, poll): 0 waiting" in lines
    assert "50% 2.9MiB/s 1:02:05 left" in text
    assert "b2 queued   B (no answer)" in lines
    assert lines[-1] == "and 3 more"
    assert "\u202e" not in text
    assert "lane disk" not in text


def test_refused_drops_are_said():
    """Where they lie, too: nothing else of them stands in the list of jobs."""
    folder = {"path": "/drop", "category": "tv", "watch": "events", "problem": "", "waiting": 0, "refused": 2}
    said = "folder /drop (tv, events): 0 waiting, 2 refused: see failed/ in it"
    assert said in plain({"running": True, **RUNNING, "folders": [folder]})


def test_what_is_still_in_the_account_is_said():
    """Only where something is to be removed from it."""
    said = "3 finished requests are still to be removed from the account"
    assert said in plain({"running": True, **RUNNING, "to_clear": 3})
    assert said not in plain({"running": True, **RUNNING, "to_clear": 0})


def test_what_no_tool_knows_yet_is_said():
    """Only where an *arr tool is to be told of something."""
    said = "2 failures are still to be reported to an *arr tool"
    assert said in plain({"running": True, **RUNNING, "to_report": 2})
    assert said not in plain({"running": True, **RUNNING, "to_report": 0})


def test_a_journal_that_takes_nothing_is_said_first():
    """The worst news stand in the first line."""
    lines = plain({"running": True, **RUNNING, "journal_problem": "no space left"})
    assert lines[0].endswith("the journal takes nothing: no space left")


def test_down_is_told_from_the_journal(place, capsys):
    """Without a daemon the counts come from the journal, and that is no error."""
    assert _run(place, "status") == 0
    assert capsys.readouterr().out.startswith("not running: 0 queued")
    assert _run(place, "status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_a_status_file_counts_only_while_somebody_holds_the_state(place, capsys):
    """What a dead daemon left behind is not shown as alive."""
    place.state.mkdir(mode=0o700)
    (place.state / "status.json").write_text(json.dumps({**RUNNING, "pid": os.getpid()}))
    assert _run(place, "status") == 0
    assert capsys.readouterr().out.startswith("not running")
    with held(place):
        assert _run(place, "status") == 0
    assert capsys.readouterr().out.startswith(f"running (pid {os.getpid()})")


def test_a_unit_tells_it_in_its_runtime_directory(place, tmp_path, capsys):
    """No shell is told that directory: it is looked for, and what an earlier daemon left is passed over."""
    runtime = tmp_path / "run" / "offcloud-watchd"
    runtime.mkdir(parents=True)
    place.state.mkdir(mode=0o700)
    (place.state / "status.json").write_text(json.dumps({**RUNNING, "counts": {"done": 99}}))
    (runtime / "status.json").write_text(json.dumps({**RUNNING, "pid": os.getpid()}))
    with held(place):
        process = begin(place, "status", XDG_RUNTIME_DIR=str(tmp_path / "run"))
        out, _ = process.communicate(timeout=20)
    assert out.startswith(f"running (pid {os.getpid()}): 1 queued")


def test_a_daemon_that_has_not_told_yet_is_running(place, capsys):
    """Between the lock and the first status the counts come from the journal."""
    place.state.mkdir(mode=0o700)
    with held(place):
        assert _run(place, "status") == 0
        assert _run(place, "status", "--json") == 0
    line, document = capsys.readouterr().out.splitlines()
    assert line.startswith("running: 0 queued")
    assert json.loads(document) == {"running": True, "counts": dict.fromkeys(map(str, JobState), 0)}


def test_a_lock_without_a_number_is_believed(place, capsys):
    """On a full disk the daemon could not write who it is; its own status counts all the same."""
    place.state.mkdir(mode=0o700)
    (place.state / "status.json").write_text(json.dumps(RUNNING))
    with held(place):
        (place.state / "lock").write_bytes(b"")
        assert _run(place, "status") == 0
    assert capsys.readouterr().out.startswith("running (pid 7)")


def test_check_of_a_good_place(place, capsys):
    """Each thing has its line; the account's plan is told."""
    assert _run(place, "check") == 0
    out = capsys.readouterr().out
    assert "BAD" not in out
    for what in (
        "config",
        "key",
        "plan",
        f"state {place.state}",
        f"folder {place.drop}",
        f"output {place.output}",
        "clock",
    ):
        assert f"ok  {what}: " in out
    assert KEY not in out


def test_check_offline_asks_nobody(place, sandbox, capsys):
    """--offline leaves the service alone."""
    sandbox.stop()
    assert _run(place, "check", "--offline") == 0
    assert "was not asked" in capsys.readouterr().out


def test_check_of_a_refused_key_ends_with_77(place, capsys):
    """The key's own exit code, and what to do."""
    (place.root / "api-key").write_text("another-key-00000000000000000000\n")
    assert _run(place, "check") == 77
    assert "BAD key" in capsys.readouterr().out


def test_check_of_a_service_that_does_not_answer(place, sandbox, capsys):
    """An outage is neither a wrong key nor a wrong configuration."""
    sandbox.stop()
    assert _run(place, "check") == 1
    assert "BAD service" in capsys.readouterr().out


def test_check_of_a_lapsed_plan(tmp_path, capsys):
    """A free account is told before the first drop is."""
    with Sandbox(SandboxSettings(key=KEY, premium=False)) as lapsed:
        assert _run(Place(tmp_path, lapsed.url), "check", "--json") == 1
    found = {one["what"]: one["ok"] for one in json.loads(capsys.readouterr().out)}
    assert found["key"]
    assert not found["plan"]


def test_check_of_remote_accounts(tmp_path, capsys):
    """Each one that a folder names is looked up, and what there is is named."""
    with Sandbox(SandboxSettings(key=KEY, generation="classic")) as classic:
        place = Place(tmp_path, classic.url, {"route": "remote", "remote": "{account: ftp}"})
        assert _run(place, "check") == 0
        assert (
            "ok  remote account ftp: ftp sandbox (59b2e00000000000000000a2) active" in capsys.readouterr().out
        )
        place.write_config(remote="{account: dropbox}")
        assert _run(place, "check") == 1
    out = capsys.readouterr().out
    assert "BAD remote account dropbox: there is no remote account 'dropbox'; there are: googledrive" in out


def test_check_of_proxies(tmp_path, capsys):
    """Each one that a folder names is looked up, and what there is is named."""
    with Sandbox(SandboxSettings(key=KEY, generation="classic")) as classic:
        place = Place(tmp_path, classic.url, {"route": "instant", "proxy": "EU"})
        assert _run(place, "check") == 0
        assert "ok  proxy EU: Second (Germany) (58a1f0000000000000000002)" in capsys.readouterr().out
        place.write_config(proxy="Mars")
        assert _run(place, "check") == 1
    out = capsys.readouterr().out
    assert "BAD proxy Mars: there is no proxy 'Mars'; there are: Main (US) (58a1f" in out
    assert "see folders[].proxy" in out


def test_check_of_arr_tools(sandbox, tmp_path, capsys):
    """Each is asked who it is; one whose key is wrong is named with what to do."""
    with FakeTool() as tool:
        entry = f"{{name: sonarr, url: '{tool.url}', api_key_file: arr-key, categories: [tv]}}"
        place = Place(tmp_path / "arr", sandbox.url, {"arr": f"[{entry}]"})
        key_file = place.keep_secret("arr-key", ARR_KEY)
        assert _run(place, "check") == 0
        assert "ok  arr sonarr: Sonarr 4.0.9, of the categories tv" in capsys.readouterr().out
        key_file.write_text("another-key")
        assert _run(place, "check") == 1
        assert "BAD arr sonarr: sonarr (127.0.0.1): " in capsys.readouterr().out
        assert _run(place, "check", "--offline") == 0


def test_check_of_an_engine(sandbox, tmp_path, capsys):
    """It is asked who it is; what it cannot keep secret is said, and what is wrong with what to do."""
    server = Aria2Server(tmp_path / "aria2", session=True).start()
    try:
        url = server.settings().url
        aria2 = f"{{url: '{url}', secret_file: rpc-secret, paths: {{out: /mnt/out}}}}"
        place = Place(tmp_path / "place", sandbox.url, {"engine": "aria2", "engines": f"{{aria2: {aria2}}}"})
        secret_file = place.keep_secret("rpc-secret", SECRET)
        assert _run(place, "check") == 0
        said = capsys.readouterr().out
        assert "ok  engine aria2: 1." in said
        assert f"links stand in its session file ({server.session_file})" in said
        assert f"{place.output} is /mnt/out there" in said
        secret_file.write_text("another-secret")
        assert _run(place, "check") == 1
        assert "BAD engine aria2: aria2 (127.0.0.1): the secret was refused" in capsys.readouterr().out
        secret_file.chmod(0o644)
        assert _run(place, "check") == 78
        assert "engines.aria2.secret_file: " in capsys.readouterr().err
    finally:
        server.end()


def test_check_of_a_remote(sandbox, tmp_path, capsys):
    """What it can do is said, and where releases are checked by less; no directory is looked for here."""
    server = RcloneServer(tmp_path / "rclone").start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        rclone = f"{{url: '{url}', user: u, password_file: rc-pass, remote: '{server.data}'}}"
        place = Place(
            tmp_path / "place", sandbox.url, {"engine": "rclone", "engines": f"{{rclone: {rclone}}}"}
        )
        password_file = place.keep_secret("rc-pass", SECRET)
        place.output.rmdir()
        assert _run(place, "check") == 0
        said = capsys.readouterr().out
        assert "ok  engine rclone: v1." in said
        assert "releases are published by one step, checked by size alone" in said
        assert "output" not in said
        server.end()
        assert _run(place, "check") == 1
        assert "BAD engine rclone: rclone (127.0.0.1): gave no answer" in capsys.readouterr().out
        password_file.chmod(0o644)
        assert _run(place, "check") == 78
        assert "engines.rclone.password_file: " in capsys.readouterr().err
    finally:
        server.end()


def test_check_names_places_that_are_not_there(place, capsys):
    """A missing drop folder or output directory is named with what to do."""
    shutil.rmtree(place.output)
    shutil.rmtree(place.drop)
    assert _run(place, "check", "--offline") == 1
    out = capsys.readouterr().out
    assert f"BAD folder {place.drop}: is not there" in out
    assert f"BAD output {place.output}: is not there" in out


def test_check_of_a_full_disk(place, capsys):
    """Room that must stay free and is not there is told in numbers."""
    place.write_config(min_free="1000000GiB")
    assert _run(place, "check", "--offline") == 1
    assert "must stay free" in capsys.readouterr().out


def test_check_of_the_web(place, capsys):
    """Where it is and who may see it; a port that somebody else has is told, unless the daemon runs."""
    assert _run(place, "check", "--offline") == 0
    assert "ok  web: off" in capsys.readouterr().out
    place.keep_secret("web-password", "open sesame")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        place.write_config(web=f"{{listen: '{listen}', password_file: web-password}}")
        assert _run(place, "check", "--offline") == 1
        assert f"BAD web {listen}: the daemon could not listen there: Address" in capsys.readouterr().out
        place.state.mkdir(mode=0o700)
        with held(place):
            assert _run(place, "check", "--offline") == 0
        assert f"ok  web {listen}: asks for the password" in capsys.readouterr().out
    place.write_config(web=f"{{listen: '{listen}'}}")
    assert _run(place, "check", "--offline") == 0
    assert f"ok  web {listen}: free; asks for no password" in capsys.readouterr().out


def test_check_of_a_wrong_configuration(place, capsys):
    """A wrong configuration ends with 78 and names the line."""
    place.config.write_text(place.config.read_text() + "nonsense: 1\n")
    assert _run(place, "check", "--offline") == 78
    assert "nonsense" in capsys.readouterr().err
    assert _run(place, "check", "--offline", "--json") == 78
    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["what"], finding["ok"]) == ("config", False)
    assert "nonsense" in finding["says"]


def test_check_of_a_damaged_journal_ends_with_65(place, capsys):
    """What would keep the daemon from starting is found by the check before it."""
    lock = lock_state(place.state)
    journal, _ = open_journal(place.state, FakeClock())
    journal.append([queued("aaaaaaaaaaaa")])
    journal.append([queued("bbbbbbbbbbbb", key="btih:" + "b" * 40)])
    journal.close()
    lock.release()
    path = place.state / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"aaaaaaaaaaaa", b"caaaaaaaaaaa"))
    assert _run(place, "check", "--offline") == 65
    assert f"BAD state {place.state}: " in capsys.readouterr().out


def test_check_of_a_state_that_is_no_directory(place, capsys):
    """What cannot hold the journal is named."""
    place.state.write_text("")
    assert _run(place, "check", "--offline") == 1
    assert f"BAD state {place.state}: " in capsys.readouterr().out


def test_check_tells_whether_a_daemon_runs(place, capsys):
    """The state, its jobs and who holds it."""
    assert _run(place, "check", "--offline") == 0
    place.state.mkdir(mode=0o700)
    assert _run(place, "check", "--offline") == 0
    with held(place):
        assert _run(place, "check", "--offline") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ok  state")]
    assert [line.partition(": ")[2] for line in lines] == [
        "is created by the first start",
        "no daemon runs with it, 0 jobs",
        "a daemon runs with it, 0 jobs",
    ]


@pytest.mark.parametrize(
    ("watch", "says"),
    [("auto", "watched by events"), ("events", "watched by events"), ("poll", "looked at every")],
)
def test_check_tries_the_watch(place, capsys, watch, says):
    """Whether events work is tried, not hoped."""
    place.config.write_text(re.sub(r"watch: \w+", f"watch: {watch}", place.config.read_text()))
    assert f"watch: {watch}" in place.config.read_text()
    assert _run(place, "check", "--offline") == 0
    assert says in capsys.readouterr().out


def test_check_of_a_file_system_without_events(place, capsys):
    """Such a folder is looked at by the clock, and that is said."""
    folder = load(place.config, {}).folders[0]
    real_path = os.path.realpath(folder.path)
    found = folder_finding(folder, f"1 1 0:1 / {real_path} rw - nfs4 server:/x rw\n", Hints())
    assert (found.ok, "on nfs4, which tells of no changes: looked at every" in found.says) == (True, True)


def test_check_of_a_shared_folder_says_what_it_takes(place, capsys):
    """Of the file system, of the settings of the others, and what a dead host leaves."""
    place.config.write_text(re.sub(r"shared: \w+", "shared: true", place.config.read_text()))
    assert _run(place, "check", "--offline") == 0
    said = capsys.readouterr().out
    assert all(
        word in said for word in ("nocto", "same lease", "same account", "leaves what lies in its taken")
    )


@pytest.mark.parametrize(("watch", "ok"), [("auto", True), ("events", False)])
def test_check_of_a_kernel_out_of_watches(place, watch, ok):
    """With auto the clock takes over; who asked for events is told what to raise."""

    class Full(Hints):
        def ensure(self, *_: object) -> bool:
            raise OSError(errno.ENOSPC, "No space left on device")

    place.config.write_text(re.sub(r"watch: \w+", f"watch: {watch}", place.config.read_text()))
    folder = load(place.config, {}).folders[0]
    found = folder_finding(folder, "", Full())
    assert (found.ok, found.code) == (ok, 0 if ok else 1)
    assert "raise fs.inotify.max_user_watches" in found.says


def test_a_watch_ends_with_ctrl_c(place):
    """Into a pipe the lines come again when they change; Ctrl-C is how it ends, and no error."""
    process = begin(place, "status", "--watch")
    assert process.stdout.readline().startswith("not running: 0 queued")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    process.stdout.close()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_table_fits_its_terminal(width):
    """On every width the names are there, no line is longer, and no more rows than the screen has."""
    job = {**RUNNING["active"][0], "name": "Some.Name"}
    seen = {**RUNNING, "running": True, "active": [job] * 30, "active_total": 50}
    console = Console(width=width, height=20, file=io.StringIO(), color_system=None)
    console.print(drawn(seen, width, 20))
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= width
    shown = sum("Some.N" in line for line in lines)
    assert shown >= 10
    assert lines[-1].rstrip() == f"and {50 - shown} more"
    assert any("50%" in line for line in lines)


def test_a_table_of_nothing_and_of_what_is_not_known():
    """No jobs, no table; a job whose progress nobody tells has no bar."""
    console = Console(width=120, height=20, file=io.StringIO(), color_system=None)
    console.print(drawn({"running": False, "counts": {}}, 120, 20))
    assert console.file.getvalue().strip() == "not running: 0 queued, 0 cloud, 0 fetching, 0 done, 0 failed"
    console.print(
        drawn({**RUNNING, "running": True, "active": RUNNING["active"][1:], "active_total": 1}, 120, 20)
    )
    assert "━" not in console.file.getvalue()


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_a_watch_on_a_terminal(place, term):
    """A terminal shows how things are, also one that cannot be drawn on."""
    leader, follower = pty.openpty()
    process = begin(place, "status", "--watch", stdout=follower, TERM=term)
    os.close(follower)
    shown = b""
    while b"not running: 0 queued" not in shown:
        shown += os.read(leader, 4096)
    process.send_signal(signal.SIGINT)
    with suppress(OSError):  # the other end is closed
        while os.read(leader, 4096):
            pass
    assert process.wait(20) == 0
    os.close(leader)
