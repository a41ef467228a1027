"""The clock of a board's top: a family's PLL, or the clock that comes in.

Another family's PLL is a class with what ``ClockSource`` asks for, in a file of its own, and a line in ``_PLLS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from amaranth.hdl import Const, Module, Signal, Value

from rnngen.config import Board
from rnngen.errors import PlanError
from rnngen.gateware.board_clock_amd import AmdClock
from rnngen.gateware.board_clock_ecp5 import Ecp5Pll
from rnngen.gateware.board_clock_gowin import gowin_pll
from rnngen.gateware.board_clock_ice40 import ice40_pll
from rnngen.gateware.board_clock_intel import IntelPll


@dataclass(frozen=True)
class ClockPins:
    """What comes in: None where the clock is of the device itself; ``negative`` is that of a differential pair."""

    positive: Signal | None
    negative: Signal | None


class ClockSource(Protocol):
    """Makes the clock of a top."""

    @property
    def output_hz(self) -> int:
        """The clock that it makes, exactly."""

    def build(self, m: Module, pins: ClockPins) -> tuple[Value, Value]:
        """Puts it into the top: the clock, and whether it is steady (in no clock domain).

        What it makes of ``pins`` goes into submodules of ``m``, with no other clock domain than its own.
        """


@dataclass(frozen=True)
class InputClock:
    """The clock that comes in, as it is."""

    output_hz: int

    def build(self, m: Module, pins: ClockPins) -> tuple[Value, Value]:
        """See ``ClockSource``."""
        assert pins.positive is not None
        return pins.positive, Const(1)


def _ice40(board: Board, clock_hz: int) -> ClockSource:
    input_hz = board.clock.input_hz
    return InputClock(clock_hz) if clock_hz == input_hz else ice40_pll(input_hz, clock_hz)


def _gowin(board: Board, clock_hz: int) -> ClockSource:
    input_hz = board.clock.input_hz
    return InputClock(clock_hz) if clock_hz == input_hz else gowin_pll(board.part, input_hz, clock_hz)


_PLLS: Mapping[str, Callable[[Board, int], ClockSource]] = {
    "ecp5": Ecp5Pll.of,
    "xc7": AmdClock.of,
    "xcu": AmdClock.of,
    "cyclonev": IntelPll.of,
    "max10": IntelPll.of,
    "gowin": _gowin,
    "ice40": _ice40,
}
"""By family: what makes a clock of a board's, or raises PlanError with the clocks that can be made."""


def clock_source(board: Board, clock_hz: int) -> ClockSource:
    """What makes ``clock_hz`` on a board.

    Raises:
        PlanError: if nothing does; the message names clocks that can be made.
    """
    made = board.clock.makes_hz
    if made and clock_hz not in made:
        listed = ", ".join(f"{hertz / 1e6:g}" for hertz in made)
        raise PlanError(f"Board '{board.name}' makes clocks of {listed} MHz, not {clock_hz / 1e6:g} MHz; ask for one.")
    if board.family in _PLLS:
        return _PLLS[board.family](board, clock_hz)
    if clock_hz != board.clock.input_hz or board.clock.source != "pin" or board.clock.port_n:
        raise PlanError(
            f"No PLL of family {board.family} is known here, so board '{board.name}' makes no clock of "
            f"{clock_hz / 1e6:g} MHz: ask for the one that comes in, {board.clock.input_hz / 1e6:g} MHz."
        )
    return InputClock(clock_hz)
