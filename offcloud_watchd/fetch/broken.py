"""Why a request did not bring what it should, and what that means for the next one."""

from __future__ import annotations


class Broken(Exception):  # noqa: N818 - what happened to the line
    """The line gave out; what is on the disk stays and the file may go on from there.

    ``stale_link``: the link looks dead or wrong, a fresh one should be asked for. ``retry_after_s``: the host
    asked to be left alone so long. ``crowded``: the host took no further request, perhaps because there are
    others. ``spoiled``: what is on the disk is of no use, the file begins anew.
    ``contradicts``: the host tells another size than the one that was told.
    """

    def __init__(
        self,
        reason: str,
        *,
        stale_link: bool = False,
        retry_after_s: float | None = None,
        crowded: bool = False,
        spoiled: bool = False,
        contradicts: bool = False,
    ) -> None:
        super().__init__(reason)
        self.stale_link = stale_link
        self.retry_after_s = retry_after_s
        self.crowded = crowded
        self.spoiled = spoiled
        self.contradicts = contradicts
