"""Engines that share an array: what each issues and when its sums leave, played out, and the search by brute force."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnngen.errors import PlanError
from rnngen.plan.binding import binds
from rnngen.plan.engine import EnginePlan
from rnngen.plan.fold import folded
from rnngen.plan.layer import LayerShape
from rnngen.plan.network import NetworkPlan
from rnngen.plan.schedule import run_schedule, settled_interval
from rnngen.plan.search import Budget, plan_for_budget, plan_with_folding
from rnngen.plan.shapes import BlockShape, alone
from rnngen.plan.timing import DEFAULT_PIPELINE
from tests.plan.played import array_latency, play

GATES = {"lstm": 4, "gru": 3, "linear": 1}


def layer(kind: str, inputs: int, units: int, name: str = "l") -> LayerShape:
    return LayerShape(name, kind, GATES[kind], inputs, units, 0 if kind == "linear" else units)


Stages = tuple[tuple[LayerShape, ...], ...]


def projected(name: str, inputs: int, units: int) -> Stages:
    """An LSTM whose h is projected to 3 words."""
    gates = LayerShape(name, "lstm", 4, inputs, units, 3, alone=False)
    return ((gates,), (LayerShape(f"{name}p", "linear", 1, units, 3, 0, alone=False),))


def factorised(name: str, inputs: int, units: int) -> Stages:
    """An LSTM behind an inner product of 2 words."""
    inner = LayerShape(name, "linear", 1, inputs, 2, units, alone=False)
    return ((inner,), (LayerShape(f"{name}g", "lstm", 4, 2, units, 0, alone=False),))


STAGES = {"projected": projected, "factorised": factorised}


def chain(inputs: int, *items: tuple[str, int]) -> list[BlockShape]:
    """Layers one behind the other; ``both KIND`` is a layer of two directions, ``projected`` and ``factorised`` have
    two stages.
    """
    blocks = []
    for number, (kind, units) in enumerate(items):
        if kind in STAGES:
            blocks.append(BlockShape((STAGES[kind](f"l{number}", inputs, units),)))
            inputs = blocks[-1].branches[0][-1][0].units
            continue
        both, kind = kind.startswith("both "), kind.removeprefix("both ")
        shapes = [layer(kind, inputs, units, f"l{number}{way}") for way in ("", "b")[: 1 + both]]
        blocks.append(BlockShape(tuple(((shape,),) for shape in shapes), stored=True) if both else alone(shapes[0]))
        inputs = units * len(shapes)
    return blocks


ONE_STAGE = ["lstm", "gru", "linear", "both gru", "both lstm"]


def chains(kinds: list[str]) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(1, 9)), min_size=1, max_size=4)


def share(plan: NetworkPlan, lengths: Sequence[int], arrivals: Sequence[int] = ()) -> list[tuple[int, EnginePlan]]:
    """First issue of every step of every engine."""
    times = run_schedule(plan, lengths, arrivals)
    return [
        (issue + branch.delay + (branch.offset if number else 0), engine)
        for issues, block in zip(times.issues, plan.blocks)
        for branch in block.branches
        for number, (engine,) in enumerate(branch.stages)
        for issue in issues
    ]


GAPS = st.lists(st.integers(0, 400), min_size=8, max_size=8)


@given(st.integers(1, 6), chains([*ONE_STAGE, *STAGES]), st.integers(1, 40), GAPS)
@settings(max_examples=40)
def test_engines_are_never_in_each_others_way(
    inputs: int, items: list[tuple[str, int]], multipliers: int, gaps: list[int]
) -> None:
    """One word a cycle enters the array and one group leaves it, with steps that come at any time."""
    plan = folded(chain(inputs, *items), multipliers, None, DEFAULT_PIPELINE, 8)
    assert plan is not None
    assert plan.shared is not None
    assert plan.multipliers <= multipliers
    assert plan.interval >= plan.bound
    assert settled_interval(plan) == plan.interval
    arrivals = [sum(gaps[: k + 1]) for k in range(8)]
    for run in (share(plan, [4, 4]), share(plan, [5, 3], arrivals)):
        issued: list[int] = []
        leaving: list[int] = []
        for issue, engine in run:
            assert engine.gates_at_once == 1
            assert engine.shared == plan.shared.columns
            assert engine.rows <= plan.shared.rows
            assert engine.elements in (plan.shared.elements, engine.rows)
            step = play(engine)
            issued += [issue + cycle for reads in step.reads.values() for cycle in reads]
            leaving += [issue + cycle for cycle in step.leaving]
        assert len(set(issued)) == len(issued)
        assert len(set(leaving)) == len(leaving)


@given(st.integers(1, 8), chains(ONE_STAGE), st.integers(1, 30))
@settings(max_examples=40)
def test_the_array_is_the_best_of_all(inputs: int, items: list[tuple[str, int]], multipliers: int) -> None:
    """Over all rows and columns, with as many element-wise lanes as the memories behind them can take."""
    shapes = chain(inputs, *items)
    plan = folded(shapes, multipliers, None, DEFAULT_PIPELINE, 8)
    assert plan is not None
    layers = [layer for shape in shapes for layer in shape.layers]
    best = 1 << 30
    for rows in range(1, max(layer.units for layer in layers) + 1):
        for columns in range(1, max(max(layer.inputs, layer.hidden) for layer in layers) + 1):
            if rows * columns <= multipliers:
                best = min(best, *(frame(shapes, rows, columns, e) for e in range(1, rows + 1)))
    assert plan.interval <= best
    assert plan.shared is not None
    own = frame(shapes, plan.shared.rows, plan.shared.columns, plan.shared.elements)
    assert plan.interval == own or own == 1 << 30


def frame(shapes: list[BlockShape], rows: int, columns: int, elements: int) -> int:
    """Issues of all engines, one behind the other, and no less than each one's recurrence; huge where not legal."""
    issues, slowest = 0, 0
    for number, shape in enumerate(shapes):
        for own in shape.layers:
            lanes = min(rows, own.units), min(columns, max(own.inputs, own.hidden))
            e = min(elements, lanes[0])
            if (own.hidden and e > lanes[1]) or (number and elements_before(shapes, number, rows, elements) > lanes[1]):
                return 1 << 30
            if math.ceil(lanes[0] / e) > math.ceil(own.inputs / lanes[1]) + math.ceil(own.hidden / lanes[1]):
                return 1 << 30  # groups would have to wait for each other
            if own.kind == "gru" and math.ceil(lanes[0] / e) > math.ceil(own.hidden / lanes[1]):
                return 1 << 30
            engine = EnginePlan(own, *lanes, e, turns=own.gates, shared=columns)
            issues += engine.issue_cycles
            slowest = max(slowest, engine.interval)
    return max(issues, slowest)


