"""Every command ends with a sentence and the right exit code, whatever the world does."""

import argparse
import contextlib
import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from offcloud_watchd import __version__
from offcloud_watchd.cli import COMMANDS, carry_out, main
from offcloud_watchd.cli.exits import CommandFailed
from offcloud_watchd.errors import Blocked, ConfigError, JournalDamaged, StateLocked, Transient
from offcloud_watchd.journal import lock_state
from tests.unit.cli.place import Place, published, queued

ROOT = Path(__file__).parents[3]


def process(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Run the program as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "offcloud_watchd", *words],
        check=False,
        capture_output="stdout" not in more,
        text=True,
        cwd=ROOT,
        **more,  # type: ignore[call-overload] # as given
    )


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """What there is can be found out, and asking is no error."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command can be loaded and declares what it takes."""
    assert main([name, "--help"]) == 0
    assert f"offcloud-watchd {name}" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is one line."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"offcloud-watchd {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [[], ["dance"], ["jobs", "--dance"], ["show"], ["jobs", "--state", "lost"], ["--conf", "x", "jobs"]],
)
def test_wrong_usage_is_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage is 2 and says how it is used."""
    assert main(words) == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["statsu"], "did you mean status?"),
        (["journal", "verif"], "did you mean verify?"),
        (["jobs", "--state", "don"], "did you mean done?"),
        (["jobs", "--stat\x1b"], "usage: offcloud-watchd jobs"),
        (["jobs", "--stat\x1b"], "this is not taken here: --stat\\x1b"),
        (["jobs", "extra"], "this is not taken here: extra"),
        (["sandbox", "--listen", "x"], "is not an address to listen on"),
    ],
)
def test_wrong_usage_is_answered_with_what_was_meant(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The usage of the command that was called, and the nearest valid word."""
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert hint in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("words", [["journal", "verify"], ["config", "example"], ["config", "schema"]])
def test_the_configuration_may_be_named_at_the_very_end(place: Place, words: list[str]) -> None:
    """Also behind the inner word of a command."""
    place.record([queued("aaaaaaaaaaaa")])
    assert main([*words, "--config", str(place.config)]) == 0


def test_a_taken_address_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The sandbox has no configuration that could be wrong."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["sandbox", "--listen", f"127.0.0.1:{taken.getsockname()[1]}"]) == 1
    assert "cannot listen on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "absent", "code"),
    [
        (["run"], ["rich", "offcloud_watchd.sandbox", "asyncio", "starlette", "uvicorn"], 75),
        (["jobs"], ["rich", "requests", "watchdog"], 0),
        (["show", "aaaaaaaaaaaa"], ["rich", "requests", "watchdog"], 0),
        (["status"], ["rich", "requests", "watchdog"], 0),
        (["add", "nonsense"], ["rich", "requests"], 1),
        (["check", "--offline"], ["rich", "offcloud_watchd.sandbox"], 1),
    ],
)
def test_a_command_loads_no_more_than_it_needs(
    place: Place, words: list[str], absent: list[str], code: int
) -> None:
    """What is not imported costs neither time nor memory."""
    place.record([queued("aaaaaaaaaaaa")])
    lock = lock_state(place.state)  # `run` imports everything, then finds the state held
    program = (
        "import sys; from offcloud_watchd.cli import main; "
        f"code = main({[*words, '--config', str(place.config)]!r}); "
        f"print([name for name in {absent!r} if name in sys.modules], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "KEY": "k" * 32},
    )
    lock.release()
    assert done.stdout.splitlines()[-1] == f"[] {code}"


def test_a_wrong_configuration_is_78_and_names_every_problem(place: Place) -> None:
    """Each problem is a line on standard error, the file's whole path the last one."""
    place.config.write_text("outputdir: x\nfolders: [{path: on}]\n")
    ended = place.run("jobs")
    assert (ended.code, ended.out) == (78, "")
    *problems, where = ended.err.splitlines()
    assert [problem[: problem.index(" ", 40)] for problem in problems] == [
        "offcloud-watchd: config.yaml:1:1: output_dir:",
        "offcloud-watchd: config.yaml:1:1: outputdir:",
        "offcloud-watchd: config.yaml:2:18: folders[0].path:",
    ]
    assert where == f"offcloud-watchd: read from {place.config}"


def test_the_configuration_may_be_named_on_either_side(place: Place) -> None:
    """``--config`` before the command or after it; the later one wins."""
    place.record([queued("aaaaaaaaaaaa")])
    assert main(["jobs", "--config", str(place.config)]) == 0
    assert "aaaaaaaaaaaa" in place.capture.readouterr().out
    assert main(["--config", "/absent", "jobs", "--config", str(place.config)]) == 0


def test_the_configuration_may_be_named_by_the_environment(place: Place) -> None:
    """The commands look where the daemon looks."""
    place.record([queued("aaaaaaaaaaaa")])
    done = process("jobs", env={**os.environ, "OFFCLOUD_WATCHD_CONFIG": str(place.config)})
    assert "aaaaaaaaaaaa" in done.stdout


