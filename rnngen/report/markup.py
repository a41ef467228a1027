"""HTML and SVG elements as escaped text."""

from __future__ import annotations

import html

VOID = frozenset({"meta"})


class Markup(str):
    """Text that is HTML already; plain ``str`` is escaped wherever it is used."""

    __slots__ = ()


Content = str | Markup | None
"""A child of an element; None leaves nothing."""


def coordinate(value: float) -> str:
    """A number with at most two decimals and no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def join(*children: Content) -> Markup:
    """Children one after the other, plain text escaped."""
    parts = (child if isinstance(child, Markup) else html.escape(child) for child in children if child is not None)
    return Markup("".join(parts))


def element(tag: str, *children: Content, **attributes: str | float | None) -> Markup:
    """``<tag attributes>children</tag>``.

    ``class_`` becomes ``class`` and ``text_anchor`` becomes ``text-anchor``; None leaves an attribute out.
    """
    written = []
    for name, value in attributes.items():
        if value is not None:
            text = html.escape(value) if isinstance(value, str) else coordinate(value)
            written.append(f' {name.rstrip("_").replace("_", "-")}="{text}"')
    opening = f"<{tag}{''.join(written)}>"
    return Markup(opening) if tag in VOID else Markup(f"{opening}{join(*children)}</{tag}>")
