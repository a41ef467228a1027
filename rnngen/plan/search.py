"""The best lanes for a budget: every legal shape is weighed, none is guessed.

The issues of a step depend on the rows only through the number of tiles, and on the columns only
through the number of words; so for each tile count the fewest rows and for each word count the
fewest columns are enough, except where the recurrence and not the issues bind: there every pair
of rows and columns is weighed.  Over several engines the search takes the
smallest interval of the slowest engine, then the smallest latency, then the fewest
multipliers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnngen.errors import PlanError
from rnngen.plan.engine import EnginePlan, LayerShape, ceil_div, least_elements
from rnngen.plan.network import NetworkPlan, with_buffers
from rnngen.plan.timing import DEFAULT_PIPELINE, Pipeline


@dataclass(frozen=True)
class Budget:
    """What a plan may use.

    Attributes:
        multipliers: Products a cycle, of the multiplier arrays.
        dsps: DSP blocks, element-wise paths included; None where the user named multipliers only.
    """

    multipliers: int
    dsps: int | None = None


ELEMENT_DSPS = {"lstm": 8, "linear": 0}
"""DSP blocks of one element-wise lane: three state products and five interpolations for an LSTM unit."""


def engine_dsps(plan: EnginePlan) -> int:
    """DSP blocks that an engine spends: one a multiplier, and the element-wise path's."""
    return plan.multipliers + plan.elements * ELEMENT_DSPS[plan.shape.kind]


def _distinct_divisions(size: int) -> list[int]:
    """The smallest n for every value of ceil(size / n), ascending."""
    smallest: dict[int, int] = {}
    for n in range(1, size + 1):
        smallest.setdefault(ceil_div(size, n), n)
    return sorted(smallest.values())


def _column_choices(shape: LayerShape) -> list[int]:
    """Column counts worth a look: the smallest for each pair of x and h word counts."""
    largest = max(shape.inputs, shape.units if shape.recurrent else 1)
    smallest: dict[tuple[int, int], int] = {}
    for n in range(1, largest + 1):
        words = (ceil_div(shape.inputs, n), ceil_div(shape.units, n) if shape.recurrent else 0)
        smallest.setdefault(words, n)
    return sorted(smallest.values())


def _frontier(shape: LayerShape, limit: int, pipeline: Pipeline) -> list[EnginePlan]:
    """Engines of one layer that no other engine beats in interval, latency and multipliers at once."""
    candidates = []
    for rows in _distinct_divisions(shape.units):
        for columns in _column_choices(shape):
            if shape.gates * rows * columns > limit:
                break
            plan = _widest(shape, rows, columns, pipeline)
            candidates.append(plan)
            if shape.recurrent and plan.interval > plan.words:
                candidates += _same_words(plan, limit)
    keyed = sorted(
        ((plan.multipliers, plan.interval, plan.last_write_cycle, plan) for plan in candidates),
        key=lambda entry: entry[:3],
    )
    return _undominated(keyed)


def _widest(shape: LayerShape, rows: int, columns: int, pipeline: Pipeline) -> EnginePlan:
    """The engine with the most element-wise lanes that its lanes allow: none of its shape is faster."""
    return EnginePlan(shape, rows, columns, min(rows, columns) if shape.recurrent else rows, pipeline)


def _same_words(plan: EnginePlan, limit: int) -> list[EnginePlan]:
    """Engines with more lanes and as many issues a step: they help only where the issues are not what binds."""
    shape, rows, columns = plan.shape, plan.rows, plan.columns
    found = []
    while rows <= shape.units and ceil_div(shape.units, rows) == plan.tiles:
        columns = plan.columns
        while columns <= max(shape.inputs, shape.units) and shape.gates * rows * columns <= limit:
            wider = _widest(shape, rows, columns, plan.pipeline)
            if (wider.x_words, wider.h_words) != (plan.x_words, plan.h_words):
                break
            found.append(wider)
            columns += 1
        rows += 1
    return found


def _undominated(keyed: Iterable[tuple[int, int, int, EnginePlan]]) -> list[EnginePlan]:
    """Of entries sorted by multipliers, those that improve interval or latency on all cheaper ones."""
    kept: list[tuple[int, int, EnginePlan]] = []
    for _, interval, latency, plan in keyed:
        if not any(i <= interval and wait <= latency for i, wait, _ in kept):
            kept.append((interval, latency, plan))
    return [plan for _, _, plan in kept]


def _combine(frontiers: Sequence[list[EnginePlan]], budget: int) -> list[EnginePlan] | None:
    """One engine a layer: smallest slowest interval, then smallest summed latency, then fewest multipliers."""
    intervals = sorted({plan.interval for frontier in frontiers for plan in frontier})
    low, high = 0, len(intervals) - 1
    if not _fits(frontiers, intervals[high], budget):
        return None
    while low < high:
        middle = (low + high) // 2
        if _fits(frontiers, intervals[middle], budget):
            high = middle
        else:
            low = middle + 1
    return _least_latency(frontiers, intervals[low], budget)


