"""The top of any board: its lights, its clock, and what it refuses; and one with other levels in simulation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from torch import nn

from rnngen.config import Board, load_board
from rnngen.config.board import HostPort, Indicator, Pin
from rnngen.emulate.network import run_values
from rnngen.errors import DesignError, PlanError
from rnngen.flow import GenerateOptions, generate, simulate_board
from rnngen.gateware.board_clock import InputClock, clock_source
from rnngen.gateware.board_top import BoardTop, Inside
from rnngen.gateware.frames import StreamShape
from rnngen.host import Accelerator, SocketTransport

pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
STREAM = StreamShape(16, 1)
INSIDE = Inside("core", STREAM, STREAM)


def with_leds(count: int, active_high: bool) -> Board:
    board = load_board("ulx3s-85f")
    pins = [pin if pin.port != "led" else Pin("led", tuple(f"X{i}" for i in range(count)), ()) for pin in board.pins]
    return replace(board, pins=tuple(pins), leds=Indicator("led", active_high))


def shown(board: Board, count: int, links: tuple[int, ...], last: tuple[int, ...]) -> int:
    """The LEDs' pins for a count of bytes, flags of links, and what comes last."""
    top, m, found = BoardTop(INSIDE, board, 100_000_000), Module(), []
    dropped, flags = Signal(6, init=count), [Signal(init=flag) for flag in (*links, *last)]
    top._show(m, dropped, tuple(flags[: len(links)]), tuple(flags[len(links) :]))
    led = next(port for port in top.ports if port.name == "led")

    async def read(context):
        found.append(context.get(led))

    simulator = Simulator(m)
    simulator.add_testbench(read)
    simulator.run()
    return found[0]


@pytest.mark.parametrize(
    ("leds", "links", "lit"),
    [
        (8, (), 0b10_101101),  # all of the count
        (4, (), 0b10_01),
        (3, (), 0b10_1),
        (2, (), 0b10),
        (1, (), 0b1),
        (10, (), 0b00_10_101101),
        (8, (1, 0), 0b10_01_1101),
        (3, (1, 0), 0b10_0),
    ],
)
def test_lights(leds: int, links: tuple[int, ...], lit: int) -> None:
    """Running (1) is the last one, bytes lost (0) before it, and a count of 45 (0b101101) fills the rest."""
    count = 0b101101 if not links else 0b1101
    on = shown(with_leds(leds, True), count, links, (0, 1))
    off = shown(with_leds(leds, False), count, links, (0, 1))
    assert on == lit if links == () else on & ((1 << leds) - 1) == lit
    assert off == ~on & ((1 << leds) - 1)


def test_a_board_without_lights_shows_nothing() -> None:
    board = load_board("ulx3s-85f")
    board = replace(board, leds=None, pins=tuple(pin for pin in board.pins if pin.port != "led"))
    assert [port.name for port in BoardTop(INSIDE, board, 100_000_000).ports] == [
        "clk25", "reset", "uart_rx", "uart_tx", "wifi_gpio0",
    ]  # fmt: skip


def test_clocks() -> None:
    """A PLL where the family's is known, else the clock that comes in, and of a list what is on it."""
    board = load_board("orangecrab-25f")
    assert clock_source(board, 96_000_000).output_hz == 96_000_000
    unknown = replace(board, family="none")
    assert clock_source(unknown, 48_000_000) == InputClock(48_000_000)
    with pytest.raises(PlanError, match=r"^No PLL of family none .* ask for the one that comes in, 48 MHz"):
        clock_source(unknown, 96_000_000)
    listed = replace(board, clock=replace(board.clock, makes_hz=(48_000_000, 96_000_000)))
    assert clock_source(listed, 48_000_000).output_hz == 48_000_000
    with pytest.raises(PlanError, match=r"^Board 'orangecrab-25f' makes clocks of 48, 96 MHz, not 60 MHz; ask for"):
        clock_source(listed, 60_000_000)


def test_a_board_without_a_serial_line_is_refused() -> None:
    board = replace(load_board("ulx3s-85f"), host=HostPort("axi", processor="zynq7"))
    with pytest.raises(DesignError, match=r"^Board 'ulx3s-85f' has no serial line, around which rnngen's top is made"):
        BoardTop(INSIDE, board, 100_000_000)


def test_fewer_multipliers_than_the_board_has(tmp_path: Path) -> None:
    """A board's device is the budget, of which a design may ask for less and not for more."""
    design = generate(nn.LSTM(3, 8), tmp_path / "d", GenerateOptions(board="ulx3s-45f", multipliers=12))
    assert design.plan.multipliers <= 12
    assert design.document["board"] == {"name": "ulx3s-45f"}
    with pytest.raises(PlanError, match=r"^--multipliers must be at most the 20 of board 'orangecrab-25f', not 21"):
        generate(nn.LSTM(3, 8), tmp_path / "e", GenerateOptions(board="orangecrab-25f", multipliers=21))


@pytest.mark.verilator
def test_a_board_whose_button_and_lights_are_low(tmp_path: Path) -> None:
    """Its button at rest is high; the host class reaches the core, bit for bit."""
    design = generate(nn.LSTM(3, 4), tmp_path / "d", GenerateOptions(board="orangecrab-25f", multipliers=8))
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, 3))
    with simulate_board(design) as board, SocketTransport(board.socket) as transport:
        y = Accelerator(transport, design.document, outputs=4).run(x)
    assert np.array_equal(y, design.quantised.output_format.to_float(run_values(design.quantised, x).output))
