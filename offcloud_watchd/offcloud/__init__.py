"""The client of the Offcloud service; implements ``core.ports.Cloud``.

``door`` gets a key for somebody who has none; it is for the command line and not imported here.
"""

from offcloud_watchd.offcloud.client import Client
from offcloud_watchd.offcloud.settings import ClientSettings, Login

__all__ = ["Client", "ClientSettings", "Login"]
