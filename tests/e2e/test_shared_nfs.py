"""Hosts with a kernel each, on a folder that all have mounted by NFS: killed, stopped, cut off.

To cut a host off is to cut off its folder, too: the mount is a hard one, so whatever touches it hangs. The
file server is killed and comes back. The hosts' clocks are hours apart.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.fleet import SETTINGS, Fleet, live_under_fire, sandbox_at
from tests.e2e.machine import FileServer, Machine, needs_machines, nfs3
from tests.e2e.process import Place
from tests.fakes.network import Network


def _nfs_under_fire(base: Path, start_sandbox, hosts: int, options: str, **fire: int) -> None:
    shared, server = base / "shared", base / "server"
    for directory in (shared, server):
        directory.mkdir()
    with Network(hosts, plugged=True) as network, FileServer(shared, server, network) as file_server:
        sandbox = network.inside(lambda: sandbox_at(network.address, start_sandbox))
        daemons = [
            Machine(
                Place(base / f"host-{number}", sandbox.url, SETTINGS),
                entrance=network.inside_entrance,
                server=network.address,
                shared=shared,
                options=options,
                address=network.address_of(number),
                wire=f"wire{number}",
                ahead_s=5000 * number,
            )
            for number in range(hosts)
        ]
        with Fleet(shared, daemons, sandbox, network, file_server) as fleet:
            print(live_under_fire(fleet, **fire))


@needs_machines
@pytest.mark.torture
@pytest.mark.parametrize("hosts", [2, 3])
@pytest.mark.parametrize("options", [nfs3(), "vers=4.2"], ids=["nfs3", "nfs4"])
def test_hosts_share_a_folder_by_nfs_under_fire(start_sandbox, tmp_path, options, hosts):
    """Five hundred drops of two hundred links, sixty strikes."""
    _nfs_under_fire(tmp_path, start_sandbox, hosts, options, drops=500, links=200, strikes=60, seed=1)
