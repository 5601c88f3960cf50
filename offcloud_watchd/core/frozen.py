"""Frozen objects made and changed in a fraction of the time that ``dataclasses`` takes.

``__init__`` of a frozen dataclass sets each member by a call, and ``dataclasses.replace`` looks all of them
up first: for a job that is 2.5 and 5 µs, and a start makes hundreds of thousands of jobs. What is made here
goes another way and comes to the same: it is filled while it belongs to a class of the same layout that is
not frozen, and then is given its own. Who alone has an object may give it that other class once more
(``thaw``), and it is changed itself until it has its own again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_SAME: Final = object()


def blank(cls: type[T]) -> type[Any]:
    """Return a class whose objects may be filled, and whose ``__class__`` may then be set to ``cls``.

    ``cls`` is a frozen dataclass with slots and no ancestors. Every member must be set before.
    """
    return _blank(cls)  # type: ignore[arg-type] # classes are hashable


@functools.cache
def _blank(cls: type) -> type[Any]:
    names = tuple(one.name for one in _members(cls))
    own = {name: one for name, one in vars(cls).items() if name not in names and not name.startswith("__")}
    return type(f"Blank{cls.__name__}", (), {"__slots__": names, **own})


def thaw(one: object) -> None:
    """Let what a ``changer`` makes of an object be the object itself, changed in place, until ``freeze``.

    Only for who is the only one that has it: all others would see it change.
    """
    object.__setattr__(one, "__class__", blank(type(one)))


def freeze(one: object, cls: type[object]) -> None:
    """Give an object its class again, if it was thawed."""
    if type(one) is not cls:
        one.__class__ = cls


def maker(cls: type[T]) -> Callable[..., T]:
    """Return what ``cls`` is when it is called, with names for all arguments; ``cls`` as for ``blank``."""
    members = _members(cls)
    return _compiled(
        cls,
        {one.name: one.name for one in members},
        {one.name: one.default for one in members if one.default is not MISSING},
    )


def changer(cls: type[T], **always: object) -> Callable[..., T]:
    """Return what ``dataclasses.replace`` is, for objects of one class alone; ``cls`` as for ``blank``.

    One that was thawed is changed in place. ``always`` is what some members become where the caller does not
    say otherwise. Raises ``TypeError`` for one that is no member.
    """
    names = [one.name for one in _members(cls)]
    if unknown := always.keys() - set(names):
        raise TypeError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
    defaults = dict.fromkeys(names, _SAME) | always
    values = {
        name: name if name in always else f"_old.{name} if {name} is _same else {name}" for name in names
    }
    in_place = [
        " if _old.__class__ is _blank:",
        *(f"  if {name} is not _same: _old.{name} = {name}" for name in names),
        "  return _old",
    ]
    return _compiled(cls, values, defaults, first="_old, /, ", before=in_place)


def _members(cls: type[T]) -> tuple[Field[Any], ...]:
    return fields(cls)  # type: ignore[arg-type] # no bound says "a dataclass" and keeps its type


def _compiled(
    cls: type[T],
    values: Mapping[str, str],
    defaults: Mapping[str, object],
    *,
    first: str = "",
    before: Sequence[str] = (),
) -> Callable[..., T]:
    """Compile a function that makes an object; the source is made of the names of the class's own members.

    Its arguments are given by name. They are not declared to be: each one that is left out would cost a look
    into a dictionary, and most are.
    """
    parameters = (f"{name}=_default_{name}" if name in defaults else name for name in values)
    lines = [
        f"def made({first}{', '.join(parameters)}):",
        *before,
        " _new = _blank()",
        *(f" _new.{name} = {value}" for name, value in values.items()),
        " _new.__class__ = _cls",
        " return _new",
    ]
    scope: dict[str, object] = {f"_default_{name}": default for name, default in defaults.items()}
    scope |= {"_blank": blank(cls), "_cls": cls, "_same": _SAME}
    exec("\n".join(lines), scope)  # noqa: S102 - see the docstring
    return cast("Callable[..., T]", scope["made"])
