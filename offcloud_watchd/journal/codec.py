"""The frozen dataclasses of ``core.model`` and ``core.events`` to plain JSON values and back.

Rules of this file:

* It knows types, not meanings: what the annotations of a class say is what is written and what is accepted.
* A member that has its default is left out, a member that is missing takes its default, a member that is not
  known is passed over. So a member can be added with a default, and never renamed or given another default.
* A wrong type is an error that names the member and never shows the value, which may be a private link.
* Each class is compiled once per ``Codec``: a journal may hold 100,000 jobs, and the start waits for them.
* Lone surrogates, which is what file names that are not UTF-8 become, pass unchanged. Only a high surrogate
  directly before a low one does not: JSON spells that pair like the character it stands for.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from typing import Any, Final, NoReturn, Protocol, TypeVar, cast

from offcloud_watchd.core.frozen import apart_of, filled, scope_of, seldom_members
from offcloud_watchd.core.held import once

T = TypeVar("T")

Encode = Callable[[object], object]
Decode = Callable[[object], object]


_SCALARS: Final = (str, int, float, bool)
_RECENT: Final = 1024  # how many decoded values of a kind are remembered to be shared
_STRIDE: Final = 4  # after so many members it is looked whether others are there


class WrongMember(ValueError):  # noqa: N818 - the noun says it
    """A JSON value does not fit its member; the text names the member by its path."""


class _Dataclass(Protocol):
    __dataclass_fields__: typing.ClassVar[dict[str, Field[object]]]


_WORDS: Final = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    types.NoneType: "null",
}


class Codec:
    """Converts dataclasses of text, numbers, enums, tuples, dataclasses and None. One thread.

    Equal objects of the ``shared`` classes, and equal texts of the ``shared_members``, are decoded to one
    object when they do not stand far apart: that saves much of the memory of a large journal.
    """

    def __init__(self, shared: Collection[type] = (), shared_members: Collection[str] = ()) -> None:
        self._shared = shared
        self._shared_members = frozenset(shared_members)
        self._recent: dict[str, dict[object, object]] = {
            f"_recent_{kind}": {} for kind in ("int", "float", "objects")
        }
        self._encoders: dict[type, Encode] = {}
        self._decoders: dict[type, Callable[[object], Any]] = {}

    def encode(self, value: _Dataclass) -> dict[str, object]:
        """Return the members of a dataclass that differ from their defaults, in the order of the class."""
        encoder = self._encoders.get(type(value)) or self._record_encoder(type(value))
        return cast("dict[str, object]", encoder(value))

    def decode(self, cls: type[T], value: object) -> T:
        """Return the object that ``encode`` was given. Raise ``WrongMember`` when the value does not fit."""
        return self.decoder(cls)(value)

    def decoder(self, cls: type[T]) -> Callable[[object], T]:
        """Return the function that ``decode`` calls for a class: for whoever decodes many of it."""
        if cls not in self._decoders:
            self._decoders[cls] = self._record_decoder(cls, cls.__name__)
        return self._decoders[cls]

    # --- writing ---

    def _encoder(self, annotation: object) -> Encode | None:
        """Return the function for a type; None for what JSON takes as it is."""
        inner = _optional(annotation)
        if inner is not None:
            encoder = self._encoder(inner)
            return None if encoder is None else lambda value: None if value is None else encoder(value)
        if typing.get_origin(annotation) is tuple:
            item = self._encoder(typing.get_args(annotation)[0])
            return cast("Encode", list if item is None else lambda values: [item(value) for value in values])
        if is_dataclass(annotation):
            return self._record_encoder(cast("type", annotation))
        if isinstance(annotation, type) and issubclass(annotation, StrEnum):
            return str
        _scalar(annotation)
        return None

    def _record_encoder(self, cls: type) -> Encode:
        hints = _hints(cls)
        members = [(one.name, one.default, self._encoder(hints[one.name])) for one in fields(cls)]

        def encode(value: object) -> dict[str, object]:
            members_set: dict[str, object] = {}
            for name, default, encoder in members:
                item = getattr(value, name)
                if item != default:
                    members_set[name] = item if encoder is None else encoder(item)
            return members_set

        self._encoders[cls] = encode
        return encode

    # --- reading ---

    def _decoder(self, annotation: object, whose: str) -> Decode:
        """Return the function for a type; ``whose`` is the member it is for, as errors name it."""
        inner = _optional(annotation)
        if inner is not None:
            decoder = self._decoder(inner, whose)
            return lambda value: None if value is None else decoder(value)
        if typing.get_origin(annotation) is tuple:
            return _tuple_decoder(self._decoder(typing.get_args(annotation)[0], whose), whose)
        if is_dataclass(annotation):
            return self._record_decoder(cast("type", annotation), whose)
        if isinstance(annotation, type) and issubclass(annotation, StrEnum):
            return _enum_decoder(annotation, whose)
        return _scalar_decoder(_scalar(annotation), whose)

    def _record_decoder(self, cls: type, whose: str) -> Decode:
        """Compile the decoder of a class, as ``dataclasses`` compiles its ``__init__``.

        A loop over the members takes twice the time, and this is where the daemon's start spends it; see
        ``core.frozen``, too. The source is made of the class's own annotations and nothing else.
        """
        hints = _hints(cls)
        scope: dict[str, object] = {
            **scope_of(cls),
            "_wrong": _wrong(dict, whose),
            "_missing": _missing(cls),
            "_once": once,
            **self._recent,
        }
        for one in fields(cls):
            scope[f"_default_{one.name}"] = one.default
            scope[f"_decode_{one.name}"] = self._decoder(hints[one.name], f"{cls.__name__}.{one.name}")
            scope[f"_words_{one.name}"] = _words(hints[one.name])
        exec(_compiled(cls, cls in self._shared, self._shared_members), scope)  # noqa: S102 - see the docstring
        return cast("Decode", scope["_decode"])


# What belongs to a class alone is made once: a command reads a journal of a few lines, too.
@functools.cache
def _hints(cls: type) -> dict[str, object]:
    return typing.get_type_hints(cls)


@functools.cache
def _compiled(cls: type, shared: bool, shared_members: frozenset[str]) -> types.CodeType:  # noqa: FBT001 - a cache's key
    seldom = seldom_members(cls)
    required = [one.name for one in fields(cls) if one.default is MISSING]
    optional = [one.name for one in fields(cls) if one.default is not MISSING and one.name not in seldom]
    kinds = {_kind(hint) for name, hint in _hints(cls).items() if name in shared_members} - {"str"}
    taken = functools.partial(_taken, cls, shared_members)
    lines = [
        "def _decode(_value):",
        " if _value.__class__ is not dict: _wrong(_value)",
        *(f" if len(_recent_{kind}) > {_RECENT}: _recent_{kind}.clear()" for kind in sorted(kinds)),
        " try:",
        *(f"  {line}" for name in required for line in taken(name)),
        "  pass",
        " except KeyError as error: _missing(error.args[0])",
        f" _left = len(_value) - {len(required)}",
        *(f" {line}" for line in _optional_taken(optional, taken)),
    ]
    if seldom:
        lines += [
            " _seldom = _usual",
            " if _left:",
            *(f"  {line}" for line in _optional_taken(seldom, taken)),
            f"  _seldom = {apart_of(seldom)}",
        ]
    if shared:
        lines += [
            f" _key = (_cls, {', '.join([*required, *optional, *(['_seldom'] if seldom else [])])})",
            " if _key in _recent_objects: return _recent_objects[_key]",
            f" if len(_recent_objects) > {_RECENT}: _recent_objects.clear()",
        ]
    lines += [
        *(f" {line}" for line in filled(cls, {name: name for name in required + optional}, "_seldom")),
        *([" _recent_objects[_key] = _new"] if shared else []),
        " return _new",
    ]
    return compile("\n".join(lines), f"<decoder of {cls.__name__}>", "exec")


def _taken(cls: type, shared_members: frozenset[str], name: str) -> list[str]:
    """Return the lines that take over a member which is there."""
    annotation = _hints(cls)[name]
    lines = [f"{name} = _value[{name!r}]", _conversion(name, annotation)]
    if name in shared_members:
        kind = _kind(annotation)
        shared = f"_once({name})" if kind == "str" else f"_recent_{kind}.setdefault({name}, {name})"
        lines.append(f"{name} = {shared}")
    return lines


def _optional_taken(names: Sequence[str], taken: Callable[[str], list[str]]) -> list[str]:
    """Return the lines for the members that may be absent.

    Most of a job's are. Every few of them it is looked whether all that is there was found: then the rest
    have their defaults, and no more is looked for.
    """
    if not names:
        return []
    lines = ["if _left:"]
    for name in names[:_STRIDE]:
        found = ["_left -= 1", *taken(name)]
        lines += [f" if {name!r} in _value:", *(f"  {line}" for line in found)]
        lines.append(f" else: {name} = _default_{name}")
    lines += [f" {line}" for line in _optional_taken(names[_STRIDE:], taken)]
    return [*lines, "else:", *(f" {name} = _default_{name}" for name in names)]


def _kind(annotation: object) -> str:
    """Name what a shared member is: 5 and 5.0 are equal, and are not to be shared for each other."""
    return cast("type", _optional(annotation) or annotation).__name__


def _conversion(name: str, annotation: object) -> str:
    """Return the line that checks a member, and converts it where JSON does not give it as it is needed."""
    inner = _optional(annotation)
    plain = inner or annotation
    decoded = f"{name} = _decode_{name}({name})"
    if plain in _SCALARS:
        unless_none = f" and {name} is not None" if inner else ""
        return f"if {name}.__class__ is not {cast('type', plain).__name__}{unless_none}: {decoded}"
    if _words(annotation):
        known = f"{name}.__class__ is str and {name} in _words_{name}"
        return f"{name} = _words_{name}[{name}] if {known} else _decode_{name}({name})"
    return decoded


def _words(annotation: object) -> Mapping[str, StrEnum]:
    """Return the members of an enumeration by their words; of any other type none."""
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return {member.value: member for member in annotation}
    return {}


def _optional(annotation: object) -> object:
    """Return T of ``T | None``; None for every other type."""
    if typing.get_origin(annotation) not in (types.UnionType, typing.Union):
        return None
    inner = [one for one in typing.get_args(annotation) if one is not types.NoneType]
    return inner[0] if len(inner) == 1 else None


def _scalar(annotation: object) -> type:
    if annotation in _SCALARS:
        return cast("type", annotation)
    raise TypeError(f"the journal cannot hold a member of type {annotation}")


def _tuple_decoder(item: Decode, whose: str) -> Decode:
    wrong = _wrong(list, whose)

    def decode(value: object) -> object:
        if type(value) is not list:
            wrong(value)
        return (item(value[0]),) if len(value) == 1 else tuple(map(item, value))  # mostly one

    return decode


def _enum_decoder(cls: type[StrEnum], whose: str) -> Decode:
    members = _words(cls)
    wrong = _wrong(str, whose)

    def decode(value: object) -> object:
        member = members.get(value) if type(value) is str else wrong(value)
        if member is None:
            raise WrongMember(f"{whose}: one of {', '.join(members)} is expected")
        return member

    return decode


def _scalar_decoder(cls: type, whose: str) -> Decode:
    wrong = _wrong(cls, whose)

    def decode(value: object) -> object:
        if type(value) is cls:
            return value
        # JSON written by other hands has 5 where we write 5.0.
        return float(value) if cls is float and type(value) is int else wrong(value)

    return decode


def _wrong(wanted: type, whose: str) -> Callable[[object], NoReturn]:
    """Return the function that says which member does not hold what."""

    def wrong(value: object) -> NoReturn:
        raise WrongMember(f"{whose}: {_WORDS[wanted]} is expected, this is {_WORDS[type(value)]}")

    return wrong


def _missing(cls: type) -> Callable[[str], NoReturn]:
    def missing(name: str) -> NoReturn:
        raise WrongMember(f"{cls.__name__}.{name}: missing") from None

    return missing
