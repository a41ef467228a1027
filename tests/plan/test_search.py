"""The search for lanes against brute force over every legal pair of rows and columns."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnngen.errors import PlanError
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape
from rnngen.plan.limits import are_legal
from rnngen.plan.network import NetworkPlan
from rnngen.plan.options import ELEMENT_DSPS, Option, candidates, engine_dsps, fitting
from rnngen.plan.schedule import settled_interval
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes
from rnngen.plan.shapes import BlockShape, alone
from rnngen.plan.timing import DEFAULT_PIPELINE


def lstm(inputs: int, units: int, name: str = "l") -> LayerShape:
    return LayerShape(name, "lstm", 4, inputs, units, units)


def head(inputs: int, units: int) -> LayerShape:
    return LayerShape("head", "linear", 1, inputs, units, 0)


def blocks(*shapes: LayerShape) -> tuple[BlockShape, ...]:
    return tuple(alone(shape) for shape in shapes)


@cache
def interval(shape: LayerShape, turns: int, rows: int, columns: int, x_lanes: int, elements: int) -> int:
    """Of one engine, in one pass or x first; tests/plan/test_engine.py holds it to the played-out schedule."""
    plan = EnginePlan(shape, rows, columns, elements, x_lanes=x_lanes, turns=turns)
    passes = (plan.x_words, plan.h_words)
    if x_lanes or not shape.hidden or not are_legal(plan, passes):
        return plan.interval
    return min(plan.interval, replace(plan, passes=passes).interval)


def lanes(shape: LayerShape, budget: int) -> list[tuple[int, int, int, int]]:
    """All legal (turns, rows, columns, columns of x beside those of h) within a budget of multipliers."""
    widest = max(shape.inputs, shape.units if shape.hidden else 1)
    rows = range(1, shape.units + 1)
    every = [(r, c, 0) for r, c in product(rows, range(1, widest + 1))]
    if shape.hidden:
        sides = product(rows, range(1, shape.inputs + 1), range(1, shape.hidden + 1))
        every += [(r, x + h, x) for r, x, h in sides]
    at_once = {"lstm": (4, 2, 1), "gru": (3, 1)}.get(shape.kind, (1,))
    return [(shape.gates // n, r, c, x) for n in at_once for r, c, x in every if n * r * c <= budget]


def brute_force(shapes: tuple[LayerShape, ...], budget: int) -> int:
    """Smallest interval of the slowest engine.

    A group of E units is written into the own h memory and the next engine's input buffer in one cycle, so that
    E is at most the columns of both.
    """
    best = 10**9
    for choice in product(*(lanes(shape, budget) for shape in shapes)):
        if sum(s.gates // t * r * c for s, (t, r, c, _) in zip(shapes, choice, strict=True)) > budget:
            continue
        slowest = 0
        for index, (shape, (turns, rows, columns, x)) in enumerate(zip(shapes, choice, strict=True)):
            widest = min(rows, columns - x) if shape.hidden else rows
            if index + 1 < len(choice):
                _, _, next_columns, next_x = choice[index + 1]
                widest = min(widest, next_x or next_columns)
            slowest = max(slowest, min(interval(shape, turns, rows, columns, x, e) for e in range(1, widest + 1)))
            if slowest >= best:
                break
        best = min(best, slowest)
    return best


def slowest_engine(plan: NetworkPlan) -> int:
    return max(engine.interval for engine in plan.engines)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 700) | st.integers(1, 16))
def test_one_layer_is_the_best_of_all(inputs: int, units: int, budget: int) -> None:
    plan = plan_for_budget(blocks(lstm(inputs, units)), Budget(budget))
    assert plan.multipliers <= budget
    assert plan.interval == slowest_engine(plan) == brute_force((lstm(inputs, units),), budget)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(2, 60))
@settings(max_examples=25)
def test_two_layers_are_the_best_of_all(inputs: int, units: int, second: int, budget: int) -> None:
    shapes = (lstm(inputs, units), lstm(units, second, "m"))
    plan = plan_for_budget(blocks(*shapes), Budget(budget))
    assert plan.multipliers <= budget
    assert plan.interval == slowest_engine(plan) == brute_force(shapes, budget)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 5), st.integers(2, 100))
@settings(max_examples=25)
def test_a_layer_with_head_is_the_best_of_all(inputs: int, units: int, outputs: int, budget: int) -> None:
    shapes = (lstm(inputs, units), head(units, outputs))
    plan = plan_for_budget(blocks(*shapes), Budget(budget))
    assert plan.multipliers <= budget
    assert plan.interval == slowest_engine(plan) == brute_force(shapes, budget)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(1, 40), st.integers(1, 40))
def test_the_head_never_limits_given_lanes(inputs: int, units: int, outputs: int, rows: int, columns: int) -> None:
    rows, columns = min(rows, units), min(columns, max(inputs, units))
    alone = plan_for_lanes(blocks(lstm(inputs, units)), 4, rows, columns)
    both = plan_for_lanes(blocks(lstm(inputs, units), head(units, outputs)), 4, rows, columns)
    assert (both.engines[0].rows, both.engines[0].columns) == (rows, columns)
    assert both.interval == alone.interval


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 10), st.integers(13, 400))
@settings(max_examples=25)
def test_dsp_budget_is_kept(inputs: int, units: int, second: int, outputs: int, dsps: int) -> None:
    """A multiplier is a DSP block, an LSTM element-wise lane eight more (three products, five interpolations)."""
    assert (ELEMENT_DSPS["lstm"], ELEMENT_DSPS["linear"]) == (8, 0)
    shapes = (lstm(inputs, units), lstm(units, second, "m"), head(second, outputs))
    if dsps < 3 + 16:
        with pytest.raises(PlanError):
            plan_for_budget(blocks(*shapes), Budget(dsps, dsps))
        return
    plan = plan_for_budget(blocks(*shapes), Budget(dsps, dsps))
    spent = plan.multipliers + 8 * sum(engine.elements for engine in plan.engines[:2])
    assert spent <= dsps


@given(st.integers(1, 10), st.integers(1, 10), st.integers(9, 300))
@settings(max_examples=40)
def test_one_layer_is_the_best_of_all_that_the_dsps_allow(inputs: int, units: int, dsps: int) -> None:
    shape = lstm(inputs, units)
    plan = plan_for_budget(blocks(shape), Budget(dsps, dsps))
    assert plan.multipliers + 8 * plan.engines[0].elements <= dsps
    best = min(
        interval(shape, turns, rows, columns, x, e)
        for turns, rows, columns, x in lanes(shape, dsps)
        for e in range(1, min(rows, columns - x) + 1)
        if 4 // turns * rows * columns + 8 * e <= dsps
    )
    assert plan.interval == best


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.integers(1, 20), st.integers(9, 2000))
@settings(max_examples=25)
def test_buffers_let_the_slowest_engine_set_the_pace(
    inputs: int, units: int, second: int, outputs: int, budget: int
) -> None:
    plan = plan_for_budget(blocks(lstm(inputs, units), lstm(units, second, "m"), head(second, outputs)), Budget(budget))
    assert settled_interval(plan) == plan.interval == slowest_engine(plan)
    assert plan.bound <= plan.interval
    assert plan.bound == plan.macs / plan.multipliers


@pytest.mark.parametrize("inputs, units, budget", [(1024, 1024, 4096), (4096, 4096, 128), (4096, 4096, 4096)])
def test_the_search_takes_less_than_a_second(inputs: int, units: int, budget: int) -> None:
    started = time.process_time()  # of this process: other work on the machine does not count
    plan = plan_for_budget(blocks(lstm(inputs, units)), Budget(budget))
    assert time.process_time() - started < 1.0
    assert plan.multipliers == budget
    assert plan.interval == plan.bound == 4 * units * (inputs + units) / budget


@pytest.mark.parametrize("kind, gates", [("lstm", 4), ("gru", 3), ("table", 1)])
@pytest.mark.parametrize("dsps", [1024, 4096, 96_000])
def test_so_does_one_that_counts_dsps(kind: str, gates: int, dsps: int) -> None:
    """Element-wise paths take some of them, and a DSP block gives two products.

    Half a second each where they were measured; twice the limit for machines that are slower.
    """
    shape = LayerShape("l", kind, gates, 4096, 4096, 4096, pair_width=27)
    started = time.process_time()
    plan = plan_for_budget(blocks(shape), Budget(dsps, dsps))
    assert time.process_time() - started < 2.0
    assert sum(engine_dsps(engine) for engine in plan.engines) <= dsps
    assert plan.interval >= plan.macs / (2 * dsps)


@given(
    st.sampled_from([("lstm", 4), ("gru", 3), ("table", 1)]), st.integers(1, 60), st.integers(1, 60),
    st.integers(2, 700), st.sampled_from([0, 27]),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_nothing_that_is_left_out_is_better(
    kind: tuple[str, int], inputs: int, units: int, dsps: int, pair_width: int
) -> None:
    """Of a layer alone only what may be the fastest is planned; of one among others every engine is."""
    shape = alone(LayerShape("l", *kind, inputs, units, units, pair_width=pair_width))

    def fitted(option: Option, interval: int) -> Option | None:
        lean = option.leanest(interval) if option.interval <= interval else None
        return lean if lean is not None and lean.dsps <= dsps else None

    few, every = fitting(shape, dsps, dsps, DEFAULT_PIPELINE), candidates(shape, dsps, DEFAULT_PIPELINE, True)
    ends = sorted({interval for option in every for interval in option_intervals(option)})
    best = next((interval for interval in ends if any(fitted(option, interval) for option in every)), None)
    if best is None:
        assert not any(fitted(option, option.interval) for option in few)
        return
    latencies = [[lean.latency for option in options if (lean := fitted(option, best))] for options in (few, every)]
    assert latencies[0]
    assert min(latencies[0]) <= min(latencies[1])


def option_intervals(option: Option) -> set[int]:
    """With every number of element-wise lanes."""
    engine = option.branch.first
    lanes = range(engine.fewest_elements, engine.elements + 1)
    return {replace(engine, elements=elements).interval for elements in lanes}


SILERO_LIKE = (lstm(128, 128), head(128, 1))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 200) | st.integers(1, 16))
def test_one_gru_is_the_best_of_all(inputs: int, units: int, budget: int) -> None:
    shape = LayerShape("l", "gru", 3, inputs, units, units)
    plan = plan_for_budget(blocks(shape), Budget(budget))
    assert plan.multipliers <= budget
    assert plan.interval == slowest_engine(plan)
    assert plan.interval == min(
        interval(shape, turns, rows, columns, 0, e)
        for turns, rows, columns, x in lanes(shape, budget)
        for e in range(1, min(rows, columns) + 1)
        if not x and (turns == 1 or -(-rows // e) <= -(-units // columns))
    )


def test_lanes_beyond_the_layer() -> None:
    with pytest.raises(PlanError, match=r"^Layer 'l': row lanes must be within 1\.\.20, not 21\.$"):
        plan_for_lanes(blocks(lstm(6, 20)), 4, 21, 2)
    with pytest.raises(PlanError, match=r"^Layer 'l': column lanes must be within 1\.\.20, not 64\.$"):
        plan_for_lanes(blocks(lstm(6, 20)), 4, 2, 64)
    with pytest.raises(PlanError, match=r"^Layer 'l': row lanes must be within 1\.\.20, not 0\.$"):
        plan_for_lanes(blocks(lstm(6, 20)), 4, 0, 2)


@pytest.mark.parametrize("gates", [3, 5])
def test_gates_that_cannot_be_taken_at_once(gates: int) -> None:
    sentence = f"Layer 'l' computes 4 or 2 or 1 of its 4 gates at once, so the gate lanes cannot be {gates}."
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        plan_for_lanes(blocks(*SILERO_LIKE), gates, 4, 4)


@pytest.mark.parametrize("budget", [0, 1])
def test_too_few_multipliers(budget: int) -> None:
    sentence = (
        f"The network needs at least 2 multipliers and the budget has {budget}; "
        "raise --multipliers or choose a larger board."
    )
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        plan_for_budget(blocks(*SILERO_LIKE), Budget(budget))


def test_too_few_dsps() -> None:
    sentence = "The network needs at least 10 DSP blocks and the budget has 9; raise --dsps or choose a larger board."
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        plan_for_budget(blocks(*SILERO_LIKE), Budget(9, 9))
    assert plan_for_budget(blocks(*SILERO_LIKE), Budget(10, 10)).multipliers == 2
