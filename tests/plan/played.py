"""The schedule of an engine played out issue by issue, from its lanes and passes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import product

from rnngen.plan.engine import EnginePlan
from rnngen.plan.timing import Pipeline

TAIL = {"lstm": 20, "gru": 20, "linear": 2, "table": 7}
"""Sums to the output words."""


def array_latency(columns: int, pipeline: Pipeline, unrolled: bool = False) -> int:
    """ARCHITECTURE.md: PRODUCT_STAGES + ceil(ceil(log2(COLUMNS)) / TREE_STAGES_EVERY) + 1.

    Without an accumulator the bias is one more word, and the last group of levels has no register.
    """
    if unrolled:
        levels = math.ceil(math.log2(columns + 1))
        return pipeline.product_stages + math.ceil(levels / pipeline.tree_stages_every) - 1
    levels = math.ceil(math.log2(columns))
    return pipeline.product_stages + math.ceil(levels / pipeline.tree_stages_every) + 1


@dataclass
class Played:
    """Cycles of a step, counted from its first issue.

    Attributes:
        reads: By word of a sweep (x words first), the issues that read it, tile by tile.
        written: By unit, the cycle in which its output word is written.
        sums: By pass, the cycle in which each (tile, group) leaves the array.
        leaving: Cycles in which groups leave the array, those of earlier turns and the x-sums of a GRU included.
        end: First cycle in which the next step may issue.
    """

    reads: dict[int, list[int]] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)
    sums: list[dict[tuple[int, int], int]] = field(default_factory=list)
    leaving: list[int] = field(default_factory=list)
    end: int = 0


def play(plan: EnginePlan) -> Played:
    """A step: pass by pass, tile by tile and turn by turn, a word a cycle.

    A word reaches the array 2 cycles after its issue, one that several engines share a cycle later.  The sums of a
    tile leave it E units a cycle behind its last word; those of several passes are added one cycle later, and those of
    several turns leave together behind the last one, a cycle later where they wait in a memory of several groups.  A
    GRU's last gate in turn has a sum of its words of x, too, whose groups leave between those of the turn before and
    its own.
    """
    shape, made = plan.shape, Played()
    x_words = math.ceil(shape.inputs / (plan.x_lanes or plan.columns))
    h_words = math.ceil(shape.hidden / (plan.columns - plan.x_lanes))
    sweep = max(x_words, h_words) if plan.x_lanes else x_words + h_words
    tiles, groups = math.ceil(shape.units / plan.rows), math.ceil(plan.rows / plan.elements)
    one_word = not plan.shared and sweep == tiles == groups == plan.turns == 1 and shape.kind != "gru"
    in_order = shape.alone and shape.streams == 1 and not (shape.symbols or shape.x_offset or shape.h_offset)
    to_sums = 2 + (1 if plan.shared else 0)
    to_sums += array_latency(plan.shared or plan.columns, plan.pipeline, one_word and in_order)
    cycle = start = 0
    halves = shape.kind == "gru" and plan.turns > 1 and x_words > 0
    for words in plan.passes or (sweep,):
        left: dict[tuple[int, int], int] = {}
        for tile, turn in product(range(tiles), range(plan.turns)):
            for word in range(start, start + words):
                made.reads.setdefault(word, []).append(cycle + word - start)
            units = min(plan.rows, shape.units - tile * plan.rows)
            for group in range(math.ceil(units / plan.elements)):
                if halves and turn == plan.turns - 1:
                    made.leaving.append(cycle + x_words - 1 + to_sums + group)
                made.leaving.append(cycle + words - 1 + to_sums + group)
                left[tile, group] = made.leaving[-1]
            cycle += max(words, groups, words - x_words + groups if halves else 0)
        made.sums.append(left)
        start += words
    assert start == sweep
    behind = TAIL[shape.kind] + (1 if plan.passes else 0) + (1 if plan.turns > 1 and groups > 1 else 0)
    for unit in range(shape.units):
        tile, row = divmod(unit, plan.rows)
        made.written[unit] = made.sums[-1][tile, row // plan.elements] + behind
    made.end = cycle
    return made


def check_array(plan: EnginePlan) -> None:
    """No two groups leave the array in one cycle, and a sum is kept 4 cycles before it is added to."""
    made = play(plan)
    assert len(set(made.leaving)) == len(made.leaving)
    cycles = [cycle for left in made.sums for cycle in left.values()]
    assert cycles == sorted(cycles)
    for before, after in zip(made.sums, made.sums[1:]):
        assert all(after[place] - before[place] >= 4 for place in before)


@dataclass(frozen=True)
class Pass:
    """A pass of a spaced engine, counted from its first issue.

    Attributes:
        reads: By word, the issue of the first tile that reads it.
        sums: The cycle in which each (tile, group) leaves the array, in their order.
        end: First cycle in which another pass may issue.
    """

    reads: list[int]
    sums: dict[tuple[int, int], int]
    end: int


def play_pass(plan: EnginePlan, size: int) -> Pass:
    """One pass over the words of a vector of so many elements."""
    words, groups = math.ceil(size / plan.columns), math.ceil(plan.rows / plan.elements)
    cycle, sums = 0, {}
    for tile in range(math.ceil(plan.shape.units / plan.rows)):
        units = min(plan.rows, plan.shape.units - tile * plan.rows)
        for group in range(math.ceil(units / plan.elements)):
            sums[tile, group] = cycle + words - 1 + 2 + array_latency(plan.columns, plan.pipeline) + group
        cycle += max(words, groups)
    return Pass(list(range(words)), sums, cycle)


def distances(plan: EnginePlan) -> tuple[int, int]:
    """Least cycles from an x pass to the next step's h pass, and from an h pass to its x pass, by trying them all."""
    h, x = play_pass(plan, plan.shape.hidden), play_pass(plan, plan.shape.inputs)
    written = {}
    for unit in range(plan.shape.units):
        tile, row = divmod(unit, plan.rows)
        written[unit] = x.sums[tile, row // plan.elements] + 1 + TAIL[plan.shape.kind]

    def in_order(first: Pass, second: Pass, distance: int) -> bool:
        return distance >= first.end and distance + min(second.sums.values()) > max(first.sums.values())

    def h_is_there(distance: int) -> bool:
        return all(written[unit] < distance + h.reads[unit // plan.columns] for unit in written)

    def is_kept(distance: int) -> bool:
        return all(distance + x.sums[place] - h.sums[place] >= 4 for place in h.sums)

    x_to_h = next(d for d in range(1, 1 << 16) if in_order(x, h, d) and h_is_there(d))
    h_to_x = next(d for d in range(1, 1 << 16) if in_order(h, x, d) and is_kept(d))
    return x_to_h, h_to_x
