"""Resources before synthesis: hand-worked circuits, and what Yosys and nextpnr reported of real ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from rnngen.build.count import FAMILIES, Resources, calibration, census, elaborate, is_calibrated
from rnngen.build.count.absorbed import NOTHING, Absorbed
from rnngen.build.count.census import Census, Memory, Product
from rnngen.build.count.memories import placed
from rnngen.build.count.resources import blocks_of, dsps
from rnngen.build.result import read_utilisation
from rnngen.build.synthesize import pack_only
from rnngen.config import load_board
from rnngen.errors import DesignError, PlanError, ToolError
from rnngen.flow import GenerateOptions, generate
from rnngen.flow.resources import Count, DoesNotFit, check_fit, count_resources
from rnngen.frontend import ImportOptions

CIRCUIT = """
module leaf(input clk, input enable, input [7:0] a, input [7:0] b, output reg [7:0] q);
    always @(posedge clk) if (enable) q <= a + b;
endmodule
module top(input clk, input enable, input write, input [8:0] address, input [35:0] word,
           input [7:0] a, input [7:0] b, input [17:0] c, input signed [17:0] d, input signed [17:0] e,
           output [7:0] q, output [7:0] r, output reg [35:0] read, output reg signed [35:0] product);
    leaf first(.clk(clk), .enable(enable), .a(a), .b(b), .q(q));
    leaf second(.clk(clk), .enable(enable), .a(q), .b(b), .q(r));
    reg [35:0] memory [0:511];
    initial $readmemh("memory.hex", memory);
    always @(posedge clk) begin
        if (write) memory[address] <= word;
        read <= memory[address];
        product <= d * e;
    end
endmodule
"""


def memory(width: int, words: int, **more: object) -> Memory:
    return dataclasses.replace(Memory(1, width, words, 1, 1, True, 0, False, width), **more)


def test_a_circuit_worked_by_hand() -> None:
    found = census(elaborate({"top.v": CIRCUIT}, {"memory.hex": ""}, "top"))
    assert found.registers == 8 + 8 + 36  # the sums' and the product's; the memory's own is its read port's
    assert found.logic["carry"] == 16
    assert found.logic["carry chains"] == 2
    assert sum(found.logic.values()) == 16 + 2  # the enables are the registers' and the memory's own
    (ram,) = found.memories
    assert (ram.width, ram.words, ram.reads, ram.writes, ram.clocked) == (36, 512, 1, 1, True)
    assert ram.old_word  # a word that is read while it is written is the old one
    (product,) = found.products
    assert (product.wide, product.narrow, product.behind) == (18, 18, 36)
    assert found.absorbed == dataclasses.replace(NOTHING, behind=36)
    assert dsps(found, FAMILIES["ecp5"]) == 1
    assert blocks_of(found, FAMILIES["ecp5"]) == 1
    assert blocks_of(found, FAMILIES["ice40"]) == 5  # 512 x 36 bits in blocks of 256 x 16 or 512 x 8


BESIDE = """
module top(input clk, input enable, input signed [7:0] a, input signed [8:0] b, input signed [16:0] c,
           input [4:0] d, output reg signed [16:0] plain, output reg signed [17:0] sum, output [4:0] late,
           output [7:0] shown);
    reg signed [7:0] a1, a2, a3;
    reg signed [8:0] b1;
    reg signed [16:0] first, second;
    reg [4:0] d1, d2, d3, d4;
    always @(posedge clk) begin
        a1 <= a; a2 <= a1; a3 <= a2;
        b1 <= b;
        first <= a3 * b1; plain <= first;
        second <= a3 * b; sum <= second + c;
        if (enable) begin d1 <= d; d2 <= d1; d3 <= d2; d4 <= d3; end
    end
    assign late = d4;
    assign shown = a1;
