"""Weights in single-port RAM: the same bits and cycles as from block RAM; contents only after loading."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnngen.emit.design import Design, write_design
from rnngen.flow import simulate
from rnngen.passes.quantise import quantise
from rnngen.plan.search import Budget, plan_with_folding
from rnngen.plan.shapes import block_shapes
from tests.random_networks import make_input, make_network


def folded(folder: Path) -> Design:
    """A GRU and a head that share two multipliers: a memory for each of them."""
    network = make_network(7, 5, (("gru", 9), ("linear", 3)))
    quantised = quantise(network, 8, 8)
    plan = plan_with_folding(block_shapes(quantised), Budget(2), fold=True)
    return write_design(
        folder, network, quantised, plan, top="net", clock_hz=12_000_000, board=None, loadable=True, single_port=True
    )


def test_the_leaf_of_single_port_ram_is_wired(tmp_path: Path) -> None:
    design = folded(tmp_path / "d")
    verilog = (design.folder / "rtl" / "net.v").read_text()
    assert verilog.count("rnn_weight_spram #(") == len(design.plan.engines) == 2
    assert verilog.count("rnn_weight_memory #(") == 2, "biases stay in block RAM, which has contents"
    assert design.document["loaded_before_use"] == ["weights"]


@pytest.mark.verilator
def test_results_are_those_of_block_ram(tmp_path: Path) -> None:
    design = folded(tmp_path / "d")
    result = simulate(design, make_input(design.network, 3, 2, 6))
    assert result.comparison.cycle_exact, result.comparison.sentence
