"""The rate of a serial line."""

from __future__ import annotations


def clocks_per_bit(clock_hz: int, baud: int) -> int:
    """Clock cycles of a bit.

    Raises:
        ValueError: when the rounded rate is more than 2.5 % off, so that the last bit would be missed.
    """
    divisor = max(1, round(clock_hz / baud))
    if divisor < 8 or abs(clock_hz / divisor - baud) > 0.025 * baud:
        raise ValueError(f"Baud must be at most an eighth of the clock and within 2.5 % of a divisor, not {baud}.")
    return divisor
