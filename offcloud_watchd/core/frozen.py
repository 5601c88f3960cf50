"""Frozen objects that take a fraction of the time, and less of the memory, that ``dataclasses`` gives them.

Time: ``__init__`` of a frozen dataclass sets each member by a call, and ``dataclasses.replace`` looks all of
them up first: for a job that is 2.5 and 5 µs, and a start makes hundreds of thousands of jobs. What is made
here goes another way and comes to the same: it is filled while it belongs to a class of the same layout that
is not frozen, and then is given its own. Who alone has an object may give it that other class once more
(``thaw``), and it is changed itself until it has its own again.

Memory: a daemon keeps every job it ever had. ``slim`` lets a class hold its members in fewer bytes than it
shows them: those that hardly any object sets in an object apart, which all others share, and one that mostly
follows from others (an address from its hash and name) only by what does not follow (``Packed``). Whoever
makes, reads, compares or replaces such an object sees a frozen dataclass like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from operator import attrgetter
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_SAME: Final = object()
_LAYOUT: Final = "__layout__"


@dataclass(frozen=True, slots=True)
class Packed:
    """A member that is held as something smaller, under other names (``places``).

    ``pack`` is given an object all of whose plain members are set, and the value: it sets the places.
    ``unpack`` is given the object and returns the value, exactly.
    """

    places: tuple[str, ...]
    pack: Callable[[Any, Any], None]
    unpack: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the members of a class are: with places of their own, packed, or in an object apart."""

    own: tuple[str, ...]
    packed: Mapping[str, Packed]
    seldom: tuple[str, ...] = ()
    usual: Any = None
    apart: Callable[..., Any] | None = None

    @property
    def slots(self) -> tuple[str, ...]:
        held = (place for one in self.packed.values() for place in one.places)
        return (*self.own, *held, *(("_seldom",) if self.seldom else ()))


# --- classes that hold less ---------------------------------------------------------------------------------


def slim(*, seldom: Sequence[str] = (), **packed: Packed) -> Callable[[type[T]], type[T]]:
    """Return what makes a frozen dataclass without ancestors hold its members in fewer bytes.

    ``seldom`` names members that hardly any object sets to anything but their defaults; every read of one
    takes a little longer, and what is equal to a default is shown as the default. ``packed`` tells of others
    how they are held. The class has no ``__post_init__``, no factory of defaults and no heirs.
    """

    def slimmed(cls: type[T]) -> type[T]:
        names = [one.name for one in _members(cls)]
        if unknown := {*seldom, *packed} - set(names):
            raise TypeError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
        made_by_factory = any(one.default_factory is not MISSING for one in _members(cls))
        if made_by_factory or hasattr(cls, "__post_init__"):
            raise TypeError(f"{cls.__name__} is more than its members: it cannot be slim")
        own = tuple(name for name in names if name not in seldom and name not in packed)
        layout = _Layout(own, packed, tuple(seldom), *(_apart(cls, seldom) if seldom else ()))
        left_out = {*names, "__init__", "__dict__", "__weakref__"}
        kept = {name: one for name, one in vars(cls).items() if name not in left_out}
        shown = {name: property(one.unpack) for name, one in packed.items()}
        shown |= {name: property(attrgetter(f"_seldom.{name}")) for name in seldom}
        made = type(cls.__name__, (), {**kept, **shown, "__slots__": layout.slots, _LAYOUT: layout})
        made.__qualname__ = cls.__qualname__
        made.__new__ = _constructor(made)  # type: ignore[assignment,method-assign] # it makes one
        made.__reduce__ = functools.partialmethod(_remade, names)  # type: ignore[assignment,method-assign] # as above
        return cast("type[T]", made)

    return slimmed


def _remade(one: object, names: Sequence[str]) -> tuple[type, tuple[object, ...]]:
    """Say how a copy is made: anew, of its members."""
    return type(one), tuple(getattr(one, name) for name in names)


