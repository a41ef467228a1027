"""Lanes worth a look for one block: every legal shape is weighed, none is guessed.

The issues of a step depend on the rows only through the number of tiles, and on the columns only
through the number of words; so for each tile count the fewest rows and for each word count the
fewest columns are enough, except where the recurrence and not the issues bind: there every pair
of rows and columns is weighed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import gcd

from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan, LayerShape, are_legal, ceil_div
from rnngen.plan.shapes import BlockShape
from rnngen.plan.timing import PARTIAL_GAP, Pipeline

ELEMENT_DSPS = {"lstm": 8, "gru": 6, "linear": 0, "table": 1}
"""DSP blocks of one element-wise lane: state products, and an interpolation for each activation."""

_PASSES = 64
"""Passes that words are cut into at most."""

_SECOND_STAGES = 3
"""Sizes of a second stage that are tried for each number of its tiles: the one that keeps up, and wider ones."""


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


def distinct_divisions(size: int) -> list[int]:
    """The smallest n for every value of ceil(size / n), ascending."""
    smallest: dict[int, int] = {}
    for n in range(1, size + 1):
        smallest.setdefault(ceil_div(size, n), n)
    return sorted(smallest.values())


def column_choices(shape: LayerShape) -> list[int]:
    """Column counts worth a look: the smallest for each pair of x and h word counts."""
    largest = max(shape.inputs, shape.hidden)
    smallest: dict[tuple[int, int], int] = {}
    for n in range(1, largest + 1):
        smallest.setdefault((ceil_div(shape.inputs, n), ceil_div(shape.hidden, n)), n)
    return sorted(smallest.values())


def widest(shape: LayerShape, rows: int, columns: int, pipeline: Pipeline) -> EnginePlan:
    """The engine with the most element-wise lanes that its lanes allow: none of its shape is faster."""
    return EnginePlan(shape, rows, columns, min(rows, columns) if shape.hidden else rows, pipeline)


def orders(plan: EnginePlan) -> list[EnginePlan]:
    """The engine, and with the x-part of all tiles first where h comes too late else."""
    if plan.unhidden_interval <= plan.issue_cycles:
        return [plan]
    return [plan, *_in_passes(plan, (plan.x_words, plan.h_words))]


def _in_passes(plan: EnginePlan, passes: tuple[int, ...]) -> list[EnginePlan]:
    return [replace(plan, passes=passes)] if all(passes) and are_legal(plan, passes) else []


def candidates(shape: BlockShape, limit: int, pipeline: Pipeline) -> list[Option]:
    """Ways to build a block within a limit of multipliers."""
    copies, stages = len(shape.branches), shape.branches[0]
    if len(stages) == 1:
        plans = _engines(stages[0][0], limit // copies, pipeline)
        return [_option(shape, BranchPlan(((plan,),))) for plan in plans]
    return [_option(shape, branch) for branch in _staged(stages, limit // copies, pipeline)]


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
            if shape.hidden and plan.interval > plan.words:
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
    each = min(plan.passes) if plan.passes else interval // plan.tiles
    low, high = ceil_div(plan.rows, each), plan.elements
    middle = low  # often enough where the recurrence is hidden
    while low < high:
        if replace(plan, elements=middle).interval <= interval:
            high = middle
        else:
            low = middle + 1
        middle = (low + high) // 2
    return plan if high == plan.elements else replace(plan, elements=high)


def _staged(stages: Sequence[Sequence[LayerShape]], limit: int, pipeline: Pipeline) -> list[BranchPlan]:
    """Branches of two stages.  The stage with more to multiply is chosen first, the other one to go with it."""
    first, second = stages[0][0], stages[1][0]
    found = []
    if len(stages[0]) * first.macs >= second.macs:
        sweeps = _sweeps(second)
        for leading in _frontier(_stage_engines(stages[0], limit, pipeline)):
            room = limit - len(stages[0]) * leading.multipliers
            found += [_joined(stages, leading, lanes) for lanes in _seconds(second, sweeps, leading, room)]
    else:
        sweeps, count = _sweeps(first), len(stages[0])
        for following in _frontier(_stage_engines(stages[1], limit, pipeline)):
            room = (limit - following.multipliers) // count
            found += [_joined(stages, lanes, following) for lanes in _seconds(first, sweeps, following, room)]
    return _reordered([branch for branch in found if branch is not None and branch.multipliers <= limit])


def _reordered(branches: Sequence[BranchPlan]) -> list[BranchPlan]:
    """Each branch in its best order, where that can make it the fastest of its multipliers or fewer."""
    found: list[BranchPlan] = []
    fastest = 1 << 62
    for branch in sorted(branches, key=lambda branch: (branch.multipliers, branch.work)):
        if branch.work <= fastest and not branch.is_hidden():
            branch = _best_order(branch)
        fastest = min(fastest, branch.interval)
        found.append(branch)
    return found


def _stage_engines(stage: Sequence[LayerShape], limit: int, pipeline: Pipeline) -> Iterator[EnginePlan]:
    """Engines of one stage; engines side by side read slices, which their columns divide."""
    shape, count = stage[0], len(stage)
    step = gcd(shape.inputs, shape.hidden) if count > 1 else 0
    for rows in distinct_divisions(shape.units):
        for columns in column_choices(shape):
            if step and step % columns:
                continue
            if count * shape.gates * rows * columns > limit:
                break
            yield EnginePlan(shape, rows, columns, rows, pipeline)


def _frontier(plans: Iterator[EnginePlan]) -> list[EnginePlan]:
    """Of engines with equally many multipliers those with the fewest issues, and a few shapes of each."""
    kept: list[EnginePlan] = []
    best: dict[int, int] = {}
    for plan in sorted(plans, key=lambda p: (p.multipliers, p.words, -p.columns)):
        fewest = min((words for multipliers, words in best.items() if multipliers <= plan.multipliers), default=None)
        if fewest is None or plan.words <= fewest:
            best[plan.multipliers] = plan.words
            kept.append(plan)
    return kept


def _sweeps(shape: LayerShape) -> list[tuple[int, int]]:
    """Words of a sweep, ascending, and the columns for them: the fewest first where words are equal."""
    choices = column_choices(shape)
    return sorted((ceil_div(shape.inputs, c) + ceil_div(shape.hidden, c), -c) for c in choices)


def _seconds(
    shape: LayerShape, sweeps: Sequence[tuple[int, int]], partner: EnginePlan, room: int
) -> list[EnginePlan]:
    """The smaller stage: for each number of tiles the fewest columns that keep up with the other one, and more.

    Where the room is too small for that, as many columns as it allows.

    Args:
        sweeps: ``_sweeps(shape)``.
        room: Multipliers that are left for it.
    """
    found = []
    for rows in distinct_divisions(shape.units):
        if shape.gates * rows > room:
            break
        # Words of a step are tiles * sweep: of those that keep up, the longest sweeps have the fewest columns.
        end = bisect_right(sweeps, partner.words // ceil_div(shape.units, rows), key=lambda entry: entry[0])
        keeping_up = [-negated for _, negated in reversed(sweeps[max(0, end - _SECOND_STAGES) : end] or sweeps[:1])]
        most = room // (shape.gates * rows)
        columns = [c for c in keeping_up if c <= most] or [max(-negated for _, negated in sweeps if -negated <= most)]
        found += [EnginePlan(shape, rows, c, rows, partner.pipeline) for c in columns]
    return found


def _joined(stages: Sequence[Sequence[LayerShape]], leading: EnginePlan, following: EnginePlan) -> BranchPlan | None:
    """Both stages with the most element-wise lanes that each can hand on; None if they do not fit together."""
    count = len(stages[0])
    handed = min(leading.rows, following.columns // count)
    fed_back = min(following.rows, leading.columns)
    if handed < 1:
        return None
    if count > 1 and fed_back > 1:  # what a slice is written in must not straddle two
        fed_back = gcd(following.rows, leading.columns)
    elements = max(n for n in range(1, handed + 1) if count == 1 or leading.rows % n == 0)
    return join(stages, replace(leading, elements=elements), replace(following, elements=fed_back))


def join(stages: Sequence[Sequence[LayerShape]], leading: EnginePlan, following: EnginePlan) -> BranchPlan | None:
    """The branch of two stages with given lanes; the second reads the groups' words as they are written."""
    second = stages[1][0]
    if len(stages[0]) > 1:
        padded = len(stages[0]) * leading.elements * leading.group_count
        second = replace(second, inputs=padded, padding=padded - second.inputs)
    if following.columns > second.inputs:
        return None
    firsts = tuple(replace(leading, shape=shape) for shape in stages[0])
    return BranchPlan((firsts, (replace(following, shape=second),)))


def _best_order(branch: BranchPlan) -> BranchPlan:
    """The branch with each stage's words in the order that gives the smallest interval, then the smallest latency."""
    first, last = branch.first, branch.last
    leading = [first, *_in_passes(first, (first.x_words, first.h_words)), *_in_blocks(first, first.x_words)]
    following = [last, *_in_blocks(last, 0)]
    found = (
        BranchPlan((tuple(replace(one, shape=engine.shape) for engine in branch.stages[0]), (other,)))
        for one in leading
        for other in following
    )
    return min(found, key=lambda found: (found.interval, found.last_write_cycle))


def _in_blocks(plan: EnginePlan, ahead: int) -> list[EnginePlan]:
    """With the words behind the first ``ahead`` in passes as short as can be: they are multiplied as they come."""
    words = plan.sweep - ahead
    block = max(plan.groups, ceil_div(words, _PASSES), ceil_div(PARTIAL_GAP, plan.tiles))
    if words < 2 * block:
        return []
    head = (ahead,) if ahead else ()
    return _in_passes(plan, (*head, block + words % block, *(block,) * (words // block - 1)))
