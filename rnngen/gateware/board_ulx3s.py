"""The top of an ULX3S bitstream: clock, reset, a serial bridge and links around an accelerator core.

A core of its own has the host on both sides.  A device of a system (``gateware.system.device``) has it where no link
is: the first one takes steps over its serial port, the last one gives results over its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In

from rnngen.config import Board
from rnngen.errors import DesignError, PlanError
from rnngen.gateware.board_link import BoardLink, BoardPhy, pad_widths
from rnngen.gateware.link.port import phy_ports
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


@dataclass(frozen=True)
class Inside:
    """What a board's top is around.

    Attributes:
        module: Its name.
        takes, gives: Its streams, where the host is there; None: a link is.
        links: Those over pins; None: a core without any, and without a device's top.
    """

    module: str
    takes: StreamShape | None
    gives: StreamShape | None
    links: tuple[BoardLink, ...] | None = None


def inside(design: dict[str, Any]) -> Inside:
    """What the top of a design's board is around: the core, or where it is a device of a system that one's top.

    Raises:
        DesignError: if a link of the device goes over no pins, or it is but a core of one.
    """
    device = design.get("device")
    tid_bits = design["ports"].get("tid_bits", 0) if device is None else 0
    takes, gives = (StreamShape.from_design(design["ports"][name], tid_bits) for name in ("s_axis", "m_axis"))
    if device is None:
        return Inside(design["top"], takes, gives)
    if "on" in device:
        raise DesignError(
            f"'{device['name']}' is a core of device '{device['on']}', whose folder has all of it; use that one."
        )
    for link in device["links"]:
        if link["pins"] is None:
            raise DesignError(
                f"The link from device '{device['name']}' to '{link['to']}' goes over no pins of its board; give it "
                f'phy = "pins" in the system file and partition the model again.'
            )
    links = tuple(BoardLink(name=link["name"], word_bits=link["word_bits"], **link["pins"]) for link in device["links"])
    host = device["host"]
    takes = StreamShape.from_design(host["steps"]) if "steps" in host else takes
    gives = StreamShape.from_design(host["results"]) if "results" in host else gives
    return Inside(device["top"], takes if host["input"] else None, gives if host["output"] else None, links)


def link_dict(name: str, to: str, word_bits: int, link: BoardLink | None) -> dict[str, Any]:
    """A device's link as plain data: the inverse of what ``inside`` reads."""
    own = {"name": name, "word_bits": word_bits}
    pins = None if link is None else {key: value for key, value in asdict(link).items() if key not in own}
    return {"name": name, "to": to, "word_bits": word_bits, "pins": pins}


