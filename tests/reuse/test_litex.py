"""The LiteX module: elaborated by LiteX, alone and behind a SoC's bus, and simulated there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnngen.emit.design import Design
from rnngen.emit.ports import module_ports
from rnngen.emit.reuse.litex import litex_module
from rnngen.emulate.network import run_cycles, run_lengths
from rnngen.flow.stimulus import given_input, port_of, stimulus_of
from rnngen.verify.compare import compare
from rnngen.verify.simulator import FIRST_INPUT_CYCLE, RunOptions, run
from tests.reuse.cores import core_of

SOC = Path(__file__).with_name("litex_soc.py")

ALONE = """\
import sys
sys.path.insert(0, ".")
from litex.gen import LiteXModule
from litex.gen.fhdl.verilog import convert
from migen import ClockDomain
from litex_tiny import Accelerator

class Platform:
    def add_sources(self, path, *names, language):
        self.names = names

module, platform = LiteXModule(), Platform()
module.cd_sys = ClockDomain()
module.core = Accelerator(platform)
ios = {module.cd_sys.clk, module.cd_sys.rst}
print(convert(module, ios))
print(len(module.core.ev.irq), len(module.core.irq), len(module.core.sink.id), platform.names)
"""


def soc_of(design: Design, folder: Path, standard: str) -> Design:
    """A copy of the design whose top is a LiteX SoC around it, with the same ports."""
    shutil.copytree(design.folder, folder)
    ports = module_ports((folder / "rtl" / "tiny.v").read_text(), "tiny")
    (folder / "ports.json").write_text(json.dumps({port.name: port.width for port in ports.all}))
    command = [sys.executable, SOC, folder / "reuse", "tiny", standard, folder / "rtl" / "soc.v", folder / "ports.json"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    document = design.document | {"top": "soc", "verilog": [*design.document["verilog"], "soc.v"]}
    return replace(design, folder=folder, document=document)


def test_a_core_with_everything_is_elaborated(tmp_path: Path) -> None:
    """Streams named by TID, external weights, an interrupt: every port is in the instance."""
    (tmp_path / "litex_tiny.py").write_text(litex_module(core_of()))
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    instance = done.stdout[done.stdout.index("tiny tiny(") :]
    assert all(f".{port.name}" in instance for port in core_of().ports.all)
    assert done.stdout.splitlines()[-1] == "1 1 3 ('rnn_leaf.v', 'tiny.v')"


def test_a_soc_with_a_design(design: Design, tmp_path: Path) -> None:
    soc = soc_of(design, tmp_path / "moved", "wishbone")
    text = (soc.folder / "rtl" / "soc.v").read_text()
    assert "tiny tiny(" in text
    images = {path.name: path.read_bytes() for path in (design.folder / "rtl").glob("*.hex")}
    assert {path.name: path.read_bytes() for path in (soc.folder / "rtl" / "images").iterdir()} == images


@pytest.mark.verilator
@pytest.mark.parametrize("standard", ["wishbone", "axi-lite", "axi"])
def test_a_soc_computes_what_the_core_computes(design: Design, tmp_path: Path, standard: str) -> None:
    """Every bit in every cycle; and the counters are read through LiteX's bus."""
    soc = soc_of(design, tmp_path / "d", standard)
    given = given_input(design, np.random.default_rng(2).uniform(-1, 1, (2, 6, 3)), None, None, "")
    expected = run_lengths(design.quantised, given.values, given.lengths)
    cycles = run_cycles(design.plan, given.lengths)
    registers = design.document["registers"]
    options = RunOptions(
        int(cycles.output.size), registers=tuple(registers[name]["offset"] for name in ("IDENTITY", "STEPS_OUT"))
    )
    result = run(soc.folder, soc.top, soc.sources, stimulus_of(design, given, []), options)
    port, in_beats = port_of(design, "m_axis"), design.plan.input_beats
    planned = cycles.output.ravel() + FIRST_INPUT_CYCLE
    comparison = compare(list(expected.output), planned, result, port, in_beats)
    assert comparison.cycle_exact, comparison.first
    assert list(result.registers) == [int.from_bytes(b"RNNG", "little"), 12]
