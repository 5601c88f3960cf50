"""What is told of one *arr tool at the start. Plain, and small."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSettings:
    """One tool: its address with its URL base, where its key lies, and whose jobs it waits for.

    ``key_setting`` says where the key file stands in the configuration. Times are seconds:
    ``total_timeout_s`` bounds one question, ``rest_s`` is how long a tool that did not answer is left alone,
    ``queue_within_s`` and ``history_within_s`` are how long after a failure it may still not show it there.
    """

    name: str
    url: str
    api_key_file: Path
    key_setting: str
    categories: tuple[str, ...]
    user_agent: str = "offcloud-watchd"
    total_timeout_s: float = 20.0
    rest_s: float = 15.0
    queue_within_s: float = 120.0
    history_within_s: float = 600.0
