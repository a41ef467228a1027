"""The whole page, and writing it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rnngen.emit.folder import write_atomically
from rnngen.report import outcome, sections, sparsity, summary
from rnngen.report.markup import Markup, element, join
from rnngen.report.numbers import Json, lookup
from rnngen.report.style import STYLE
from rnngen.report.views import ErrorView, MaskView, TraceView

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page fetches nothing and runs nothing; browsers are told so."""


def _board(design: Json) -> str | None:
    board = lookup(design, "board")
    name = lookup(board, "name") if isinstance(board, dict) else board
    return str(name) if name else None


def _subtitle(design: Json) -> str:
    source = lookup(design, "source") or lookup(design, "network", "source")
    bits = (lookup(design, "weight_bits"), lookup(design, "activation_bits"))
    parts = (
        f"from {source}" if source else None,
        f"{bits[0]}-bit weights, {bits[1]}-bit activations" if None not in bits else None,
        f"for {_board(design)}" if _board(design) else None,
    )
    return "; ".join(part for part in parts if part)


def render_report(
    design: Json,
    simulation: Json | None,
    synthesis: Json | None,
    trace: TraceView | None,
    errors: ErrorView | None,
    masks: Sequence[MaskView] = (),
) -> str:
    """The page as text; the same input gives the same text.

    Args:
        design: design.json.  simulation: simulation.json, or None.  synthesis: synthesis.json, or None.
        trace: The schedule of one step.  errors: Errors against float.  None: shown as not run.
        masks: Of the layers whose zeros are not multiplied.

    Raises:
        DesignError: if a record holds something other than a number where one belongs.
    """
    title = f"{lookup(design, 'top') or 'Design'}: rnngen report"
    body = join(
        element("h1", title),
        element("p", _subtitle(design), class_="subtitle"),
        summary.input_line(design, simulation),
        summary.summary(design, simulation, synthesis, errors),
        sections.network(design),
        sparsity.sparsity(masks, design),
        sections.error_sections(errors, design),
        sections.schedule(trace, design),
        sections.times(design, simulation, synthesis),
        outcome.resources(design, synthesis),
        outcome.saturations(simulation),
        outcome.files(design),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    page = element("html", head, element("body", element("main", body)), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def write_report(
    design: Json,
    simulation: Json | None,
    synthesis: Json | None,
    trace: TraceView | None,
    errors: ErrorView | None,
    path: str | os.PathLike[str],
    masks: Sequence[MaskView] = (),
) -> None:
    """Write ``render_report`` to a file, whole or not at all.

    Raises:
        DesignError: as ``render_report``, or if the file cannot be written.
    """
    page = render_report(design, simulation, synthesis, trace, errors, masks).encode("utf-8")
    write_atomically(Path(path), page)
