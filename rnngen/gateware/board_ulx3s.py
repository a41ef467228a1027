"""The top of an ULX3S bitstream: clock, reset and a serial bridge around the accelerator core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib.cdc import FFSynchronizer

from rnngen.config import Board
from rnngen.errors import PlanError
from rnngen.gateware.control import AXIL_INPUTS
from rnngen.gateware.uart import StreamShape, UartBridge, clocks_per_bit
from rnngen.gateware.verilog import to_verilog

_VCO_HZ = (400_000_000, 800_000_000)
_COMPARATOR_MINIMUM_HZ = 10_000_000
RESET_CYCLES = 1024

@dataclass(frozen=True)
class PllSettings:
    """Dividers of an EHXPLLL whose feedback is its first output: out = input * feedback / reference."""

    reference: int
    feedback: int
    output: int
    output_hz: int


def pll_settings(input_hz: int, target_hz: int) -> PllSettings:
    """The settings that make exactly ``target_hz``, the oscillator (400..800 MHz) nearest its middle.

    Raises:
        PlanError: if no settings make it; the message names the nearest clocks that can be made.
    """
    middle = sum(_VCO_HZ) // 2
    found: dict[int, PllSettings] = {}
    for reference in range(1, input_hz // _COMPARATOR_MINIMUM_HZ + 1):
        for feedback in range(1, 81):
            output_hz, remainder = divmod(input_hz * feedback, reference)
            output = max(1, min(128, round(middle / output_hz)))
            if not remainder and _VCO_HZ[0] <= output_hz * output <= _VCO_HZ[1]:
                found.setdefault(output_hz, PllSettings(reference, feedback, output, output_hz))
    if target_hz not in found:
        nearest = sorted(sorted(found, key=lambda hz: abs(hz - target_hz))[:2])
        raise PlanError(
            f"The board's PLL cannot make {target_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz: "
            f"ask for {' or '.join(f'{hz / 1e6:g}' for hz in nearest)} MHz."
        )
    return found[target_hz]


class BoardTop(Elaboratable):
    """Board ports to core ports.

    The core is held in reset until the PLL has been locked for 1,024 cycles.  LEDs: 0-5 bytes dropped by
    the bridge (low bits), 6 a byte was lost to a full buffer, 7 running.
    """

    def __init__(self, top: str, board: Board, clock_hz: int, ports: dict[str, Any]) -> None:
        self._top, self._board, self._ports = top, board, ports
        self._pll = pll_settings(board.clock_input_hz, clock_hz)
        self.clk25 = Signal(name=board.clock_port)
        self.uart_rx = Signal(name="uart_rx")
        self.uart_tx = Signal(name="uart_tx")
        self.led = Signal(8, name="led")
        self.wifi_gpio0 = Signal(name="wifi_gpio0")

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        return [self.clk25, self.uart_rx, self.uart_tx, self.led, self.wifi_gpio0]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        self._clock_and_reset(m)
        divisor = clocks_per_bit(self._pll.output_hz, self._board.uart_baud)
        m.submodules.bridge = bridge = UartBridge(_shape(self._ports["s_axis"]), _shape(self._ports["m_axis"]), divisor)
        running = Signal()
        m.d.sync += running.eq(1)
        m.d.comb += [
            bridge.rx.eq(self.uart_rx),
            self.uart_tx.eq(bridge.tx),
            self.wifi_gpio0.eq(1),
            self.led.eq(Cat(bridge.dropped[:6], bridge.overflow, running)),
        ]
        connections: dict[str, Any] = {"i_aclk": ClockSignal(), "i_aresetn": ~ResetSignal()}
        for name in ("tdata", "tvalid", "tlast"):
            connections[f"i_s_axis_{name}"] = getattr(bridge, f"s_axis_{name}")
            connections[f"o_m_axis_{name}"] = getattr(bridge, f"m_axis_{name}")
        connections["o_s_axis_tready"] = bridge.s_axis_tready
        connections["i_m_axis_tready"] = bridge.m_axis_tready
        # Nobody on this board talks to the control port.
        connections |= {f"i_s_axil_{name}": Const(0, width) for name, width in AXIL_INPUTS.items()}
        m.submodules.core = Instance(self._top, **connections)
        return m

    def _clock_and_reset(self, m: Module) -> None:
        """PLL, and a reset that ends once the clock is steady."""
        clock, locked, steady = Signal(), Signal(), Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            p_CLKI_DIV=self._pll.reference,
            p_CLKFB_DIV=self._pll.feedback,
            p_CLKOP_DIV=self._pll.output,
            p_CLKOP_CPHASE=self._pll.output - 1,
            p_CLKOP_FPHASE=0,
            p_CLKOP_ENABLE="ENABLED",
            p_FEEDBK_PATH="CLKOP",
            a_FREQUENCY_PIN_CLKI=f"{self._board.clock_input_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{self._pll.output_hz / 1e6:g}",
            i_CLKI=self.clk25,
            i_CLKFB=clock,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=0,
            i_PHASESTEP=0,
            i_PHASELOADREG=0,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=1,
            o_CLKOP=clock,
            o_LOCK=locked,
        )
        m.domains.power_on = power_on = ClockDomain(reset_less=True, local=True)
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [power_on.clk.eq(clock), sync.clk.eq(clock)]
        m.submodules.locked = FFSynchronizer(locked, steady, o_domain="power_on", reset_less=True)
        count = Signal(range(RESET_CYCLES))
        reset = Signal(init=1)
        m.d.power_on += reset.eq(count != RESET_CYCLES - 1)
        with m.If(~steady):
            m.d.power_on += count.eq(0)
        with m.Elif(count != RESET_CYCLES - 1):
            m.d.power_on += count.eq(count + 1)
        m.d.comb += sync.rst.eq(reset)


def _shape(port: dict[str, Any]) -> StreamShape:
    return StreamShape(port["tdata_bits"], port["beats_per_step"])


def board_top_name(design: dict[str, Any]) -> str:
    """Name of the wrapper's module."""
    return f"{design['top']}_board"


def board_verilog(design: dict[str, Any], board: Board) -> str:
    """The wrapper's Verilog: the same design gives the same bytes.

    Args:
        design: design.json as plain data: ``top``, ``clock_hz_target``, ``ports``.
        board: The board to fit.
    """
    top = BoardTop(design["top"], board, design["clock_hz_target"], design["ports"])
    return to_verilog(top, board_top_name(design), top.ports)


def board_constraints(board: Board) -> str:
    """Pins, electrical attributes and the input clock, in Lattice's LPF."""
    lines = ["BLOCK RESETPATHS;", "BLOCK ASYNCPATHS;"]
    for pin in board.pins:
        for index, site in enumerate(pin.sites):
            port = f"{pin.port}[{index}]" if pin.is_vector else pin.port
            lines.append(f'LOCATE COMP "{port}" SITE "{site}";')
            lines.append(f'IOBUF PORT "{port}" {pin.attributes};')
    lines.append(f'FREQUENCY PORT "{board.clock_port}" {board.clock_input_hz / 1e6:g} MHZ;')
    return "\n".join(lines) + "\n"
