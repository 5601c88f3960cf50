"""Laws of the configuration: whatever the bytes are, the answer is settings or problems with a place."""

import re
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from offcloud_watchd.config import load
from offcloud_watchd.config.document import read_document
from offcloud_watchd.config.units import DURATIONS, SIZES, parse_duration, parse_rate, parse_size
from offcloud_watchd.errors import ConfigError

FRAGMENTS = (
    *("offcloud", "output_dir", "folders", "path", "fetch", "on", "0755", "1:30", "5GiB", "30s", "null", "~"),
    *("true", "/srv/a", "'", '"', ": ", ":", "- ", "\n", "\n  ", "\n    ", "\t", "{", "}", "[", "]", ", "),
    *("*a ", "&a ", "!x ", "<<: ", "? ", "| \n", "> \n", "#", "---\n", "...\n", "%YAML 1.1\n"),
    *("\0", "\u202e", "\ud800", "é"),
)
LINE = re.compile(r"config\.yaml(:[1-9][0-9]*:[1-9][0-9]*)?: .+")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)))
def test_any_bytes_give_settings_or_problems(content: bytes | str) -> None:
    """Nothing but ConfigError is ever raised, and each of its lines is one line with a place."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "config.yaml")
        path.write_bytes(data)
        try:
            load(path, {"HOME": "/h"})
        except ConfigError as error:
            assert error.problems
            for problem in error.problems:
                assert LINE.fullmatch(problem), problem


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join))
def test_every_place_is_in_the_text(text: str) -> None:
    """A line and a column that are named exist, give or take the end of the text."""
    document = read_document(text)
    rows = [len(row) for row in re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)]
    for problem in document.problems:
        assert 1 <= problem.line <= len(rows) + 1
        assert 1 <= problem.column <= max(rows) + 2


AMOUNTS = st.integers(0, 9999)


@given(AMOUNTS, st.sampled_from(sorted(SIZES)))
def test_sizes_and_rates_are_amount_times_unit(amount: int, unit: str) -> None:
    """What is written is what is meant, to the byte."""
    assert parse_size(f"{amount}{unit}") == amount * SIZES[unit]
    if amount:
        assert parse_rate(f"{amount}{unit}/s") == amount * SIZES[unit]


@given(st.integers(0, 400), st.sampled_from(sorted(DURATIONS)))
def test_durations_are_amount_times_unit(amount: int, unit: str) -> None:
    """The same for time."""
    assert parse_duration(f"{amount}{unit}") == amount * DURATIONS[unit]


@given(
    st.one_of(
        st.text(max_size=12), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())
    )
)
def test_anything_else_is_refused_with_a_sentence(value: object) -> None:
    """No value of any type gets through half understood."""
    for parse in (parse_size, parse_rate, parse_duration):
        try:
            number = parse(value)
        except ValueError as error:
            assert str(error).startswith(("must be", "is l", "is t"))
        else:
            assert value == 0 or re.fullmatch(r"[0-9.]+[A-Za-z]+(/s)?", str(value))
            assert number >= 0
