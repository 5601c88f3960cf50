"""The completions, asked the way each shell asks them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from offcloud_watchd.cli import COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with all three scripts."""
    directory = tmp_path_factory.mktemp("completions")
    command = [sys.executable, str(ROOT / "packaging" / "completions.py"), str(directory)]
    subprocess.run(command, check=True, timeout=60)
    return directory


@pytest.fixture
def jobs_of(tmp_path: Path) -> str:
    """A PATH on which the program knows two jobs."""
    program = tmp_path / "offcloud-watchd"
    program.write_text(
        "#!/bin/sh\n[ \"$1\" = jobs ] && printf '40443abc\\tdone\\tx\\n77beef00\\tqueued\\ty\\n'\n"
    )
    program.chmod(0o755)
    return f"{tmp_path}:/usr/bin:/bin"


def ask(shell: str, script: str, path: str = "/usr/bin:/bin") -> list[str]:
    """Run a piece of a shell's own script; return its lines, or skip where there is no such shell."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    flags = ["-f"] if shell == "zsh" else []
    ended = subprocess.run(
        [shell, *flags, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": path, "HOME": "/nonexistent", "TERM": "dumb"},
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.split("\n")[:-1]


def bash(scripts: Path, words: str, path: str = "/usr/bin:/bin") -> set[str]:
    """Return what bash offers for the last of the words."""
    script = f"""
source {scripts}/offcloud-watchd
COMP_WORDS=(offcloud-watchd {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_offcloud_watchd
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return set(ask("bash", script, path)) - {""}


def fish(scripts: Path, line: str, path: str = "/usr/bin:/bin") -> set[str]:
    """Return what fish offers at the end of a line."""
    offered = ask(
        "fish", f"source {scripts}/offcloud-watchd.fish; complete -C 'offcloud-watchd {line}'", path
    )
    return {one.partition("\t")[0] for one in offered}


def test_bash_offers_every_command(scripts):
    """The first word is a command or an option of the program itself."""
    assert bash(scripts, "''") == {*COMMANDS, "--help", "--version", "--config"}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("stat", {"status"}),
        ("systemd ''", {"paths", "--help", "--config"}),
        ("journal verify --", {"--help", "--config", "--json"}),
        ("jobs --state d", {"done"}),
        ("--config x systemd p", {"paths"}),
        ("jobs --category ''", set()),
    ],
)
def test_bash_knows_where_it_is(scripts, words, offered):
    """What is offered fits the command so far, inner commands and values of options too."""
    assert bash(scripts, words) == offered


def test_bash_offers_files_and_jobs(scripts, tmp_path, jobs_of):
    """A path is completed as a path; a job by the ids that the program knows."""
    (tmp_path / "my.torrent").write_text("")
    assert bash(scripts, f"add {tmp_path}/my.t") == {f"{tmp_path}/my.torrent"}
    assert bash(scripts, f"--config {tmp_path}/my.t") == {f"{tmp_path}/my.torrent"}
    assert bash(scripts, "show 4", jobs_of) == {"40443abc"}


def test_fish_knows_where_it_is(scripts, jobs_of):
    """Commands, inner commands, options with their values, and jobs."""
    assert fish(scripts, "stat") == {"status"}
    assert fish(scripts, "journal v") == {"verify"}
    assert fish(scripts, "jobs --state d") == {"done"}
    assert "--json" in fish(scripts, "journal verify --")
    assert "--json" not in fish(scripts, "journal --")
    assert "40443abc" in fish(scripts, "show ", jobs_of)


def test_zsh_knows_where_it_is(scripts):
    """The functions that zsh would call describe each command to it; they are listened to here."""
    script = f"""
_describe() {{ print -l -- "${{(@P)2}}" }}
_arguments() {{ [[ "$*" == *'->command'* ]] && state=command; print -l -- "$@" }}
source <(sed '$d' {scripts}/_offcloud-watchd)
_offcloud_watchd
_offcloud_watchd_journal_verify
"""
    offered = ask("zsh", script)
    assert {line.partition(":")[0] for line in offered} >= set(COMMANDS)
    assert "(--json)--json[one object]" in offered
