"""Operator commands as files: written by the command line, read by the daemon's look at its folders.

A command is one JSON object, renamed whole into ``state_dir/commands/``; its file name, without ``.json``, is
its id, and ids sort by the time they were given. The daemon deletes the file once the command is recorded,
so a command outlives a crash of either side, and its id makes it safe to take twice.

``{"verb": "retry" | "cancel" | "forget", "jobs": [ID, ...], "files": false}`` or
``{"verb": "categorize", "jobs": [ID, ...], "category": NAME}`` or
``{"verb": "category", "category": NAME, "drop": false}`` or
``{"verb": "add", "category": NAME | null, "link": TEXT, "name": RELEASE}`` (the name may be left out) or
``{"verb": "add", "category": NAME | null, "name": FILE NAME, "data": BASE64}``
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from pathlib import Path
from typing import Final

from offcloud_watchd.core.orders import AddLink, JobCommand, NameCategory, Order
from offcloud_watchd.watch.spool import write_durably

SUFFIX: Final = ".json"


def commands_dir(state_dir: Path) -> Path:
    """Return where commands lie."""
    return state_dir / "commands"


def write_command(state_dir: Path, command: Order) -> str:
    """Hand a command to the daemon, which may be down; return the command's id.

    On return it is durable. For jobs the id is found again in their events; ``core.orders.add_drop_id``
    tells under which drop id an added link is recorded. Raises ``OSError``.
    """
    command_id = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    text = json.dumps(_document(command), ensure_ascii=True)
    write_durably(commands_dir(state_dir) / f"{command_id}{SUFFIX}", text.encode("ascii"))
    return command_id


def _document(command: Order) -> dict[str, object]:
    if isinstance(command, JobCommand):
        document: dict[str, object] = {"verb": str(command.verb), "jobs": list(command.job_ids)}
        more = {"files": command.files} if command.category is None else {"category": command.category}
        return {**document, **more}
    if isinstance(command, NameCategory):
        return {"verb": "category", "category": command.category, "drop": command.drop}
    if isinstance(command, AddLink):
        named = {} if command.name is None else {"name": command.name}
        return {"verb": "add", "category": command.category, "link": command.link, **named}
    data = base64.b64encode(command.data).decode("ascii")
    return {"verb": "add", "category": command.category, "name": command.name, "data": data}
