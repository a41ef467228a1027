"""A device's link over pins of its ECP5 board: the PHY, the registers at the pins, and where the pins are."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import ClockDomain, ClockSignal, Const, DomainRenamer, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

from rnngen.config.board import Board, Pin
from rnngen.config.link import LinkShape
from rnngen.config.pins import BESIDE, rows
from rnngen.gateware.link.phy_pins import PinsPhy
from rnngen.gateware.link.port import phy_side_ports


@dataclass(frozen=True)
class BoardLink:
    """A link over pins, from one of its boards.

    Attributes:
        name: What the ports of the device's top begin with, and those of the board's top.
        word_bits: Of the link.  data: Pins of a word, each way.
        connector: Of the board.  first: Whether this end sends over the connector's first pins.
        clock_hz: Of the other device, which comes with what is taken.
    """

    name: str
    word_bits: int
    data: int
    connector: str
    first: bool
    clock_hz: int

    @property
    def shape(self) -> LinkShape:
        """Of the PHY's words."""
        return LinkShape(self.word_bits)

    @property
    def take_clock(self) -> str:
        """Port of the clock that comes from the other board."""
        return f"{self.name}_take_{BESIDE[0]}"

    def pins(self, board: Board) -> tuple[Pin, ...]:
        """Where its ports are."""
        first, last = rows(board.connector(self.connector).sites, self.data)
        ways = zip(("send", "take"), (first, last) if self.first else (last, first), (board.sends, board.takes))
        return tuple(
            Pin(f"{self.name}_{way}_{wire}", sites, attributes)
            for way, row, attributes in ways
            for wire, sites in zip((*BESIDE, "data"), (*((site,) for site in row[: len(BESIDE)]), row[len(BESIDE) :]))
        )


def pad_widths(data: int) -> dict[str, int]:
    """Bits of each port at the pins of one direction."""
    return dict.fromkeys(BESIDE, 1) | {"data": data}


class BoardPhy(wiring.Component):
    """``PinsPhy`` with registers at the pins, so that all pins of a direction change and are taken together.

    Ports: those of ``phy_side_ports``, those of sending in the domain ``sync``, and for the pins ``send_*``, whose
    clock rises in the middle of a cycle, and ``take_*``, whose clock is that of the words taken.
    """

    def __init__(self, link: BoardLink) -> None:
        self._link = link
        widths = pad_widths(link.data)
        super().__init__(
            {
                **phy_side_ports(link.shape),
                **{f"send_{name}": Out(width) for name, width in widths.items()},
                **{f"take_{name}": In(width) for name, width in widths.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.domains.taken = taken = ClockDomain(local=True)
        m.d.comb += taken.clk.eq(self.take_clock)
        m.submodules.reset = ResetSynchronizer(ResetSignal("sync"), domain="taken")
        phy = PinsPhy(self._link.shape, self._link.data)
        m.submodules.phy = DomainRenamer({"phy_tx": "sync", "phy_rx": "taken"})(phy)
        for name, member in phy_side_ports(self._link.shape).items():
            inner, outer = getattr(phy, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        _send(m, "clock", Const(0), Const(1), self.send_clock)
        for name in ("start", "valid", "data"):
            for index, (bit, pin) in enumerate(zip(getattr(phy, f"out_{name}"), getattr(self, f"send_{name}"))):
                _send(m, f"{name}_{index}", bit, bit, pin)
            for index, (bit, pin) in enumerate(zip(getattr(phy, f"in_{name}"), getattr(self, f"take_{name}"))):
                m.submodules[f"take_{name}_{index}"] = Instance(
                    "IFS1P3DX", i_SCLK=ClockSignal("taken"), i_SP=Const(1), i_CD=Const(0), i_D=pin, o_Q=bit
                )
        return m


def _send(m: Module, name: str, high: Value, low: Value, pin: Value) -> None:
    """A pin that is ``high`` in a cycle's first half and ``low`` in its second, a cycle later."""
    driven = Signal(name=f"{name}_driven")
    m.submodules[f"send_{name}"] = Instance(
        "ODDRX1F", i_SCLK=ClockSignal(), i_RST=Const(0), i_D0=high, i_D1=low, o_Q=driven
    )
    m.d.comb += pin.eq(driven)
