"""A flag, and a client with the server it plays against."""

import threading
from collections.abc import Iterator

import pytest

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.offcloud import Client, ClientSettings
from tests.fakes.wire_server import RealClock, Turn, WireServer
from tests.unit.offcloud.playing import KEY, Keys, Play


@pytest.fixture
def stop() -> threading.Event:
    """A flag that is not raised."""
    return threading.Event()


@pytest.fixture
def play() -> Iterator[Play]:
    """Start a server with a script, and a client for it that does not wait between its tries."""
    servers: list[WireServer] = []
    clients: list[Client] = []

    def start(*turns: Turn, clock: Clock | None = None, **changes: object) -> tuple[Client, WireServer]:
        server = WireServer(*turns).__enter__()
        servers.append(server)
        quick: dict[str, object] = {
            "read_key": Keys(KEY),
            "base_url": server.url,
            "requests_per_minute": 1_000_000,
            "retry_wait_s": 0.0,
            "read_timeout_s": 2.0,
        }
        client = Client(ClientSettings(**(quick | changes)), clock or RealClock())  # type: ignore[arg-type]
        clients.append(client)
        return client, server

    yield start
    for client in clients:
        client.close()
    for server in servers:
        server.stop()
