"""The rate of a serial line."""

from __future__ import annotations

from rnngen.errors import PlanError


def clocks_per_bit(clock_hz: int, baud: int) -> int:
    """Clock cycles of a bit.

    Raises:
        PlanError: when the rounded rate is more than 2.5 % off, so that the last bit would be missed.
    """
    divisor = max(1, round(clock_hz / baud))
    if divisor < 8 or abs(clock_hz / divisor - baud) > 0.025 * baud:
        near = max(8, divisor) * baud / 1e6
        raise PlanError(
            f"A serial line of {baud:,} baud needs a clock of a whole number of cycles a bit, at least 8, to within "
            f"2.5 %; {clock_hz / 1e6:g} MHz makes {clock_hz / baud:.2f}: take a --clock near {near:g} MHz."
        )
    return divisor
