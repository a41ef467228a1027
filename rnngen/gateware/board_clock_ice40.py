"""The PLL of the iCE40, SB_PLL40_PAD (iCE40 sysCLOCK PLL design and usage guide)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from amaranth.hdl import Const, Instance, Module, Signal, Value

from rnngen.gateware.board_clock_ratio import no_such_clock

if TYPE_CHECKING:
    from rnngen.gateware.board_clock import ClockPins

_VCO_HZ = (533_000_000, 1_066_000_000)
_COMPARATOR_HZ = (10_000_000, 133_000_000)
_OUTPUT_HZ = (16_000_000, 275_000_000)
_FILTERS = ((17_000_000, 1), (26_000_000, 2), (44_000_000, 3), (66_000_000, 4), (101_000_000, 5))
"""Below which frequency at the comparator the loop filter has which range; 6 above."""


@dataclass(frozen=True)
class PadPll:
    """An SB_PLL40_PAD as the source of a board's clock: out = input * (feedback + 1) / (reference + 1) / 2**output."""

    input_hz: int
    reference: int
    feedback: int
    output: int

    @property
    def output_hz(self) -> int:
        """The clock that it makes."""
        return self.input_hz * (self.feedback + 1) // ((self.reference + 1) << self.output)

    @property
    def filter_range(self) -> int:
        """Of the loop filter."""
        comparator_hz = self.input_hz / (self.reference + 1)
        return next((number for limit, number in _FILTERS if comparator_hz < limit), 6)

    def build(self, m: Module, pins: ClockPins) -> tuple[Value, Value]:
        """See ``rnngen.gateware.board_clock.ClockSource``."""
        clock, locked = Signal(), Signal()
        m.submodules.pll = Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=Const(self.reference, 4),
            p_DIVF=Const(self.feedback, 7),
            p_DIVQ=Const(self.output, 3),
            p_FILTER_RANGE=Const(self.filter_range, 3),
            i_PACKAGEPIN=pins.positive,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
        )
        return clock, locked


def ice40_pll(input_hz: int, target_hz: int) -> PadPll:
    """The settings that make exactly ``target_hz``, the largest divisor of the output first.

    Raises:
        PlanError: if none do; the message names the nearest clocks that can be made.
    """
    found: dict[int, PadPll] = {}
    for output in range(6, 0, -1):
        for reference in range(16):
            if not _COMPARATOR_HZ[0] * (reference + 1) <= input_hz <= _COMPARATOR_HZ[1] * (reference + 1):
                continue
            for feedback in range(128):
                vco_hz, rest = divmod(input_hz * (feedback + 1), reference + 1)
                made_hz, odd = divmod(vco_hz, 1 << output)
                fits = _VCO_HZ[0] <= vco_hz <= _VCO_HZ[1] and _OUTPUT_HZ[0] <= made_hz <= _OUTPUT_HZ[1]
                if fits and not rest and not odd:
                    found.setdefault(made_hz, PadPll(input_hz, reference, feedback, output))
    if target_hz not in found:
        raise no_such_clock(input_hz, target_hz, {*found, input_hz})
    return found[target_hz]
