"""A design folder around a stand-in core, for any board: no model and no framework is needed for a project."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnngen.config import Board, load_board
from rnngen.config.board import board_entry
from tests.reuse.cores import AXIL

BOARDS = Path(__file__).parent / "boards"

PORTS = {
    "aclk": (True, 1), "aresetn": (True, 1), **{f"s_axil_{name}": port for name, port in AXIL.items()},
    "s_axis_tdata": (True, 16), "s_axis_tvalid": (True, 1), "s_axis_tready": (False, 1), "s_axis_tlast": (True, 1),
    "m_axis_tdata": (False, 16), "m_axis_tvalid": (False, 1), "m_axis_tready": (True, 1), "m_axis_tlast": (False, 1),
}  # fmt: skip
"""Of the core: whether it is an input, and its bits."""
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


def core_verilog(ports: Mapping[str, tuple[bool, int]]) -> str:
    """The core, laid out as Amaranth's Verilog."""
    declared = [
        f"  {'input' if is_input else 'output'} {f'[{bits - 1}:0] ' if bits > 1 else ''}{name};\n"
        for name, (is_input, bits) in ports.items()
    ]
    inner = "  adder inner (.clk(aclk), .a(s_axis_tdata), .b(m_axis_tdata));\n"
    return f"\nmodule loop({', '.join(ports)});\n{''.join(declared)}{inner}endmodule\n"


def make_design(
    folder: Path,
    board: str,
    in_bits: int = 16,
    out_bits: int = 16,
    more: Mapping[str, tuple[bool, int]] | None = None,
    **changes: Any,
) -> Path:
    """A design folder; ``more`` are further ports of its core."""
    made_for = known_board(board)
    widths = {"s_axis_tdata": (True, in_bits), "m_axis_tdata": (False, out_bits)}
    contents = {
        "rtl/loop.v": core_verilog(PORTS | widths | dict(more or {})),
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
        "multiplier": "generic",
        "registers": {"IDENTITY": {"offset": 0}, "CONTROL": {"offset": 32}},
        "tools": {"rnngen": "0.1.0"},
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