endmodule
"""


def test_what_goes_into_dsp_blocks_and_shift_registers() -> None:
    """Two registers before an operand (a3, a2; b1), the products and what holds them or their sum; a1 is an output."""
    found = census(elaborate({"top.v": BESIDE}, {}, "top"))
    before, behind = 8 + 8 + 9, 17 + 17 + 17 + 18
    assert found.absorbed == Absorbed(before, behind, 18, 1, 0, 4 * 5, 5, 4 * 5, 5)
    assert found.registers == 8 * 3 + 9 + 17 * 3 + 18 + 4 * 5


def test_a_register_that_something_else_reads_stays() -> None:
    shared = BESIDE.replace("assign shown = a1;", "assign shown = a3;")
    found = census(elaborate({"top.v": shared}, {}, "top")).absorbed
    assert (found.before, found.left_in_rows, found.left_rows) == (9, 3 * 8 + 4 * 5, 8 + 5)  # a1 to a3 are a row now


def test_halves_of_a_dsp_block() -> None:
    """nextpnr's report of a Gowin design: 5 products of 7 x 4 bits and 11 wider ones took 14 blocks."""
    found = Census(0, {}, (), (Product(5, 7, 4, 0, 0), Product(11, 18, 9, 0, 0)), {})
    assert dsps(found, FAMILIES["gowin"]) == 14
    assert dsps(found, FAMILIES["ecp5"]) == 16


TABLE = """
module top(input clk, input [1:0] address, output reg [7:0] word);
    reg [7:0] memory [0:3];
    initial $readmemh("table.hex", memory);
    reg [7:0] read;
    always @(posedge clk) begin
        read <= memory[address];
        word <= read;
    end
endmodule
"""


def test_bits_of_a_table_that_are_alike_are_counted_once() -> None:
    """Words of few bits with their signs in front, as biases are: bits 7 to 2 are one, bit 0 is a constant."""
    found = census(elaborate({"top.v": TABLE}, {"table.hex": "01\n03\nff\nfd\n"}, "top"))
    (table,) = found.memories
    assert (table.width, table.distinct, table.chained) == (8, 2, 8)
    place = placed(table, FAMILIES["ecp5"])
    assert (place.choices, place.table_bits, place.registers, place.copies) == (1 + 3, 0, 2, 6)  # address bit 1; an XOR
    unknown = census(elaborate({"top.v": TABLE}, {"table.hex": ""}, "top")).memories[0]
    assert (unknown.distinct, unknown.choices) == (8, None)
    assert placed(unknown, FAMILIES["ecp5"]).table_bits == 8 * 4


def test_what_is_not_known_is_not_guessed() -> None:
    cell = {"type": "$mystery", "parameters": {}, "connections": {}, "port_directions": {}}
    module = {"attributes": {"top": "1"}, "ports": {}, "cells": {"x": cell}}
    with pytest.raises(ToolError, match=r"\$mystery of the circuit"):
        census({"modules": {"top": module}})


