"""Cycle laws of layers that several devices compute, and their best lanes.

An engine of a cut is one of the machine's own; what the exchange changes is when words of h, or of the group outputs
that a projection mixes, are there.  They are read in the order in which they come, so that x, the device's own words
and those of its neighbours cover the way of the last ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rnngen.errors import PlanError
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape, ceil_div
from rnngen.plan.limits import are_legal
from rnngen.plan.options import candidates
from rnngen.plan.partition.cuts import Cut
from rnngen.plan.partition.exchange import Sent, Wires, deliveries, received
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import alone
from rnngen.plan.staged import staged
from rnngen.plan.timing import PARTIAL_CYCLES, Pipeline


@dataclass(frozen=True)
class CutPlan:
    """A layer over several devices, as planned.

    Attributes:
        cut: What each device computes.  wires: The links between them.
        engines: Of a device, stage by stage; of "x/h" those of both devices.
        offset: First issue of the first stage to that of the second one.
        order: Words of the exchanged vector in the order in which they are read: (source, word), source 0 the device
            itself, then the others as their words come.
        interval: Step interval in cycles.  link_words: Words of a step on the busiest link.
        binds: What binds the interval.
    """

    cut: Cut
    wires: Wires
    engines: tuple[EnginePlan, ...]
    offset: int
    order: tuple[tuple[int, int], ...]
    interval: int
    link_words: int
    binds: str

    @property
    def multipliers(self) -> int:
        """Of the device that has most."""
        each = [engine.multipliers for engine in self.engines]
        return max(each) if self.cut.kind == "x/h" else sum(each)


@dataclass(frozen=True)
class _Vector:
    """A vector of which each device has a part: its words in the order in which they are read, and when they are there.

    Attributes:
        order: (source, word).  written: Cycle in which each is written, from the first issue of the engine that gives
            it.
    """

    order: tuple[tuple[int, int], ...]
    written: tuple[int, ...]


def plan_cut(cut: Cut, wires: Wires, multipliers: int, pipeline: Pipeline) -> CutPlan:
    """The fastest plan of a cut with as many multipliers on each device.

    Raises:
        PlanError: if no lanes fit.
    """
    if wires.devices != cut.devices:
        raise PlanError(f"The cut takes {cut.devices} devices, not {wires.devices}.")
    makers = {"rows": _rows, "groups": _groups, "x/h": _x_and_h}
    made = makers.get(cut.kind, _linear)(cut, wires, multipliers, pipeline)
    best = min(made, key=_rank, default=None)
    if best is None:
        raise PlanError(f"No lanes of {multipliers} multipliers fit the '{cut.kind}' cut.")
    return best


def exchanged(engine: EnginePlan, wires: Wires, value_bits: int, columns: int) -> _Vector:
    """The vector that engines like this one give, a frame a tile, for readers of so many columns.

    A tile's frame is given from the cycle on in which its words follow each other without gaps.
    """
    units, rows = engine.shape.units, engine.rows
    frames = []
    for start in range(0, units, rows):
        stop = min(start + rows, units)
        last = int(engine.write_cycle(stop - 1))
        words = ceil_div((stop - start) * value_bits, wires.word_bits)
        ready = [int(engine.write_cycle(_unit(word, start, stop, value_bits, wires))) - word for word in range(words)]
        frames.append(Sent(stop - start, max(*ready, last - words + 1)))
    entries = [
        (int(engine.write_cycle(min((word + 1) * columns, units) - 1)), 0, word)
        for word in range(ceil_div(units, columns))
    ]
    for source, delivered in enumerate(deliveries(wires, frames, value_bits), start=1):
        written = received(wires, frames, delivered, value_bits, columns)
        entries += [(at, source, word) for word, at in enumerate(written)]
    entries.sort()
    return _Vector(tuple((source, word) for _, source, word in entries), tuple(at for at, _, _ in entries))


def _unit(word: int, start: int, stop: int, value_bits: int, wires: Wires) -> int:
    """The last unit of a frame's word."""
    return min(start + ceil_div((word + 1) * wires.word_bits, value_bits), stop) - 1


def wait_for(reader: EnginePlan, vector: _Vector, first: int) -> int:
    """Cycles that a step of the reader must start behind the writer's, for every word to be written before it is read.

    Args:
        first: Place of the vector's first word in a sweep.
    """
    return max(at + 1 - int(reader.first_read(first + word)) for word, at in enumerate(vector.written))


def _rows(cut: Cut, wires: Wires, multipliers: int, pipeline: Pipeline) -> Iterator[CutPlan]:
    (shape,) = cut.shares[0].stages
    bits, best = cut.exchange.value_bits, 1 << 62
    for engine in row_engines(shape, multipliers, pipeline):
        if engine.issue_cycles > best:
            continue
        for ordered in read_orders(engine):
            vector = exchanged(ordered, wires, bits, ordered.columns)
            link = wires.words(_frames(ordered), bits)
            loop = wait_for(ordered, vector, ordered.h_first)
            interval = max(ordered.interval, loop, link)
            best = min(best, interval)
            binds = _binds({"multipliers": ordered.interval, "exchange of h": loop, "links": link}, interval)
            yield CutPlan(cut, wires, (ordered,), 0, vector.order, interval, link, binds)


def _frames(engine: EnginePlan) -> list[int]:
    """Values of each tile's frame."""
    return [min(engine.rows, engine.shape.units - start) for start in range(0, engine.shape.units, engine.rows)]


