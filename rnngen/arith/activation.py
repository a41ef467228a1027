"""tanh and sigmoid from one table of linear segments, in integers.

Both functions come from the same table: sigmoid(z) = (1 + tanh(z/2)) / 2, and
halving z only moves its binary point.  So for an integer ``n`` the table gives
``T(n) ~ tanh(n * 2**-in_fraction) * 2**out_fraction``, and

* tanh of a number with ``in_fraction`` fraction bits is T(n), with ``out_fraction`` bits;
* sigmoid of a number with ``in_fraction - 1`` fraction bits is ``2**out_fraction + T(n)``,
  with ``out_fraction + 1`` bits, exactly: nothing is rounded a second time.

T is odd: the magnitude goes through the table, the sign is applied afterwards.
A segment is a base and a slope; its line is fitted to the function in the
minimax sense.  The result is within one unit in the last place of the
correctly rounded value for every input (tests: exhaustive, against mpmath).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from rnngen.arith.format import FloatArray, Format, IntArray
from rnngen.errors import FormatError


@dataclass(frozen=True, eq=False)
class TanhTable:
    """Segments of tanh on the magnitudes of a signed input format.

    Attributes:
        in_width, in_fraction: The signed input format.
        out_fraction: Fraction bits of the tanh result; |T| <= 2**out_fraction - 1.
        rest_bits: Input bits below the segment address.
        guard_bits: Fraction bits of base and slope beyond the output's last place.
        base, slope: One entry a segment, non-negative.

    ``T(n) = sign(n) * ((base[a] + slope[a] * r) >> guard_bits)`` where for
    ``m = n if n >= 0 else -n - 1`` the address a is ``m >> rest_bits`` and r is
    ``(m mod 2**rest_bits) + (n < 0)``.  The rounding constant is inside ``base``.
    """

    in_width: int
    in_fraction: int
    out_fraction: int
    rest_bits: int
    guard_bits: int
    base: IntArray
    slope: IntArray

    @property
    def in_format(self) -> Format:
        """Format of a tanh input; a sigmoid input has one fraction bit less."""
        return Format(self.in_width, self.in_fraction)

    @property
    def tanh_format(self) -> Format:
        """Format of a tanh result."""
        return Format(self.out_fraction + 1, self.out_fraction)

    @property
    def sigmoid_format(self) -> Format:
        """Format of a sigmoid result."""
        return Format(self.out_fraction + 1, self.out_fraction + 1, signed=False)

    @property
    def address_bits(self) -> int:
        """Bits of the segment address."""
        return self.in_width - 1 - self.rest_bits

    @property
    def base_width(self) -> int:
        """Bits of a base entry."""
        return self.out_fraction + self.guard_bits + 1

    @property
    def slope_width(self) -> int:
        """Bits of a slope entry (at least 1)."""
        return max(1, int(self.slope.max()).bit_length())

    @property
    def memory_bits(self) -> int:
        """Bits of one copy of the table."""
        return len(self.base) * (self.base_width + self.slope_width)

    @property
    def words(self) -> list[int]:
        """The table as memory words, slope above base."""
        return [(int(s) << self.base_width) | int(b) for b, s in zip(self.base, self.slope)]

    @property
    def signed_words(self) -> list[int]:
        """The table with its negative half, by the input's leading bits as an unsigned address: the same values.

        For a negative n with u = n mod 2**rest_bits, ``-((base + slope * (2**rest_bits - u)) >> guard_bits)`` is
        ``(base' + slope * u) >> guard_bits`` with ``base' = 2**guard_bits - 1 - base - slope * 2**rest_bits``.  base'
        is signed and has one bit more than a base.
        """
        below = ((1 << self.guard_bits) - 1 - self.base - (self.slope << self.rest_bits))[::-1]
        bases, slopes = (*self.base.tolist(), *below.tolist()), (*self.slope.tolist(), *self.slope[::-1].tolist())
        width = self.base_width + 1
        return [(slope << width) | (base % (1 << width)) for base, slope in zip(bases, slopes)]

    def evaluate(self, n: IntArray) -> IntArray:
        """T(n) for integers of the input format."""
        negative = n < 0
        magnitude = np.where(negative, ~n, n)
        address = magnitude >> self.rest_bits
        rest = (magnitude & ((1 << self.rest_bits) - 1)) + negative
        result = (self.base[address] + self.slope[address] * rest) >> self.guard_bits
        signed: IntArray = np.where(negative, -result, result)
        return signed

    @cached_property
    def direct(self) -> IntArray:
        """T for every input, from the most negative to the largest."""
        half = 1 << (self.in_width - 1)
        return self.evaluate(np.arange(-half, half, dtype=np.int64))


def tanh_scaled(n: IntArray, in_fraction: int, out_fraction: int) -> FloatArray:
    """tanh in units of the last place, limited to the largest representable magnitude."""
    exact = np.tanh(np.asarray(n, dtype=np.float64) * 2.0**-in_fraction) * 2.0**out_fraction
    limit = float((1 << out_fraction) - 1)
    return np.clip(exact, -limit, limit)


def _fit(
    in_width: int, in_fraction: int, out_fraction: int, rest_bits: int, guard_bits: int
) -> tuple[IntArray, IntArray]:
    """Base (with its rounding constant) and slope of every segment, in guard units."""
    segments = 1 << (in_width - 1 - rest_bits)
    size = 1 << rest_bits
    scale = 2.0**guard_bits
    edges = tanh_scaled(np.arange(segments + 1, dtype=np.int64) * size, in_fraction, out_fraction)
    slope = np.floor((edges[1:] - edges[:-1]) * scale / size + 0.5)
    offsets = np.arange(size + 1, dtype=np.int64)
    base = np.empty(segments)
    for first in range(0, segments, 1024):
        rows = np.arange(first, min(first + 1024, segments))
        exact = tanh_scaled(rows[:, None] * size + offsets, in_fraction, out_fraction) * scale
        residual = exact - slope[rows, None] * offsets
        base[rows] = 0.5 * (residual.min(axis=1) + residual.max(axis=1))
    rounding = 1 << (guard_bits - 1)
    largest = ((1 << out_fraction) << guard_bits) - 1
    base_int = np.floor(base + 0.5).astype(np.int64) + rounding
    slope_int = slope.astype(np.int64)
    base_int = np.minimum(base_int, largest - slope_int * size)
    base_int[0] = rounding
    return np.maximum(base_int, 0), slope_int


def _worst_error(table: TanhTable) -> float:
    """Largest distance from exact tanh, in units in the last place."""
    half = 1 << (table.in_width - 1)
    n = np.arange(half + 1, dtype=np.int64)
    exact = tanh_scaled(n, table.in_fraction, table.out_fraction)
    return float(np.abs(table.evaluate(-n) + exact).max())


@lru_cache(maxsize=32)
def make_tanh_table(in_width: int, in_fraction: int, out_fraction: int) -> TanhTable:
    """The smallest table (fewest segments) that keeps the promise of one unit in the last place.

    Raises:
        FormatError: if no table of at most 2**(in_width - 1) segments keeps it,
            or a width is outside 3..20 bits.
    """
    if not 3 <= in_width <= 20:
        raise FormatError(f"The activation input must be 3..20 bits wide, not {in_width}.")
    for rest_bits in range(in_width - 2, -1, -1):
        guard_bits = max(2, min(rest_bits + 1, 12))
        base, slope = _fit(in_width, in_fraction, out_fraction, rest_bits, guard_bits)
        table = TanhTable(in_width, in_fraction, out_fraction, rest_bits, guard_bits, base, slope)
        if _worst_error(table) < 1.0:  # then it is within 1 of the correctly rounded integer too
            return table
    raise FormatError(
        f"No activation table of {in_width} input bits reaches {out_fraction} fraction bits; use fewer activation bits."
    )
