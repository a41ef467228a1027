"""Folding: one multiplier array for all layers and directions, which take turns in a frame of fixed length.

Every step costs each engine its issues, so a frame lasts as long as the issues of all of them together: near the
products of a step over the multipliers, whatever the layers' sizes, and while one engine waits for its h the others
use the array.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations
from math import prod

from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape, ceil_div
from rnngen.plan.network import BlockPlan, NetworkPlan, SharedArray
from rnngen.plan.options import ELEMENT_DSPS
from rnngen.plan.ports import port_words, stored_lanes
from rnngen.plan.schedule import latency, with_buffers
from rnngen.plan.shapes import BlockShape
from rnngen.plan.sizes import column_choices
from rnngen.plan.timing import Pipeline

_ORDERS = 120
"""Orders of the blocks in a frame that are tried, of the many there are."""

_EQUAL = 8
"""Arrays that are as fast as each other of which the one with the smallest latency is taken."""


def can_fold(shapes: Sequence[BlockShape]) -> str:
    """Why the layers cannot share an array; empty if they can."""
    for shape in shapes:
        if len(shape.branches[0][0]) > 1:
            return f"the groups of layer '{shape.layers[0].name}' work side by side"
        layer = shape.layers[0]
        if any(layer.banked for layer in shape.layers):
            return f"the rows of layer '{layer.name}' are sparse, each with columns of its own"
        if layer.apart:
            return f"layer '{layer.name}' takes the sums of its x in every step"
        if layer.spaced:
            return "the h-part of a spaced layer is computed whenever nothing else is"
        if layer.streams > 1:
            return f"{layer.streams} streams fill the time in which an engine waits"
    return ""


@dataclass(frozen=True)
class _Lanes:
    """Of an array: R, C, and rows of a group."""

    rows: int
    columns: int
    elements: int


def _engine(shape: LayerShape, lanes: _Lanes, pipeline: Pipeline) -> EnginePlan:
    """The engine of a layer on the array: one gate at once, and as many of its lanes as the layer has use for."""
    rows, columns = min(lanes.rows, shape.units), min(lanes.columns, max(shape.inputs, shape.hidden))
    elements = min(lanes.elements, rows)
    return EnginePlan(shape, rows, columns, elements, pipeline, turns=shape.gates, shared=lanes.columns)


@dataclass(frozen=True)
class _Turn:
    """What a block does with the array in its turn: its engines one behind the other."""

    branches: tuple[BranchPlan, ...]

    def until(self, following: EnginePlan) -> int:
        """To the first issue of another engine."""
        last = self.branches[-1]
        return last.delay + last.offset + last.last.turn_cycles(following)


def _turns(shapes: Sequence[BlockShape], lanes: _Lanes, pipeline: Pipeline) -> list[_Turn]:
    return [_turn(shape, lanes, pipeline) for shape in shapes]


def _turn(shape: BlockShape, lanes: _Lanes, pipeline: Pipeline) -> _Turn:
    """Branch behind branch, each stage by stage; a second stage waits for the first one's last results."""
    made: list[BranchPlan] = []
    for stages in shape.branches:
        branch = BranchPlan(tuple((_engine(stage[0], lanes, pipeline),) for stage in stages))
        delay = _Turn(tuple(made)).until(branch.first) if made else 0
        made.append(replace(branch, delay=delay))
    return _Turn(tuple(made))


def _starts(turns: Sequence[_Turn], order: Sequence[int]) -> tuple[dict[int, int], int]:
    """By block its cycle in the frame, and the length of the frame, one turn straight behind the other."""
    starts: dict[int, int] = {}
    cycle = 0
    for block, following in zip(order, (*order[1:], order[0])):
        starts[block] = cycle
        cycle += turns[block].until(turns[following].branches[0].first)
    return starts, cycle


def _most_elements(shapes: Sequence[BlockShape], lanes: _Lanes) -> int:
    """A group is written into an h memory and the next stage's or block's input buffer in one cycle."""
    most, writes = lanes.rows, False
    for shape in shapes:
        stages = shape.branches[0]
        readers = [stages[0][0]] if stages[0][0].hidden or writes else []
        readers += [stage[0] for stage in stages[1:]]
        most = min([most, *(min(lanes.columns, max(layer.inputs, layer.hidden)) for layer in readers)])
        writes = not shape.post_units
    return most


