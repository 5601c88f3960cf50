"""YAML's surprises: each is named with its place, none ends the reading where it need not."""

import pytest

from offcloud_watchd.config.document import MAX_DEPTH, MAX_PROBLEMS, read_document


def problems(text: str) -> list[tuple[int, int, str]]:
    """Read a text and return its problems."""
    return [(problem.line, problem.column, problem.text) for problem in read_document(text).problems]


def test_plain_values_and_their_places() -> None:
    """Text, numbers, words and lists come out as written, each with its line and column."""
    document = read_document("a: text\nb:\n  - 5\n  - true\n  - ~\n  - -1.5\nc: {on: 'yes', d: \"0755\"}\n")
    assert document.problems == []
    assert document.value == {"a": "text", "b": [5, True, None, -1.5], "c": {"on": "yes", "d": "0755"}}
    assert document.position(("b", 1)) == (4, 5)
    assert document.key_positions["c", "on"] == (7, 5)
    assert document.position(("b", 3, "not", "there")) == (6, 5), "the nearest thing that was written"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n...\n", "\n\n"])
def test_an_empty_file_is_no_value(text: str) -> None:
    """Nothing at all is None and no problem of YAML."""
    document = read_document(text)
    assert (document.value, document.complete, document.problems) == (None, True, [])


def test_nothing_to_walk_to_is_the_beginning() -> None:
    """A place in an empty file is its first column."""
    assert read_document("").position(("output_dir",)) == (1, 1)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("on", "true or false"),
        ("No", "true or false"),
        ("0755", "leading zero"),
        ("08", "leading zero"),
        ("0x1F", "number"),
        ("1:30", "base 60"),
        ("1_000", "number"),
        ("2026-01-31", "date"),
        ("2026-01-31T10:00:00Z", "date"),
        (".inf", "number"),
        (".NaN", "number"),
        ("1e3", "number"),
        ("=", "meaning"),
    ],
)
def test_fault_110_a_surprise_is_named_once_and_spoils_its_place(value: str, word: str) -> None:
    """Fault 110: what YAML 1.1 and people read differently is refused, at its own place."""
    document = read_document(f"a:\n  b: {value}\n  c: 1\n")
    ((line, column, text),) = problems(f"a:\n  b: {value}\n  c: 1\n")
    assert (line, column) == (2, 6)
    assert word in text
    assert document.is_spoilt(("a", "b"))
    assert document.is_spoilt(("a", "b", "below"))
    assert not document.is_spoilt(("a", "c"))
    assert document.value == {"a": {"b": None, "c": 1}}


@pytest.mark.parametrize(
    "value", ["'on'", "y", '"0755"', "127.0.0.1:8697", "5GiB", "30s", "a_b", "10-11", "e5", "1.2.3"]
)
def test_quoted_or_plain_text_is_no_surprise(value: str) -> None:
    """Quotes end every doubt, and ordinary text raises none."""
    document = read_document(f"a: {value}")
    assert document.problems == []
    assert document.value == {"a": value.strip("'\"")}


def test_a_huge_number_stays_text() -> None:
    """No number is built that could cost time; whoever wants a number refuses the text."""
    assert read_document("a: " + "9" * 5000).value == {"a": "9" * 5000}


def test_fault_110_a_key_given_twice_names_both_lines() -> None:
    """Fault 110: PyYAML would let the last one win silently; here the first stays, the second is refused."""
    document = read_document("a: 1\nb: 2\na:\n  c: on\n")
    assert problems("a: 1\nb: 2\na:\n  c: on\n") == [(3, 1, "given twice; the first one is on line 1")]
    assert document.value == {"a": 1, "b": 2}


def test_fault_110_aliases_anchors_tags_and_merge_keys_are_refused() -> None:
    """Fault 110: an alias bomb is never opened, because no alias is."""
    text = "a: &x {b: 1}\nc: *x\nd: !!str 5\n<<: *x\ne: [*x, *x]\n"
    assert [(line, text.split(" (")[0]) for line, _, text in problems(text)] == [
        (1, "anchors"),
        (2, "aliases"),
        (3, "tags"),
        (4, "merge keys"),
        (5, "aliases"),
        (5, "aliases"),
    ]


