"""JSON as it is sent: in ASCII, so that nothing in a name steers whatever shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def dumped(document: Mapping[str, Any]) -> str:
    """Write a document on one line, in ASCII."""
    # DEL is no control character to JSON, but to a terminal it is.
    return json.dumps(document, allow_nan=False, separators=(",", ":")).replace("\x7f", "\\u007f")


def json_answer(document: Mapping[str, Any], status: int = 200) -> Response:
    """Answer with a document."""
    return Response(dumped(document) + "\n", status, media_type="application/json")
