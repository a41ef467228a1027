"""Layers and directions that share one multiplier array: circuits, bit and cycle exact, also with sparse input."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest

from rnngen.emit.design import Design, read_design, write_design
from rnngen.errors import PlanError
from rnngen.flow import GenerateOptions, generate, report, simulate
from rnngen.passes.quantise import quantise
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import Budget, plan_with_folding
from rnngen.plan.shapes import block_shapes
from tests.random_networks import Description, make_input, make_network

SEQUENCES, STEPS = 3, 5


def design_of(folder: Path, inputs: int, description: Description, multipliers: int) -> Design:
    network = make_network(7, inputs, description)
    quantised = quantise(network, 8, 16)
    plan = plan_with_folding(block_shapes(quantised), Budget(multipliers), capacity=8, fold=True)
    assert plan.shared is not None
    made = write_design(folder, network, quantised, plan, top="net", clock_hz=10**8, board=None)
    assert read_design(folder).plan == plan
    return made


def check(design: Design) -> NetworkPlan:
    """Steps as fast as they are taken, with pauses, and so sparse that the frame waits for them."""
    plan, x = design.plan, make_input(design.network, 3, SEQUENCES, STEPS)
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    if not design.quantised.one_step:
        assert result.figures["step_interval_cycles"] == plan.interval
    assert simulate(design, x, stall=0.4).comparison.bit_exact
    random, near = Random(5), plan.interval
    gaps = [random.choice([0, 7, near - 3, 2 * near + 5, 3 * near + 17]) for _ in range(SEQUENCES * STEPS)]
    sparse = simulate(design, x, gaps=gaps)
    assert sparse.comparison.cycle_exact, sparse.comparison.sentence
    return plan


CASES: dict[str, tuple[int, Description, int]] = {
    "two LSTM layers and a head": (4, (("lstm", 6), ("lstm", 5), ("linear", 3)), 5),
    "a bidirectional layer and a head": (3, (("bidirectional gru", 4), ("linear", 3)), 2),
    "an LSTM, both directions, a GRU and a head": (
        3, (("lstm", 4), ("bidirectional lstm", 3), ("gru", 4), ("linear", 2)), 3
    ),
    "layers of two stages": (3, (("projected", 5, 2), ("factorised", 4, 3), ("bidirectional projected", 3, 2)), 3),
    "symbols, tanh and argmax": (1, (("embedding", 5, 3), ("lstm", 7), ("linear", 4), ("tanh",), ("argmax",)), 7),
    "last steps": (3, (("gru", 5), ("last",), ("linear", 7), ("lstm", 3)), 9),
}  # fmt: skip


@pytest.mark.verilator
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_circuit_equals_emulator(case: tuple[int, Description, int], tmp_path: Path) -> None:
    check(design_of(tmp_path / "d", *case))


@pytest.mark.verilator
def test_a_network_on_a_single_multiplier_keeps_it_busy(tmp_path: Path) -> None:
    design = design_of(tmp_path / "d", 4, (("lstm", 6), ("lstm", 5), ("linear", 3)), 1)
    plan = check(design)
    assert plan.interval == plan.macs == plan.bound == 4 * 6 * 10 + 4 * 5 * 11 + 15
    x = make_input(design.network, 3, SEQUENCES, STEPS)
    assert simulate(design, x).figures["multiplier_utilisation"] == 1.0
    page = report(design).read_text()
    assert "not run" in page  # synthesis
    trace = json.loads((design.folder / "simulation" / "details.json").read_text())["trace"]
    assert trace["planned_busy"] == trace["simulated_busy"]
    assert set(trace["planned_busy"]) == {1}


@pytest.mark.verilator
def test_widths_that_differ_meet_in_one_array(tmp_path: Path) -> None:
    """Each layer keeps its own formats: of 18-bit weights here, and calibrated apart."""
    network = make_network(3, 4, (("lstm", 5), ("linear", 6), ("gru", 3)), 3.0)
    x = make_input(network, 3, SEQUENCES, STEPS)
    quantised = quantise(network, 18, 12, x)
    plan = plan_with_folding(block_shapes(quantised), Budget(4), fold=True)
    design = write_design(tmp_path / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None)
    assert len({layer.formats.product.accumulator_width for layer in quantised.layers}) > 1
    result = simulate(design, 2 * x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    assert np.any(result.output)


def test_options_that_contradict_each_other(tmp_path: Path) -> None:
    network = make_network(3, 4, (("lstm", 5), ("linear", 6)))
    for options, what in (
        (GenerateOptions(multipliers=9, streams=2, fold=True), "2 streams"),
        (GenerateOptions(lanes=(4, 1, 1), fold=True), "--lanes, which say the lanes of each layer"),
    ):
        sentence = rf"^Layers share one array \(--fold\) for a budget of one stream, not with {what}\.$"
        with pytest.raises(PlanError, match=sentence):
            generate(network, tmp_path / "d", options)
