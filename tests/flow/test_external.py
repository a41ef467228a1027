"""Weights from external memory: the circuit against the emulator, in a memory of stated cycles and in cocotbext-axi's.

Restrictions are in ``tests/plan/test_external.py``, too.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rnngen.cli.main import main
from rnngen.emit.design import Design, read_design, write_design
from rnngen.errors import DataError, PlanError
from rnngen.flow import GenerateOptions, generate, report, simulate
from rnngen.ir.layers import EmbeddingLayer, LastStepLayer, LinearLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise
from rnngen.plan.external import MemoryPort
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes
from rnngen.verify.simulator import ExternalMemory, RunOptions, run

ROWS = {"lstm": 4, "gru": 3, "rnn_tanh": 1}


def recurrent(name: str, cell: str, inputs: int, hidden: int, seed: int, begun: bool = False) -> RecurrentLayer:
    random, rows = np.random.default_rng(seed), ROWS[cell] * hidden
    shapes = ((rows, inputs), (rows, hidden), (rows,), (rows,))
    h_0 = random.uniform(-1, 1, hidden) if begun else None
    return RecurrentLayer(name, cell, *(random.uniform(-0.7, 0.7, shape) for shape in shapes), h_0=h_0)


def linear(inputs: int, outputs: int) -> LinearLayer:
    random = np.random.default_rng(9)
    return LinearLayer("head", random.normal(0, 0.4, (outputs, inputs)), random.normal(0, 1, outputs))


def make(
    folder: Path, network: Network, budget: int, port: MemoryPort | None, streams: int = 1, weight_bits: int = 8
) -> Design:
    quantised = quantise(network, weight_bits, 16)
    plan = plan_for_budget(block_shapes(quantised, streams), Budget(budget))
    if port is not None:
        plan = plan.with_memory(port, [layer.formats.product.weight_width for layer in quantised.layers])
    return write_design(folder, network, quantised, plan, top="net", clock_hz=10**8, board=None)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Design:
    """LSTM(6, 20) with words of 256 bits, a head with words of 64 bits; beats of 128 bits: wider and narrower."""
    network = Network("net", (recurrent("l0", "lstm", 6, 20, 1), linear(20, 4)))
    return make(tmp_path_factory.mktemp("external") / "d", network, 40, MemoryPort(128, 20, 4))


def test_the_image_holds_the_words_of_the_on_chip_design_in_their_order(small: Design, tmp_path: Path) -> None:
    on_chip = make(tmp_path / "d", small.network, 40, None)
    assert not list((small.folder / "rtl").glob("*_weights.hex"))
    image = (small.folder / "rtl" / "weights.bin").read_bytes()
    external = small.document["external_weights"]
    assert len(image) == external["bytes"]
    for index, engine in enumerate(external["engines"]):
        lines = (on_chip.folder / "rtl" / f"engine{index}_weights.hex").read_text().split()
        assert len(lines) == engine["words"]
        width, beat = engine["word_bits"], 128
        beats_each, each = -(-width // beat), max(1, beat // width)
        assert (beats_each, each) == [(2, 1), (1, 2)][index]
        for number, line in enumerate(lines):
            first = engine["offset_bytes"] + number // each * beats_each * beat // 8
            entry = int.from_bytes(image[first : first + beats_each * beat // 8], "little")
            assert entry >> (width * (number % each)) & ((1 << width) - 1) == int(line, 16)
    assert read_design(small.folder).plan == small.plan
    # Only the buffers are on chip.
    assert small.document["layers"][0]["memory_bits"]["weights"] == external["engines"][0]["buffer_bits"]
    assert "external_weights" not in on_chip.document


def test_memory_binds(small: Design) -> None:
    """65 words of two beats, and 10 words two a beat: 135 beats a step, where the circuit alone takes 71 cycles."""
    external = small.document["external_weights"]
    assert (external["memory_cycles"], external["multiplier_cycles"], external["binds"]) == (130 + 5, 71, "memory")
    x = np.random.default_rng(2).uniform(-1, 1, (2, 8, 6))
    result = simulate(small, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    assert result.figures["step_interval_cycles"] == small.plan.interval == 135
    assert result.figures["memory"] == "exact"
    trace = json.loads((small.folder / "simulation" / "details.json").read_text())["trace"]
    assert sum(len(lane["planned"]) for lane in trace["lanes"]) > 100  # it is held between almost any two words
    for lane in trace["lanes"]:
        assert lane["planned"] == lane["simulated"], lane["name"]
    paused = simulate(small, x, stall=0.3)
    assert paused.comparison.bit_exact, paused.comparison.sentence
    assert paused.figures["memory"] == "axiram"
    assert paused.figures["cycle_exact"] is None
    assert np.array_equal(paused.output, result.output)
    assert "the memory binds the interval" in report(small).read_text()


def test_a_memory_of_another_maker_has_its_stated_latency(tmp_path: Path, small: Design) -> None:
    """cocotbext-axi's AxiRam answers 2 cycles behind an address: in a plan for that every cycle is alike."""
    design = make(tmp_path / "d", small.network, 40, MemoryPort(128, 2, 4))
    exact = simulate(design, steps=8)
    other = simulate(design, steps=8, memory="axiram")
    assert exact.comparison.cycle_exact, exact.comparison.sentence
    assert other.comparison.bit_exact, other.comparison.sentence
    came = [result.run.out_cycle - result.run.in_cycle[0] for result in (exact, other)]
    assert np.array_equal(*came)


