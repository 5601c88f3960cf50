"""Make the completions for bash, zsh and fish from the command line's own parser.

Usage: ``python packaging/completions.py DIRECTORY``; ``make completions`` calls it.

Rules of this file:

* The scripts hold everything they need; only ids of jobs are asked of the program, when a job is wanted.
* Words come from our own parser and need no quoting but that of the help texts.
"""

# ruff: noqa: INP001 - scripts; a package of this name would hide the library `packaging`
from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from command_tree import PROGRAM, Argument, Command, program, written

FUNCTION = PROGRAM.replace("-", "_")
HEAD = f"made by packaging/completions.py from the command line of {PROGRAM}"


def main(directory: Path) -> None:
    """Write the three scripts under the names their shells look for."""
    tree = program()
    written(directory, PROGRAM, "\n".join(bash(tree)) + "\n")
    written(directory, f"_{PROGRAM}", "\n".join(zsh(tree)) + "\n")
    written(directory, f"{PROGRAM}.fish", "\n".join(fish(tree)) + "\n")


def flat(command: Command) -> Iterator[Command]:
    """Yield a command and all below it."""
    yield command
    for child in command.children:
        yield from flat(child)


# --- bash --------------------------------------------------------------------------------------------------


def bash(tree: Command) -> Iterator[str]:
    """Return the script for bash; it wants nothing of the bash-completion package."""
    yield f"# {PROGRAM}(1) for bash, {HEAD}"
    yield f"_{FUNCTION}() {{"
    yield '  local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words="" at=""'
    yield "  local index word"
    yield "  COMPREPLY=()"
    yield "  for ((index = 1; index < COMP_CWORD; index++)); do"
    yield '    word="${COMP_WORDS[index]}"'
    yield '    case "$at $word" in'
    for command in flat(tree):
        if command.words:
            # What stands left of the pattern's last blank is the command so far.
            pattern = " ".join((" ".join(command.words[:-1]), command.words[-1]))
            yield f'      "{pattern}") at="{" ".join(command.words)}" ;;'
    yield "    esac"
    yield "  done"
    yield '  case "$at $before" in'
    yield from _bash_values(tree)
    yield "  esac"
    yield '  case "$at" in'
    for command in flat(tree):
        yield from _bash_command(command)
    yield "  esac"
    yield '  COMPREPLY=($(compgen -W "$words" -- "$current") "${COMPREPLY[@]}")'
    yield "}"
    yield f"complete -o filenames -F _{FUNCTION} {PROGRAM}"


def _bash_values(tree: Command) -> Iterator[str]:
    """Complete what follows an option; where nothing can be known, nothing is offered."""
    for command in flat(tree):
        for option in command.options:
            if not option.value and not option.choices:
                continue
            pattern = " | ".join(f'"{" ".join(command.words)} {flag}"' for flag in option.flags)
            yield f"    {pattern}) {_bash_value(option)}; return ;;"


def _bash_value(argument: Argument) -> str:
    if argument.choices:
        return f'COMPREPLY=($(compgen -W "{" ".join(argument.choices)}" -- "$current"))'
    if argument.is_path:
        return 'COMPREPLY=($(compgen -f -- "$current"))'
    return "COMPREPLY=()"


def _bash_command(command: Command) -> Iterator[str]:
    words = [child.words[-1] for child in command.children]
    words += [flag for option in command.options for flag in option.flags if flag.startswith("--")]
    yield f'    "{" ".join(command.words)}")'
    yield f'      words="{" ".join(words)}"'
    if any(one.is_job for one in command.positionals):
        yield f'      words="$words $({PROGRAM} jobs 2>/dev/null | cut -f 1)"'
    if any(one.is_path for one in command.positionals):
        yield '      COMPREPLY=($(compgen -f -- "$current"))'
    yield "      ;;"


# --- zsh ---------------------------------------------------------------------------------------------------


