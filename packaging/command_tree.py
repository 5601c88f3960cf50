"""The command line as plain values, read off the program's own parser, for man pages and completions.

Rules of this file:

* Nothing is told twice: names, arguments and helps are argparse's, explanations are the command modules'
  docstrings up to the rules for whoever changes them.
"""

# ruff: noqa: INP001 - scripts; a package of this name would hide the library `packaging`
from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offcloud_watchd.cli import COMMANDS, parser_for

PROGRAM: Final = "offcloud-watchd"
RULES: Final = re.compile(r"^Rules of this \w+:$")


@dataclass(frozen=True, slots=True)
class Argument:
    """One option or positional. ``flags`` is empty for a positional, ``value`` where nothing follows."""

    flags: Sequence[str]
    value: str
    repeated: bool
    choices: Sequence[str]
    help: str

    @property
    def is_path(self) -> bool:
        """Tell whether a shell should complete files here."""
        return any(word in self.value for word in ("PATH", "FILE"))

    @property
    def is_job(self) -> bool:
        """Tell whether a shell should complete job ids here."""
        return self.value == "JOB"


@dataclass(frozen=True, slots=True)
class Command:
    """One command and what it takes: ``words`` is ``("journal", "verify")``, empty for the program itself."""

    words: Sequence[str]
    summary: str
    about: Sequence[str]
    arguments: Sequence[Argument]
    children: Sequence[Command]

    @property
    def options(self) -> list[Argument]:
        """The arguments that begin with a dash."""
        return [argument for argument in self.arguments if argument.flags]

    @property
    def positionals(self) -> list[Argument]:
        """The arguments that are told by their place."""
        return [argument for argument in self.arguments if not argument.flags]


def program() -> Command:
    """Return the whole command line."""
    parser = parser_for([*COMMANDS])
    return _command(parser, (), parser.description or "")


def paragraphs(docstring: str | None) -> list[str]:
    """Return a docstring's paragraphs, without the rules for developers at its end."""
    found: list[str] = []
    for paragraph in re.split(r"\n{2,}", inspect.cleandoc(docstring or "")):
        if RULES.match(paragraph):
            break
        found.append(paragraph)
    return found


def _command(parser: argparse.ArgumentParser, words: tuple[str, ...], summary: str) -> Command:
    arguments: list[Argument] = []
    children: list[Command] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of what was declared
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            children += _children(action, words)
        else:
            arguments.append(_argument(action, parser))
    about = _about(words[0]) if len(words) == 1 else []
    return Command(words, summary, about, arguments, children)


def _children(
    action: argparse._SubParsersAction[argparse.ArgumentParser], words: tuple[str, ...]
) -> Iterator[Command]:
    for choice in action._choices_actions:  # noqa: SLF001 - the only place where argparse keeps their helps
        yield _command(action.choices[choice.dest], (*words, choice.dest), choice.help or "")


def _argument(action: argparse.Action, parser: argparse.ArgumentParser) -> Argument:
    takes_one = action.nargs != 0
    value = action.metavar or (action.dest if not action.option_strings else action.dest.upper())
    choices = [str(choice) for choice in action.choices or ()]
    return Argument(
        flags=action.option_strings,
        value=(str(value) if takes_one else ""),
        repeated=action.nargs in ("+", "*"),
        choices=choices,
        help=(action.help or "") % {"default": action.default, "prog": parser.prog},
    )


def _about(name: str) -> list[str]:
    module = importlib.import_module(COMMANDS[name].module)
    return paragraphs(module.__doc__)


def written(directory: Path, name: str, text: str) -> None:
    """Write one made file into a directory, which is made."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(text, encoding="utf-8")
