"""The answers that list what a link can go through or to: remote accounts, proxies, sites. Pure.

Rules of this file:

* An entry that cannot be read is passed over; a list that cannot be read raises.
* The official document shows bare arrays, the classic service wrapped them: both are read.

Source: the official document of 2018; offcloud-ext-chrome, offcloud2 and ResolveURL for the shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from offcloud_watchd.errors import Permanent
from offcloud_watchd.offcloud.answer import Answer, decode, size_bytes, text
from offcloud_watchd.offcloud.refusals import refusal
from offcloud_watchd.offcloud.wire import first, not_understood

Listed = TypeVar("Listed")


class _Named(Protocol):
    """What a person can choose: ``names`` come in their order of belief, ``label`` is name and id."""

    @property
    def names(self) -> tuple[tuple[str, ...], ...]: ...

    @property
    def label(self) -> str: ...


Choice = TypeVar("Choice", bound=_Named)


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """A place the service can send files to. ``option_id`` is what a submission names it by.

    ``used_bytes`` is what went there; None where that is not told.
    """

    account_id: str
    option_id: str
    type: str = ""
    username: str = ""
    status: str = ""
    host: str = ""
    path: str = ""
    used_bytes: int | None = None

    @property
    def title(self) -> str:
        """What a person calls it."""
        return f"{self.type or 'account'} {self.username or self.account_id}".strip()

    @property
    def label(self) -> str:
        """The same with the id that names it for certain."""
        return f"{self.title} ({self.option_id})"

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """What it can be meant by, in the order of belief."""
        return (self.option_id, self.account_id), (self.username,), (self.type,)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A server of the service that instant downloads can go through."""

    id: str
    name: str
    region: str

    @property
    def label(self) -> str:
        """What a person calls it, with its id."""
        return f"{self.name or self.region} ({self.id})".strip()

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """What it can be meant by, in the order of belief."""
        return (self.id,), (self.name,), (self.region,)


@dataclass(frozen=True, slots=True)
class Site:
    """A site whose links the service takes, and how it is."""

    name: str
    status: str


def remote_accounts(answer: Answer) -> tuple[RemoteAccount, ...]:
    """Read the remote accounts."""
    return _listed(answer, "data", "a list of remote accounts", _remote_account)


def proxies(answer: Answer) -> tuple[Proxy, ...]:
    """Read the proxy servers."""
    return _listed(answer, "list", "a list of proxies", _proxy)


def sites(answer: Answer) -> tuple[Site, ...]:
    """Read the supported sites."""
    return _listed(answer, "fs", "a list of sites", _site)


def chosen(accounts: Sequence[RemoteAccount], wanted: str) -> RemoteAccount:
    """Return the account that is meant by an id, a user name or a type, in this order of belief.

    Raises ``Permanent``, naming what there is, when none is meant or several are.
    """
    return _meant(accounts, wanted, "remote account")


def chosen_proxy(servers: Sequence[Proxy], wanted: str) -> Proxy:
    """Return the proxy that is meant by an id, a name or a region; otherwise as ``chosen``."""
    return _meant(servers, wanted, "proxy")


def _meant(entries: Sequence[Choice], wanted: str, what: str) -> Choice:
    wanted_name = wanted.casefold()
    for belief in range(3):
        meant = [one for one in entries if wanted_name in map(str.casefold, one.names[belief])]
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise Permanent(f"the {what} {wanted!r} may be {_all(meant)}: name it by its id")
    raise Permanent(f"there is no {what} {wanted!r}; there are: {_all(entries) or 'none'}")


def _all(entries: Sequence[_Named]) -> str:
    return ", ".join(one.label for one in entries)


def _listed(
    answer: Answer, wrapper: str, what: str, read: Callable[[dict[str, object]], Listed | None]
) -> tuple[Listed, ...]:
    content = decode(answer)
    error = refusal(answer, content)
    if error is not None:
        raise error
    value = content.value
    if isinstance(value, dict):
        value = first(value, wrapper, "data", "list")
    if not isinstance(value, list) or (value and not any(isinstance(one, dict) for one in value)):
        raise not_understood(answer, content, what)
    return tuple(found for one in value if isinstance(one, dict) and (found := read(one)) is not None)


def _remote_account(entry: dict[str, object]) -> RemoteAccount | None:
    account_id = _id(first(entry, "accountId", "account_id", "id"))
    option_id = _id(first(entry, "remoteOptionId", "remote_option_id")) or account_id
    if not option_id:
        return None
    return RemoteAccount(
        account_id=account_id or option_id,
        option_id=option_id,
        type=_word(entry.get("type")),
        username=_word(entry.get("username")),
        status=_word(entry.get("status")),
        host=_word(entry.get("host")),
        path=_word(entry.get("path")),
        used_bytes=size_bytes(entry.get("usage")),
    )


def _proxy(entry: dict[str, object]) -> Proxy | None:
    own_id = _id(entry.get("id"))
    return Proxy(own_id, _word(entry.get("name")), _word(entry.get("region"))) if own_id else None


def _site(entry: dict[str, object]) -> Site | None:
    name = _word(first(entry, "name", "displayName"))
    status = first(entry, "status", "isActive")
    if not name:
        return None
    return Site(name, ("up" if status else "down") if isinstance(status, bool) else _word(status))


def _id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value < 10**18 else ""
    return _word(value)


def _word(value: object) -> str:
    return "".join(c for c in text(value) if c.isprintable())[:254].strip()
