"""The files of a finished request, out of every shape the service lists them in. Pure.

Rules of this file:

* A list is taken whole or not at all: an entry without a usable link raises, because a release that lacks a
  file must never look finished. Only what is junk by rule is left out.
* Links are secrets. They go into ``RemoteFile.url`` and nowhere else, never into a message.
* Names are unsafe as they come; whoever writes them makes them safe.

Source: the official document of 2018 (plain lists, ``cloud/list``) and the public clients (the others).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from offcloud_watchd.core.model import RemoteFile, Submission
from offcloud_watchd.errors import OffcloudWatchdError, Transient
from offcloud_watchd.offcloud.answer import Answer, Content, Form, decode, size_bytes, text
from offcloud_watchd.offcloud.refusals import Kind, is_absent, known, refusal
from offcloud_watchd.offcloud.wire import first, not_understood

MAX_URL: Final = 16 * 1024
_JUNK: Final = (".aria2", ".aria2__temp", "/")
_LINK: Final = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?(/.*)", re.IGNORECASE)
_UNSENDABLE: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # any other character can be escaped
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUERY: Final = re.compile(r"[A-Za-z0-9_.~-]+=[^\s\[\]]*")
_CLASSIC: Final = re.compile(r"/cloud/download/[^/?]+(?:/(?:\d{1,6}/(?=.))?(?P<path>.*))?")
_KEPT: Final = "%/:@!$&'()*+,;=~"


class Missing(Enum):
    """Why there is no list although nothing is wrong."""

    ABSENT = "the service has no such call"
    SINGLE = "a single file is not listed"
    EMPTY = "the list is empty"


def explored(answer: Answer, *, allow_http: bool) -> tuple[RemoteFile, ...] | Missing:
    """Read an answer of explore: links, objects, or objects under ``files``.

    Raises ``Gone``, ``Blocked`` or ``Transient``; a fault is never taken for a single file.
    """
    content = decode(answer)
    entries = _entries(content.value)
    if answer.is_success and entries is not None:
        return _files(answer, entries, allow_http=allow_http)
    rule = known(answer, content)
    if rule is not None and rule.kind is Kind.SINGLE:
        return Missing.SINGLE
    if is_absent(answer, content):
        return Missing.ABSENT
    raise _refused(answer, content)


def listed(answer: Answer, *, allow_http: bool) -> tuple[RemoteFile, ...] | Missing:
    """Read an answer of ``cloud/list``: one link a line; JSON is taken as well."""
    content = decode(answer)
    if not (answer.is_success and content.form is Form.TEXT and isinstance(content.value, str)):
        return explored(answer, allow_http=allow_http)
    lines = [line.strip() for line in re.split(r"\r\n|\n|\r", content.value) if line.strip()]
    if not all(line.lower().startswith(("http://", "https://")) for line in lines):
        raise _refused(answer, content)
    return _files(answer, lines, allow_http=allow_http)


def may_be_cut(answer: Answer) -> bool:
    """Tell whether nothing shows that a text list is whole: neither HTTP nor the end of its last line."""
    is_text = decode(answer).form is Form.TEXT
    return is_text and not answer.framed and not answer.body.endswith((b"\n", b"\r"))


def is_alike(one: Sequence[RemoteFile] | Missing, other: Sequence[RemoteFile] | Missing) -> bool:
    """Tell whether two lists are of the same files, whatever their links are."""
    if isinstance(one, Missing) or isinstance(other, Missing):
        return one == other
    return [file.path for file in one] == [file.path for file in other]


def single(known_as: Submission, size: int | None, *, allow_http: bool) -> RemoteFile | None:
    """Build the link of a request that is one file; None when too little of it is known.

    Source: the classic service's ``url`` lacks the file's name, which its clients append.
    """
    own_id, name = known_as.request_id, known_as.name
    url = known_as.url
    if url is None and known_as.server is not None and name is not None:
        url = f"https://{known_as.server}.offcloud.com/cloud/download/{own_id}"
    if url is None:
        return None
    if name is not None and url.rstrip("/").endswith(f"/{own_id}"):
        url = f"{url.rstrip('/')}/{quote(name, safe='')}"
    fetched = usable(url, allow_http=allow_http)
    return None if fetched is None else RemoteFile(name or _path_of(fetched) or own_id, fetched, size)


def _refused(answer: Answer, content: Content) -> OffcloudWatchdError:
    error = refusal(answer, content, about_request=True)
    return error or not_understood(answer, content, "a list of files")


def _entries(value: object) -> Sequence[object] | None:
    """Find the list in an answer; None when it holds none."""
    if isinstance(value, dict) and not value.get("error") and not value.get("not_available"):
        value = first(value, "files", "links", "data", "list")
    if isinstance(value, str) and value.lower().startswith(("http://", "https://")):
        return [value]
    return value if isinstance(value, list) else None


def _files(
    answer: Answer, entries: Sequence[object], *, allow_http: bool
) -> tuple[RemoteFile, ...] | Missing:
    found: list[RemoteFile] = []
    for place, entry in enumerate(entries, 1):
        raw = _raw_link(entry)
        url = usable(raw, allow_http=allow_http)
        path = told_path(entry) or (_path_of(url) if url else raw)
        if path.lower().endswith(_JUNK):
            continue
        if url is None:
            raise Transient(
                f"{answer.asked} listed {len(entries)} files, but entry {place} has no usable link; "
                "the list is asked for again",
                retry_after_s=60.0,
            )
        size = size_bytes(first(entry, "size", "fileSize")) if isinstance(entry, dict) else None
        found.append(RemoteFile(path or f"file {place}", url, size))
    others = [file for file in found if not file.path.lower().endswith(".torrent")]
    # A .torrent is what the service fetched from, unless it is all there is.
    return tuple(others or found) or Missing.EMPTY


def _raw_link(entry: object) -> str:
    if isinstance(entry, dict):
        entry = first(entry, "url", "downloadUrl", "link")
    return entry if isinstance(entry, str) else ""


def told_path(entry: object) -> str:
    """Return the path an object tells, unsafe as it came; empty when it tells none."""
    if not isinstance(entry, dict):
        return ""
    path = text(entry.get("path"))
    name = text(first(entry, "name", "fileName", "filename"))
    folder = entry.get("folder")
    if isinstance(folder, list):
        path = path or "".join(f"{text(part)}/" for part in folder)
    return path + name if not path or path.endswith("/") else path


# --- Links -------------------------------------------------------------------------------------------------


def usable(raw: str, *, allow_http: bool) -> str | None:
    """Return a link as it can be asked for; None for one that must not or cannot be used.

    The classic service does not escape the names in its links; what is escaped already stays as it is.
    """
    found = _LINK.fullmatch(raw.strip()) if len(raw) <= MAX_URL else None
    if found is None or _UNSENDABLE.search(found[4]):
        return None
    scheme = found[1].lower()
    if scheme == "http" and not allow_http:
        return None
    return f"{scheme}://{found[2]}{found[3] or ''}{_escaped(found[4])}"


def _escaped(rest: str) -> str:
    # No link to a file has a fragment: a '#' is part of a name that was not escaped.
    path, mark, query = _STRAY_PERCENT.sub("%25", rest).replace("#", "%23").partition("?")
    if mark and _CLASSIC.match(path) and not _QUERY.fullmatch(query):
        path, mark, query = f"{path}%3F{query.replace('?', '%3F')}", "", ""
    return quote(path, safe=_KEPT) + mark + quote(query, safe=_KEPT + "?")


def _path_of(url: str) -> str:
    """Return the path a link itself tells: the classic one keeps folders, any other has the name last."""
    path = urlsplit(url).path
    classic = _CLASSIC.fullmatch(path)
    if classic is None:
        return unquote(path.rpartition("/")[2] if not path.endswith("/") else path)
    return unquote(classic["path"] or "")