# What Yosys chose for memories of routed designs (its log: "mapping memory ... via"), and the blocks in the netlist.
@pytest.mark.parametrize(
    ("family", "kept", "blocks", "cells"),
    [
        ("ecp5", memory(512, 1536, writes=0), 43, 0),  # three deep; the last 8 bits in one block of 2048 x 9
        ("ecp5", memory(36, 1024, writes=0), 2, 0),
        ("ecp5", memory(960, 208, writes=0), 27, 0),
        ("ecp5", memory(18, 64), 0, 20),
        ("ecp5", memory(16, 96), 1, 0),  # 24 cells, but a multiplexer of six behind them
        ("ecp5", memory(18, 96), 1, 0),
        ("ecp5", memory(128, 40, old_word=True), 0, 96),
        ("ecp5", memory(128, 40), 4, 0),  # costs are equal but for what keeps the old word
        ("ecp5", memory(36, 38, behind=36), 2, 0),  # a block for each half of a word that is written and registered
        ("ecp5", memory(24, 256, behind=24), 2, 0),
        ("ecp5", memory(96, 64, old_word=True, behind=96), 3, 0),  # what is written goes past it, so no register
        ("ecp5", memory(16, 8, reads=7), 0, 28),
        ("ecp5", memory(8, 2040), 1, 0),
        ("ice40", memory(64, 16, old_word=True), 4, 0),
        ("ice40", memory(8, 8), 0, 0),
        ("ice40", memory(8, 2043), 4, 0),
        ("cyclonev", memory(128, 1152), 20, 0),  # 4 x 5 blocks of 256 x 40 are filled better than 7 x 3 of 512 x 20
        ("cyclonev", memory(36, 1024, writes=0), 4, 0),
        ("cyclonev", memory(128, 40), 4, 0),
        ("max10", memory(308, 80, writes=0), 10, 0),
        ("max10", memory(192, 768), 18, 0),
        ("max10", memory(16, 24), 1, 0),
        ("max10", memory(16, 24, writes=2), 0, 0),  # no block has two ports that write
        ("max10", memory(16, 16, reads=7), 0, 0),  # seven copies, filled to less than 2 %
        ("max10", memory(16, 8), 0, 0),  # 128 of 8,192 bits
        ("max10", memory(383, 9, writes=0), 11, 0),
    ],
)
def test_memories_go_where_yosys_put_them(family: str, kept: Memory, blocks: int, cells: int) -> None:
    place = placed(kept, FAMILIES[family])
    assert place.blocks == blocks
    assert place.ram_luts == 6 * cells  # each with its share of the cells that write it


def test_ram_of_logic_cells_that_cannot_hold_contents() -> None:
    """Yosys' log of a Cyclone V: MISTRAL_MLAB has no contents at the beginning."""
    plain = placed(memory(23, 10), FAMILIES["cyclonev"])
    assert (plain.blocks, plain.ram_luts, plain.registers) == (0, 23, 23)
    loaded = placed(memory(23, 10, initialised=True), FAMILIES["cyclonev"])
    assert (loaded.blocks, loaded.ram_luts, loaded.registers) == (0, 0, 253)


@pytest.mark.parametrize(
    ("family", "width", "luts"), [("xcu", 16, 2 * 8), ("xc7", 16, 3 * 4), ("xc7", 20, 4 * 4), ("gowin", 16, 4 * 4)]
)
def test_cells_that_are_ram_are_whole(family: str, width: int, luts: int) -> None:
    """Yosys' netlists of 8 words: RAM32M16, RAM32M and RAM16SDP4, each counted with all its LUTs."""
    assert placed(memory(width, 8), FAMILIES[family]).ram_luts == luts


def test_a_constant_takes_nothing() -> None:
    place = placed(memory(128, 1, writes=0), FAMILIES["ecp5"])
    assert (place.blocks, place.ram_luts, place.choices, place.registers) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("family", "wide", "narrow", "blocks"),
    [
        ("ecp5", 18, 18, 1), ("ecp5", 6, 2, 1), ("ecp5", 19, 18, 2), ("xc7", 25, 18, 1), ("xc7", 26, 18, 2),
        ("xcup", 27, 18, 1), ("ice40", 7, 4, 1), ("ice40", 6, 4, 0), ("ice40", 16, 16, 1), ("cyclonev", 27, 27, 1),
    ],
)  # fmt: skip
def test_products_take_blocks(family: str, wide: int, narrow: int, blocks: int) -> None:
    assert dsps(Census(0, {}, (), (Product(1, wide, narrow, 0, 0),), {}), FAMILIES[family]) == blocks


CALIBRATED = [family for family in FAMILIES if is_calibrated(family)]


@pytest.mark.parametrize("family", CALIBRATED)
def test_each_family_is_calibrated(family: str) -> None:
    """With designs, and no share that a LUT could not have."""
    shares = calibration(family)
    assert shares["designs"] >= 3
    assert shares["margin"] >= 0.15
    assert shares["margin"] >= shares["worst"]
    assert all(0 < abs(share) < 10 for kind in ("luts", "ffs") for share in shares[kind].values())


