"""What a power failure leaves of a place, from the log and the shadow that ``faultline`` kept.

Content that was not synced may be there, be cut, be zeros or be gone: for all files alike, or for each on its
own, as no order binds what was not synced. Each change of a name since the
last sync of its directory may have reached the disk or not, independent of the others; a rename is never
half done.
Source: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

KINDS: Final = ("synced", "written", "half", "zeros")


@dataclass(eq=False)
class Node:
    """A file or directory: as the process sees it, and as the disk has it."""

    inode: int
    seen: dict[str, Node] = field(default_factory=dict)
    durable: dict[str, Node] = field(default_factory=dict)
    content: bytes = b""
    is_directory: bool = False
    tagged: bool = False


@dataclass(eq=False)
class Change:
    """A change of names that is not durable before one of its directories is synced."""

    parents: tuple[Node, ...]
    make: Callable[[], None]


class Disk:
    """The place as a disk has it. Made before the process starts, when all is durable."""

    def __init__(self, place: Path, parts: tuple[str, ...]) -> None:
        self._place = place
        self._nodes: dict[int, Node] = {}
        self._pending: list[Change] = []
        self._parts = parts
        self._root = Node(0, is_directory=True)
        for name in parts:
            if (place / name).exists():
                self._root.seen[name] = self._root.durable[name] = self._found(place / name)

    def _found(self, path: Path) -> Node:
        about = path.lstat()
        known = self._nodes.get(about.st_ino)
        if known is not None:
            return known
        node = self._nodes[about.st_ino] = Node(about.st_ino, is_directory=path.is_dir())
        if node.is_directory:
            node.seen = {inner.name: self._found(inner) for inner in path.iterdir()}
            node.durable = dict(node.seen)
        else:
            node.content = path.read_bytes()
        return node

    def follow(self, calls: Path, shadow: Path) -> None:
        """Learn from the log what was done and what of it is durable."""
        for line in calls.read_text(errors="surrogateescape").splitlines():
            members = line.split("\t")
            if members[0] == "=":
                self._done(members[1], int(members[2]), members[3:], shadow)

    def _done(self, call: str, inode: int, rest: list[str], shadow: Path) -> None:
        if call == "sync":
            whole = rest[0] == str(self._place)
            self._synced(self._root if whole else self._nodes[inode], shadow / rest[1])
            return
        parent, name = self._at(rest[0])
        match call:
            case "create" | "mkdir":
                self._nodes[inode] = Node(inode, is_directory=call == "mkdir")
                self._put(parent, name, self._nodes[inode])
            case "link":
                self._put(parent, name, self._nodes[inode])
            case "unlink":
                parent.seen.pop(name, None)
                self._pending.append(Change((parent,), lambda: _dropped(parent, name)))
            case "rename":
                self._renamed(parent, name, *self._at(rest[1]))
            case "tag":
                self._nodes[inode].tagged = True

    def _at(self, path: str) -> tuple[Node, str]:
        *above, name = Path(path).relative_to(self._place).parts
        node = self._root
        for part in above:
            node = node.seen[part]
        return node, name

    def _put(self, parent: Node, name: str, node: Node) -> None:
        parent.seen[name] = node
        self._pending.append(Change((parent,), lambda: parent.durable.update({name: node})))

    def _renamed(self, parent: Node, name: str, target: Node, new: str) -> None:
        node = parent.seen.pop(name)
        target.seen[new] = node

        def make() -> None:
            if parent.durable.get(name) is node:
                del parent.durable[name]
            target.durable[new] = node

        self._pending.append(Change((parent, target), make))

    def _synced(self, node: Node, kept: Path) -> None:
        node.tagged = False
        if not node.is_directory:
            node.content = kept.read_bytes()
            return
        still = []
        for change in self._pending:
            if node in change.parents:
                change.make()
            else:
                still.append(change)
        self._pending = still

    def fail(self, chance: random.Random) -> None:
        """Turn the place into one of the states that are possible now."""
        alike = chance.choice((*KINDS, None, None, None))
        keep = chance.choice((0.0, 0.5, 1.0))
        for change in self._pending:
            if chance.random() < keep:
                change.make()
        written = {path.lstat().st_ino: path for path in self._everything()}

        def kind() -> str:
            return alike or chance.choice(KINDS)

        left = {name: self._left(node, kind, written) for name, node in self._root.durable.items()}
        for name in self._parts:
            shutil.rmtree(self._place / name, ignore_errors=True)
        for name, make in left.items():
            make(self._place / name)

    def _everything(self) -> Iterator[Path]:
        for name in self._parts:
            if (self._place / name).exists():
                yield self._place / name
                yield from (self._place / name).rglob("*")

    def _left(self, node: Node, kind: Callable[[], str], written: dict[int, Path]) -> Callable[[Path], None]:
        """Read what is needed of a node before all is deleted; return what makes it anew."""
        # A number is given to another file when the file is gone.
        path = written.get(node.inode) if self._nodes[node.inode] is node else None
        mode = path.lstat().st_mode & 0o7777 if path else 0o700 if node.is_directory else 0o600
        tags = (
            {} if path is None or node.tagged else {one: os.getxattr(path, one) for one in os.listxattr(path)}
        )
        inner = {name: self._left(child, kind, written) for name, child in node.durable.items()}
        content = b"" if node.is_directory else _after(kind(), node.content, path)

        def make(target: Path) -> None:
            if node.is_directory:
                target.mkdir()
                for name, child in inner.items():
                    child(target / name)
            else:
                target.write_bytes(content)
            target.chmod(mode)
            for one, value in tags.items():
                os.setxattr(target, one, value)

        return make


def _after(kind: str, synced: bytes, path: Path | None) -> bytes:
    written = path.read_bytes() if path is not None and path.is_file() else synced
    match kind:
        case "synced":
            return synced
        case "written":
            return written
        case "half":
            return written[: (len(synced) + len(written)) // 2]
        case _:
            return synced + bytes(max(0, len(written) - len(synced)))


def _dropped(parent: Node, name: str) -> None:
    parent.durable.pop(name, None)
