"""What a category may be called."""

import pytest

from offcloud_watchd.core.categories import checked_category


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
