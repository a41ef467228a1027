"""Bits of vector memories, counted in the Verilog that is emitted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from rnngen.emit.design import Design
from rnngen.flow.generate import GenerateOptions, generate
from rnngen.flow.partition import PartitionOptions, partition
from rnngen.nn import FactorisedLSTM, GroupedLSTM
from rnngen.plan.memory import engine_bits, handed_memory_bits, output_memory_bits
from tests.flow.test_rows import mesh

MODELS = {
    "one LSTM": lambda: torch.nn.LSTM(9, 10, batch_first=True),
    "two GRUs": lambda: torch.nn.GRU(7, 8, num_layers=2, batch_first=True),
    "projected": lambda: torch.nn.LSTM(6, 12, proj_size=5, batch_first=True),
    "factorised": lambda: FactorisedLSTM(8, 12, 3, batch_first=True),
    "grouped": lambda: GroupedLSTM(12, 18, 6, 3, batch_first=True),
}


def emitted(design: Design) -> int:
    """Banks, words and bits of each instance, multiplied."""
    text = (design.folder / "rtl" / f"{design.top}.v").read_text(encoding="utf-8")
    found = 0
    for instance in re.findall(r"rnn_vector_memory #\((.*?)\n *\) ", text, re.DOTALL):
        values = {name: int(value) for name, value in re.findall(r"\.(\w+)\(32'd(\d+)\)", instance)}
        found += values["BANKS"] * values["DEPTH"] * values["WIDTH"]
    return found


def counted(design: Design) -> int:
    """As told: of the engines' inputs and h, and of the buffers at the output."""
    engines = engine_bits(design.quantised, design.plan)
    vectors = sum(bits["input"] + bits.get("hidden", 0) for bits in engines)
    handed = handed_memory_bits(design.plan, design.quantised.layers[0].output_format)
    return vectors + handed + output_memory_bits(design.plan, design.quantised.output_format)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_told_is_what_is_emitted(name: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    design = generate(MODELS[name](), tmp_path / "d", GenerateOptions(multipliers=48))
    assert counted(design) == emitted(design) > 0


@pytest.mark.parametrize(
    ("model", "cut"),
    [
        (lambda: torch.nn.LSTM(12, 16, batch_first=True), "rows"),
        (lambda: GroupedLSTM(12, 24, 8, 2, batch_first=True), "groups"),
    ],
)
def test_so_it_is_of_devices_that_share_a_layer(model: type[torch.nn.Module], cut: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    system = partition(model(), mesh(2, 24), tmp_path / "d", PartitionOptions(cut=cut))
    for design in system.designs:
        assert counted(design) == emitted(design) > 0