def zsh(tree: Command) -> Iterator[str]:
    """Return the script for zsh: one function a command."""
    yield f"#compdef {PROGRAM}"
    yield f"# {PROGRAM}(1) for zsh, {HEAD}"
    yield f"_{FUNCTION}_jobs() {{"
    yield "  local -a jobs"
    yield f'  jobs=(${{(f)"$({PROGRAM} jobs 2>/dev/null | cut -f 1)"}})'
    yield "  compadd -a jobs"
    yield "}"
    for command in flat(tree):
        yield f"{_zsh_name(command.words)}() {{"
        yield from _zsh_body(command)
        yield "}"
    yield f'_{FUNCTION} "$@"'


def _zsh_name(words: Sequence[str]) -> str:
    return "_".join((f"_{FUNCTION}", *words))


def _zsh_body(command: Command) -> Iterator[str]:
    specs = [_zsh_option(option) for option in command.options]
    specs += [
        f"'{'*' if one.repeated else '1'}:{one.value}:{_zsh_value(one)}'" for one in command.positionals
    ]
    if not command.children:
        yield f"  _arguments -s {' '.join(specs)}"
        return
    yield "  local context state state_descr line; local -A opt_args"
    yield f"  _arguments -C {' '.join(specs)} '1: :->command' '*:: :->rest'"
    yield '  case "$state" in'
    yield "    command)"
    yield "      local -a commands"
    described = " ".join(_single(f"{one.words[-1]}:{one.summary}") for one in command.children)
    yield f"      commands=({described})"
    yield "      _describe command commands ;;"
    yield "    rest)"
    yield '      case "$line[1]" in'
    for child in command.children:
        yield f"        {child.words[-1]}) {_zsh_name(child.words)} ;;"
    yield "      esac ;;"
    yield "  esac"


def _zsh_option(option: Argument) -> str:
    help_text = option.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    value = f":{option.value or 'value'}:{_zsh_value(option)}" if option.value or option.choices else ""
    excludes = f"({' '.join(option.flags)})"
    one_of = [_single(f"{excludes}{flag}[{help_text}]{value}") for flag in option.flags]
    return " ".join(one_of)


def _zsh_value(argument: Argument) -> str:
    if argument.choices:
        return f"({' '.join(argument.choices)})"
    if argument.is_job:
        return f"_{FUNCTION}_jobs"
    return "_files" if argument.is_path else " "


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# --- fish --------------------------------------------------------------------------------------------------


def fish(tree: Command) -> Iterator[str]:
    """Return the script for fish."""
    yield f"# {PROGRAM}(1) for fish, {HEAD}"
    yield f"complete -c {PROGRAM} -f"
    names = " ".join(child.words[0] for child in tree.children)
    yield from _fish_command(tree, f"not __fish_seen_subcommand_from {names}")
    for command in tree.children:
        seen = f"__fish_seen_subcommand_from {command.words[0]}"
        if command.children:
            inner = " ".join(child.words[-1] for child in command.children)
            yield from _fish_command(command, f"{seen}; and not __fish_seen_subcommand_from {inner}")
        else:
            yield from _fish_command(command, seen)
        for child in command.children:
            yield from _fish_command(child, f"{seen}; and __fish_seen_subcommand_from {child.words[-1]}")


def _fish_command(command: Command, when: str) -> Iterator[str]:
    start = f"complete -c {PROGRAM} -n {_fish_quoted(when)}"
    for child in command.children:
        yield f"{start} -a {child.words[-1]} -d {_fish_quoted(child.summary)}"
    for option in command.options:
        flags = " ".join(
            f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags
        )
        yield f"{start} {flags}{_fish_value(option)} -d {_fish_quoted(option.help)}"
    for one in command.positionals:
        if one.is_job:
            yield f"{start} -a {_fish_quoted(f'({PROGRAM} jobs 2>/dev/null | cut -f 1)')}"
        elif one.is_path:
            yield f"{start} -F"
        elif one.choices:
            yield f"{start} -a {_fish_quoted(' '.join(one.choices))}"


def _fish_value(option: Argument) -> str:
    if option.choices:
        return f" -x -a {_fish_quoted(' '.join(option.choices))}"
    if not option.value:
        return ""
    return " -r -F" if option.is_path else " -x"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
