"""Cores for tests of single files: a port list by hand, with everything a core may have."""

from __future__ import annotations

from rnngen.emit.ports import Ports, module_ports
from rnngen.emit.reuse import Core

AXIL = {
    "awaddr": (True, 16), "awprot": (True, 3), "awvalid": (True, 1), "awready": (False, 1), "wdata": (True, 32),
    "wstrb": (True, 4), "wvalid": (True, 1), "wready": (False, 1), "bresp": (False, 2), "bvalid": (False, 1),
    "bready": (True, 1), "araddr": (True, 16), "arprot": (True, 3), "arvalid": (True, 1), "arready": (False, 1),
    "rdata": (False, 32), "rresp": (False, 2), "rvalid": (False, 1), "rready": (True, 1),
}  # fmt: skip
"""Of a slave, after the AXI specification: whether it is an input, and its bits."""

READ = {
    "arid": (False, 2), "araddr": (False, 64), "arlen": (False, 8), "arsize": (False, 3), "arburst": (False, 2),
    "arcache": (False, 4), "arprot": (False, 3), "arvalid": (False, 1), "arready": (True, 1), "rid": (True, 2),
    "rdata": (True, 128), "rresp": (True, 2), "rlast": (True, 1), "rvalid": (True, 1), "rready": (False, 1),
}  # fmt: skip
"""Of a master that only reads."""


def stream(give: bool, bits: int, tid: int = 0) -> dict[str, tuple[bool, int]]:
    """AXI4-Stream, of a module that gives or takes."""
    signals = {"tdata": bits, "tvalid": 1, "tlast": 1} | ({"tid": tid} if tid else {})
    return {name: (not give, width) for name, width in signals.items()} | {"tready": (give, 1)}


def ports_of(full: bool = True) -> dict[str, tuple[bool, int]]:
    """Every port by name."""
    tid = 3 if full else 0
    buses = {"s_axis": stream(False, 48, tid), "m_axis": stream(True, 32, tid), "s_axil": AXIL}
    buses |= {"m_axi": READ} if full else {}
    found = {f"{bus}_{name}": signal for bus, signals in buses.items() for name, signal in signals.items()}
    return {"aclk": (True, 1), "aresetn": (True, 1)} | found | ({"irq": (False, 1)} if full else {})


def verilog_of(top: str, full: bool = True) -> str:
    """An empty module with these ports, laid out as Amaranth's Verilog."""
    lines = ["/* Generated */", "", "module other(aclk);", "  input aclk;", "  output [7:0] stray;", "endmodule", ""]
    ports = ports_of(full)
    lines.append(f"module {top}({', '.join(ports)});")
    for name, (is_input, width) in sorted(ports.items()):
        span = f"[{width - 1}:0] " if width > 1 else ""
        direction = "input" if is_input else "output"
        lines += [f"  {direction} {span}{name};", f"  wire {span}{name};"]
        lines += [] if is_input else [f"  assign {name} = {width}'d0;"]
    return "\n".join([*lines, "endmodule", ""])


def core_of(top: str = "tiny", full: bool = True, multiplier: str = "generic") -> Core:
    """A core with these ports, two sources and two images."""
    ports: Ports = module_ports(verilog_of(top, full), top)
    return Core(
        top, ports, ("rnn_leaf.v", f"{top}.v"), ("digest.hex", "engine0_weights.hex"), 80_000_000, multiplier,
        {"IDENTITY": 0, "CONTROL": 0x20}, "0.1.0",
    )  # fmt: skip
