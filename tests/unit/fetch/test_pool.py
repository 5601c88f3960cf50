"""Connections that wait for their next request."""

import socket
from collections import deque
from collections.abc import Iterator

import pytest

from offcloud_watchd.fetch.pool import Connection, Origin, Pool


class Hasty(deque[Connection]):
    """A row of connections of which another thread always takes the last one first."""

    def __bool__(self) -> bool:
        """Look as if there was one."""
        return True


@pytest.fixture
def origin() -> Iterator[Origin]:
    """Listen on loopback, and answer nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield Origin(secure=False, host="127.0.0.1", port=listening.getsockname()[1])


def connected(origin: Origin) -> Connection:
    """Open a connection."""
    connection = Connection(origin, None, 5.0, lambda: None)
    connection.connect()
    return connection


def test_only_so_many_wait(origin: Origin) -> None:
    """The rest is closed at once, and all are in the end."""
    pool = Pool()
    connections = [connected(origin) for _ in range(40)]
    for connection in connections:
        pool.give(connection)
    assert sum(connection.sock is not None for connection in connections) == 32
    pool.close()
    assert all(connection.sock is None for connection in connections)
    assert pool.take(origin) is None


def test_one_that_was_closed_is_not_given(origin: Origin) -> None:
    """By whoever had it, or by the other side."""
    pool = Pool()
    closed = connected(origin)
    closed.close()
    pool.give(closed)
    assert pool.take(origin) is None


def test_another_thread_may_be_quicker(origin: Origin) -> None:
    """Between the look and the grasp the last one is gone."""
    pool = Pool()
    pool._idle[origin] = Hasty()
    assert pool.take(origin) is None
    pool.close()


def test_one_that_was_never_connected_cannot_be_cut(origin: Origin) -> None:
    """There is nothing to end."""
    connection = Connection(origin, None, 5.0, lambda: None)
    connection.cut()
    assert connection.is_dropped()
