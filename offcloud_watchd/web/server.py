"""The web server's own thread: one event loop, which begins with ``start`` and ends with ``stop``.

Rules of this file:

* The daemon goes on without the web. A port that is taken is said once and tried again.
* uvicorn's connections are used and not its server: that one wakes ten times a second to look at a flag.
* Nothing waits for ever for the end: requests get a moment, connections are then cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from functools import partial
from typing import Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from offcloud_watchd.errors import NO_THREAD
from offcloud_watchd.web import door
from offcloud_watchd.web.desk import Desk, Ports
from offcloud_watchd.web.live import Live
from offcloud_watchd.web.protocol import MAX_HEAD_BYTES, Connection
from offcloud_watchd.web.settings import WebSettings
from offcloud_watchd.web.site import site

log = logging.getLogger(__name__)

RETRY_S: Final = 10.0
KEEP_ALIVE_S: Final = 30
FINISH_WITHIN_S: Final = 1.0


class WebServer:
    """The web. ``start`` and ``stop`` are for one thread, each once; neither raises."""

    def __init__(self, settings: WebSettings, ports: Ports) -> None:
        self._settings = settings
        self._ports = ports
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self.addresses: tuple[str, ...] = ()
        """Where it listens; empty while it does not."""

    def start(self) -> None:
        """Begin to listen, on a thread of its own."""
        try:
            self._thread.start()
        except RuntimeError:
            log.warning("the web is not served: %s", NO_THREAD)
            self._loop.close()

    def stop(self, within_s: float) -> None:
        """Listen no more, let requests end for a moment, and wait for the thread so long at the most."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.ident is not None:
            self._thread.join(within_s)

    # --- on the web's own thread ---

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except Exception:  # the boundary of the web: the daemon goes on without it
            log.exception("the web server ended")

    async def _serve(self) -> None:
        desk = Desk(self._ports)
        try:
            sockets = await self._opened()
            if sockets:
                await self._answer(sockets, desk)
        finally:
            desk.close()

    async def _opened(self) -> list[socket.socket]:
        """Listen, as soon as that can be done; nothing when the end came first."""
        said = ""
        while not self._stopping.is_set():
            try:
                return door.opened(self._settings.listen)
            except OSError as error:
                problem = f"the web cannot listen at {self._settings.listen}: {error.strerror}"
                if problem != said:
                    log.log(logging.ERROR, "%s; it is tried again every %.0f s", problem, RETRY_S)
                said = problem
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RETRY_S)
        return []

    async def _answer(self, sockets: list[socket.socket], desk: Desk) -> None:
        live = Live(desk)
        config = Config(
            site(self._settings, desk, live),
            interface="asgi3",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        )
        config.load()
        # uvicorn's warning about bad requests tells nothing, and as often as somebody likes.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        state = ServerState()
        loop = asyncio.get_running_loop()
        connection = partial(Connection, config, state, {}, loop)
        servers = [await loop.create_server(connection, sock=one) for one in sockets]
        self.addresses = tuple(door.shown(one) for one in sockets)
        log.info("web: listening at %s", ", ".join(self.addresses))
        sampling = loop.create_task(live.run())
        await self._stopping.wait()
        sampling.cancel()
        live.close()
        for server in servers:
            server.close()
        await _ended(state)


async def _ended(state: ServerState) -> None:
    """Let what is under way end for a moment; then cut it."""
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        _, late = await asyncio.wait(state.tasks, timeout=FINISH_WITHIN_S)
        for task in late:
            task.cancel()
    for connection in list(state.connections):
        connection.transport.abort()
