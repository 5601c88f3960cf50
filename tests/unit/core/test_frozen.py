"""Frozen objects that are made the quick way, or hold their members in fewer bytes, are like all others."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any

import pytest

from offcloud_watchd.core.frozen import Packed, blank, changer, freeze, maker, slim, thaw


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


@slim(seldom=("weight", "note", "sizes"))
@dataclass(frozen=True)
class Slim:
    """The same, and most have neither sizes nor a note; declared in another order than it is said above."""

    id: str
    sizes: tuple[int, ...] = ()
    kind: str = "plain"
    note: str | None = None
    weight: float = 0.0

    @property
    def count(self) -> int:
        """Something that follows from the members."""
        return len(self.sizes)


def _halve(pair: Any, whole: str) -> None:
    middle = len(whole) // 2
    pair.left_, pair.right_ = whole[:middle], whole[middle:]


@slim(whole=Packed(("left_", "right_"), _halve, lambda pair: pair.left_ + pair.right_))
@dataclass(frozen=True)
class Pair:
    """One of whose members is held in two parts."""

    whole: str
    number: int = 0


@dataclass(frozen=True)
class WithFactory:
    """One whose default is made anew for each."""

    sizes: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class WithMore:
    """One that does something when it is made."""

    id: str

    def __post_init__(self) -> None:
        """Do it."""


def test_what_is_made_is_like_any_other() -> None:
    """Equal, of the same hash and type, and frozen; what is not given has its default."""
    made = maker(Thing, "sizes", "id")((1,), "a")
    usual = Thing("a", (1,))
    assert (made, hash(made), type(made), repr(made)) == (usual, hash(usual), Thing, repr(usual))
    with pytest.raises(FrozenInstanceError):
        made.note = "x"  # type: ignore[misc] # that it cannot be is what is tested
    assert maker(Slim, "id", "kind")("a", "b") == Slim("a", kind="b")
    assert maker(Slim, "note", "id")("n", "a") == Slim("a", note="n")


CHANGES: list[dict[str, object]] = [{}, {"note": None}, {"note": "x", "sizes": ()}, {"id": "b"}]


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("cls", [Thing, Slim])
def test_what_is_changed_is_what_replace_gives(cls: type[Any], changes: dict[str, object]) -> None:
    """The old one stays as it was."""
    for old in (cls("a", (1,), note="old"), cls("a")):
        before = repr(old)
        assert changer(cls)(old, **changes) == replace(old, **changes)
        assert repr(old) == before


@pytest.mark.parametrize("cls", [Thing, Slim])
def test_what_always_changes_need_not_be_said(cls: type[Any]) -> None:
    """Unless it is to become something else."""
    change = changer(cls, note=None, sizes=(7,))
    old = cls("a", (1,), note="old")
    assert change(old) == cls("a", (7,))
    assert change(cls("a")) == cls("a", (7,))
    assert change(old, id="b", note="new", sizes=()) == cls("b", (), note="new")
    assert old == cls("a", (1,), note="old")


@pytest.mark.parametrize("cls", [Thing, Slim])
def test_who_changes_the_same_members_each_time_says_so(cls: type[Any]) -> None:
    """All of them are given then, and no others; what always changes is as everywhere."""
    change = changer(cls, "id", "note", sizes=())
    for old in (cls("a", (1,), note="old"), cls("a")):
        thawed = replace(old)
        thaw(thawed)
        assert change(old, id="b", note="new") == cls("b", (), note="new")
        assert change(old, id="b", note=None) == cls("b")
        assert change(old, id="b", note=None, sizes=(2,)) == cls("b", (2,))
        assert change(thawed, id="b", note="new") is thawed
        freeze(thawed, cls)
        assert thawed == cls("b", (), note="new")
    with pytest.raises(TypeError):
        change(cls("a"), id="b")
    with pytest.raises(TypeError):
        changer(cls, "note")(cls("a"), note=None, id="b")


def test_what_is_no_member_is_refused() -> None:
    """As ``__init__`` and ``replace`` refuse it."""
    with pytest.raises(TypeError):
        changer(Thing)(Thing("a"), size=1)
    with pytest.raises(TypeError, match="Thing is not made without id"):
        maker(Thing, "sizes")
    with pytest.raises(TypeError, match="Thing has no size"):
        changer(Thing, size=1)
    with pytest.raises(TypeError, match="Thing has no size"):
        changer(Thing, "size")
    with pytest.raises(TypeError, match="Thing has no size"):
        slim(seldom=("size",))(Thing)
    for cls in (WithFactory, WithMore):
        with pytest.raises(TypeError, match="cannot be slim"):
            slim()(cls)
    with pytest.raises(TypeError, match="Pair packs whole"):
        changer(Pair)
    with pytest.raises(TypeError, match=r"Slim\(\) missing"):
        Slim()  # type: ignore[call-arg] # that it must be given is what is tested


def test_what_is_filled_becomes_its_class() -> None:
    """By hand, as a decoder does it."""
    one = blank(Thing)()
    one.id, one.sizes, one.note = "a", (), None
    one.__class__ = Thing
    assert one == Thing("a")


@pytest.mark.parametrize("cls", [Thing, Slim])
def test_what_was_thawed_is_changed_itself_until_it_is_frozen(cls: type[Any]) -> None:
    """Before and after that a change gives another one, and nothing else sets a member."""
    one = cls("a", (1,), note="old")
    change = changer(cls, note=None)
    thaw(one)
    assert change(one, sizes=(1, 2)) is one
    assert (one.id, one.sizes, one.note, one.count) == ("a", (1, 2), None, 2)
    freeze(one, cls)
    assert (one, type(one), hash(one)) == (cls("a", (1, 2)), cls, hash(cls("a", (1, 2))))
    assert change(one, id="b") == cls("b", (1, 2))
    assert one == cls("a", (1, 2))
    with pytest.raises(FrozenInstanceError):
        one.note = "x"


ONES = [Slim("a"), Slim("a", (1,), "k", "n", 2.5), Pair("whole"), Pair("", 7)]


@pytest.mark.parametrize("one", ONES, ids=repr)
def test_who_holds_less_is_like_any_other(one: Any) -> None:
    """Its members, its copies, its text, its hash; and nothing sets a member."""
    members = {member.name: getattr(one, member.name) for member in fields(one)}
    assert (asdict(one), type(one)(**members), replace(one)) == (members, one, one)
    assert (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))) == (one, one, one)
    assert hash(type(one)(**members)) == hash(one)
    told = ", ".join(f"{name}={value!r}" for name, value in members.items())
    assert repr(one) == f"{type(one).__name__}({told})"
    for name in members:
        assert replace(one, **{name: "other"}) != one
        with pytest.raises(FrozenInstanceError):
            setattr(one, name, "other")


def test_what_hardly_any_sets_is_there_once() -> None:
    """All that set none of it share one object for it, also those that had something and lost it."""
    plain, set_once = Slim("a"), Slim("b", note="n")
    cleared = changer(Slim)(set_once, note=None)
    apart = [getattr(one, "_seldom") for one in (plain, set_once, cleared)]  # noqa: B009 - not a member
    assert apart[0] is apart[2] is not apart[1]