def elements_before(shapes: list[BlockShape], number: int, rows: int, elements: int) -> int:
    return min(elements, rows, shapes[number - 1].layers[-1].units)


def test_a_hand_case() -> None:
    """LSTM(4, 6), LSTM(6, 5) and a head of 3 on one multiplier: 240, 220 and 15 products in a frame of 475 cycles.

    The head has its turn before the second layer, so that the second layer's results wait least for it.
    """
    plan = folded(chain(4, ("lstm", 6), ("lstm", 5), ("linear", 3)), 1, None, DEFAULT_PIPELINE, 8)
    assert plan is not None
    assert plan.shared is not None
    assert (plan.shared.frame, plan.shared.starts, plan.multipliers) == (475, (0, 255, 240), 1)
    times = run_schedule(plan, [2])
    # The step is there in cycle 4 and its frame begins.  The first layer's last h is written in cycle 5 + 239 + 2 + 1 +
    # 4 + 0 + 1 + 20 = 272 > 259, so the second layer takes its next turn, and the head the one behind that.
    assert times.issues == ((5, 5 + 475), (260 + 475, 260 + 950), (245 + 950, 245 + 1425))
    assert array_latency(1, DEFAULT_PIPELINE) == 5
    # A step that comes when all is done begins a frame at once.
    late = run_schedule(plan, [2], [0, 10_000])
    assert late.issues[0] == (5, 10_005)


