"""A design folder around a stand-in core, for any board: no model and no framework is needed for a project."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rnngen.config import Board, load_board
from rnngen.config.board import board_entry

BOARDS = Path(__file__).parent / "boards"

CORE = """
module loop (
    input aclk,
    input aresetn,
    input [15:0] s_axil_awaddr, input [2:0] s_axil_awprot, input s_axil_awvalid, output s_axil_awready,
    input [31:0] s_axil_wdata, input [3:0] s_axil_wstrb, input s_axil_wvalid, output s_axil_wready,
    output [1:0] s_axil_bresp, output s_axil_bvalid, input s_axil_bready,
    input [15:0] s_axil_araddr, input [2:0] s_axil_arprot, input s_axil_arvalid, output s_axil_arready,
    output [31:0] s_axil_rdata, output [1:0] s_axil_rresp, output s_axil_rvalid, input s_axil_rready,
    input [IN:0] s_axis_tdata, input s_axis_tvalid, output s_axis_tready, input s_axis_tlast,
    output [OUT:0] m_axis_tdata, output m_axis_tvalid, input m_axis_tready, output m_axis_tlastMORE
);
    adder inner (.clk(aclk), .a(s_axis_tdata), .b(m_axis_tdata));
endmodule
"""
ADDER = """
module adder (input clk, input [15:0] a, output reg [15:0] b);
    reg [15:0] bias [0:15];
    initial $readmemh("bias.hex", bias);
    always @(posedge clk) b <= a + bias[a[3:0]];
endmodule
"""
UNUSED = "module unused (input a);\nendmodule\n"


def known_board(name: str) -> Board:
    """A board of rnngen's, or one that tests bring along."""
    own = BOARDS / f"{name}.toml"
    return load_board(str(own) if own.exists() else name)


def make_design(
    folder: Path, board: str, in_bits: int = 16, out_bits: int = 16, more: str = "", **changes: Any
) -> Path:
    """A design folder; ``more`` are further ports of its core."""
    made_for = known_board(board)
    core = CORE.replace("IN:0", f"{in_bits - 1}:0").replace("OUT:0", f"{out_bits - 1}:0").replace("MORE", more)
    contents = {
        "rtl/loop.v": core,
        "rtl/adder.v": ADDER,
        "rtl/unused.v": UNUSED,
        "rtl/bias.hex": "".join(f"{i * 4099 % 65536:04x}\n" for i in range(16)),
        "rtl/files.f": "loop.v\nadder.v\n",
    }
    document: dict[str, Any] = {
        "generator": "rnngen",
        "top": "loop",
        "board": board_entry(made_for),
        "clock_hz_target": made_for.clock.target_hz,
        "ports": {
            "s_axis": {"tdata_bits": in_bits, "beats_per_step": 2},
            "m_axis": {"tdata_bits": out_bits, "beats_per_step": 2},
            "tid_bits": 0,
        },
        "files": [
            {"path": path, "sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text)}
            for path, text in contents.items()
        ],
    }
    (folder / "rtl").mkdir(parents=True)
    for path, text in contents.items():
        (folder / path).write_text(text)
    (folder / "design.json").write_text(json.dumps(document | changes))
    return folder
