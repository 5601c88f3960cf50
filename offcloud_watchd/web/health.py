"""Whether the daemon lives and whether it can take work; for supervisors, without a password."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from offcloud_watchd.core.picture import Picture
from offcloud_watchd.web.desk import Desk


class Health:
    """The two answers. What is wrong with a folder tells its path, and no more than that."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def alive(self, _request: Request) -> PlainTextResponse:
        """Say that the main thread answers; a 503 comes of its silence."""
        await self._desk.overview()
        return PlainTextResponse("alive\n")

    async def ready(self, _request: Request) -> PlainTextResponse:
        """Say whether the journal is read and takes records and every folder is watched, or why not."""
        reasons = _reasons((await self._desk.overview()).picture)
        if reasons:
            return PlainTextResponse("".join(f"{reason}\n" for reason in reasons), 503)
        return PlainTextResponse("ready\n")


def _reasons(picture: Picture) -> list[str]:
    reasons = [f"journal: {picture.journal_problem}"] if picture.journal_problem else []
    if not picture.folders:
        reasons.append("the drop folders have not been looked at yet")
    return reasons + [f"{folder.path}: {folder.problem}" for folder in picture.folders if folder.problem]
