"""Interleaved sequences fill the time in which one of them waits for its own h."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from bench.cycle_law import Case, layer_of
from rnngen.emit.design import Design, read_design, write_design
from rnngen.flow import simulate
from rnngen.ir.layers import LastStepLayer, LinearLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.network import BlockPlan
from rnngen.plan.schedule import settled_interval, with_buffers
from rnngen.plan.search import Budget, plan_for_budget, plan_for_streams
from rnngen.plan.shapes import block_shapes

pytestmark = pytest.mark.verilator


@dataclass(frozen=True)
class Shared:
    """A layer on an engine of its own, how many streams share it, and the interval of each."""

    case: Case
    streams: int
    interval: int


# By hand, 20 x 3 lanes: 2 + 7 words a step.  A unit of the last group is written 8 + 29 + 6 cycles behind its step's
# start (28 to the LSTM's first result, 1 for two adder levels) and read 2 + 6 behind the next one's.
WORDS, LOOP = 9, 8 + 29 + 6 + 1 - 8
SHARED = [
    Shared(Case("lstm", 6, 20, 240), 3, LOOP),
    Shared(Case("lstm", 6, 20, 240), 4, LOOP),
    Shared(Case("lstm", 6, 20, 240), 7, 7 * WORDS),
    Shared(Case("gru", 6, 20, 180), 5, 5 * WORDS),
    # Stages of 7 and 4 words: the busier one sets the pace of 8 streams.
    Shared(Case("projected", 6, 20, 240, inner=8), 8, 8 * 7),
]


def design_of(folder: Path, network: Network, multipliers: int, streams: int) -> Design:
    quantised = quantise(network, 8, 16)
    plan = plan_for_budget(block_shapes(quantised, streams), Budget(multipliers))
    return write_design(folder, network, quantised, plan, top="net", clock_hz=10**8, board=None)


@pytest.mark.parametrize("shared", SHARED, ids=lambda shared: f"{shared.case.name} S={shared.streams}")
def test_streams_fill_the_wait(tmp_path: Path, shared: Shared) -> None:
    case, streams = shared.case, shared.streams
    design = design_of(tmp_path / "d", Network("net", (layer_of(case),)), case.multipliers, streams)
    assert design.plan.interval == settled_interval(design.plan) == shared.interval
    x = np.random.default_rng(1).uniform(-1.0, 1.0, (2 * streams, 12, case.inputs))
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    assert result.figures["step_interval_cycles"] == shared.interval
    busy = streams * design.plan.macs / (design.plan.multipliers * shared.interval)
    assert result.figures["multiplier_utilisation"] == busy
    paused = simulate(design, x, stall=0.3)
    assert paused.comparison.bit_exact, paused.comparison.sentence


def test_as_many_streams_as_it_takes(tmp_path: Path) -> None:
    """4 streams of 9 words cover a wait of 36 cycles: 520 of 540 products a step are the layer's own."""
    network = Network("net", (layer_of(Case("lstm", 6, 20, 240)),))
    quantised = quantise(network, 8, 16)
    plan = plan_for_streams(lambda streams: plan_for_budget(block_shapes(quantised, streams), Budget(240)))
    assert (plan.streams, plan.interval) == (4, 36)
    assert plan.utilisation == 4 * 80 * 26 / (240 * 36)
    # A large layer hides it alone.
    large = quantise(Network("net", (layer_of(Case("lstm", 64, 128, 256)),)), 8, 16)
    assert plan_for_streams(lambda streams: plan_for_budget(block_shapes(large, streams), Budget(256))).streams == 1


@pytest.mark.parametrize(("case", "lanes"), [
    (Case("lstm", 6, 20, 2080), (20, 26, 20, 6)),
    (Case("lstm", 5, 8, 80), (4, 5, 3, 2)),
    (Case("rnn_tanh", 7, 6, 30), (6, 5, 2, 1)),
], ids=str)  # fmt: skip
def test_x_and_h_side_by_side(tmp_path: Path, case: Case, lanes: tuple[int, int, int, int]) -> None:
    """One word a step, as many words of x as of h, and more of x than of h; from a given state."""
    random = np.random.default_rng(9)
    layer = layer_of(case)
    assert isinstance(layer, RecurrentLayer)
    layer = replace(layer, h_0=random.uniform(-0.9, 0.9, case.hidden))
    network = Network("net", (layer,))
    quantised = quantise(network, 8, 16)
    for streams in (1, 3):
        shapes = block_shapes(quantised, streams)
        rows, columns, elements, x_lanes = lanes
        (shape,) = shapes[0].layers
        engine = EnginePlan(shape, rows, columns, elements, x_lanes=x_lanes)
        plan = with_buffers([BlockPlan((BranchPlan(((engine,),)),))], min(2, x_lanes), elements)
        design = write_design(tmp_path / f"d{streams}", network, quantised, plan, top="net", clock_hz=10**8, board=None)
        assert read_design(design.folder).plan == plan
        x = random.uniform(-1.0, 1.0, (2 * streams, 9, case.inputs))
        result = simulate(design, x)
        assert result.comparison.cycle_exact, result.comparison.sentence
        assert result.figures["step_interval_cycles"] == plan.interval
        paused = simulate(design, x, stall=0.3)
        assert paused.comparison.bit_exact, paused.comparison.sentence


@pytest.mark.parametrize("last", [False, True])
def test_streams_of_different_lengths_through_two_layers(tmp_path: Path, last: bool) -> None:
    """A stream alone waits for itself; neighbours go on."""
    body = layer_of(Case("lstm", 3, 5, 60))
    second = layer_of(Case("gru", 5, 4, 60))
    head = LinearLayer("head", np.eye(2, 4), np.zeros(2))
    choice = (LastStepLayer("last", 4),) if last else ()
    network = Network("net", (body, second, *choice, head))
    design = design_of(tmp_path / "d", network, 90, 3)
    x = np.random.default_rng(2).uniform(-1.0, 1.0, (7, 9, 3))
    lengths = [9, 2, 5, 1, 1, 8, 3]
    result = simulate(design, x, lengths=lengths)
    assert result.comparison.cycle_exact, result.comparison.sentence
    alone = [simulate(design, x[k : k + 1, :length]).output for k, length in enumerate(lengths[:2])]
    for k, output in enumerate(alone):
        assert result.output is not None
        assert output is not None
        assert np.array_equal(result.output[k, : output.shape[1]], output[0])
