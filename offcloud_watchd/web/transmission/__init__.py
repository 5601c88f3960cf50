"""The RPC of Transmission (4.0.6, RPC version 17), as far as download clients of it go.

A torrent is a job, at ``/transmission/rpc`` of any category and at ``/c/CATEGORY/transmission/rpc`` of that
one alone. It is off unless ``web.transmission`` is set. What is answered is measured against Debian's
transmission-daemon. Source: Transmission, ``docs/rpc-spec.md`` of 4.0.
"""

from offcloud_watchd.web.transmission.api import Transmission

__all__ = ["Transmission"]
