"""The boards of vendors' tools: what no other test compares with something outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnngen.build.vendor import VENDOR_FLOWS
from rnngen.config import list_boards, load_board

BOARDS = [name for name in list_boards() if set(load_board(name).flows) & set(VENDOR_FLOWS)]
BLOCK_BITS = {"ecp5": 18_432, "gowin": 18_432, "ice40": 4_096, "xc7": 18_432, "xcu": 18_432, "xcup": 18_432,
              "cyclonev": 10_240, "max10": 9_216}  # fmt: skip


@pytest.mark.parametrize("name", BOARDS)
def test_blocks_have_the_bits_of_their_family(name: str) -> None:
    board = load_board(name)
    assert board.budget.block_ram_bits == board.budget.block_rams * BLOCK_BITS[board.family]
    assert board.budget.multipliers <= board.budget.dsps


def test_kcu105_agrees_with_amaranth_boards_where_that_has_it() -> None:
    from amaranth_boards.kcu105 import KCU105Platform

    board = load_board("kcu105")
    resources = {(resource.name, resource.number): resource.ios[0] for resource in KCU105Platform.resources}
    assert [board.pin("clk125_p").sites[0]] == resources["clk125", 0].p.names
    assert [board.pin("clk125_n").sites[0]] == resources["clk125", 0].n.names
    assert list(board.pin("led").sites) == [resources["led", index].names[0] for index in range(8)]
    assert board.part == f"{KCU105Platform.device}-{KCU105Platform.package}-{KCU105Platform.speed}"


FREED_BY = {
    "jtag": ("TMS", "TCK", "TDI", "TDO", "JTAGSEL_N"),
    "mspi": ("MCLK", "MCS_N", "MO", "MI", "FASTRD_N"),
    "sspi": ("SCLK", "SSPI_CS_N", "SO", "SI", "DIN", "CLKHOLD_N", "DOUT"),
    "reconfign": ("RECONFIG_N",),
    "ready": ("READY",),
    "done": ("DONE",),
    "i2c": ("SDA", "SCL"),
}
"""Functions of pins in configuration (Gowin's UG290), by the switch use_SWITCH_as_gpio (SUG100) that gives them up.
Not here: MODE0 to 2, which are read at power on and free afterwards; projects for GW1NSR-4C alone set a switch."""


@pytest.mark.parametrize("name", [name for name in list_boards() if load_board(name).family == "gowin"])
def test_pins_with_a_second_use_are_freed(name: str) -> None:
    """Both flows give up what the board's pins need, and no more, by the vendor's table of pins as Apicula has it."""
    chipdb = pytest.importorskip("apycula.chipdb", reason="needs Apicula's tables of pins")
    board = load_board(name)
    device = chipdb.load_chipdb(str(Path(chipdb.__file__).parent / f"{board.variant}.msgpack.xz"))
    package, variant, _ = device.packages[board.part]
    pinout = device.pinout[variant][package]
    functions = {function for pin in board.pins for site in pin.sites for function in pinout[site][1]}
    needed = {f"{switch}_as_gpio" for switch, freed in FREED_BY.items() if functions & set(freed)}
    assert {option.removeprefix("use_") for option in board.options("gowin", "options")} == needed
    assert {option.removeprefix("--") for option in board.options("open", "pack")} == needed


def test_both_arty_boards_have_the_same_pins() -> None:
    """They are one board with either device."""
    small, large = load_board("arty-a7-35"), load_board("arty-a7-100")
    assert small.pins == large.pins
    assert small.clock == large.clock
