"""The section on sparse layers: a picture of each mask, and the memory that its zeros save."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rnngen.ir.sparse import BankedMask, in_banks
from rnngen.report.chart import WIDTH, figure, rectangle, text
from rnngen.report.elements import note, section, table
from rnngen.report.markup import Content, Markup, coordinate, element, join
from rnngen.report.numbers import Json, lookup, number, percent, records, whole
from rnngen.report.views import MaskView

DETAIL_ROWS = 16
DETAIL_COLUMNS = 192
"""Of the part that is drawn weight by weight: no cell is narrower than 4 of ``WIDTH``."""

WHOLE_ROWS = 48
WHOLE_COLUMNS = 160
LEVELS = 5
"""Of the whole matrix in cells of several weights: shades of the share that is kept."""

LEFT = 80.0


def _cells(chosen: npt.NDArray[np.bool_], top: float, height: float, class_: str) -> Markup | None:
    """A path of rectangles, neighbours in a row as one."""
    rows, columns = chosen.shape
    width = (WIDTH - 12 - LEFT) / columns
    commands = []
    for row in range(rows):
        edges = np.flatnonzero(np.diff(chosen[row].astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
        for start, end in edges.tolist():
            x, y = coordinate(LEFT + start * width), coordinate(top + row * height)
            length = coordinate((end - start) * width)
            commands.append(f"M{x} {y}h{length}v{coordinate(height)}h-{length}z")
    return element("path", d="".join(commands), class_=class_) if commands else None


def _bank_by_bank(banked: BankedMask) -> tuple[npt.NDArray[np.bool_], int]:
    """The first rows, the places of a bank side by side; and the banks that there is room for."""
    banks = max(1, min(banked.banks, DETAIL_COLUMNS // banked.bank_length))
    ordered = in_banks(banked.mask[:DETAIL_ROWS], banked.banks, False).transpose(0, 2, 1)[:, :banks]
    return ordered.reshape(len(ordered), -1), banks


def _shades(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The whole matrix in cells: 0 where nothing is kept, ``LEVELS`` where all is."""
    rows, columns = (np.linspace(0, size, min(size, most) + 1).astype(np.int64)
                     for size, most in zip(mask.shape, (WHOLE_ROWS, WHOLE_COLUMNS)))  # fmt: skip
    kept = np.add.reduceat(np.add.reduceat(mask.astype(np.int64), rows[:-1], axis=0), columns[:-1], axis=1)
    share = kept / np.outer(np.diff(rows), np.diff(columns))
    shades: npt.NDArray[np.int64] = np.ceil(share * LEVELS).astype(np.int64)
    return shades


def mask_figure(view: MaskView) -> Markup:
    """First rows weight by weight, bank beside bank; below, the whole matrix in shades."""
    banked, (rows, columns), length = view.banked, view.banked.shape, view.banked.bank_length
    detail, banks = _bank_by_bank(banked)
    shades = _shades(banked.mask)
    height, top = 8.0, 44.0
    middle = top + height * len(detail)
    low = middle + 40
    tall = min(8.0, 200.0 / len(shades))
    right = WIDTH - 12 - LEFT
    bank_width = right / banks
    parts: list[Markup | None] = [
        text(0, 16, f"{view.name}, {rows} x {columns}, {percent(view.sparsity)} zeros", "heading"),
        text(LEFT, 36, f"rows 0 to {len(detail) - 1}, banks 0 to {banks - 1} of {banked.banks}, {length} places each: "
             f"{banked.kept} kept in each bank", "tick"),
        *(rectangle(LEFT + bank * bank_width, top, bank_width, middle - top, "planned even" if bank % 2 else "planned")
          for bank in range(banks)),
        _cells(detail, top, height, "simulated"),
        text(LEFT, low - 8, "the whole matrix, columns in their order: the darker, the more is kept", "tick"),
        rectangle(LEFT, low, right, tall * len(shades), "planned"),
        *(_cells(shades == level, low, tall, f"simulated shade-{level}") for level in range(1, LEVELS + 1)),
    ]  # fmt: skip
    return figure(low + tall * len(shades) + 8, f"Mask of {view.name}", *(part for part in parts if part is not None))


def _memory_row(layer: Json, views: Sequence[MaskView], weight_bits: float) -> Sequence[Content]:
    values, places = number(layer, "memory_bits", "weights") or 0.0, number(layer, "memory_bits", "indices") or 0.0
    gates, units, inputs, hidden = (
        number(layer, key) or 0.0 for key in ("gates", "output_size", "input_columns", "hidden_inputs")
    )
    dense = gates * units * (inputs + hidden) * weight_bits
    kept = ", ".join(f"{view.matrix} {view.banked.kept} of {view.banked.bank_length}" for view in views)
    shared = max(view.banked.shared_rows for view in views)
    saved = percent(1 - (values + places) / dense) if dense else "—"
    name = str(lookup(layer, "name"))
    return (name, str(views[0].banked.banks), kept, str(shared), whole(values), whole(places), whole(dense), saved)


_STYLES = {"registers": "registers", "distributed": "LUT RAM", "block": "block RAM", "auto": "the synthesiser's choice"}


def _bank_rows(layer: Json) -> list[Sequence[Content]]:
    """What holds x and h."""
    return [
        (
            str(lookup(layer, "name")),
            what,
            *(whole(number(banks, key) or 0.0) for key in ("words", "bits", "reads", "copies")),
            _STYLES[str(lookup(banks, "style"))],
        )
        for what in ("x", "h")
        if (banks := lookup(layer, "vector_banks", what))
    ]


def sparsity(masks: Sequence[MaskView], design: Json) -> Markup | None:
    """Masks and memory of the layers whose zeros are not multiplied; None: there are none."""
    if not masks:
        return None
    weight_bits = number(design, "weight_bits") or 0.0
    rows = [
        _memory_row(layer, views, weight_bits)
        for layer in records(design, "layers")
        if (views := [view for view in masks if view.layer == lookup(layer, "name")])
    ]
    head = ("layer", "banks", "kept a bank", "rows a set", "values", "places", "dense", "saved")
    banks = [row for layer in records(design, "layers") for row in _bank_rows(layer)]
    bank_head = ("layer", "vector", "words a bank", "bits", "reads a cycle", "copies", "made of")
    return section(
        "Sparse layers",
        table(head, rows, frozenset({1, 3, 4, 5, 6, 7})),
        note(
            "Memory in bits: values of the weights that are kept and their places in the banks, as the memory's words "
            "hold them; dense: a value for every weight."
        ),
        table(bank_head, banks, frozenset({2, 3, 4, 5})),
        note("Each set of places reads words of its own: from a copy of the bank, or from registers that all read."),
        join(*(mask_figure(view) for view in masks)),
    )
