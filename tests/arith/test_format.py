"""Rounding half up and saturation, held to exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnngen.arith.format import Format, narrow, round_shift
from rnngen.errors import FormatError

HALF = Fraction(1, 2)


def rounded(value: Fraction) -> int:
    """Half up: the definition."""
    return math.floor(value + HALF)


def clipped(value: int, width: int, signed: bool) -> int:
    low = -(2 ** (width - 1)) if signed else 0
    high = 2 ** (width - 1) - 1 if signed else 2**width - 1
    return min(max(value, low), high)


@pytest.mark.parametrize(
    "fmt, low, high, step",
    [
        (Format(8, 7), -128, 127, 1 / 128),
        (Format(1, 0), -1, 0, 1.0),
        (Format(4, -2), -8, 7, 4.0),
        (Format(4, 9, signed=False), 0, 15, 1 / 512),
        (Format(64, 0), -(2**63), 2**63 - 1, 1.0),
    ],
)
def test_limits(fmt: Format, low: int, high: int, step: float) -> None:
    assert (fmt.minimum, fmt.maximum, fmt.step) == (low, high, step)


@pytest.mark.parametrize("width", [0, -1, 65])
def test_width_out_of_range(width: int) -> None:
    with pytest.raises(FormatError, match=rf"^Format width must be within 1\.\.64 bits, not {width}\.$"):
        Format(width, 0)


def test_names() -> None:
    assert [str(Format(16, 15)), str(Format(9, 3, signed=False))] == ["s16.15", "u9.3"]


@pytest.mark.parametrize(
    "value, expected", [(0.5, 1), (-0.5, 0), (1.5, 2), (-1.5, -1), (2.5, 3), (0.49, 0), (-0.51, -1), (7.49, 7)]
)
def test_half_goes_up(value: float, expected: int) -> None:
    assert Format(8, 0).quantise(value) == expected


@given(
    st.integers(2, 20),
    st.integers(-6, 24),
    st.booleans(),
    st.lists(st.fractions(-64, 64, max_denominator=4096), min_size=1, max_size=20),
)
def test_quantise_is_the_definition(width: int, fraction: int, signed: bool, values: list[Fraction]) -> None:
    floats = [float(value) for value in values]
    exact = [rounded(Fraction(value) * Fraction(2) ** fraction) for value in floats]
    expected = [clipped(value, width, signed) for value in exact]
    target = Format(width, fraction, signed)
    assert target.quantise(floats).tolist() == expected
    assert target.count_saturated(floats) == sum(a != b for a, b in zip(exact, expected, strict=True))
    assert target.to_float(expected).tolist() == [float(n / Fraction(2) ** fraction) for n in expected]


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=20), st.integers(-8, 30))
@example([-3, -2, -1, 0, 1, 2, 3], 1)
def test_round_shift(values: list[int], shift: int) -> None:
    expected = [rounded(Fraction(value) / Fraction(2) ** shift) for value in values]
    assert round_shift(np.array(values, dtype=np.int64), shift).tolist() == expected


@given(
    st.lists(st.integers(-(2**30), 2**30), min_size=1, max_size=20),
    st.integers(0, 30),
    st.integers(2, 20),
    st.integers(-4, 32),
)
@example([7, 8, -8, -9, 15], 0, 4, 0)
def test_narrow(values: list[int], fraction: int, width: int, target_fraction: int) -> None:
    exact = [rounded(value * Fraction(2) ** (target_fraction - fraction)) for value in values]
    expected = [clipped(value, width, True) for value in exact]
    got, saturated = narrow(np.array(values, dtype=np.int64), fraction, Format(width, target_fraction))
    assert got.tolist() == expected
    assert saturated == sum(a != b for a, b in zip(exact, expected, strict=True))
