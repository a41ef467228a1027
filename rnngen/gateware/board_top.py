"""The top of a board: clock, reset, a serial bridge and links around an accelerator core; its ports are the board's.

A core of its own has the host on both sides.  A device of a system (``gateware.system.device``) has it where no link
is: the first one takes steps over its serial port, the last one gives results over its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In

from rnngen.config import Board
from rnngen.errors import DesignError
from rnngen.gateware.board_clock import ClockPins, clock_source
from rnngen.gateware.board_link import BoardLink, BoardPhy, pad_widths
from rnngen.gateware.frames import StreamShape
from rnngen.gateware.link.port import phy_ports
from rnngen.gateware.uart.baud import clocks_per_bit
from rnngen.gateware.uart.bridge import UartBridge
from rnngen.gateware.verilog import to_verilog

RESET_CYCLES = 1024


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

    All is held in reset until the clock has been steady, and the button released, for 1,024 cycles.  Eight LEDs: 0-5
    what the bridge has refused (low bits), 6 a step found no room in it, 7 running.  Of a device: 0-3 what was
    refused, 4 all links are up, 5 one was lost, and nothing goes on until all boards are reset together.  Where there
    are fewer, the count has fewer bits; a single one says running.

    Raises:
        DesignError: if the board has no serial line.
        PlanError: if it cannot make the clock.
    """

    def __init__(self, inside: Inside, board: Board, clock_hz: int) -> None:
        if board.host.kind != "uart":
            raise DesignError(
                f"Board '{board.name}' has no serial line, around which rnngen's top is made: wire the core in a "
                f"design of your own."
            )
        self._inside, self._board = inside, board
        self._source = clock_source(board, clock_hz)
        self._ports = {pin.port: Signal(len(pin.sites), name=pin.port) for pin in board.pins}
        self.uart_rx, self.uart_tx = self._ports[board.host.rx], self._ports[board.host.tx]
        self._pads = {link.name: _pads(link) for link in inside.links or ()}

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        return [*self._ports.values(), *(pad for pads in self._pads.values() for pad in pads.values())]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        self._clock_and_reset(m)
        divisor = clocks_per_bit(self._source.output_hz, self._board.uart_baud)
        takes, gives = self._inside.takes, self._inside.gives
        m.submodules.bridge = bridge = UartBridge(takes, gives, divisor)
        running = Signal()
        m.d.sync += running.eq(1)
        m.d.comb += [bridge.rx.eq(self.uart_rx), self.uart_tx.eq(bridge.tx)]
        m.d.comb += [self._ports[port].eq(-level) for port, level in self._board.fixed]
        running_core = Signal()
        # A device with links is not reset alone: its neighbours would fail.
        m.d.sync += running_core.eq(~bridge.restart if self._inside.links is None else 1)
        connections: dict[str, Any] = {"i_aclk": ClockSignal(), "i_aresetn": running_core}
        connections |= bridge.core_connections()
        if self._inside.links is None:
            self._show(m, bridge.dropped[:6], (), (bridge.overflow, running))
        else:
            up, failed = Signal(), Signal()
            connections |= {"o_up": up, "o_failed": failed}
            self._show(m, bridge.dropped[:4], (up, failed), (bridge.overflow, running))
        for link in self._inside.links or ():
            connections |= self._link(m, link)
        m.submodules.core = Instance(self._inside.module, **connections)
        return m

    def _show(self, m: Module, dropped: Any, links: tuple[Signal, ...], last: tuple[Signal, ...]) -> None:
        """The LEDs, as many as the board has: a count's low bits, the links', and what always comes last."""
        leds = self._board.leds
        if leds is None:
            return
        port = self._ports[leds.port]
        shown = Cat(*(*links, *last)[-len(port) :])
        lit = Cat(dropped[: max(0, len(port) - len(shown))], shown)
        dark = Const(0, len(port) - len(lit))
        m.d.comb += port.eq(Cat(lit, dark) if leds.active_high else ~Cat(lit, dark))

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
        """The clock, and a reset that ends once it is steady and no button is pressed."""
        clock_in, reset = self._board.clock, self._board.reset
        pins = ClockPins(self._ports.get(clock_in.port), self._ports.get(clock_in.port_n))
        clock, locked = self._source.build(m, pins)
        steady, pressed = Signal(), Signal()
        m.domains.power_on = power_on = ClockDomain(reset_less=True, local=True)
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [power_on.clk.eq(clock), sync.clk.eq(clock)]
        m.submodules.locked = FFSynchronizer(locked, steady, o_domain="power_on", reset_less=True)
        if reset is not None:
            button = self._ports[reset.port] if reset.active_high else ~self._ports[reset.port]
            m.submodules.pressed = FFSynchronizer(button, pressed, o_domain="power_on", reset_less=True)
        count = Signal(range(RESET_CYCLES))
        held = Signal(init=1)
        m.d.power_on += held.eq(count != RESET_CYCLES - 1)
        with m.If(~steady | pressed):
            m.d.power_on += count.eq(0)
        with m.Elif(count != RESET_CYCLES - 1):
            m.d.power_on += count.eq(count + 1)
        m.d.comb += sync.rst.eq(held)


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
        attributes = " ".join(f"{name}={value}" for name, value in pin.attributes)
        for bit, site in pin.bits:
            lines += [f'LOCATE COMP "{bit}" SITE "{site}";', f'IOBUF PORT "{bit}" {attributes};']
    clocks = {board.clock_port: board.clock_input_hz} | {link.take_clock: link.clock_hz for link in links}
    lines += [f'FREQUENCY PORT "{port}" {hertz / 1e6:g} MHZ;' for port, hertz in clocks.items()]
    return "\n".join(lines) + "\n"
