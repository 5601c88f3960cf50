"""How an error at the boundary of a lane reaches the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from offcloud_watchd.errors import OffcloudWatchdError

log = logging.getLogger(__name__)


def noted(error: Exception, what: str, fields: Mapping[str, str]) -> Exception:
    """Log where a bug is: its text may hold what only the log knows how to hide, so nobody else shows it."""
    if not isinstance(error, OffcloudWatchdError):
        log.error("%s raised", what, exc_info=error, extra=fields)
    return error
