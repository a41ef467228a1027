"""Spaced mode: h-parts before x comes; by hand, played out, and what cannot be spaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnngen.errors import PlanError
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import BankedShape, LayerShape
from rnngen.plan.network import BlockPlan, NetworkPlan
from rnngen.plan.schedule import latency, run_schedule, settled_interval, spaced_latency
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import alone
from rnngen.plan.timing import Pipeline
from tests.plan.played import distances

GATES = {"lstm": 4, "gru": 3, "table": 1}
SMALL = st.integers(1, 20)


def shape(kind: str, inputs: int, units: int, name: str = "l", **more: bool) -> LayerShape:
    return LayerShape(name, kind, GATES[kind], inputs, units, units, spaced=True, **more)


def plan_of(engine: EnginePlan, input_words: int, output_words: int) -> NetworkPlan:
    return NetworkPlan((BlockPlan((BranchPlan(((engine,),)),)),), input_words, output_words)


def test_hand_case() -> None:
    """LSTM(4, 8) on 3 rows by 2 columns, 2 units a cycle: 3 tiles of 4 words of h, then 3 of 2 words of x."""
    engine = EnginePlan(shape("lstm", 4, 8), 3, 2, 2)
    assert (engine.tiles, engine.h_words, engine.x_words, engine.issue_cycles) == (3, 4, 2, 12 + 6)
    # 2 to the array, 4 product stages, 1 adder level, 1 accumulator, 1 partial sum, 20 behind it.
    assert engine.result_cycles == 29
    # Tile t ends its x words in cycle 2 t + 1.
    assert [engine.write_cycle(unit) for unit in range(8)] == [30, 30, 31, 32, 32, 33, 34, 34]
    # Words of h are complete in cycles 30, 32, 33 and 34 and read 0, 1, 2 and 3 cycles behind the start of a pass.
    assert engine.x_to_h == 34 + 1 - 3
    assert engine.h_to_x == 12
    assert engine.interval == 44
    plan = plan_of(engine, 2, 2)
    # The first h pass issues from cycle 0 to 11, so x begins in cycle 12; beats in cycles 0 and 1.
    assert latency(plan) == (12 + 30 + 2 - 1, 12 + 34 + 2 - 1)
    # Later: complete in cycle 1, seen in 2, first issue in 3.
    assert spaced_latency(plan) == (3 + 30 + 2 - 1, 3 + 34 + 2 - 1)
    # The second h pass is issued in cycles 44 to 55: a step of cycle 45 waits for it, one of 100 does not.
    waits = run_schedule(plan, [3], [0, 45, 200])
    assert waits.inputs == ((0, 1), (45, 46), (200, 201))
    assert waits.issues == ((12, 12 + 44, 203),)
    assert waits.outputs[2] == (203 + 32, 203 + 34, 203 + 35, 203 + 36)
    assert run_schedule(plan, [2], [0, 100]).issues == ((12, 103),)
    assert settled_interval(plan) == 44


def test_one_tile_waits_for_its_own_sums() -> None:
    """A word of h and a word of x, one behind the other: 4 cycles from sum to sum."""
    engine = EnginePlan(shape("gru", 4, 4), 4, 4, 4)
    assert (engine.tiles, engine.h_words, engine.x_words) == (1, 1, 1)
    # 2 + 4 product stages + 2 levels + 1 + 1 + 20; h is read in the next cycle.
    assert (engine.x_to_h, engine.h_to_x) == (30 + 1, 4)


@given(
    st.sampled_from(["lstm", "gru", "table"]), SMALL, SMALL, st.integers(1, 20), st.integers(1, 20),
    st.integers(1, 20), st.integers(1, 4), st.integers(1, 3),
)  # fmt: skip
@settings(max_examples=200)
def test_distances_are_the_least_that_play(
    kind: str, inputs: int, units: int, rows: int, columns: int, elements: int, stages: int, every: int
) -> None:
    rows, columns = min(rows, units), min(columns, max(inputs, units))
    elements = min(elements, rows, columns)
    pipeline = Pipeline(stages, every)
    engine = EnginePlan(shape(kind, inputs, units), rows, columns, elements, pipeline)
    assert (engine.x_to_h, engine.h_to_x) == distances(engine)
    assert engine.interval == engine.x_to_h + engine.h_to_x


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 20), st.integers(9, 600))
@settings(max_examples=20)
def test_sparse_steps_take_the_spaced_latency_and_dense_ones_the_interval(
    inputs: int, units: int, second: int, budget: int
) -> None:
    shapes = [alone(shape("lstm", inputs, units)), alone(shape("gru", units, second, "m"))]
    plan = plan_for_budget([*shapes, alone(LayerShape("head", "linear", 1, second, 2, 0))], Budget(budget))
    assert plan.spaced
    assert settled_interval(plan) == plan.interval
    first, last = spaced_latency(plan)
    arrivals = [plan.ahead + k * (plan.interval + last) for k in range(6)]
    times = run_schedule(plan, [2, 3, 1], arrivals)
    for arrival, beats, outputs in zip(arrivals, times.inputs, times.outputs, strict=True):
        assert beats[0] == arrival
        assert (outputs[0] - beats[-1], outputs[-1] - beats[-1]) == (first, last)


@pytest.mark.parametrize("banked", [None, BankedShape(3, 1, 2, 2, 2)], ids=["dense", "banked"])
@pytest.mark.parametrize("dsps", [None, 30])
@pytest.mark.parametrize(("inputs", "units", "budget"), [(3, 4, 31), (2, 6, 45), (5, 3, 24), (1, 5, 90), (4, 4, 20)])
def test_no_lanes_are_sooner(
    inputs: int, units: int, budget: int, dsps: int | None, banked: BankedShape | None
) -> None:
    """Against all chains of a plain RNN, a GRU and a head, whose columns take what the layer before writes at once."""
    first = replace(shape("table", inputs, units), banked=banked)
    layers = first, shape("gru", units, 3, "m"), LayerShape("head", "linear", 1, 3, 2, 0)
    element = {"table": 1, "gru": 6, "linear": 0}

    def engines(layer: LayerShape) -> Iterator[EnginePlan]:
        for rows, columns in product(range(1, layer.units + 1), range(1, max(layer.inputs, layer.hidden) + 1)):
            if layer.banked and (columns != layer.banked.banks or not layer.banked.allows(rows)):
                continue
            for elements in range(1, (min(rows, columns) if layer.hidden else rows) + 1):
                yield EnginePlan(layer, rows, columns, elements)

    every = [list(engines(layer)) for layer in layers]
    best = min(
        sum(engine.last_write_cycle for engine in chain)
        for chain in product(*every)
        if sum(engine.multipliers for engine in chain) <= budget
        and chain[0].elements <= chain[1].columns
        and chain[1].elements <= chain[2].columns
        and (dsps is None or sum(e.multipliers + e.elements * element[e.shape.kind] for e in chain) <= dsps)
    )
    plan = plan_for_budget([alone(layer) for layer in layers], Budget(budget, dsps))
    assert plan.multipliers <= budget
    assert sum(engine.last_write_cycle for engine in plan.engines) == best


def test_stack_of_three_at_its_limits() -> None:
    """3 x LSTM-960, 6,144 multipliers: 3 sweeps of all x words and 3 tails, at most 55 % of the unspaced latency."""
    stacks = [
        [alone(replace(shape("lstm", 960, 960, f"l{k}"), spaced=spaced)) for k in range(3)] for spaced in (False, True)
    ]
    plain, spaced = (plan_for_budget(stack, Budget(6144)) for stack in stacks)
    # 2048 multipliers a layer: 3600 issues, of which x has 1800; behind the last one 2 + 4 + 5 or 4 + 1 + 20 cycles,
    # one more with sums that are kept; 2 from a layer's last word to the next one's first issue, and 2 to the port.
    assert plain.interval == plain.bound == 3600
    limits = 3 * (3600 - 1 + 2 + 4 + 5 + 1 + 20 + 2) + 2, 3 * (1800 - 1 + 2 + 4 + 4 + 1 + 1 + 20 + 2) + 2
    assert limits[0] <= latency(plain)[1] <= 1.02 * limits[0]
    assert limits[1] <= spaced_latency(spaced)[1] <= 1.02 * limits[1]
    assert spaced_latency(spaced)[1] <= 0.55 * latency(plain)[1]
    assert spaced_latency(plain) == latency(plain)


@pytest.mark.parametrize("wrong", [
    {"alone": False}, {"hidden": 0}, {"inputs": 0, "symbols": 5}, {"streams": 2}, {"h_offset": 4},
], ids=str)  # fmt: skip
def test_engines_that_cannot_be_spaced(wrong: dict[str, int]) -> None:
    with pytest.raises(PlanError, match=r"^Layer 'l': its h-part cannot be computed before x comes; it needs "):
        EnginePlan(replace(shape("lstm", 4, 8), **wrong), 2, 2, 2)


def test_no_other_order_of_passes() -> None:
    engine = EnginePlan(shape("lstm", 4, 8), 2, 2, 2)
    for other in ({"passes": (2, 4)}, {"x_lanes": 1}):
        with pytest.raises(PlanError, match=r"^Layer 'l': its h-part cannot be computed before x comes; .* of passes"):
            replace(engine, **other)
