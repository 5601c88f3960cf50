"""The program's own JSON API, ``/api/v1/…``: what it takes and gives stands in ``operations``, once."""

from offcloud_watchd.web.api.api import OwnApi

__all__ = ["OwnApi"]