def test_a_damaged_journal_is_65(place: Place) -> None:
    """What is damaged is said and nothing is touched."""
    place.record([queued("aaaaaaaaaaaa")])
    place.record(published("aaaaaaaaaaaa"))
    journal = place.state / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"A.Name", b"B.Name", 1))
    before = journal.read_bytes()
    ended = place.run("jobs")
    assert ended.code == 65
    assert "journal.jsonl" in ended.err
    assert journal.read_bytes() == before


def test_a_held_state_is_75(place: Place) -> None:
    """A second daemon does not start."""
    place.config.write_text(place.config.read_text().replace("{api_key_env: KEY}", "{api_key_env: HOME}"))
    lock = lock_state(place.state)
    ended = process("--config", str(place.config), "run")
    lock.release()
    assert ended.returncode == 75
    assert "holds the state directory" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandFailed("why"), 1),
        (CommandFailed("why", 69), 69),
        (ConfigError(["why"]), 78),
        (StateLocked("why"), 75),
        (JournalDamaged("why"), 65),
        (Blocked("api", "why", key_refused=True), 77),
        (Blocked("api", "why"), 1),
        (Transient("why"), 1),
        (OSError("why"), 1),
        (OSError(5, "why"), 1),
    ],
)
def test_each_error_has_its_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code is the contract's, and one sentence says why."""

    def fail(_arguments: argparse.Namespace) -> int:
        raise error

    assert carry_out(argparse.Namespace(command_main=fail)) == code
    said = "the system refused" if error.args == ("why",) and isinstance(error, OSError) else "why"
    assert capsys.readouterr() == ("", f"offcloud-watchd: {said}\n")


def test_an_interrupted_command_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C says nothing."""

    def interrupted(_arguments: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert carry_out(argparse.Namespace(command_main=interrupted)) == 130
    assert capsys.readouterr() == ("", "")


def test_a_bug_is_not_hidden() -> None:
    """What is nobody's error but ours keeps its traceback."""

    def wrong(_arguments: argparse.Namespace) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        carry_out(argparse.Namespace(command_main=wrong))


def test_what_the_system_refuses_is_1_with_one_sentence(place: Place) -> None:
    """An unexpected refusal of the system is said with its path, without a traceback."""
    place.state.write_text("this is no directory")
    ended = place.run("jobs")
    assert ended.code == 1
    assert ended.err == f"offcloud-watchd: Not a directory: {place.state}/journal.jsonl\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_read_the_state_is_told_what_to_do(place: Place) -> None:
    """Another user's state cannot be read; the remedy is named."""
    place.record([queued("aaaaaaaaaaaa")])
    place.root.chmod(0o755)
    for directory in list(place.root.parents)[:2]:
        directory.chmod(0o755)
    program = (
        "import os, sys; from offcloud_watchd.cli import main; "
        f"words = ['--config', {str(place.config)!r}, 'jobs']; "
        "main(words); os.setuid(65534); sys.exit(main(words))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert ended.returncode == 1
    said = ended.stderr.splitlines()[0]  # under coverage, its own complaint about the same rights follows
    assert said.startswith("offcloud-watchd: Permission denied: ")
    assert said.endswith("; run this as the daemon's user")


def test_closed_streams_are_no_error(place: Place) -> None:
    """Without standard output and standard error a command does its work all the same."""
    place.record([queued("aaaaaaaaaaaa")])
    words = [sys.executable, "-m", "offcloud_watchd", "--config", str(place.config), "cancel", "aaaaaaaaaaaa"]
    ended = subprocess.run(["/bin/sh", "-c", '"$@" >&- 2>&-', "sh", *words], check=False, cwd=ROOT)
    assert ended.returncode == 0
    assert len(place.commands()) == 1


def test_a_reader_that_has_seen_enough_is_no_error(place: Place) -> None:
    """``jobs | head`` ends quietly."""
    place.record([queued(f"{number:012x}", f"btih:{number:040x}") for number in range(300)])
    reading, writing = os.pipe()
    os.close(reading)
    done = process("--config", str(place.config), "jobs", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_device_is_said(place: Place) -> None:
    """A result that could not be written is no success."""
    place.record([queued("aaaaaaaaaaaa")])
    with Path("/dev/full").open("w", encoding="ascii") as full:
        done = process("--config", str(place.config), "jobs", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr


def test_light_commands_stay_light(place: Place) -> None:
    """``jobs`` imports neither the HTTP client nor the watcher nor the tables it does not show."""
    program = (
        "import sys; from offcloud_watchd.cli import main; "
        f"code = main(['--config', {str(place.config)!r}, 'jobs']); "
        "print(code, sorted({'requests', 'watchdog', 'tenacity', 'urllib3', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "0 []\n"


def test_output_may_go_into_a_plain_buffer(place: Place) -> None:
    """Who embeds the commands may catch what they print."""
    with contextlib.redirect_stdout(io.StringIO()) as caught:
        assert main(["--config", str(place.config), "config", "example"]) == 0
    assert caught.getvalue().startswith("# offcloud-watchd")


def test_a_terminal_that_is_not_utf_8_gets_escapes(place: Place) -> None:
    """No name can end a command with an encoding error."""
    place.record([queued("aaaaaaaaaaaa", name="Amélie ☃")])
    done = process("--config", str(place.config), "jobs", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert "Am\\xe9lie \\u2603" in done.stdout
