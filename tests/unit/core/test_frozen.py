"""Frozen objects that are made the quick way are like all others."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, replace

import pytest

from offcloud_watchd.core.frozen import blank, changer, freeze, maker, thaw


@dataclass(frozen=True, slots=True)
class Thing:
    """One that has what ours have."""

    id: str
    sizes: tuple[int, ...] = ()
    note: str | None = None

    @property
    def count(self) -> int:
        """Something that follows from the members."""
        return len(self.sizes)


def test_what_is_made_is_like_any_other() -> None:
    """Equal, of the same hash and type, and frozen; what is not given has its default."""
    made = maker(Thing)(id="a", sizes=(1,))
    usual = Thing("a", (1,))
    assert (made, hash(made), type(made), repr(made)) == (usual, hash(usual), Thing, repr(usual))
    with pytest.raises(FrozenInstanceError):
        made.note = "x"  # type: ignore[misc] # that it cannot be is what is tested


@pytest.mark.parametrize("changes", [{}, {"note": None}, {"note": "x", "sizes": ()}, {"id": "b"}])
def test_what_is_changed_is_what_replace_gives(changes: dict[str, object]) -> None:
    """The old one stays as it was."""
    old = Thing("a", (1,), "old")
    assert changer(Thing)(old, **changes) == replace(old, **changes)  # type: ignore[arg-type] # any of them
    assert old == Thing("a", (1,), "old")


def test_what_always_changes_need_not_be_said() -> None:
    """Unless it is to become something else."""
    change = changer(Thing, note=None, sizes=())
    old = Thing("a", (1,), "old")
    assert (change(old), change(old, id="b", note="new")) == (Thing("a"), Thing("b", (), "new"))
    assert old == Thing("a", (1,), "old")


def test_what_is_no_member_is_refused() -> None:
    """As ``__init__`` and ``replace`` refuse it."""
    with pytest.raises(TypeError):
        changer(Thing)(Thing("a"), size=1)
    with pytest.raises(TypeError):
        maker(Thing)(sizes=())
    with pytest.raises(TypeError, match="Thing has no size"):
        changer(Thing, size=1)


def test_what_is_filled_becomes_its_class() -> None:
    """By hand, as a decoder does it."""
    one = blank(Thing)()
    one.id, one.sizes, one.note = "a", (), None
    one.__class__ = Thing
    assert one == Thing("a")


def test_what_was_thawed_is_changed_itself_until_it_is_frozen() -> None:
    """Before and after that a change gives another one, and nothing else sets a member."""
    one = Thing("a", (1,), "old")
    change = changer(Thing, note=None)
    thaw(one)
    assert change(one, sizes=(1, 2)) is one
    assert (one.id, one.sizes, one.note, one.count) == ("a", (1, 2), None, 2)
    freeze(one, Thing)
    assert (one, type(one), hash(one)) == (Thing("a", (1, 2)), Thing, hash(Thing("a", (1, 2))))
    assert change(one, id="b") == Thing("b", (1, 2))
    assert one == Thing("a", (1, 2))
    with pytest.raises(FrozenInstanceError):
        one.note = "x"  # type: ignore[misc] # that it cannot be is what is tested
