"""Spaced mode in Verilator: the same bits, in the planned cycles, however sparsely steps come."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.cycle_law import Case, layer_of
from rnngen.emit.design import Design, read_design, write_design
from rnngen.errors import DataError, PlanError
from rnngen.flow import simulate
from rnngen.ir.layers import EmbeddingLayer, LastStepLayer, Layer, LinearLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes
from rnngen.plan.shapes import block_shapes

RNG = np.random.default_rng(4)
HEAD = LinearLayer("head", RNG.uniform(-1, 1, (3, 8)), RNG.uniform(-1, 1, 3))


def network_of(*layers: Layer) -> Network:
    return Network("net", layers)


def named(case: Case, name: str) -> RecurrentLayer:
    layer = layer_of(case)
    assert isinstance(layer, RecurrentLayer)
    return replace(layer, name=name)


def damped(layer: RecurrentLayer) -> RecurrentLayer:
    return replace(layer, weight_hh=0.5 * layer.weight_hh)


def begun(layer: RecurrentLayer) -> RecurrentLayer:
    size = layer.weight_hh.shape[1]
    return replace(layer, h_0=RNG.uniform(-0.9, 0.9, size), c_0=RNG.uniform(-0.9, 0.9, size))


def design_of(folder: Path, network: Network, multipliers: int, spaced: bool = True) -> Design:
    quantised = quantise(network, 8, 16)
    plan = plan_for_budget(block_shapes(quantised, 1, spaced), Budget(multipliers))
    design = write_design(folder, network, quantised, plan, top="net", clock_hz=10**8, board=None)
    assert read_design(folder).plan == plan
    return design


NETWORKS = {
    "one tile": (network_of(begun(named(Case("lstm", 3, 5, 0), "l"))), 100),
    "tiles, gru, head": (network_of(layer_of(Case("lstm", 5, 7, 0)), layer_of(Case("gru", 7, 8, 0)), HEAD), 90),
    "last step": (
        network_of(
            named(Case("rnn_tanh", 9, 5, 0), "a"), damped(named(Case("rnn_relu", 5, 4, 0), "b")), LastStepLayer("c", 4)
        ),
        12,
    ),
}
LENGTHS = [6, 1, 3, 2]


@pytest.mark.verilator
@pytest.mark.parametrize("name", NETWORKS)
def test_any_gaps_between_steps(tmp_path: Path, name: str) -> None:
    """All at once, sparse, at random distances, and with random pauses."""
    network, multipliers = NETWORKS[name]
    design = design_of(tmp_path / "d", network, multipliers)
    plan, random = design.plan, np.random.default_rng(1)
    x = random.uniform(-1.0, 1.0, (4, 6, network.input_size))
    every = simulate(design, x, lengths=LENGTHS)
    assert every.comparison.cycle_exact, every.comparison.sentence
    if "last" not in name:
        assert every.figures["step_interval_cycles"] == plan.interval
    keys = ("latency_first_output_cycles", "latency_last_output_cycles")
    wide = plan.interval + design.document[f"spaced_{keys[1]}"]
    sparse = simulate(design, x, lengths=LENGTHS, gaps=wide)
    assert sparse.comparison.cycle_exact, sparse.comparison.sentence
    assert np.array_equal(sparse.output, every.output)
    if "last" not in name:
        assert [sparse.figures[f"spaced_{key}"] for key in keys] == [design.document[f"spaced_{key}"] for key in keys]
        assert [sparse.figures[key] for key in keys] == [None, None]
        assert [every.figures[key] for key in keys] == [design.document[key] for key in keys]
        trace = json.loads((design.folder / "simulation" / "details.json").read_text())["trace"]
        assert all(lane["planned"] == lane["simulated"] for lane in trace["lanes"])
        assert any(lane["name"] == "h part" and lane["simulated"] for lane in trace["lanes"])
    gaps = random.integers(0, 2 * plan.interval, sum(LENGTHS)).tolist()
    uneven = simulate(design, x, lengths=LENGTHS, gaps=gaps)
    assert uneven.comparison.cycle_exact, uneven.comparison.sentence
    paused = simulate(design, x, lengths=LENGTHS, stall=0.3)
    assert paused.comparison.bit_exact, paused.comparison.sentence


def test_a_stack_of_three_spaced_and_not(tmp_path: Path) -> None:
    """A design says which latency is which; ``bench.limits`` simulates both stacks."""
    network = network_of(*(named(Case("lstm", 24, 24, 0), f"l{k}") for k in range(3)))
    plain, spaced = (design_of(tmp_path / f"d{mode}", network, 200, mode).document for mode in (False, True))
    assert plain["features"].pop("spaced") is False
    assert "spaced" not in json.dumps({name: value for name, value in plain.items() if name != "registers"})
    figure = "latency_last_output_cycles"
    assert spaced[f"spaced_{figure}"] <= 0.7 * plain[figure]
    assert spaced[f"spaced_{figure}"] < spaced[figure]


def test_given_lanes_can_be_spaced() -> None:
    quantised = quantise(network_of(layer_of(Case("lstm", 5, 7, 0)), HEAD_OF_7), 8, 16)
    plan = plan_for_lanes(block_shapes(quantised, 1, True), 4, 3, 2)
    engine = plan.engines[0]
    assert (engine.rows, engine.columns, engine.shape.spaced, plan.engines[1].shape.spaced) == (3, 2, True, False)


HEAD_OF_7 = LinearLayer("head", RNG.uniform(-1, 1, (3, 7)), RNG.uniform(-1, 1, 3))
REFUSED = {
    "backward": (
        layer_of(Case("bidirectional", 3, 4, 0)),
        "Layer '.*' works on whole stored sequences (a backward layer), whose steps do not come one by one, so that it "
        "cannot be spaced: leave out spaced mode.",
    ),
    "projected": (
        layer_of(Case("projected", 3, 4, 0, inner=2)),
        "Layer '.*' has two stages (projected, factorised or grouped), which start together, so that it cannot be "
        "spaced: leave out spaced mode, or take a layer of one stage.",
    ),
    "nothing recurrent": (
        HEAD,
        "The network has no recurrent layer, so that nothing can be computed before x comes: leave out spaced mode.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_spaced(name: str) -> None:
    layer, sentence = REFUSED[name]
    pattern = sentence.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(PlanError, match=f"^{pattern}$"):
        block_shapes(quantise(network_of(layer), 8, 16), 1, True)


def test_symbols_and_streams_cannot_be_spaced() -> None:
    cell = layer_of(Case("gru", 3, 4, 0))
    quantised = quantise(network_of(EmbeddingLayer("letters", RNG.uniform(-1, 1, (5, 3))), cell), 8, 16)
    with pytest.raises(PlanError, match=r"^Layer '.*' reads a table of 5 symbols, and nothing of x is multiplied, so "):
        block_shapes(quantised, 1, True)
    with pytest.raises(PlanError, match=r"^Spaced mode computes one stream's h-part ahead and there are 3 streams, "):
        block_shapes(quantise(network_of(cell), 8, 16), 3, True)


@pytest.mark.parametrize(
    ("gaps", "stall", "sentence"),
    [
        ([1, 2], 0.0, "There are 3 steps and 2 gaps: give one a step, or one number for all."),
        (-1, 0.0, "--gap must be at least 0 cycles, not -1."),
        (5, 0.5, r"Give gaps between steps or random pauses \(--stall 0.5\), not both."),
    ],
)
def test_gaps_that_are_refused(tmp_path: Path, gaps: int | list[int], stall: float, sentence: str) -> None:
    design = design_of(tmp_path / "d", network_of(layer_of(Case("rnn_tanh", 3, 4, 0))), 4)
    with pytest.raises(DataError, match=f"^{sentence}$"):
        simulate(design, np.zeros((1, 3, 3)), gaps=gaps, stall=stall)