def _apart(cls: type, names: Sequence[str]) -> tuple[object, Callable[..., object]]:
    """Return the one object with the defaults of some members, and what returns it or makes another."""
    defaults = {one.name: one.default for one in _members(cls)}
    holder = type(f"Seldom{cls.__name__}", (), {"__slots__": tuple(names)})
    usual = holder()
    for name in names:
        setattr(usual, name, defaults[name])
    lines = [
        f"def apart({', '.join(names)}):",
        f" if {' and '.join(f'{name} == _usual.{name}' for name in names)}: return _usual",
        " _new = _holder()",
        *(f" _new.{name} = {name}" for name in names),
        " return _new",
    ]
    return usual, _function(lines, {"_usual": usual, "_holder": holder})


# --- objects that are filled --------------------------------------------------------------------------------


def blank(cls: type[T]) -> type[Any]:
    """Return a class whose objects may be filled, and whose ``__class__`` may then be set to ``cls``.

    ``cls`` is a frozen dataclass with slots, or one that ``slim`` made, and without ancestors. ``filled``
    tells how one is filled.
    """
    return _blank(cls)  # type: ignore[arg-type] # classes are hashable


@functools.cache
def _blank(cls: type) -> type[Any]:
    slots = _layout(cls).slots
    # Names with two underscores are left out, the layout among them: nobody is to take this for a ``cls``.
    own = {name: one for name, one in vars(cls).items() if name not in slots and not name.startswith("__")}
    return type(f"Blank{cls.__name__}", (), {"__slots__": slots, **own})


def filled(cls: type[object], values: Mapping[str, str], seldom: str = "_usual") -> list[str]:
    """Return the lines that make an object, ``_new``, of an expression for each of its members.

    ``seldom`` is the expression for what it holds apart: ``apart_of`` names some values, ``_usual`` are the
    defaults. ``scope_of`` gives what the lines need.
    """
    layout = _layout(cls)
    return [
        "_new = _blank()",
        *(f"_new.{name} = {values[name]}" for name in layout.own),
        *(f"_pack_{name}(_new, {values[name]})" for name in layout.packed),
        *([f"_new._seldom = {seldom}"] if layout.seldom else []),
        "_new.__class__ = _cls",
    ]


def seldom_members(cls: type[object]) -> tuple[str, ...]:
    """Return the names of the members that a class holds apart."""
    return _layout(cls).seldom


def apart_of(names: Sequence[str]) -> str:
    """Return the expression for an object apart with such values, or the one with the defaults."""
    return f"_apart({', '.join(names)})"


def scope_of(cls: type[object]) -> dict[str, object]:
    """Return what the lines of ``filled`` and ``apart_of`` need.

    ``_blank`` and ``_cls`` are the two classes, ``_usual`` is what is held apart where all is usual,
    ``_apart`` makes another, ``_pack_NAME`` packs a member. The lines set ``_new``.
    """
    layout = _layout(cls)
    scope: dict[str, object] = {f"_pack_{name}": one.pack for name, one in layout.packed.items()}
    return {**scope, "_blank": blank(cls), "_cls": cls, "_usual": layout.usual, "_apart": layout.apart}


def thaw(one: object) -> None:
    """Let what a ``changer`` makes of an object be the object itself, changed in place, until ``freeze``.

    Only for who is the only one that has it: all others would see it change.
    """
    object.__setattr__(one, "__class__", blank(type(one)))


def freeze(one: object, cls: type[object]) -> None:
    """Give an object its class again, if it was thawed."""
    if type(one) is not cls:
        one.__class__ = cls


