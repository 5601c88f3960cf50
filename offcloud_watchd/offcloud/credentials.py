"""How a call shows who asks: the key in a header or in the address, a session's cookie, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Way(Enum):
    """Where the secret of a call stands."""

    BEARER = "Authorization: Bearer"
    QUERY = "?key="
    COOKIE = "connect.sid"
    NONE = "nothing"


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret and the way it is shown; it goes to the API's host and nowhere else."""

    way: Way
    secret: str = field(default="", repr=False)


STRANGER: Final = Credential(Way.NONE)
"""Who has not logged in yet."""


def is_usable(secret: str) -> bool:
    """Tell whether a text can be a key: it goes into headers and addresses as it is."""
    return bool(secret) and secret.isascii() and secret.isprintable() and " " not in secret
