"""uvicorn's HTTP/1.1 connection, with the bounds it leaves to others.

uvicorn puts no limit on how many connections there are, nor on how long one may take to send the head of a
request: a few hundred clients that send a byte now and then would hold every descriptor of the process.

When there are too many, the one that has owed the head of a request for the longest makes room: whoever asks
for something gets in, however many only hold the line.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

MAX_CONNECTIONS: Final = 128
HEAD_WITHIN_S: Final = 10.0
READ_WITHIN_S: Final = 20.0
MAX_HEAD_BYTES: Final = 16 * 1024


class Connection(H11Protocol):
    """One connection; it is closed when the other side is late, and when another one needs its place.

    Late: with the head of a request, or with reading what it asked for.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin, unless there are too many."""
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > MAX_CONNECTIONS:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and count the time while they do not make a whole head."""
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_timer()
        self._stop_read_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the other side to read, but not for ever."""
        super().pause_writing()
        self._read_timer = self.loop.call_later(READ_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it has read."""
        self._stop_read_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; hang up where it comes within a call that is answered already.

        uvicorn answers a second time then, which is an error of ours and a traceback for each such call; and
        whoever still reads the call's body is to know that there is no one left to answer.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _make_room(self) -> None:
        """Close the connection that owes a head for the longest, else one that idles, else this one."""
        others = (one for one in self.connections if isinstance(one, Connection) and one is not self)
        waiting = (one for one in others if one.conn.their_state is h11.IDLE)
        last = min(waiting, key=_head_due_s, default=self)
        self.connections.discard(last)  # it is lost a moment later only, and counts no more
        last.transport.abort()

    @property
    def head_due_s(self) -> float | None:
        """When the head of a request must be there (seconds of the loop); None: none was begun."""
        return None if self._head_timer is None else self._head_timer.when()

    def _await_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self._too_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_late(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.abort()


def _head_due_s(connection: Connection) -> float:
    due_s = connection.head_due_s
    return math.inf if due_s is None else due_s
