"""By which hash clients know a job, and which of several jobs with one hash they mean.

One content may be several jobs, in several categories, and a client that deletes names none. At an address of
one category there is nothing to choose. Elsewhere the client means a category it has used itself; where that
does not tell, a change is refused rather than done to another's job.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable
from urllib.parse import quote

from offcloud_watchd.core.model import Job, Link
from offcloud_watchd.core.story import display_name

log = logging.getLogger(__name__)


class Ambiguous(Exception):  # noqa: N818 - the state of the thing
    """Several jobs could be meant, of several categories; the text says what to do about it."""


def hash_of(link: Link) -> str:
    """Return the 40 digits by which clients know a link: those they compute from what they send.

    The v1 info hash in lower case, of a v2 torrent the first 40 digits. A web link gets a digest.
    """
    digits = link.info_hash_v1 or link.info_hash_v2
    if digits is None:
        digits = hashlib.sha1(link.key.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    return digits[:40].lower()


def names_of(link: Link) -> set[str]:
    """Return every spelling, in lower case, under which a link can be asked for."""
    names = {hash_of(link)}
    if link.info_hash_v2 is not None:
        names |= {link.info_hash_v2.lower(), link.info_hash_v2[:40].lower()}
    return names


def magnet_of(job: Job) -> str:
    """Return a magnet of hash and name alone: a tracker's address may hold a person's key."""
    link = job.link
    topics = [f"xt=urn:btih:{link.info_hash_v1}"] if link.info_hash_v1 else []
    topics += [f"xt=urn:btmh:1220{link.info_hash_v2}"] if link.info_hash_v2 else []
    if not topics:
        return ""
    return f"magnet:?{'&'.join(topics)}&dn={quote(display_name(job), safe='', errors='replace')}"


def named(jobs: Iterable[Job], wanted: Collection[str], used: Collection[str]) -> list[Job]:
    """Return the jobs that hashes in lower case name; of several with one hash those most likely meant.

    ``used`` are the categories that the client has used.
    """
    by_hash: dict[str, list[Job]] = {}
    for job in jobs:
        if not names_of(job.link).isdisjoint(wanted):
            by_hash.setdefault(hash_of(job.link), []).append(job)
    return [job for alike in by_hash.values() for job in _meant(alike, used)]


def named_surely(jobs: Iterable[Job], wanted: Collection[str], used: Collection[str]) -> list[Job]:
    """Return the jobs that hashes in lower case name; raise ``Ambiguous`` for what could be another's."""
    found = named(jobs, wanted, used)
    categories: dict[str, set[str]] = {}
    for job in found:
        categories.setdefault(hash_of(job.link), set()).add(job.destination.category)
    for digits, several in categories.items():
        if len(several) > 1:
            text = (
                f"{digits} is in the categories {' and '.join(sorted(several))}, and nobody can tell which "
                "is meant: set the URL base of this client to /c/CATEGORY"
            )
            log.warning("web: nothing was changed: %s", text)
            raise Ambiguous(text)
    return found


def _meant(jobs: list[Job], used: Collection[str]) -> list[Job]:
    return [job for job in jobs if job.destination.category in used] or jobs
