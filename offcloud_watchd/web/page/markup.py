"""HTML by elements: text is text, whatever it holds; only what ``tag`` has made is markup.

Rules of this file:

* Besides what HTML itself would take for markup, signs that turn the direction of text or cannot be seen are
  escaped: a name must not look like another one.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from offcloud_watchd.core.views import printable

_VOID: Final = frozenset({"input", "link", "meta"})


class Html(str):
    """A piece of markup; made by ``tag`` and ``joined`` alone."""

    __slots__ = ()


Child = str | int | None | Iterable[str | None]
Attribute = str | int | float | bool | None


def tag(element: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Make an element.

    ``class_`` is written ``class`` and ``aria_label`` ``aria-label``. None and False leave an attribute out,
    True gives it no value. Children that are None are left out.
    """
    opened = f"<{element}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    if element in _VOID:
        return Html(opened)
    return Html(f"{opened}{joined(*children)}</{element}>")


def joined(*children: Child) -> Html:
    """Put pieces behind one another; what is no markup is escaped."""
    return Html("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return escape(printable(child))
    if isinstance(child, int):
        return str(child)
    return "".join(_child(one) for one in child)


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{escape(printable(str(value)))}"'
