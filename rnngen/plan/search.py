"""The best lanes for a budget, over all blocks together.

The search takes the smallest interval of the slowest block, then the smallest latency, then the fewest multipliers (or
DSP blocks for them, where those are counted); it knows that a block's element-wise lanes are at most the columns of the
block behind it.  Of spaced blocks it takes the smallest latency of a step whose h-parts are done, then the fewest
multipliers (``rnngen.plan.soonest``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rnngen.errors import PlanError
from rnngen.plan.branch import BranchPlan
from rnngen.plan.dominance import undominated
from rnngen.plan.elements import least_elements
from rnngen.plan.engine import EnginePlan
from rnngen.plan.fold import can_fold, folded
from rnngen.plan.layer import LayerShape, turn_choices
from rnngen.plan.network import BlockPlan, NetworkPlan
from rnngen.plan.options import (
    ELEMENT_DSPS,
    Option,
    candidates,
    engine_dsps,
    fitting,
    fixed,
    widest,
)
from rnngen.plan.order import orders
from rnngen.plan.ports import port_words, stored_lanes
from rnngen.plan.schedule import with_buffers
from rnngen.plan.shapes import BlockShape
from rnngen.plan.sizes import column_choices, distinct_divisions
from rnngen.plan.soonest import soonest
from rnngen.plan.timing import DEFAULT_PIPELINE, Pipeline

DEFAULT_CAPACITY = 256
"""Steps of the longest sequence that a stored block holds, unless the user says."""


BUSY = 0.95
"""Utilisation with which ``plan_for_streams`` is content, and the most streams that it tries."""
MOST_AUTOMATIC_STREAMS = 64

MOST_FOLDED = 64
"""Multipliers of the largest array that engines share by themselves; a larger one costs clock, and splits well."""


@dataclass(frozen=True)
class Budget:
    """What a plan may use.

    Attributes:
        multipliers: Of the multiplier arrays: products a cycle; where DSP blocks are counted, those of the arrays.
        dsps: DSP blocks, element-wise paths included; None where they are not counted.
    """

    multipliers: int
    dsps: int | None = None


def _choices(options: Sequence[Option], interval: int, limit: int) -> list[Option]:
    """Options of one block that keep the interval and that no other option beats in everything at once.

    What counts: DSP blocks of arrays, element-wise lanes (the next layer needs as many columns), latency, and columns
    (the layer before may have as many element-wise lanes).
    """
    lean = [plan.leanest(interval) for plan in options if plan.interval <= interval and plan.array_dsps <= limit]
    keyed = sorted(((p.array_dsps, p.elements, p.latency, -p.columns, p) for p in lean), key=lambda e: e[:4])
    kept: list[tuple[int, int, int, Option]] = []
    for _, elements, latency, columns, plan in keyed:
        if not any(e <= elements and wait <= latency and c <= columns for e, wait, c, _ in kept):
            kept.append((elements, latency, columns, plan))
    return [plan for *_, plan in kept]


@dataclass(frozen=True)
class _Chain:
    """Options of the first blocks, and what they cost."""

    chosen: tuple[Option, ...]
    array_dsps: int
    dsps: int
    latency: int

    @property
    def next_columns(self) -> int:
        """Fewest columns of the next block: a group of units is written into its input buffer in one cycle."""
        return self.chosen[-1].elements if self.chosen else 1

    def grown(self, plan: Option) -> _Chain:
        """With one more block."""
        return _Chain(
            (*self.chosen, plan),
            self.array_dsps + plan.array_dsps,
            self.dsps + plan.dsps,
            self.latency + plan.latency,
        )


def _best_chain(layers: Sequence[Sequence[Option]], interval: int, budget: Budget) -> _Chain | None:
    """Options that keep the interval within the budget: least summed latency, then fewest DSP blocks of arrays."""
    choices = [_choices(options, interval, budget.multipliers) for options in layers]
    if not all(choices):
        return None
    chains = [_Chain((), 0, 0, 0)]
    for index, found in enumerate(choices):
        later = choices[index + 1 :]
        arrays = budget.multipliers - sum(min(plan.array_dsps for plan in rest) for rest in later)
        dsps = None if budget.dsps is None else budget.dsps - sum(min(plan.dsps for plan in rest) for rest in later)
        grown = (
            chain.grown(plan)
            for chain in chains
            for plan in found
            if plan.columns >= chain.next_columns
            and chain.array_dsps + plan.array_dsps <= arrays
            and (dsps is None or chain.dsps + plan.dsps <= dsps)
        )
        chains = undominated(grown, lambda chain: (chain.array_dsps, chain.latency, chain.next_columns, chain.dsps))
    return min(chains, key=lambda chain: (chain.latency, chain.array_dsps), default=None)


def _relaxed_interval(layers: Sequence[Sequence[Option]], budget: Budget) -> int | None:
    """The smallest interval for which the multipliers suffice, whatever else binds; None if none does."""
    intervals = sorted({plan.interval for options in layers for plan in options})

    def enough(interval: int) -> bool:
        least = [
            min((p.array_dsps for p in options if p.interval <= interval), default=None) for options in layers
        ]
        return None not in least and sum(m for m in least if m is not None) <= budget.multipliers

    found = bisect_left(intervals, True, key=enough)
    return intervals[found] if found < len(intervals) else None


def _fastest(layers: Sequence[Sequence[Option]], budget: Budget) -> _Chain | None:
    """The chain with the smallest interval of the slowest engine."""
    low = _relaxed_interval(layers, budget)
    if low is None:
        return None
    best, step = _best_chain(layers, low, budget), 1
    if best is not None:
        return best
    # A little above it lies the first interval that the element-wise lanes allow, too.
    slowest = 2 * max(plan.interval for options in layers for plan in options)
    while best is None and low + step <= 2 * slowest:
        high = low + step
        best, step = _best_chain(layers, high, budget), 2 * step
        low = low if best is not None else high
    while best is not None and low + 1 < high:
        middle = (low + high) // 2
        found = _best_chain(layers, middle, budget)
        if found is None:
            low = middle
        else:
            best, high = found, middle
    return best


def _finish(shapes: Sequence[BlockShape], chosen: Sequence[Option], capacity: int, spare: bool = True) -> NetworkPlan:
    """Element-wise lanes (``spare``: those that need no rotation), port widths and buffers for chosen lanes."""
    interval = max(option.interval for option in chosen)
    soon = any(option.branch.first.shape.spaced for option in chosen)
    blocks: list[BlockPlan] = []
    for index, (shape, option) in enumerate(zip(shapes, chosen)):
        following = chosen[index + 1].columns if index + 1 < len(chosen) else None
        branch = _spare_rotation(option, following, soon) if spare else option.branch
        elements, units = branch.last.elements, branch.units
        lanes = stored_lanes(elements, units, option.copies, interval, following) if shape.stored else 0
        blocks.append(
            BlockPlan(
                _copies(shape, branch),
                shape.select,
                shape.post_cycles,
                shape.post_units,
                capacity if shape.stored else 0,
                lanes,
            )
        )
    return _with_ports(blocks)


def _spare_rotation(option: Option, following: int | None, soon: bool) -> BranchPlan:
    branch = option.branch
    if len(branch.stages) > 1 or branch.first.shape.apart:
        return branch  # the block before counts on the lanes of one that takes sums of x
    plan = branch.first
    limit = plan.rows if following is None or option.writes == "one" else following
    return BranchPlan(((least_elements(plan, limit, soon),),))


def _copies(shape: BlockShape, branch: BranchPlan) -> tuple[BranchPlan, ...]:
    """The branch for each direction, with that direction's own layers."""
    made = []
    for stages in shape.branches:
        pairs = [
            tuple(_own(plan, own) for plan, own in zip(planned, stage))
            for planned, stage in zip(branch.stages, stages)
        ]
        made.append(BranchPlan(tuple(pairs)))
    return tuple(made)