def test_what_cannot_share() -> None:
    spaced = alone(LayerShape("l", "lstm", 4, 3, 4, 4, spaced=True))
    streams = alone(LayerShape("l", "lstm", 4, 3, 4, 4, streams=2))
    groups = BlockShape((((layer("lstm", 3, 4), layer("lstm", 3, 4)), (layer("linear", 8, 2),)),))
    for block, reason in (
        (spaced, "the h-part of a spaced layer is computed whenever nothing else is"),
        (streams, "2 streams fill the time in which an engine waits"),
        (groups, "the groups of layer 'l' work side by side"),
    ):
        with pytest.raises(PlanError, match=f"^{re.escape(f'The layers cannot share one array (--fold): {reason}.')}$"):
            plan_with_folding([block], Budget(40), fold=True)
        assert plan_with_folding([block], Budget(40)).shared is None
        with pytest.raises(PlanError, match="^The network needs at least "):
            plan_with_folding([block], Budget(0))


def test_sharing_is_chosen_where_it_helps() -> None:
    shapes = chain(6, ("lstm", 20), ("linear", 1))
    assert plan_with_folding(shapes, Budget(1)).shared is not None
    assert plan_with_folding(shapes, Budget(4)).interval < plan_for_budget(shapes, Budget(4)).interval == 720
    assert plan_with_folding(shapes, Budget(17)) == plan_for_budget(shapes, Budget(17))
    assert plan_with_folding(shapes, Budget(4), fold=False) == plan_for_budget(shapes, Budget(4))
    with pytest.raises(PlanError, match="^The network needs at least 2 multipliers and the budget has 1; "):
        plan_with_folding(shapes, Budget(1), fold=False)


def test_dsp_blocks_of_the_element_wise_paths_count() -> None:
    """Two LSTM lanes of 8 each, and what is left for the array."""
    shapes = chain(6, ("lstm", 20), ("lstm", 12))
    plan = plan_with_folding(shapes, Budget(17, 17))
    assert (plan.multipliers, [engine.elements for engine in plan.engines]) == (1, [1, 1])
    sentence = "Not even on one shared array does the network fit 16 multipliers and 16 DSP blocks; "
    with pytest.raises(PlanError, match=f"^{sentence}"):
        plan_with_folding(shapes, Budget(16, 16))


BUDGETS = (*range(1, 21), 24, 28, 32, 40, 48, 56, 63, 64, 65, 72, 80, 96, 128, 250, 500, 1000, 2100, 5000, 24000)

NETWORKS = {
    "LSTM 6/20, Linear 1": chain(6, ("lstm", 20), ("linear", 1)),
    "2 x LSTM 32": chain(16, ("lstm", 32), ("lstm", 32)),
    "bidirectional GRU 16": chain(8, ("both gru", 16)),
    "Linear only": chain(20, ("linear", 12), ("linear", 30), ("linear", 5)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_budget_has_a_plan(name: str) -> None:
    """Within the budget, never slower for a larger one, as fast as planned, and near the bound or it says why not."""
    shapes, before = NETWORKS[name], 1 << 30
    products = sum(layer.macs for shape in shapes for layer in shape.layers)
    for budget in BUDGETS:
        plan = plan_with_folding(shapes, Budget(budget), capacity=8)
        assert plan.multipliers <= budget
        assert settled_interval(plan) == plan.interval <= before
        bound = math.ceil(products / budget)
        assert plan.interval >= bound
        assert bool(binds(plan, budget)) == (plan.interval > 1.03 * bound), (budget, plan.interval, bound)
        before = plan.interval


def test_what_binds_in_hand_cases() -> None:
    lstm, two = NETWORKS["LSTM 6/20, Linear 1"], NETWORKS["2 x LSTM 32"]
    assert binds(plan_with_folding(lstm, Budget(2)), 2) == ""
    # 20 words of the head's 20 products in 7 row lanes, where 20 / 7 would do.
    reason = "the array's 7 x 1 lanes, into which the weights of layer 'l1' do not divide"
    assert binds(plan_with_folding(lstm, Budget(7)), 7) == reason
    assert binds(plan_with_folding(lstm, Budget(500)), 500) == "recurrence latency of layer 'l0'"
    # 3 x 4 lanes: 11 tiles of 4 gates of 12 and of 16 words, and 14336 / 13 would be 1103.
    reason = "no lanes of up to 13 multipliers are faster than those of 12"
    assert plan_with_folding(two, Budget(13)).interval == 11 * 4 * (12 + 16)
    assert binds(plan_with_folding(two, Budget(13)), 13) == reason
    reason = "multipliers that are not parted as the products of the layers (slowest: 'l0')"
    assert binds(plan_with_folding(two, Budget(5)), 5) == reason
