"""The PLL of the ECP5, EHXPLLL (sysCLOCK usage guide FPGA-TN-02200)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from amaranth.hdl import Instance, Module, Signal, Value

from rnngen.config import Board
from rnngen.gateware.board_clock_ratio import no_such_clock

if TYPE_CHECKING:
    from rnngen.gateware.board_clock import ClockPins

_VCO_HZ = (400_000_000, 800_000_000)
_COMPARATOR_MINIMUM_HZ = 10_000_000


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
        raise no_such_clock(input_hz, target_hz, found)
    return found[target_hz]


@dataclass(frozen=True)
class Ecp5Pll:
    """An EHXPLLL as the source of a board's clock."""

    input_hz: int
    settings: PllSettings

    @classmethod
    def of(cls, board: Board, clock_hz: int) -> Ecp5Pll:
        """That of a board.

        Raises:
            PlanError: if it cannot make the clock.
        """
        return cls(board.clock_input_hz, pll_settings(board.clock_input_hz, clock_hz))

    @property
    def output_hz(self) -> int:
        """The clock that it makes."""
        return self.settings.output_hz

    def build(self, m: Module, pins: ClockPins) -> tuple[Value, Value]:
        """See ``rnngen.gateware.board_clock.ClockSource``."""
        clock, locked = Signal(), Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            p_CLKI_DIV=self.settings.reference,
            p_CLKFB_DIV=self.settings.feedback,
            p_CLKOP_DIV=self.settings.output,
            p_CLKOP_CPHASE=self.settings.output - 1,
            p_CLKOP_FPHASE=0,
            p_CLKOP_ENABLE="ENABLED",
            p_FEEDBK_PATH="CLKOP",
            a_FREQUENCY_PIN_CLKI=f"{self.input_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{self.settings.output_hz / 1e6:g}",
            i_CLKI=pins.positive,
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
        return clock, locked
