"""Names from outside become safe local names, and a list of remote paths becomes the shape of a release.

Rules of this file:

* What comes out is a plain component: not empty, no separator, no control or direction-changing character,
  not ``.`` or ``..``, no leading dash or dot, within its limit of bytes in UTF-8.
* Cleaning is idempotent and depends on nothing but the text, so a resumed fetch finds its files again.
* Within a release no two files share a name, also where the file system ignores case or normalises.
* A name is cut in its middle or at its end, never at its front: the front holds title, season and year.

Source: the anchor is libtorrent's path cleaning (``sanitize_append_path_element``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Final

MAX_COMPONENT_BYTES: Final = 240  # 255 is the usual limit; the rest is room for `` (2)``
MAX_RELEASE_BYTES: Final = 255
MAX_DEPTH: Final = 32
MAX_PATH_BYTES: Final = 1024  # an importer must still reach the file by one path of 4096 bytes
_MAX_EXTENSION_CHARACTERS: Final = 10

# Invisible or direction-changing: a name must not look like another one.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f/\\\\\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_EXTENSION: Final = re.compile(rf"\.[^. ]{{1,{_MAX_EXTENSION_CHARACTERS}}}\Z")
_HASH: Final = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[2-7a-zA-Z]{32}|1220[0-9a-fA-F]{64}")
# *arr tools wait for ever on these. Source: Sonarr, "client working folders".
_WORK_FOLDER: Final = re.compile(r"\s*(?:_UNPACK_|_FAILED_)+", re.IGNORECASE)
# *arr tools do not list these. Source: Sonarr, DiskScanService and DiskProviderBase.
_OVERLOOKED: Final = re.compile(
    r"caches?|trash|recovery|boot|windows|lost\+found|@eadir|[#@]recycle|\$recycle\.bin", re.IGNORECASE
)
# A player needs these as they are: the folder is part of the content.
_DISC_FOLDERS: Final = frozenset(("bdmv", "certificate", "video_ts", "audio_ts", "hvdvd_ts"))


def safe_component(text: str, *, limit_bytes: int = MAX_COMPONENT_BYTES) -> str:
    """Turn any text into one safe path component in NFC; what leaves nothing becomes ``_``. Idempotent."""
    return _fitted(_guarded(unicodedata.normalize("NFC", _visible(text))), limit_bytes)


def safe_path(path: str) -> tuple[str, ...]:
    """Turn a remote path into safe components; it cannot leave its root. At least one component comes out.

    Empty, ``.`` and ``..`` segments vanish; a path that is too deep or too long loses folders, not its name.
    """
    parts = [safe_component(part) for part in path.split("/") if part.strip() not in ("", ".", "..")]
    parts = parts[: MAX_DEPTH - 1] + parts[-1:] if len(parts) > MAX_DEPTH else parts
    while len(parts) > 1 and sum(len(part.encode()) + 1 for part in parts) > MAX_PATH_BYTES:
        del parts[-2]
    return tuple(parts) or ("_",)


def release_name(candidates: Iterable[str | None], forbidden: Collection[str] = ()) -> str:
    """Choose the name of a release: the first candidate that people and *arr tools can use.

    A usable name is kept as it is. One that would be an info hash, in ``forbidden`` (job ids) or a name that
    *arr tools overlook is passed over, and only if no other is left does it serve, behind a word.
    """
    lowered = {name.casefold() for name in forbidden}
    passed_over = ""
    for candidate in candidates:
        name = _release(candidate or "")
        if not name.strip("_ "):
            continue
        unusable = _HASH.fullmatch(name) or _OVERLOOKED.fullmatch(name) or name.casefold() in lowered
        if not unusable:
            return name
        passed_over = passed_over or name
    return f"release {passed_over}" if passed_over else "release"


def numbered(name: str, number: int, *, limit_bytes: int = MAX_RELEASE_BYTES) -> str:
    """Return the name with `` (number)`` behind it, within the limit; 1 is the name itself."""
    if number == 1:
        return name
    suffix = f" ({number})"
    return _cut(name, limit_bytes - len(suffix)) + suffix


def arranged(paths: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Lay the remote paths of one release out below its directory, in the given order; all distinct.

    A folder that all files share is the release itself and goes, unless players need it (``BDMV``). Which of
    two equal names keeps it depends on the order given: sort first where it must be stable.
    """
    safe = [safe_path(path) for path in paths]
    if all(len(parts) > 1 for parts in safe) and len({parts[0] for parts in safe}) == 1:
        shared = safe[0][0].casefold() if safe else ""
        safe = safe if shared in _DISC_FOLDERS else [parts[1:] for parts in safe]
    return _distinct(safe)


def shared_root(paths: Sequence[str]) -> str | None:
    """Return the folder that all remote paths lie in, unsafe as it came; None when there is none."""
    roots = {path.lstrip("/").partition("/")[0::2] for path in paths}
    firsts = {first for first, _ in roots}
    return firsts.pop() if len(firsts) == 1 and all(rest for _, rest in roots) else None


def _visible(text: str) -> str:
    return _UNSEEN.sub("", _SURROGATES.sub("\ufffd", text))


def _guarded(name: str) -> str:
    if name.strip() in ("", ".", ".."):
        return "_"
    return f"_{name}" if name[0] in ".-" else name


def _release(text: str) -> str:
    """Clean a release name but keep its bytes where they are harmless: *arr tools know the drop by them."""
    visible = _visible(text)
    return _cut(_guarded(visible[_work_prefix_end(visible) :]), MAX_RELEASE_BYTES)


def _work_prefix_end(text: str) -> int:
    found = _WORK_FOLDER.match(text)
    return found.end() if found else 0


def _fitted(name: str, limit_bytes: int) -> str:
    """Shorten to the limit in bytes; a short extension is kept."""
    if len(name.encode()) <= limit_bytes:
        return name
    found = _EXTENSION.search(name)
    extension = found.group() if found else ""
    return _cut(name.removesuffix(extension), limit_bytes - len(extension.encode())) + extension


def _cut(name: str, limit_bytes: int) -> str:
    return name.encode()[: max(limit_bytes, 0)].decode("utf-8", "ignore")


def _distinct(paths: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    folders = {_key(parts[:depth]) for parts in paths for depth in range(1, len(parts))}
    taken: set[str] = set()
    counts: dict[str, int] = {}
    chosen = []
    for parts in paths:
        free = parts
        while _key(free) in taken or _key(free) in folders:
            counts[_key(parts)] = counts.get(_key(parts), 1) + 1
            free = (*parts[:-1], _numbered_file(parts[-1], counts[_key(parts)]))
        taken.add(_key(free))
        chosen.append(free)
    return tuple(chosen)


def _key(parts: Sequence[str]) -> str:
    """Two names with one key are the same file somewhere: HFS+ normalises, exFAT and SMB ignore case."""
    folded = unicodedata.normalize("NFKC", "/".join(parts)).casefold()
    return unicodedata.normalize("NFKC", folded)


def _numbered_file(name: str, number: int) -> str:
    found = _EXTENSION.search(name)
    extension = found.group() if found and found.start() > 0 else ""
    suffix = f" ({number}){extension}"
    return _cut(name.removesuffix(extension), MAX_COMPONENT_BYTES - len(suffix.encode())) + suffix
