"""The whole page, and writing it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rnngen.emit.folder import write_atomically
from rnngen.report import outcome, sections, sparsity, summary
from rnngen.report.markup import element, join
from rnngen.report.numbers import Json, lookup
from rnngen.report.page import page
from rnngen.report.views import ErrorView, MaskView, TraceView


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
    return page(title, body)


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
    text = render_report(design, simulation, synthesis, trace, errors, masks)
    write_atomically(Path(path), text.encode("utf-8"))