def row_engines(shape: LayerShape, multipliers: int, pipeline: Pipeline) -> list[EnginePlan]:
    """Engines of a part of the rows, those with the fewest issues first; a word of h is of one device only."""
    apart = replace(shape, alone=False, shares=1)  # how long h takes is not known yet
    found = (option.branch.first for option in candidates(alone(apart), multipliers, pipeline, True))
    whole = [engine for engine in found if shape.units % engine.columns == 0 and not engine.x_lanes]
    fewest = sorted(whole, key=lambda engine: (engine.issue_cycles, engine.multipliers))
    return [replace(engine, shape=shape) for engine in fewest]


def slice_engines(shape: LayerShape, multipliers: int, pipeline: Pipeline) -> list[EnginePlan]:
    """Engines of a part of the inputs, those with the fewest issues first; a word of x is of one device only."""
    found = (option.branch.first for option in candidates(alone(shape), multipliers, pipeline, True))
    whole = (engine for engine in found if shape.inputs % engine.columns == 0)
    return sorted(whole, key=lambda engine: (engine.issue_cycles, engine.multipliers))


def read_orders(engine: EnginePlan) -> Iterator[EnginePlan]:
    """In one pass, and with the x-part of all tiles first."""
    yield engine
    passes = (engine.x_words, engine.h_words)
    if all(passes) and are_legal(engine, passes):
        yield replace(engine, passes=passes)


def _groups(cut: Cut, wires: Wires, multipliers: int, pipeline: Pipeline) -> Iterator[CutPlan]:
    """Of the lanes that are the most promising ones of two stages on one device."""
    gates, projection = cut.shares[0].stages
    bits, best = cut.exchange.value_bits, 1 << 62
    for branch in group_branches(gates, projection, multipliers, pipeline):
        if branch.work > best:
            break
        first, second = branch.engines
        vector = exchanged(first, wires, bits, second.columns)
        offset = max(1, wait_for(second, vector, 0))
        loop = offset + _wait_for_slice(first, second)
        link, issues = wires.words(_frames(first), bits), max(first.interval, second.interval)
        interval = max(issues, loop, link)
        best = min(best, interval)
        binds = _binds({"multipliers": issues, "both stages and the exchange": loop, "links": link}, interval)
        yield CutPlan(cut, wires, (first, second), offset, vector.order, interval, link, binds)


def group_branches(
    gates: LayerShape, projection: LayerShape, multipliers: int, pipeline: Pipeline
) -> Iterator[BranchPlan]:
    """Both stages of a device of a G-LSTM, those of the fewest issues first.

    A word of x is of one group only, and so is one of what the projection mixes.
    """
    whole = replace(projection, inputs=projection.inputs + projection.hidden, hidden=0, shares=1)
    found = staged([(gates,), (whole,)], multipliers, pipeline, False, (gates.inputs, gates.units))
    for branch in sorted(found, key=lambda each: each.work):
        for first, second in _stage_orders(branch):
            yield BranchPlan(((first,), (replace(second, shape=projection),)))


def _wait_for_slice(first: EnginePlan, second: EnginePlan) -> int:
    """The second stage gives the group's own slice of h, which no other device needs."""
    return first.wait(lambda word: second.write_cycle(first.unit_of(word)), *first.h_places)


def _stage_orders(branch: BranchPlan) -> Iterator[tuple[EnginePlan, EnginePlan]]:
    plain = replace(branch.first, passes=()), replace(branch.last, passes=())
    yield plain
    yield branch.first, branch.last
    for leading in read_orders(plain[0]):
        yield leading, branch.last
        yield leading, plain[1]


def _x_and_h(cut: Cut, wires: Wires, multipliers: int, pipeline: Pipeline) -> Iterator[CutPlan]:
    """The device of x runs ahead, so its sums are there before they are needed; they are added behind the array."""
    (x,), (h,) = (share.stages for share in cut.shares)
    plans = [plan_for_budget([alone(shape)], Budget(multipliers), pipeline) for shape in (x, h)]
    first, second = (plan.engines[0] for plan in plans)
    link = wires.frame(cut.exchange.values, cut.exchange.value_bits)
    loop = second.unhidden_interval + PARTIAL_CYCLES
    reasons = {"multipliers of x": first.interval, "multipliers of h": second.interval, "recurrence": loop}
    reasons["link"] = link
    interval = max(reasons.values())
    yield CutPlan(cut, wires, (first, second), 0, (), interval, link, _binds(reasons, interval))


def _linear(cut: Cut, wires: Wires, multipliers: int, pipeline: Pipeline) -> Iterator[CutPlan]:
    """Outputs, or partial sums of inputs, go to one device; around a ring the nearest one forwards those behind it."""
    (shape,) = cut.shares[0].stages
    engine = plan_for_budget([alone(shape)], Budget(multipliers), pipeline).engines[0]
    frame = wires.frame(cut.exchange.values, cut.exchange.value_bits)
    link = frame if wires.direct or cut.exchange.pattern == "reduce" else max(wires.ahead, wires.back) * frame
    interval = max(engine.interval, link)
    binds = _binds({"multipliers": engine.interval, "links": link}, interval)
    yield CutPlan(cut, wires, (engine,), 0, (), interval, link, binds)


def _binds(reasons: dict[str, int], interval: int) -> str:
    return next(reason for reason, cycles in reasons.items() if cycles == interval)


def cheaper(plans: Sequence[CutPlan]) -> CutPlan:
    """The better one of the same cut over different links."""
    return min(plans, key=_rank)


def _rank(plan: CutPlan) -> tuple[int, int, int, int]:
    """Faster, of fewer multipliers, without kept sums, and with fewer words on the links."""
    return plan.interval, plan.multipliers, sum(len(engine.passes) for engine in plan.engines), plan.link_words
