"""Make the man pages: section 1 from the command line's parser, section 5 from the configuration's schema.

Usage: ``python packaging/man.py DIRECTORY``; ``make man`` calls it. The same tree gives the same bytes.

Rules of this file:

* What a page says stands in the program; here are only the order and the roff. Source: man(7), groff_man(7).
"""

# ruff: noqa: INP001 - scripts; a package of this name would hide the library `packaging`
from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from command_tree import PROGRAM, Argument, Command, paragraphs, program, written

from offcloud_watchd import __version__
from offcloud_watchd.cli import exits
from offcloud_watchd.config import example, json_schema
from offcloud_watchd.core import views

EXITS: Final = {
    0: "It is done.",
    exits.FAILED: "It did not work; why was said.",
    exits.USAGE: "The words of the command are wrong.",
    exits.DAMAGED: "The journal is damaged; nothing was touched.",
    exits.UNREACHABLE: "The daemon is not running and the command wanted its answer.",
    exits.LOCKED: "Another daemon holds the state.",
    exits.KEY_REFUSED: "The service refuses the API key.",
    exits.MISCONFIGURED: "The configuration is wrong.",
}
FILES: Final = {
    "/etc/offcloud-watchd/config.yaml": "the configuration, see offcloud-watchd(5)",
    "$XDG_CONFIG_HOME/offcloud-watchd/config.yaml": "a user's own, which goes before it, but never for root",
    "/etc/offcloud-watchd/api-key": "the API key, mode 0600; the units hand it over as a credential",
    "/var/lib/offcloud-watchd": "the journal and the accepted drops of the unit offcloud-watchd.service",
    "/etc/offcloud-watchd/accounts/NAME, /var/lib/offcloud-watchd/accounts/NAME": (
        "the same of the unit offcloud-watchd@NAME.service"
    ),
}
SIGNALS: Final = {
    "SIGTERM, SIGINT": "an orderly end within 20 seconds; a second SIGINT ends it at once and loses nothing",
    "SIGHUP": "read the configuration again; a wrong one is refused and the old one stays",
    "SIGUSR1": "look at every drop folder now",
}
ENVIRONMENT: Final = {
    "OFFCLOUD_WATCHD_CONFIG": "the configuration, unless --config names one",
    "CREDENTIALS_DIRECTORY": (
        "holds the API key as offcloud-api-key, or the password as offcloud-password, see systemd.exec(5)"
    ),
    "STATE_DIRECTORY, RUNTIME_DIRECTORY": "where the state and status.json lie, as a unit says it",
    "NO_COLOR": "when it is set, nothing is coloured",
}


def main(directory: Path) -> None:
    """Write every page into ``directory``."""
    tree = program()
    written(directory, f"{PROGRAM}.1", _page(f"{PROGRAM}", 1, _program_page(tree)))
    for command in tree.children:
        name = "-".join((PROGRAM, *command.words))
        written(directory, f"{name}.1", _page(name, 1, _command_page(command)))
    written(directory, f"{PROGRAM}.5", _page(PROGRAM, 5, _config_page()))


# --- pages -------------------------------------------------------------------------------------------------


def _program_page(tree: Command) -> Iterator[str]:
    yield from _heading("NAME", f"{PROGRAM} \\- drop folders for an Offcloud account")
    yield ".SH SYNOPSIS"
    yield from _synopsis(tree, "COMMAND ...")
    yield from _heading("DESCRIPTION")
    yield _text(
        "Drop a .torrent, a magnet, a link or a list of links into a folder. It is handed to your Offcloud "
        "account, waited for, fetched, checked and published into your output directory by one rename. Every "
        "step is in a journal before it is done."
    )
    yield ".SH COMMANDS"
    for command in tree.children:
        yield from _item(f"\\fB{PROGRAM}\\-{command.words[0]}\\fP(1)", command.summary)
    yield ".SH OPTIONS"
    yield from _arguments(tree.options)
    yield from _listed("SIGNALS", SIGNALS)
    yield from _listed("EXIT STATUS", {str(code): text for code, text in EXITS.items()})
    yield from _listed("ENVIRONMENT", ENVIRONMENT)
    yield from _listed("FILES", FILES)
    yield ".SH A JOB AS JSON"
    yield from _prose(paragraphs((views.__doc__ or "").partition("A job as a document::")[2]))
    yield from _heading(
        "SEE ALSO", "\\fBoffcloud\\-watchd\\fP(5), \\fBsystemctl\\fP(1), \\fBjournalctl\\fP(1)"
    )


def _command_page(command: Command) -> Iterator[str]:
    name = "\\-".join((PROGRAM.replace("-", "\\-"), *command.words))
    yield from _heading("NAME", f"{name} \\- {_text(command.summary)}")
    yield ".SH SYNOPSIS"
    for number, one in enumerate(command.children or [command]):
        if number:
            yield ".br"
        yield from _synopsis(one, "")
    yield ".SH DESCRIPTION"
    yield from _prose(_sentences(command.about))
    for one in command.children:
        yield f".SS {_text(' '.join(one.words))}"
        yield _text(_sentence(one.summary))
        yield from _arguments(one.arguments)
    if not command.children:
        yield ".SH OPTIONS"
        yield from _arguments(command.arguments)
    yield from _heading("SEE ALSO", "\\fBoffcloud\\-watchd\\fP(1), \\fBoffcloud\\-watchd\\fP(5)")


