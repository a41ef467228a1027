"""The PLLs of Intel's families as Quartus' library has them: altera_pll (Cyclone V) and altpll (MAX 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from rnngen.config import Board
from rnngen.gateware.board_clock_ratio import PllRange, Ratio, find_ratio

if TYPE_CHECKING:
    from rnngen.gateware.board_clock import ClockPins

# Data sheets CV-51002 and M10-DATASHEET, of the slowest speed grade.  Quartus chooses the counters of altera_pll
# itself; that there are some is what is computed here.
_LIMITS = {
    "cyclonev": PllRange((5_000_000, 325_000_000), (600_000_000, 1_300_000_000), 512, (1, 512), (1, 512)),
    "max10": PllRange((5_000_000, 325_000_000), (600_000_000, 1_300_000_000), 512, (1, 512), (1, 512)),
}
_PICOSECONDS = 1_000_000_000_000


@dataclass(frozen=True)
class IntelPll:
    """A PLL as the source of a board's clock."""

    input_hz: int
    family: str
    ratio: Ratio

    @classmethod
    def of(cls, board: Board, clock_hz: int) -> IntelPll:
        """That of a board.

        Raises:
            PlanError: if it cannot make the clock.
        """
        ratio = find_ratio(_LIMITS[board.family], board.clock_input_hz, clock_hz)
        return cls(board.clock_input_hz, board.family, ratio)

    @property
    def output_hz(self) -> int:
        """The clock that it makes."""
        return self.ratio.output_hz

    def build(self, m: Module, pins: ClockPins) -> tuple[Value, Value]:
        """See ``rnngen.gateware.board_clock.ClockSource``."""
        clock, locked = Signal(name="core"), Signal(name="locked")
        if self.family == "cyclonev":
            m.submodules.pll = Instance("altera_pll", **self._altera_pll(), i_refclk=pins.positive, i_fbclk=0,
                                        i_rst=0, o_outclk=clock, o_locked=locked)  # fmt: skip
            return clock, locked
        outputs = Signal(5, name="outputs")
        m.d.comb += clock.eq(outputs[0])
        m.submodules.pll = Instance("altpll", **self._altpll(), i_inclk=Cat(pins.positive, Const(0)), i_areset=0,
                                    o_clk=outputs, o_locked=locked)  # fmt: skip
        return clock, locked

    def _altera_pll(self) -> dict[str, Any]:
        return {
            "p_fractional_vco_multiplier": "false",
            "p_reference_clock_frequency": f"{self.input_hz / 1e6:.6f} MHz",
            "p_operation_mode": "direct",
            "p_number_of_clocks": 1,
            "p_output_clock_frequency0": f"{self.output_hz / 1e6:.6f} MHz",
            "p_phase_shift0": "0 ps",
            "p_duty_cycle0": 50,
            "p_pll_type": "General",
            "p_pll_subtype": "General",
        }

    def _altpll(self) -> dict[str, Any]:
        return {
            "p_intended_device_family": "MAX 10",
            "p_lpm_type": "altpll",
            "p_operation_mode": "NORMAL",
            "p_pll_type": "AUTO",
            "p_bandwidth_type": "AUTO",
            "p_compensate_clock": "CLK0",
            "p_width_clock": 5,
            "p_inclk0_input_frequency": round(_PICOSECONDS / self.input_hz),
            "p_clk0_multiply_by": self.ratio.feedback,
            "p_clk0_divide_by": self.ratio.reference * self.ratio.output,
            "p_clk0_duty_cycle": 50,
            "p_clk0_phase_shift": "0",
            "p_self_reset_on_loss_lock": "OFF",
            "p_port_areset": "PORT_USED",
            "p_port_inclk0": "PORT_USED",
            "p_port_locked": "PORT_USED",
            "p_port_clk0": "PORT_USED",
        }
