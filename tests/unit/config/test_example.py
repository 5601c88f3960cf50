"""The example and the schema say what the models say."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from offcloud_watchd.config import Config, example, json_schema, load

ROOT = Path(__file__).parents[3]


def test_the_file_in_the_repository_is_the_example() -> None:
    """Who changes a key, a default or a description writes the file anew: ``config example``."""
    assert (ROOT / "config.yaml.example").read_text(encoding="utf-8") == example()


def test_the_example_is_a_configuration_of_defaults(tmp_path: Path) -> None:
    """Every value in it is the default, but for the four that can have none."""
    path = tmp_path / "config.yaml"
    path.write_text(example())
    shown = load(path, {"HOME": "/h"})
    path.write_text("offcloud: {api_key_file: /etc/offcloud-watchd/api-key}\noutput_dir: /srv/downloads\n"
                    "folders: [{path: /srv/drop/sonarr, category: sonarr}]\n")  # fmt: skip
    assert shown.model_dump() == load(path, {"HOME": "/h"}).model_dump()


def keys(value: object, prefix: str = "") -> Iterator[str]:
    """Yield every key of a document, dotted."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from keys(inner, f"{prefix}{key}.")
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, prefix)


def test_every_key_is_in_it_with_a_word_of_why() -> None:
    """The example is complete, and no line of it is bare."""
    lines = [line for line in example().splitlines() if line and not line.startswith("#")]
    assert all(len(line.split("  # ", maxsplit=1)[1]) > 10 for line in lines)
    written = set(keys(yaml.safe_load(example().replace("  on:", '  "on":'))))
    wanted = set()
    for name, field in Config.model_fields.items():
        wanted.add(name)
        section = field.default_factory or (name == "folders" and field.annotation.__args__[0])  # type: ignore[union-attr] # a tuple of sections
        for inner, of in getattr(section, "model_fields", {}).items():
            wanted.add(f"{name}.{of.alias or inner}")
    assert wanted | {"offcloud.poll.min", "offcloud.poll.max"} == written


def test_the_schema_knows_the_keys_as_they_are_written() -> None:
    """Editors complete and check what people write: aliases, units, choices."""
    schema = json_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["required"] == ["output_dir", "folders"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["folders"]["minItems"] == 1
    folder = schema["$defs"]["Folder"]["properties"]
    assert {"settle", "rescan", "category", "output"} <= set(folder)
    assert folder["settle"] == {
        "default": "2s",
        "description": "a file is taken when it was unchanged this long",
        "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$",
        "title": "Settle",
        "type": "string",
    }
    assert folder["after"]["enum"] == ["archive", "delete"]
    assert {"type": "null"} in schema["properties"]["state_dir"]["anyOf"]
