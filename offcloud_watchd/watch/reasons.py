"""The text that goes beside a refused drop: what was read, what is wrong, what to do."""

from __future__ import annotations

from typing import Final

from offcloud_watchd.core.model import Links
from offcloud_watchd.core.settle import Stamp
from offcloud_watchd.watch.names import shown

MAX_LINES: Final = 10_000


def why_refused(name: str, stamp: Stamp, problem: str) -> str:
    """Tell the user why a drop as a whole was not taken. Equal input gives equal text."""
    return (
        f"This drop was not accepted: {shown(name)}\n"
        f"Read: {stamp.size_bytes:,} bytes\n"
        f"What is wrong: {problem}\n"
        "What to do: mend the file, or get it again from where it came, and put it back into the drop "
        "folder. Nothing was handed to Offcloud and nothing was deleted.\n"
    )


def what_was_left_out(name: str, stamp: Stamp, links: Links) -> str:
    """Tell the user which lines of a list were not taken. Equal input gives equal text."""
    lines = [
        f"A part of this drop was not accepted: {shown(name)}",
        f"Read: {stamp.size_bytes:,} bytes, {len(links.found)} good links (they go on), {len(links.bad)} bad",
        "What is wrong:",
    ]
    for bad in links.bad[:MAX_LINES]:
        where = "the file" if bad.line is None else f"line {bad.line}"
        lines.append(f"  {where}: {bad.reason}")
    if len(links.bad) > MAX_LINES:
        lines.append(f"  ... and {len(links.bad) - MAX_LINES} more")
    lines.append("What to do: put the mended lines, and only these, into a new list in the drop folder.")
    return "\n".join(lines) + "\n"
