"""The web API of qBittorrent (app v4.6.7, web API 2.9.3), as far as download clients of it go.

A torrent is a job, at ``/api/v2/…`` of any category and at ``/c/CATEGORY/api/v2/…`` of that one alone, so
that two programs may each hold the same content. What is answered is measured against qbittorrent-nox.
"""

from offcloud_watchd.web.qbittorrent.api import QBittorrent

__all__ = ["QBittorrent"]