def _config_page() -> Iterator[str]:
    schema = json_schema()
    yield from _heading("NAME", f"{PROGRAM} \\- the configuration of {PROGRAM}(1), config.yaml")
    yield ".SH DESCRIPTION"
    yield _text(
        "One YAML file. It is looked for at --config, $OFFCLOUD_WATCHD_CONFIG, "
        "$XDG_CONFIG_HOME/offcloud-watchd/config.yaml (not for root), /etc/offcloud-watchd/config.yaml; the "
        "first that is there counts. Relative paths are relative to the file. Sizes are written 5GiB, 64KiB; "
        "durations 30s, 5m, 1h; rates 10MiB/s. Unknown keys, keys written twice, aliases and wrong types are "
        "refused, all at once, each with its line and column."
    )
    yield ".PP"
    yield _text("offcloud-watchd check tries the file; systemctl reload takes a changed one over.")
    for name, setting in schema["properties"].items():
        yield f".SH {_text(name.upper())}"
        yield from _setting(schema, name, setting, needed=name in schema["required"])
    yield ".SH EXAMPLE"
    yield ".nf"
    yield from map(_line, example().splitlines())
    yield ".fi"
    yield from _heading("SEE ALSO", "\\fBoffcloud\\-watchd\\fP(1), \\fBoffcloud\\-watchd\\-check\\fP(1)")


def _setting(
    schema: Mapping[str, Any], key: str, setting: Mapping[str, Any], *, needed: bool
) -> Iterator[str]:
    """Tell one key, and the keys below it, which are named with dots."""
    below = setting.get("$ref") or setting.get("items", {}).get("$ref")
    told = [_sentence(setting.get("description", ""))] if setting.get("description") else []
    told += _facts(setting, needed=needed, is_section="$ref" in setting)
    yield from _item(f"\\fB{_text(key)}\\fP", " ".join(told))
    if below is None:
        return
    section = schema["$defs"][below.rpartition("/")[2]]
    for name, inner in section["properties"].items():
        yield from _setting(schema, f"{key}.{name}", inner, needed=name in section.get("required", ()))


def _facts(setting: Mapping[str, Any], *, needed: bool, is_section: bool) -> Iterator[str]:
    if choices := setting.get("enum"):
        yield f"One of: {', '.join(choices)}."
    if "minimum" in setting:
        yield f"From {setting['minimum']} to {setting['maximum']}."
    if needed:
        yield "It must be written."
    elif not is_section and not setting.get("description", "").startswith("default:"):
        yield f"Default: {_value(setting.get('default'))}."


def _value(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


# --- roff --------------------------------------------------------------------------------------------------


def _page(name: str, section: int, lines: Iterator[str]) -> str:
    head = f'.TH {_text(name.upper())} {section} "" "{PROGRAM} {__version__}" "{PROGRAM}"'
    return "\n".join([head, *lines]) + "\n"


def _heading(name: str, *lines: str) -> Iterator[str]:
    yield f".SH {name}"
    yield from lines


def _listed(name: str, entries: Mapping[str, str]) -> Iterator[str]:
    yield f".SH {name}"
    for entry, tells in entries.items():
        yield from _item(f"\\fB{_text(entry)}\\fP", tells)


def _item(head: str, text: str) -> Iterator[str]:
    yield ".TP"
    yield head
    yield _text(text)


def _synopsis(command: Command, rest: str) -> Iterator[str]:
    parts = [f"\\fB{_text(' '.join((PROGRAM, *command.words)))}\\fP"]
    parts += [f"[{_shown(option)}]" for option in command.options if "--help" not in option.flags]
    parts += [_shown(one) + (" ..." if one.repeated else "") for one in command.positionals]
    yield " ".join([*parts, _text(rest)]).rstrip()


def _arguments(arguments: Sequence[Argument]) -> Iterator[str]:
    for argument in arguments:
        choices = f" One of: {', '.join(argument.choices)}." if argument.choices else ""
        yield from _item(_shown(argument), _sentence(argument.help) + choices)


def _shown(argument: Argument) -> str:
    flags = ", ".join(f"\\fB{_text(flag)}\\fP" for flag in argument.flags)
    return f"{flags} \\fI{_text(argument.value)}\\fP".strip() if argument.value else flags


def _sentences(about: Sequence[str]) -> list[str]:
    """Begin the first paragraph with its sentence, not with the name of the command, which the page bears."""
    first, *rest = about
    return [_sentence(re.sub(r"^``[\w-]+``: ", "", first)), *rest]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ":", "?", "!")) else ".") if text else ""


def _prose(texts: Sequence[str]) -> Iterator[str]:
    """Set paragraphs; ``::`` at the end of one sets what is indented after it as it stands."""
    for number, text in enumerate(texts):
        if number:
            yield ".PP"
        if text.startswith("    "):
            yield from (".nf", *map(_line, text.splitlines()), ".fi")
        else:
            plain = " ".join(text.split()).replace("offcloud_watchd.core.views", "offcloud-watchd(1)")
            yield _marked(re.sub(r"::$", ":", plain))


def _marked(text: str) -> str:
    """Set what stands in double backquotes in bold."""
    halves = text.split("``")
    return "".join(
        f"\\fB{_text(half)}\\fP" if place % 2 else _text(half) for place, half in enumerate(halves)
    )


def _line(text: str) -> str:
    return _text(text) or "\\&"


def _text(text: str) -> str:
    """Escape what roff would read as its own. Source: groff_char(7), groff(7) "Control characters"."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha")
    escaped = escaped.replace("~", "\\(ti").replace("`", "\\(ga")
    return "\\&" + escaped if escaped.startswith(".") else escaped


if __name__ == "__main__":
    main(Path(sys.argv[1]))
