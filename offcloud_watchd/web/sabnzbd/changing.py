"""The calls that change slots which are there. What has no meaning here is accepted, and does nothing.

* Deleting out of the queue ends a job and takes its unfinished files along.
* Deleting out of the history forgets it and never deletes a release, as SABnzbd never does: *arr tools delete
  the directory themselves. There is no archive.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from starlette.responses import Response

from offcloud_watchd.core.model import Job, JobState, Verb
from offcloud_watchd.core.verdicts import nzo_id
from offcloud_watchd.web.answers import utf8_answer
from offcloud_watchd.web.asking import ask
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.sabnzbd.call import NO_ITEM, NO_VALUE, Call, Unfit, job_id_of
from offcloud_watchd.web.sabnzbd.listing import seen
from offcloud_watchd.web.sabnzbd.slots import IN_HISTORY, IN_QUEUE

_GROUPS = {
    "all": IN_HISTORY,
    "failed": frozenset({JobState.FAILED}),
    "completed": frozenset({JobState.DONE}),
}


class Changing:
    """The calls."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def delete_queued(self, call: Call) -> Response:
        """Take slots out of the queue."""
        jobs = await self._meant(call, IN_QUEUE, IN_QUEUE if call.get("value").lower() == "all" else ())
        await ask(self._desk, Verb.FORGET, jobs, files=call.is_true("del_files"))
        return utf8_answer({"status": bool(jobs), "nzo_ids": [nzo_id(job) for job in jobs]})

    async def delete_finished(self, call: Call) -> Response:
        """Take slots out of the history; what is not there is gone already."""
        jobs = await self._meant(call, IN_HISTORY, _GROUPS.get(call.get("value").lower(), ()))
        await ask(self._desk, Verb.FORGET, jobs)
        return utf8_answer({"status": True})

    async def retry(self, call: Call) -> Response:
        """Let a failed job begin anew."""
        jobs = await self._meant(call, frozenset({JobState.FAILED}), ())
        if not jobs:
            raise Unfit(NO_ITEM)
        await ask(self._desk, Verb.RETRY, jobs)
        return utf8_answer({"status": True, "nzo_id": nzo_id(jobs[0])})

    async def accepted(self, call: Call) -> Response:
        """Let a pause or a resume of single slots pass: there is none."""
        jobs = await self._meant(call, IN_QUEUE, ())
        return utf8_answer({"status": bool(jobs), "nzo_ids": [nzo_id(job) for job in jobs]})

    async def prioritized(self, call: Call) -> Response:
        """Let a priority pass: whoever came first goes first."""
        await self._meant(call, IN_QUEUE, ())
        return utf8_answer({"position": 0})

    async def _meant(
        self, call: Call, among: Collection[JobState], every: Collection[JobState]
    ) -> Sequence[Job]:
        """Return the jobs that ``value`` names, or all that are in a state of ``every``."""
        ids = {job_id_of(one) for one in call.many("value")}
        if not ids:
            raise Unfit(NO_VALUE)
        jobs = seen(call, await self._desk.overview())
        return [job for job in jobs if job.state in every or (job.id in ids and job.state in among)]