def count(luts: int, ffs: int = 0, dsp: int = 0, blocks: int = 0, block_margin: float = 0.0) -> Count:
    return Count(Resources(luts, ffs, dsp, blocks), Resources(1000, 1000, 10, 10), 0.15, block_margin, True)


def test_a_design_fits_with_the_margin_or_not() -> None:
    assert count(869).fits
    assert not count(870).fits  # 870 * 1.15 is more than 1000
    assert count(0, 0, 10, 10).fits
    assert not count(0, blocks=10, block_margin=0.08).fits  # 10.8 blocks at worst
    board = load_board("ulx3s-85f")
    with pytest.raises(DoesNotFit, match=r"LUTs 870 of 1,000 \(with a margin of 15%\)") as refusal:
        check_fit(count(870), board)
    assert refusal.value.share == pytest.approx(1.0005)
    with pytest.raises(DoesNotFit, match="DSP blocks 11 of 10; use fewer"):
        check_fit(count(1, dsp=11), board)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    model = torch.nn.Sequential()
    model.rnn = torch.nn.RNN(4, 8, batch_first=True)
    model.head = torch.nn.Linear(8, 2)
    return model


def small_board(folder: Path, luts: int) -> Path:
    """A ULX3S with so many LUTs."""
    text = (Path(__file__).parents[2] / "boards" / "ulx3s-85f.toml").read_text()
    file = folder / "small.toml"
    file.write_text(text.replace("luts              = 83_640", f"luts = {luts}").replace('"ulx3s-85f"', '"small"'))
    return file


def options(board: Path | str, multipliers: int | None = None) -> GenerateOptions:
    imports = ImportOptions(select="rnn", head=("head",))
    return GenerateOptions(imports=imports, board=str(board), multipliers=multipliers)


def test_what_does_not_fit_is_refused_or_gets_fewer_multipliers(tmp_path: Path) -> None:
    said: list[str] = []
    design = generate(network(), tmp_path / "fits", options(small_board(tmp_path, 6500)), said.append)
    assert any("too small: LUTs" in line and "trying" in line for line in said)
    counted = count_resources(design)
    assert counted.fits
    assert counted.to_dict() == design.document["resources"]
    with pytest.raises(PlanError, match=r"Board 'small' is too small: LUTs .* of 1,000"):
        generate(network(), tmp_path / "refused", options(small_board(tmp_path, 1000), 4))
    assert not (tmp_path / "refused").exists()


def test_a_design_is_counted_for_a_board_of_its_kind_only(tmp_path: Path) -> None:
    design = generate(network(), tmp_path / "design", dataclasses.replace(options("ulx3s-85f", 4), count=False))
    assert "resources" not in design.document
    with pytest.raises(DesignError, match="multipliers of the ECP5"):
        count_resources(design, load_board("arty-a7-35"))


def test_packed_cells_are_read_from_the_log() -> None:
    log = (
        "Info: Logic utilisation before packing:\nInfo:     Total LUT4s:      9/83640     0%\n"
        "Info: Device utilisation:\nInfo: \t          TRELLIS_FF:    3167/  83640     3%\n"
        "Info: \t        TRELLIS_COMB:    4797/  83640     5%\n\nInfo: Program finished normally.\n"
    )
    assert read_utilisation(log) == {
        "TRELLIS_FF": {"used": 3167, "available": 83640}, "TRELLIS_COMB": {"used": 4797, "available": 83640},
    }  # fmt: skip


def test_the_count_is_what_nextpnr_packs(tmp_path: Path) -> None:
    design = generate(network(), tmp_path / "design", options("ulx3s-85f", 4))
    used, packed = design.document["resources"]["used"], pack_only(design.folder)
    assert (used["dsps"], used["block_rams"]) == (packed["dsps"], packed["block_rams"])
    assert used["luts"] == pytest.approx(packed["luts"], rel=0.15)
    assert used["ffs"] == pytest.approx(packed["ffs"], rel=0.15)