def changer(cls: type[T], *only: str, **always: object) -> Callable[..., T]:
    """Return what ``dataclasses.replace`` is, for objects of one class alone; ``cls`` as for ``blank``.

    One that was thawed is changed in place. ``always`` is what some members become where the caller does not
    say otherwise. ``only`` names those that are given each time, and then no others are: that takes half the
    time. Raises ``TypeError`` for one that is no member, and for a class of which one is packed.
    """
    layout = _layout(cls)
    names = [one.name for one in _members(cls)]
    if unknown := {*only, *always} - set(names):
        raise TypeError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
    if layout.packed:
        raise TypeError(f"{cls.__name__} packs {', '.join(layout.packed)}: use dataclasses.replace")
    others = [] if only else [name for name in names if name not in always]
    defaults = {**dict.fromkeys(others, _SAME), **always}
    given = (*only, *defaults)

    def after(name: str, before: str) -> str:
        if name in others:
            return f"{before} if {name} is _same else {name}"
        return name if name in given else before

    own = {name: after(name, f"_old.{name}") for name in layout.own}
    apart = apart_of([after(name, f"_seldom.{name}") for name in layout.seldom])
    lines = [
        f"def changed(_old, /, {_parameters(given, defaults)}):",
        " _seldom = _old._seldom" if layout.seldom else "",
        *(f" if {change}: _seldom = {apart}" for change in _changes_apart(layout, given, others)),
        " if _old.__class__ is _blank:",
        *(f"  _old.{name} = {value}" for name, value in own.items() if name in given),
        "  _old._seldom = _seldom" if layout.seldom else "",
        "  return _old",
        *(f" {line}" for line in filled(cls, own, "_seldom")),
        " return _new",
    ]
    scope = {f"_default_{name}": default for name, default in defaults.items()}
    scope |= {f"_usual_{name}": getattr(layout.usual, name) for name in layout.seldom}
    return _function(lines, {**scope, **scope_of(cls), "_same": _SAME})


def _changes_apart(layout: _Layout, given: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    """Yield the condition under which a change comes to what is held apart; none where it cannot."""
    sets = [
        f"{name} is not _same and {name} != _usual_{name}" if name in others else f"{name} != _usual_{name}"
        for name in layout.seldom
        if name in given
    ]
    if sets:
        yield f"_seldom is not _usual or {' or '.join(sets)}"


def maker(cls: type[T], *names: str) -> Callable[..., T]:
    """Return what makes a ``cls`` of members of these names, in this order; all others have their defaults.

    Raises ``TypeError`` where one that has no default is not among them.
    """
    others = [one for one in _members(cls) if one.name not in names]
    if missing := [one.name for one in others if one.default is MISSING]:
        raise TypeError(f"{cls.__name__} is not made without {', '.join(missing)}")
    values = {name: name for name in names} | {one.name: f"_default_{one.name}" for one in others}
    seldom = _layout(cls).seldom
    apart = apart_of([values[name] for name in seldom]) if set(names) & set(seldom) else "_usual"
    lines = filled(cls, values, apart)
    scope = {f"_default_{one.name}": one.default for one in others}
    signature = f"def made({', '.join(names)}):"
    return _function([signature, *(f" {line}" for line in lines), " return _new"], scope | scope_of(cls))


def _constructor(cls: type[object]) -> Callable[..., object]:
    """Return ``cls.__new__``: what the dataclass's ``__init__`` is to whoever calls it."""
    names = [one.name for one in _members(cls)]
    defaults = {one.name: one.default for one in _members(cls) if one.default is not MISSING}
    lines = filled(cls, {name: name for name in names}, apart_of(_layout(cls).seldom))
    scope = {f"_default_{name}": default for name, default in defaults.items()}
    signature = f"def made(_class, {_parameters(names, defaults)}):"
    made = _function([signature, *(f" {line}" for line in lines), " return _new"], scope | scope_of(cls))
    made.__qualname__ = cls.__qualname__  # its errors name what was called
    return made


def _parameters(names: Sequence[str], defaults: Mapping[str, object]) -> str:
    # Not declared as keywords alone: each one that is left out would cost a look into a dictionary.
    return ", ".join(f"{name}=_default_{name}" if name in defaults else name for name in names)


def _layout(cls: type[object]) -> _Layout:
    known: _Layout | None = getattr(cls, _LAYOUT, None)
    return known or _Layout(tuple(one.name for one in _members(cls)), {})


def _members(cls: type[object]) -> tuple[Any, ...]:
    return fields(cls)  # type: ignore[arg-type] # no bound says "a dataclass" and keeps its type


def _function(lines: Sequence[str], scope: dict[str, object]) -> Callable[..., Any]:
    """Compile a function; its source is made of the names of a class's own members and nothing else."""
    name = lines[0].removeprefix("def ").partition("(")[0]
    exec("\n".join(lines), scope)  # noqa: S102 - see the docstring
    return cast("Callable[..., Any]", scope[name])
