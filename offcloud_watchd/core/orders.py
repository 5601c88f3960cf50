"""What the daemon is asked to do, by the command line or by a client of the web, before it is a file."""

from __future__ import annotations

from dataclasses import dataclass

from offcloud_watchd.core.model import Verb


@dataclass(frozen=True, slots=True)
class JobCommand:
    """Retry, cancel, forget or categorize jobs, named by their full ids.

    ``files``: forget what was published, too. ``category`` is the one that ``CATEGORIZE`` puts them in.
    """

    verb: Verb
    job_ids: tuple[str, ...]
    files: bool = False
    category: str | None = None


@dataclass(frozen=True, slots=True)
class NameCategory:
    """Know a category, or (``drop``) know it no more."""

    category: str
    drop: bool = False


@dataclass(frozen=True, slots=True)
class AddLink:
    """Take one link as if it had been dropped; ``category`` None leaves the place to the configuration.

    ``name`` is what its release is to be called, None: as the link says.
    """

    link: str
    category: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class AddFile:
    """Take the bytes of a file as if it had been dropped under this name."""

    name: str
    data: bytes
    category: str | None = None


Order = JobCommand | NameCategory | AddLink | AddFile
"""Handed over durably as a file, and taken by the next look at the commands."""


def add_drop_id(command_id: str) -> str:
    """Return the drop id under which the links of an ``add`` command are recorded."""
    return f"add-{command_id}"
