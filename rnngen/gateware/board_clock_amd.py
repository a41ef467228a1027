"""The clock managers of AMD's families, MMCME2_BASE and MMCME3_BASE (user guides UG472 and UG572)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from amaranth.hdl import Instance, Module, Signal, Value

from rnngen.config import Board
from rnngen.gateware.board_clock_ratio import PllRange, Ratio, find_ratio

if TYPE_CHECKING:
    from rnngen.gateware.board_clock import ClockPins


@dataclass(frozen=True)
class _Manager:
    """A primitive, and what its data sheet allows in the slowest speed grade."""

    primitive: str
    limits: PllRange


# Data sheets DS181 and DS182 (7 series), DS892 (UltraScale).
_MANAGERS = {
    "xc7": _Manager(
        "MMCME2_BASE", PllRange((10_000_000, 450_000_000), (600_000_000, 1_200_000_000), 106, (16, 512), (8, 1024), 8)
    ),
    "xcu": _Manager(
        "MMCME3_BASE", PllRange((10_000_000, 450_000_000), (600_000_000, 1_200_000_000), 106, (16, 512), (8, 1024), 8)
    ),
}


@dataclass(frozen=True)
class AmdClock:
    """A clock manager as the source of a board's clock, behind a differential buffer where a pair comes in."""

    input_hz: int
    primitive: str
    ratio: Ratio

    @classmethod
    def of(cls, board: Board, clock_hz: int) -> AmdClock:
        """That of a board.

        Raises:
            PlanError: if it cannot make the clock.
        """
        manager = _MANAGERS[board.family]
        return cls(board.clock_input_hz, manager.primitive, find_ratio(manager.limits, board.clock_input_hz, clock_hz))

    @property
    def output_hz(self) -> int:
        """The clock that it makes."""
        return self.ratio.output_hz

    def build(self, m: Module, pins: ClockPins) -> tuple[Value, Value]:
        """See ``rnngen.gateware.board_clock.ClockSource``."""
        came, made, feedback, clock, locked = (Signal(name=name) for name in ("came", "made", "back", "core", "locked"))
        if pins.negative is None:
            m.submodules.clock_pad = Instance("IBUF", i_I=pins.positive, o_O=came)
        else:
            m.submodules.clock_pad = Instance("IBUFDS", i_I=pins.positive, i_IB=pins.negative, o_O=came)
        m.submodules.pll = Instance(
            self.primitive,
            p_BANDWIDTH="OPTIMIZED",
            p_CLKIN1_PERIOD=1e9 / self.input_hz,
            p_DIVCLK_DIVIDE=self.ratio.reference,
            p_CLKFBOUT_MULT_F=self.ratio.feedback / self.ratio.parts,
            p_CLKOUT0_DIVIDE_F=self.ratio.output / self.ratio.parts,
            i_CLKIN1=came,
            i_CLKFBIN=feedback,
            i_RST=0,
            i_PWRDWN=0,
            o_CLKFBOUT=feedback,
            o_CLKOUT0=made,
            o_LOCKED=locked,
        )
        m.submodules.clock_net = Instance("BUFG", i_I=made, o_O=clock)
        return clock, locked
