"""What every page is made of: its head, its style, and that nothing is fetched."""

from __future__ import annotations

from rnngen.report.markup import Content, Markup, element
from rnngen.report.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page fetches nothing and runs nothing; browsers are told so."""


def page(title: str, *children: Content) -> str:
    """A whole HTML file."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    html = element("html", head, element("body", element("main", *children)), lang="en")
    return f"<!DOCTYPE html>\n{html}\n"
