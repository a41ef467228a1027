"""The PHY that takes fewer words than it has cycles."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from amaranth.sim import Simulator

from rnngen.gateware.system.rate import Rate


def taken(rate: Rate, offered: list[int]) -> list[int]:
    """Cycles in which a word is taken, of those in which one is there."""
    found = []

    async def bench(context: Any) -> None:
        for cycle, valid in enumerate(offered):
            context.set(rate.valid, valid)
            if valid and context.get(rate.ready):
                found.append(cycle)
            await context.tick()

    simulator = Simulator(rate)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("rate", [Fraction(1, 2), Fraction(3, 10), Fraction(1, 16), Fraction(7, 8)], ids=str)
def test_words_are_taken_evenly(rate: Fraction) -> None:
    words, cycles = rate.as_integer_ratio()
    assert taken(Rate(words, cycles), [1] * 100) == [n * cycles // words for n in range(-(-100 * words // cycles))]


def test_a_phy_that_has_rested_takes_a_word_at_once() -> None:
    assert taken(Rate(1, 4), [0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]) == [2, 8, 12]
    assert taken(Rate(1, 4), [1, 0, 1, 1, 1]) == [0, 4]