def _own(plan: EnginePlan, shape: LayerShape) -> EnginePlan:
    """The engine of another direction's layer."""
    return replace(plan, shape=replace(shape, inputs=plan.shape.inputs, padding=plan.shape.padding))


def _with_ports(blocks: Sequence[BlockPlan]) -> NetworkPlan:
    """The plan of given blocks: narrowest input port that keeps the interval, and buffers."""
    each = max(block.interval for block in blocks) // blocks[0].first.shape.streams
    return with_buffers(blocks, port_words(blocks[0], each), blocks[-1].elements)


def plan_for_budget(
    shapes: Sequence[BlockShape],
    budget: Budget,
    pipeline: Pipeline = DEFAULT_PIPELINE,
    capacity: int = DEFAULT_CAPACITY,
) -> NetworkPlan:
    """The fastest plan within a budget, each engine with an array of its own.

    Args:
        shapes: Of every block.
        budget: Multipliers, and DSP blocks where the target counts them; else two products of one DSP block are two.
        pipeline: Depth of the multiplier arrays.
        capacity: Steps of the longest sequence, where sequences are stored.

    Raises:
        PlanError: if not even the smallest engines fit.
    """
    counted = shapes if budget.dsps is not None else [shape.unpaired for shape in shapes]
    least = sum(_least_multipliers(shape) for shape in counted)
    dsps = least + sum(ELEMENT_DSPS[layer.kind] for shape in shapes for layer in shape.layers)
    if budget.dsps is not None and dsps > budget.dsps:
        raise _too_few_dsps(dsps, budget.dsps)
    if least > budget.multipliers:
        raise PlanError(
            f"The network needs at least {least} multipliers and the budget has "
            f"{budget.multipliers}; raise --multipliers or choose a larger board."
        )
    if any(layer.spaced for shape in shapes for layer in shape.layers):
        chosen = soonest(counted, budget.multipliers, budget.dsps, pipeline)
    else:
        chosen = _shortest_interval(counted, budget, pipeline)
    if chosen is None:
        raise _too_few_dsps(dsps, budget.dsps or 0)
    plan = _finish(shapes, chosen, capacity)
    if budget.dsps is None or sum(engine_dsps(engine) for engine in plan.engines) <= budget.dsps:
        return plan
    # Lanes that spare the memories a rotation, or that only shorten a faster engine's step, do not fit.
    return _finish(shapes, chosen, capacity, spare=False)


