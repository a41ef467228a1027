"""tanh and sigmoid from the table, for every input of a format, held to exact mathematics.

The correctly rounded value of every input is computed here, apart from the code under test.
numpy's float64 tanh and exp are within 4 ulp of the true value (glibc states 2 and 1, numpy's own
vector forms at most 4), so after scaling by 2**17 at most the value floor(2**17 * tanh + 1/2) can be wrong
only if the scaled value, smaller than 2**17, lies within 2**17 * 4 * 2**-53 < 2**-33 of a half.  1/(1 + exp(-z))
adds two roundings and stays below 8 ulp.  Every value within 2**-30 of a half is therefore taken from
mpmath with 60 digits; the bound of the shortcut itself is checked against mpmath on a sample.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from rnngen.arith.activation import make_tanh_table
from rnngen.errors import FormatError

CLOSE = 2.0**-30
BITS = [4, 5, 8, 12, 16, 18]


def exact(name: str, n: int, fraction: int) -> mpmath.mpf:
    """The function of n * 2**-fraction, to 60 digits."""
    with mpmath.workdps(60):
        z = mpmath.ldexp(n, -fraction)
        return mpmath.tanh(z) if name == "tanh" else 1 / (1 + mpmath.exp(-z))


def approximate(name: str, n: np.ndarray, fraction: int) -> np.ndarray:
    z = n * 2.0**-fraction
    return np.tanh(z) if name == "tanh" else 1 / (1 + np.exp(-z))


def correctly_rounded(name: str, n: np.ndarray, fraction: int, out_fraction: int) -> np.ndarray:
    """Rounded half up to out_fraction bits, before any limit."""
    scaled = approximate(name, n, fraction) * 2.0**out_fraction
    result = np.floor(scaled + 0.5).astype(np.int64)
    close = np.abs(scaled - np.floor(scaled) - 0.5) < CLOSE
    assert np.count_nonzero(close) < 100
    with mpmath.workdps(60):
        for index in np.flatnonzero(close):
            value = mpmath.ldexp(exact(name, int(n[index]), fraction), out_fraction)
            result[index] = int(mpmath.floor(value + 0.5))
    return result


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_the_shortcut_keeps_its_bound(name: str) -> None:
    fraction = 14
    n = np.unique(np.concatenate([np.arange(-300, 300), np.arange(-(2**17), 2**17, 701), [-(2**17), 2**17 - 1]]))
    got = approximate(name, n, fraction)
    with mpmath.workdps(60):
        worst = max(abs(exact(name, int(i), fraction) - mpmath.mpf(float(v))) for i, v in zip(n, got, strict=True))
    assert worst * 2**17 < CLOSE / 2


@pytest.mark.parametrize("bits", BITS)
def test_every_input_is_within_one_unit(bits: int) -> None:
    in_width, in_fraction, out_fraction = bits + 2, bits - 2, min(bits, 16)
    table = make_tanh_table(in_width, in_fraction, out_fraction)
    n = np.arange(-(2 ** (in_width - 1)), 2 ** (in_width - 1), dtype=np.int64)
    tanh = table.evaluate(n)
    limit = 2**out_fraction - 1
    wanted = np.clip(correctly_rounded("tanh", n, in_fraction, out_fraction), -limit - 1, limit)
    assert np.abs(tanh - wanted).max() <= 1
    sigmoid = 2**out_fraction + tanh
    wanted = np.clip(correctly_rounded("sigmoid", n, in_fraction - 1, out_fraction + 1), 0, 2 ** (out_fraction + 1) - 1)
    assert np.abs(sigmoid - wanted).max() <= 1
    for values, fmt in ((tanh, table.tanh_format), (sigmoid, table.sigmoid_format)):
        assert fmt.minimum <= values.min()
        assert values.max() <= fmt.maximum
    assert np.array_equal(table.direct, tanh)


@pytest.mark.parametrize("in_width, in_fraction, out_fraction", [(18, 12, 16), (10, 3, 8), (18, 16, 16), (6, 1, 4)])
def test_other_binary_points(in_width: int, in_fraction: int, out_fraction: int) -> None:
    table = make_tanh_table(in_width, in_fraction, out_fraction)
    n = np.arange(-(2 ** (in_width - 1)), 2 ** (in_width - 1), dtype=np.int64)
    limit = 2**out_fraction - 1
    wanted = np.clip(correctly_rounded("tanh", n, in_fraction, out_fraction), -limit - 1, limit)
    assert np.abs(table.evaluate(n) - wanted).max() <= 1


@pytest.mark.parametrize("bits", BITS)
def test_the_function_is_odd_and_zero_at_zero(bits: int) -> None:
    table = make_tanh_table(bits + 2, bits - 2, min(bits, 16))
    n = np.arange(1, 2 ** (bits + 1), dtype=np.int64)
    # -n with n a whole number of segments takes the segment below, so the two sides may differ by one unit there.
    both = table.evaluate(n) + table.evaluate(-n)
    assert np.abs(both).max() <= 1
    assert np.count_nonzero(both[(n % (1 << table.rest_bits)) != 0]) == 0
    assert table.evaluate(np.array([0]))[0] == 0


@pytest.mark.parametrize("bits", BITS)
def test_words_hold_slope_above_base(bits: int) -> None:
    table = make_tanh_table(bits + 2, bits - 2, min(bits, 16))
    assert len(table.words) == 1 << table.address_bits
    for word, base, slope in zip(table.words, table.base.tolist(), table.slope.tolist(), strict=True):
        assert word == slope * 2**table.base_width + base
        assert 0 <= base < 2**table.base_width
        assert 0 <= slope < 2**table.slope_width
    assert table.memory_bits == len(table.words) * (table.base_width + table.slope_width)


@pytest.mark.parametrize("width", [2, 21])
def test_width_out_of_range(width: int) -> None:
    with pytest.raises(FormatError, match=rf"^The activation input must be 3\.\.20 bits wide, not {width}\.$"):
        make_tanh_table(width, 4, 4)


def test_the_table_is_made_once() -> None:
    assert make_tanh_table(10, 6, 8) is make_tanh_table(10, 6, 8)
