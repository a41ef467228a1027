"""Lanes worth a look for one block: every legal shape is weighed, none is guessed.

The issues of a step depend on the rows only through the number of tiles, and on the columns only
through the number of words; so for each tile count the fewest rows and for each word count the
fewest columns are enough, except where the recurrence and not the issues bind: there every pair
of rows and columns is weighed.  Gates in turn are weighed where they may be faster than all engines with as many
multipliers that take all gates at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from rnngen.plan.branch import BranchPlan
from rnngen.plan.elements import element_choices
from rnngen.plan.engine import EnginePlan
from rnngen.plan.latency import result_cycles
from rnngen.plan.layer import LayerShape, ceil_div, turn_choices
from rnngen.plan.order import orders
from rnngen.plan.shapes import BlockShape
from rnngen.plan.sizes import column_choices, distinct_divisions, row_divisions
from rnngen.plan.staged import staged
from rnngen.plan.timing import Pipeline

ELEMENT_DSPS = {"lstm": 8, "gru": 6, "linear": 0, "table": 1}
"""DSP blocks of one element-wise lane: state products, and an interpolation for each activation."""


def engine_dsps(plan: EnginePlan) -> int:
    """DSP blocks that an engine spends: the multiplier array's and the element-wise path's."""
    return plan.array_dsps + plan.elements * ELEMENT_DSPS[plan.shape.kind]


@dataclass(frozen=True)
class Option:
    """One way to build a block.

    Attributes:
        branch: One direction; all directions have the same lanes.
        copies: Directions.
        writes: What writes to the next block: the ``"engine"``, a ``"stored"`` block's buffer, as many words as the
            engine or a multiple of them, or an argmax, ``"one"`` word.
        interval: Of the block.
        array_dsps: DSP blocks of its multiplier arrays: products a cycle, where none of them gives two.
    """

    branch: BranchPlan
    copies: int
    writes: str
    interval: int
    array_dsps: int

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
        return self.branch.first.port_columns

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
    return Option(branch, copies, writes, branch.interval, copies * branch.array_dsps)


def widest(shape: LayerShape, rows: int, columns: int, pipeline: Pipeline, turns: int = 1) -> EnginePlan:
    """The engine with the most element-wise lanes that its lanes allow: none of its shape is faster."""
    return EnginePlan(shape, rows, columns, _most_elements(shape, rows, columns), pipeline, turns=turns)


def _most_elements(shape: LayerShape, rows: int, columns: int) -> int:
    """Element-wise lanes that can be used: h is written a column word in a cycle."""
    return element_choices(shape, rows, 1, min(rows, columns) if shape.hidden else rows)[-1]


_Pair = tuple[int, int, int, int, int]
"""DSP blocks, least interval, turns, rows and columns."""


@dataclass(frozen=True)
class RowLanes:
    """Row lanes of an engine: rows of the matrix that are multiplied at once, and the sweeps of a step that they take.

    Attributes:
        lanes: Gates at once times R.  dsps: DSP blocks of a column of them.
        rows: R.  next_rows: The fewest rows that take fewer tiles.
    """

    lanes: int
    dsps: int
    sweeps: int
    turns: int
    rows: int
    next_rows: int


def row_choices(shape: LayerShape) -> list[RowLanes]:
    """The fewest rows for each number of tiles; of gates in turn those that need fewer lanes for as few sweeps."""
    divisions = row_divisions(shape)
    kept: list[RowLanes] = []
    for turns in turn_choices(shape):
        at_once, others = shape.gates // turns, sorted(kept, key=lambda one: one.lanes)
        lanes = [one.lanes for one in others]
        fewest = list(accumulate((one.sweeps for one in others), min))  # sweeps with as many lanes or fewer
        for rows, next_rows in pairwise((*divisions, shape.units + 1)):
            sweeps = turns * ceil_div(shape.units, rows)
            place = bisect_right(lanes, at_once * rows)
            if not place or fewest[place - 1] > sweeps:
                dsps = shape.array_dsps(at_once * rows, 1)
                kept.append(RowLanes(at_once * rows, dsps, sweeps, turns, rows, next_rows))
    return kept


def candidates(shape: BlockShape, limit: int, pipeline: Pipeline, chained: bool = True) -> list[Option]:
    """Ways to build a block whose arrays take few enough DSP blocks; ``chained``: others stand before or behind it."""
    copies, stages = len(shape.branches), shape.branches[0]
    if len(stages) == 1:
        plans = _engines(stages[0][0], limit // copies, pipeline, chained)
        return [_option(shape, BranchPlan(((plan,),))) for plan in plans]
    return [_option(shape, branch) for branch in staged(stages, limit // copies, pipeline, chained)]


def fitting(shape: BlockShape, limit: int, dsps: int, pipeline: Pipeline) -> list[Option]:
    """Ways to build a block of one stage that stands alone: those that may be the fastest within its DSP blocks.

    The most promising lanes come first, and those that cannot be as fast as what was found are left out.

    Args:
        limit: DSP blocks of the arrays.  dsps: All of them, element-wise paths included.
    """
    copies, layer = len(shape.branches), shape.branches[0][0][0]
    rows, found = row_choices(layer), list[EnginePlan]()
    fastest = _reachable(layer, rows, limit // copies, dsps // copies, pipeline)
    pairs = _pairs(layer, rows, limit // copies, pipeline, lambda _, least: least <= fastest)
    for _, least, turns, lane_rows, columns in sorted(pairs, key=lambda pair: (pair[1], *pair)):
        if least > fastest:
            break
        for order in orders(widest(layer, lane_rows, columns, pipeline, turns)):
            interval = _fitted_interval(order, dsps // copies)
            if interval is not None:
                fastest = min(fastest, interval)
                found.append(order)
    for plan in _side_by_side(layer, rows, limit // copies, pipeline, _Faster([]), fastest):
        if _fitted_interval(plan, dsps // copies) is not None:
            found.append(plan)
    return [_option(shape, BranchPlan(((plan,),))) for plan in found]


def _reachable(shape: LayerShape, rows: Sequence[RowLanes], limit: int, dsps: int, pipeline: Pipeline) -> int:
    """An interval that fits the DSP blocks, of the fewest rows and columns; the best one may be shorter."""
    lanes = (
        (_least_interval(shape, row.sweeps, columns, pipeline), row.turns, row.rows, columns)
        for row in rows
        for columns in column_choices(shape)
        if row.dsps * columns <= limit and _leave_in_time(shape, row.rows, columns, row.turns)
    )
    fastest = 1 << 62
    for least, turns, lane_rows, columns in sorted(lanes):
        if least >= fastest:
            break
        interval = _fitted_interval(widest(shape, lane_rows, columns, pipeline, turns), dsps)
        fastest = fastest if interval is None else min(fastest, interval)
    return fastest


def _fitted_interval(plan: EnginePlan, dsps: int) -> int | None:
    """Of the engine with as many element-wise lanes as there are DSP blocks for; None if these are too few."""
    each = ELEMENT_DSPS[plan.shape.kind]
    most = min(plan.elements, (dsps - plan.array_dsps) // each) if each else plan.elements
    if most < max(1, plan.fewest_elements) or plan.array_dsps > dsps:
        return None
    most = element_choices(plan.shape, plan.rows, plan.fewest_elements, most)[-1]
    return plan.interval if most == plan.elements else replace(plan, elements=most).interval


def fixed(shape: BlockShape, engine: EnginePlan) -> Option:
    """A block of one engine a direction, with given lanes."""
    return _option(shape, BranchPlan(((engine,),)))


def _engines(shape: LayerShape, limit: int, pipeline: Pipeline, chained: bool) -> list[EnginePlan]:
    """Engines of one layer, each with as many element-wise lanes as its own lanes allow.

    Where no other block asks for columns, element-wise lanes or multipliers, the most promising come first, and those
    that cannot be faster are left out before they are planned.
    """
    whole = [row for row in row_choices(shape) if row.turns == 1]
    found, fastest = _weighed(shape, _pairs(shape, whole, limit, pipeline, _Faster([])), pipeline, chained, 1 << 62)
    sides = list(_side_by_side(shape, whole, limit, pipeline, _Faster([]), 0 if chained else fastest))
    others = [order for plan in found for order in orders(plan)[1:]] + sides
    if shape.gates > 1:
        in_turn = [row for row in row_choices(shape) if row.turns > 1]
        faster = _Faster([*found, *others], chained)
        fastest = min([fastest, *(plan.interval for plan in sides)])
        pairs = _pairs(shape, in_turn, limit, pipeline, faster)
        made, fastest = _weighed(shape, pairs, pipeline, chained, fastest)
        found += made
        others += [order for plan in made for order in orders(plan)[1:]]
        others += _side_by_side(shape, in_turn, limit, pipeline, faster, 0 if chained else fastest)
    # With pairs, what is faster for as many DSP blocks may need more element-wise lanes, which take DSP blocks, too.
    return found + (others if shape.pair_width else _faster(others, found))


class _Faster:
    """Whether an engine may be faster than all of these; where they are chained, that have as many DSP blocks."""

    def __init__(self, plans: Sequence[EnginePlan], chained: bool = False) -> None:
        ranked = sorted((plan.array_dsps if chained else 0, plan.interval) for plan in plans)
        self._dsps = [dsps for dsps, _ in ranked]
        self._fastest = list(accumulate((interval for _, interval in ranked), min))

    def __call__(self, dsps: int, least: int) -> bool:
        place = bisect_right(self._dsps, dsps)
        return not place or least < self._fastest[place - 1]


def _weighed(
    shape: LayerShape, pairs: Iterable[_Pair], pipeline: Pipeline, chained: bool, fastest: int
) -> tuple[list[EnginePlan], int]:
    """The engines of these lanes in one pass, and the fastest interval of any so far, in the best order of words."""
    found: list[EnginePlan] = []
    reached: set[tuple[int, int]] = set()  # sweeps and words of engines that are as fast as can be
    ranked = sorted(pairs) if chained else sorted(pairs, key=lambda pair: (pair[1], pair[0], *pair[2:]))
    for _, least, turns, rows, columns in ranked:
        if not chained and least > fastest:
            break
        alike = turns * ceil_div(shape.units, rows), shape.h_words(columns) or shape.x_words(columns)
        if not chained and alike in reached:
            continue
        plan = widest(shape, rows, columns, pipeline, turns)
        found.append(plan)
        if least <= fastest:
            interval = min(order.interval for order in orders(plan))
            fastest = min(fastest, interval)
            if interval == least:
                reached.add(alike)
    return found, fastest


def _side_by_side(
    shape: LayerShape, rows: Iterable[RowLanes], limit: int, pipeline: Pipeline, faster: _Faster, fastest: int
) -> Iterator[EnginePlan]:
    """Engines that multiply x and h at the same time, each with the fewest columns for as many words.

    Args:
        fastest: Interval that is reached without them; 0: all are wanted.
    """
    if shape.kind == "gru" or shape.spaced or shape.banked or not (shape.alone and shape.hidden and shape.inputs):
        return
    sizes = (shape.inputs, shape.hidden)
    sweeps = sorted({ceil_div(size, columns) for size in sizes for columns in distinct_divisions(size)})
    for row in rows:
        for sweep in sweeps:
            x, h = (ceil_div(size, sweep) for size in sizes)
            spent, issues = row.dsps * (x + h), shape.streams * row.sweeps * sweep
            if spent <= limit and not (fastest and issues > fastest) and faster(spent, issues):
                yield EnginePlan(shape, row.rows, x + h, min(row.rows, h), pipeline, x_lanes=x, turns=row.turns)


def _pairs(
    shape: LayerShape, rows: Iterable[RowLanes], limit: int, pipeline: Pipeline, faster: Callable[[int, int], bool]
) -> Iterator[_Pair]:
    """DSP blocks, least interval, turns, rows and columns of the engines worth a look.

    For each number of tiles and of words the fewest rows and columns; more lanes with as many issues a step help only
    where the issues are not what binds.
    """
    choices = column_choices(shape)
    for row in rows:
        at_once, most = shape.gates // row.turns, min(limit // row.dsps, choices[-1])
        if not most or not faster(0, _issues(shape, row.sweeps, most)):
            continue
        most_columns = shape.banked.banks if shape.banked else max(shape.inputs, shape.hidden)
        for columns, next_columns in pairwise((*choices, most_columns + 1)):
            if row.dsps * columns > limit:
                break
            if not _leave_in_time(shape, row.rows, columns, row.turns):
                continue
            least = _least_interval(shape, row.sweeps, columns, pipeline)
            if not faster(row.dsps * columns, least):
                continue
            yield row.dsps * columns, least, row.turns, row.rows, columns
            if not shape.hidden or widest(shape, row.rows, columns, pipeline, row.turns).is_hidden():
                continue
            for more_rows in range(row.rows, row.next_rows):
                if shape.banked and not shape.banked.allows(more_rows):
                    continue
                each = shape.array_dsps(at_once * more_rows, 1)
                most = min(next_columns - 1, limit // each)
                for more in range(columns, most + 1):
                    if (more_rows, more) != (row.rows, columns) and _leave_in_time(shape, more_rows, more, row.turns):
                        least = _least_interval(shape, row.sweeps, more, pipeline)
                        yield each * more, least, row.turns, more_rows, more


def _leave_in_time(shape: LayerShape, rows: int, columns: int, turns: int) -> bool:
    """Whether the sums of a tile leave before the next ones come (``EnginePlan.fewest_elements``).

    Only a sparse GRU with its gates in turn may have too few words of h for that.
    """
    return not shape.halves(turns) or shape.h_words(columns) * _most_elements(shape, rows, columns) >= rows


def _least_interval(shape: LayerShape, sweeps: int, columns: int, pipeline: Pipeline) -> int:
    """No order of the words is faster: the issues of a step of each stream, and the recurrence.

    The last sweep reads the last word of h an h-part a sweep behind the first one, and its results take their way.
    """
    issues, h_words = _issues(shape, sweeps, columns), shape.h_words(columns)
    if not shape.hidden or not shape.alone:
        return issues
    return max(issues, (sweeps - 1) * h_words + result_cycles(shape.kind, columns, pipeline) + 1)


def _issues(shape: LayerShape, sweeps: int, columns: int) -> int:
    """Words that the array takes for a step of each stream."""
    return shape.streams * sweeps * shape.words(columns)


def _faster(plans: Sequence[EnginePlan], others: Sequence[EnginePlan]) -> list[EnginePlan]:
    """The plans that are faster than all others with as many DSP blocks or fewer."""
    kept, fastest = [], 1 << 62
    ranked = iter(sorted((other.array_dsps, other.interval) for other in others))
    ahead = next(ranked, None)
    for plan in sorted(plans, key=lambda plan: plan.array_dsps):
        while ahead is not None and ahead[0] <= plan.array_dsps:
            fastest, ahead = min(fastest, ahead[1]), next(ranked, None)
        if plan.interval < fastest:
            kept.append(plan)
    return kept


def _leanest(plan: EnginePlan, interval: int) -> EnginePlan:
    """The engine with the fewest element-wise lanes that keep the interval, which the widest do."""
    each = plan.last_words if plan.passes else interval // (plan.shape.streams * plan.sweeps)
    low, high = max(plan.fewest_elements, ceil_div(plan.rows, each)), plan.elements
    if plan.shape.apart:
        choices = (replace(plan, elements=n) for n in element_choices(plan.shape, plan.rows, low, high))
        return next((choice for choice in choices if choice.interval <= interval), plan)
    middle = low  # often enough where the recurrence is hidden
    while low < high:
        if replace(plan, elements=middle).interval <= interval:
            high = middle
        else:
            low = middle + 1
        middle = (low + high) // 2
    return plan if high == plan.elements else replace(plan, elements=high)
