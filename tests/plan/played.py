"""The schedule of an engine played out issue by issue, from its lanes and passes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rnngen.plan.engine import EnginePlan
from rnngen.plan.timing import Pipeline

TAIL = {"lstm": 20, "gru": 20, "linear": 2, "table": 7}
"""Sums to the output words."""


def array_latency(columns: int, pipeline: Pipeline) -> int:
    """ARCHITECTURE.md: PRODUCT_STAGES + ceil(ceil(log2(COLUMNS)) / TREE_STAGES_EVERY) + 1."""
    levels = math.ceil(math.log2(columns))
    return pipeline.product_stages + math.ceil(levels / pipeline.tree_stages_every) + 1


@dataclass
class Played:
    """Cycles of a step, counted from its first issue.

    Attributes:
        reads: By word of a sweep (x words first), the issues that read it, tile by tile.
        written: By unit, the cycle in which its output word is written.
        sums: By pass, the cycle in which each (tile, group) leaves the array.
        end: First cycle in which the next step may issue.
    """

    reads: dict[int, list[int]] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)
    sums: list[dict[tuple[int, int], int]] = field(default_factory=list)
    end: int = 0


def play(plan: EnginePlan) -> Played:
    """A step: pass by pass and tile by tile, a word a cycle.

    A word reaches the array 2 cycles after its issue.  The sums of a tile leave it E units a cycle behind its
    last word; those of several passes are added one cycle later.
    """
    shape, made = plan.shape, Played()
    x_words, h_words = math.ceil(shape.inputs / plan.columns), math.ceil(shape.hidden / plan.columns)
    tiles, groups = math.ceil(shape.units / plan.rows), math.ceil(plan.rows / plan.elements)
    to_sums = 2 + array_latency(plan.columns, plan.pipeline)
    cycle = start = 0
    for words in plan.passes or (x_words + h_words,):
        left: dict[tuple[int, int], int] = {}
        for tile in range(tiles):
            for word in range(start, start + words):
                made.reads.setdefault(word, []).append(cycle + word - start)
            units = min(plan.rows, shape.units - tile * plan.rows)
            for group in range(math.ceil(units / plan.elements)):
                left[tile, group] = cycle + words - 1 + to_sums + group
            cycle += max(words, groups)
        made.sums.append(left)
        start += words
    assert start == x_words + h_words
    behind = TAIL[shape.kind] + (1 if plan.passes else 0)
    for unit in range(shape.units):
        tile, row = divmod(unit, plan.rows)
        made.written[unit] = made.sums[-1][tile, row // plan.elements] + behind
    made.end = cycle
    return made


def check_array(plan: EnginePlan) -> None:
    """No two groups leave the array in one cycle, and a sum is kept 4 cycles before it is added to."""
    made = play(plan)
    cycles = [cycle for left in made.sums for cycle in left.values()]
    assert len(set(cycles)) == len(cycles)
    assert cycles == sorted(cycles)
    for before, after in zip(made.sums, made.sums[1:]):
        assert all(after[place] - before[place] >= 4 for place in before)
