"""Lanes worth a look for one block: every legal shape is weighed, none is guessed.

The issues of a step depend on the rows only through the number of tiles, and on the columns only
through the number of words; so for each tile count the fewest rows and for each word count the
fewest columns are enough, except where the recurrence and not the issues bind: there every pair
of rows and columns is weighed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan, LayerShape, ceil_div, result_cycles
from rnngen.plan.order import orders
from rnngen.plan.shapes import BlockShape
from rnngen.plan.sizes import column_choices, distinct_divisions
from rnngen.plan.staged import staged
from rnngen.plan.timing import Pipeline

ELEMENT_DSPS = {"lstm": 8, "gru": 6, "linear": 0, "table": 1}
"""DSP blocks of one element-wise lane: state products, and an interpolation for each activation."""


def engine_dsps(plan: EnginePlan) -> int:
    """DSP blocks that an engine spends: one a multiplier, and the element-wise path's."""
    return plan.multipliers + plan.elements * ELEMENT_DSPS[plan.shape.kind]


@dataclass(frozen=True)
class Option:
    """One way to build a block.

    Attributes:
        branch: One direction; all directions have the same lanes.
        copies: Directions.
        writes: What writes to the next block: the ``"engine"``, a ``"stored"`` block's buffer, as many words as the
            engine or a multiple of them, or an argmax, ``"one"`` word.
        interval, multipliers: Of the block.
    """

    branch: BranchPlan
    copies: int
    writes: str
    interval: int
    multipliers: int

    @property
    def dsps(self) -> int:
        """DSP blocks of the block."""
        return self.copies * sum(engine_dsps(engine) for engine in self.branch.engines)

    @property
    def latency(self) -> int:
        """First issue to the last result."""
        return self.branch.last_write_cycle

    @property
    def columns(self) -> int:
        """Words of the input that are read in a cycle, and so may be written in one."""
        return 1 if self.branch.first.shape.symbols else self.branch.first.x_columns

    @property
    def elements(self) -> int:
        """Words that are written to the next block in a cycle, at the least."""
        return 1 if self.writes == "one" else self.branch.last.elements

    def leanest(self, interval: int) -> Option:
        """With the fewest element-wise lanes that keep the interval, which the widest do."""
        if len(self.branch.stages) > 1:
            return self
        plan = _leanest(self.branch.first, interval)
        return self if plan is self.branch.first else replace(self, branch=BranchPlan(((plan,),)))


def _option(shape: BlockShape, branch: BranchPlan) -> Option:
    copies = len(shape.branches)
    writes = "one" if shape.post_units else "stored" if shape.stored else "engine"
    return Option(branch, copies, writes, branch.interval, copies * branch.multipliers)


def widest(shape: LayerShape, rows: int, columns: int, pipeline: Pipeline) -> EnginePlan:
    """The engine with the most element-wise lanes that its lanes allow: none of its shape is faster."""
    return EnginePlan(shape, rows, columns, min(rows, columns) if shape.hidden else rows, pipeline)