def test_multipliers_bind(tmp_path: Path) -> None:
    """A GRU behind an embedding in words of 3 x 8 x 2 x 8 bits, a beat each, and a head of which only the end goes on.

    Every sequence begins from the model's own h_0.
    """
    table = np.random.default_rng(3).uniform(-1, 1, (7, 5))
    layers = (
        EmbeddingLayer("table", table),
        recurrent("r0", "rnn_tanh", 5, 9, 4),
        recurrent("g0", "gru", 9, 8, 5, begun=True),
        LastStepLayer("last", 8, False),
        linear(8, 3),
    )
    design = make(tmp_path / "d", Network("net", layers), 36, MemoryPort(512, 40, 8))
    external = design.document["external_weights"]
    assert external["binds"] == "multipliers"
    x = np.random.default_rng(4).integers(0, 7, (3, 6, 1)).astype(float)
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    paused = simulate(design, x, stall=0.5)
    assert paused.comparison.bit_exact, paused.comparison.sentence


def test_partial_sums_and_streams(tmp_path: Path) -> None:
    """Two LSTMs of two streams, one of them in two passes, starved by a port of 32 bits; weights of 5 bits."""
    network = Network("net", (recurrent("l0", "lstm", 3, 8, 6), recurrent("l1", "lstm", 8, 6, 7)))
    design = make(tmp_path / "d", network, 40, MemoryPort(32, 13, 2), streams=2, weight_bits=5)
    assert [engine.passes for engine in design.plan.engines] == [(), (4, 3)]
    x = np.random.default_rng(5).uniform(-1, 1, (4, 3, 3))
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    paused = simulate(design, x, stall=0.4)
    assert paused.comparison.bit_exact, paused.comparison.sentence


def test_gates_in_turn(tmp_path: Path) -> None:
    """A GRU on a single multiplier, whose port a head shares: a weight of 18 bits a beat for each."""
    network = Network("net", (recurrent("g0", "gru", 6, 8, 8), linear(8, 3)))
    design = make(tmp_path / "d", network, 2, MemoryPort(32, 10, 2), weight_bits=18)
    assert [engine.turns for engine in design.plan.engines] == [3, 1]
    assert design.document["external_weights"]["binds"] == "memory"
    x = np.random.default_rng(6).uniform(-1, 1, (2, 4, 6))
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    paused = simulate(design, x, stall=0.3)
    assert paused.comparison.bit_exact, paused.comparison.sentence


def test_behind_a_failed_read_nothing_comes_out(small: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before is right, ERRORS says why no more comes, and the simulation says what is missing."""
    x = np.random.default_rng(2).uniform(-1, 1, (1, 6, 6))
    whole = simulate(small, x)
    runs = []

    def failing(*arguments: object) -> object:
        *first, options, progress = arguments
        assert isinstance(options, RunOptions)
        assert isinstance(options.memory, ExternalMemory)
        errors = small.document["registers"]["ERRORS"]["offset"]
        broken = replace(options, memory=replace(options.memory, error_beat=500), registers=(errors,))
        runs.append(run(*first, replace(broken, time_limit_cycles=3000), progress))
        return runs[-1]

    monkeypatch.setattr(sys.modules[simulate.__module__], "run", failing)
    result = simulate(small, x)
    assert not result.comparison.bit_exact
    assert result.comparison.first.kind == "missing"
    came = len(runs[0].out_beats)
    assert 0 < came < len(whole.run.out_beats)
    assert np.array_equal(runs[0].out_beats, whole.run.out_beats[:came])
    assert runs[0].registers == (1 << 4,)


def test_a_wrong_weight_in_memory_is_found(small: Design) -> None:
    image = small.folder / "rtl" / "weights.bin"
    right = image.read_bytes()
    image.write_bytes(right[:40] + bytes([right[40] ^ 0x40]) + right[41:])
    try:
        result = simulate(small, steps=3)
    finally:
        image.write_bytes(right)
    assert not result.comparison.bit_exact
    assert result.comparison.first.layer == "l0"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"weights": "outside"}, "--weights must be chip, spram or external, not outside."),
        (
            {"multipliers": None},
            "No board's memory is wired to --weights external; give --multipliers, --dsps or --lanes instead of a "
            "board, and wire m_axi in your own design.",
        ),
        (
            {"loadable": True},
            "--loadable writes weights into on-chip memories and --weights external has none; leave --loadable away "
            "and write other weights to the external memory.",
        ),
        (
            {"fold": True},
            "Layers that share one array (--fold) take turns in a frame, which --weights external cannot keep; leave "
            "one of the two away.",
        ),
        ({"memory_bits": 48}, "--memory-bits must be one of 32, 64, 128, 256, 512, 1024, not 48."),
    ],
)
def test_refusals(tmp_path: Path, options: dict[str, object], sentence: str) -> None:
    given = {"weights": "external", "multipliers": 40} | options
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        generate("no-model-is-read.pt2", tmp_path / "d", GenerateOptions(**given))


def test_a_memory_that_does_not_exist_is_refused(small: Design) -> None:
    with pytest.raises(DataError, match=r"^--memory must be one of exact, axiram, not ddr\.$"):
        simulate(small, memory="ddr")


def test_the_command_says_what_binds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    save_file(torch.nn.LSTM(3, 4, batch_first=True).state_dict(), tmp_path / "model.safetensors")
    arguments = ["generate", str(tmp_path / "model.safetensors"), "-o", str(tmp_path / "d"), "--multipliers", "16"]
    assert main([*arguments, "--weights", "external", "--memory-bits", "32", "--memory-latency", "9"]) == 0
    # 4 x 4 x 1 lanes: 3 + 4 words of 16 bytes, 4 beats each.
    assert "28 beats a step of 32 bits against" in capsys.readouterr().out