def _shortest_interval(
    shapes: Sequence[BlockShape], budget: Budget, pipeline: Pipeline
) -> tuple[Option, ...] | None:
    """Options of the blocks with the smallest interval of the slowest one; None if none fit."""
    least = sum(_least_multipliers(shape) for shape in shapes)
    if len(shapes) == 1 and budget.dsps is not None and len(shapes[0].branches[0]) == 1:
        alone = _fastest([fitting(shapes[0], budget.multipliers, budget.dsps, pipeline)], budget)
        return None if alone is None else alone.chosen
    # A single block is the fastest of all; else a slower one may leave others, or the DSP blocks, what they need.
    chained = len(shapes) > 1 or budget.dsps is not None
    options: dict[BlockShape, list[Option]] = {}  # layers of a stack are often alike
    for shape in shapes:
        if shape.unnamed not in options:
            limit = budget.multipliers - least + _least_multipliers(shape)
            options[shape.unnamed] = candidates(shape, limit, pipeline, chained)
    layers = [options[shape.unnamed] for shape in shapes]
    best = _fastest(layers, budget)
    return None if best is None else best.chosen


def _too_few_dsps(least: int, budget: int) -> PlanError:
    return PlanError(
        f"The network needs at least {least} DSP blocks and the budget has {budget}; raise --dsps or choose a larger "
        f"board."
    )


def plan_with_folding(
    shapes: Sequence[BlockShape],
    budget: Budget,
    pipeline: Pipeline = DEFAULT_PIPELINE,
    capacity: int = DEFAULT_CAPACITY,
    fold: bool | None = None,
) -> NetworkPlan:
    """``plan_for_budget``, or all engines on one array that they share.

    Args:
        fold: Whether they share; None: where the budget is too small else, or an array of at most ``MOST_FOLDED``
            multipliers is faster.

    Raises:
        PlanError: if nothing fits, or the layers cannot share an array that they must share.
    """
    reason = can_fold(shapes)
    if fold and reason:
        raise PlanError(f"The layers cannot share one array (--fold): {reason}.")
    split: NetworkPlan | None = None
    if not fold:
        try:
            split = plan_for_budget(shapes, budget, pipeline, capacity)
        except PlanError:
            alone = sum(len(branch) for shape in shapes for branch in shape.branches) == 1
            if reason or fold is False or alone:  # one engine has nothing to share
                raise
    if split is not None and (reason or fold is False or len(split.engines) == 1):
        return split
    most = budget.multipliers if fold else min(budget.multipliers, MOST_FOLDED)
    shared = folded(shapes, most, budget.dsps, pipeline, capacity)
    if split is not None and (shared is None or shared.interval >= split.interval):
        return split
    if shared is None:
        raise PlanError(
            f"Not even on one shared array does the network fit {budget.multipliers} multipliers"
            f"{'' if budget.dsps is None else f' and {budget.dsps} DSP blocks'}; choose a larger board."
        )
    return shared


def plan_for_streams(plan_of: Callable[[int], NetworkPlan]) -> NetworkPlan:
    """The plan with the fewest streams that keep the multipliers busy, or that cover all recurrence latencies.

    Args:
        plan_of: The plan of so many streams.
    """
    best = plan_of(1)
    for streams in range(2, MOST_AUTOMATIC_STREAMS + 1):
        if best.utilisation >= BUSY or best.is_hidden():
            break
        best = max(best, plan_of(streams), key=lambda plan: plan.utilisation)
    return best


