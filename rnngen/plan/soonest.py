"""Lanes with the least latency of a spaced step, over all blocks together.

Such a step waits for the x-part of each layer and for the way of its results, one layer behind the other, so what
counts is the sum of those; the step interval only says how far apart steps must come for it.  The search is exact over
the lanes that it looks at: a bound for the other blocks, from their multipliers alone, drops what cannot be part of the
best chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnngen.arith.format import IntArray
from rnngen.plan.dominance import undominated
from rnngen.plan.engine import EnginePlan
from rnngen.plan.latency import result_cycles
from rnngen.plan.layer import LayerShape
from rnngen.plan.options import ELEMENT_DSPS, Option, fixed
from rnngen.plan.shapes import BlockShape
from rnngen.plan.sizes import column_choices, row_divisions
from rnngen.plan.timing import INDEX_CYCLES, PARTIAL_CYCLES, Pipeline

_SMALL = 1024
"""Weights of a gate up to which all lanes are tried; else the fewest rows and columns for as many tiles and words."""

_COST, _LATENCY, _HANDED = 4, 5, 6
"""Columns of a table of lanes."""

_NEVER = 1 << 40
"""A latency that no engine has."""


@dataclass(frozen=True)
class _Lanes:
    """Lanes of one block, what they cost, first issue to last result, and words that are handed over in a cycle."""

    rows: int
    columns: int
    elements: int
    multipliers: int
    cost: int
    latency: int
    handed: int


@dataclass(frozen=True)
class _Chain:
    """Lanes of the first blocks, and their costs and latencies together."""

    chosen: tuple[_Lanes, ...] = ()
    multipliers: int = 0
    cost: int = 0
    latency: int = 0
    handed: int = 1

    def grown(self, lanes: _Lanes) -> _Chain:
        """With one more block."""
        multipliers, cost = self.multipliers + lanes.multipliers, self.cost + lanes.cost
        return _Chain((*self.chosen, lanes), multipliers, cost, self.latency + lanes.latency, lanes.handed)


def soonest(
    shapes: Sequence[BlockShape], multipliers: int, dsps: int | None, pipeline: Pipeline
) -> tuple[Option, ...] | None:
    """Options of blocks of one engine each with the least latency together, then with the fewest multipliers.

    Args:
        multipliers: That there are, of the arrays; DSP blocks for them where those are counted.
        dsps: DSP blocks that there are, element-wise paths included, where they are counted and not multipliers.

    Returns:
        None if not even the smallest engines fit.
    """
    budget = multipliers if dsps is None else dsps
    known: dict[BlockShape, IntArray] = {}
    for shape in shapes:
        if shape.unnamed not in known:
            known[shape.unnamed] = _all_lanes(shape, multipliers, dsps, pipeline)
    tables = [known[shape.unnamed] for shape in shapes]
    fronts = [_front(table) for table in tables]
    behind = [_together(fronts[index + 1 :], budget) for index in range(len(shapes))]
    beside = [_together(fronts[:index] + fronts[index + 1 :], budget) for index in range(len(shapes))]
    least = int(_together(fronts, budget)[budget])
    slack = 0
    while least + slack < _NEVER:
        # With what is handed over from block to block it may take a little more than the bound.
        worth = [_within(table, others, least + slack) for table, others in zip(tables, beside)]
        best = _best(worth, behind, multipliers, least + slack)
        if best is not None:
            return tuple(_option(*pair, pipeline) for pair in zip(shapes, best.chosen))
        slack = 2 * slack + 1
    return None


def _option(shape: BlockShape, lanes: _Lanes, pipeline: Pipeline) -> Option:
    return fixed(shape, EnginePlan(shape.layers[0], lanes.rows, lanes.columns, lanes.elements, pipeline))


def _all_lanes(shape: BlockShape, multipliers: int, dsps: int | None, pipeline: Pipeline) -> IntArray:
    """Lanes worth a look, one in a row, by ascending cost, with the columns of ``_Lanes``.

    For each pair of rows and columns the most element-wise lanes, and the fewest for 1, 2, 4, 8 .. groups of units a
    tile; of small layers for any number of groups.
    """
    layer = shape.layers[0]
    every = layer.units * max(layer.inputs, layer.hidden) <= _SMALL
    numbers = range(1, layer.units + 1) if every else row_divisions(layer)
    choices = range(1, max(layer.inputs, layer.hidden) + 1) if every and not layer.banked else column_choices(layer)
    if layer.banked:
        numbers = [rows for rows in numbers if layer.banked.allows(rows)]
    grid = np.meshgrid(np.array(numbers), np.array(choices), indexing="ij")
    rows, columns = (axis.ravel() for axis in grid)
    fits = layer.array_dsps(layer.gates * rows, columns) <= multipliers
    rows, columns = rows[fits], columns[fits]
    most = np.minimum(rows, columns) if layer.hidden else rows
    groups = range(1, layer.units + 1) if every else [1 << power for power in range(layer.units.bit_length())]
    pieces = [_lanes(layer, rows, columns, most, dsps is not None, pipeline)]
    for count in groups:
        elements = -(-rows // count)
        fits = elements < most
        chosen = rows[fits], columns[fits], elements[fits]
        pieces.append(_lanes(layer, *chosen, dsps is not None, pipeline))
    table = np.concatenate(pieces)
    if shape.post_units:
        table[:, _HANDED] = 1
    table = table[table[:, _COST] <= (multipliers if dsps is None else dsps)]
    return table[np.lexsort((table[:, _LATENCY], table[:, _COST]))]


def _lanes(
    layer: LayerShape, rows: IntArray, columns: IntArray, elements: IntArray, dsps: bool, pipeline: Pipeline
) -> IntArray:
    """Lanes with their costs and latencies (``EnginePlan.last_write_cycle``)."""
    multipliers = layer.array_dsps(layer.gates * rows, columns)
    cost = multipliers + (elements * ELEMENT_DSPS[layer.kind] if dsps else 0)
    words = np.full_like(rows, layer.x_words(layer.banked.banks)) if layer.banked else -(-layer.inputs // columns)
    tiles = -(-layer.units // rows)
    last = layer.units - (tiles - 1) * rows
    ways = {int(count): result_cycles(layer.kind, int(count), pipeline) for count in np.unique(columns)}
    result = np.array([ways[count] for count in columns.tolist()], dtype=np.int64)
    result += (PARTIAL_CYCLES if layer.spaced else 0) + (INDEX_CYCLES if layer.banked else 0)
    spacing = np.maximum(words, -(-rows // elements))
    latency = (tiles - 1) * spacing + words - 1 + result + -(-last // elements) - 1
    for place in np.flatnonzero((tiles == 1) & (words == 1)):  # a step of one word may be unrolled
        engine = EnginePlan(layer, int(rows[place]), int(columns[place]), int(elements[place]), pipeline)
        latency[place] = engine.last_write_cycle
    return np.stack([rows, columns, elements, multipliers, cost, latency, elements], axis=1).astype(np.int64)


def _front(table: IntArray) -> IntArray:
    """Costs and latencies of the lanes that no cheaper ones beat; the table ascends by cost."""
    best = np.minimum.accumulate(table[:, _LATENCY])
    better = np.diff(best, prepend=_NEVER) < 0
    return table[better][:, [_COST, _LATENCY]]


def _together(fronts: Sequence[IntArray], budget: int) -> IntArray:
    """By budget, the least latency of some blocks together, whatever they hand over."""
    bound = np.zeros(budget + 1, dtype=np.int64)
    for front in fronts:
        grown = np.full_like(bound, _NEVER)
        for cost, latency in front.tolist():
            np.minimum(grown[cost:], bound[: len(bound) - cost] + latency, out=grown[cost:])
        bound = grown
    return bound


def _within(table: IntArray, others: IntArray, limit: int) -> list[_Lanes]:
    """Lanes with which the whole may have at most a latency."""
    left = len(others) - 1 - table[:, _COST]
    worth = table[table[:, _LATENCY] + others[left] <= limit]
    return [_Lanes(*row) for row in worth.tolist()]


def _best(
    worth: Sequence[Sequence[_Lanes]], behind: Sequence[IntArray], multipliers: int, limit: int
) -> _Chain | None:
    """The chain with the least latency, if one has at most ``limit``.

    Args:
        behind: By block and budget, the least latency of the blocks behind it.
    """
    budget = len(behind[0]) - 1
    chains = [_Chain()]
    for lanes, rest in zip(worth, behind):
        grown = (chain.grown(one) for chain in chains for one in lanes if one.columns >= chain.handed)
        fitting = (
            chain
            for chain in grown
            if chain.cost <= budget
            and chain.multipliers <= multipliers
            and chain.latency + rest[budget - chain.cost] <= limit
        )
        chains = undominated(fitting, lambda chain: (chain.cost, chain.latency, chain.handed, chain.multipliers))
    return min(chains, key=lambda chain: (chain.latency, chain.cost), default=None)

