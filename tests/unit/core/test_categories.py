"""What a category may be called, and which are known by name."""

import pytest

from offcloud_watchd.core.categories import (
    MAX_CATEGORIES,
    checked_category,
    checked_nested_category,
    heed,
    renamed,
)
from offcloud_watchd.core.events import CategoryDropped, CategoryMade
from offcloud_watchd.core.model import Naming


@pytest.mark.parametrize("name", ["tv", "TV shows", "séries", "x" * 100])
def test_what_can_name_a_directory(name: str) -> None:
    """Free text, as it is."""
    assert checked_category(name) == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "empty"),
        (" tv", "space"),
        (".tv", "dot"),
        ("a/b", "/"),
        ("a\nb", "control"),
        ("a\u202eb", "control"),
        ("é" * 51, "bytes"),
    ],
)
def test_what_cannot(name: str, rule: str) -> None:
    """The rule it breaks is named."""
    with pytest.raises(ValueError, match=rule):
        checked_category(name)


@pytest.mark.parametrize("name", ["tv", "tv/4k", "a/b/c", "Größe, 4K"])
def test_one_in_the_other(name: str) -> None:
    """A slash parts directories."""
    assert checked_nested_category(name) == name


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "a/../b", "a/.b", "a/ b", "x" * 60 + "/" + "x" * 60]
)
def test_each_part_must_name_a_directory(name: str) -> None:
    """No part may lead elsewhere, and all together are as long as one may be."""
    with pytest.raises(ValueError, match="category"):
        checked_nested_category(name)


def test_a_name_is_made_and_dropped_once() -> None:
    """What is known already, or not known, needs no record; there is a bound."""
    known = frozenset({"tv"})
    made = heed(Naming("film"), known, 5.0)
    assert made == CategoryMade("film", 5.0)
    assert renamed(known, made) == {"tv", "film"}
    assert heed(Naming("tv"), known, 5.0) is None
    dropped = heed(Naming("tv", drop=True), known, 5.0)
    assert dropped == CategoryDropped("tv", 5.0)
    assert renamed(known, dropped) == frozenset()
    assert heed(Naming("film", drop=True), known, 5.0) is None
    assert heed(Naming("one more"), frozenset(map(str, range(MAX_CATEGORIES))), 5.0) is None
