"""Building blocks of the page: sections, notes, badges, tables and tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rnngen.report.markup import Content, Markup, element
from rnngen.report.numbers import NOT_RUN


def section(title: str, *children: Content) -> Markup:
    """A headed part of the page."""
    return element("section", element("h2", title), *children)


def note(*children: Content) -> Markup:
    """A line of small explanation."""
    return element("p", *children, class_="note")


def badge(kind: str) -> Markup:
    """A marker such as "measured"."""
    return element("span", kind, class_=f"badge {kind.split()[0]}")


def table(head: Sequence[str], rows: Iterable[Sequence[Content]], numeric: frozenset[int] = frozenset()) -> Markup:
    """A table; columns in ``numeric`` are set to the right."""

    def cell(tag: str, index: int, content: Content) -> Markup:
        return element(tag, content, class_="number" if index in numeric else None)

    header = element("tr", *(cell("th", i, name) for i, name in enumerate(head)))
    body = (element("tr", *(cell("td", i, content) for i, content in enumerate(row))) for row in rows)
    return element("div", element("table", element("thead", header), element("tbody", *body)), class_="scroll")


def tile(name: str, value: str | None, detail: Content, state: str = "") -> Markup:
    """A figure that matters; a value of None is "not run"."""
    return element(
        "div",
        element("div", name, class_="tile-name"),
        element("div", value or NOT_RUN, class_="tile-value" if value else "tile-value absent"),
        element("div", detail, class_="tile-detail"),
        class_=f"tile {state}".rstrip(),
    )
