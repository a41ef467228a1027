"""Lanes worth a look for one block: every legal shape is weighed, none is guessed.

The issues of a step depend on the rows only through the number of tiles, and on the columns only
through the number of words; so for each tile count the fewest rows and for each word count the
fewest columns are enough, except where the recurrence and not the issues bind: there every pair
of rows and columns is weighed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan, LayerShape, ceil_div
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
        return 1 if self.branch.first.shape.symbols else self.branch.first.columns

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


def candidates(shape: BlockShape, limit: int, pipeline: Pipeline) -> list[Option]:
    """Ways to build a block within a limit of multipliers."""
    copies, stages = len(shape.branches), shape.branches[0]
    if len(stages) == 1:
        plans = _engines(stages[0][0], limit // copies, pipeline)
        return [_option(shape, BranchPlan(((plan,),))) for plan in plans]
    return [_option(shape, branch) for branch in staged(stages, limit // copies, pipeline)]


def fixed(shape: BlockShape, engine: EnginePlan) -> Option:
    """A block of one engine a direction, with given lanes."""
    return _option(shape, BranchPlan(((engine,),)))


def _engines(shape: LayerShape, limit: int, pipeline: Pipeline) -> list[EnginePlan]:
    """Engines of one layer, each with as many element-wise lanes as its own lanes allow."""
    found = []
    for rows in distinct_divisions(shape.units):
        for columns in column_choices(shape):
            if shape.gates * rows * columns > limit:
                break
            plan = widest(shape, rows, columns, pipeline)
            found.append(plan)
            if shape.hidden and plan.interval > shape.streams * plan.words:
                found += _same_words(plan, limit)
    return found + _faster([order for plan in found for order in orders(plan)[1:]], found)


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


def _same_words(plan: EnginePlan, limit: int) -> list[EnginePlan]:
    """Engines with more lanes and as many issues a step: they help only where the issues are not what binds."""
    shape, rows, columns = plan.shape, plan.rows, plan.columns
    found = []
    while rows <= shape.units and ceil_div(shape.units, rows) == plan.tiles:
        columns = plan.columns
        while columns <= max(shape.inputs, shape.hidden) and shape.gates * rows * columns <= limit:
            wider = widest(shape, rows, columns, plan.pipeline)
            if (wider.x_words, wider.h_words) != (plan.x_words, plan.h_words):
                break
            found.append(wider)
            columns += 1
        rows += 1
    return found


def _leanest(plan: EnginePlan, interval: int) -> EnginePlan:
    """The engine with the fewest element-wise lanes that keep the interval, which the widest do."""
    each = min(plan.passes) if plan.passes else interval // (plan.shape.streams * plan.tiles)
    low, high = ceil_div(plan.rows, each), plan.elements
    middle = low  # often enough where the recurrence is hidden
    while low < high:
        if replace(plan, elements=middle).interval <= interval:
            high = middle
        else:
            low = middle + 1
        middle = (low + high) // 2
    return plan if high == plan.elements else replace(plan, elements=high)