def _arrays(shapes: Sequence[BlockShape], multipliers: int) -> Iterator[tuple[int, int]]:
    """R and C worth a look: each number of rows with each of columns that gives another number of words."""
    layers = [layer for shape in shapes for layer in shape.layers]
    choices = {n for layer in layers for n in column_choices(layer)}
    for rows in range(1, min(multipliers, max(layer.units for layer in layers)) + 1):
        room = min(multipliers // rows, max(choices))
        yield from ((rows, columns) for columns in sorted({n for n in choices if n < room} | {room}))


def _groups(shapes: Sequence[BlockShape], rows: int, columns: int, dsps: int | None) -> range:
    """Rows of a group that an array may have, from as many as let no group wait, or as there are DSP blocks for."""
    layers = [layer for shape in shapes for layer in shape.layers]
    most, fewest, enough = _most_elements(shapes, _Lanes(rows, columns, 1)), 1, 1
    for layer in layers:
        own, x_words, h_words = min(rows, layer.units), layer.x_words(columns), layer.h_words(columns)
        enough = max(enough, ceil_div(rows, x_words + h_words))
        if layer.kind == "gru":  # two sums in one sweep
            fewest = max(fewest, ceil_div(own, h_words))
            enough = max(enough, ceil_div(own, min(x_words or h_words, h_words)))
    if dsps is not None:
        each = [(layer.units, ELEMENT_DSPS[layer.kind]) for layer in layers]
        fits = (n for n in range(most, 0, -1) if rows * columns + sum(min(n, u) * cost for u, cost in each) <= dsps)
        most = next(fits, 0)
    return range(max(fewest, min(most, enough)), most + 1)


def _issues(shapes: Sequence[BlockShape], rows: int, columns: int) -> int:
    """Words that the array takes in a frame, at least."""
    return sum(
        layer.gates * ceil_div(layer.units, rows) * layer.words(columns)
        for shape in shapes
        for layer in shape.layers
    )


def _frame(turns: Sequence[_Turn]) -> int:
    """Cycles of a frame: all issues, and no less than each branch's recurrence."""
    return _with_recurrence(turns, _starts(turns, range(len(turns)))[1])


def _with_recurrence(turns: Sequence[_Turn], cycles: int) -> int:
    return max(cycles, *(branch.interval for turn in turns for branch in turn.branches))


def folded(
    shapes: Sequence[BlockShape], multipliers: int, dsps: int | None, pipeline: Pipeline, capacity: int
) -> NetworkPlan | None:
    """The fastest plan in which all engines share an array; None if nothing fits.

    Args:
        multipliers, dsps: Of the budget; dsps None: not counted.  capacity: Steps of the longest stored sequence.
    """
    shapes = [shape.unpaired for shape in shapes]  # of an array that all share, a multiplier gives one product
    fastest = 1 << 62
    equal: list[_Lanes] = []
    ranked = sorted((_issues(shapes, *array), prod(array), array) for array in _arrays(shapes, multipliers))
    for issues, _, array in ranked:
        if issues > fastest:
            break
        own = 1 << 62  # of this array: more rows in a group only where they are faster
        for elements in _groups(shapes, *array, dsps):
            lanes = _Lanes(*array, elements)
            frame = _frame(_turns(shapes, lanes, pipeline))
            if frame < own and frame <= fastest:
                equal, fastest = [*(equal if frame == fastest else []), lanes], frame
            own = min(own, frame)
            if own == issues:
                break
    plans = [_plan(shapes, lanes, pipeline, capacity) for lanes in equal[:_EQUAL]]
    return min(plans, key=lambda plan: (plan.interval, *latency(plan)[::-1], plan.multipliers), default=None)


def _plan(shapes: Sequence[BlockShape], lanes: _Lanes, pipeline: Pipeline, capacity: int) -> NetworkPlan:
    """The plan of an array, with the order of turns that has the smallest latency."""
    turns = _turns(shapes, lanes, pipeline)
    others = islice(permutations(range(1, len(turns))), _ORDERS)
    plans = [_in_order(shapes, turns, lanes, (0, *order), capacity) for order in others]
    best = min(plans, key=lambda plan: (plan.interval, *latency(plan)[::-1]))
    return with_buffers(best.blocks, best.input_words, best.output_words, best.shared)


def _in_order(
    shapes: Sequence[BlockShape], turns: Sequence[_Turn], lanes: _Lanes, order: Sequence[int], capacity: int
) -> NetworkPlan:
    """Blocks and ports; buffers of two steps."""
    starts, cycles = _starts(turns, order)
    frame = _with_recurrence(turns, cycles)
    blocks: list[BlockPlan] = []
    for index, (shape, turn) in enumerate(zip(shapes, turns)):
        branches, last = turn.branches, turn.branches[-1].last
        following = turns[index + 1].branches[0].first.x_columns if index + 1 < len(turns) else None
        words = stored_lanes(last.elements, last.shape.units, len(branches), frame, following) if shape.stored else 0
        blocks.append(
            BlockPlan(
                branches, shape.select, shape.post_cycles, shape.post_units, capacity if shape.stored else 0, words
            )
        )
    frame = max(frame, *(block.out_beats for block in blocks))
    shared = SharedArray(lanes.rows, lanes.columns, lanes.elements, frame, tuple(starts[n] for n in range(len(turns))))
    words = port_words(blocks[0], frame)
    return NetworkPlan(tuple(block.with_slots(2) for block in blocks), words, blocks[-1].elements, shared=shared)