class BoardTop(Elaboratable):
    """Board ports to those of a core or a device.

    All is held in reset until the PLL has been locked, and the button released, for 1,024 cycles.  LEDs: 0-5 what
    the bridge has refused (low bits), 6 a step found no room in it, 7 running.  Of a device: 0-3 what was refused, 4
    all links are up, 5 one was lost, and nothing goes on until all boards are reset together.
    """

    def __init__(self, inside: Inside, board: Board, clock_hz: int) -> None:
        self._inside, self._board = inside, board
        self._pll = pll_settings(board.clock_input_hz, clock_hz)
        self.clk25 = Signal(name=board.clock_port)
        self.reset = Signal(name="reset")
        self.uart_rx = Signal(name="uart_rx")
        self.uart_tx = Signal(name="uart_tx")
        self.led = Signal(8, name="led")
        self.wifi_gpio0 = Signal(name="wifi_gpio0")
        self._pads = {link.name: _pads(link) for link in inside.links or ()}

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        own = [self.clk25, self.reset, self.uart_rx, self.uart_tx, self.led, self.wifi_gpio0]
        return [*own, *(pad for pads in self._pads.values() for pad in pads.values())]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        self._clock_and_reset(m)
        divisor = clocks_per_bit(self._pll.output_hz, self._board.uart_baud)
        takes, gives = self._inside.takes, self._inside.gives
        m.submodules.bridge = bridge = UartBridge(takes, gives, divisor)
        running = Signal()
        m.d.sync += running.eq(1)
        m.d.comb += [bridge.rx.eq(self.uart_rx), self.uart_tx.eq(bridge.tx), self.wifi_gpio0.eq(1)]
        running_core = Signal()
        # A device with links is not reset alone: its neighbours would fail.
        m.d.sync += running_core.eq(~bridge.restart if self._inside.links is None else 1)
        connections: dict[str, Any] = {"i_aclk": ClockSignal(), "i_aresetn": running_core}
        connections |= bridge.core_connections()
        if self._inside.links is None:
            m.d.comb += self.led.eq(Cat(bridge.dropped[:6], bridge.overflow, running))
        else:
            up, failed = Signal(), Signal()
            connections |= {"o_up": up, "o_failed": failed}
            m.d.comb += self.led.eq(Cat(bridge.dropped[:4], up, failed, bridge.overflow, running))
        for link in self._inside.links or ():
            connections |= self._link(m, link)
        m.submodules.core = Instance(self._inside.module, **connections)
        return m

    def _link(self, m: Module, link: BoardLink) -> dict[str, Any]:
        """A link's PHY between pins and the device's connections, which are returned."""
        m.submodules[f"phy_{link.name}"] = phy = BoardPhy(link)
        pads = self._pads[link.name]
        for name, pad in pads.items():
            inner = getattr(phy, name)
            m.d.comb += pad.eq(inner) if name.startswith("send") else inner.eq(pad)
        found: dict[str, Any] = {
            f"i_{link.name}_tx_clk": ClockSignal(), f"i_{link.name}_rx_clk": pads["take_clock"]
        }  # fmt: skip
        for name, member in phy_ports(link.shape).items():
            direction = "i" if member.flow == In else "o"
            found[f"{direction}_{link.name}_{name.removeprefix('phy_')}"] = getattr(phy, name)
        return found

    def _clock_and_reset(self, m: Module) -> None:
        """PLL, and a reset that ends once the clock is steady and no button is pressed."""
        clock, locked, steady, pressed = Signal(), Signal(), Signal(), Signal()
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
        m.submodules.pressed = FFSynchronizer(self.reset, pressed, o_domain="power_on", reset_less=True)
        count = Signal(range(RESET_CYCLES))
        reset = Signal(init=1)
        m.d.power_on += reset.eq(count != RESET_CYCLES - 1)
        with m.If(~steady | pressed):
            m.d.power_on += count.eq(0)
        with m.Elif(count != RESET_CYCLES - 1):
            m.d.power_on += count.eq(count + 1)
        m.d.comb += sync.rst.eq(reset)


def _pads(link: BoardLink) -> dict[str, Signal]:
    """A link's ports at the pins."""
    return {
        f"{way}_{wire}": Signal(width, name=f"{link.name}_{way}_{wire}")
        for way in ("send", "take")
        for wire, width in pad_widths(link.data).items()
    }


def board_top_name(design: dict[str, Any]) -> str:
    """Name of the wrapper's module."""
    return f"{design['top']}_board"


def board_verilog(design: dict[str, Any], board: Board) -> str:
    """The wrapper's Verilog: the same design gives the same bytes.

    Args:
        design: design.json as plain data: ``top``, ``clock_hz_target``, ``ports``, and ``device`` of a system.
        board: The board to fit.

    Raises:
        DesignError: if the design is a device of a system with a link over no pins.
    """
    top = BoardTop(inside(design), board, design["clock_hz_target"])
    return to_verilog(top, board_top_name(design), top.ports)


def board_constraints(board: Board, links: Sequence[BoardLink] = ()) -> str:
    """Pins, electrical attributes and the clocks that come in, in Lattice's LPF."""
    lines = ["BLOCK RESETPATHS;", "BLOCK ASYNCPATHS;"]
    for pin in (*board.pins, *(pin for link in links for pin in link.pins(board))):
        for index, site in enumerate(pin.sites):
            port = f"{pin.port}[{index}]" if pin.is_vector else pin.port
            lines.append(f'LOCATE COMP "{port}" SITE "{site}";')
            lines.append(f'IOBUF PORT "{port}" {pin.attributes};')
    clocks = {board.clock_port: board.clock_input_hz} | {link.take_clock: link.clock_hz for link in links}
    lines += [f'FREQUENCY PORT "{port}" {hertz / 1e6:g} MHZ;' for port, hertz in clocks.items()]
    return "\n".join(lines) + "\n"
