"""Hosts on a network of their own: one switch, a wire from it to each host, and wires that can be cut.

Every host is a network namespace, and so is the switch, with the servers that are to be reached. Nobody
outside sees any of it. A namespace lives as long as a process in it does, here one that ends when its input
does: so all is gone when the test ends, however it ends.

The addresses are of 127/8, led over the wires, as the service is spoken to without TLS on such alone. Source:
Linux, Documentation/networking/ip-sysctl.rst, ``route_localnet``.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

import pytest

from tests.faults.namespace import enter_network_of

_PREFIX: Final = "127.77.0"
_ROUTED: Final = "net/ipv4/conf/all/route_localnet"

Made = TypeVar("Made")


class _Namespace:
    """A network namespace and the process that holds it."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.write(b"\n")
        self._holder.stdin.flush()
        self._holder.stdout.read(1)  # an answer comes from inside
        self.pid = self._holder.pid

    @property
    def entrance(self) -> Sequence[str]:
        """What stands before a command that is to run in it."""
        return ("nsenter", f"--net=/proc/{self.pid}/ns/net", "--")

    def ip(self, *commands: str) -> None:
        """Carry out commands of ``ip``; what fails is an error."""
        text = "\n".join(commands)
        command = [*self.entrance, "ip", "-batch", "-"]
        ended = subprocess.run(command, input=text, text=True, capture_output=True, check=False, timeout=20)
        assert ended.returncode == 0, f"{text}: {ended.stderr}"

    def run(self, act: Callable[[], Made]) -> Made:
        """Do something in it, in a thread of its own; sockets that it makes stay there."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(enter_network_of, self.pid).result()
            return thread.submit(act).result()

    def let_loopback_out(self) -> None:
        """Let addresses of 127/8 be sent to and taken from others."""
        command = [*self.entrance, "sh", "-c", f"echo 1 > /proc/sys/{_ROUTED}"]
        subprocess.run(command, check=True, timeout=20)

    def end(self) -> None:
        """Let go of it."""
        self._holder.communicate(timeout=20)


class Network:
    """A switch and ``count`` hosts; leaving the context takes all of it away.

    Hosts with a kernel of their own are ``plugged`` in by themselves: their wires end in a device ``wireN``
    beside the switch, which one process may open.
    """

    network: Final = f"{_PREFIX}.0"
    mask: Final = 24
    address: Final = f"{_PREFIX}.1"
    """The switch's own: where servers are that were made ``inside``."""

    def __init__(self, count: int, *, plugged: bool = False) -> None:
        self._count = count
        self._plugged = plugged
        self._switch: _Namespace
        self._hosts: list[_Namespace] = []

    def __enter__(self) -> Self:
        """Build it."""
        self._switch = _Namespace()
        self._switch.let_loopback_out()
        self._switch.ip(
            "link set lo up",
            "link add switch type bridge",
            f"addr add {self.address}/{self.mask} dev switch",
            "link set switch up",
            f"route add {self.network}/{self.mask} dev switch table local",
        )
        for number in range(self._count):
            if self._plugged:
                self._switch.ip(
                    f"tuntap add dev wire{number} mode tap", f"link set wire{number} master switch up"
                )
            else:
                self._hosts.append(_Namespace())
                self._wire(number)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Take it away."""
        for namespace in (*self._hosts, self._switch):
            namespace.end()

    def _wire(self, number: int) -> None:
        host = self._hosts[number]
        host.let_loopback_out()
        self._switch.ip(
            f"link add wire{number} type veth peer name eth0 netns {host.pid}",
            f"link set wire{number} master switch up",
        )
        host.ip(
            "link set lo up",
            f"addr add {self.address_of(number)}/{self.mask} dev eth0",
            "link set eth0 up",
            f"route add {self.network}/{self.mask} dev eth0 table local",
        )

    def inside(self, act: Callable[[], Made]) -> Made:
        """Make a server where the hosts reach it, by ``address``."""
        return self._switch.run(act)

    @property
    def inside_entrance(self) -> Sequence[str]:
        """What stands before a command that is to run beside the switch."""
        return self._switch.entrance

    def entrance(self, number: int) -> Sequence[str]:
        """What stands before a command that is to run on a host."""
        return self._hosts[number].entrance

    @staticmethod
    def address_of(number: int) -> str:
        """Return a host's address."""
        return f"{_PREFIX}.{number + 2}"

    def cut(self, number: int) -> None:
        """Pull a host's wire out of the switch: both ends have a carrier, and nothing comes through."""
        self._switch.ip(f"link set wire{number} nomaster")

    def unplug(self, number: int) -> None:
        """Take a host's carrier away."""
        self._switch.ip(f"link set wire{number} down")

    def mend(self, number: int) -> None:
        """Put the wire back."""
        self._switch.ip(f"link set wire{number} master switch up")


class OneNetwork:
    """The loopback for all: where networks of their own are not permitted. Nothing of it can be cut."""

    address: Final = "127.0.0.1"

    def __enter__(self) -> Self:
        """There is nothing to build."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Nor to take away."""

    def inside(self, act: Callable[[], Made]) -> Made:
        """Make a server where the hosts reach it, by ``address``."""
        return act()

    def entrance(self, _number: int) -> Sequence[str]:
        """What stands before a command that is to run on a host."""
        return ()


@functools.cache
def may_have_networks() -> bool:
    """Tell whether a process here may have networks of its own, with bridges and wires."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("unshare", "nsenter", "ip")):
        return False
    tried = "ip link add switch type bridge && ip link add wire type veth peer name host"
    command = ["unshare", "--net", "sh", "-c", tried]
    return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0


needs_networks = pytest.mark.skipif(
    not may_have_networks(),
    reason="networks of its own are not permitted here (not root, or in a container), or iproute2 is missing",
)
