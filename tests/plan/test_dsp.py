"""Two products in a DSP block: when they fit, how many blocks that takes, and the best lanes for a budget of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnngen.arith.format import Format
from rnngen.errors import PlanError
from rnngen.ir.quantised import ProductFormats
from rnngen.plan.dsp import DSPS, pair_width, pairing_sentence
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes
from rnngen.plan.shapes import alone
from tests.plan.test_search import interval, lanes

ELEMENT = {"lstm": 8, "gru": 6, "linear": 0}
GATES = {"lstm": 4, "gru": 3, "linear": 1}


def layer(kind: str, inputs: int, units: int, wide: int = 25) -> LayerShape:
    hidden = 0 if kind == "linear" else units
    return LayerShape(kind, kind, GATES[kind], inputs, units, hidden, pair_width=wide)


def formats(weight: int, operand: int) -> ProductFormats:
    x, w = Format(operand, 0), Format(weight, 0)
    return ProductFormats(3, 3, x, w, x, w, Format(8, 0))


def survives(weight: int, operand: int, wide: int) -> bool:
    """Whether some place k of the high weight lets all pairs of products be told apart, the packed operand signed.

    Exact for small widths: every packed operand fits, and no two different pairs of products have the same sum.
    """
    values = np.arange(-(1 << (weight - 1)), 1 << (weight - 1))
    b = np.arange(-(1 << (operand - 1)), 1 << (operand - 1))
    for k in range(1, wide):
        packed = (values[:, None] << k) + values[None, :]
        if packed.min() < -(1 << (wide - 1)) or packed.max() >= 1 << (wide - 1):
            continue
        sums: dict[int, tuple[int, int]] = {}
        clash = False
        for factor in b.tolist():
            for high, low in product(values.tolist(), repeat=2):
                total, pair = (high * factor << k) + low * factor, (high * factor, low * factor)
                clash |= sums.setdefault(total, pair) != pair
        if not clash:
            return True
    return False


@pytest.mark.parametrize(("weight", "operand"), [(2, 2), (2, 3), (3, 2), (3, 3), (2, 5), (4, 3), (3, 4)])
def test_the_condition_is_exact(weight: int, operand: int) -> None:
    """2w + v bits hold two products that can be told apart (a leaf's test shows that they are), and a bit less not."""
    assert survives(weight, operand, 2 * weight + operand)
    assert not survives(weight, operand, 2 * weight + operand - 1)


@pytest.mark.parametrize(
    ("dsp", "weight", "operand", "wide"),
    [
        ("dsp48e1", 8, 8, 25), ("dsp48e1", 8, 9, 25), ("dsp48e1", 8, 10, 0), ("dsp48e1", 4, 17, 25),
        ("dsp48e1", 3, 18, 25), ("dsp48e1", 3, 19, 0), ("dsp48e1", 2, 19, 0),
        ("dsp48e2", 8, 11, 27), ("dsp48e2", 8, 12, 0), ("dsp48e2", 9, 9, 27),
        ("ecp5", 4, 10, 18), ("ecp5", 5, 8, 18), ("ecp5", 8, 8, 0), ("ecp5", 2, 14, 18), ("ecp5", 2, 15, 0),
    ],
)  # fmt: skip
def test_widths_that_fit(dsp: str, weight: int, operand: int, wide: int) -> None:
    assert pair_width(formats(weight, operand), DSPS[dsp]) == wide


def test_no_dsp_no_pairs() -> None:
    assert pair_width(formats(2, 4), None) == 0


def test_the_report_says_why() -> None:
    assert pairing_sentence(formats(8, 8), DSPS["dsp48e1"]) == (
        "Two products in a DSP: weights of 8 bits beside operands of 8 take 24 bits of the 25 of "
        "dsp48e1's wide operand."
    )
    assert pairing_sentence(formats(8, 12), DSPS["dsp48e2"]) == (
        "One product in a DSP: two, of weights of 8 bits beside operands of 12, would take 28 bits of the 27 of "
        "dsp48e2's wide operand; weights of 7 bits would fit."
    )
    assert pairing_sentence(formats(16, 16), DSPS["ecp5"]) == (
        "One product in a DSP: two, of weights of 16 bits beside operands of 16, would take 48 bits of the 18 of "
        "ecp5's wide operand."
    )


@pytest.mark.parametrize(
    ("kind", "rows", "columns", "blocks"),
    [
        ("lstm", 1, 1, 2), ("lstm", 3, 5, 30), ("gru", 1, 1, 2), ("gru", 3, 4, 20), ("gru", 4, 4, 24),
        ("linear", 1, 6, 6), ("linear", 7, 2, 8),
    ],
)  # fmt: skip
def test_blocks_by_hand(kind: str, rows: int, columns: int, blocks: int) -> None:
    """Rows in twos, an odd one alone: 3 gates x 3 rows are 9 rows, so 5 blocks a column."""
    shape = layer(kind, 8, 8)
    assert EnginePlan(shape, rows, columns, 1).array_dsps == blocks
    single = EnginePlan(replace(shape, pair_width=0), rows, columns, 1)
    assert single.array_dsps == single.multipliers == GATES[kind] * rows * columns


def spent(plan: NetworkPlan) -> int:
    """DSP blocks of arrays in twos, and those of the element-wise lanes."""
    rows = [GATES[e.shape.kind] // e.turns * e.rows for e in plan.engines]
    arrays = [-(-r // (2 if e.shape.pair_width else 1)) * e.columns for r, e in zip(rows, plan.engines, strict=True)]
    return sum(arrays) + sum(ELEMENT[e.shape.kind] * e.elements for e in plan.engines)


def best_of_all(shape: LayerShape, budget: int) -> int:
    """The smallest interval that a budget of DSP blocks allows one layer, each legal choice of lanes weighed."""
    best = 1 << 62
    for turns, rows, columns, x in lanes(shape, 2 * budget):
        if x and shape.kind == "gru":
            continue
        array = -(-(shape.gates // turns) * rows // 2) * columns
        for elements in range(1, min(rows, columns - x if shape.hidden else rows) + 1):
            if array + ELEMENT[shape.kind] * elements <= budget:
                with suppress(PlanError):  # too few element-wise lanes for gates in turn
                    best = min(best, interval(shape, turns, rows, columns, x, elements))
    return best


@given(st.sampled_from(["lstm", "gru", "linear"]), st.integers(1, 8), st.integers(1, 9), st.integers(0, 150))
@settings(max_examples=50)
def test_one_layer_is_the_best_of_all(kind: str, inputs: int, units: int, more: int) -> None:
    shape = layer(kind, inputs, units)
    budget = 1 + ELEMENT[kind] + more
    plan = plan_for_budget((alone(shape),), Budget(budget, budget))
    assert plan.engines[0].shape == shape
    assert spent(plan) <= budget
    assert plan.blocks[0].interval == best_of_all(shape, budget)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 10), st.integers(13, 400))
@settings(max_examples=25)
def test_a_budget_of_dsps_is_kept_and_pairs_are_never_slower(inputs: int, units: int, outputs: int, dsps: int) -> None:
    """Only the first layer's widths allow pairs."""
    paired = (layer("gru", inputs, units), layer("linear", units, outputs, 0))
    single = tuple(replace(shape, pair_width=0) for shape in paired)
    plan, other = (plan_for_budget(tuple(map(alone, shapes)), Budget(dsps, dsps)) for shapes in (paired, single))
    assert spent(plan) <= dsps
    assert plan.interval <= other.interval
    assert [engine.shape.pair_width for engine in plan.engines] == [25, 0]


@given(st.sampled_from(["lstm", "gru"]), st.integers(1, 20), st.integers(1, 20), st.integers(4, 300))
@settings(max_examples=25)
def test_a_budget_of_multipliers_counts_products(kind: str, inputs: int, units: int, budget: int) -> None:
    """The same lanes with and without pairs: the pairs only save DSP blocks."""
    shape = layer(kind, inputs, units)
    single = replace(shape, pair_width=0)
    plan, other = (plan_for_budget((alone(one),), Budget(budget)) for one in (shape, single))
    assert [replace(engine, shape=single) for engine in plan.engines] == list(other.engines)
    assert plan.multipliers == other.multipliers <= budget
    assert plan.array_dsps == spent(plan) - ELEMENT[kind] * plan.engines[0].elements
    assert other.array_dsps == other.multipliers


def test_given_lanes_have_pairs() -> None:
    plan = plan_for_lanes((alone(layer("gru", 8, 9)),), 3, 3, 4)
    assert (plan.multipliers, plan.array_dsps) == (36, 20)


@given(st.sampled_from(["lstm", "gru"]), st.integers(2, 20), st.integers(2, 20), st.integers(14, 200))
@settings(max_examples=25)
def test_spaced_blocks_have_pairs_too(kind: str, inputs: int, units: int, dsps: int) -> None:
    """What they are chosen by is the latency of a step whose h-part is done."""
    shape = replace(layer(kind, inputs, units), spaced=True)
    plan, other = (
        plan_for_budget((alone(one),), Budget(dsps, dsps)) for one in (shape, replace(shape, pair_width=0))
    )
    assert spent(plan) <= dsps
    assert plan.engines[0].shape == shape
    assert plan.engines[0].last_write_cycle - plan.engines[0].last_pass <= (
        other.engines[0].last_write_cycle - other.engines[0].last_pass
    )
