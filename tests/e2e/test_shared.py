"""Several daemons on one drop folder and one account: killed, stopped, cut off; each drop is done once.

Each is on a host of its own, as far as the network goes (``tests/fakes/network.py``). So a host that is cut
off hears nothing, not even that it was: what it has asked hangs until it gives up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.fleet import SETTINGS, Fleet, live_under_fire, sandbox_at
from tests.e2e.process import Daemon, Place
from tests.fakes.network import Network, OneNetwork, may_have_networks, needs_networks


def _shared_under_fire(
    base: Path, start_sandbox, hosts: int, network: Network | OneNetwork, **fire: int
) -> None:
    drop = base / "drop"
    drop.mkdir()
    with network:
        sandbox = network.inside(lambda: sandbox_at(network.address, start_sandbox))
        settings = SETTINGS | {"drop": str(drop)}
        places = [Place(base / f"host-{number}", sandbox.url, settings) for number in range(hosts)]
        daemons = [Daemon(place, entrance=network.entrance(number)) for number, place in enumerate(places)]
        with Fleet(drop, daemons, sandbox, network) as fleet:
            print(live_under_fire(fleet, **fire))


def test_two_hosts_share_a_folder_under_fire(start_sandbox, tmp_path):
    """The short form: sixty drops, of which half are a link that was dropped before.

    Where networks of its own are not permitted it runs all the same; but for cuts of them.
    """
    network = Network(2) if may_have_networks() else OneNetwork()
    _shared_under_fire(tmp_path, start_sandbox, 2, network, drops=60, links=30, strikes=6, seed=1)


@needs_networks
@pytest.mark.torture
@pytest.mark.parametrize("hosts", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_hosts_share_a_folder_under_much_fire(start_sandbox, tmp_path, hosts, seed):
    """The long form: five hundred drops of two hundred links, sixty strikes."""
    network = Network(hosts)
    _shared_under_fire(tmp_path, start_sandbox, hosts, network, drops=500, links=200, strikes=60, seed=seed)
