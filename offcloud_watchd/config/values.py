"""The kinds of values a setting can have: paths, quantities, addresses, names.

Rules of this file:

* A kind is a type with a check; the check gives the value the program works with, or ``ValueError`` with
  a sentence for people that never repeats the value: a secret may have been put in the wrong place.
* Paths are made absolute here, from the validation context: ``directory`` of the file, ``home``,
  ``state_dir``.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import unicodedata
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

from offcloud_watchd.config.units import parse_duration, parse_mode, parse_rate, parse_size
from offcloud_watchd.core.categories import checked_category, checked_nested_category

_PORT: Final = re.compile(r"[0-9]{1,5}")

_REMOTE_OPTIONS: Final = re.compile(r":?[^:/]*,")
"""How a connection string begins that holds options.

Source: rclone.org/docs, "Connection strings".
"""


def _text(value: object, otherwise: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError(otherwise)


def _absolute(value: object, info: ValidationInfo) -> Path:
    """Make a path absolute: ``~/`` is the home directory, anything else is relative to the file."""
    if isinstance(value, Path):
        return value
    text = _text(value, "must be a path; put it in quotes")
    if any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text):
        raise ValueError("must be a path without control characters")
    context = info.context or {}
    if text == "~" or text.startswith("~/"):
        home = context.get("home")
        if not home:
            raise ValueError("begins with ~ but there is no home directory here: write the whole path")
        text = home + text[1:]
    return _without_dots(Path(context.get("directory", "/"), text))


def _without_dots(path: Path) -> Path:
    """Take ``..`` out by name alone; what a symbolic link points at is looked at by ``check_places``."""
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return Path("/", *parts)


def _state_directory(value: object, info: ValidationInfo) -> object:
    if value is not None:
        return value
    found = (info.context or {}).get("state_dir")
    if not found:
        raise ValueError("has no default here ($STATE_DIRECTORY and $HOME are not set): write it out")
    return found


def _category(value: object) -> str:
    return checked_category(_text(value, "must be text; put it in quotes"))


def _nested_category(value: object) -> str:
    return checked_nested_category(_text(value, "must be text; put it in quotes"))


def at_least_one(value: object) -> object:
    """Refuse an empty list, whatever its entries should be."""
    if value == []:
        raise ValueError("must name at least one")
    return value


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _address(value: object, otherwise: str) -> tuple[str, SplitResult]:
    text = _text(value, otherwise)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # its own text repeats the value
        usable = False
    if not usable or any(sign.isspace() or not sign.isprintable() for sign in text):
        raise ValueError(otherwise)
    return text, parts


def _service_url(value: object) -> str:
    text, parts = _address(value, "must be an address such as https://offcloud.com")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("may hold no user, password, ? or #; the key has its own setting, api_key_file")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https:// (the key would be readable on the way)")
    return text.rstrip("/")


def _tool_url(value: object) -> str:
    text, parts = _address(value, "must be an address such as http://localhost:8989")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("may hold no user, password, ? or #; the key has its own setting, api_key_file")
    return text.rstrip("/")


def _engine_url(value: object) -> str:
    text, parts = _address(value, "must be an address such as http://localhost:6800/jsonrpc")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("may hold no user, password, ? or #; what is secret lies in a file of its own")
    return text.rstrip("/")


def _foreign_path(value: object) -> str:
    text = _text(value, "must be a path on the other machine; put it in quotes")
    if any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text):
        raise ValueError("must be a path without control characters")
    return text


def _remote_place(value: object) -> str:
    text = _text(value, "must be a remote and a directory there, such as gdrive:media")
    usable = ":" in text or text.startswith("/")
    if not usable or any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text):
        raise ValueError("must be a remote and a directory there, such as gdrive:media")
    if _REMOTE_OPTIONS.match(text):  # it is shown with each release: a password in it would be, too
        raise ValueError("may hold no options of a connection; they lie in rclone's own configuration")
    return text if text.endswith(":/") or text == "/" else text.rstrip("/")


def _proxy(value: object) -> str:
    return (
        "env"
        if value == "env"
        else _address(value, "must be env, or an address such as http://proxy:3128")[0]
    )


def _program(value: object) -> tuple[str, ...]:
    """Split a program and its arguments the way a shell would, and do nothing else of what a shell does."""
    otherwise = "must be the absolute path of a program and its arguments; put it in quotes"
    try:
        parts = tuple(shlex.split(_text(value, otherwise)))
    except ValueError:
        raise ValueError(otherwise) from None
    if not parts or not parts[0].startswith("/") or any("\0" in part for part in parts):
        raise ValueError(otherwise)
    return parts


def _username(value: object) -> str:
    otherwise = "must be the e-mail address of the account"
    text = _text(value, otherwise).strip()
    if not text or not text.isprintable() or len(text) > 320:
        raise ValueError(otherwise)
    return text


def _webhook(value: object) -> str:
    return _address(value, "must be an address such as https://example.org/hook")[0]


def _listen(value: object) -> str:
    otherwise = "must be HOST:PORT, unix:/PATH, or null to turn it off"
    text = _text(value, otherwise)
    host, _, port = text.rpartition(":")
    if not text.startswith("unix:/") and not (host and _PORT.fullmatch(port) and int(port) <= 65535):
        raise ValueError(otherwise)
    return text


def _schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


_AMOUNT: Final = r"^[0-9]+(\.[0-9]+)?"
_PATH: Final = WithJsonSchema({"type": "string", "minLength": 1})

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _AMOUNT + "(B|[KMGT]iB)$"}, {"const": 0}]}),
]
Rate = Annotated[int, BeforeValidator(parse_rate), _schema(_AMOUNT + "(B|[KMGT]iB)/s$")]
Duration = Annotated[float, BeforeValidator(parse_duration), _schema(_AMOUNT + "(ms|s|m|h|d)$")]
Mode = Annotated[int, BeforeValidator(parse_mode), _schema("^[0-7]{3,4}$")]
FilePath = Annotated[Path, BeforeValidator(_absolute), _PATH]
StateDirectory = Annotated[
    Path,
    BeforeValidator(_absolute),
    BeforeValidator(_state_directory),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]}),
]
Category = Annotated[str, BeforeValidator(_category)]
NestedCategory = Annotated[str, BeforeValidator(_nested_category)]
ToolUrl = Annotated[str, BeforeValidator(_tool_url)]
EngineUrl = Annotated[str, BeforeValidator(_engine_url)]
ForeignPath = Annotated[str, BeforeValidator(_foreign_path), Field(min_length=1)]
RemotePlace = Annotated[str, BeforeValidator(_remote_place), Field(min_length=1)]
ServiceUrl = Annotated[str, BeforeValidator(_service_url)]
Proxy = Annotated[str, BeforeValidator(_proxy)]
Webhook = Annotated[str, BeforeValidator(_webhook)]
ProgramAndArguments = Annotated[
    tuple[str, ...], BeforeValidator(_program), WithJsonSchema({"type": "string", "pattern": "^/"})
]
Listen = Annotated[str, BeforeValidator(_listen)]
Name = Annotated[str, Field(min_length=1)]
Username = Annotated[str, BeforeValidator(_username), Field(min_length=1)]
VariableName = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
Moment = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
