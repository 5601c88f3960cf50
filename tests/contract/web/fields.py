"""What a client would stumble over in an answer, held against that of another program."""

from __future__ import annotations


def kind(value: object) -> str:
    """Return the kind of a JSON value: a number is a number, with a point or without."""
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def misfits(theirs: object, mine: object, where: str = "") -> list[str]:
    """Name what a client would stumble over: a field that is missing, or of another kind."""
    if kind(theirs) != kind(mine):
        return [f"{where}: {kind(mine)} in the place of {kind(theirs)}"]
    if isinstance(theirs, dict) and isinstance(mine, dict):
        missing = [f"{where}.{name} is missing" for name in theirs if name not in mine]
        both = [name for name in theirs if name in mine]
        return missing + [
            text for name in both for text in misfits(theirs[name], mine[name], f"{where}.{name}")
        ]
    if isinstance(theirs, list) and isinstance(mine, list):
        return [
            text
            for one, other in zip(theirs, mine, strict=False)
            for text in misfits(one, other, f"{where}[]")
        ]
    return []
