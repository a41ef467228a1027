"""The PLL of Gowin's LittleBee and Arora, rPLL (clock user guide UG286)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from amaranth.hdl import Const, Instance, Module, Signal, Value

from rnngen.gateware.board_clock_ratio import no_such_clock

if TYPE_CHECKING:
    from rnngen.gateware.board_clock import ClockPins

_OUTPUT_DIVISORS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
_VCO_HZ = {"GW1N": (400_000_000, 1_200_000_000), "GW2A": (500_000_000, 1_250_000_000)}
_DEVICES = {"GW1N": "GW1N-9C", "GW2A": "GW2A-18C"}
_COMPARATOR_MINIMUM_HZ = 3_000_000


@dataclass(frozen=True)
class RPll:
    """An rPLL as the source of a board's clock: out = input * (feedback + 1) / (reference + 1)."""

    input_hz: int
    device: str
    reference: int
    feedback: int
    output: int

    @property
    def output_hz(self) -> int:
        """The clock that it makes."""
        return self.input_hz * (self.feedback + 1) // (self.reference + 1)

    def build(self, m: Module, pins: ClockPins) -> tuple[Value, Value]:
        """See ``rnngen.gateware.board_clock.ClockSource``."""
        clock, locked = Signal(), Signal()
        dynamic = {"FBDSEL": 6, "IDSEL": 6, "ODSEL": 6, "PSDA": 4, "DUTYDA": 4, "FDLY": 4}
        m.submodules.pll = Instance(
            "rPLL",
            p_FCLKIN=f"{self.input_hz / 1e6:g}",
            p_DEVICE=self.device,
            p_IDIV_SEL=self.reference,
            p_FBDIV_SEL=self.feedback,
            p_ODIV_SEL=self.output,
            p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            p_DYN_DA_EN="false",
            p_PSDA_SEL="0000",
            p_DUTYDA_SEL="1000",
            p_CLKFB_SEL="internal",
            p_CLKOUT_BYPASS="false",
            p_CLKOUTP_BYPASS="false",
            p_CLKOUTD_BYPASS="false",
            i_CLKIN=pins.positive,
            i_CLKFB=Const(0),
            i_RESET=Const(0),
            i_RESET_P=Const(0),
            **{f"i_{name}": Const(0, width) for name, width in dynamic.items()},
            o_CLKOUT=clock,
            o_LOCK=locked,
        )
        return clock, locked


def gowin_pll(part: str, input_hz: int, target_hz: int) -> RPll:
    """The settings that make exactly ``target_hz``, the oscillator nearest its middle.

    Raises:
        PlanError: if none do; the message names the nearest clocks that can be made.
    """
    low, high = _VCO_HZ[part[:4]]
    found: dict[int, RPll] = {}
    for reference in range(min(64, input_hz // _COMPARATOR_MINIMUM_HZ)):
        for feedback in range(64):
            made_hz, rest = divmod(input_hz * (feedback + 1), reference + 1)
            fitting = [divisor for divisor in _OUTPUT_DIVISORS if low <= made_hz * divisor <= high]
            if not rest and fitting:
                output = min(fitting, key=lambda divisor: abs(made_hz * divisor - (low + high) // 2))
                found.setdefault(made_hz, RPll(input_hz, _DEVICES[part[:4]], reference, feedback, output))
    if target_hz not in found:
        raise no_such_clock(input_hz, target_hz, {*found, input_hz})
    return found[target_hz]
