"""The API of SABnzbd (4.3.3), as far as programs go that hand .nzb files to it and follow them.

A slot is a job of an NZB, at ``/sabnzbd/api`` of any category and at ``/c/CATEGORY/sabnzbd/api`` of that one
alone. It is off unless ``web.sabnzbd`` is set. Source: SABnzbd, ``sabnzbd/api.py``, and what Sonarr, Radarr
and Lidarr read of it, ``NzbDrone.Core/Download/Clients/Sabnzbd``.
"""

from offcloud_watchd.web.sabnzbd.api import Sabnzbd

__all__ = ["Sabnzbd"]
