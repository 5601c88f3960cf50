"""The commented example and the JSON Schema, both made from the models, so that they cannot drift."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from offcloud_watchd.config.problems import model_in
from offcloud_watchd.config.settings import Config

COMMENT_COLUMN: Final = 40

SAMPLES: Final = {
    "offcloud.api_key_file": "/etc/offcloud-watchd/api-key",
    "output_dir": "/srv/downloads",
    "folders.path": "/srv/drop/sonarr",
    "folders.category": "sonarr",
}
"""What has no default that would help: written out in the example."""

_HEAD: Final = """\
# offcloud-watchd: every key, with its default.
# Sizes are written 5GiB, durations 30s, rates 10MiB/s. Relative paths are relative to this file.
# Check it with: offcloud-watchd check
"""


def example() -> str:
    """Return the example file: every key, its default, one line of why."""
    return _HEAD + "".join(f"{text}\n" for text in _section(Config, "", 0))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def _section(model: type[BaseModel], prefix: str, depth: int) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = field.alias or name
        pattern = f"{prefix}{key}"
        inner = model_in(field.annotation)
        if depth == 0:
            yield ""
        if pattern == "folders" and inner is not None:
            yield _line(0, "folders:", field.description or "")
            lines = list(_section(inner, "folders.", 2))
            yield "  - " + lines[0].lstrip()
            yield from lines[1:]
        elif inner is not None and field.default_factory is not None:
            yield _line(depth, f"{key}:", field.description or "")
            yield from _section(inner, f"{pattern}.", depth + 1)
        else:
            value = SAMPLES.get(pattern, field.get_default(call_default_factory=True))
            yield _line(depth, f"{key}: {_written(value, pattern)}", _comment(field))


def _line(depth: int, text: str, comment: str) -> str:
    return f"{'  ' * depth + text:<{COMMENT_COLUMN - 2}}  # {comment}"


def _written(value: object, pattern: str) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_written(item, pattern) for item in value) + "]"
    if isinstance(value, str):
        # Modes are digits and must stay text.
        return f'"{value}"' if value.isdecimal() else value
    return json.dumps(value)


def _comment(field: FieldInfo) -> str:
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    return f"{' | '.join(choices)}; {field.description}" if choices else field.description or ""
