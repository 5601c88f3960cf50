"""The client of the Offcloud service; implements ``core.ports.Cloud``."""

from offcloud_watchd.offcloud.client import Client
from offcloud_watchd.offcloud.settings import ClientSettings

__all__ = ["Client", "ClientSettings"]
