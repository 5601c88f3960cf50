"""The page: HTML made by the server, that works without script and is live with it.

Rules of this room:

* Whatever comes from outside goes through ``markup.tag``, which escapes it: there is no other way to HTML.
* The page may load its own style and its one script, and nothing else (``Content-Security-Policy``).
* What changes anything is a form with a token; what cannot be taken back is asked about first.
"""

from offcloud_watchd.web.page.page import Page

__all__ = ["Page"]
