"""From what is wrong to a line a person can act on: ``config.yaml:LINE:COL: key.path: what is wrong``.

Rules of this file:

* A misspelt name is answered with the nearest valid one.
* Nothing repeats a value from the file; key names are shown, shortened and without control characters.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from offcloud_watchd.config.document import Document, KeyPath, Problem
from offcloud_watchd.config.settings import Config

_TEXTS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "may not be empty",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "model_type": "must hold keys, one on each line, indented",
    "dict_type": "must hold keys, one on each line, indented",
    "tuple_type": "must be a list: [a, b], or one '- a' on each line",
}
_PATTERNS: Final[Mapping[str, str]] = {
    "api_key_env": "must be the name of an environment variable (never the key itself)",
    "from": 'must be a time of day in quotes, such as "01:00"',
    "to": 'must be a time of day in quotes, such as "07:00"',
}
_LIMITS: Final[Mapping[str, str]] = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


def dotted(key_path: KeyPath) -> str:
    """Write a key path the way people do: ``folders[0].path``."""
    text = ""
    for part in key_path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def line(name: str, problem: Problem) -> str:
    """Return one problem as one line."""
    where = dotted(problem.key_path)
    return f"{name}:{problem.line}:{problem.column}: " + (f"{where}: " if where else "") + problem.text


def invalid(document: Document, error: ValidationError) -> Iterator[Problem]:
    """Turn what the models refused into problems; what was already said about a value is not repeated."""
    for details in error.errors(include_url=False, include_input=False):
        key_path = _written(details["loc"])
        if details["type"] == "extra_forbidden":
            place = document.key_positions.get(key_path) or document.position(key_path)
            yield Problem(*place, key_path, _unknown(key_path))
        elif not document.is_spoilt(key_path):
            yield Problem(*document.position(key_path), key_path, _text(details, key_path))


def _written(loc: tuple[int | str, ...]) -> KeyPath:
    """Leave out the marks that pydantic adds for the keys of a dictionary."""
    return tuple(part for part in loc if part != "[key]")


def _text(details: ErrorDetails, key_path: KeyPath) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be one of {str(context['expected']).replace(chr(39), '')}"
    if kind == "string_pattern_mismatch":
        return _PATTERNS[str(key_path[-1])]
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context)
    return _TEXTS.get(kind, details["msg"])


def _unknown(key_path: KeyPath) -> str:
    key = str(key_path[-1])
    if key.lower().replace("-", "_") in {"api_key", "apikey", "key"}:
        return "a key never stands in this file: put it in another one and name that in offcloud.api_key_file"
    if dotted(key_path) == "offcloud.password":
        return "a password never stands in this file: put it in another one and name that in password_file"
    here = _names(_model_at(key_path[:-1]))
    near = nearest(key, here)
    if near:
        return f"unknown key; did you mean {near}?"
    elsewhere = [dotted(found) for found in _places_of(key)]
    if elsewhere:
        return f"unknown key here; it belongs at {elsewhere[0]}"
    return f"unknown key; valid here: {', '.join(sorted(here))}"


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that a person most probably meant."""
    by_fold = {choice.lower(): choice for choice in valid}
    found = difflib.get_close_matches(name[:64].lower().replace("-", "_"), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def _names(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _model_at(key_path: KeyPath) -> type[BaseModel]:
    model: type[BaseModel] = Config
    for part in key_path:
        if isinstance(part, str):
            model = model_in(_names(model)[part]) or model
    return model


def model_in(annotation: object) -> type[BaseModel] | None:
    """Return the section that a setting's type holds, None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        found = model_in(inner)
        if found is not None:
            return found
    return None


def _places_of(key: str) -> Iterator[KeyPath]:
    for section, annotation in _names(Config).items():
        model = model_in(annotation)
        if model is not None and key in _names(model):
            yield (section, key)
        elif key == section:
            yield (section,)
