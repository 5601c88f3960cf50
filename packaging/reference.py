"""Make docs/configuration.md from the configuration's schema; a test holds the two equal.

Usage: ``python packaging/reference.py docs/configuration.md``; ``make reference`` calls it. What is written by
hand stands in ``NOTES``.
"""

# ruff: noqa: INP001, E501 - a script, and a page of prose
from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from offcloud_watchd.config import json_schema

_HEAD: Final = """\
# Configuration

<!-- Made by `make reference` from the schema: change the descriptions there. -->

One YAML file: `--config PATH`, else `$OFFCLOUD_WATCHD_CONFIG`, else `$XDG_CONFIG_HOME/offcloud-watchd/config.yaml` (not
for root), else `/etc/offcloud-watchd/config.yaml`. Two things must be in it: where releases go (`output_dir`) and one
drop folder (`folders`). `offcloud-watchd config example` prints every key with its default, `config schema` a JSON Schema
for editors. Relative paths are relative to the file, `~/` is your home directory.

Sizes are written `5GiB`, `64KiB`; durations `30s`, `5m`, `1h`; rates `10MiB/s`. What is wrong is refused before anything
is begun, all of it at once, each with its place:

```
config.yaml:4:5: folders[0].watches: unknown key; did you mean watch?
config.yaml:6:13: fetch.min_free: must be a size with its unit (B, KiB, MiB, GiB, TiB), such as 5GiB
```

`offcloud-watchd check` tries the file and all it names. A changed file is taken up by `systemctl reload` (or SIGHUP): a
wrong one is refused and the old one stays. `state_dir` cannot change in a reload.
"""

NOTES: Final[Mapping[str, str]] = {
    "offcloud": "How the service is spoken to, call by call: [offcloud.md](offcloud.md).",
    "folders": "What a drop may be, and what becomes of it: [folders.md](folders.md). No drop folder may lie inside an "
    "output directory or the state directory, nor the other way round.",
    "fetch": "How files come home, and what globs mean: [fetch.md](fetch.md).",
    "web": "Who is let in, and how it is bounded: [security.md](security.md). The figures: [metrics.md](metrics.md). "
    "Programs that take it for another: [arr.md](arr.md).",
    "engines": "How each is set up, and what it cannot promise: [engines.md](engines.md).",
    "arr": "What each is told, and when: [arr.md](arr.md).",
    "notify": "Who is told what, and how often: [messages.md](messages.md).",
}

_PATTERNS: Final = (
    ("/s$", "rate"),
    ("[KMGT]iB)$", "size"),
    ("ms|s|m|h|d", "duration"),
    ("[0-7]{3,4}", "mode, in quotes"),
    ("[01][0-9]", "time of day, in quotes"),
    ("^/", "absolute path, arguments"),
    ("A-Za-z_", "name of a variable"),
)
_KINDS: Final = {"string": "text", "boolean": "true or false", "integer": "number", "object": "mapping"}


def reference() -> str:
    """Return the whole page."""
    schema = json_schema()
    every = schema["properties"].items()
    plain = {name: one for name, one in every if _below(one) is None}
    lines = ["## Places and others", "", *_table(schema, plain, "", schema["required"])]
    for name, setting in every:
        if _below(setting) is not None:
            lines += ["", *_section(schema, name, setting)]
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def _section(schema: Mapping[str, Any], name: str, setting: Mapping[str, Any]) -> Iterator[str]:
    section = schema["$defs"][_below(setting)]
    is_list = setting.get("type") == "array"
    yield f"## {name}{'[]' if is_list else ''}"
    yield ""
    about = section.get("description") or setting.get("description", "")
    yield f"{about} {NOTES.get(name, '')}".strip()
    yield ""
    yield from _table(
        schema, section["properties"], f"{name}[]." if is_list else f"{name}.", section.get("required", ())
    )


def _table(
    schema: Mapping[str, Any], settings: Mapping[str, Any], prefix: str, required: list[str] | tuple[str, ...]
) -> Iterator[str]:
    yield "| key | value | default | what it is for |"
    yield "|---|---|---|---|"
    yield from _rows(schema, settings, prefix, required)


def _rows(
    schema: Mapping[str, Any], settings: Mapping[str, Any], prefix: str, required: list[str] | tuple[str, ...]
) -> Iterator[str]:
    for name, setting in settings.items():
        key = prefix + name
        below = _below(setting)
        if below is not None and "$ref" in setting:
            section = schema["$defs"][below]
            yield from _rows(schema, section["properties"], f"{key}.", section.get("required", ()))
            continue
        default = "**must be written**" if name in required else f"`{_value(setting.get('default'))}`"
        what = setting.get("description", "")
        if what.startswith("default:"):
            default, _, what = what.removeprefix("default:").strip().partition("; ")
        yield f"| `{key}` | {_kind(key, setting)} | {_cell(default)} | {_cell(what)} |"


def _kind(key: str, setting: Mapping[str, Any]) -> str:
    if key.endswith(("_dir", "_file", ".path", ".output")):
        return "path"
    if choices := setting.get("enum"):
        return " \\| ".join(f"`{one}`" for one in choices)
    for one in (setting, *setting.get("anyOf", ())):
        if pattern := one.get("pattern"):
            return next((kind for sign, kind in _PATTERNS if sign in pattern), "text")
    if setting.get("type") == "array":
        inner = setting["items"].get("enum")
        return f"list of {', '.join(f'`{one}`' for one in inner)}" if inner else "list"
    if "minimum" in setting:
        return f"{setting['minimum']} to {setting['maximum']}"
    kinds = [one.get("type", "mapping") for one in (setting, *setting.get("anyOf", ())) if "anyOf" not in one]
    return " or ".join(_KINDS.get(kind, kind) for kind in kinds if kind != "null")


def _below(setting: Mapping[str, Any]) -> str | None:
    reference = setting.get("$ref") or setting.get("items", {}).get("$ref")
    return None if reference is None else str(reference).rpartition("/")[2]


def _value(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" not in text else text.replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference())