def test_a_quoted_merge_sign_is_an_ordinary_key() -> None:
    """Quoted, it means nothing to YAML; the models will not know it."""
    assert read_document("'<<': 1").value == {"<<": 1}


def test_a_key_that_is_no_text_is_skipped_with_its_value() -> None:
    """Lists, mappings and aliases as keys are refused and what follows is still read."""
    document = read_document("? [a, b]\n: {c: on}\nd: 1\n")
    assert [problem.text for problem in document.problems] == ["a key must be one word of text"]
    assert document.value == {"d": 1}


def test_a_second_document_is_refused() -> None:
    """One file, one document."""
    assert problems("a: 1\n---\nb: 2\n") == [(2, 1, "a second document begins here; the file holds one")]


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, 2, "bracket"),
        ("a: 'open\n", 2, 1, "never closed"),
        ("a: {b: 1\n", 2, 1, "closing bracket"),
        ("a: b: c\n", 1, 5, "':'"),
        ("a: 1\n b: 2\n", 2, 3, "':'"),
        ("a:\n  b: 1\n c: 2\n", 3, 2, "not indented"),
        ("a\nb: 1\n", 2, 2, "':'"),
        ("a: @b\n", 1, 4, "quotes"),
        ('a: "\\q"\n', 1, 6, "escape"),
        ("a: !x!y z\n", 1, 4, "tags"),
        ("a: 1\nb: \x00\n", 2, 4, "control character"),
        ("%YAML 3.0\n---\na: 1\n", 1, 1, "not YAML"),
    ],
)
def test_text_that_is_no_yaml_is_explained_at_its_place(text: str, line: int, column: int, word: str) -> None:
    """The parser's own words become what a person can do."""
    document = read_document(text)
    assert not document.complete
    (problem,) = document.problems
    assert (problem.line, problem.column) == (line, column)
    assert word in problem.text


def test_fault_110_a_tab_is_named_and_does_not_hide_the_rest() -> None:
    """Fault 110: every tab is named, and the problems after it come out in the same run."""
    text = "# a\tcomment may hold one\na:\n\tb: on\nc:\t1\nd: 0755  #\tand here too\n"
    assert [(line, column) for line, column, _ in problems(text)] == [(3, 1), (3, 5), (4, 3), (5, 4)]
    assert read_document(text).complete


def test_a_tab_that_ruins_the_rest_is_all_that_is_said() -> None:
    """When nothing can be read behind a tab, no guesses are made about it."""
    document = read_document("a: [\n\tb: : x\n")
    assert not document.complete
    assert [(problem.line, problem.column) for problem in document.problems] == [(2, 1)]


def test_a_tab_before_a_comment() -> None:
    """Where only YAML minds it, it is YAML's problem that is told."""
    assert [(line, column) for line, column, _ in problems("a: {\n\t# comment\n}\n")] == [(2, 1)]


def test_a_tab_inside_quotes_is_text() -> None:
    """A tab that YAML can read is no problem."""
    assert read_document('a: "b\tc"').value == {"a": "b\tc"}


def test_fault_110_deep_nesting_ends_at_once() -> None:
    """Fault 110: 250,000 brackets are refused at the limit, not after seconds or with a crash."""
    document = read_document("a: " + "[" * 250_000)
    assert not document.complete
    assert document.problems[0].text == "nested too deeply"
    assert document.problems[0].column == 4 + MAX_DEPTH


def test_a_duplicate_that_is_nested_too_deeply_still_ends_the_reading() -> None:
    """The limit counts in values that are thrown away, too."""
    document = read_document("a: 1\na: " + "[" * 50)
    assert [problem.text[:5] for problem in document.problems] == ["given", "neste"]


def test_the_number_of_problems_is_bounded() -> None:
    """A file of nothing but surprises does not give a page without end."""
    assert len(read_document("[" + "on, " * 5000 + "]").problems) == MAX_PROBLEMS


def test_no_problem_repeats_a_value() -> None:
    """A secret in the wrong place does not get into a message."""
    for text in ("a: *SECRET", "a: !SECRET b", "a: 'SECRET", "a: @SECRET", "a: b: SECRET", "<<: SECRET"):
        assert "SECRET" not in str(problems(text)), text
