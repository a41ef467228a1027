"""The board file, its clock and its wrapper."""

from __future__ import annotations

import dataclasses

import pytest

from rnngen.config import list_boards, load_board
from rnngen.errors import PlanError
from rnngen.gateware.board_clock_ecp5 import pll_settings
from rnngen.gateware.board_link import BoardLink
from rnngen.gateware.board_top import board_constraints, board_verilog
from rnngen.gateware.frames import StreamShape
from rnngen.gateware.uart.baud import clocks_per_bit

DESIGN = {
    "top": "core",
    "clock_hz_target": 100_000_000,
    "ports": {
        "s_axis": {"tdata_bits": 64, "beats_per_step": 4},
        "m_axis": {"tdata_bits": 16, "beats_per_step": 1},
    },
}


def test_ulx3s_is_complete() -> None:
    board = load_board("ulx3s-85f")
    assert board.part == "LFE5U-85F"
    assert board.budget.multipliers == 128
    assert board.budget.dsps == 140
    assert board.budget.block_ram_bits == board.budget.block_rams * 18 * 1024
    assert {pin.port for pin in board.pins} >= {board.clock_port, "uart_rx", "uart_tx", "led"}
    assert dataclasses.is_dataclass(board)


def test_unknown_board_names_those_near_it() -> None:
    with pytest.raises(PlanError, match=r"^No board is called 'ulx3s' \(near it are .*ulx3s-85f.*\): 'rnngen boards'"):
        load_board("ulx3s")


def test_every_board_loads() -> None:
    assert [load_board(name).name for name in list_boards()] == list_boards()


def test_pins_agree_with_amaranth_boards() -> None:
    from amaranth_boards.ulx3s import ULX3S_85F_Platform

    board = load_board("ulx3s-85f")
    names = {(resource.name, resource.number): resource for resource in ULX3S_85F_Platform.resources}
    pins = {pin.port: list(pin.sites) for pin in board.pins}
    uart = {signal.name: signal.ios[0].names for signal in names["uart", 0].ios}
    assert pins["clk25"] == names["clk25", 0].ios[0].names
    assert (pins["uart_rx"], pins["uart_tx"]) == (uart["rx"], uart["tx"])
    assert pins["led"] == [names["led", i].ios[0].names[0] for i in range(8)]
    assert pins["reset"] == names["button_fire", 0].ios[0].names


@pytest.mark.parametrize(("name", "pairs"), [("j1", range(14)), ("j2", range(14, 28))])
def test_connectors_agree_with_amaranth_boards(name: str, pairs: range) -> None:
    """Even pairs ascending, plus before minus; odd ones descending."""
    from amaranth_boards.ulx3s import ULX3S_85F_Platform

    (gpio,) = ULX3S_85F_Platform.connectors
    even = [f"{pair}{sign}" for pair in pairs[::2] for sign in "+-"]
    odd = [f"{pair}{sign}" for pair in pairs[1::2] for sign in "+-"]
    expected = [gpio.mapping[f"gpio_0:{pin}"] if f"gpio_0:{pin}" in gpio.mapping else gpio.mapping[pin]
                for pin in (*even, *reversed(odd))]  # fmt: skip
    assert list(load_board("ulx3s-85f").connector(name).sites) == expected


LINK = BoardLink("out", 32, 2, "j1", True, 125_000_000)


def test_pins_of_a_link() -> None:
    """The end that sends first sends from the row's begin and takes from its end; the other one the other way round."""
    board = load_board("ulx3s-85f")
    sends = [("clock", "B11"), ("start", "C11"), ("valid", "A9"), ("data", "B10 A7")]
    takes = [("clock", "A10"), ("start", "A11"), ("valid", "B9"), ("data", "C10 C8")]

    def sites(link: BoardLink, way: str) -> list[tuple[str, str]]:
        names = {pin.port: " ".join(pin.sites) for pin in link.pins(board)}
        return [(wire, names[f"{link.name}_{way}_{wire}"]) for wire in ("clock", "start", "valid", "data")]

    other = dataclasses.replace(LINK, name="in", first=False)
    assert (sites(LINK, "send"), sites(LINK, "take")) == (sends, takes)
    assert (sites(other, "take"), sites(other, "send")) == (sends, takes)
    text = board_constraints(board, [LINK])
    assert 'LOCATE COMP "out_send_data[1]" SITE "A7";' in text
    assert 'IOBUF PORT "out_take_clock" IO_TYPE=LVCMOS33 PULLMODE=DOWN;' in text
    assert 'FREQUENCY PORT "out_take_clock" 125 MHZ;' in text


@pytest.mark.parametrize("mega", [12.5, 25, 50, 75, 100, 112.5, 125, 150])
def test_pll_makes_the_clock(mega: float) -> None:
    settings = pll_settings(25_000_000, int(mega * 1e6))
    assert 25e6 * settings.feedback / settings.reference == mega * 1e6
    assert 400e6 <= mega * 1e6 * settings.output <= 800e6


def test_impossible_clock_names_the_neighbours() -> None:
    with pytest.raises(PlanError, match=r"cannot make 120 MHz of 25 MHz: ask for 112\.5 or 125 MHz\.$"):
        pll_settings(25_000_000, 120_000_000)


def test_wrapper_is_deterministic_and_free_of_paths() -> None:
    board = load_board("ulx3s-85f")
    text = board_verilog(DESIGN, board)
    assert text == board_verilog(DESIGN, board)
    assert "(* src" not in text
    assert "module core_board(" in text
    assert "EHXPLLL" in text
    assert ".s_axil_awaddr(" in text  # the serial bridge talks to it
    assert ".s_axil_rdata(" in text


def test_constraints_place_every_pin() -> None:
    text = board_constraints(load_board("ulx3s-85f"))
    assert 'LOCATE COMP "led[7]" SITE "H3";' in text
    assert 'FREQUENCY PORT "clk25" 25 MHZ;' in text


@pytest.mark.parametrize(("bits", "beats"), [(0, 1), (12, 1), (8, 0)])
def test_bad_stream_is_refused(bits: int, beats: int) -> None:
    with pytest.raises(ValueError, match="stream"):
        StreamShape(bits, beats)


def test_bad_baud_is_refused() -> None:
    assert clocks_per_bit(100_000_000, 3_000_000) == 33
    with pytest.raises(PlanError, match=r"3,000,000 baud .* 10 MHz makes 3.33: take a --clock near 24 MHz"):
        clocks_per_bit(10_000_000, 3_000_000)
