"""Server-sent events: what is new, as long as somebody looks on. Source: HTML Living Standard, section 9.2.

Rules of this file:

* Each viewer is told what is new since it was told last, so one that reads slowly misses steps in between and
  nothing is kept for it. One that reads nothing at all is cut off by its connection (``protocol``).
* A stream ends after a while by itself; the viewer comes again, and is let in again or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, Protocol

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.web.live import Live, TooManyViewers, Turn

STREAM_S: Final = 50.0  # less than the guard gives a request
QUIET_S: Final = 10.0
RETRY_MS: Final = 1000

Event = tuple[str, str]
"""Its name and its data, which hold no line break."""


class View(Protocol):
    """What one viewer is shown; it remembers what that was."""

    def news(self, turn: Turn) -> Sequence[Event]:
        """Return what is new since it was asked last; the first time everything is."""
        ...


class Stream:
    """The answer to a request for events; an ASGI application."""

    def __init__(self, live: Live, clock: Clock, view: View) -> None:
        self._live = live
        self._clock = clock
        self._view = view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            async with self._live.viewing() as turns:
                headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await _send(send, f"retry: {RETRY_MS}\n\n")
                gone = asyncio.create_task(_gone(receive))
                try:
                    await self._tell(send, gone, turns)
                finally:
                    gone.cancel()
                await send({"type": "http.response.body", "body": b""})
        except TooManyViewers:
            answer = PlainTextResponse("as many look on as may", 503, headers={"retry-after": "10"})
            await answer(scope, receive, send)

    async def _tell(self, send: Send, gone: asyncio.Task[None], turns: AsyncIterator[Turn]) -> None:
        began_s = told_s = self._clock.monotonic()
        async for turn in turns:
            if gone.done():
                return
            news = self._view.news(turn)
            now_s = self._clock.monotonic()
            if news or now_s >= told_s + QUIET_S:
                await _send(send, _written(news) or ": \n\n")
                told_s = now_s
            if now_s >= began_s + STREAM_S:
                return


def _written(news: Iterable[Event]) -> str:
    return "".join(f"event: {name}\ndata: {data}\n\n" for name, data in news)


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode("ascii"), "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
