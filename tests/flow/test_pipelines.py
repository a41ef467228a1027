"""Fewer registers: the same bits, sooner; every element-wise path at several depths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.cycle_law import Case, layer_of
from rnngen.emit.design import write_design
from rnngen.flow import emulate, simulate
from rnngen.ir.layers import ActivationLayer, LinearLayer
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes
from rnngen.plan.timing import DEFAULT_PIPELINE, Pipeline, TailTiming, tail_timing

RNG = np.random.default_rng(8)
NETWORK = Network(
    "net",
    (
        layer_of(Case("lstm", 3, 5, 0)),
        layer_of(Case("gru", 5, 4, 0)),
        layer_of(Case("rnn_tanh", 4, 6, 0)),
        LinearLayer("head", RNG.uniform(-1, 1, (3, 6)), RNG.uniform(-1, 1, 3)),
        ActivationLayer("act", "sigmoid", 3),
        LinearLayer("last", RNG.uniform(-1, 1, (2, 3)), RNG.uniform(-1, 1, 2)),
    ),
)
DEPTHS = [  # with the deepest one, every number of every stage
    Pipeline(2, 2, 1, 3, 1, 1),
    Pipeline(1, 3, 2, 4, 0, 2, signed_table=True),
    Pipeline(3, 1, 1, 2, 2, 1),
    Pipeline(0, 3, 0, 2, 0, 0, signed_table=True),
]


@pytest.mark.verilator
@pytest.mark.parametrize("pipeline", DEPTHS, ids=str)
def test_any_depth_gives_the_same_bits(tmp_path: Path, pipeline: Pipeline) -> None:
    quantised = quantise(NETWORK, 8, 16)
    x = np.random.default_rng(1).uniform(-1.0, 1.0, (3, 8, 3))
    outputs, intervals = [], []
    for number, depth in enumerate((pipeline, Pipeline())):
        plan = plan_for_budget(block_shapes(quantised), Budget(120), depth)
        design = write_design(tmp_path / f"d{number}", NETWORK, quantised, plan, top="net", clock_hz=10**8, board=None)
        if number == 0:
            result = simulate(design, x)
            assert result.comparison.cycle_exact, result.comparison.sentence
            assert result.figures["step_interval_cycles"] == plan.interval
            outputs.append(result.output)
        else:
            outputs.append(emulate(design, x).output)
        intervals.append(plan.interval)
    assert np.array_equal(*outputs)
    assert intervals[0] < intervals[1]


def test_latencies_of_the_deepest_and_the_shortest() -> None:
    """Narrowing, table, product, rounding, table, product, rounding, as in the leaves' headers."""
    deep, short = Pipeline(), Pipeline(1, 1, 1, 2, 1, 1)
    assert tail_timing("lstm", deep) == TailTiming(2, 2 + 5, 7 + 2 + 2, 11 + 5 + 2 + 2)
    assert tail_timing("lstm", short) == TailTiming(1, 1 + 2, 3 + 1 + 2, 5 + 2 + 1 + 1)
    assert tail_timing("gru", deep) == TailTiming(2, 2 + 5 + 4 + 5, 20, 20, 2 + 5 + 4)
    assert tail_timing("gru", short) == TailTiming(1, 1 + 2 + 2 + 2, 9, 9, 1 + 2 + 1 + 2)
    assert (tail_timing("table", short).output, tail_timing("linear", short).output) == (3, 1)
    # Nothing but the tables' registers, and those that keep c and h.
    least = Pipeline(0, 3, 0, 2, 0, 0)
    assert tail_timing("lstm", least) == TailTiming(0, 2, 2 + 1, 2 + 2 + 1)
    assert tail_timing("gru", least) == TailTiming(0, 2 + 2, 5, 5, 3)
    assert (tail_timing("table", least).output, tail_timing("linear", least).output) == (2, 1)


UNROLLED = {
    "lstm": Network(
        "net", (layer_of(Case("lstm", 3, 5, 0)), LinearLayer("head", RNG.uniform(-1, 1, (3, 5)), np.zeros(3)))
    ),
    "rnn": Network("net", (layer_of(Case("rnn_tanh", 3, 5, 0)), layer_of(Case("rnn_tanh", 5, 4, 0)))),
}


@pytest.mark.verilator
@pytest.mark.parametrize(
    ("name", "depth", "access"),
    [("lstm", DEFAULT_PIPELINE, True), ("lstm", DEPTHS[3], False), ("rnn", DEPTHS[1], False), ("rnn", DEPTHS[3], True)],
    ids=str,
)
def test_unrolled_engines(tmp_path: Path, name: str, depth: Pipeline, access: bool) -> None:
    """A step is one word: nothing is accumulated and h goes straight back; sequences of several lengths."""
    network = UNROLLED[name]
    quantised = quantise(network, 8, 16)
    plan = plan_for_budget(block_shapes(quantised), Budget(1000), depth)
    assert plan.engines[0].forwards
    design = write_design(
        tmp_path / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None, state_access=access
    )
    result = simulate(design, np.random.default_rng(1).uniform(-1.0, 1.0, (4, 5, 3)))
    assert result.comparison.bit_exact, result.comparison.sentence
    assert result.comparison.cycle_exact, result.comparison.sentence
    assert result.figures["step_interval_cycles"] == plan.interval


@pytest.mark.parametrize(("what", "value"), [("product_stages", 5), ("table_stages", 1), ("round_stages", 3)])
def test_depths_that_there_are_not(what: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^Pipeline: {what} must be within .*, not {value}\\.$"):
        Pipeline(**{what: value})