def _fits(frontiers: Sequence[list[EnginePlan]], interval: int, budget: int) -> bool:
    """Whether the cheapest engines that keep the interval fit the budget."""
    total = 0
    for frontier in frontiers:
        cheapest = min((plan.multipliers for plan in frontier if plan.interval <= interval), default=None)
        if cheapest is None:
            return False
        total += cheapest
    return total <= budget


def _least_latency(frontiers: Sequence[list[EnginePlan]], interval: int, budget: int) -> list[EnginePlan]:
    """Among engines that keep the interval, the least (latency, multipliers) within the budget."""
    partial: list[tuple[int, int, list[EnginePlan]]] = [(0, 0, [])]
    for index, frontier in enumerate(frontiers):
        rest = sum(min(p.multipliers for p in later if p.interval <= interval) for later in frontiers[index + 1 :])
        grown = sorted(
            (
                (used + plan.multipliers, latency + plan.last_write_cycle, chosen + [plan])
                for used, latency, chosen in partial
                for plan in frontier
                if plan.interval <= interval and used + plan.multipliers + rest <= budget
            ),
            key=lambda entry: entry[:2],
        )
        partial = []
        for entry in grown:
            if not partial or entry[1] < partial[-1][1]:
                partial.append(entry)
    return min(partial, key=lambda entry: (entry[1], entry[0]))[2]


def _finish(chosen: Sequence[EnginePlan]) -> NetworkPlan:
    """Fewest element-wise lanes, port widths and buffers for chosen lanes."""
    engines: list[EnginePlan] = []
    for index, plan in enumerate(chosen):
        following = chosen[index + 1].columns if index + 1 < len(chosen) else plan.rows
        engines.append(least_elements(plan.shape, plan.rows, plan.columns, following, plan.pipeline))
    interval = max(engine.interval for engine in engines)
    first = engines[0]
    input_words = min(n for n in range(1, first.columns + 1) if ceil_div(first.shape.inputs, n) <= interval)
    input_words = next((n for n in range(input_words, first.columns + 1) if first.columns % n == 0), first.columns)
    return with_buffers(engines, input_words, engines[-1].elements)


def plan_for_budget(shapes: Sequence[LayerShape], budget: Budget, pipeline: Pipeline = DEFAULT_PIPELINE) -> NetworkPlan:
    """The best plan among all that fit the budget.

    Raises:
        PlanError: if not even the smallest engines fit.
    """
    least = sum(shape.gates for shape in shapes)
    if least > budget.multipliers:
        raise PlanError(
            f"The network needs at least {least} multipliers (one a gate and layer) and the budget has "
            f"{budget.multipliers}; raise --multipliers or choose a larger board."
        )
    limit = budget.multipliers
    while limit >= least:
        frontiers = [_frontier(shape, limit - least + shape.gates, pipeline) for shape in shapes]
        chosen = _combine(frontiers, limit)
        if chosen is None:
            break
        plan = _finish(chosen)
        spent = sum(engine_dsps(engine) for engine in plan.engines)
        if budget.dsps is None or spent <= budget.dsps:
            return plan
        limit = min(limit - 1, plan.multipliers - (spent - budget.dsps))
    raise PlanError(
        f"The network needs at least {least + sum(ELEMENT_DSPS[shape.kind] for shape in shapes)} DSP blocks "
        f"and the budget has {budget.dsps}; choose a larger board."
    )


def _needed_elements(plan: EnginePlan) -> int:
    """The fewest element-wise lanes that keep the engine's interval."""
    return least_elements(plan.shape, plan.rows, plan.columns, plan.elements, plan.pipeline).elements


def plan_for_lanes(
    shapes: Sequence[LayerShape], gates: int, rows: int, columns: int, pipeline: Pipeline = DEFAULT_PIPELINE
) -> NetworkPlan:
    """The plan with given lanes in every recurrent layer; a Linear head gets the fewest lanes that keep up.

    Raises:
        PlanError: if the lanes exceed a layer's size, or gates are not all in parallel.
    """
    chosen: list[EnginePlan] = []
    for shape in shapes:
        if not shape.recurrent:
            interval = max(plan.interval for plan in chosen)
            needed = _needed_elements(chosen[-1])  # a group is written into the head's columns in one cycle
            engines = (
                _widest(shape, r, c, pipeline)
                for r in _distinct_divisions(shape.units)
                for c in {needed, *_column_choices(shape)}
                if c >= needed
            )
            keeping_up = [plan for plan in engines if plan.interval <= interval]
            chosen.append(min(keeping_up, key=lambda plan: (plan.multipliers, plan.last_write_cycle)))
            continue
        if gates != shape.gates:
            raise PlanError(
                f"Layer '{shape.name}' computes its {shape.gates} gates in parallel, so the gate lanes must be "
                f"{shape.gates}, not {gates}."
            )
        elements = min(rows, columns)
        chosen.append(EnginePlan(shape, rows, columns, max(1, elements), pipeline))
    return _finish(chosen)
