"""The site's settings: Sphinx, Markdown through MyST, theme furo.  ``make docs`` builds it; a warning is an error."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

project = "rnngen"
author = "the rnngen authors"
copyright = author
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = "rnngen"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"source_directory": "docs/"}
html_static_path = ["static"]
html_css_files = ["tables.css"]
templates_path: list[str] = []


def setup(app: Sphinx) -> None:
    """Draws the pictures that pages show, from plans."""
    from pictures import draw

    draw(HERE / "pictures")
