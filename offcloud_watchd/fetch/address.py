"""The links of files: where they lead, and which are followed. Pure.

Rules of this file:

* A link is a secret and stands in no text; the name of its host may.
* Only http(s) is followed, http only where the service itself is reached over it, and never from https to
  http.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from offcloud_watchd.core.names import safe_component
from offcloud_watchd.fetch.broken import Broken

_HOST: Final = re.compile(r"[a-z0-9._:%-]+")
_URL_CHARACTERS: Final = "!#$%&'()*+,/:;=?@[]~"  # what is one of these has a meaning, or is quoted already


class Origin(NamedTuple):
    """Where a connection leads."""

    secure: bool
    host: str
    port: int


def parsed(url: str, *, allow_http: bool) -> tuple[Origin, str]:
    """Take a link apart into where to connect and what to ask for.

    Raises ``Broken`` where it is none that is followed, ``ValueError`` where it cannot be read.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http"):
        raise Broken(f"a link of {host_of(url)} is neither https nor http", stale_link=True)
    secure = parts.scheme == "https"
    target = quote(parts.path or "/", safe=_URL_CHARACTERS)
    if parts.query:
        target += "?" + quote(parts.query, safe=_URL_CHARACTERS)
    name = parts.hostname or ""
    host = name if name.isascii() else name.encode("idna").decode()
    if not _HOST.fullmatch(host):
        raise Broken("a link names no host", stale_link=True)
    origin = Origin(secure, host, parts.port or (443 if secure else 80))
    if not (secure or allow_http):
        raise Broken(f"a link of {host_of(url)} is not https", stale_link=True)
    return origin, target


def check_link(url: str, *, allow_http: bool) -> None:
    """Raise ``Broken`` unless a link is one that another program may be given to fetch."""
    try:
        parsed(url, allow_http=allow_http)
    except ValueError:
        raise Broken("a link that cannot be read", stale_link=True) from None


def host_of(url: str) -> str:
    """Return the host of a link for a message: the one part of it that is no secret."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return safe_component(host, limit_bytes=80) if host else "the file host"


def redirected(url: str, location: str) -> str:
    """Return the link a redirect leads to; raise ``Broken`` when it is none or leaves https."""
    try:
        target = urljoin(url, location)
        downgrade = urlsplit(url).scheme.lower() == "https" and urlsplit(target).scheme.lower() != "https"
    except ValueError:
        raise Broken(f"{host_of(url)} redirects to a broken address", stale_link=True) from None
    if downgrade:
        raise Broken(f"{host_of(url)} redirects away from https", stale_link=True)
    return target


def is_public(address: str) -> bool:
    """Tell whether an address is one of the whole internet, in whatever form it is written."""
    known = ipaddress.ip_address(address.partition("%")[0])
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return (mapped or known).is_global
