"""The best lanes for a budget: every legal shape is weighed, none is guessed.

The issues of a step depend on the rows only through the number of tiles, and on the columns only
through the number of words; so for each tile count the fewest rows and for each word count the
fewest columns are enough, except where the recurrence and not the issues bind: there every pair
of rows and columns is weighed.  Over several engines the search takes the smallest interval of the slowest
engine, then the smallest latency, then the fewest multipliers; it knows that an engine's element-wise lanes
are at most the columns of the engine behind it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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


def _candidates(shape: LayerShape, limit: int, pipeline: Pipeline) -> list[EnginePlan]:
    """Engines of one layer worth a look, each with as many element-wise lanes as its own lanes allow."""
    found = []
    for rows in _distinct_divisions(shape.units):
        for columns in _column_choices(shape):
            if shape.gates * rows * columns > limit:
                break
            plan = _widest(shape, rows, columns, pipeline)
            found.append(plan)
            if shape.recurrent and plan.interval > plan.words:
                found += _same_words(plan, limit)
    return found


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


def _leanest(plan: EnginePlan, interval: int) -> EnginePlan:
    """The engine with the fewest element-wise lanes that keep the interval, which the widest do."""
    low, high = ceil_div(plan.rows, interval // plan.tiles), plan.elements
    middle = low  # often enough where the recurrence is hidden
    while low < high:
        if EnginePlan(plan.shape, plan.rows, plan.columns, middle, plan.pipeline).interval <= interval:
            high = middle
        else:
            low = middle + 1
        middle = (low + high) // 2
    return replace(plan, elements=high)


def _choices(candidates: Sequence[EnginePlan], interval: int, limit: int) -> list[EnginePlan]:
    """Engines of one layer that keep the interval and that no other engine beats in everything at once.

    What counts: multipliers, element-wise lanes (the next layer needs as many columns), latency, and columns (the
    layer before may have as many element-wise lanes).
    """
    lean = [_leanest(plan, interval) for plan in candidates if plan.interval <= interval and plan.multipliers <= limit]
    keyed = sorted(((p.multipliers, p.elements, p.last_write_cycle, -p.columns, p) for p in lean), key=lambda e: e[:4])
    kept: list[tuple[int, int, int, EnginePlan]] = []
    for _, elements, latency, columns, plan in keyed:
        if not any(e <= elements and wait <= latency and c <= columns for e, wait, c, _ in kept):
            kept.append((elements, latency, columns, plan))
    return [plan for *_, plan in kept]


@dataclass(frozen=True)
class _Chain:
    """Engines of the first layers, and what they cost."""

    chosen: tuple[EnginePlan, ...]
    multipliers: int
    dsps: int
    latency: int

    @property
    def next_columns(self) -> int:
        """Fewest columns of the next engine: a group of units is written into its input buffer in one cycle."""
        return self.chosen[-1].elements if self.chosen else 1

    def grown(self, plan: EnginePlan) -> _Chain:
        """With one more engine."""
        return _Chain(
            (*self.chosen, plan),
            self.multipliers + plan.multipliers,
            self.dsps + engine_dsps(plan),
            self.latency + plan.last_write_cycle,
        )


def _best_chain(layers: Sequence[Sequence[EnginePlan]], interval: int, budget: Budget) -> _Chain | None:
    """Engines that keep the interval within the budget: least summed latency, then fewest multipliers."""
    choices = [_choices(candidates, interval, budget.multipliers) for candidates in layers]
    if not all(choices):
        return None
    chains = [_Chain((), 0, 0, 0)]
    for index, found in enumerate(choices):
        later = choices[index + 1 :]
        multipliers = budget.multipliers - sum(min(plan.multipliers for plan in rest) for rest in later)
        dsps = None if budget.dsps is None else budget.dsps - sum(min(map(engine_dsps, rest)) for rest in later)
        chains = _undominated(
            chain.grown(plan)
            for chain in chains
            for plan in found
            if plan.columns >= chain.next_columns
            and chain.multipliers + plan.multipliers <= multipliers
            and (dsps is None or chain.dsps + engine_dsps(plan) <= dsps)
        )
    return min(chains, key=lambda chain: (chain.latency, chain.multipliers), default=None)


def _undominated(chains: Iterable[_Chain]) -> list[_Chain]:
    """Chains that no other beats in cost, latency and demand on the next engine at once."""
    kept: list[_Chain] = []
    for chain in sorted(chains, key=lambda c: (c.multipliers, c.latency, c.next_columns, c.dsps)):
        beaten = any(
            other.latency <= chain.latency and other.next_columns <= chain.next_columns and other.dsps <= chain.dsps
            for other in kept
        )
        if not beaten:
            kept.append(chain)
    return kept


def _relaxed_interval(layers: Sequence[Sequence[EnginePlan]], budget: Budget) -> int | None:
    """The smallest interval for which the multipliers suffice, whatever else binds; None if none does."""
    intervals = sorted({plan.interval for candidates in layers for plan in candidates})

    def enough(interval: int) -> bool:
        least = [
            min((p.multipliers for p in candidates if p.interval <= interval), default=None) for candidates in layers
        ]
        return None not in least and sum(m for m in least if m is not None) <= budget.multipliers

    found = bisect_left(intervals, True, key=enough)
    return intervals[found] if found < len(intervals) else None


def _fastest(layers: Sequence[Sequence[EnginePlan]], budget: Budget) -> _Chain | None:
    """The chain with the smallest interval of the slowest engine."""
    low = _relaxed_interval(layers, budget)
    if low is None:
        return None
    best, step = _best_chain(layers, low, budget), 1
    if best is not None:
        return best
    # A little above it lies the first interval that the element-wise lanes allow, too.
    slowest = 2 * max(plan.interval for candidates in layers for plan in candidates)
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


def _finish(chosen: Sequence[EnginePlan]) -> NetworkPlan:
    """Fewest element-wise lanes, port widths and buffers for chosen lanes."""
    engines: list[EnginePlan] = []
    for index, plan in enumerate(chosen):
        following = chosen[index + 1].columns if index + 1 < len(chosen) else plan.rows
        engines.append(least_elements(plan.shape, plan.rows, plan.columns, following, plan.pipeline))
    return _with_ports(engines)


def _with_ports(engines: Sequence[EnginePlan]) -> NetworkPlan:
    """The plan of given engines: narrowest input port that keeps the interval, and buffers."""
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
    layers = [_candidates(shape, budget.multipliers - least + shape.gates, pipeline) for shape in shapes]
    best = _fastest(layers, budget)
    if best is None:
        raise PlanError(
            f"The network needs at least {least + sum(ELEMENT_DSPS[shape.kind] for shape in shapes)} DSP blocks "
            f"and the budget has {budget.dsps}; choose a larger board."
        )
    plan = _finish(best.chosen)
    if budget.dsps is None or sum(engine_dsps(engine) for engine in plan.engines) <= budget.dsps:
        return plan
    # Lanes that spare the memories a rotation, or that only shorten a faster engine's step, do not fit.
    return _with_ports(best.chosen)


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
