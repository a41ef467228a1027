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

# Pages of the navigation that a checkout may not have yet: they leave a gap, and no warning.
PLANNED = {
    "install", "boards", "adding-a-board", "vendor-flows", "resources", "host", "serial-protocol", "using-the-core",
    "control-port", "registers", "small-devices",
}  # fmt: skip

html_theme = "furo"
html_title = "rnngen"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"source_directory": "docs/"}
templates_path: list[str] = []


def leave_gaps(app: Sphinx, page: str, source: list[str]) -> None:
    """Takes planned pages that are not there out of a page's navigation."""
    missing = {name for name in PLANNED if not (HERE / f"{name}.md").is_file()}
    source[0] = "".join(line for line in source[0].splitlines(keepends=True) if line.strip() not in missing)


def setup(app: Sphinx) -> None:
    """Draws the pictures that pages show, from plans."""
    from pictures import draw

    draw(HERE / "pictures")
    app.connect("source-read", leave_gaps)
