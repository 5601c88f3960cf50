"""Web links: which are taken, and the one spelling that is submitted and compared.

Rules of this file:

* Only http and https, and ftp where it is asked for. A user name or password in a link is refused, so that
  none is ever passed on or logged.
* Nothing is looked up, so a name that leads to a private address is the service's business, not ours.
* The spelling is mended only where it cannot matter: letter case of scheme and host, the default port,
  characters that cannot be sent. Path, query and fragment stay as they are otherwise: they may be signed.
* ``urllib.parse`` does not take the link apart: it raises on brackets and drops tabs inside a host.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import quote

from offcloud_watchd.core.model import Link, LinkKind
from offcloud_watchd.errors import BadDrop

MAX_URL_CHARS: Final = 16 * 1024

_URL = re.compile(r"(https?|ftp)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_OPAQUE = re.compile(
    r"(about|blob|data|file|intent|javascript|mailto|tel|vbscript|view-source):", re.IGNORECASE
)
_HIERARCHICAL = re.compile(r"([a-z][a-z0-9+.-]{1,15})://", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_LABEL = re.compile(r"\w(?:[\w-]{0,61}\w)?")
# Only what cannot be sent as it stands is escaped; a link may be signed, letter by letter.
_REST_SAFE = "%!$&'()*+,;=:@/?#~[]{}|^"
_DEFAULT_PORT: Final = {"http": 80, "https": 443, "ftp": 21}


def is_opaque(text: str) -> bool:
    """Tell whether the text begins with a scheme that needs no slashes and may hold anything, even links."""
    return _OPAQUE.match(text) is not None


def parse_url(text: str, line: int | None = None, *, ftp: bool = False) -> Link:
    """Read one http or https link; ``line`` is passed on. Raise ``BadDrop`` when it cannot be taken.

    ``ftp`` lets such a link through too.
    """
    if len(text) > MAX_URL_CHARS:
        raise BadDrop(f"the link has {len(text)} characters; no more than {MAX_URL_CHARS} are taken")
    match = _URL.fullmatch(text)
    if match is None or (match[1].lower() == "ftp" and not ftp):
        raise BadDrop(_refused_scheme(text, ftp=ftp))
    if _CONTROL.search(text):
        raise BadDrop("the link holds control characters; copy it again")
    scheme = match[1].lower()
    rest = quote(match[3], safe=_REST_SAFE, errors="replace")
    url = f"{scheme}://{_authority(match[2], _DEFAULT_PORT[scheme])}{rest}"
    return Link(kind=LinkKind.URL, key=f"url:{url}", url=url, line=line)


def _refused_scheme(text: str, *, ftp: bool) -> str:
    match = _OPAQUE.match(text) or _HIERARCHICAL.match(text)
    if match is None:
        return "this is no link; a magnet link, an http or https link or an info hash is needed"
    kind = match[1].lower()
    taken = "magnet, http, https and ftp" if ftp else "magnet, http and https"
    advice = " (`ftp: true` for the drop folder takes these)" if kind == "ftp" else ""
    return f"links of the kind {kind}: are not taken; only {taken} are{advice}"


def _authority(authority: str, default_port: int) -> str:
    if "@" in authority:
        raise BadDrop("the link carries a user name or password, which is not passed on; take it out")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise BadDrop("the host in the link is not well-formed; copy the link again")
    host = _address(match[1]) if match[1].startswith("[") else _host(match[1])
    port = int(match[2] or default_port)
    if not 0 < port < 65536:
        raise BadDrop("the port in the link is not between 1 and 65535")
    return host if port == default_port else f"{host}:{port}"


def _address(literal: str) -> str:
    try:
        address = ipaddress.IPv6Address(literal[1:-1])
    except ValueError:
        raise BadDrop("the IPv6 address in the link is not well-formed") from None
    if address.scope_id is not None:
        raise BadDrop("the IPv6 address in the link holds for one network card only")
    return literal.lower()


def _host(host: str) -> str:
    lower = host.lower()
    labels = lower.removesuffix(".").split(".")
    if len(lower) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadDrop("the link names no valid host; copy the whole link again")
    if lower.isascii():
        return lower
    try:
        coded = lower.encode("idna").decode("ascii")
        back = coded.encode("ascii").decode("idna")
    except UnicodeError:
        raise BadDrop("the host in the link has letters no host name can have") from None
    # The codec knows IDNA 2003 only: where it would change a letter (ß to ss), the name stays as it is.
    return coded if back == lower else lower
