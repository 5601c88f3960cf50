"""Definitions: what they say and what they check is the same."""

from __future__ import annotations

import pytest

from offcloud_watchd.web.api.schema import Anything, Flag, Many, Maybe, Number, Record, Text, Unfit, Whole

NAME = Text("a name", least=1, most=3, pattern="[a-z]+")
PAIR = Record({"name": NAME, "size": Whole(least=0, most=9)}, optional=("size",), about="a pair")

GOOD = [
    (NAME, "abc"),
    (Text(choices=("a", "b")), "b"),
    (Whole(), -1),
    (Number(), 1),
    (Number(), 1.5),
    (Flag(), False),
    (Maybe(Flag()), None),
    (Many(Flag(), least=1, most=2), [True, False]),
    (Anything(), {"any": "thing"}),
    (PAIR, {"name": "a"}),
    (PAIR, {"name": "a", "size": 9}),
]
BAD = [
    (NAME, ""),
    (NAME, "abcd"),
    (NAME, "A"),
    (NAME, "a\n"),
    (NAME, 1),
    (Text(choices=("a", "b")), "c"),
    (Whole(), 1.0),
    (Whole(), True),
    (Whole(least=0), -1),
    (Whole(most=9), 10),
    (Number(), True),
    (Number(), float("nan")),
    (Number(), "1"),
    (Flag(), 1),
    (Maybe(Flag()), 1),
    (Many(Flag()), {}),
    (Many(Flag(), least=1), []),
    (Many(Flag(), most=0), [True]),
    (Many(Flag()), [1]),
    (Anything(), []),
    (PAIR, []),
    (PAIR, {}),
    (PAIR, {"name": "a", "other": 1}),
    (PAIR, {"name": "a", "size": None}),
]


@pytest.mark.parametrize(("schema", "value"), GOOD)
def test_what_fits(schema, value):
    """Good values pass."""
    schema.check(value, "it")


@pytest.mark.parametrize(("schema", "value"), BAD)
def test_what_does_not(schema, value):
    """Bad values are told by the name of the place, which repeats nothing of the value."""
    with pytest.raises(Unfit, match=r"^it"):
        schema.check(value, "it")


def test_as_a_document():
    """What is checked is written down."""
    assert PAIR.document() == {
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 3,
                "pattern": "^(?:[a-z]+)$",
                "description": "a name",
            },
            "size": {"type": "integer", "minimum": 0, "maximum": 9},
        },
        "required": ["name"],
        "additionalProperties": False,
        "description": "a pair",
    }
    assert Many(Maybe(Number()), least=1, most=2).document() == {
        "type": "array",
        "items": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "minItems": 1,
        "maxItems": 2,
    }
    assert Text(choices=("a",)).document() == {"type": "string", "enum": ["a"]}
    assert Anything().document() == {"type": "object"}
    assert Flag("whether").document() == {"type": "boolean", "description": "whether"}
