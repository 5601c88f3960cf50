"""Hosts with a kernel of their own, and a file server: a shared folder as it really is mounted.

A host is User Mode Linux, Debian's kernel as a process: its NFS client, its caches and its clock are its own,
and to kill the process is to pull the plug. It sees this machine's files, read-only but for its own place.
The server is NFS-Ganesha, which exports a directory of this machine. Source: Linux,
Documentation/virt/uml/user_mode_linux_howto_v2.rst; ganesha-config(8), ganesha-export-config(8).
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.e2e.process import Daemon, wait_until
from tests.fakes.network import Network, may_have_networks

_PORT: Final = 2049
_MOUNT_PORT: Final = 20_048
_MODULES: Final = Path("/usr/lib/uml/modules")
_ORDER: Final = (
    "net/dns_resolver/dns_resolver",
    "net/sunrpc/sunrpc",
    "fs/nfs_common/grace",
    "fs/lockd/lockd",
    "fs/nfs_common/nfs_acl",
    "fs/netfs/netfs",
    "fs/fscache/fscache",
    "fs/nfs/nfs",
    "fs/nfs/nfsv3",
    "fs/nfs/nfsv4",
)
_PROGRAMS: Final = ("linux.uml", "ganesha.nfsd", "rpcbind", "busybox")

needs_machines = pytest.mark.skipif(
    not may_have_networks() or not all(shutil.which(name) for name in _PROGRAMS),
    reason="needs root, networks of its own, and user-mode-linux, nfs-ganesha-vfs, rpcbind and busybox",
)


class FileServer:
    """Exports a directory by NFS, 3 and 4, at the switch's address; leaving the context ends it.

    What is put there from here is seen at once: nothing is kept of a directory. There is no grace period:
    nobody locks anything, and a file that was open when the server ended is lost to whoever had it open.
    """

    def __init__(self, shared: Path, work: Path, network: Network) -> None:
        self._network = network
        self._log = work / "ganesha.log"
        config = work / "ganesha.conf"
        config.write_text(_exported(shared, work, network.address))
        serve = (
            f"mount -t tmpfs none /run && mkdir /run/rpcbind && rpcbind -h {network.address} && "
            f"exec ganesha.nfsd -F -f {config} -L {self._log} -p {work}/ganesha.pid"
        )
        private = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        self._command = [*network.inside_entrance, *private, "sh", "-c", serve]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        self.start()
        wait_until(
            lambda: self._network.inside(lambda: _answers(self._network.address)),
            within_s=30,
            why=lambda: self._log.read_text() if self._log.exists() else "no log",
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Kill it."""
        self.kill()

    def start(self) -> None:
        """Start it; harmless when it is running."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        """Kill it without warning; harmless when it is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)


def _exported(shared: Path, work: Path, address: str) -> str:
    return f"""
NFS_CORE_PARAM {{
  Protocols = 3, 4; Bind_addr = {address}; NFS_Port = {_PORT}; MNT_Port = {_MOUNT_PORT};
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
}}
NFSv4 {{ Graceless = true; RecoveryRoot = {work}; Only_Numeric_Owners = true; Allow_Numeric_Owners = true; }}
MDCACHE {{ Dir_Chunk = 0; }}
EXPORT {{
  Export_Id = 1; Path = {shared}; Pseudo = {shared}; Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
  Protocols = 3, 4; Transports = TCP; Attr_Expiration_Time = 0; FSAL {{ Name = VFS; }}
}}
"""


def _answers(address: str) -> bool:
    try:
        socket.create_connection((address, _PORT), 1).close()
    except OSError:
        return False
    return True


@dataclass
class Machine(Daemon):
    """A host that boots, mounts the shared folder as its drop folder, and runs the daemon; then it is halted.

    ``server`` exports ``shared``, to be mounted with ``options``; the host has ``address`` at the end of
    ``wire``. ``ahead_s``: by how much its clock is ahead of this machine's.
    """

    server: str = ""
    shared: Path = Path()
    options: str = ""
    address: str = ""
    wire: str = ""
    ahead_s: int = 0

    @property
    def console(self) -> Path:
        """Where the kernel and what comes before the daemon write."""
        return self.place.root / "console.log"

    def start(self) -> None:
        """Boot it."""
        init = self.place.root / "init"
        init.write_text(self._init())
        init.chmod(0o755)
        kernel = ["linux.uml", "mem=256M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"]
        wired = [
            f"vec0:transport=tap,ifname={self.wire},gro=1",
            f"init={init}",
            "con=null",
            "con0=null,fd:1",
            "quiet",
        ]
        with self.console.open("ab") as console:
            self.process = subprocess.Popen(
                [*self.entrance, *kernel, *wired],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Pull the plug: of the kernel, and of the processes in which it lets others run."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)

    def _init(self) -> str:
        place = self.place.root
        load = "\n".join(f"insmod {_modules()}/{name}.ko" for name in _ORDER)
        run = f"{sys.executable} -m offcloud_watchd run --config {self.place.config}"
        return f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /mnt
mount -t hostfs none {place} -o {place}
date -s "@$(( $(date +%s) + {self.ahead_s} ))"
busybox hostname {place.name}
{load}
ip link set lo up
echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
ip addr add {self.address}/{Network.mask} dev vec0
ip link set vec0 up
ip route add {Network.network}/{Network.mask} dev vec0 table local
cd {Path.cwd()}
until mount -i -t nfs -o {self.options},addr={self.server},clientaddr={self.address},hard,sec=sys \\
  {self.server}:{self.shared} {self.place.drop}; do busybox sleep 0.5; done
{run} >> {self.log_path} 2>&1 < /dev/null
echo "the daemon has ended: $?"
busybox poweroff -f
"""


@functools.cache
def _modules() -> Path:
    return next(_MODULES.glob("*/kernel"))


def nfs3() -> str:
    """Return the options of a mount by NFS 3, without a port mapper or locks."""
    return f"vers=3,port={_PORT},mountport={_MOUNT_PORT},proto=tcp,mountproto=tcp,nolock"
