"""Laws of safe names: whatever comes from outside."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.core.names import (
    MAX_COMPONENT_BYTES,
    MAX_DEPTH,
    MAX_PATH_BYTES,
    MAX_RELEASE_BYTES,
    arranged,
    numbered,
    release_name,
    safe_component,
    safe_path,
)

NASTY = st.sampled_from(
    [".", "..", "/", "\\", "\x00", "\u202e", "\ufeff", "-", " ", "e\u0301", "\udcff", "A", "a"]
)
TEXT = st.one_of(st.text(max_size=400), st.lists(NASTY, max_size=12).map("".join))


def assert_safe(name: str, limit_bytes: int) -> None:
    """Hold a component against everything a file system or a shell could stumble over."""
    assert 0 < len(name.encode()) <= limit_bytes
    assert name not in (".", "..")
    assert name[0] not in ".-"
    for character in name:
        assert character not in "/\\"
        assert unicodedata.category(character) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(character) not in (
            {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        )


@given(TEXT)
def test_a_component_is_safe_and_stays_as_it_is(text: str) -> None:
    """Cleaning twice changes nothing, so a resumed fetch finds its files."""
    name = safe_component(text)
    assert_safe(name, MAX_COMPONENT_BYTES)
    assert safe_component(name) == name


@given(st.lists(TEXT, max_size=50).map("/".join))
def test_a_path_cannot_leave_its_root(path: str) -> None:
    """Every part is a safe component; neither depth nor length grow without bound."""
    parts = safe_path(path)
    for part in parts:
        assert_safe(part, MAX_COMPONENT_BYTES)
    assert 1 <= len(parts) <= MAX_DEPTH
    assert len("/".join(parts).encode()) <= MAX_PATH_BYTES


@given(st.lists(st.none() | TEXT, max_size=5), st.integers(1, 10_000))
def test_a_release_name_is_safe_with_any_number(candidates: list[str | None], number: int) -> None:
    """No dot name, no working folder, within the limit also when its name is taken."""
    name = release_name(candidates)
    assert_safe(numbered(name, number), MAX_RELEASE_BYTES)
    assert not name.upper().startswith(("_UNPACK_", "_FAILED_"))


@given(st.lists(st.lists(st.one_of(NASTY, TEXT), min_size=1, max_size=4).map("/".join), max_size=12))
def test_files_of_a_release_never_meet(paths: list[str]) -> None:
    """All places are distinct ignoring case and form, and none is a folder of another."""
    laid_out = arranged(paths)
    folded = [unicodedata.normalize("NFC", "/".join(parts)).casefold() for parts in laid_out]
    assert len(set(folded)) == len(paths)
    for one in folded:
        assert not any(other.startswith(f"{one}/") for other in folded)
    for parts in laid_out:
        for part in parts:
            assert_safe(part, MAX_COMPONENT_BYTES)