def _least_multipliers(shape: BlockShape) -> int:
    """One a layer, where its gates can be taken in turn, or DSP blocks for them.

    Of two stages one a gate, and what mixes groups takes a word of each in one cycle.
    """
    if len(shape.branches[0]) == 1:
        return sum(layer.array_dsps(layer.gates // turn_choices(layer)[-1], 1) for layer in shape.layers)
    mixers = [(branch[1][0], len(branch[0])) for branch in shape.branches if len(branch) > 1]
    mixed = sum(layer.array_dsps(layer.gates, groups - 1) for layer, groups in mixers)
    return sum(layer.array_dsps(layer.gates, 1) for layer in shape.layers) + mixed


def plan_for_lanes(
    shapes: Sequence[BlockShape],
    gates: int,
    rows: int,
    columns: int,
    pipeline: Pipeline = DEFAULT_PIPELINE,
    capacity: int = DEFAULT_CAPACITY,
) -> NetworkPlan:
    """The plan with given lanes in every gated or recurrent engine; a Linear one gets the fewest that keep up.

    Raises:
        PlanError: if the lanes exceed a layer's size, or its gates cannot be taken so many at once.
    """
    chosen: list[Option] = []
    for shape in shapes:
        main = _main_layer(shape)
        if main is None:
            chosen.append(_keeping_up(shape, chosen, rows, columns, pipeline))
            continue
        chosen.append(_given(shape, main, _turns(shape, main, gates), rows, columns, pipeline))
    return _finish(shapes, chosen, capacity)


def _turns(shape: BlockShape, main: LayerShape, gates: int) -> int:
    """Turns of a layer that takes so many gates at once."""
    legal = [main.gates // turns for turns in turn_choices(main)] if len(shape.branches[0]) == 1 else [main.gates]
    if gates not in legal:
        raise PlanError(
            f"Layer '{main.name}' computes {' or '.join(str(n) for n in legal)} of its {main.gates} gates at once, so "
            f"the gate lanes cannot be {gates}."
        )
    return main.gates // gates


def _main_layer(shape: BlockShape) -> LayerShape | None:
    """The layer of a block that given lanes are meant for: the one with gates; None for a Linear block."""
    layers = shape.branches[0][0] + (shape.branches[0][1] if len(shape.branches[0]) > 1 else ())
    gated = [layer for layer in layers if layer.gates > 1]
    if gated:
        return gated[0]
    return layers[0] if layers[0].hidden else None


def _given(
    shape: BlockShape, main: LayerShape, turns: int, rows: int, columns: int, pipeline: Pipeline
) -> Option:
    """A recurrent block with given lanes."""
    stages = shape.branches[0]
    if len(stages) == 1:
        plans = orders(EnginePlan(main, rows, columns, max(1, min(rows, columns)), pipeline, turns=turns))
        return fixed(shape, min(plans, key=lambda plan: (plan.interval, plan.last_write_cycle)))
    EnginePlan(main, rows, columns, 1, pipeline)  # raises if the lanes are not legal
    fitting = [
        option
        for option in candidates(shape, 1 << 62, pipeline)
        if (_lanes_of(option, main)) == (rows, columns)
    ]
    if not fitting:
        raise PlanError(
            f"Layer '{main.name}': no plan has {rows} row and {columns} column lanes in its gates; choose others, or "
            f"give a number of multipliers."
        )
    return min(fitting, key=lambda option: (option.interval, option.array_dsps, option.latency))


def _lanes_of(option: Option, main: LayerShape) -> tuple[int, int]:
    engine = next(engine for engine in option.branch.engines if engine.shape.gates == main.gates)
    return engine.rows, engine.columns


def _keeping_up(
    shape: BlockShape, chosen: Sequence[Option], rows: int, columns: int, pipeline: Pipeline
) -> Option:
    """A Linear block that keeps the interval with the fewest multipliers; given lanes where nothing is before it."""
    layer = shape.layers[0]
    if not chosen:
        return fixed(shape, widest(layer, min(rows, layer.units), min(columns, layer.inputs), pipeline))
    interval = max(option.interval for option in chosen)
    before = chosen[-1]
    needed = _needed_elements(before)  # a group is written into the head's columns in one cycle
    choices = {min(needed, layer.inputs), *column_choices(layer)}
    engines = (
        fixed(shape, widest(layer, r, c, pipeline))
        for r in distinct_divisions(layer.units)
        for c in choices
        if c >= min(needed, layer.inputs)
    )
    keeping_up = [option for option in engines if option.interval <= interval]
    return min(keeping_up, key=lambda option: (option.array_dsps, option.latency))


def _needed_elements(option: Option) -> int:
    """The fewest element-wise lanes that keep the block's interval."""
    if option.writes == "one" or len(option.branch.stages) > 1:
        return option.elements
    plan = option.branch.first
    return least_elements(plan, plan.elements).elements