def candidates(shape: BlockShape, limit: int, pipeline: Pipeline, chained: bool = True) -> list[Option]:
    """Ways to build a block within a limit of multipliers; ``chained``: other blocks stand before or behind it."""
    copies, stages = len(shape.branches), shape.branches[0]
    if len(stages) == 1:
        plans = _engines(stages[0][0], limit // copies, pipeline, chained)
        return [_option(shape, BranchPlan(((plan,),))) for plan in plans]
    return [_option(shape, branch) for branch in staged(stages, limit // copies, pipeline, chained)]


def fixed(shape: BlockShape, engine: EnginePlan) -> Option:
    """A block of one engine a direction, with given lanes."""
    return _option(shape, BranchPlan(((engine,),)))


def _engines(shape: LayerShape, limit: int, pipeline: Pipeline, chained: bool) -> list[EnginePlan]:
    """Engines of one layer, each with as many element-wise lanes as its own lanes allow.

    Where no other block asks for columns, element-wise lanes or multipliers, the most promising come first, and those
    that cannot be faster are left out before they are planned.
    """
    found, fastest = [], 1 << 62
    reached: set[tuple[int, int]] = set()  # tiles and words of engines that are as fast as can be
    pairs = _pairs(shape, limit, pipeline)
    for _, least, rows, columns in sorted(pairs) if chained else sorted(pairs, key=lambda pair: (pair[1], pair[0])):
        if not chained and least > fastest:
            break
        alike = ceil_div(shape.units, rows), ceil_div(shape.hidden or shape.inputs, columns)
        if not chained and alike in reached:
            continue
        plan = widest(shape, rows, columns, pipeline)
        found.append(plan)
        if least <= fastest:
            interval = min(order.interval for order in orders(plan))
            fastest = min(fastest, interval)
            if interval == least:
                reached.add(alike)
    others = [order for plan in found for order in orders(plan)[1:]]
    others += _side_by_side(shape, limit, pipeline, 0 if chained else fastest)
    return found + _faster(others, found)


def _side_by_side(shape: LayerShape, limit: int, pipeline: Pipeline, fastest: int) -> Iterator[EnginePlan]:
    """Engines that multiply x and h at the same time, each with the fewest columns for as many words.

    Args:
        fastest: Interval that is reached without them; 0: all are wanted.
    """
    if shape.kind == "gru" or shape.spaced or not (shape.alone and shape.hidden and shape.inputs):
        return
    sizes = (shape.inputs, shape.hidden)
    sweeps = sorted({ceil_div(size, columns) for size in sizes for columns in distinct_divisions(size)})
    for rows in distinct_divisions(shape.units):
        issues = shape.streams * ceil_div(shape.units, rows)
        for sweep in sweeps:
            x, h = (ceil_div(size, sweep) for size in sizes)
            if shape.gates * rows * (x + h) <= limit and not (fastest and issues * sweep > fastest):
                yield EnginePlan(shape, rows, x + h, min(rows, h), pipeline, x_lanes=x)


def _pairs(shape: LayerShape, limit: int, pipeline: Pipeline) -> Iterator[tuple[int, int, int, int]]:
    """Multipliers, least interval, rows and columns of the engines worth a look.

    For each number of tiles and of words the fewest rows and columns; more lanes with as many issues a step help only
    where the issues are not what binds.
    """
    choices = column_choices(shape)
    for rows, next_rows in pairwise((*distinct_divisions(shape.units), shape.units + 1)):
        for columns, next_columns in pairwise((*choices, max(shape.inputs, shape.hidden) + 1)):
            each = shape.gates * rows
            if each * columns > limit:
                break
            least = _least_interval(shape, rows, columns, pipeline)
            yield each * columns, least, rows, columns
            if not shape.hidden or widest(shape, rows, columns, pipeline).is_hidden():
                continue
            for more_rows in range(rows, next_rows):
                most = min(next_columns - 1, limit // (shape.gates * more_rows))
                for more in range(columns, most + 1):
                    if (more_rows, more) != (rows, columns):
                        least = _least_interval(shape, more_rows, more, pipeline)
                        yield shape.gates * more_rows * more, least, more_rows, more


def _least_interval(shape: LayerShape, rows: int, columns: int, pipeline: Pipeline) -> int:
    """No order of the words is faster: the issues of a step of each stream, and the recurrence.

    The last tile reads the last word of h an h-part a tile behind the first one, and its results take their way.
    """
    tiles, h_words = ceil_div(shape.units, rows), ceil_div(shape.hidden, columns)
    issues = shape.streams * tiles * (ceil_div(shape.inputs, columns) + h_words)
    if not shape.hidden or not shape.alone:
        return issues
    return max(issues, (tiles - 1) * h_words + result_cycles(shape.kind, columns, pipeline) + 1)


def _faster(plans: Sequence[EnginePlan], others: Sequence[EnginePlan]) -> list[EnginePlan]:
    """The plans that are faster than all others with as many multipliers or fewer."""
    kept, fastest = [], 1 << 62
    ranked = iter(sorted((other.multipliers, other.interval) for other in others))
    ahead = next(ranked, None)
    for plan in sorted(plans, key=lambda plan: plan.multipliers):
        while ahead is not None and ahead[0] <= plan.multipliers:
            fastest, ahead = min(fastest, ahead[1]), next(ranked, None)
        if plan.interval < fastest:
            kept.append(plan)
    return kept


def _leanest(plan: EnginePlan, interval: int) -> EnginePlan:
    """The engine with the fewest element-wise lanes that keep the interval, which the widest do."""
    each = plan.last_words if plan.passes else interval // (plan.shape.streams * plan.sweeps)
    low, high = max(plan.fewest_elements, ceil_div(plan.rows, each)), plan.elements
    middle = low  # often enough where the recurrence is hidden
    while low < high:
        if replace(plan, elements=middle).interval <= interval:
            high = middle
        else:
            low = middle + 1
        middle = (low + high) // 2
    return plan if high == plan.elements else replace(plan, elements=high)
