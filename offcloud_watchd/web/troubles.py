"""What needs the operator, in words."""

from __future__ import annotations

from offcloud_watchd.core.picture import Picture


def troubles(picture: Picture) -> list[str]:
    """Return what keeps work from being done, the worst first; empty when all is well."""
    found = [f"journal: {picture.journal_problem}"] if picture.journal_problem else []
    found += [f"{lane} is paused: {pause.reason}" for lane, pause in picture.pauses.items()]
    found += [f"{folder.path}: {folder.problem}" for folder in picture.folders if folder.problem]
    return found
