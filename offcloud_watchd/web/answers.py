"""Documents and texts as they are sent.

Our own JSON is in ASCII, so that nothing in a name steers whatever shows it; clients that take us for another
program get it as that one writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import PlainTextResponse, Response


def dumped(document: Mapping[str, Any]) -> str:
    """Write a document on one line, in ASCII."""
    # DEL is no control character to JSON, but to a terminal it is.
    return json.dumps(document, allow_nan=False, separators=(",", ":")).replace("\x7f", "\\u007f")


def json_answer(document: Mapping[str, Any], status: int = 200) -> Response:
    """Answer with a document."""
    return Response(dumped(document) + "\n", status, media_type="application/json")


def utf8_answer(document: object) -> Response:
    """Answer with JSON in UTF-8; what is not UTF-8 in a name has a mark for each byte that is none."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), media_type="application/json")


def text_answer(body: str, status: int = 200) -> Response:
    """Answer with text."""
    return PlainTextResponse(body, status, media_type="text/plain; charset=UTF-8")
